"""One run of the whole graph in the test environment, in a process beside the tests, for all that read its results."""

import json
import subprocess
import sys
import traceback
from pathlib import Path

from tests.kedro_runs import PROJECT, kedro
from tests.waiting import wait_until

RESULT = "whole_run.json"


def start(folder: Path) -> None:
    """Begin the run unless it was begun: its data are `folder`/whole_run, its output is `folder`/RESULT."""
    try:
        (folder / "whole_run").mkdir()
    except FileExistsError:
        return
    subprocess.Popen([sys.executable, "-m", "tests.whole_run", str(folder)], cwd=PROJECT)


def result(folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what the run gave once it has ended."""
    start(folder)
    wait_until((folder / RESULT).exists, timeout=900)
    return subprocess.CompletedProcess(*json.loads((folder / RESULT).read_text()))


def _run(folder: Path) -> None:
    try:
        done = kedro(folder / "whole_run", "run", "--env", "test")
        found = [done.args, done.returncode, done.stdout, done.stderr]
    except Exception:  # noqa: BLE001 (the tests would wait for a result in vain)
        found = [[], 1, "", traceback.format_exc()]
    (folder / "part.json").write_text(json.dumps(found))
    (folder / "part.json").rename(folder / RESULT)


if __name__ == "__main__":
    _run(Path(sys.argv[1]))
