"""What panels of a drawn figure are called: their letters, titles, axes and ticks, as plain text."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from thor.core.arrays import Array

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LETTER = re.compile(r"^\((\w)\) ", re.MULTILINE)


def numbered_panels(figure: "Figure") -> Iterator[tuple[str, "Axes"]]:
    """Yield the axes but those of colour bars, each with its letter, or else its number."""
    axes = [ax for ax in figure.axes if not hasattr(ax, "_colorbar") and ax.get_label() != "<colorbar>"]
    for number, ax in enumerate(axes, start=1):
        letter = _LETTER.search(ax.get_title(loc="left"))
        yield (letter[1] if letter else str(number)), ax


def panel_title(ax: "Axes") -> str:
    """Return the title of a panel without its letter and what stands above that."""
    title = ax.get_title(loc="left") or ax.get_title()
    letter = _LETTER.search(title)
    return plain_text(title[letter.end() :] if letter else title)


def has_row_heading(ax: "Axes") -> bool:
    """Return whether the title of a panel stands below the heading of its row."""
    letter = _LETTER.search(ax.get_title(loc="left"))
    return letter is not None and letter.start() > 0


def axis_label(ax: "Axes", axis: str) -> str:
    """Return the label of an axis, or of another one that has the same range."""
    alike = getattr(ax, f"get_shared_{axis}_axes")().get_siblings(ax)
    texts: Iterator[str] = (getattr(other, f"get_{axis}label")() for other in (ax, *alike))
    return next((text for text in texts if text), "")


def tick_names(ax: "Axes", axis: str) -> dict[float, str]:
    """Return names by position where the ticks of an axis are fixed and named."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter

    of_axis: Any = getattr(ax, f"{axis}axis")
    locator: Any = of_axis.get_major_locator()
    formatter: Any = of_axis.get_major_formatter()
    if not (isinstance(locator, FixedLocator) and isinstance(formatter, FixedFormatter | FuncFormatter)):
        return {}
    return {float(place): plain_text(formatter(place, k)) for k, place in enumerate(locator())}


def in_data(artist: "Artist", ax: "Axes") -> bool:
    """Return whether both coordinates of an artist are those of the axes: guide lines over a whole axis are not."""
    return all(artist.get_transform().contains_branch_seperately(ax.transData))


def plain_text(text: str) -> str:
    """Return a text without the signs of mathematics: 10^6 km^2."""
    signs = {"$": "", "{": "", "}": "", r"\times": "x", r"\mathrm": ""}
    for sign, plain in signs.items():
        text = text.replace(sign, plain)
    return " ".join(text.split())


def drawn_numbers(values: Any) -> Array:
    """Return values as floats, NaN where they are masked."""
    numbers: Array = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)
    return numbers
