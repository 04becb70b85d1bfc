"""Fields are loaded as they were saved, and invalid files are refused."""

import errno
import json
import logging
import os
import time

import numpy as np
import pytest
import xarray as xr
from kedro.io import DatasetError

from tests.made_fields import make_features, make_regimes, make_vorticity_budget
from tests.waiting import wait_until
from thor.core.errors import DataError
from thor.core.fingerprint import ATTRIBUTE, CONTENT
from thor.datasets import FieldDataset, GivenFieldDataset, netcdf


def cause(caught) -> BaseException:
    """Kedro wraps what a dataset raises; the command line unwraps it."""
    return caught.value.__cause__


@pytest.mark.parametrize("chunks", [None, {"lat": 4}, "auto"])
@pytest.mark.parametrize(
    ("contract", "make"),
    [("vorticity_budget", make_vorticity_budget), ("features", make_features), ("regimes", make_regimes)],
)
def test_what_is_saved_is_loaded(tmp_path, contract, make, chunks):
    dataset = FieldDataset(filepath=str(tmp_path / "new" / "field.nc"), contract=contract, chunks=chunks)
    assert not dataset.exists()
    saved = make().assign_attrs(source="made", levels=np.array([0.05, 0.95]))
    before = saved.copy(deep=True)
    dataset.save(saved)
    xr.testing.assert_identical(saved, before)
    assert dataset.exists()
    loaded = dataset.load()
    assert bool(loaded.chunks) == (chunks is not None)
    xr.testing.assert_identical(loaded.compute(), saved)
    for name in saved.variables:
        assert loaded[name].dtype == saved[name].dtype
        assert loaded[name].attrs.keys() == saved[name].attrs.keys()


def test_the_same_field_gives_the_same_bytes(tmp_path):
    files = [tmp_path / name for name in ("a.nc", "b.nc", "c.nc")]
    for file in files[:2]:
        FieldDataset(filepath=str(file), contract="features").save(make_features())
        second = int(time.time())  # HDF5 can store times in whole seconds
        wait_until(lambda second=second: int(time.time()) > second)
    # ... and so does one that went through a file, or was put together in another order.
    again = FieldDataset(filepath=str(files[0]), chunks={"lat": 3}).load()
    attrs = {name: dict(reversed(again[name].attrs.items())) for name in again.variables}
    again = again.drop_vars(["lat", "lon"]).assign_coords(lon=again["lon"], lat=again["lat"])
    for name in again.variables:
        again[name].attrs = attrs[name]
    FieldDataset(filepath=str(files[2])).save(again)
    assert files[0].read_bytes() == files[1].read_bytes() == files[2].read_bytes()


@pytest.mark.parametrize("make", [make_vorticity_budget, make_regimes])
def test_large_lazy_fields_are_written_one_by_one(tmp_path, monkeypatch, make):
    monkeypatch.setattr(netcdf, "_SMALL", 0)
    files = [tmp_path / "a.nc", tmp_path / "b.nc"]
    for file, rows in zip(files, (3, 5), strict=True):
        FieldDataset(filepath=str(file)).save(make().chunk({"lat": rows}))
    xr.testing.assert_identical(FieldDataset(filepath=str(files[0])).load(), make())
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_lazily_opened_file_can_be_overwritten_from_itself(tmp_path):
    dataset = FieldDataset(filepath=str(tmp_path / "a.nc"), chunks={"lat": 4})
    dataset.save(make_vorticity_budget())
    lazy = dataset.load()
    doubled = (2 * lazy["areacello"]).compute()
    dataset.save(lazy.assign(areacello=2 * lazy["areacello"]))
    np.testing.assert_array_equal(dataset.load()["areacello"], doubled)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_breach_is_not_written(tmp_path, lazy):
    dataset = FieldDataset(filepath=str(tmp_path / "a.nc"), contract="vorticity_budget")
    good = make_vorticity_budget()
    dataset.save(good)
    before = (tmp_path / "a.nc").read_bytes()
    bad = good.assign(viscous_torque=good["viscous_torque"] * 2)
    bad["viscous_torque"].attrs = good["viscous_torque"].attrs
    with pytest.raises(DatasetError, match="does not close") as caught:
        dataset.save(bad.chunk({"lat": 4}) if lazy else bad)
    assert isinstance(cause(caught), DataError)
    assert [file.name for file in tmp_path.iterdir()] == ["a.nc"]
    assert (tmp_path / "a.nc").read_bytes() == before


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_breach_in_a_file_is_not_loaded(tmp_path, chunks):
    bad = make_vorticity_budget()
    bad["areacello"].attrs.pop("units")
    FieldDataset(filepath=str(tmp_path / "a.nc")).save(bad)
    with pytest.raises(DatasetError, match="'areacello' has no units attribute"):
        FieldDataset(filepath=str(tmp_path / "a.nc"), contract="vorticity_budget", chunks=chunks).load()


@pytest.mark.parametrize("value", [1e20, 9.969209968386869e36])
def test_undeclared_fill_values_are_named_and_declared_ones_read_as_gaps(tmp_path, value):
    budget = make_vorticity_budget()
    budget["areacello"] = budget["areacello"].copy(data=np.where(budget["analysis_mask"] == 1, 1e10, value))
    loose, strict = (FieldDataset(filepath=str(tmp_path / "a.nc"), contract=c) for c in (None, "vorticity_budget"))
    loose.save(budget)
    with pytest.raises(DatasetError, match="'areacello' holds the undeclared fill value"):
        strict.load()
    budget.to_netcdf(tmp_path / "a.nc", encoding={"areacello": {"_FillValue": None}})
    with pytest.raises(DatasetError, match="'areacello' holds the undeclared fill value"):
        strict.load()
    declared = budget.assign(areacello=budget["areacello"].where(budget["analysis_mask"] == 1))
    declared["areacello"].attrs = budget["areacello"].attrs
    declared.to_netcdf(tmp_path / "a.nc", encoding={"areacello": {"_FillValue": value}})
    assert np.isnan(strict.load()["areacello"]).sum() == (budget["analysis_mask"] == 0).sum()


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=r"data/a.nc does not exist. Run the pipeline that writes it") as caught:
        FieldDataset(filepath=str(tmp_path / "data" / "a.nc")).load()
    assert isinstance(cause(caught), DataError)
    assert "\n" not in str(cause(caught))


@pytest.mark.parametrize("chunks", [None, {}])
@pytest.mark.parametrize("damage", ["half", "head", "empty", "text"])
def test_a_damaged_file_is_named(tmp_path, damage, chunks):
    file = tmp_path / "a.nc"
    FieldDataset(filepath=str(file)).save(make_features())
    content = file.read_bytes()
    file.write_bytes(
        {"half": content[: len(content) // 2], "head": content[:100], "empty": b"", "text": b"lat,lon\n1,2\n"}[damage]
    )
    with pytest.raises(DatasetError, match="cannot be read as NetCDF") as caught:
        FieldDataset(filepath=str(file), chunks=chunks, contract="features").load()
    message = str(cause(caught))
    assert isinstance(cause(caught), DataError)
    assert message.startswith(str(file))
    assert "truncated" in message
    assert len(message) < 300
    assert "\n" not in message


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_file_that_the_system_does_not_give_is_not_taken_for_damaged(tmp_path, monkeypatch, number):
    file = tmp_path / "a.nc"
    FieldDataset(filepath=str(file)).save(make_features())

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), str(file))

    monkeypatch.setattr(netcdf, "open_netcdf", refuse)
    with pytest.raises(DatasetError) as caught:
        FieldDataset(filepath=str(file)).load()
    message = str(cause(caught))
    assert message.startswith(
        f"{file} cannot be read: {os.strerror(number)}. The file may be whole: ask for permission"
    )
    assert "delete" not in message and "truncated" not in message


def test_other_objects_and_contracts_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"takes an xarray.Dataset; got a DataArray"):
        FieldDataset(filepath=str(tmp_path / "a.nc")).save(make_features()["zos"])
    with pytest.raises(DataError, match="Did you mean 'regimes'"):
        FieldDataset(filepath=str(tmp_path / "a.nc"), contract="regime")


def test_the_preview_shows_units_and_ranges(tmp_path):
    dataset = FieldDataset(filepath=str(tmp_path / "a.nc"))
    dataset.save(make_vorticity_budget().assign_attrs(title="a budget"))
    preview = json.loads(dataset.preview())
    assert preview["dims"] == {"lat": 9, "lon": 16}
    assert preview["variables"]["areacello"]["units"] == "m2"
    assert preview["variables"]["areacello"]["range"] == ["1e+10", "1e+10"]
    assert preview["attributes"] == {"Conventions": "CF-1.11", "title": "a budget"}


# -- a file that the user may give -------------------------------------------------------------------------------------
def made(mark):
    """A field that THOR has made, with its fingerprint."""
    return make_vorticity_budget().assign_attrs({ATTRIBUTE: mark})


def test_a_file_made_by_thor_is_replaced_only_when_its_fingerprint_changes(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    dataset = GivenFieldDataset(filepath=str(tmp_path / "a.nc"), contract="vorticity_budget")
    assert not dataset.given
    dataset.save(made("one"))
    before, state = (tmp_path / "a.nc").read_bytes(), (tmp_path / "a.nc").stat()
    dataset.save(made("one"))
    assert (tmp_path / "a.nc").stat() == state and "a.nc is kept" in caplog.text and not dataset.given
    xr.testing.assert_identical(dataset.load(), make_vorticity_budget())
    with xr.open_dataset(tmp_path / "a.nc") as stored:
        assert stored.attrs[ATTRIBUTE] == "one" and len(stored.attrs[CONTENT]) == 64
    dataset.save(made("two"))
    assert not dataset.given
    assert (tmp_path / "a.nc").read_bytes() != before


def another_field(file):
    make_vorticity_budget().assign_attrs(title="mine").to_netcdf(file)


def a_changed_field(file):
    with xr.open_dataset(file) as stored:
        changed = stored.load()
    changed["areacello"] = (changed["areacello"] * 2).assign_attrs(changed["areacello"].attrs)
    changed.to_netcdf(file)


def a_renamed_field(file):
    with xr.open_dataset(file) as stored:
        changed = stored.load().assign_attrs(title="mine")
    changed.to_netcdf(file)


@pytest.mark.parametrize(
    "put",
    [another_field, a_changed_field, a_renamed_field, lambda file: file.write_bytes(b"no NetCDF")],
    ids=["another", "changed", "renamed", "no NetCDF"],
)
@pytest.mark.parametrize("mark", ["one", "two"])
def test_a_file_of_the_user_is_never_replaced(tmp_path, caplog, put, mark):
    dataset = GivenFieldDataset(filepath=str(tmp_path / "a.nc"))
    dataset.save(made("one"))
    put(tmp_path / "a.nc")
    before = (tmp_path / "a.nc").read_bytes()
    assert dataset.given
    dataset.save(made(mark))
    assert (tmp_path / "a.nc").read_bytes() == before
    assert "a.nc was not written by THOR, or was changed since: it is used as it is" in caplog.text


def test_a_file_saved_by_a_notebook_belongs_to_the_user(tmp_path):
    dataset = GivenFieldDataset(filepath=str(tmp_path / "a.nc"))
    dataset.save(made("one"))
    dataset.save(dataset.load().assign_attrs(title="mine"))
    assert dataset.given
    dataset.save(made("one"))
    assert dataset.given and dataset.load().attrs["title"] == "mine"


def test_a_breach_of_what_thor_makes_is_not_written(tmp_path):
    dataset = GivenFieldDataset(filepath=str(tmp_path / "a.nc"), contract="vorticity_budget")
    with pytest.raises(DatasetError, match="areacello"):
        dataset.save(made("one").drop_vars("areacello"))
    assert list(tmp_path.iterdir()) == []
