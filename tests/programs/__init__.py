"""`kedro` and `thor` as processes, forked from a server that has imported the libraries which they import.

The import takes longer than most commands. What a process then imports, reads of its environment and leaves is its own:
the server has no module of Kedro, and a project with another copy of THOR imports that. Variables that a library reads
when it is imported (`IN_IMPORTS`) need a process that is not forked, as do systems other than Linux.
"""

import atexit
import os
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
IN_IMPORTS = ("DASK_", "MPL", "MLFLOW_", "PYTHON")


def started(program, *arguments, folder=PROJECT, **environment):
    """Start `kedro` or `thor` in a folder; Ctrl-C ends it, also where tests in the background ignore it."""
    if any(name.startswith(IN_IMPORTS) for name in environment) or not hasattr(os, "pidfd_open"):
        command = [sys.executable, "-m", program]
    else:
        command = [sys.executable, "-E", "-S", Path(__file__).with_name("client.py"), _server(), program]
    return subprocess.Popen(
        [*map(str, [*command, *arguments])],
        cwd=folder,
        env=os.environ | {"DO_NOT_TRACK": "1", "KEDRO_ENV": "", "THOR_TRACEBACK": ""} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finished(program, *arguments, folder=PROJECT, **environment):
    """Run `kedro` or `thor`, and return the ended process with its output."""
    process = started(program, *arguments, folder=folder, **environment)
    out, err = process.communicate(timeout=900)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@cache
def _server():
    """Start the server of this process; return its address."""
    folder = tempfile.TemporaryDirectory(prefix="thor-")
    address = Path(folder.name) / "programs"
    # It ends with its standard input.
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.programs.server", address], cwd=PROJECT, stdin=subprocess.PIPE
    )

    def end():
        server.stdin.close()
        server.wait()
        folder.cleanup()

    atexit.register(end)
    wait_until(address.exists, timeout=120)
    return address
