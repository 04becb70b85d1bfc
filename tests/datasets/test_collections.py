"""A collection makes only changed entries and logs the reason."""

import errno
import logging
import time
from functools import partial
from multiprocessing import active_children
from unittest.mock import Mock

import numpy as np
import pytest
import xarray as xr
from kedro.io import DatasetError

from tests.made_fields import make_features, make_vorticity_budget
from tests.waiting import wait_until
from thor.core.atomic import replacing
from thor.core.checkpoint import Resumable
from thor.core.errors import DataError, LeftOutError
from thor.core.fingerprint import ATTRIBUTE, fingerprint
from thor.core.parallel import forked_pids, forked_workers
from thor.datasets import FieldCollection, FieldDataset
from thor.datasets.checkpoints import FileCheckpoint, stored_mark


class Maker:
    """A function that counts its calls."""

    def __init__(self, make):
        self.make, self.calls = make, 0

    def __call__(self) -> xr.Dataset:
        self.calls += 1
        return self.make()


def offer(collection, **marks):
    makers = {key: Maker(make_features) for key in marks}
    collection.save({key.replace("__", "/"): (mark, makers[key]) for key, mark in marks.items()})
    return {key: maker.calls for key, maker in makers.items()}


@pytest.fixture
def collection(tmp_path):
    return FieldCollection(path=str(tmp_path / "features"), contract="features")


def test_only_what_changed_is_made_again(collection, caplog, tmp_path):
    caplog.set_level(logging.INFO, logger="thor")
    assert offer(collection, one="a", model__two="b") == {"one": 1, "model__two": 1}
    assert offer(collection, one="a", model__two="b") == {"one": 0, "model__two": 0}
    times = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.nc")}
    caplog.clear()
    assert offer(collection, one="a", model__two="c") == {"one": 0, "model__two": 1}
    assert "features: 1 file written (1 whose inputs changed), 1 kept" in caplog.text
    one, two = tmp_path / "features/one.nc", tmp_path / "features/model/two.nc"
    assert one.stat().st_mtime_ns == times[one]
    assert two.stat().st_mtime_ns != times[two]


def test_a_mapping_that_is_a_context_is_open_while_its_functions_are_called(collection):
    events = []

    class Shared(dict):
        def __enter__(self):
            events.append("open")

        def __exit__(self, *error):
            events.append("closed" if error == (None, None, None) else "closed with an error")

    def make():
        events.append("make")
        return make_features()

    collection.save(Shared(one=("a", make)))
    assert events == ["open", "make", "closed"]

    def fail():
        raise ValueError("no")

    with pytest.raises(DatasetError, match="no"):
        collection.save(Shared(one=("b", fail)))
    assert events[3:] == ["open", "closed with an error"]


def test_a_file_is_checked_again_when_it_has_changed(collection, tmp_path, monkeypatch):
    offer(collection, one="a")
    checked = []
    monkeypatch.setattr("thor.datasets.collections.check", lambda dataset, contract, where: checked.append(contract))
    load = collection.load()["one"]
    load(), load()
    assert checked == []  # checked when loaded
    broken = make_features().drop_vars("valid")
    FieldDataset(filepath=str(tmp_path / "features/one.nc")).save(broken)
    load(), load()
    assert checked == ["features"]


def test_headers_have_coordinates_and_attributes_alone(collection):
    offer(collection, one="a", model__two="b")
    fields = collection.load()
    assert [*fields.headers] == [*fields] == ["model/two", "one"]
    header, whole = fields.headers["one"](), fields["one"]()
    assert not header.data_vars and header.attrs == whole.attrs
    xr.testing.assert_identical(header, whole.drop_vars(whole.data_vars))


def test_a_folder_that_cannot_be_written_is_named_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "features").write_text("in the way")
    maker = Maker(make_features)
    collection = FieldCollection(path=str(tmp_path / "features/inner"))
    with pytest.raises(DatasetError, match="a file stands where a folder is needed"):
        collection.save({"one": ("a", maker)})

    def refuse(**options):
        raise OSError(errno.EROFS, "read only")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(DatasetError, match="one.nc was not written: Read-only file system. Make the folder writable"):
        FieldCollection(path=str(tmp_path / "others")).save({"one": ("a", maker)})
    assert maker.calls == 0


def test_loading_gives_readers(collection):
    offer(collection, one="a", model__two="b")
    loaded = collection.load()
    assert list(loaded) == ["model/two", "one"]
    dataset = loaded["one"]()
    assert dataset.attrs.pop(ATTRIBUTE) == "a"
    xr.testing.assert_identical(dataset, make_features())


def test_files_no_longer_produced_are_removed_and_files_of_others_kept(collection, tmp_path):
    offer(collection, one="a", model__two="b")
    FieldDataset(filepath=str(tmp_path / "features/foreign.nc")).save(make_features())
    offer(collection, one="a")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "features", "features/foreign.nc", "features/one.nc",
    ]  # fmt: skip


def test_a_file_of_another_program_is_not_replaced(collection, tmp_path):
    offer(collection, one="a")
    file = FieldDataset(filepath=str(tmp_path / "features/two.nc"))
    file.save(make_features())
    before = (tmp_path / "features/two.nc").read_bytes()
    with pytest.raises(DatasetError, match=r"two.nc was not written by THOR and is not replaced. Move it away"):
        offer(collection, one="a", two="b")
    assert (tmp_path / "features/two.nc").read_bytes() == before


def test_a_damaged_file_is_made_again(collection, tmp_path):
    offer(collection, one="a")
    file = tmp_path / "features/one.nc"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(DataError, match="cannot be read as NetCDF"):
        collection.load()["one"]()
    assert offer(collection, one="a") == {"one": 1}
    collection.load()["one"]()


def test_a_failure_keeps_what_was_finished(collection):
    def fail():
        raise RuntimeError("no sea")

    first = Maker(make_features)
    with pytest.raises(DatasetError, match="no sea"):
        collection.save({"one": ("a", first), "two": ("b", fail)})
    assert list(collection.load()) == ["one"]
    second = Maker(make_features)
    collection.save({"one": ("a", first), "two": ("b", second)})
    assert (first.calls, second.calls) == (1, 1)


@pytest.mark.parametrize("lazy", [False, True])
def test_every_file_keeps_the_contract(collection, tmp_path, lazy):
    bad = make_vorticity_budget().chunk({"lat": 4}) if lazy else make_vorticity_budget()
    with pytest.raises(DatasetError, match=r"features/one.nc: variable 'zos' is missing"):
        collection.save({"one": ("a", lambda: bad)})
    assert not list(tmp_path.rglob("*.nc"))
    FieldCollection(path=str(tmp_path / "features")).save({"one": ("a", lambda: bad)})
    reader = FieldCollection(path=str(tmp_path / "features"), contract="features", chunks={}).load()["one"]
    with pytest.raises(DataError, match="variable 'zos' is missing"):
        reader()


def test_nothing_to_load_and_nothing_to_save_are_errors(collection, tmp_path):
    with pytest.raises(DatasetError, match="features/ does not exist"):
        collection.load()
    (tmp_path / "features").mkdir()
    with pytest.raises(DatasetError, match="holds no NetCDF file"):
        collection.load()
    with pytest.raises(DatasetError, match="was given no key"):
        collection.save({})
    assert not collection.exists()


@pytest.mark.parametrize("key", ["../out", "/out", "", "a/.b"])
def test_keys_stay_in_the_folder(collection, tmp_path, key):
    with pytest.raises(DatasetError, match="cannot name a file"):
        collection.save({key: ("a", make_features)})
    assert not list(tmp_path.rglob("*.nc"))


def test_real_fingerprints_determine_what_is_made_again(collection):
    parameters = {"radius": 500.0}
    mark = fingerprint(make_vorticity_budget(), parameters)
    assert offer(collection, one=mark) == {"one": 1}
    assert offer(collection, one=fingerprint(make_vorticity_budget().chunk({"lat": 2}), parameters)) == {"one": 0}
    assert offer(collection, one=fingerprint(make_vorticity_budget(), {"radius": 501.0})) == {"one": 1}
    assert collection.preview()["data"][0][0] == "one"


def test_unfinished_work_continues_from_its_checkpoint(collection, tmp_path):
    seen = []

    def work(checkpoint):
        seen.append(checkpoint.load("half"))
        checkpoint.save("half", xr.Dataset({"sums": ("x", [1.0, 2.0])}))
        if len(seen) == 1:
            raise DataError("the archive is gone")
        return make_features()

    with pytest.raises(DatasetError):
        collection.save({"model/one": ("a", Resumable(work))})
    assert [file.name for file in tmp_path.rglob("*.nc")] == [".one.half.part.nc"]
    assert not collection.exists()
    collection.save({"model/one": ("a", Resumable(work))})
    assert seen[0] is None
    assert list(seen[1]["sums"].values) == [1.0, 2.0]
    assert [file.name for file in tmp_path.rglob("*.nc")] == ["one.nc"]


def test_a_checkpoint_of_other_inputs_is_not_used(tmp_path):
    FileCheckpoint(tmp_path / "one.nc", "a").save("half", xr.Dataset({"sums": ("x", [1.0])}))
    assert FileCheckpoint(tmp_path / "one.nc", "b").load("half") is None
    assert FileCheckpoint(tmp_path / "one.nc", "a").load("half") is not None


def test_a_checkpoint_that_the_machine_damaged_is_not_used(tmp_path, caplog):
    checkpoint = FileCheckpoint(tmp_path / "one.nc", "a")
    checkpoint.save("half", xr.Dataset({"sums": ("x", np.random.default_rng(0).normal(size=100_000))}))
    (part,) = tmp_path.glob(".one.half.part.nc")
    content = bytearray(part.read_bytes())
    content[len(content) // 2 :: 7] = bytes(len(content[len(content) // 2 :: 7]))
    part.write_bytes(content)
    assert stored_mark(part) == "a"
    assert checkpoint.load("half") is None
    assert "begun again" in caplog.text


def test_an_empty_collection_is_valid_where_the_catalog_allows_it(tmp_path):
    optional = FieldCollection(path=str(tmp_path / "scenarios"), contract="features", may_be_empty=True)
    assert optional.exists()
    optional.save({"one": ("a", make_features)})
    optional.save({})
    assert optional.load() == {}
    assert not list(tmp_path.rglob("*.nc"))


def test_all_keys_may_be_left_out_where_the_catalog_allows_it(tmp_path):
    def fail():
        raise LeftOutError("its file is damaged")

    path, contract = str(tmp_path / "made"), "features"
    with pytest.raises(DatasetError, match="none of 1 files could be made. The first, one: its file is damaged"):
        FieldCollection(path=path, contract=contract, may_be_empty=True).save({"one": ("a", fail)})
    optional = FieldCollection(path=path, contract=contract, may_be_empty=True, may_be_left_out=True)
    optional.save({"one": ("a", fail)})
    assert (optional.load(), optional.load().left_out) == ({}, {"one": "its file is damaged"})
    (tmp_path / "made/left_out.json").write_text("{")
    with pytest.raises(DatasetError, match=r"made/left_out.json is not JSON"):
        optional.load()


def fails_beside(folder):
    """Fail as soon as the other file is being written."""
    wait_until(lambda: list(folder.glob(".slow.*.tmp.nc")))
    raise DataError("no sea")


def is_written(folder):
    with replacing(folder / "slow.nc") as temporary:
        temporary.touch()
        time.sleep(30)


@pytest.mark.parametrize("forked", [True, False])
def test_an_error_in_one_process_ends_the_others_and_leaves_nothing_of_their_files(tmp_path, forked):
    collection = FieldCollection(path=str(tmp_path), n_processes=2)
    makers = {"failing": ("a", partial(fails_beside, tmp_path)), "slow": ("a", partial(is_written, tmp_path))}
    with forked_workers(2 if forked else 1):
        with pytest.raises(DatasetError, match="no sea"):
            collection.save(makers)
        assert not forked_pids() & {child.pid for child in active_children()}
        assert not list(tmp_path.iterdir())


def leave_out():
    raise LeftOutError("no sea")


def test_an_interrupt_between_two_files_ends_forked_workers(tmp_path, monkeypatch):
    collection = FieldCollection(path=str(tmp_path), n_processes=2)
    monkeypatch.setattr("thor.datasets.collections.log.warning", Mock(side_effect=KeyboardInterrupt))
    with forked_workers(2):
        with pytest.raises(KeyboardInterrupt):
            collection.save({"one": ("a", leave_out), "slow": ("a", partial(is_written, tmp_path))})
        assert not forked_pids() & {child.pid for child in active_children()}
