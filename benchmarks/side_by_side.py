"""Measure a run whose nodes run side by side against one in a single process, and compare their files bit for bit.

    python benchmarks/side_by_side.py [--env test] [--n-processes 2]

Both run the whole graph into new folders, one after the other, and every file but logs, manifest and report, which
state times, must be identical. Memory is the sum of the proportional set sizes of all processes, twice a second.
"""

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from thor.core.parallel import n_cores

REPOSITORY = Path(__file__).parents[1]
NOT_COMPARED = {"manifest.json", "report.html"}


def main() -> int:
    """Print seconds, memory and ratio; the exit code is 1 where a file differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="test")
    parser.add_argument("--n-processes", type=int, default=n_cores())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = {}
        for n_processes in (1, options.n_processes):
            root = Path(folder, str(n_processes))
            seconds[n_processes], peak = measure(options.env, n_processes, root)
            print(f"{n_processes} at a time: {seconds[n_processes]:.0f} s, peak memory {peak / 1e6:.0f} MB", flush=True)
        print(f"ratio {seconds[1] / seconds[options.n_processes]:.2f}, load of the machine {os.getloadavg()[2]:.1f}")
        different = compared(Path(folder, "1"), Path(folder, str(options.n_processes)))
    print("\n".join(different) or "every file is the same, bit for bit")
    return bool(different)


def measure(env: str, n_processes: int, root: Path) -> tuple[float, float]:
    """Return the wall time [s] and peak memory [bytes] of a run into `root`."""
    command = [sys.executable, "-m", "kedro", "run", "--env", env, "--conf-source", str(configured(env, root))]
    command += ["--runner-params", f"max_workers={n_processes}"]
    started, peak = time.perf_counter(), 0
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, memory(psutil.Process(process.pid)))
            time.sleep(0.5)
    if process.returncode:
        raise SystemExit(process.returncode)
    return time.perf_counter() - started, peak


def configured(env: str, root: Path) -> Path:
    """Return a copy of the configuration below `root` whose results go there."""
    conf = root / "conf"
    shutil.copytree(REPOSITORY / "conf", conf, ignore=shutil.ignore_patterns("local"))
    (conf / "local").mkdir()
    places = conf / env / "globals.yml"
    text = re.sub(r"(?m)^data_root: .*$", f"data_root: {root / 'data'}", places.read_text(encoding="utf-8"))
    text = re.sub(r"(?m)^mlflow_store: .*$", f"mlflow_store: {root / 'mlflow.db'}", text)
    places.write_text(text, encoding="utf-8")
    return conf


def memory(process: psutil.Process) -> int:
    """Return the memory of a process and those below it [bytes], shared pages counted once."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_full_info().pss
    except psutil.Error:  # one of them has just ended
        return total
    return total


def compared(before: Path, after: Path) -> list[str]:
    """Return the files of two runs that are missing or differ."""
    names = {
        path.relative_to(root) for root in (before, after) for path in (root / "data").rglob("*") if path.is_file()
    }
    results = sorted(name for name in names if name.parts[1] != "logs" and name.name not in NOT_COMPARED)
    _, different, missing = filecmp.cmpfiles(before, after, list(map(str, results)), shallow=False)
    return [f"differs: {name}" for name in different] + [f"missing: {name}" for name in missing]


if __name__ == "__main__":
    sys.exit(main())
