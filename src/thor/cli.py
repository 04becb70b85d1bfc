"""Where Kedro looks for the commands of the project; see `thor.app.commands`."""

from thor.app.commands import cli

__all__ = ["cli"]
