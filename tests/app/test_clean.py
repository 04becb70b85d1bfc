"""`thor clean` removes what runs made and keeps everything else."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import xarray as xr

from tests.commands import REPOSITORY
from tests.programs import finished
from thor.app.clean import clean
from thor.core.run_record import RunRecord
from thor.datasets import FieldCollection, FieldDataset


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def field(value=1.0):
    return xr.Dataset({"field": ("x", [value])})


@pytest.fixture
def data(tmp_path):
    """Data of a run: two files, a folder of networks, a collection, logs and what a killed run left."""
    root = tmp_path / "data"
    record = RunRecord(root / "logs/run_record.json", data_root=root)
    record.start_run("run_1", {})
    (root / "08_reporting").mkdir()
    for name, place in {"metrics": "08_reporting/metrics.json", "report": "08_reporting/report.html"}.items():
        (root / place).write_text(name)
        record.saved(name, root / place, node="make")
    (root / "06_models/ensemble").mkdir(parents=True)
    (root / "06_models/ensemble/weights.npz").write_text("weights")
    record.saved("ensemble", root / "06_models/ensemble", node="train")
    collection = FieldCollection(path=str(root / "04_feature/runs"))
    collection.save({"A/one": ("mark", field), "A/two": ("mark", field)})
    record.saved("runs", root / "04_feature/runs", node="make")
    record.node("make", pipeline="first", seconds=1.0, peak_memory_mb=1.0)
    record.write()
    for name in (
        "logs/run_2026-01-01T00-00-00-000000.log",
        "04_feature/runs/A/.three.0a0a0a0a-1-0b0b0b0b.tmp.nc",
        "04_feature/runs/A/.four.blocks.part.nc",
        ".gitkeep",
    ):
        (root / name).write_text("")
    return root


def test_all_that_runs_made_is_removed_with_empty_folders(data):
    planned = clean(data, dry_run=True)
    before = files(data)
    assert {path.relative_to(data).as_posix() for path in planned.removed} | {
        "logs/run_record.json",
        "logs/.run_record.json.lock",
        ".gitkeep",
    } == set(before)
    assert files(data) == before
    cleaned = clean(data)
    assert (cleaned.removed, cleaned.n_bytes, cleaned.kept) == (planned.removed, planned.n_bytes, [])
    assert [path.name for path in data.iterdir()] == [".gitkeep"]
    assert clean(data).removed == []


def test_files_of_others_and_changed_files_are_kept(data):
    (data / "08_reporting/metrics.json").write_text("changed")
    mine = {
        "01_raw/training_ocean.nc",
        "01_raw/ecco_v4r3/BPT.npy",
        "01_raw/archive/CMIP6/CMIP/NCAR/CESM2/historical/r1i1p1f1/Omon/zos/gn/v1/zos.nc",
        "01_raw/cloud_archive/CMIP6/x.nc",
        "04_feature/runs/A/mine.nc",
        "06_models/ensemble/notes.txt",
        "08_reporting/figures/mine.png",
        "logs/notes.txt",
        "ecco/01_raw/mine.nc",
        "mine/08_reporting/report.html",
    }
    for name in mine:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("mine")
    (data / "04_feature/empty").mkdir()
    cleaned = clean(data)
    kept = {path.relative_to(data).as_posix() for path in cleaned.kept}
    assert kept == {name for name in mine if name[0] == "0"} | {"08_reporting/metrics.json"}
    assert set(files(data)) == mine | {"08_reporting/metrics.json", "logs/run_record.json", ".gitkeep"}
    assert (data / "04_feature/empty").is_dir()
    record = json.loads((data / "logs/run_record.json").read_text())
    assert set(record["datasets"]) == set(record["files"]) == {"metrics", "ensemble", "runs"}
    assert clean(data).removed == []


def test_user_files_in_a_folder_of_a_run_are_kept_although_the_run_recorded_them(data):
    FieldDataset(filepath=str(data / "04_feature/runs/A/mine.nc")).save(field(2.0))
    record = RunRecord(data / "logs/run_record.json", data_root=data)
    record.saved("runs", data / "04_feature/runs", node="make")
    record.write()
    assert [path.name for path in clean(data).kept] == ["mine.nc"]
    assert files(data / "04_feature") == ["runs/A/mine.nc"]


def test_inputs_and_handed_over_files_are_kept(data):
    record = RunRecord(data / "logs/run_record.json", data_root=data)
    (data / "01_raw").mkdir()
    for name in ("given.nc", "received.nc"):
        (data / "01_raw" / name).write_text(name)
    record.loaded("given", data / "01_raw/given.nc")
    record.received("received", data / "01_raw/received.nc", made_by={"node": "make"})
    record.write()
    clean(data)
    assert files(data / "01_raw") == ["given.nc", "received.nc"]
    assert set(RunRecord(data / "logs/run_record.json", data_root=data).content["datasets"]) == {"given", "received"}


def test_the_record_of_an_older_version_is_enough_where_nothing_changed(data):
    file = data / "logs/run_record.json"
    content = json.loads(file.read_text())
    del content["files"]
    file.write_text(json.dumps(content))
    (data / "04_feature/runs/A/.four.blocks.part.nc").unlink()
    (data / "06_models/ensemble/notes.txt").write_text("mine")
    clean(data)
    kept = ["06_models/ensemble/notes.txt", "06_models/ensemble/weights.npz", "logs/run_record.json"]
    assert files(data) == [".gitkeep", *kept]


@pytest.mark.parametrize("path", ["../outside.txt", "06_models/link/outside.txt"])
def test_a_record_of_another_folder_removes_nothing_there(data, path):
    outside = data.parent / "outside.txt"
    outside.write_text("mine")
    (data / "06_models/link").symlink_to(data.parent)
    file = data / "logs/run_record.json"
    content = json.loads(file.read_text())
    content["datasets"]["metrics"]["path"] = path
    checksum = RunRecord(data.parent / "r.json", data_root=data.parent)
    checksum.saved("x", outside, node="make")
    content["files"]["metrics"] = checksum.content["files"]["x"]
    file.write_text(json.dumps(content))
    clean(data)
    assert outside.read_text() == "mine"


def test_a_folder_without_a_record_is_left_alone(data):
    for name in ("run_record.json", ".run_record.json.lock"):
        (data / "logs" / name).unlink()
    before = {name for name in files(data) if ".part.nc" not in name and ".tmp" not in name and ".log" not in name}
    clean(data)
    assert set(files(data)) == before


# -- the command -------------------------------------------------------------------------------------------------------
def thor(folder, *arguments, **environment):
    hidden = {name: "" for name in os.environ if name.startswith("THOR_")}
    return finished("thor", *arguments, folder=folder, **hidden | environment)


def test_the_command_cleans_the_data_of_every_environment_and_lists_what_it_keeps(data):
    folder = data.parent
    (data / "01_raw/ecco_v4r3").mkdir(parents=True)
    (data / "01_raw/ecco_v4r3/BPT.npy").write_text("download")
    disk = data.rename(folder / "disk")
    for name in ("test", "ecco"):
        shutil.copytree(disk, folder / "data" / name)
    (folder / "data/test/mlflow/mlartifacts/1").mkdir(parents=True)
    (folder / "data/test/mlflow/mlflow.db").write_text("trained")
    (folder / "data/test/mlflow/mlartifacts/1/figure.png").write_text("trained")
    (folder / "mlflow.db").write_text("trained")

    planned = thor(folder, "clean", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "data/ecco/: 8 files would be removed (0.0 MB)" in planned.stdout
    assert "data/test/: 10 files would be removed" in planned.stdout
    done = thor(folder, "clean")
    assert done.returncode == 0, done.stderr
    assert "  removed: 04_feature/runs/ (4 files)" in done.stdout
    assert "  kept: 01_raw/ecco_v4r3/" in done.stdout
    kept = {f"{name}/{file}" for name in ("test", "ecco") for file in (".gitkeep", "01_raw/ecco_v4r3/BPT.npy")}
    assert set(files(folder / "data")) == kept
    assert (folder / "mlflow.db").is_file() and len(files(disk)) > 3


def test_the_command_cleans_the_configured_folders(data):
    folder = data.parent
    assert thor(folder, "conf").returncode == 0
    data.rename(folder / "disk")
    (folder / "conf/local/globals.yml").write_text("data_root: disk\n")
    assert thor(folder, "clean", "--env", "ecco").returncode == 0
    assert len(files(folder / "disk")) > 3
    done = thor(folder, "clean", "--env", "base")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert files(folder / "disk") == [".gitkeep"]
    (folder / "disk/logs").mkdir()
    (folder / "disk/logs/run_2026-01-01T00-00-00-000000.log").write_text("")
    assert "disk/: 1 file would be removed" in thor(folder, "clean", "--env", "base", "--dry-run").stdout
    (folder / "conf/local/globals.yml").write_text("data_rot: disk\n")
    wrong = thor(folder, "clean")
    assert wrong.returncode == 1
    assert "Error: conf/local/globals.yml: there is no setting 'data_rot'. Did you mean 'data_root'?" in wrong.stderr
    (folder / "conf/local/globals.yml").write_text("data_root: [x]\n")
    wrong = thor(folder, "clean")
    assert wrong.returncode == 1 and len(wrong.stderr.splitlines()) <= 4, wrong.stderr
    assert "ConfigError: conf/local/globals.yml: data_root must be a string; got ['x']." in wrong.stderr


def test_make_clean_removes_what_runs_and_builds_made(data):
    folder = data.parent
    shutil.copy(REPOSITORY / "Makefile", folder)
    (folder / "build").mkdir()
    (data / "01_raw").mkdir()
    (data / "01_raw/training_ocean.nc").write_text("mine")
    before = files(data)
    # without an environment the files of runs are unknown
    without = subprocess.run(["make", "clean"], cwd=folder, capture_output=True, text=True, check=False)
    assert without.returncode == 0 and "No .venv: the data stay as they are" in without.stdout
    assert files(data) == before and not (folder / "build").exists()
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    command = ["make", "clean", f"VENV={sys.prefix}"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "  kept: 01_raw/training_ocean.nc" in done.stdout
    assert files(data) == [".gitkeep", "01_raw/training_ocean.nc"]


def test_another_kedro_project_is_not_cleaned(data):
    (data.parent / "pyproject.toml").write_text(
        '[tool.kedro]\npackage_name = "mini"\nproject_name = "mini"\nkedro_init_version = "1.7.0"\n'
    )
    before = files(data)
    done = thor(data.parent, "clean")
    assert done.returncode == 1 and "another Kedro project" in done.stderr
    assert files(data) == before
