"""The run log: information about one run that must not be in its results, such as times, host and versions."""

import logging
import os
import platform
import socket
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from thor.core.errors import DataError

_PACKAGES = (
    *("thor", "kedro", "numpy", "scipy", "xarray", "dask", "netcdf4", "scikit-learn", "pandas", "matplotlib"),
    *("tensorflow", "tensorflow-probability", "mlflow"),
)


LINE_WIDTH = 120
"""Most characters in a line on the console."""


class ShortLines(logging.Formatter):
    """A formatter whose lines are broken at `LINE_WIDTH` characters and continued below the message."""

    def __init__(self, whole: logging.Formatter) -> None:
        """Break the lines of `whole`."""
        super().__init__()
        self._whole = whole

    def format(self, record: logging.LogRecord) -> str:
        """Return the record in lines that fit."""
        text = self._whole.format(record)
        indent = " " * max(text.find(record.getMessage()), 0)
        wrap = partial(textwrap.wrap, width=LINE_WIDTH, subsequent_indent=indent, break_on_hyphens=False)
        return "\n".join(part for line in text.splitlines() for part in wrap(line, break_long_words=False) or [""])


def shorten_lines() -> None:
    """Break long lines of the handlers that write to the console."""
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler and not isinstance(handler.formatter, ShortLines):
            handler.setFormatter(ShortLines(handler.formatter or logging.Formatter()))


class _LogFile(logging.FileHandler):
    """A log that ends where nothing more can be written; Python would print a traceback for each record."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (a name of logging)
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        with suppress(OSError):  # of what is left to be written
            self.close()
        logging.getLogger("thor").warning("The run log ends here: %s.", error.strerror)


class RunLog:
    """A text file that gets every log record of one run, with times and full tracebacks.

    Attributes
    ----------
    path : Path
        ``<folder>/run_<date>T<time>.log``.
    """

    def __init__(self, folder: Path) -> None:
        """Open a new log in `folder`, which is made.

        Raises
        ------
        DataError
            When it cannot be written.
        """
        started = datetime.now().astimezone()
        self.path = folder / f"run_{started:%Y-%m-%dT%H-%M-%S-%f}.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handler = _LogFile(self.path, mode="w", encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"The run log {self.path} cannot be written: {error.strerror}. "
                "Set data_root in conf/local/globals.yml to a folder that can be."
            ) from error
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
        self._handler.setLevel(logging.INFO)
        logging.getLogger().addHandler(self._handler)

    def header(self, about: Mapping[str, Any]) -> None:
        """Write what the run is, as from `describe_run`."""
        self.write(yaml.safe_dump(dict(about), sort_keys=False, allow_unicode=True))

    def write(self, text: str, *, error: BaseException | None = None) -> None:
        """Write to the file alone, with the traceback of `error` where one is given."""
        record = logging.LogRecord("thor", logging.INFO, __file__, 0, text, None, None)
        if error is not None:
            record.exc_info = (type(error), error, error.__traceback__)
        self._handler.handle(record)

    def close(self) -> None:
        """Stop listening."""
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()


def describe_run(*, project: Path, parameters: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run is: start, command, machine, versions, state of the code, options and parameters."""
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "n_cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": package_versions(),
        "git": git_state(project),
        "run": {key: str(value) for key, value in run.items() if value},
        "parameters": dict(parameters),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of THOR and of what its numbers depend on."""
    return {name: _version(name) for name in _PACKAGES}


def git_state(folder: Path) -> str:
    """Return the commit, and whether the working tree differs from it; "no git" outside a repository."""
    try:
        result = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "no git"
    return result.stdout.strip() or "no git"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
