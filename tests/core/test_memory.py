"""The memory of a job or a container, from the files and variables that state it; how it is freed; its largest use."""

import gc
import platform
import resource
import subprocess
import sys
import threading
import weakref
from multiprocessing import get_context

import numpy as np
import psutil
import pytest

from tests.waiting import wait_until
from thor.core.memory import MemoryWatch, keep_freed_memory, memory_limit, search_garbage_rarely

GIGABYTE = 2**30


@pytest.fixture(autouse=True)
def _machine(monkeypatch):
    """A machine of 512 GB outside any job."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"total": 512 * GIGABYTE}))
    for name in ("MEM_PER_NODE", "MEM_PER_CPU", "CPUS_ON_NODE"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)


def system(root, groups, limits):
    """Files of the system below `root`."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for path, text in limits.items():
        file = root / "sys/fs/cgroup" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("groups", "limits", "gigabytes"),
    [
        ("0::/job/step\n", {"job/step/memory.max": "max", "job/memory.max": 16 * GIGABYTE}, 16),
        ("0::/job/step\n", {"job/step/memory.max": 8 * GIGABYTE, "job/memory.max": 16 * GIGABYTE}, 8),
        ("0::/\n", {"memory.max": 4 * GIGABYTE}, 4),  # in a container
        ("0::/elsewhere/unseen\n", {"memory.max": 4 * GIGABYTE}, 4),
        ("5:cpu,cpuacct:/job\n4:memory:/job\n", {"memory/job/memory.limit_in_bytes": 24 * GIGABYTE}, 24),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": 9223372036854771712}, 512),
        ("5:cpu:/job\n", {"memory/job/memory.limit_in_bytes": GIGABYTE}, 512),  # of another group
        ("0::/\n", {}, 512),
    ],
)
def test_limits_of_control_groups(tmp_path, groups, limits, gigabytes):
    assert memory_limit(system(tmp_path, groups, limits)) == gigabytes * GIGABYTE


def test_a_system_without_control_groups_has_the_memory_of_the_machine(tmp_path):
    assert memory_limit(tmp_path) == 512 * GIGABYTE


@pytest.mark.parametrize(
    ("variables", "gigabytes"),
    [
        ({"MEM_PER_NODE": "32768"}, 32),
        ({"MEM_PER_NODE": "0"}, 512),  # all of the node
        ({"MEM_PER_CPU": "2048", "CPUS_ON_NODE": "8"}, 16),
        ({"MEM_PER_CPU": "2048"}, 512),
        ({"MEM_PER_NODE": "32G"}, 512),  # SLURM states plain megabytes
    ],
)
def test_limits_of_a_slurm_job(tmp_path, monkeypatch, variables, gigabytes):
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert memory_limit(tmp_path) == gigabytes * GIGABYTE


def test_on_this_machine_it_is_a_real_limit(monkeypatch):
    monkeypatch.undo()
    assert 2**28 < memory_limit() <= psutil.virtual_memory().total


class _Circle:
    """An object that refers to itself, which only a search frees."""

    def __init__(self):
        self.itself = self


@pytest.mark.parametrize(("n_objects", "freed"), [(2_000, False), (20_000, True)])
def test_garbage_is_searched_rarely_and_not_among_what_was_imported(n_objects, freed):
    before = gc.get_threshold()
    try:
        search_garbage_rarely()
        assert gc.get_freeze_count() > 50_000 > len(gc.get_objects())
        unused = weakref.ref(_Circle())
        kept = [[] for _ in range(n_objects)]
        assert (unused() is None) == freed and len(kept) == n_objects
    finally:
        gc.set_threshold(*before)


def _new_pages(kept, queue):
    """Put the pages that a process is given for arrays that it frees again and again."""
    if kept:
        keep_freed_memory()
    for number in range(60):
        if number == 10:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        arrays = [np.ones(2**18) for _ in range(6)]  # 2 MB each
        del arrays
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc")
def test_the_memory_of_freed_arrays_is_used_again():
    context = get_context("spawn")
    found = {}
    for kept in (False, True):
        queue = context.SimpleQueue()
        process = context.Process(target=_new_pages, args=(kept, queue))
        process.start()
        found[kept] = queue.get()
        process.join()
    assert found[True] < 0.1 * found[False]


def test_the_peak_of_memory_is_recorded_after_it_has_passed(monkeypatch):
    samples = []  # of the watching thread, each of one process [MB]
    memory_info = psutil.Process.memory_info

    def counted(process):
        info = memory_info(process)
        if threading.current_thread() is not threading.main_thread():
            samples.append(info.rss / 1e6)
        return info

    monkeypatch.setattr(psutil.Process, "memory_info", counted)
    watch = MemoryWatch()
    watch.reset()
    alone = psutil.Process().memory_info().rss / 1e6  # children may run beside this test
    block = np.ones(40_000_000)  # 320 MB
    wait_until(lambda: max(samples, default=0.0) > alone + 250)
    del block
    n_samples = len(samples)
    wait_until(lambda: len(samples) > n_samples)  # the sample before is now part of the peak
    peak = watch.peak_mb()
    watch.close()
    assert peak > alone + 250


def test_the_memory_of_processes_that_processes_started_is_counted():
    """The shell waits for a process that holds 150 MB, and for its end."""
    program = "import sys; block = b'a' * 150_000_000; print('ready', flush=True); sys.stdin.read()"
    command = ["sh", "-c", f'{sys.executable} -c "{program}"; true']
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout.readline() == "ready\n"
        watch = MemoryWatch()
        peak, alone = watch.peak_mb(), psutil.Process().memory_info().rss / 1e6
        watch.close()
    assert peak > alone + 150
