"""Files that programs without xarray read: names as characters, no wide integers, coordinates of one kind of points."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

from thor.core.netcdf_encoding import as_cf, encoding_of


@pytest.fixture
def native():
    """Stress beside sea level on a C grid, with names, years, and attributes as xarray makes them."""
    dims, rows, columns = ("y", "x"), 4, 5
    lat, lon = np.meshgrid(np.linspace(-60, 60, rows), np.linspace(0, 288, columns), indexing="ij")
    positions = {"lat": lat, "lon": lon, "lat_u": lat, "lon_u": lon + 36, "lat_v": lat + 20, "lon_v": lon}
    fields = {name: (("window", *dims), np.ones((2, rows, columns))) for name in ("zos", "tauuo", "tauvo")}
    fields |= {"areacello": (dims, np.ones((rows, columns))), "expected_area": (("window", "regime"), np.ones((2, 3)))}
    fields["regime"] = ("window", *dims), np.ones((2, rows, columns), np.int8)
    made = xr.Dataset(fields, {name: (dims, values) for name, values in positions.items()})
    made["lat"].attrs["bounds"] = "lat_bnds"
    return made.assign_coords(
        window=["1850-1869", "años"],
        baseline_window=("window", ["", "1850-1869"]),
        window_start=("window", np.array([1850, 1870])),
        tracking_number=("window", np.array([1, 2**40])),
    ).assign_attrs(first_year=1850, large=2**40, share=0.5, years=np.array([1, 2]), title="a run")


@pytest.fixture
def file(native, tmp_path):
    data = as_cf(native)
    data.to_netcdf(tmp_path / "a.nc", encoding={name: encoding_of(data, name) for name in data.variables})
    return tmp_path / "a.nc"


def test_what_is_written_is_read(native, file):
    with xr.open_dataset(file) as found:
        xr.testing.assert_equal(found.load(), native)
        assert set(found.coords) == set(native.coords)
        assert found["window"].values.tolist() == ["1850-1869", "años"]
        assert found["baseline_window"].values.tolist() == ["", "1850-1869"]
        assert found.attrs == native.attrs | {"Conventions": "CF-1.11", "years": found.attrs["years"]}


def test_types_are_those_of_the_conventions(file):
    with netCDF4.Dataset(file) as found:
        kinds = {name: str(variable.dtype) for name, variable in found.variables.items()}
        assert kinds["window"] == kinds["baseline_window"] == "|S1"
        assert kinds["window_start"] == "int32"
        assert kinds["tracking_number"] == "int64", "does not fit"
        assert [np.asarray(found.getncattr(name)).dtype.str for name in ("first_year", "large", "years")] == [
            *("<i4", "<i8", "<i4")
        ]
        assert "_FillValue" not in found["lat"].ncattrs() and "_FillValue" in found["zos"].ncattrs()


def test_fields_name_the_positions_of_their_points_and_bounds_that_are_there(native, file):
    with netCDF4.Dataset(file) as found:
        named = {
            name: set(found[name].coordinates.split()) for name in ("zos", "regime", "tauuo", "tauvo", "areacello")
        }
        of_window = {"baseline_window", "window_start", "tracking_number"}
        assert named == {
            "zos": {"lat", "lon", *of_window},
            "regime": {"lat", "lon", *of_window},
            "tauuo": {"lat_u", "lon_u", *of_window},
            "tauvo": {"lat_v", "lon_v", *of_window},
            "areacello": {"lat", "lon"},
        }
        assert set(found["expected_area"].coordinates.split()) == of_window
        assert "bounds" not in found["lat"].ncattrs()
    whole = native.assign_coords(lat_bnds=(("y", "x", "vertex"), np.zeros((4, 5, 4))))
    assert as_cf(whole)["lat"].attrs["bounds"] == "lat_bnds"


def test_the_dataset_itself_is_unchanged(native):
    before = native.copy(deep=True)
    as_cf(native)
    xr.testing.assert_identical(native, before)
    assert native["window_start"].dtype == np.int64
