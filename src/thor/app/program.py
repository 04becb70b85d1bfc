"""`thor`, and `python -m thor`: the project's commands in any folder, with the installed code and configuration."""

import os
import sys
import tomllib
from pathlib import Path

import click

from thor import __version__
from thor.app.commands import Commands
from thor.app.configuration import choose_logging, copy_default, project_folder
from thor.core.errors import ThorError

PACKAGE = "thor"

_KEDRO = "import sys; sys.argv[0] = 'thor'; from kedro.framework.cli.cli import main; main()"


class Program(Commands):
    """The commands of the project, and those that need no project."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return ["clean", "conf", *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command."""
        if cmd_name == "clean":
            from thor.app.clean import clean_command

            return clean_command
        return copy_configuration if cmd_name == "conf" else super().get_command(ctx, cmd_name)


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="In a clone of THOR, these are Kedro's commands: `thor run` is `kedro run`.",
)
@click.version_option(__version__, "-V", "--version", prog_name="thor", message="%(prog)s %(version)s")
def program() -> None:
    """Find the ocean's dynamical regimes, recognise them in climate models, and track them under climate change.

    `thor run` works in any folder: results go below data/, trained networks into mlflow.db beside it. Configuration
    is taken from --conf-source, else from the folder conf (`thor conf` makes one), else THOR's defaults.
    """


@click.command("conf", short_help="Copy the default configuration, to be edited.")
@click.argument("folder", default="conf", type=click.Path(path_type=Path))
def copy_configuration(folder: Path) -> None:
    """Copy the default configuration to FOLDER (conf), to be edited.

    `thor run` takes it from conf by itself, from elsewhere with --conf-source FOLDER. What is there is not
    overwritten.
    """
    try:
        copy_default(folder)
    except ThorError as error:
        raise click.ClickException(str(error)) from error
    option = "" if folder.resolve() == Path.cwd() / "conf" else f" --conf-source {folder}"
    click.echo(f"{folder} holds the default configuration: change {folder}/local/ or the rest, then thor run{option}")


def main() -> None:
    """Run the command that this process was started with."""
    choose_logging()
    try:
        command, project = next(iter(sys.argv[1:]), ""), project_folder()
        if command in Commands.NAMES:
            _enter(project)
        elif command == "clean" and project is not None:
            _require_ours(project)
        program(prog_name="thor")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


def _enter(project: Path | None) -> None:
    """Make this process the project's: in its folder Kedro with the code there, elsewhere the installed package."""
    if project is None:
        from kedro.framework.project import configure_project

        configure_project(PACKAGE)
        return
    _require_ours(project)
    # Not in this process: it has imported the installed package, which need not be the code in this folder.
    os.execv(sys.executable, [sys.executable, "-c", _KEDRO, *sys.argv[1:]])


def _require_ours(project: Path) -> None:
    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["kedro"]
    if about.get("package_name") != PACKAGE:
        raise click.ClickException(
            f"This folder is in another Kedro project, {project}, and results would be written into that. "
            "Call `thor` in a folder outside, or `kedro` for that project."
        )
