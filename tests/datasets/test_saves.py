"""Saves of a collection: one at a time, and what a save that stops between two settings leaves."""

import errno
import fcntl
import os
import socket

import pytest
import xarray as xr
from kedro.io import DatasetError

from thor.core.errors import LeftOutError
from thor.datasets import FieldCollection
from thor.datasets.archive import EsgfArchive


@pytest.fixture
def collection(tmp_path):
    return FieldCollection(path=str(tmp_path / "runs"))


def made(value):
    return lambda: xr.Dataset({"area": value})


def stopped():
    raise KeyboardInterrupt


def values(collection):
    return {key: float(load()["area"]) for key, load in collection.load().items()}


def test_a_folder_of_two_settings_is_not_loaded_until_it_is_finished(collection, tmp_path):
    collection.save({key: ("0.5", made(0.5)) for key in ("one", "three", "two")})
    with pytest.raises(KeyboardInterrupt):
        collection.save({"one": ("0.9", stopped), "two": ("0.9", made(0.9))})
    assert values(collection) == {"one": 0.5, "three": 0.5, "two": 0.5}, "nothing was replaced"
    with pytest.raises(KeyboardInterrupt):
        collection.save({"one": ("0.9", made(0.9)), "three": ("0.9", stopped), "two": ("0.9", made(0.9))})
    with pytest.raises(DatasetError, match="runs/ is not finished: its last save was interrupted.*Run the pipeline"):
        collection.load()
    with pytest.raises(DatasetError, match="none of 1 files could be made"):
        collection.save({"two": ("0.7", left_out)})
    with pytest.raises(DatasetError, match="is not finished"):
        collection.load()
    kept = (tmp_path / "runs/one.nc").stat().st_mtime_ns
    collection.save({key: ("0.9", made(0.9)) for key in ("one", "three", "two")})
    assert values(collection) == {"one": 0.9, "three": 0.9, "two": 0.9}
    assert (tmp_path / "runs/one.nc").stat().st_mtime_ns == kept
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["one.nc", "runs", "three.nc", "two.nc"]


def left_out():
    raise LeftOutError("no sea")


def test_files_that_are_to_be_removed_count_and_new_ones_alone_do_not(collection):
    with pytest.raises(KeyboardInterrupt):
        collection.save({"one": ("0.5", made(0.5)), "two": ("0.5", stopped)})
    assert values(collection) == {"one": 0.5}
    with pytest.raises(KeyboardInterrupt):
        collection.save({"three": ("0.9", made(0.9)), "two": ("0.9", stopped)})
    with pytest.raises(DatasetError, match="is not finished"):
        collection.load()


def test_an_idealized_archive_of_two_settings_is_not_read(tmp_path):
    archive = EsgfArchive(path=str(tmp_path / "archive"), root="idealized")
    archive.save({f"{key}.nc": ("a", made(1.0)) for key in ("one", "two")})
    with pytest.raises(KeyboardInterrupt):
        archive.save({"one.nc": ("b", made(2.0)), "two.nc": ("b", stopped)})
    with pytest.raises(DatasetError, match="archive/ is not finished"):
        archive.load()
    EsgfArchive(path=str(tmp_path / "archive"), root=str(tmp_path)).load()


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.filterwarnings("ignore:flock not supported")
def test_a_second_run_is_refused_and_says_which_one_saves(collection, tmp_path, monkeypatch, native):
    if not native:

        def flock(*arguments):
            raise OSError(errno.ENOSYS, "not on this disk")

        monkeypatch.setattr(fcntl, "flock", flock)
    second = FieldCollection(path=str(tmp_path / "runs"))
    refused = []

    def make():
        with pytest.raises(DatasetError) as error:
            second.save({"one": ("b", made(2.0))})
        refused.append(str(error.value))
        return made(1.0)()

    collection.save({"one": ("a", make)})
    (message,) = refused
    assert f"runs/ is being saved by another run (process {os.getpid()} on {socket.gethostname()})" in message
    assert values(collection) == {"one": 1.0}
    # the folder is free again, after an error too
    with pytest.raises(KeyboardInterrupt):
        collection.save({"one": ("b", stopped)})
    second.save({"one": ("b", made(2.0))})
    assert values(collection) == {"one": 2.0}
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["one.nc", "runs"]


def test_a_disk_without_any_locks_is_saved_to(collection, monkeypatch):
    def acquire(*arguments, **options):
        raise OSError(errno.EOPNOTSUPP, "no locks")

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    collection.save({"one": ("a", made(1.0))})
    assert values(collection) == {"one": 1.0}
