"""Runs of Kedro in the test environment, and the files they leave."""

from tests import programs
from tests.programs import PROJECT


def kedro(root, *arguments, folder=PROJECT, **environment):
    return programs.finished(
        "kedro", *_in_one_process(arguments), folder=folder, THOR_TEST_ROOT=str(root), **environment
    )


def started(root, *arguments):
    return programs.started("kedro", *_in_one_process(arguments), THOR_TEST_ROOT=str(root))


def _in_one_process(arguments):
    """Return the arguments of a run whose nodes do not run side by side: the tests do."""
    return (*arguments, "--runner", "SequentialRunner") if arguments[0] == "run" else arguments


def files(root):
    """Files of a run without logs and MLflow, which hold times."""
    found = (p for p in sorted(root.rglob("*")) if p.is_file() and not {"logs", "mlflow"} & set(p.parts))
    return {p.relative_to(root): p.read_bytes() for p in found}
