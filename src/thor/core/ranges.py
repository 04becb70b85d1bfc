"""Checks of single settings, with one wording everywhere."""

from typing import Any, get_args

from thor.core.errors import ConfigError, did_you_mean


def require_choice(name: str, value: Any, literal: Any) -> None:
    """Raise ConfigError unless a setting is one of the choices of a `typing.Literal`."""
    choices = get_args(literal)
    if value not in choices:
        raise ConfigError(f"'{name}' cannot be '{value}'.{did_you_mean(str(value), choices)}")


def require_at_least(name: str, value: float, low: float) -> None:
    """Raise ConfigError unless a number reaches a lowest one."""
    if not value >= low:
        raise ConfigError(f"'{name}' must be at least {low}, got {value}.")


def require_positive(name: str, value: float) -> None:
    """Raise ConfigError unless a number is above zero and finite."""
    if not 0.0 < value < float("inf"):
        raise ConfigError(f"'{name}' must be a positive number, got {value}.")


def require_share(name: str, value: float) -> None:
    """Raise ConfigError unless a number lies between zero and one."""
    if not 0.0 < value < 1.0:
        raise ConfigError(f"'{name}' must lie between 0 and 1, got {value}.")
