"""A file is either the complete old one or the complete new one, even after a failed write."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from thor.core.atomic import remove_leftovers, replacing, replacing_folder
from thor.core.errors import DataError
from thor.datasets import NetworkDataset
from thor.datasets.netcdf import write


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_parents_are_made_and_the_new_file_replaces_the_old(tmp_path):
    target = tmp_path / "deep" / "down" / "a.txt"
    for text in ("old", "new"):
        with replacing(target) as temporary:
            assert temporary.parent == target.parent
            assert temporary.name.startswith(".")
            assert temporary.suffix == ".txt"
            temporary.write_text(text)
        assert target.read_text() == text
    assert files_of(target.parent) == ["a.txt"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interruption_leaves_the_old_file_and_nothing_else(tmp_path, interruption):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(interruption), replacing(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise interruption
    assert target.read_text() == "old"
    assert files_of(tmp_path) == ["a.txt"]


WRITER = """
    import sys, time
    from pathlib import Path
    from thor.core.atomic import replacing

    with replacing(Path(sys.argv[1])) as temporary:
        temporary.write_text("half")
        print("writing", flush=True)
        for _ in range(1200):  # short: a signal that comes just before a sleep is handled after it
            time.sleep(0.05)
    """


def interrupted_writer(target: Path, number: int) -> int:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(number)
    process.wait(timeout=30)
    process.stdout.close()
    return process.returncode


def test_sigint_while_writing_leaves_no_trace(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    assert interrupted_writer(target, signal.SIGINT) != 0
    assert target.read_text() == "old"
    assert files_of(tmp_path) == ["a.txt"]


def test_what_sigkill_leaves_is_swept_by_the_next_save(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    assert interrupted_writer(target, signal.SIGKILL) == -signal.SIGKILL
    assert target.read_text() == "old"
    assert len(files_of(tmp_path)) == 2
    (tmp_path / ".other.txt").write_text("somebody's")
    with replacing(target) as temporary:
        temporary.write_text("new")
    assert files_of(tmp_path) == [".other.txt", "a.txt"]
    assert target.read_text() == "new"


KILLED_WITHIN = """
    import os, signal, sys
    from pathlib import Path
    from thor.core.atomic import replacing_folder

    def replace(source, target, replace=os.replace):
        replace(source, target)
        os.kill(os.getpid(), signal.SIGKILL)

    with replacing_folder(Path(sys.argv[1])) as temporary:
        (temporary / "weights").write_text("new")
        os.replace = replace
    """


@pytest.fixture
def moved(tmp_path):
    """A folder that a process has moved aside to replace it, and which it has not replaced before it was killed."""
    target = tmp_path / "networks.v1"
    with replacing_folder(target) as temporary:
        (temporary / "weights").write_text("old")
    command = [sys.executable, "-c", textwrap.dedent(KILLED_WITHIN), str(target)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not target.exists()
    return target


def test_a_folder_moved_by_a_killed_process_is_put_back_and_nothing_else_stays(moved):
    with pytest.raises(KeyboardInterrupt), replacing_folder(moved):
        raise KeyboardInterrupt
    assert (moved / "weights").read_text() == "old"
    assert files_of(moved.parent) == ["networks.v1"]


def test_networks_moved_by_a_killed_process_are_found(moved):
    assert NetworkDataset(filepath=str(moved)).exists()
    assert (moved / "weights").read_text() == "old"
    assert files_of(moved.parent) == ["networks.v1"]


def test_a_folder_that_a_running_process_replaces_is_left_to_it(moved):
    (old,) = moved.parent.glob(".*.old.v1")
    living = old.rename(old.with_name(old.name.replace(old.name.split("-")[1], str(os.getppid()))))
    foreign = moved.parent / ".networks.00000000-1-0a0a.old.v1"
    foreign.mkdir()
    os.utime(foreign, (0, 0))
    assert not NetworkDataset(filepath=str(moved)).exists()
    assert files_of(moved.parent) == sorted([living.name, foreign.name])
    with replacing_folder(moved) as temporary:
        (temporary / "weights").write_text("new")
    assert files_of(moved.parent) == sorted([living.name, foreign.name, "networks.v1"])
    remove_leftovers(moved)
    assert files_of(moved.parent) == sorted([living.name, "networks.v1"])


def test_a_link_to_a_folder_is_replaced_and_what_it_leads_to_kept(tmp_path):
    elsewhere, target = tmp_path / "elsewhere", tmp_path / "networks"
    elsewhere.mkdir()
    target.symlink_to(elsewhere)
    with replacing_folder(target) as temporary:
        (temporary / "weights").write_text("new")
    assert not target.is_symlink()
    assert files_of(tmp_path) == ["elsewhere", "networks"]


def test_a_file_in_the_place_of_a_folder_is_kept(tmp_path):
    (tmp_path / "networks").write_text("somebody's")
    with pytest.raises(DataError, match="was not written: a file stands"), replacing_folder(tmp_path / "networks"):
        pass
    assert (tmp_path / "networks").read_text() == "somebody's"
    assert files_of(tmp_path) == ["networks"]


def test_a_running_writer_is_not_disturbed(tmp_path):
    target = tmp_path / "a.txt"
    with replacing(target) as temporary:
        temporary.write_text("zero")
    host = temporary.name.split(".")[2].split("-")[0]
    living = tmp_path / f".a.{host}-{os.getppid()}-0a0a.tmp.txt"
    foreign = tmp_path / ".a.00000000-1-0a0a.tmp.txt"
    for leftover in (living, foreign):
        leftover.write_text("half")
    with replacing(target) as temporary, replacing(target) as second:
        assert temporary != second
        temporary.write_text("one")
        second.write_text("two")
    assert files_of(tmp_path) == sorted([living.name, foreign.name, "a.txt"])
    old = time.time() - 2 * 86400
    os.utime(foreign, (old, old))
    with replacing(target) as temporary:
        temporary.write_text("three")
    assert files_of(tmp_path) == sorted([living.name, "a.txt"])


@pytest.mark.parametrize(("code", "message"), [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "quota of the disk")])
def test_a_full_disk_is_reported_in_one_line(tmp_path, code, message):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(DataError, match=message) as caught, replacing(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise OSError(code, os.strerror(code))
    assert "\n" not in str(caught.value)
    assert target.read_text() == "old"
    assert files_of(tmp_path) == ["a.txt"]


LIMITED = """
    import resource, sys
    import numpy as np, xarray as xr
    from thor.core.atomic import write_json
    from thor.core.errors import DiskError
    from thor.datasets.netcdf import write

    sys.dont_write_bytecode = True  # Python itself would cut off what it keeps of modules
    noise = np.random.default_rng(0).normal(size=50_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    for target in ("field.nc", "field.json"):
        try:
            write(xr.Dataset({"zos": ("x", noise)}), target) if "nc" in target else write_json(target, noise.tolist())
        except DiskError as error:
            print(error)
    """


def test_a_limit_of_file_size_keeps_the_old_file(tmp_path):
    """As a quota, of which the NetCDF library itself only reports "HDF error", with space left on the disk."""
    for name in ("field.json", "field.nc"):
        (tmp_path / name).write_text("old")
    command = [sys.executable, "-c", textwrap.dedent(LIMITED)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    for line, name in zip(done.stdout.splitlines(), ("field.nc", "field.json"), strict=True):
        assert line.startswith(f"{name} was not written: files must not be as large"), done.stderr
        assert (tmp_path / name).read_text() == "old"
    assert files_of(tmp_path) == ["field.json", "field.nc"]


def test_another_error_of_the_netcdf_library_is_raised_as_it_is(tmp_path):
    with pytest.raises(RuntimeError, match="HDF error"), replacing(tmp_path / "a.nc") as temporary:  # noqa: PT012
        temporary.write_bytes(b"half")
        raise RuntimeError("NetCDF: HDF error")
    assert files_of(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path):
    """A real disk of 300 kB, where mounting is permitted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small disk here; the simulated full disks were tested")
    yield folder
    # Lazily: the NetCDF library keeps a file it failed to write open until the process ends.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_really_full_disk_keeps_the_old_field(small_disk):
    target = small_disk / "field.nc"
    write(xr.Dataset({"zos": ("x", np.zeros(10))}), target)
    before = target.read_bytes()
    noise = np.random.default_rng(0).normal(size=200_000)
    with pytest.raises(DataError, match="disk is full"):
        write(xr.Dataset({"zos": ("x", noise)}), target)
    assert target.read_bytes() == before
    assert files_of(small_disk) == ["field.nc"]


def test_an_unwritable_folder_is_reported_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="was not written: a file stands"), replacing(tmp_path / "file" / "a.txt"):
        pass

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DataError, match=r"Permission denied. Make the") as caught, replacing(tmp_path / "a.txt"):
        pass
    assert "\n" not in str(caught.value)
