"""The archive as a dataset: written only where it is the idealized one, read from any folder, absent by setting."""

from functools import partial

import numpy as np
import pytest
import xarray as xr
from kedro.io import DatasetError

from tests.made_archive import series_dataset, write_run, years
from thor.core.errors import DataError
from thor.core.fingerprint import ATTRIBUTE
from thor.datasets import EsgfArchive
from thor.reading.archive import Archive

KEY = (
    "CMIP6/CMIP/THOR/MADE-1/historical/r1i1p1f1/Omon/zos/gn/v1/zos_Omon_MADE-1_historical_r1i1p1f1_gn_185001-185012.nc"
)


def make():
    dataset = series_dataset("zos", years(1850, 1850), np.ones((12, 9, 16), dtype="float32"), "noleap")
    dataset["zos"].encoding = {"zlib": True, "chunksizes": (3, 9, 16), "_FillValue": np.float32(1e20)}
    dataset.encoding = {"unlimited_dims": {"time"}}
    return dataset


def fail():
    raise DataError("no wind")


def test_the_idealized_archive_is_written_and_read(tmp_path):
    dataset = EsgfArchive(path=str(tmp_path / "archive"), root="idealized")
    assert not dataset.exists()
    dataset.save({KEY: ("mark", make)})
    assert dataset.exists()
    archive = dataset.load()
    assert isinstance(archive, Archive)
    assert [run.key for run in archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")] == [
        "MADE-1/historical/r1i1p1f1"
    ]
    with xr.open_dataset(tmp_path / "archive" / KEY) as stored:
        assert stored.attrs[ATTRIBUTE] == "mark"
        assert stored["zos"].encoding["chunksizes"] == (3, 9, 16)
        assert stored["zos"].encoding["_FillValue"] == np.float32(1e20)
        assert stored.encoding["unlimited_dims"] == {"time"}


def test_unchanged_files_are_kept_and_files_no_longer_made_removed(tmp_path):
    dataset = EsgfArchive(path=str(tmp_path), root="idealized")
    dataset.save({KEY: ("mark", make)})
    before = (tmp_path / KEY).stat().st_mtime_ns
    dataset.save({KEY: ("mark", make)})
    assert (tmp_path / KEY).stat().st_mtime_ns == before
    other = KEY.replace("r1i1p1f1", "r2i1p1f1")
    dataset.save({other: ("mark", make)})
    assert not (tmp_path / KEY).exists()
    assert (tmp_path / other).exists()


def test_only_changed_files_are_made_and_each_gets_its_own_dataset(tmp_path):
    dataset = EsgfArchive(path=str(tmp_path), root="idealized")
    keys = [KEY.replace("r1i1p1f1", f"r{number}i1p1f1") for number in range(1, 6)]
    made = []

    def make_numbered(number):
        made.append(number)
        return make().assign_attrs(number=number)

    def files(marks):
        makers = (partial(make_numbered, number) for number in range(5))
        return {key: (mark, maker) for key, mark, maker in zip(keys, marks, makers, strict=True)}

    dataset.save(files("aaaaa"))
    assert made == [0, 1, 2, 3, 4]
    dataset.save(files("ababa"))
    assert made[5:] == [1, 3]
    for number, key in enumerate(keys):
        with xr.open_dataset(tmp_path / key) as stored:
            assert (stored.attrs["number"], stored.attrs[ATTRIBUTE]) == (number, "ababa"[number])


def test_processes_write_the_same_files_and_leave_nothing_else_after_an_error(tmp_path):
    keys = [KEY.replace("r1i1p1f1", f"r{number}i1p1f1") for number in range(1, 6)]
    contents = []
    for n_processes in (1, 2):
        folder = tmp_path / str(n_processes)
        dataset = EsgfArchive(path=str(folder), root="idealized", n_processes=n_processes)
        with pytest.raises(DatasetError, match="no wind"):
            dataset.save({key: ("mark", fail if key == keys[-1] else make) for key in keys})
        dataset.save(dict.fromkeys(keys, ("mark", make)))
        contents.append({file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()})
    assert len(contents[0]) == 5
    assert contents[0] == contents[1]


def test_a_given_archive_is_read_and_never_written_to(tmp_path):
    write_run(tmp_path / "given")
    before = sorted(tmp_path.rglob("*"))
    dataset = EsgfArchive(path=str(tmp_path / "own"), root=str(tmp_path / "given"))
    assert dataset.load().source_ids() == ["MADE-1"]
    with pytest.raises(DatasetError, match="never written to"):
        dataset.save({KEY: ("mark", make)})
    assert sorted(tmp_path.rglob("*")) == before


def test_no_archive_has_no_runs(tmp_path):
    dataset = EsgfArchive(path=str(tmp_path), root=None)
    assert dataset.exists()
    assert dataset.load().runs(source_ids="all", experiment_ids="all", variant_labels="all") == []
    with pytest.raises(DatasetError, match="archive_root is null"):
        dataset.save({KEY: ("mark", make)})


@pytest.mark.parametrize("root", [None, "given"])
def test_nothing_to_write_leaves_a_given_archive_unchanged(tmp_path, root):
    write_run(tmp_path / "given")
    before = sorted(tmp_path.rglob("*"))
    dataset = EsgfArchive(path=str(tmp_path / "own"), root=str(tmp_path / root) if root else None)
    assert dataset.given and dataset.setting == "archive_root"
    dataset.save({})
    assert sorted(tmp_path.rglob("*")) == before
    made = EsgfArchive(path=str(tmp_path / "own"), root="idealized")
    assert not made.given and made.setting is None
