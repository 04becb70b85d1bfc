"""The errors that THOR raises on purpose; a message names what, where, expected, found, and a remedy."""

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import wraps
from importlib import import_module
from typing import ParamSpec, TypeVar

_OF_THE_SYSTEM = (errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EAGAIN, errno.EMFILE, errno.ENFILE)

P = ParamSpec("P")
T = TypeVar("T")


class ThorError(Exception):
    """An error with a known cause; the command line prints its message without a traceback."""


class ConfigError(ThorError):
    """A parameter, catalog entry or environment that cannot be used."""


class DataError(ThorError):
    """A file or field that violates a requirement of the next stage."""


class GridError(DataError):
    """Coordinates, bounds or masks from which no geometry can be built."""


class UnitsError(DataError):
    """Units that are missing or that no declared conversion covers."""


class IncompleteWindowError(DataError):
    """A climatological window without all of its months."""


class DiskError(DataError):
    """A disk that is full or cannot be written: nothing else could be written either."""


class LeftOutError(DataError):
    """One item of a collection that cannot be made; the others are."""


class NetworkError(ThorError):
    """A network that cannot be trained, read or applied to its input."""


class AttributionError(ThorError):
    """An input that cannot be explained, or not by the requested method."""


def kept_from_reading(error: Exception) -> str:
    """Return why the file system does not give a file, and what to do; empty where the fault is in the file itself."""
    if not isinstance(error, OSError) or error.errno not in _OF_THE_SYSTEM:
        return ""
    return (
        f"{os.strerror(error.errno)}. The file may be whole: ask for permission to read it, or whether its file system "
        "is in order, and run again."
    )


def left_out_on_error(work: Callable[P, T]) -> Callable[P, T]:
    """Return the function with any DataError as a LeftOutError, by which a collection leaves one item out.

    A DiskError stops the others too: it is no fault of the item.
    """

    @wraps(work)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except DiskError:
            raise
        except DataError as error:
            raise LeftOutError(str(error)) from error

    return guarded


def require_packages(*names: str, extra: str, purpose: str, otherwise: str = "") -> None:
    """Raise ConfigError unless all packages that an extra of THOR installs can be imported.

    Parameters
    ----------
    *names : str
        Of modules.
    extra : str
    purpose : str
        Subject of the message: what needs them.
    otherwise : str
        How to do without, for the end of the message.
    """
    for name in names:
        try:
            import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"{purpose} needs a package that is not installed: {error.name}. Install it with "
                f"`pip install 'thor[{extra}]'`{otherwise}."
            ) from error


MOST_CHOICES = 20
"""Names listed where none is near."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest of `choices`, or else a list of valid ones."""
    choices = sorted(choices)
    near = get_close_matches(word, choices, n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else f" Valid are: {listed(choices, most=MOST_CHOICES)}."


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one: ``1 file``, ``2 files``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(items: Sequence[str], *, most: int = 3, separator: str = ", ") -> str:
    """Return the first items for a message, and how many more there are: ``a, b, c and 2 more``."""
    more = len(items) - most
    return separator.join(items[:most]) + (f" and {more} more" if more > 0 else "")
