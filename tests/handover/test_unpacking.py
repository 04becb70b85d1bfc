"""All files are put in place together, or none is changed."""

import json
import os
import shutil
from collections import namedtuple
from functools import partial

import pytest

from tests.handover.conftest import PLACES, Team, members, write
from thor.core.checksums import sha256
from thor.core.errors import DataError
from thor.core.mixing import mixed_results
from thor.core.run_record import RunRecord
from thor.handover import Made, made_by, pack, unpack, unpacking
from thor.handover.manifest import Provenance

OURS = ("04_feature", "05_model_input", "06_models")


def handed_over(sender):
    return {name: content for name, content in sender.files().items() if name.startswith(OURS) and content is not None}


def only_files(team):
    return {name: content for name, content in team.files().items() if content is not None}


def test_the_receiver_has_the_same_bytes(sender, receiver, archive, tmp_path):
    received = receiver.unpack(archive)
    assert only_files(receiver) == handed_over(sender) and len(only_files(receiver)) == 4
    assert sorted(received.placed) == ["model", "regimes", "scenarios"] and received.kept == ["none"]
    # a received stage can be packed again
    again = receiver.pack(tmp_path / "again.tar")
    assert again[0].read_bytes() == archive.read_bytes()
    # and unpacked where it is already
    state = (receiver.root / "06_models/model.pkl").stat()
    received = receiver.unpack(archive)
    assert received.placed == [] and sorted(received.kept) == sorted(PLACES)
    assert (receiver.root / "06_models/model.pkl").stat().st_mtime_ns == state.st_mtime_ns


def test_a_pickle_is_never_loaded(receiver, archive, sender, tmp_path):
    import pickle

    receiver.unpack(archive)
    marker = tmp_path / "unpickled"
    assert not marker.exists()
    pickle.loads((receiver.root / "06_models/model.pkl").read_bytes())
    assert marker.exists(), "the pickle of this test does nothing when it is loaded"


def test_other_files_are_replaced_only_on_request(receiver, archive, sender):
    receiver.unpack(archive)
    folder = receiver.root / "04_feature/scenarios"
    (folder / "IDEAL/piControl/r1i1p1f1.nc").write_bytes(b"CONTROL" * 100)
    (folder / "more.nc").write_bytes(b"more")
    (receiver.root / "04_feature/none").mkdir()
    (receiver.root / "04_feature/none/stale.nc").write_bytes(b"stale")
    before = receiver.files()
    with pytest.raises(DataError, match=r"none \(04_feature/none\), scenarios \(04_feature/scenarios\)\. .*--force"):
        receiver.unpack(archive)
    assert receiver.files() == before
    received = receiver.unpack(archive, force=True)
    assert sorted(received.placed) == ["none", "scenarios"]
    # a folder is replaced as a whole: an additional file would be one more scenario
    assert only_files(receiver) == handed_over(sender)


def fails(*arguments):
    raise KeyboardInterrupt


def fails_at_the_third(copy):
    calls = []

    def interrupted(*arguments, **options):
        calls.append(arguments)
        return fails() if len(calls) == 3 else copy(*arguments, **options)

    return interrupted


@pytest.mark.parametrize("state", ["empty", "other files"])
@pytest.mark.parametrize(
    ("place", "error"),
    [("check", KeyboardInterrupt), ("record", KeyboardInterrupt), ("read", KeyboardInterrupt), ("tampered", DataError)],
)
def test_any_failure_leaves_all_files_unchanged(receiver, archive, tmp_path, monkeypatch, state, place, error):
    if state == "other files":
        for name in ("05_model_input/regimes.nc", "04_feature/scenarios/a/b.nc", "04_feature/none/c.nc", "06_models/x"):
            (receiver.root / name).parent.mkdir(parents=True, exist_ok=True)
            (receiver.root / name).write_bytes(b"old")
    before, above = receiver.files(), sorted(path.name for path in receiver.root.parent.parent.iterdir())
    options = {"force": True}
    if place == "check":
        options["check"] = lambda place, file, path: fails() if path.stat().st_size == 0 else None
    elif place == "record":
        monkeypatch.setattr(unpacking.RunRecord, "write", fails)
    elif place == "read":
        monkeypatch.setattr("shutil.copyfileobj", fails_at_the_third(shutil.copyfileobj))
    else:
        entries = members(archive)
        archive = write(tmp_path / "tampered.tar", [*entries[:-1], (entries[-1][0], entries[-1][1][:-1] + b"!")])
        above = sorted([*above, "tampered.tar"])
    with pytest.raises(error):
        receiver.unpack(archive, **options)
    assert receiver.files() == before
    assert sorted(path.name for path in receiver.root.parent.parent.iterdir()) == above
    assert receiver.root.exists() == (state == "other files")


@pytest.mark.parametrize("number", range(8))
def test_an_interrupt_between_two_renames_reverts_all_of_them(receiver, archive, monkeypatch, number):
    for name in ("05_model_input/regimes.nc", "04_feature/scenarios/a/b.nc", "04_feature/none/c.nc"):
        (receiver.root / name).parent.mkdir(parents=True, exist_ok=True)
        (receiver.root / name).write_bytes(b"old")
    before, rename, calls = receiver.files(), os.replace, []

    def interrupted(source, target):
        calls.append(target)
        if len(calls) == number + 1:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(unpacking.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        receiver.unpack(archive, force=True)
    assert receiver.files() == before


def test_places_that_this_project_has_not_are_refused(receiver, archive):
    others = {name: place for name, place in PLACES.items() if name != "model"}
    options = {"root": receiver.root, "record": receiver.record}
    with pytest.raises(DataError, match="catalog has no dataset 'model'"):
        unpack(archive, others, **options)
    for changes in ({"path": "06_models/m.pkl"}, {"type": "MetricsDataset"}, {"folder": True}):
        with pytest.raises(DataError, match="Dataset 'model' is a 'ModelDataset' at '06_models/model.pkl'"):
            unpack(archive, PLACES | {"model": PLACES["model"].model_copy(update=changes)}, **options)
    assert not receiver.root.exists()


def test_a_link_to_another_disk_stays_and_is_not_left(receiver, archive, tmp_path):
    (tmp_path / "disk").mkdir()
    receiver.root.mkdir(parents=True)
    (receiver.root / "04_feature").symlink_to(tmp_path / "disk")
    receiver.unpack(archive)
    assert (receiver.root / "04_feature").is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["scenarios"]


def test_a_full_disk_is_reported_before_anything_is_written(receiver, archive, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda folder: usage(1, 1, 1000))
    with pytest.raises(DataError, match=r"It needs 2 MB in .*; 0 MB are free"):
        receiver.unpack(archive)
    assert not receiver.root.exists()


def test_a_failing_disk_is_reported(receiver, archive, monkeypatch):
    def full(path, *arguments):
        raise OSError(28, "No space left on device", "regimes.nc")

    monkeypatch.setattr(unpacking, "flush", full)
    with pytest.raises(DataError, match="Nothing was unpacked below .*: No space left on device"):
        receiver.unpack(archive)
    assert not receiver.root.exists()


def test_the_producing_run_is_recorded_by_every_later_receiver(sender, receiver, tmp_path):
    run = Provenance(seed=42, git="abc", python="3.11", versions={"thor": "1"}, parameters={"clustering": {"n": 3}})
    first, manifest, _ = sender.pack(tmp_path / "first.tar", made=lambda name, checksum: Made("label", run))
    receiver.unpack(first)
    record = json.loads(receiver.record.read_text())
    entry = record["datasets"]["regimes"]
    # runs of another project are not in this run record
    assert entry["node"] is None and entry["run"] is None and record["runs"] == {}
    assert entry["sha256"] == next(d for d in manifest.datasets if d.name == "regimes").files[0].sha256

    def made(name, checksum):
        return made_by(record, name, checksum, groups={"clustering"})

    assert made("regimes", entry["sha256"]) == Made("label", run)
    assert made("regimes", "0" * 64).changed


@pytest.fixture
def two_stages(tmp_path):
    """A function that packs the regimes and the model made from them, in two archives, by a team with such regimes."""

    def packed(text):
        team = Team(tmp_path / text)
        regimes, model = (team.root / PLACES[name].path for name in ("regimes", "model"))
        for file in (regimes, model):
            file.parent.mkdir(parents=True)
            file.write_text(text)
        record = RunRecord(team.record, data_root=team.root)
        record.start_run("run", {"parameters": {}})
        record.saved("regimes", regimes, node="label")
        record.saved("model", model, node="train", inputs=["regimes"])
        made = partial(made_by, record.content, groups=())
        about = {"root": team.root, "environment": "test", "thor_version": "1", "made": made}
        return {
            name: pack([PLACES[name]], tmp_path / f"{text}_{name}.tar", pipeline=pipeline, **about)[0]
            for name, pipeline in (("regimes", "regime_clustering"), ("model", "modelling"))
        }

    return packed


def test_regimes_and_networks_of_two_senders_do_not_belong_together(two_stages, receiver):
    one, other = two_stages("one"), two_stages("other")
    receiver.unpack(one["regimes"])
    receiver.unpack(one["model"])
    assert mixed_results(json.loads(receiver.record.read_text())) == []
    receiver.unpack(other["regimes"], force=True)
    first, second, third = mixed_results(json.loads(receiver.record.read_text()))
    assert first.endswith("model, made from other versions of regimes than those in the folder.")
    assert second == "06_models/model.pkl (handed over) was made from another 05_model_input/regimes.nc (handed over)."
    assert "`kedro run --pipelines modelling`" in third
    receiver.unpack(other["model"], force=True)
    assert mixed_results(json.loads(receiver.record.read_text())) == []


def test_what_a_stage_was_made_from_is_handed_on(two_stages, receiver, tmp_path):
    receiver.unpack(two_stages("one")["model"])
    made = partial(made_by, json.loads(receiver.record.read_text()), groups=())
    _, manifest, _ = pack(
        [PLACES["model"]],
        tmp_path / "on.tar",
        root=receiver.root,
        pipeline="m",
        environment="test",
        thor_version="1",
        made=made,
    )
    (model,) = manifest.datasets
    assert model.made_from == {"regimes": sha256(tmp_path / "one" / PLACES["regimes"].path)}


def test_files_that_were_put_there_by_hand_receive_their_origin(two_stages, receiver, tmp_path):
    archives = two_stages("one")
    shutil.copytree(tmp_path / "one/06_models", receiver.root / "06_models")
    record = RunRecord(receiver.record, data_root=receiver.root)
    record.loaded("model", receiver.root / "06_models/model.pkl")
    record.write()
    receiver.unpack(archives["model"])
    assert list(json.loads(receiver.record.read_text())["datasets"]["model"]["made_from"]) == ["regimes"]
