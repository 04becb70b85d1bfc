"""Unusual but readable grids, orders of storage and stresses, and errors for invalid ones: a small archive for each."""

import re
import subprocess
import sys

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.reading.small_archives import only, read, relative_rms, rewritten
from tests.tiny_archive import FIELDS, areas, centres, deptho, sea, tauuo, tauvo, write, write_tiny, zos
from thor.core.errors import DataError, GridError
from thor.core.warn import warn_once
from thor.reading.positions import read_positions
from thor.reading.quirks import Quirks


# -- grids ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("west", [-177.5, 2.5, 42.5, -357.5])
@pytest.mark.parametrize("order", [1, -1])
def test_longitudes_in_any_convention_without_bounds_have_the_area_of_the_ocean(tmp_path, west, order):
    lat, lon = centres(west=west)
    _, _, wet = write_tiny(tmp_path, lat=lat[::order], lon=lon, bounds=False)
    ocean, _ = only(tmp_path)
    area = areas(lat, lon.size)[::order]
    at_sea = np.isfinite(ocean["zos"].values[0])
    assert float(ocean["areacello"].values[at_sea].sum()) == pytest.approx(area[wet].sum(), rel=1e-3)
    mean = (zos(lat[::order], lon) * area)[wet].sum() / area[wet].sum()
    assert float(ocean["removed_mean"][0]) == pytest.approx(mean, abs=1e-5)


def test_stress_on_u_and_v_points_with_1d_coordinates(tmp_path):
    lat, lon, wet = write_tiny(tmp_path, skip=("tauuo", "tauvo"))
    north = np.minimum(lat + 2.5, 89.9)
    u, v = wet & np.roll(wet, -1, 1), wet & np.roll(wet, -1, 0)
    write(tmp_path, "tauuo", np.where(u, tauuo(lat, lon + 2.5), np.nan), lat, lon + 2.5)
    write(tmp_path, "tauvo", np.where(v, tauvo(north, lon), np.nan), north, lon)
    assert only(tmp_path)[0].attrs["stress_convention"] == "grid_axes_c_grid"


def north_first(dataset):
    return dataset.isel({dataset["lat"].dims[0]: slice(None, None, -1)})


def from_180_west(dataset):
    dim = dataset["lon"].dims[-1]
    out = dataset.roll({dim: dataset.sizes[dim] // 2}, roll_coords=True)
    lon = (out["lon"] + 180) % 360 - 180
    if "lon_bnds" in out:
        out["lon_bnds"] = out["lon_bnds"] + (lon - out["lon"])
    return out.assign_coords(lon=lon.assign_attrs(dataset["lon"].attrs))


def both(dataset):
    return north_first(from_180_west(dataset))


@pytest.mark.parametrize("stored", [north_first, from_180_west, both])
@pytest.mark.parametrize("names", [("tauuo", "tauvo"), ("deptho",), ("zos",)])
@pytest.mark.parametrize("n_dims", [1, 2])
def test_each_variable_may_be_stored_in_an_order_of_its_own(tmp_path, caplog, n_dims, names, stored):
    lat, lon = centres() if n_dims == 1 else np.meshgrid(*centres(), indexing="ij")
    write_tiny(tmp_path, lat=lat, lon=lon)
    _, expected = only(tmp_path)
    for name in names:
        rewritten(tmp_path, name, stored)
    warn_once.cache_clear()
    caplog.clear()
    _, features = only(tmp_path)
    moved = names if names != ("zos",) else ("tauuo", "tauvo", "deptho")
    for name in moved:
        assert f"{name} is stored in another order of rows or columns than zos" in caplog.text
    if names == ("zos",) and n_dims == 2:
        expected = stored(expected)  # the cells of a curvilinear grid stay in the order of sea level
    for name in ("zos", "wind_stress_curl", "deptho", "areacello", "valid"):
        np.testing.assert_allclose(features[name].values, expected[name].values, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("n_dims", [1, 2])
def test_longitude_before_latitude_is_named_with_the_remedy(tmp_path, n_dims):
    lat, lon = centres() if n_dims == 1 else np.meshgrid(*centres(), indexing="ij")
    write_tiny(tmp_path, lat=lat, lon=lon)
    names = ("lat", "lon") if n_dims == 1 else ("j", "i")
    for name in ("zos", "tauuo", "tauvo"):
        rewritten(tmp_path, name, lambda d: d.transpose(..., *names[::-1]))
    with pytest.raises(GridError, match=f"expected latitude before longitude. .*ncpdq -a time,{','.join(names)} in.nc"):
        only(tmp_path)


@pytest.mark.parametrize("with_positions", [False, True])
def test_depth_on_2d_coordinates_stored_longitude_first_is_put_beside_sea_level(tmp_path, caplog, with_positions):
    write_tiny(tmp_path, lat=(places := np.meshgrid(*centres(), indexing="ij"))[0], lon=places[1])
    _, expected = only(tmp_path)
    names = ("deptho", "lat", "lon") if with_positions else ("deptho",)
    rewritten(tmp_path, "deptho", lambda d: d.assign({name: d[name].transpose("i", "j") for name in names}))
    _, features = only(tmp_path)
    np.testing.assert_array_equal(features["deptho"].values, expected["deptho"].values)
    assert "'deptho' is stored as (i, j); put latitude before longitude" in caplog.text


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_section_of_one_row_gives_no_warning_of_numpy(tmp_path):
    lat, lon = np.meshgrid([-50.0], centres()[1], indexing="ij")
    path = write(tmp_path, "zos", zos(lat, lon), lat, lon)
    assert read_positions(path, "zos", where="TINY")["lat"].shape == lat.shape


def test_staggered_stress_stored_from_north_to_south_is_that_from_south_to_north(tmp_path):
    lat, lon, wet = write_tiny(tmp_path, skip=("tauuo", "tauvo"))
    u, v = wet & np.roll(wet, -1, 1), wet & np.roll(wet, -1, 0)
    write(tmp_path, "tauuo", np.where(u, tauuo(lat, lon + 2.5), np.nan), lat, lon + 2.5)
    write(tmp_path, "tauvo", np.where(v, tauvo(lat + 2.5, lon), np.nan), lat + 2.5, lon, bounds=False)
    ocean, expected = only(tmp_path)
    for name in ("tauuo", "tauvo"):
        rewritten(tmp_path, name, both)
    turned, features = only(tmp_path)
    assert turned.attrs["stress_convention"] == ocean.attrs["stress_convention"] == "grid_axes_c_grid"
    np.testing.assert_allclose(features["wind_stress_curl"].values, expected["wind_stress_curl"].values, atol=1e-12)


def test_files_of_a_series_in_different_orders_are_named(tmp_path):
    write_tiny(tmp_path)
    (path,) = tmp_path.rglob("zos_*.nc")
    with xr.open_dataset(path, decode_times=False) as dataset:
        dataset.load()
    path.unlink()
    for stem, part in (
        ("199501-199512", dataset[{"time": slice(12)}]),
        ("199601-199612", dataset[{"time": slice(12, 24)}]),
    ):
        part.to_netcdf(path.with_name(path.name.replace("199501-199612", stem)))
    _, features = only(tmp_path)
    second = path.with_name(path.name.replace("199501-199612", "199601-199612"))
    with xr.open_dataset(second, decode_times=False) as part:
        turned = north_first(part.load())
    second.unlink()
    turned.to_netcdf(second)
    with pytest.raises(GridError, match=f"the cells of {second.name} do not lie where those of zos_.*199512.nc do"):
        only(tmp_path)
    assert int(features["valid"].sum()) > 2000


@pytest.mark.parametrize("fill", [0.0, 1e20])
def test_files_of_a_series_of_which_some_have_no_positions_on_land_lie_on_one_grid(tmp_path, fill):
    lat, lon = np.meshgrid(*centres(), indexing="ij")
    write_tiny(tmp_path, lat=lat, lon=lon, years=(1995, 1995))
    wet = sea(lat, lon)
    positions = np.where(wet, lat, fill), np.where(wet, lon, fill)
    for name in ("zos", "tauuo", "tauvo"):
        write(tmp_path, name, np.where(wet, FIELDS[name](lat, lon), np.nan), *positions, years=(1996, 1996))
    for path in tmp_path.rglob("zos_*.nc"):  # dims may have the names that positions have in THOR
        with xr.open_dataset(path, decode_times=False) as dataset:
            renamed = dataset.rename(lat="latitude", lon="longitude").rename(j="lat", i="lon").load()
        path.unlink()
        renamed.to_netcdf(path)
    ocean, _ = only(tmp_path)
    np.testing.assert_allclose((ocean["zos"] + ocean["removed_mean"]).values[0][wet], zos(lat, lon)[wet], atol=1e-6)


def test_a_month_of_fill_values_is_named_with_its_window(tmp_path):
    write_tiny(tmp_path)

    def without_june(dataset):
        values = dataset["zos"].values
        values[5] = np.nan
        return dataset.assign(zos=(dataset["zos"].dims, values, dataset["zos"].attrs))

    rewritten(tmp_path, "zos", without_june)
    with pytest.raises(DataError, match="no cell has 'zos' in every month of 1995-1996. A file has a month of fill"):
        only(tmp_path)


def in_radians(units, west=0.0):
    """Return what stores latitudes and longitudes, from a longitude on, in radians under these units."""

    def edit(dataset):
        out = dataset.copy()
        shift = {"lat": 0.0, "lon": (out["lon"] - west) % 360 + west - out["lon"]}
        for name in ("lat", "lon"):
            attrs = {"standard_name": out[name].attrs["standard_name"]} | ({"units": units} if units else {})
            if f"{name}_bnds" in out:
                out[f"{name}_bnds"] = np.deg2rad(out[f"{name}_bnds"] + shift[name])
                attrs["bounds"] = f"{name}_bnds"
            out = out.assign_coords({name: (out[name].dims, np.deg2rad(out[name] + shift[name]).values, attrs)})
        return out

    return edit


@pytest.mark.parametrize(("units", "west"), [("radians", 0), (None, 0), (None, -180), (None, -300)])
@pytest.mark.parametrize("n_dims", [1, 2])
def test_positions_in_radians_are_converted(tmp_path, caplog, n_dims, units, west):
    lat, lon = centres() if n_dims == 1 else np.meshgrid(*centres(), indexing="ij")
    write_tiny(tmp_path, lat=lat, lon=lon)
    _, expected = only(tmp_path)
    for name in FIELDS:
        rewritten(tmp_path, name, in_radians(units, west))
    _, features = only(tmp_path)
    for name in ("lat", "lon", "wind_stress_curl", "areacello"):
        np.testing.assert_allclose(features[name].values, expected[name].values, rtol=1e-9, atol=1e-12)
    warning = "TINY: latitudes and longitudes have no units, and as radians they span the globe; taken as radians"
    assert caplog.text.count(warning) == (units is None)


@pytest.mark.parametrize("bounds", [True, False])
def test_longitudes_westward_and_latitudes_southward_by_their_units_are_turned(tmp_path, caplog, bounds):
    write_tiny(tmp_path, bounds=bounds)
    _, expected = only(tmp_path)

    def turned(dataset):
        names = [name for name in dataset.variables if name.startswith(("lat", "lon"))]
        out = dataset.assign_coords({name: (dataset[name].dims, -dataset[name].values) for name in names})
        for name, units in (("lat", "degrees_south"), ("lon", "degrees_W")):
            out[name].attrs = dataset[name].attrs | {"units": units}
        return out

    for name in FIELDS:
        rewritten(tmp_path, name, turned)
    _, features = only(tmp_path)
    for name in ("lat", "lon", "zos", "wind_stress_curl", "areacello"):
        np.testing.assert_allclose(features[name].values, expected[name].values, rtol=1e-9, atol=1e-12)
    assert caplog.text.count("TINY: lat and lon in degrees_south, degrees_W: turned") == 1


def test_positions_that_count_cells_are_named(tmp_path):
    write_tiny(tmp_path, bounds=False)

    def counted(dataset):
        places = {name: (name, np.arange(float(dataset.sizes[name])), {}) for name in ("lat", "lon")}
        return dataset.assign_coords(places)

    for name in FIELDS:
        rewritten(tmp_path, name, counted)
    with pytest.raises(GridError, match="latitudes and longitudes without units count rows and columns from 0"):
        only(tmp_path)


@pytest.mark.parametrize(("units", "rows"), [("degrees", slice(None)), (None, slice(20, 30))])
def test_positions_that_may_be_radians_are_named(tmp_path, units, rows):
    write_tiny(tmp_path)
    for name in FIELDS:
        rewritten(tmp_path, name, lambda dataset: in_radians(units)(dataset).isel(lat=rows))
    stated = f"{units!r} and {units!r}" if units else "no units and no units"
    with pytest.raises(GridError, match=f"latitudes of .* and longitudes of .* have {stated}; they look like radians"):
        only(tmp_path)


@pytest.mark.parametrize("fill", [0.0, 1e20])
def test_radians_are_recognised_where_land_has_no_position(tmp_path, fill):
    lat, lon = np.meshgrid(*centres(), indexing="ij")
    _, _, wet = write_tiny(tmp_path, lat=lat, lon=lon)
    for name in FIELDS:
        rewritten(tmp_path, name, in_radians(None))
        rewritten(tmp_path, name, lambda d: d.assign_coords({c: d[c].where(wet, fill) for c in ("lat", "lon")}))
    ocean, _ = only(tmp_path)
    np.testing.assert_allclose(ocean["lat"].values[wet], lat[wet], rtol=1e-9)


def test_two_fill_values_are_missing_without_a_warning_of_xarray(tmp_path):
    _, _, wet = write_tiny(tmp_path)
    (path,) = tmp_path.rglob("zos_*.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["zos"].missing_value = np.float32(-999.0)
        file["zos"][0, 20, 3] = -999.0
    code = "from pathlib import Path; from thor.reading.files import read_file; import sys; "
    code += "print(int(read_file(Path(sys.argv[1]), 'zos')['zos'][0].notnull().sum()))"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert (int(done.stdout), done.stderr) == (wet.sum() - 1, "")


def test_bounds_of_no_width_and_swapped_coordinates_are_named_with_the_run_and_the_remedy(tmp_path):
    write_tiny(tmp_path)
    for name in FIELDS:
        rewritten(tmp_path, name, lambda d: d.assign(lon_bnds=0 * d["lon_bnds"]))
    with pytest.raises(GridError, match="^TINY/historical/r1i1p1f1: .* zero or negative. .* take them out of the"):
        only(tmp_path)
    rewritten(tmp_path, "zos", lambda d: d.rename(lat="lon", lon="lat"))
    with pytest.raises(GridError, match="latitudes of 2.5 to 357.5 and .* hold a fill value or are swapped"):
        only(tmp_path)


def unstructured(dataset):
    return dataset.drop_vars(["lat_bnds", "lon_bnds"]).stack(cell=("lat", "lon")).reset_index("cell")


def test_an_unstructured_grid_is_named(tmp_path):
    write_tiny(tmp_path)
    for name in ("zos", "tauuo", "tauvo"):
        rewritten(tmp_path, name, unstructured)
    with pytest.raises(DataError, match=r"'zos' has dims \(time, cell\); expected time and a grid. If the grid is un"):
        read(tmp_path)


def test_a_run_on_an_unstructured_grid_too_is_read_on_the_regridded_one(tmp_path, caplog):
    write_tiny(tmp_path / "regridded", grid_label="gr")
    (expected, _) = only(tmp_path / "regridded")
    write_tiny(tmp_path / "both", grid_label="gn")
    for name in FIELDS:
        rewritten(tmp_path / "both", name, unstructured)
    write_tiny(tmp_path / "both", grid_label="gr")
    warn_once.cache_clear()
    ocean, _ = only(tmp_path / "both")
    assert ocean.attrs["grid_label"] == "gr"
    np.testing.assert_array_equal(ocean["zos"].values, expected["zos"].values)
    assert caplog.text.count("files on grid 'gn' are not used: TINY: latitude and longitude share the dim") == 1
    for path in (tmp_path / "both").rglob("tauuo_*_gr_*.nc"):
        path.unlink()
    with pytest.raises(GridError, match="an unstructured grid, .* name its label in grid_labels"):
        read(tmp_path / "both")


@pytest.mark.parametrize(
    ("labels", "warned"),
    [
        (
            ("gn", "gn", "gn"),
            r"files on grid 'gn' are not used: 'tauuo' has \(36, 73\) rows and columns, 'zos' \(36, 72\)",
        ),
        (("g1", "g2", "g3"), "zos on g1; tauuo on g2; tauvo on g3 share no grid and are not used"),
    ],
)
def test_a_regridded_run_is_read_where_stress_and_sea_level_differ_natively(tmp_path, caplog, labels, warned):
    coarse = centres(18, 36, 5.0)
    write_tiny(tmp_path, lat=coarse[0], lon=coarse[1], grid_label="gr")
    lat, lon = centres()
    cyclic = np.append(lon, lon[0] + 360)
    for name, label, east in zip(("zos", "tauuo", "tauvo"), labels, (lon, cyclic, cyclic), strict=True):
        wet = sea(lat, east)
        write(tmp_path, name, np.where(wet, FIELDS[name](lat, east), np.nan), lat, east, grid_label=label)
    write(tmp_path, "deptho", deptho(lat, lon), lat, lon, grid_label=labels[0])
    assert only(tmp_path)[0].attrs["grid_label"] == "gr"
    assert re.search(warned, caplog.text)


def test_points_with_grid_labels_of_their_own_may_be_stored_in_another_order(tmp_path):
    lat, lon, wet = write_tiny(tmp_path, skip=("tauuo", "tauvo"))
    north = lat + 2.5
    u, v = wet & np.roll(wet, -1, 1), wet & np.roll(wet, -1, 0)
    write(tmp_path, "tauuo", np.where(u, tauuo(lat, lon + 2.5), np.nan), lat, lon + 2.5, grid_label="gu")
    write(tmp_path, "tauvo", np.where(v, tauvo(north, lon), np.nan), north, lon, bounds=False, grid_label="gv")
    _, expected = only(tmp_path)
    for name in ("tauuo", "tauvo"):
        rewritten(tmp_path, name, both)
    _, features = only(tmp_path)
    np.testing.assert_allclose(features["wind_stress_curl"].values, expected["wind_stress_curl"].values, atol=1e-12)


def test_a_cyclic_column_is_one_column(tmp_path):
    lat, lon = centres()
    write_tiny(tmp_path / "plain")
    cyclic = np.append(lon, lon[0] + 360)
    write_tiny(tmp_path / "cyclic", lat=lat, lon=cyclic)
    (plain, features), (ocean, more) = only(tmp_path / "plain"), only(tmp_path / "cyclic")
    assert ocean.sizes["lon"] == lon.size
    np.testing.assert_allclose(ocean["zos"].values, plain["zos"].values, atol=1e-9)
    np.testing.assert_allclose(ocean["areacello"].values, plain["areacello"].values, rtol=1e-6)
    np.testing.assert_allclose(more["wind_stress_curl"].values, features["wind_stress_curl"].values, atol=1e-15)


# -- stress --------------------------------------------------------------------------------------------------------
def test_stress_that_is_zero_on_land_is_missing_there(tmp_path):
    curls = {}
    for name, fill in (("masked", 1e20), ("zero", None)):
        lat, lon, wet = write_tiny(tmp_path / name, skip=("tauuo", "tauvo"))
        for variable_id in ("tauuo", "tauvo"):
            values = np.where(wet, FIELDS[variable_id](lat, lon), np.nan)
            write(tmp_path / name, variable_id, values, lat, lon, fill=fill)
        curls[name] = only(tmp_path / name)[1]["wind_stress_curl"].values[0]
    np.testing.assert_array_equal(curls["zero"], curls["masked"])


@pytest.mark.parametrize("points", ["c_grid", "corners"])
def test_staggered_stress_that_is_zero_on_land_is_missing_there(tmp_path, points):
    lat, lon = centres()
    lat2, lon2 = np.meshgrid(lat, lon, indexing="ij")
    wet, up = sea(lat, lon), np.minimum(lat2 + 2.5, 89.9)
    east, north = wet & np.roll(wet, -1, 1), wet & np.roll(wet, -1, 0)
    curls = {}
    for name, fill in (("masked", 1e20), ("zero", None)):
        write_tiny(tmp_path / name, lat=lat, lon=lon, skip=("zos", "deptho", "tauuo", "tauvo"))
        for variable_id in ("zos", "deptho"):
            write(tmp_path / name, variable_id, np.where(wet, FIELDS[variable_id](lat, lon), np.nan), lat2, lon2)
        place = {"c_grid": ((lat2, lon2 + 2.5, east), (up, lon2, north))}
        corner = (up, lon2 + 2.5, east & north & np.roll(east, -1, 0))
        for variable_id, (y, x, mask) in zip(("tauuo", "tauvo"), place.get(points, (corner, corner)), strict=True):
            write(tmp_path / name, variable_id, np.where(mask, FIELDS[variable_id](y, x), np.nan), y, x, fill=fill)
        curls[name] = only(tmp_path / name)[1]["wind_stress_curl"].values[0, :-1]  # the last row ends at the pole
    np.testing.assert_allclose(curls["zero"], curls["masked"], rtol=1e-12)


@pytest.mark.parametrize(
    ("words", "convention"),
    [
        ({"long_name": "Eastward and northward wind stress"}, "true_east_north"),
        ({"comment": "along the y axis"}, "grid_axes_t_points"),
        ({}, "true_east_north"),
    ],
)
def test_axes_of_stress_without_standard_names_follow_from_the_other_words_of_its_files(tmp_path, words, convention):
    write_tiny(tmp_path)

    def described(dataset, name):
        dataset[name].attrs = {"units": "N m-2", **words}
        return dataset

    for name in ("tauuo", "tauvo"):
        rewritten(tmp_path, name, lambda dataset, name=name: described(dataset, name))
    assert only(tmp_path)[0].attrs["stress_convention"] == convention


def test_c_grid_values_with_the_positions_of_t_points_can_be_declared(tmp_path, caplog):
    lat, lon = centres(72, 144, 1.25)
    lat2, lon2 = np.meshgrid(lat, lon, indexing="ij")
    wet = sea(lat, lon)
    true = {}
    for name in ("placed", "collocated"):
        for variable_id in ("zos", "deptho"):
            write(tmp_path / name, variable_id, np.where(wet, FIELDS[variable_id](lat, lon), np.nan), lat2, lon2)
        up = np.minimum(lat2 + 1.25, 89.9)
        for variable_id, y, x, axis in (("tauuo", lat2, lon2 + 1.25, 1), ("tauvo", up, lon2, 0)):
            values = np.where(wet & np.roll(wet, -1, axis), FIELDS[variable_id](y, x), np.nan)
            write(tmp_path / name, variable_id, values, *((y, x) if name == "placed" else (lat2, lon2)))
        quirks = {"TINY": Quirks(stress_convention="grid_axes_c_grid")}
        ocean, features = only(tmp_path / name, quirks=quirks)
        assert ocean.attrs["stress_convention"] == "grid_axes_c_grid"
        true[name] = features["wind_stress_curl"].values[0]
    assert relative_rms(true["collocated"], true["placed"]) < 0.01
    assert "the positions of T points; its points are taken half a cell to the north-east" in caplog.text


def test_c_grid_values_with_the_positions_of_t_points_are_suspected(tmp_path):
    lat, lon = centres(72, 144, 1.25)
    lat2, lon2 = np.meshgrid(lat, lon, indexing="ij")
    wet = sea(lat, lon)
    for variable_id, mask in (
        *((name, wet) for name in ("zos", "deptho")),
        ("tauuo", wet & np.roll(wet, -1, 1)),
        ("tauvo", wet & np.roll(wet, -1, 0)),
    ):
        write(tmp_path, variable_id, np.where(mask, FIELDS[variable_id](lat, lon), np.nan), lat2, lon2)
    failed = only(tmp_path)[0].attrs["checks_failed"]
    assert "stress_points" in failed and "stress_convention: grid_axes_c_grid and stress_side: north_east" in failed


def test_b_grids_keep_as_many_cells_as_c_grids(tmp_path):
    lat, lon = centres(72, 144, 1.25)
    lat2, lon2 = np.meshgrid(lat, lon, indexing="ij")
    up, wet = np.minimum(lat2 + 1.25, 89.9), sea(lat, lon)
    wet &= ~((np.random.default_rng(0).random(wet.shape) < 0.01) & (np.abs(lat2) < 60))  # islands of one cell
    east, north = wet & np.roll(wet, -1, 1), wet & np.roll(wet, -1, 0)
    corner = east & north & np.roll(east, -1, 0)
    share = {}
    for points in ("corners", "edges"):
        root = tmp_path / points
        for variable_id in ("zos", "deptho"):
            write(root, variable_id, np.where(wet, FIELDS[variable_id](lat, lon), np.nan), lat2, lon2)
        u = (up, lon2 + 1.25, corner) if points == "corners" else (lat2, lon2 + 1.25, east)
        v = u if points == "corners" else (up, lon2, north)
        for variable_id, (y, x, mask) in (("tauuo", u), ("tauvo", v)):
            write(root, variable_id, np.where(mask, FIELDS[variable_id](y, x), np.nan), y, x)
        ocean, features = only(root)
        share[points] = float(features["valid"].sum()) / np.isfinite(ocean["zos"].values[0]).sum()
    assert share["corners"] == pytest.approx(share["edges"], abs=0.01) and share["edges"] > 0.99
