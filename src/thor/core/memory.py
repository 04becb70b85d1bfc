"""The memory of this process: what it may use, less than the machine in a job or a container, uses, and frees."""

import ctypes
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from thor.core.parallel import forked_pids

_MEGABYTE = 2**20
_LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")
"""Limit of a control group [bytes] in version 2 and 1 of them; a word or a huge number where there is none."""

_ALLOCATIONS = 5_000
"""Objects made, minus those freed, between two searches for unused ones; with Python's 700 they took 8 % of a run."""

_MALLOPT = {-3: 2**22, -1: 2**26}
"""M_MMAP_THRESHOLD and M_TRIM_THRESHOLD [bytes]: larger arrays are returned, for which NumPy asks for large pages."""

_SECONDS_BETWEEN_SAMPLES = 0.5


def memory_limit(root: Path = Path("/")) -> int:
    """Return the memory [bytes] of the machine, or what control groups (Linux, containers) or a SLURM job leave of it.

    Parameters
    ----------
    root : Path
        Folder with `proc` and `sys` of the system.
    """
    return min([psutil.virtual_memory().total, *_of_control_groups(root), *_of_job()])


def search_garbage_rarely() -> None:
    """Let Python search seldom for unused objects that refer to one another, and never among those there are.

    To be called after the imports, whose hundreds of thousands of objects stay until the process ends.
    """
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)


@cache
def keep_freed_memory() -> None:
    """Let this process use the memory of temporary arrays again.

    Of itself, glibc returns that of many arrays to the system at once and asks for it again for the next ones: every
    page is cleared again.
    """
    if set_option := _of_glibc("mallopt"):
        for option, value in _MALLOPT.items():
            set_option(option, value)


def _of_glibc(name: str) -> Any:
    """Return a function of glibc; None where there is another C library."""
    with suppress(OSError, AttributeError):
        return getattr(ctypes.CDLL("libc.so.6"), name)
    return None


def _of_control_groups(root: Path) -> Iterator[int]:
    """Yield the limits of the groups of this process and of those above them."""
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # another system
        return
    for _, controllers, path in (line.split(":", 2) for line in groups):
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        group = top / path.lstrip("/")
        for folder in (group, *(above for above in group.parents if above.is_relative_to(top))):
            for file in map(folder.joinpath, _LIMIT_FILES):
                if file.is_file() and (limit := file.read_text(encoding="utf-8").strip()).isdigit():
                    yield int(limit)


def _of_job() -> Iterator[int]:
    """Yield the limit of a SLURM job on this node, which it states in megabytes; 0 means all memory."""
    stated = (os.environ.get(f"SLURM_{name}", "") for name in ("MEM_PER_NODE", "MEM_PER_CPU", "CPUS_ON_NODE"))
    of_node, of_core, n_cores = (int(text) if text.isdigit() else 0 for text in stated)
    yield from (limit * _MEGABYTE for limit in (of_node, of_core * n_cores) if limit)


class MemoryWatch:
    """Samples the memory of this process and its children, twice a second, in a separate thread."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._at_start = float(self._process.memory_info().rss)
        self._peak = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory watch", daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Give memory that is free inside this process back to the machine, and forget the peak so far."""
        if trim := _of_glibc("malloc_trim"):
            trim(0)
        self._peak = self._now()

    def peak_mb(self) -> float:
        """Return the largest resident memory since the last reset [MB]."""
        self._peak = max(self._peak, self._now())
        return self._peak / 1e6

    def close(self) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join(timeout=2)

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_SAMPLES):
            self._peak = max(self._peak, self._now())

    def _now(self) -> float:
        total = 0.0
        with suppress(psutil.Error):
            total = float(self._process.memory_info().rss)
            forked = forked_pids()
            for child in _descendants(self._process):
                with suppress(psutil.Error):
                    # A forked child shares with this process what that had at the fork.
                    shared = self._at_start if child.pid in forked else 0.0
                    total += max(0.0, child.memory_info().rss - shared)
        return total


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that this one has started, and those that they have.

    Linux lists them for each thread. Otherwise psutil looks at every process of the machine, which may be thousands.
    """
    lists = list(Path(f"/proc/{process.pid}/task").glob("*/children"))
    if not lists:
        return process.children(recursive=True)
    found: list[psutil.Process] = []
    for file in lists:
        with suppress(OSError, psutil.Error):  # ended meanwhile
            for number in file.read_text(encoding="ascii").split():
                child = psutil.Process(int(number))
                found += [child, *_descendants(child)]
    return found
