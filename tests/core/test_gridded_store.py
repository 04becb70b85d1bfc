"""Zarr and NetCDF stores written in parts: the same content, nothing half-written, unwritten chunks take no space."""

import numpy as np
import pytest
import xarray as xr

from thor.core.errors import DataError
from thor.core.gridded_store import FieldLayout, new_store

FIELDS = {
    "probability": FieldLayout(("run", "lat", "lon"), ("lat", "lon"), "f4", {"units": "1", "long_name": "Probability"}),
    "label": FieldLayout(
        ("run", "lat", "lon"),
        ("lat", "lon"),
        "i1",
        {"flag_values": np.arange(3, dtype=np.int8), "flag_meanings": "a b c"},
    ),
}
OPENED = {"zarr": {"engine": "zarr"}, "netcdf": {"engine": "netcdf4"}}


def header(n_runs=2, n_lat=3, n_lon=4):
    return xr.Dataset(
        {"name": ("run", [f"run {k}" for k in range(n_runs)])},
        coords={"run": np.arange(n_runs), "lat": np.arange(float(n_lat)), "lon": np.arange(float(n_lon))},
        attrs={"title": "made"},
    )


def write_first(path, kind, n_runs=2):
    values = np.arange(12.0).reshape(3, 4).astype("f4")
    with new_store(path, kind, header(n_runs), FIELDS) as put:
        put("probability", (0,), values)
        put("label", (0,), (values % 3).astype("i1"))
    return values


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["zarr", "netcdf"])
def test_what_is_written_is_read_and_the_rest_is_missing(tmp_path, kind):
    values = write_first(tmp_path / "store", kind)
    with xr.open_dataset(tmp_path / "store", **OPENED[kind]) as got:
        np.testing.assert_array_equal(got["probability"][0], values)
        np.testing.assert_array_equal(got["label"][0], values % 3)
        assert got["probability"][1].isnull().all() and got["label"][1].isnull().all()
        assert got["probability"].attrs["units"] == "1" and list(got["label"].attrs["flag_values"]) == [0, 1, 2]
        assert (got.attrs["title"], got["name"].values.tolist()) == ("made", ["run 0", "run 1"])
    assert [file.name for file in tmp_path.iterdir()] == ["store"]


@pytest.mark.filterwarnings("error")
def test_a_zarr_store_opens_in_one_line_with_consolidated_metadata(tmp_path):
    write_first(tmp_path / "store", "zarr")
    assert (tmp_path / "store" / ".zmetadata").is_file()
    assert xr.open_zarr(tmp_path / "store")["probability"].chunks == ((1, 1), (3,), (4,))


@pytest.mark.parametrize("kind", ["zarr", "netcdf"])
def test_the_same_content_gives_the_same_bytes(tmp_path, kind):
    for name in ("one", "two"):
        write_first(tmp_path / name, kind)
    one, two = (sorted((tmp_path / name).rglob("*")) or [tmp_path / name] for name in ("one", "two"))
    assert [f.read_bytes() for f in one if f.is_file()] == [f.read_bytes() for f in two if f.is_file()]


def test_chunks_that_are_not_written_are_not_stored(tmp_path):
    for kind in ("zarr", "netcdf"):
        with new_store(tmp_path / kind, kind, header(1000, 30, 40), FIELDS) as put:
            put("probability", (0,), np.zeros((30, 40), "f4"))
        files = (tmp_path / kind).rglob("*") if kind == "zarr" else [tmp_path / kind]
        assert sum(file.stat().st_size for file in files if file.is_file()) < 200_000  # all fields have 6 million bytes


@pytest.mark.parametrize("kind", ["zarr", "netcdf"])
def test_an_interrupt_leaves_the_old_one(tmp_path, kind):
    values = write_first(tmp_path / "store", kind)

    def interrupted():
        with new_store(tmp_path / "store", kind, header(), FIELDS) as put:
            put("probability", (0,), -values)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [file.name for file in tmp_path.iterdir()] == ["store"]
    with xr.open_dataset(tmp_path / "store", **OPENED[kind]) as kept:
        np.testing.assert_array_equal(kept["probability"][0], values)


@pytest.mark.parametrize("kind", ["zarr", "netcdf"])
def test_a_place_that_cannot_be_written_is_an_error(tmp_path, kind):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="was not written: a file stands"):
        write_first(tmp_path / "file" / "store", kind)
