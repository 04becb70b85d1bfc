"""The memory of this process: what it may use, less than the machine in a job or a container, and how it is freed."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

_MEGABYTE = 2**20
_LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")
"""Limit of a control group [bytes] in version 2 and 1 of them; a word or a huge number where there is none."""

_ALLOCATIONS = 5_000
"""Objects made, minus those freed, between two searches for unused ones; with Python's 700 they took 8 % of a run."""


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
