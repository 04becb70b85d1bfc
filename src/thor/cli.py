"""`kedro run` and `thor run`: Kedro's own command, with short failures and the environment's default pipeline."""

import os
import signal
import sys
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

_WIDTH = 160
_MESSAGE_LINES = 6


class Commands(click.Group):
    """The project's commands, imported when called: `kedro registry list` need not load what `kedro run` needs.

    They are there as `kedro <name>` in the project and as `thor <name>` in any folder.
    """

    NAMES = ("run", "stage", "archive")

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(self.NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return Kedro's `run` with all its options around our callback, `stage` or `archive`."""
        if cmd_name == "stage":
            from thor.stage import stage

            return stage
        if cmd_name == "archive":
            from thor.archive_commands import archive

            return archive
        if cmd_name != "run":
            return None
        from kedro.framework.cli.project import run as kedro_run

        return click.Command(
            "run",
            params=kedro_run.params,
            callback=run,
            short_help="Run the pipeline.",
            help="Run the pipeline.\n\n"
            "Without --pipelines: all of them, or the environment's own (`study` for ecco).\n\n"
            "A failure is told in a few lines; THOR_TRACEBACK=1 prints the traceback as well.",
        )


@click.group(name="thor", cls=Commands)
def cli() -> None:
    """Find the ocean's dynamical regimes."""


def run(**options: Any) -> None:
    """Run Kedro's own `run` with these options; any failure ends the process with its report and a non-zero code."""
    from kedro.framework.cli.project import run as kedro_run

    from thor.configuration import begin

    with told_shortly():
        begin(options.get("conf_source"))
        if options["pipeline"] and not options["pipelines"]:
            # The older spelling, which Kedro still takes but warns about.
            options |= {"pipelines": [options["pipeline"]], "pipeline": None}
        if not options["pipelines"]:
            default = default_pipeline(options.get("env"), options.get("conf_source"))
            options["pipelines"] = [default] if default else []
        _require_pipelines(options["pipelines"])
        for option in ("node_names", "from_nodes", "to_nodes"):
            options[option] = [_whole_name(name) for name in options[option]]
        kedro_run.callback(**options)  # type: ignore[misc]


def _require_pipelines(names: Sequence[str]) -> None:
    from kedro.framework.project import pipelines

    from thor.errors import ConfigError, did_you_mean

    for name in names:
        if name not in pipelines:
            raise ConfigError(f"There is no pipeline '{name}'.{did_you_mean(name, pipelines)}")


def default_pipeline(env: str | None, conf_source: str | None = None) -> str | None:
    """Return `default_pipeline` of the environment's globals.yml, the pipeline of a bare `kedro run`; None for all."""
    from thor.configuration import load_configuration

    return load_configuration(env, conf_source)["globals"].get("default_pipeline")


def _whole_name(node: str) -> str:
    """Return `<pipeline>.<node>` where a node is named without its pipeline; a name that nothing has stays as it is."""
    from kedro.framework.project import pipelines

    names = {own.name for pipeline in pipelines.values() for own in pipeline.nodes}
    found = [name for name in names if name.rpartition(".")[2] == node]
    return found[0] if len(found) == 1 else node


@contextmanager
def told_shortly() -> Iterator[None]:
    """Tell any failure of a command in a few lines, with a non-zero exit code."""
    with _short_failures(), _one_console():
        yield


@contextmanager
def _one_console() -> Iterator[None]:
    """Let log lines and progress bars share the terminal, and SIGTERM end a run as tidily as Ctrl-C."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        with logging_redirect_tqdm():
            yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _short_failures() -> Iterator[None]:
    try:
        yield
    except (click.exceptions.Exit, click.ClickException):
        raise
    except KeyboardInterrupt as error:
        _hooks_close(error)
        click.echo("\n".join(_report("Interrupted", None)), err=True)
        sys.exit(130)
    except SystemExit as error:
        _hooks_close(error)
        raise
    except Exception as error:  # noqa: BLE001 (the outermost place: whatever failed is reported, exit code 1)
        _hooks_close(error)
        if os.environ.get("THOR_TRACEBACK"):
            traceback.print_exception(error)
        click.echo("\n".join(_report("Failed", error)), err=True)
        sys.exit(1)


def _report(what: str, error: BaseException | None) -> list[str]:
    """Return the failure in at most twelve lines: what failed, why, and how to go on."""
    from thor.configuration import program, same_options
    from thor.datasets.atomic import show

    hooks = _hooks()
    place = ""
    if hooks and hooks.node:
        doing = f" while {hooks.action}" + (f" '{hooks.dataset}'" if hooks.dataset else "")
        place = f" in node '{hooks.node}'{doing if hooks.action != 'running' else ''}"
    lines = [f"{what}{place}."]
    if error is not None:
        lines += _message(_root(error))
    if hooks and hooks.finished:
        lines.append(f"Saved before that: the outputs of {len(hooks.finished)} nodes, in {hooks.data_root}/.")
    if hooks and hooks.node:
        again = same_options("--pipelines", "--pipeline", "-p")
        lines.append(f"Go on with: {program()} run{again} --from-nodes {hooks.node}")
    if hooks and hooks.log:
        lines.append(f"Full traceback: {show(hooks.log.path)}")
    elif error is not None:
        lines.append("Full traceback: set THOR_TRACEBACK=1 and run again.")
    return lines


def _root(error: BaseException) -> BaseException:
    """Return THOR's own error under what Kedro wrapped around it, or else the innermost cause of Kedro's."""
    from kedro.io import DatasetError

    from thor.errors import ThorError

    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ThorError):
            return found
        found = found.__cause__
    while isinstance(error, DatasetError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _message(error: BaseException) -> list[str]:
    text = str(error).strip() or "no message"
    lines = [line for part in text.splitlines() for line in textwrap.wrap(part, _WIDTH, break_on_hyphens=False) or [""]]
    lines[0] = f"{type(error).__name__}: {lines[0]}"
    if len(lines) > _MESSAGE_LINES:
        lines = [*lines[: _MESSAGE_LINES - 1], "..."]
    return lines


def _hooks() -> Any:
    from kedro.framework.project import settings

    from thor.hooks import RunHooks

    return next((hook for hook in settings.HOOKS if isinstance(hook, RunHooks)), None)


def _hooks_close(error: BaseException) -> None:
    from kedro.framework.project import settings

    for hook in settings.HOOKS:
        if hasattr(hook, "close"):
            hook.close(error)
