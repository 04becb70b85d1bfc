"""Positions and fields of real files with any names of coordinates."""

import logging
import tracemalloc

import numpy as np
import pytest
import xarray as xr

from thor.core.errors import GridError
from thor.ocean.stress import detect_convention
from thor.reading.archive import Archive
from thor.reading.fields import read_field
from thor.reading.positions import positions, read_positions, same_positions
from thor.reading.runs import Run


@pytest.fixture
def archive(data_mirror):
    return Archive(data_mirror / "esgf")


def test_positions_of_staggered_stress_are_read_with_their_vertices(archive):
    run = Run("MPI-ESM1-2-LR", "historical", "r1i1p1f1")
    u, v = (
        read_positions(archive.stored(run, name)["gn"].files()[0], name, where=run.source_id)
        for name in ("tauuo", "tauvo")
    )
    assert u["lat"].dims == ("y", "x")
    assert u["lat"].shape == (220, 256)
    assert u["lat_bnds"].dims == ("y", "x", "vertex")
    assert 0 <= float(u["lon"].min()) <= float(u["lon"].max()) < 360
    assert not same_positions(u, v)
    assert same_positions(u, u.assign_coords(lon=(u["lon"] + 360 - 1e-5) % 360))


def test_the_stress_of_a_real_model_is_on_a_c_grid(archive):
    """The T points of MPI-ESM1-2-LR are those of MPI-ESM-1-2-HAM, which has the same ocean."""
    run, other = Run("MPI-ESM1-2-LR", "historical", "r1i1p1f1"), "MPI-ESM-1-2-HAM"
    path = next(archive.roots[0].glob(f"**/{other}/ssp370/r1i1p1f1/Omon/tos/gn/*/*.nc"))
    ocean = read_positions(path, "tos", where=other)
    for suffix, name in (("u", "tauuo"), ("v", "tauvo")):
        place = read_positions(archive.stored(run, name)["gn"].files()[0], name, where=run.source_id)
        ocean[name] = (("y", "x"), np.zeros(place["lat"].shape), {"standard_name": "surface_downward_x_stress"})
        ocean = ocean.assign_coords({f"{c}_{suffix}": (("y", "x"), place[c].values) for c in ("lat", "lon")})
    assert detect_convention(ocean) == "grid_axes_c_grid"


def test_coordinates_left_out_on_land_are_missing_and_warned_of_once(archive, caplog):
    run = Run("EC-Earth3-Veg", "ssp245", "r5i1p1f1")
    path = next(archive.fixed(run, "deptho"))[1].files()[0]
    with caplog.at_level(logging.WARNING):
        field = read_field(path, "deptho", where=run.source_id)
        read_field(path, "deptho", where=run.source_id)
    assert int(field["lat"].isnull().sum()) == 475
    assert caplog.text.count("cells with latitude and longitude zero ") == 1
    assert not ((field["deptho"] > 0) & field["lat"].isnull()).any()
    assert field["deptho"].attrs["units"] == "m"


def test_areas_and_bounds_of_a_real_model(archive):
    run = Run("GFDL-ESM4", "historical", "r1i1p1f1")
    field = read_field(next(archive.fixed(run, "areacello"))[1].files()[0], "areacello", where=run.source_id)
    assert field["areacello"].dims == ("y", "x")
    assert field["lon_bnds"].shape == (576, 720, 4)
    ocean = float(field["areacello"].sum())
    assert ocean == pytest.approx(3.6e14, rel=0.02)


@pytest.mark.parametrize(
    ("names", "dims"),
    [
        (("nav_lat", "nav_lon"), ("y", "x")),
        (("latitude", "longitude"), ("j", "i")),
        (("TLAT", "TLONG"), ("nlat", "nlon")),
        (("geolat", "geolon"), ("yh", "xh")),
    ],
)
def test_coordinates_may_have_any_name(names, dims):
    lat, lon = np.meshgrid(np.linspace(-60, 60, 5), np.linspace(-180, 150, 12), indexing="ij")
    dataset = xr.Dataset(
        {"zos": (("time", *dims), np.zeros((1, 5, 12)))},
        coords={names[0]: (dims, lat), names[1]: (dims, lon), dims[0]: np.arange(5), dims[1]: np.arange(12)},
    )
    found = positions(dataset, "zos", where="MADE")
    assert set(found.variables) == {"lat", "lon"}
    assert found["lat"].dims == ("y", "x")
    np.testing.assert_allclose(found["lon"].values, lon % 360)


def test_true_coordinates_win_over_nominal_axes():
    lat, lon = np.meshgrid(np.linspace(-60, 60, 5), np.linspace(0, 330, 12), indexing="ij")
    dataset = xr.Dataset(
        {"zos": (("lat", "lon"), np.zeros((5, 12)))},
        coords={
            "lat": ("lat", np.arange(5.0), {"standard_name": "projection_y_coordinate"}),
            "lon": ("lon", np.arange(12.0)),
            "true_lat": (("lat", "lon"), lat, {"standard_name": "latitude"}),
            "true_lon": (("lat", "lon"), lon, {"standard_name": "longitude"}),
        },
    )
    np.testing.assert_allclose(positions(dataset, "zos", where="MADE")["lat"].values, lat)


def test_a_file_without_positions_is_named():
    dataset = xr.Dataset({"zos": (("y", "x"), np.zeros((5, 12)))})
    with pytest.raises(GridError, match="no latitude of 'zos' among zos"):
        positions(dataset, "zos", where="MADE")


def test_positions_cost_one_step_whatever_the_name_of_the_time_axis(tmp_path):
    values = np.zeros((400, 60, 80), np.float32)
    coords = {"nav_lat": ("y", np.linspace(-70, 70, 60)), "nav_lon": ("x", np.arange(80) * 4.5)}
    xr.Dataset({"zos": (("time_counter", "y", "x"), values)}, coords).to_netcdf(tmp_path / "zos.nc")
    tracemalloc.start()
    place = read_positions(tmp_path / "zos.nc", "zos", where="MADE-1")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert dict(place.sizes) == {"lat": 60, "lon": 80} and peak < 0.2 * values.nbytes
