"""Run all benchmarks and write one table of the results.

    [THOR_DATA_MIRROR=<folder>] python benchmarks/run.py [--quick] [--only NAME ...] [--page FILE]

Benchmarks run one after another in separate processes, so that each has its time and peak memory. If one fails, it is
reported and the others run; the exit code is then 1 and no page is written. `make bench` writes the table to
docs/benchmarks.md; `make bench QUICK=1` runs smaller forms and only prints it.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from rows import LeftOut, Row, cells, read_rows

from thor.core.run_log import git_state

HERE = Path(__file__).parent
TIMED = {
    "windows": "window means of climate models",
    "clustering": "regimes by clustering",
    "networks": "training and prediction",
    "attribution": "relevance, Shapley values, LIME",
    "tracking": "regimes of a window and their change",
}
"""Benchmarks of `make bench`, in order."""

ON_REQUEST = {
    "skill": "scores of networks on ECCO, seed by seed (20 minutes and more)",
    "score_intervals": "coverage of the intervals of scores, simulated errors on the cells of ECCO",
    "change_skill": "limits of the skill of P(change), on the idealized climate models",
    "regime_totals": "how often the spread over networks of heat uptake and overturning contains the true part",
    "many_models": "planning and reading 360 runs of 30 small models (1 GB of disk, 10 minutes)",
    "reading": "reading one climate model of the size of eORCA1 and one of eORCA025 (10 GB of disk)",
    "feature_groups": "skill that each group of extended features adds on ECCO (longer)",
    "corrected_budget": "regimes of the released and the corrected budget of ECCO (15 minutes of one core)",
    "feature_scale": "skill on other grids with inputs filtered to one scale, ECCO and idealized models (an hour)",
    "side_by_side": "the whole graph with nodes side by side and in one process",
    "left_out": "skill in left-out oceans with and without a choice of training (minutes for each seed)",
    "seeds": "how much scores of networks and of changes depend on the seed of training (minutes for each seed)",
    "results": "tables of docs/results.md, from the metrics of a finished run and a mean of MITgcm (seconds)",
    "other_grids": "skill of boosting on grids coarser than the one it was trained on, ECCO (5 minutes)",
}
"""Long benchmarks: run by hand, each prints a table."""

PACKAGES = ("numpy", "tensorflow", "tf-keras", "scikit-learn", "bkmeans", "shap", "lime", "xarray", "kedro", "thor")
HEAD = ("what", "THOR", "alternative", "its time", "ratio", "peak memory", "remark")


@dataclass(frozen=True)
class Result:
    """Outcome of one benchmark."""

    rows: list[Row]
    left_out: list[LeftOut]
    seconds: float
    code: int


def main() -> int:
    """Run the benchmarks, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller forms, for a test only")
    parser.add_argument("--only", nargs="+", choices=TIMED, metavar="NAME", default=list(TIMED), help=", ".join(TIMED))
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table here as Markdown")
    options = parser.parse_args()
    results = run_all([HERE / f"{name}.py" for name in TIMED if name in options.only], quick=options.quick)
    page = as_page(results, quick=options.quick)
    print(f"\n{page}", end="")
    failed = [name for name, result in results.items() if result.code != 0]
    if failed:
        print(f"\nFailed: {', '.join(failed)}; see their messages above.", file=sys.stderr)
        if options.page:
            print(f"{options.page} is unchanged.", file=sys.stderr)
        return 1
    if options.page:
        options.page.write_text(page, encoding="utf-8")
        print(f"\nWritten to {options.page}")
    return 0


def run_all(scripts: Sequence[Path], *, quick: bool) -> dict[str, Result]:
    """Run scripts one after another, and return their outcomes by name."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, script in enumerate(scripts, start=1):
            print(f"[{number}/{len(scripts)}] {script.stem}: {TIMED.get(script.stem, '')}", flush=True)
            kept, start = Path(folder) / f"{script.stem}.jsonl", time.perf_counter()
            command = [sys.executable, str(script), "--json", str(kept), *(["--quick"] if quick else [])]
            code = subprocess.run(command, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}, check=False).returncode
            rows, left_out = read_rows(kept)
            if code == 0 and not rows:
                print(f"{script.name} measured nothing", file=sys.stderr)
                code = 1
            results[script.stem] = Result(rows, left_out, time.perf_counter() - start, code)
            how = "done" if code == 0 else f"FAILED with exit code {code}"
            print(f"  {how} in {results[script.stem].seconds:.0f} s", flush=True)
    return results


# -- the page ----------------------------------------------------------------------------------------------------------
def as_page(results: Mapping[str, Result], *, quick: bool) -> str:
    """Return the table, with machine and versions, in Markdown."""
    total = sum(result.seconds for result in results.values())
    form = "the quick form `make bench QUICK=1`, for a test only" if quick else "`make bench`"
    lines = [
        "# Benchmarks",
        "",
        f"Written by {form}; do not edit. The ratio is the time of the alternative over that of THOR: above 1 THOR "
        "is faster. Both are measured in the same run on the same machine, one after the other, with the same cores. "
        "Peak memory is that of a separate process that does THOR's part.",
        "",
        *markdown(HEAD, [cells(row) for result in results.values() for row in result.rows]),
    ]
    left_out = [entry for result in results.values() for entry in result.left_out]
    if left_out:
        lines += ["", "Left out:", "", *(f"* {entry.what}: {entry.why}." for entry in left_out)]
    lines += ["", "## Machine and versions", "", *markdown(("", ""), list(circumstances().items()))]
    spent = [(name, TIMED.get(name, ""), f"{result.seconds:.0f} s") for name, result in results.items()]
    lines += [
        "",
        "## How long it takes",
        "",
        *markdown(("benchmark", "of", "time"), [*spent, ("all", "", f"{total:.0f} s")]),
    ]
    lines += [
        "",
        "Long benchmarks, measured on request:",
        "",
        *(f"* `python benchmarks/{name}.py`: {what}." for name, what in ON_REQUEST.items()),
    ]
    return "\n".join(lines) + "\n"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    line = "| {} |".format
    return [line(" | ".join(head)), f"|{'---|' * len(head)}", *(line(" | ".join(row)) for row in rows)]


def circumstances() -> dict[str, str]:
    """Return the conditions of the measurement: machine, system, versions, state of the code, day."""
    memory = psutil.virtual_memory().total / 1e9
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory:.0f} GB",
        "system": _system(),
        "versions": f"Python {platform.python_version()}, {versions}",
        "state of the code": git_state(HERE),
        "data": "ECCO v4" if "THOR_DATA_MIRROR" in os.environ else "synthetic (THOR_DATA_MIRROR is not set)",
        "date": date.today().isoformat(),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        name = platform.platform(terse=True)
    return f"{name}, {platform.machine()}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
