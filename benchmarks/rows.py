"""What every benchmark hands over: rows of one table, measured the same way, printed and kept as JSON lines."""

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


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison, or a cost without an alternative.

    Attributes
    ----------
    what : str
        What is done, to how much.
    ours : float
        Seconds.
    alternative : str
        What does the same without THOR; empty where nothing does.
    theirs : float or None
        Seconds of the alternative, measured in the same run.
    peak_memory_mb : float or None
        Of a process of its own that does ours.
    remark : str
        What a ratio of times does not tell: errors, inertia, whether a part was scaled up.
    """

    what: str
    ours: float
    alternative: str = ""
    theirs: float | None = None
    peak_memory_mb: float | None = None
    remark: str = ""

    @property
    def ratio(self) -> float | None:
        """Seconds of the alternative for one of ours."""
        return None if self.theirs is None else self.theirs / self.ours


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A comparison that could not be made.

    Attributes
    ----------
    what, why : str
    """

    what: str
    why: str


class Rows:
    """Rows as they are measured: printed, and appended to a file where one is given.

    Parameters
    ----------
    file : Path or None
        JSON lines.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def add(self, what: str, ours: float, **more: Any) -> None:
        """Print and keep a row; the arguments are those of `Row`."""
        row = Row(what=what, ours=ours, **more)
        print("  " + " | ".join(filter(None, cells(row))), flush=True)
        self._keep(asdict(row) | {"ratio": row.ratio})

    def leave_out(self, what: str, why: str) -> None:
        """Say and keep what could not be measured, and why."""
        print(f"  left out: {what}: {why}", flush=True)
        self._keep(asdict(LeftOut(what=what, why=why)))

    def _keep(self, entry: dict[str, Any]) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def read_rows(file: Path) -> tuple[list[Row], list[LeftOut]]:
    """Return what a benchmark kept."""
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    left_out = [LeftOut(**entry) for entry in entries if "why" in entry]
    known = Row.__dataclass_fields__
    return [Row(**{k: v for k, v in entry.items() if k in known}) for entry in entries if "why" not in entry], left_out


def cells(row: Row) -> list[str]:
    """Return a row as text: what, ours, alternative, its time, ratio, peak memory, remark."""
    ratio = "" if row.ratio is None else f"{row.ratio:.0f}" if row.ratio >= 100 else f"{row.ratio:.2g}"
    memory = "" if row.peak_memory_mb is None else f"{row.peak_memory_mb:.0f} MB"
    theirs = "" if row.theirs is None else duration(row.theirs)
    return [row.what, duration(row.ours), row.alternative, theirs, ratio, memory, row.remark]


def duration(seconds: float) -> str:
    """Return seconds to three digits, in the unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    raise AssertionError  # the last unit takes all


def parse(description: str | None, *, quick: str, options: Iterable[str] = ()) -> argparse.Namespace:
    """Return the options of a benchmark's command line: `quick`, `json` and others with a value of text."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows to this file as JSON lines")
    for option in options:
        parser.add_argument(option)
    return parser.parse_args()


# -- measuring ---------------------------------------------------------------------------------------------------------
def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what some work returns, and the seconds it takes."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def best(work: Callable[[], Any], repeats: int = 3) -> float:
    """Return the shortest of several times."""
    return min(timed(work)[1] for _ in range(repeats))


def in_own_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns in a fresh process, so that its peak memory is its own."""
    # Not a pool of `multiprocessing`: its workers may have no children, and some of this work is done by processes.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def peak_memory_mb() -> float:
    """Return the most memory that this process has held [MB]."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would also count what the parent held before this process was its own
        return int(status.read_text(encoding="utf-8").split("VmHWM:")[1].split()[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
