"""Report the failure of a command in at most a dozen lines, and exit with a non-zero code."""

import os
import signal
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import Any

import click

from thor.app.configuration import given_options, program_name
from thor.core.atomic import show
from thor.core.errors import AttributionError, ConfigError, ThorError, counted
from thor.core.progress import logged_progress
from thor.core.run_log import LINE_WIDTH, shorten_lines

_MESSAGE_LINES = 8

TERMINATED = 128 + signal.SIGTERM
"""Exit code of a run that a scheduler ends at its time limit."""

_KEEPING = (*(f"xarray/backends/{name}.py" for name in ("locks", "file_manager", "netCDF4_")), "_netCDF4.pyx")
"""Code in which an error raised by a signal would leave a file locked, so that closing it never ends, or be lost."""

_NO_THREAD = "can't start new thread"
_MEMORY = (
    "The memory of this machine, or what a limit (ulimit -v, that of a job) leaves of it, does not suffice: free some, "
    "raise the limit, or set n_processes: 1 and archive_processes: 1 in conf/local/globals.yml."
)

_PAUSE_S = 0.02
"""Seconds after which a signal that came within this code is raised again."""


@contextmanager
def short_errors(prepare: Callable[[], None] | None = None) -> Iterator[None]:
    """Report any failure of a command in a few lines, and exit with a non-zero code; SIGTERM ends it like Ctrl-C.

    Parameters
    ----------
    prepare : callable, optional
        Configures the logging of the command, whose failures are reported too.
    """
    from tqdm.contrib.logging import logging_redirect_tqdm

    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        sys.stdout.reconfigure(errors="replace")  # signs that the encoding of the terminal lacks, as Latin-1 the dash
    with _short_failures():
        if prepare is not None:
            prepare()
        shorten_lines()
        handlers = {signal.SIGTERM: terminate}
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not in the background of a shell
            handlers[signal.SIGINT] = _interrupt
        previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            with logging_redirect_tqdm(), logged_progress(_running):  # log and progress bars share the terminal
                yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def terminate(number: int, frame: FrameType | None) -> None:
    """End this process with the code of a signal; its handler.

    Schedulers and `timeout` send it to a process and to its group: another one would interrupt what ends it.
    """
    if not _comes_later(number, frame):
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _comes_later(number, frame):
        raise KeyboardInterrupt


def _comes_later(number: int, frame: FrameType | None) -> bool:
    """Return whether a file is being opened, read or written; then the signal comes again shortly."""
    if not any(called.f_code.co_filename.endswith(_KEEPING) for called, _ in traceback.walk_stack(frame)):
        return False
    # To this thread, which handles all signals: sent to the timer's, it would not interrupt what this one waits for.
    threading.Timer(_PAUSE_S, signal.pthread_kill, (threading.get_ident(), number)).start()
    return True


@contextmanager
def _short_failures() -> Iterator[None]:
    try:
        yield
    except (click.exceptions.Exit, click.ClickException):
        raise
    except KeyboardInterrupt as error:
        _close("Interrupted", error)
        sys.exit(130)
    except SystemExit as error:
        _close("Terminated" if error.code == TERMINATED else "", error)
        raise
    except Exception as error:  # noqa: BLE001 (the outermost place: whatever failed is reported, exit code 1)
        _close("Failed", error)
        sys.exit(1)


def _report(what: str, error: BaseException | None) -> list[str]:
    """Return the failure in at most twelve lines: what failed, why, and the command to continue."""
    hooks = _hooks()
    stopped = hooks.stopped() if hooks else {}
    nodes = [f"'{name}'{node.doing()}" for name, node in stopped.items()]
    place = f" in node{'s' if len(nodes) > 1 else ''} {' and '.join(nodes)}" if nodes else ""
    root = root_error(error) if error is not None else None
    lines, go_on = [f"{what}{place}."], _go_on(hooks, root) if stopped else []
    if root is not None:
        expected = isinstance(root, ThorError) or hooks is None or hooks.failed is None
        reason = [] if expected else _wrapped(hooks.inputs_of_other_code())[:3]
        lines += [*_message(root, max(2, _MESSAGE_LINES - len(reason) - len(go_on[1:]))), *reason]
    if hooks and hooks.finished:
        n_nodes = counted(len(hooks.finished), "node")
        lines.append(f"Saved before that: the outputs of {n_nodes}, in {hooks.data_root}/.")
    lines += go_on
    if hooks and hooks.log:
        lines.append(f"Full traceback: {show(hooks.log.path)}")
    elif error is not None and not os.environ.get("THOR_TRACEBACK"):
        lines.append("Full traceback: set THOR_TRACEBACK=1 and run again.")
    return lines


def root_error(error: BaseException) -> BaseException:
    """Return the error of THOR that Kedro has wrapped, or else the innermost cause of Kedro's error."""
    from kedro.io import DatasetError

    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ThorError):
            return found
        found = found.__cause__
    while isinstance(error, DatasetError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _go_on(hooks: Any, error: BaseException | None) -> list[str]:
    """Return the command that runs what is left, with the options of this run, in lines that a shell takes as one."""
    from kedro.framework.cli.project import run as kedro_run

    flags: set[str] = set()
    names: set[str] = set()
    for option in kedro_run.params:
        (flags if getattr(option, "is_flag", False) else names).update(option.opts)
    wrong_setting = isinstance(error, (ConfigError, AttributionError))
    lines = [f"{'Correct the setting, then go' if wrong_setting else 'Go'} on with: {program_name()} run"]
    for text in (*given_options(names - {"--from-nodes"}, flags), f"--from-nodes {','.join(hooks.unfinished())}"):
        if len(f"{lines[-1]} {text} \\") > LINE_WIDTH:
            lines[-1] += " \\"
            lines.append(f"  {text}")
        else:
            lines[-1] += f" {text}"
    return lines


def _message(error: BaseException, n_lines: int) -> list[str]:
    text = str(error).strip() or "no message"
    if isinstance(error, MemoryError) or _NO_THREAD in text:
        text += f". {_MEMORY}"
    lines = [line for part in f"{type(error).__name__}: {text}".splitlines() for line in _wrapped(part) or [""]]
    return lines if len(lines) <= n_lines else [*lines[: n_lines - 1], "..."]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, width=LINE_WIDTH, break_on_hyphens=False)


def _running() -> str:
    """Return what runs, for the log; empty outside a run."""
    hooks = _hooks()
    return hooks.describe_running() if hooks else ""


def _hooks() -> Any:
    from kedro.framework.project import settings

    from thor.app.hooks import RunHooks

    return next((hook for hook in settings.HOOKS if isinstance(hook, RunHooks)), None)


def _close(what: str, error: BaseException) -> None:
    """Close the hooks, and report the error under this word; without a word nothing is printed."""
    from kedro.framework.project import settings

    for hook in settings.HOOKS:
        if hasattr(hook, "close"):
            hook.close(error)
    failure = error if isinstance(error, Exception) else None
    if failure is not None and os.environ.get("THOR_TRACEBACK"):
        traceback.print_exception(failure)
    if what:
        click.echo("\n".join(_report(what, failure)), err=True)
