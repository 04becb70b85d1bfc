"""Runs of Kedro in the test environment, as processes, and the files they leave."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def kedro(root, *arguments, folder=PROJECT, **environment):
    process = started(root, *arguments, folder=folder, **environment)
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def started(root, *arguments, folder=PROJECT, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=folder,
        env=os.environ | {"THOR_TEST_ROOT": str(root), "DO_NOT_TRACK": "true"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def files(root):
    """Files of a run without logs and MLflow, which hold times."""
    found = (p for p in sorted(root.rglob("*")) if p.is_file() and not {"logs", "mlflow"} & set(p.parts))
    return {p.relative_to(root): p.read_bytes() for p in found}
