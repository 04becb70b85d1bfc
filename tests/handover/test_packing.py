"""An archive holds all files of a stage after their list, with the same bytes for the same files."""

import gzip
import hashlib
import json
import os
import subprocess

import pytest

from tests.handover.conftest import PLACES, members
from thor.core.checksums import sha256
from thor.core.errors import DataError
from thor.handover import Made, made_by
from thor.handover.manifest import Provenance


def test_the_manifest_comes_first_and_lists_every_file(sender, archive):
    content = members(archive)
    assert [name for name, _ in content[:2]] == ["manifest.json", "manifest.json.sha256"]
    manifest = json.loads(content[0][1])
    assert (manifest["format"], manifest["format_version"]) == ("thor-stage", 1)
    assert (manifest["thor_version"], manifest["pipeline"], manifest["environment"]) == ("1.2.3", "clustering", "test")
    datasets = {entry["name"]: entry for entry in manifest["datasets"]}
    assert set(datasets) == set(PLACES)
    assert datasets["regimes"] | {"files": None} == {
        "name": "regimes",
        "type": "FieldDataset",
        "layer": "model_input",
        "contract": "regimes",
        "path": "05_model_input/regimes.nc",
        "folder": False,
        "node": None,
        "run": None,
        "made_from": {},
        "files": None,
    }
    assert datasets["none"]["files"] == []
    listed = {file["path"]: file for entry in manifest["datasets"] for file in entry["files"]}
    assert [f"data/{path}" for path in listed] == [name for name, _ in content[2:]]
    for name, text in content[2:]:
        entry = listed[name.removeprefix("data/")]
        assert entry["size"] == len(text) and entry["sha256"] == hashlib.sha256(text).hexdigest()
        assert text == (sender.root / entry["path"]).read_bytes()


def test_other_tools_read_it(archive, tmp_path):
    subprocess.run(["tar", "xf", archive], cwd=tmp_path, check=True)
    subprocess.run(["sha256sum", "-c", "manifest.json.sha256"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "data/05_model_input/regimes.nc").stat().st_size == 256 * 9000


def test_the_same_files_give_the_same_bytes_whenever_and_in_whichever_order_they_were_written(sender, tmp_path):
    first, _, checksum = sender.pack(tmp_path / "first.tar")
    for file in sender.root.rglob("*"):
        os.utime(file, (1, 1))
    (sender.root / "04_feature/scenarios/.unfinished.part.nc").write_bytes(b"0")
    moved = sender.root / "04_feature/scenarios/IDEAL/abrupt-4xCO2"
    moved.rename(sender.root / "elsewhere")
    (sender.root / "elsewhere").rename(moved)
    second, _, same = sender.pack(tmp_path / "second.tar")
    assert first.read_bytes() == second.read_bytes()
    assert checksum == same == hashlib.sha256(first.read_bytes()).hexdigest()
    (sender.root / "06_models/model.pkl").write_bytes(b"other")
    assert sender.pack(tmp_path / "third.tar")[2] != checksum


def test_text_is_compressed_and_netcdf_is_not(sender, tmp_path):
    def name(compressed):
        return tmp_path / ("stage.tar" + ".gz" * compressed)

    assert sender.pack(name)[0].name == "stage.tar"
    (sender.root / "06_models/model.pkl").write_bytes(b"text\n" * 10**6)
    archive, manifest, checksum = sender.pack(name)
    assert archive.name == "stage.tar.gz" and archive.stat().st_size < manifest.n_bytes / 2
    assert members(archive)[0][0] == "manifest.json"
    assert sender.pack(tmp_path / "again.tar.gz")[2] == checksum
    assert gzip.decompress(archive.read_bytes())[:13] == b"manifest.json"


def test_what_cannot_be_packed_is_named_and_leaves_nothing(sender, tmp_path):
    target = tmp_path / "archives/stage.tar"
    with pytest.raises(DataError, match="stage.tar was not written: No such file or directory"):
        sender.pack(target)
    target.parent.mkdir()
    target.write_bytes(b"the old one")
    strange = sender.root / "04_feature/scenarios/strange\nname.nc"
    strange.write_bytes(b"")
    with pytest.raises(DataError, match=r"strange\\nname.nc' is no path below data_root"):
        sender.pack(target)
    strange.unlink()
    long = sender.root / "04_feature/scenarios" / ("x" * 120) / ("y" * 120)
    long.parent.mkdir()
    long.write_bytes(b"")
    with pytest.raises(DataError, match="cannot be packed"):
        sender.pack(target)
    long.unlink()
    (sender.root / "05_model_input/regimes.nc").unlink()
    with pytest.raises(DataError, match="'regimes' is missing"):
        sender.pack(target)
    assert [path.name for path in target.parent.iterdir()] == ["stage.tar"]
    assert target.read_bytes() == b"the old one"


def test_a_file_that_changes_meanwhile_is_not_packed(sender, tmp_path):
    def made(name, checksum):
        (sender.root / "06_models/model.pkl").write_bytes(b"changed")
        return Made()

    with pytest.raises(DataError, match=r"model.pkl changed while it was packed"):
        sender.pack(tmp_path / "stage.tar", made=made)
    assert not list(tmp_path.glob("*.tar")) and not list(tmp_path.glob(".*"))


def test_the_run_that_made_a_dataset_is_recorded_without_times_and_hosts(sender, tmp_path):
    about = {"seed": 42, "git": "abc", "python": "3.11", "versions": {"thor": "1"}, "host": "h", "started": "today"}
    about["parameters"] = {"clustering": {"n": 3}, "modelling": {"n": 4}, "compute": {"n": 5}}
    file = sender.root / "05_model_input/regimes.nc"
    record = {
        "runs": {"run_1": about, "run_2": about | {"host": "other"}},
        "datasets": {
            "regimes": {"sha256": sha256(file), "node": "label", "run": "run_1"},
            "scenarios": {"sha256": sha256(sender.root / "04_feature/scenarios"), "node": "scan", "run": "run_2"},
            "model": {"sha256": "0" * 64, "node": "fit", "run": "run_1"},
        },
    }

    def made(name, checksum):
        return made_by(record, name, checksum, groups={"clustering"})

    _, manifest, _ = sender.pack(tmp_path / "stage.tar", made=made)
    run = Provenance(seed=42, git="abc", python="3.11", versions={"thor": "1"}, parameters={"clustering": {"n": 3}})
    # two runs that were alike are one
    assert manifest.runs == (run,)
    assert {d.name: (d.node, d.run) for d in manifest.datasets} == {
        "regimes": ("label", 0),
        "scenarios": ("scan", 0),
        "model": ("fit", None),
        "none": (None, None),
    }
    assert made("model", "1" * 64).changed and not made("regimes", sha256(file)).changed
