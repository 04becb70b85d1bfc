"""Options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


def configuration_options(command: Any) -> Any:
    """Add the options that choose the configuration to a command, `env` and `conf_source`."""
    folder = click.Path(exists=True, file_okay=False)
    command = click.option("--conf-source", type=folder, help="Folder of the configuration.")(command)
    return click.option("--env", "-e", help="Kedro environment; base and local without it.")(command)


def path_option(*names: str, help: str, **kind: bool) -> Any:
    """Return an option that takes a path; `kind` as for `click.Path`."""
    return click.option(*names, type=click.Path(path_type=Path, **kind), help=help)


def names_option(name: str, help: str) -> Any:
    """Return an option that takes names: it may be repeated, and may hold several separated by commas."""
    return click.option(name, multiple=True, callback=_split, metavar="NAME[,NAME...]", help=help)


def _split(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(word for value in values for word in value.replace(",", " ").split()))
    if values and not names:
        raise click.BadParameter("no name is given. Leave the option out for its default.")
    return names
