"""Rows of the benchmark table: measured in one way, printed and stored as JSON lines."""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from thor.core.memory import keep_freed_memory


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison, or a cost without an alternative.

    Attributes
    ----------
    what : str
        Task and its size.
    ours : float
        Seconds.
    alternative : str
        Method that does the same without THOR; empty if there is none.
    theirs : float or None
        Seconds of the alternative, measured in the same run.
    peak_memory_mb : float or None
        Of a separate process that does THOR's part.
    remark : str
        Further results: errors, inertia, whether a part was scaled up.
    """

    what: str
    ours: float
    alternative: str = ""
    theirs: float | None = None
    peak_memory_mb: float | None = None
    remark: str = ""

    @property
    def ratio(self) -> float | None:
        """Return the time of the alternative over that of THOR."""
        return None if self.theirs is None else self.theirs / self.ours


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A comparison that was not possible.

    Attributes
    ----------
    what, why : str
    """

    what: str
    why: str


class Rows:
    """Rows as they are measured: printed, and appended to a file if one is given.

    Parameters
    ----------
    file : Path or None
        JSON lines.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def add(self, what: str, ours: float, **more: Any) -> None:
        """Print and store a row; the arguments are those of `Row`."""
        row = Row(what=what, ours=ours, **more)
        print("  " + " | ".join(filter(None, cells(row))), flush=True)
        self._keep(asdict(row) | {"ratio": row.ratio})

    def leave_out(self, what: str, why: str) -> None:
        """Print and store a comparison that was not possible, and the reason."""
        print(f"  left out: {what}: {why}", flush=True)
        self._keep(asdict(LeftOut(what=what, why=why)))

    def _keep(self, entry: dict[str, Any]) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def read_rows(file: Path) -> tuple[list[Row], list[LeftOut]]:
    """Return the stored rows and omissions of a benchmark."""
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    left_out = [LeftOut(**entry) for entry in entries if "why" in entry]
    known = Row.__dataclass_fields__
    return [Row(**{k: v for k, v in entry.items() if k in known}) for entry in entries if "why" not in entry], left_out


def cells(row: Row) -> list[str]:
    """Return a row as text: task, THOR, alternative, its time, ratio, peak memory, remark."""
    ratio = "" if row.ratio is None else f"{row.ratio:.0f}" if row.ratio >= 100 else f"{row.ratio:.2g}"
    memory = "" if row.peak_memory_mb is None else f"{row.peak_memory_mb:.0f} MB"
    theirs = "" if row.theirs is None else duration(row.theirs)
    return [row.what, duration(row.ours), row.alternative, theirs, ratio, memory, row.remark]


def duration(seconds: float) -> str:
    """Return seconds to three digits, in a suitable unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    raise AssertionError  # the last unit takes the rest


def parse(description: str | None, *, quick: str, options: Iterable[str] = ()) -> argparse.Namespace:
    """Return the options of a benchmark's command line: `quick`, `json` and others with a text value."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows to this file as JSON lines")
    for option in options:
        parser.add_argument(option)
    return parser.parse_args()


# -- measuring ---------------------------------------------------------------------------------------------------------
def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of a call and its time in seconds."""
    keep_freed_memory()  # as a run does
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def best(work: Callable[[], Any], repeats: int = 3) -> float:
    """Return the shortest of several times."""
    return min(timed(work)[1] for _ in range(repeats))


def in_own_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a function called in a fresh process, so that peak memory is that of the function."""
    # Not a pool of `multiprocessing`: its workers cannot start processes, and some functions do.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def peak_memory_mb() -> float:
    """Return the peak memory of this process [MB]."""
    return memory_mb("VmHWM")


def memory_mb(entry: str = "VmRSS") -> float:
    """Return the memory of this process [MB], by default now."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would include the memory of the parent at the fork
        return int(status.read_text(encoding="utf-8").split(f"{entry}:")[1].split()[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
