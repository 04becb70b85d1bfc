"""The commands of the project: `kedro <name>` in its folder, `thor <name>` in any other."""

from importlib import import_module

import click


class Commands(click.Group):
    """The project's commands, imported when called: `kedro registry list` need not load what `kedro run` needs.

    They are there as `kedro <name>` in the project and as `thor <name>` in any folder.
    """

    NAMES = ("run", "stage", "archive", "export", "figures")

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(self.NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return Kedro's `run` with all its options around our callback, or one of THOR's own."""
        if cmd_name != "run" and cmd_name in self.NAMES:
            command: click.Command = getattr(import_module(f"thor.app.{cmd_name}"), cmd_name)
            return command
        if cmd_name != "run":
            return None
        from kedro.framework.cli.project import run as kedro_run

        from thor.app.run import RunCommand, checked_options, run

        return RunCommand(
            "run",
            params=checked_options(kedro_run.params),
            callback=run,
            short_help="Run the pipeline.",
            help="Run the pipeline.\n\n"
            "Without --pipelines: the default pipeline of the environment (`study` for ecco), or else all but those on "
            "request.\n\n"
            "A failure is reported in a few lines; THOR_TRACEBACK=1 prints the traceback as well.",
        )


@click.group(name="thor", cls=Commands)
def cli() -> None:
    """Find the ocean's dynamical regimes."""
