"""Reading many runs and being interrupted: nothing is lost, nothing is read twice, and the check says what is left."""

import errno
import multiprocessing
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.framework.project import configure_project
from kedro.io import DatasetError

from tests.made_archive import NO_LEVELS, write_run
from thor.app.archive import archive as commands
from thor.app.configuration import default_configuration
from thor.app.parameters import DataEngineering
from thor.core.errors import DataError
from thor.datasets import FieldCollection, netcdf
from thor.datasets.checkpoints import FileCheckpoint
from thor.pipelines.data_engineering import nodes
from thor.reading import means
from thor.reading.archive import Archive
from thor.reading.climatology import climatology_marks, first_month_of
from thor.reading.plans import plan_runs
from thor.reading.windows import ClimatologySettings, WindowSettings

MODELS = ("MADE-1", "MADE-2", "MADE-3", "MADE-4")
N_FILES = 2  # of each of three variables


@pytest.fixture
def root(tmp_path):
    """Four models with one run each."""
    for number, model in enumerate(MODELS):
        write_run(tmp_path / "archive", source_id=model, first=1850, last=1853, attrs={"number": number})
    return tmp_path / "archive"


@pytest.fixture
def files_read(monkeypatch):
    """How often each file was read to its end."""
    counts = Counter()
    add = means._add

    def counting(state, file, *rest):
        add(state, file, *rest)
        counts[file.path.name] += 1

    monkeypatch.setattr(means, "_add", counting)
    return counts


def study(root, folder, **options):
    """Return what the node gives for an archive, and the collection into which it is saved."""
    values = default_configuration("test")["parameters"]["data_engineering"]
    made = nodes.compute_climatologies(Archive(root), NO_LEVELS, DataEngineering(**values))
    options |= {"contract": "climatologies", "may_be_empty": True}
    return made["climatologies"], FieldCollection(path=str(folder), **options)


def read(root, folder, **options):
    makers, collection = study(root, folder, **options)
    collection.save(makers)
    return contents(folder)


def contents(folder):
    """Return the bytes of each finished climatology; hidden files are unfinished."""
    return {path.parts[-3]: path.read_bytes() for path in sorted(Path(folder).rglob("[!.]*.nc"))}


def unfinished(folder):
    return [path.name for path in Path(folder).rglob(".*")]


def times(folder):
    return {path.parts[-3]: path.stat().st_mtime_ns for path in Path(folder).rglob("[!.]*.nc")}


def killed_after(n_files, root, folder, log):
    """Read as `read` does and die, as by the out-of-memory killer, once so many files are summed."""
    add, save = means._add, FileCheckpoint.save

    def counting(state, file, *rest):
        add(state, file, *rest)
        with log.open("a") as lines:
            lines.write(f"{file.path.name}\n")

    def dying(self, name, part):
        save(self, name, part)
        if len(log.read_text().splitlines()) == n_files:
            os.kill(os.getpid(), signal.SIGKILL)

    means._add, FileCheckpoint.save = counting, dying
    read(root, folder)


def check(root, *options):
    """Return the rows of `thor archive check` by model, and its last line; its data are those of the environment."""
    configure_project("thor")
    table = root.parent / "table.csv"
    options = ["check", str(root), "--csv", str(table), "--env", "test", "--headers-only", *options]
    result = CliRunner().invoke(commands, options, catch_exceptions=False)
    return pd.read_csv(table, keep_default_na=False).set_index("source_id"), result.output.splitlines()


@pytest.mark.parametrize("n_files", [1, 3 * N_FILES, 3 * N_FILES + 3])
def test_a_killed_process_loses_no_file_and_reads_none_twice(root, tmp_path, files_read, n_files):
    whole = read(root, tmp_path / "whole")
    assert set(files_read.values()) == {1} and len(files_read) == 3 * N_FILES * len(MODELS)
    files_read.clear()
    log = tmp_path / "read.log"
    worker = multiprocessing.get_context("spawn").Process(
        target=killed_after, args=(n_files, root, tmp_path / "killed", log)
    )
    worker.start()
    worker.join(120)
    assert worker.exitcode == -signal.SIGKILL
    before, finished = log.read_text().splitlines(), times(tmp_path / "killed")
    assert len(before) == n_files and len(finished) < len(MODELS)
    assert read(root, tmp_path / "killed") == whole
    assert not set(before) & set(files_read) and len(before) + len(files_read) == 3 * N_FILES * len(MODELS)
    assert finished.items() <= times(tmp_path / "killed").items()
    assert not unfinished(tmp_path / "killed")


def test_runs_are_read_alike_in_several_processes_and_one_that_cannot_be_is_left_out(root, tmp_path):
    whole = read(root, tmp_path / "whole")
    assert read(root, tmp_path / "processes", n_processes=2) == whole
    makers, collection = study(root, tmp_path / "gone", n_processes=2)
    next(root.rglob("tauvo_*MADE-2*185201-185312.nc")).unlink()
    collection.save(makers)
    assert contents(tmp_path / "gone") == {model: whole[model] for model in whole if model != "MADE-2"}
    (reason,) = collection.load().left_out.values()
    assert "is gone since the archive was listed" in reason


def test_a_file_that_disappears_after_planning_leaves_out_its_run_until_it_is_back(root, tmp_path, files_read):
    whole = read(root, tmp_path / "whole")
    files_read.clear()
    makers, collection = study(root, tmp_path / "gone")
    gone = next(root.rglob("tauvo_*MADE-2*185201-185312.nc"))
    away = gone.rename(tmp_path / gone.name)
    collection.save(makers)
    assert contents(tmp_path / "gone") == {model: whole[model] for model in whole if model != "MADE-2"}
    (reason,) = collection.load().left_out.values()
    assert gone.name in reason and "is gone since the archive was listed. Put it back, and run again." in reason
    finished = times(tmp_path / "gone")
    away.rename(gone)
    assert read(root, tmp_path / "gone") == whole
    assert set(files_read.values()) == {1}  # the run continued at the file that was gone
    assert finished.items() <= times(tmp_path / "gone").items()


def test_a_depth_that_disappears_after_planning_is_named_and_costs_its_run_alone(root):
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    plans = plan_runs(archive, runs, WindowSettings(length_years=2), missing="skip")
    settings = ClimatologySettings()
    before = climatology_marks(plans, settings)
    next(root.rglob("deptho_*MADE-2*")).unlink()
    after = climatology_marks(plans, settings)
    assert {key.split("/")[0] for key in before if after[key] != before[key]} == {"MADE-2"}
    (lost,) = (plan for plan in plans if plan.run.source_id == "MADE-2")
    with pytest.raises(DataError, match="deptho_.*MADE-2.*is gone since the archive was listed"):
        first_month_of(lost, settings)


def full_disk(monkeypatch, n_writes):
    """Let the disk be full from the n-th file on, halfway through it."""
    written, write = [], netcdf._write

    def filling(data, path, **options):
        write(data, path, **options)
        written.append(path)
        if len(written) >= n_writes:
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size // 2)
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(netcdf, "_write", filling)


@pytest.mark.parametrize("n_writes", [1, 9, 14])  # of checkpoints and climatologies
def test_a_full_disk_stops_in_one_line_and_space_lets_it_continue(root, tmp_path, files_read, n_writes):
    whole = read(root, tmp_path / "whole")
    files_read.clear()
    with pytest.MonkeyPatch.context() as patched:
        full_disk(patched, n_writes)
        with pytest.raises((DataError, DatasetError), match="the disk is full"):
            read(root, tmp_path / "full")
    finished = times(tmp_path / "full")
    assert contents(tmp_path / "full").items() <= whole.items() and len(finished) < len(MODELS)
    assert not [name for name in unfinished(tmp_path / "full") if ".tmp" in name]
    assert read(root, tmp_path / "full") == whole
    # only the file is read again whose sums found no space
    assert sum(files_read.values()) - len(files_read) <= 1 and len(files_read) == 3 * N_FILES * len(MODELS)
    assert finished.items() <= times(tmp_path / "full").items()


def test_a_disk_that_is_really_full(root, tmp_path):
    whole = read(root, tmp_path / "whole")
    disk = tmp_path / "disk"
    disk.mkdir()
    size = sum(map(len, whole.values())) * 2 // 3
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk here; the simulated full disks were tested")
    try:
        with pytest.raises((DataError, DatasetError), match="the disk is full"):
            read(root, disk / "climatologies")
        finished = times(disk)
        assert 0 < len(finished) < len(MODELS)
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        assert read(root, disk / "climatologies") == whole
        assert finished.items() <= times(disk).items()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_climatologies_of_a_new_model_are_added_without_touching_others(root, tmp_path, files_read):
    read(root, tmp_path / "out")
    finished = times(tmp_path / "out")
    files_read.clear()
    write_run(root, source_id="MADE-5", first=1850, last=1853)
    assert list(read(root, tmp_path / "out")) == [*MODELS, "MADE-5"]
    assert finished.items() <= times(tmp_path / "out").items()
    assert len(files_read) == 3 * N_FILES and all("MADE-5" in name for name in files_read)


def test_the_check_shows_what_is_done_and_what_is_left(root, tmp_path, monkeypatch):
    monkeypatch.setenv("THOR_TEST_ROOT", str(tmp_path / "data"))
    folder = tmp_path / "data/02_intermediate/climatologies"
    table, lines = check(root)
    assert not table["done"].any() and set(table["left"]) == {"not made yet"}
    assert lines[-1].startswith("0 of 4 climatologies are done; 4 runs left, ")
    makers, collection = study(root, folder)
    stopping = dict(makers)
    mark, make = makers["MADE-3/historical/r1i1p1f1"]

    def stopped(checkpoint):
        saved = checkpoint.save

        def save(name, part):
            saved(name, part)
            raise KeyboardInterrupt

        checkpoint.save = save
        return make.work(checkpoint)

    stopping["MADE-3/historical/r1i1p1f1"] = (mark, type(make)(stopped))
    with pytest.raises(KeyboardInterrupt):
        collection.save(stopping)
    table, lines = check(root)
    assert list(table["done"]) == [True, True, False, False]
    assert list(table["left"]) == ["", "", "begun", "not made yet"]
    assert any(line.startswith("MADE-1/historical/r1i1p1f1  yes  done  1850-1853") for line in lines)
    assert lines[-1].startswith("2 of 4 climatologies are done; 2 runs left, ")
    collection.save(makers)
    assert check(root)[1][-1] == "4 of 4 climatologies are done."
    # other files, another window, a damaged file
    next(root.rglob("zos_*MADE-2*")).unlink()
    (folder / "MADE-4/historical/r1i1p1f1.nc").write_bytes(b"CDF gone")
    table, _ = check(root)
    assert list(table["left"]) == ["", "its inputs, the settings or THOR changed", "", "its file cannot be read"]
