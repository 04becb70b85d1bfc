"""The one style of all figures: fonts, panel letters, colours of regimes, land."""

import string
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

LAND_COLOUR = "#c9c9c9"

REGIME_COLOURS = {
    "MD": "#0173B2",
    "S-SV": "#029E73",
    "N-SV": "#CC78BC",
    "TR": "#CA9161",
    "SO": "#949494",
    "NL": "#56B4E9",
}
"""Colours of the published maps (Sonnewald & Lguensat 2021)."""

OTHER_COLOURS = ("#DE8F05", "#D55E00", "#FBAFE4", "#ECE133", "#882255", "#44AA99", "#332288", "#999933")

PREDICTORS = (
    *("ensemble", "bayesian", "laplace", "published_networks"),
    *("gradient_boosting", "stress_curl_tree", "majority"),
)
"""In the order in which figures show them; files keep them by the alphabet."""

_RC: Any = {
    "figure.dpi": 100,
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "svg.hashsalt": "thor",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw inside this context: one style, no window, whatever the user's own matplotlib settings."""
    import matplotlib as mpl

    with mpl.rc_context(_RC):
        yield


def empty_figure(text: str) -> "Figure":
    """Return a figure that says why there is nothing to draw."""
    figure = new_figure(4, 1)
    figure.text(0.5, 0.5, text, ha="center")
    return figure


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure [inches] that no graphical backend knows of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def letter_panels(axes: "Iterable[Axes]") -> None:
    """Put (a), (b), ... before the title of each panel."""
    for letter, ax in zip(string.ascii_lowercase, axes, strict=False):
        ax.set_title(f"({letter}) {ax.get_title(loc='left')}", loc="left")


def in_reading_order(names: Iterable[str], *, first: Sequence[str] = PREDICTORS) -> list[str]:
    """Return the names in the order of `first`, and those it does not hold after them as they came."""
    names = list(names)
    return [name for name in first if name in names] + [name for name in names if name not in first]


def colour_map(name: str) -> "Colormap":
    """Return a colour map by its name in variables.yml (`cmo.` for cmocean)."""
    import matplotlib as mpl

    if name.startswith("cmo."):
        import cmocean

        return cmocean.cm.cmap_d[name.removeprefix("cmo.")]
    return mpl.colormaps[name]


def regime_colours(names: Sequence[str]) -> list[str]:
    """Return one colour for each regime: the published one where the name is published."""
    spare = iter(OTHER_COLOURS * (1 + len(names) // len(OTHER_COLOURS)))
    return [REGIME_COLOURS.get(name) or next(spare) for name in names]


def flags(labels: Any) -> dict[int, str]:
    """Return the CF flags of a DataArray of labels: {value: meaning}, without the one for no label."""
    values = [int(value) for value in labels.attrs["flag_values"]]
    return {v: m for v, m in zip(values, labels.attrs["flag_meanings"].split(), strict=True) if v >= 0}


def years_text(label: str) -> str:
    """Return the label of a window as text: years joined by a dash."""
    return label.replace("-", "\N{EN DASH}")
