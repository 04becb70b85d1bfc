"""The one style of all figures: fonts, panels, headings, notes, and the colours of regimes and land."""

import os
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from colorsys import hsv_to_rgb
from contextlib import contextmanager
from itertools import chain, count
from textwrap import fill
from typing import TYPE_CHECKING, Any

from thor.core.errors import ConfigError, did_you_mean
from thor.networks.predictor import set_of
from thor.networks.split import ROLES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

LAND_COLOUR = "#d2d2d2"

PALETTES = {
    "distinct": {
        "MD": "#095184",
        "S-SV": "#2FB889",
        "N-SV": "#D66CAD",
        "TR": "#A87948",
        "SO": "#6B6C68",
        "NL": "#96BCEC",
        "R1": "#D65F00",
        "R2": "#F7B349",
        "R3": "#EFDD0F",
        "R4": "#9BFAB7",
        "R5": "#5181D4",
        "merged": "#4C279B",
    },
    "published": {
        "MD": "#0173B2",
        "S-SV": "#029E73",
        "N-SV": "#CC78BC",
        "TR": "#CA9161",
        "SO": "#949494",
        "NL": "#56B4E9",
        "R1": "#D55E00",
        "R2": "#F0A830",
        "R3": "#ECE133",
        "R4": "#44AA99",
        "R5": "#4A6FB5",
        "merged": "#B05C9E",
    },
}
"""Colours of regimes. `distinct` differs by a CIE76 distance of at least 20 between any two regimes and from land, also
under simulated protanopia, deuteranopia and tritanopia (Machado et al. 2009, doi:10.1109/TVCG.2009.113), with the hues
of `published` (Sonnewald & Lguensat 2021). Regimes that are not the published ones: from warm to cold by falling wind
stress curl."""

_PALETTE_VARIABLE = "THOR_REGIME_PALETTE"
"""Environment variable, so that processes of a run have the palette of the run."""

OTHER_COLOURS = ("#882255", "#FBAFE4", "#999933", "#DE8F05", "#117733", "#88CCEE", "#661100", "#332288")

BASIN_COLOURS = {
    "atlantic_ocean": "#7d7dfa",
    "pacific_ocean": "#37a0a0",
    "indian_ocean": "#e6a014",
    "southern_ocean": "#5a37a0",
    "arctic_ocean": "#c3fac3",
    "mediterranean_sea": "#e6377d",
    "baltic_sea": "#375a37",
    "red_sea": "#7d145a",
    "persian_gulf": "#c35ac3",
    "black_sea": "#5a5a14",
    "hudson_bay": "#faa0fa",
    "sea_of_japan": "#a07d14",
    "sea_of_okhotsk": "#7dfa7d",
    "caspian_sea": "#a0a05a",
}
"""Colours of basins: a CIE76 distance of at least 19 between any two and from land, for the same kinds of vision."""

PREDICTORS = (
    *("average", "ensemble", "bayesian", "laplace", "published_networks"),
    *("gradient_boosting", "stress_curl_tree", "majority"),
)
"""Order of the predictors in figures; files sort them by name."""

_PREDICTOR_WORDS = {
    "average": "networks and boosting",
    "bayesian": "Bayesian network",
    "laplace": "Laplace approximation",
    "majority": "most common regime",
}
_LETTERS_PER_INCH = 18
"""In notes, whose letters have 7 points."""

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

MILLION_KM2 = 1e12
"""Area [m2] in which figures and tables count."""
MOST_MODELS = 6
"""Climate models that a figure distinguishes; of more it shows mean and range, or the first."""


@contextmanager
def style() -> Iterator[None]:
    """Draw inside this context: one style, no window, independent of the user's matplotlib settings."""
    import matplotlib as mpl

    with mpl.rc_context(_RC):
        yield


def empty_figure(text: str) -> "Figure":
    """Return a figure with the reason why there is nothing to draw."""
    figure = new_figure(4, 1)
    figure.text(0.5, 0.5, text, ha="center")
    return figure


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure [inches] that no graphical backend manages."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def new_panels(figure: "Figure", n_panels: int, n_columns: int, **options: Any) -> "list[Axes]":
    """Return the axes of so many panels, row by row; options are those of `Figure.subplots`."""
    axes = list(figure.subplots(-(-n_panels // n_columns), n_columns, squeeze=False, **options).flat)
    for ax in axes[n_panels:]:
        figure.delaxes(ax)
    return axes[:n_panels]


def label_edges(axes: "Sequence[Axes]", n_columns: int, *, x: str, y: str = "") -> None:
    """Label the left and the bottom axes of panels in rows of so many, with ticks also above an empty place."""
    for ax in axes[::n_columns]:
        ax.set_ylabel(y)
    for ax in axes[-n_columns:]:
        ax.set_xlabel(x)
        ax.tick_params(labelbottom=True)


def add_heading(figure: "Figure", text: str, *, fontsize: float = 8) -> None:
    """Write a heading above all panels, each line of the text broken at the width of the figure."""
    heading = figure.suptitle(text, x=0.01, ha="left", fontsize=fontsize)
    break_paragraphs(heading, int(_LETTERS_PER_INCH * 7 / fontsize * figure.get_figwidth()))


def add_note(figure: "Figure", text: str) -> None:
    """Write a note below all panels, each line of the text broken at the width of the figure."""
    note = figure.supxlabel(text, x=0.01, ha="left", fontsize=7)
    break_paragraphs(note, int(_LETTERS_PER_INCH * figure.get_figwidth()))


def break_paragraphs(text: Any, n_letters: int) -> None:
    """Break each line of a matplotlib text after so many letters; it keeps what it was, for other widths."""
    text.paragraphs = text.get_text()
    text.set_text("\n".join(fill(line, n_letters) for line in text.paragraphs.split("\n")))


def reliability_panels(figure: "Figure", n_columns: int, *, label: str | None = None) -> "list[tuple[Axes, Axes]]":
    """Return the axes of so many reliability diagrams, each above the axes for the shares of its bins."""
    grid = figure.subplots(2, n_columns, sharex=True, sharey="row", squeeze=False, height_ratios=[3, 1])
    for above, below in grid.T:
        add_diagonal(above, label=label)
        below.set_yscale("log")
    return [(above, below) for above, below in grid.T]


def add_diagonal(ax: "Axes", *, label: str | None = None) -> None:
    """Draw the diagonal of perfect reliability on axes of probabilities."""
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--", label=label)
    ax.set(xlim=(0, 1), ylim=(0, 1))


def name_rows(ax: "Axes", names: Sequence[str]) -> None:
    """Name the rows of a panel, the first on top, and show all of them."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)


def add_legend(figure: "Figure", ax: "Axes", *, n_columns: int) -> None:
    """Put what the labels of one panel say below all panels, each label once."""
    handles, labels = ax.get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=min(n_columns, len(shown)))


def letter_panels(axes: "Iterable[Axes]") -> None:
    """Put (a), (b), ... before the title of each panel."""
    for letter, ax in zip(string.ascii_lowercase, axes, strict=False):
        size = ax._left_title.get_fontsize()  # type: ignore[attr-defined]
        ax.set_title(f"({letter}) {ax.get_title(loc='left')}", loc="left", fontsize=size)


def predictor_words(name: str, words: Mapping[str, str] = _PREDICTOR_WORDS) -> str:
    """Return a predictor as titles and legends name it, or in other words, and its input set beside the surface."""
    predictor, input_set = set_of(name)
    text = words.get(predictor, predictor.replace("_", " "))
    return text if predictor == name else f"{text}, with {input_set}"


def basin_words(name: str) -> str:
    """Return a basin as titles name it, after a region of the split where it has one: `test, Atlantic Ocean`."""
    region, _, basin = name.partition("_")
    if region in ROLES and basin:
        return f"{region}, {basin_words(basin)}"
    return name if name in ROLES else name.replace("_", " ").title().replace(" Of ", " of ")


def in_reading_order(names: Iterable[str], *, first: Sequence[str] = PREDICTORS) -> list[str]:
    """Return the names in the order of `first`, followed by all others in their order."""
    names = list(names)
    return [name for name in first if name in names] + [name for name in names if name not in first]


def colour_map(name: str) -> "Colormap":
    """Return a colour map by its name in variables.yml (`cmo.` for cmocean)."""
    import matplotlib as mpl

    if name.startswith("cmo."):
        import cmocean

        return cmocean.cm.cmap_d[name.removeprefix("cmo.")]
    return mpl.colormaps[name]


def use_regime_palette(name: str) -> None:
    """Use a palette of `PALETTES` in all figures from now on, also in processes that are started later.

    Raises
    ------
    ConfigError
        For an unknown name.
    """
    if name not in PALETTES:
        raise ConfigError(f"There is no palette '{name}'.{did_you_mean(name, PALETTES)} Known: {', '.join(PALETTES)}.")
    os.environ[_PALETTE_VARIABLE] = name


def regime_colours(names: Sequence[str]) -> list[str]:
    """Return one colour for each regime: that of its name in the palette in use, or a spare one."""
    return named_colours(names, PALETTES[os.environ.get(_PALETTE_VARIABLE, "distinct")])


def named_colours(names: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Return one colour for each name, with spare colours where it has none."""
    # After these, any number of hues, none of them twice.
    hues = (hsv_to_rgb(number * 0.618034 % 1, 0.6, 0.8) for number in count())
    spare = chain(OTHER_COLOURS, ("#" + "".join(f"{round(255 * part):02x}" for part in hue) for hue in hues))
    return [known.get(name) or next(spare) for name in names]


def flags(labels: Any) -> dict[int, str]:
    """Return the flags of a DataArray of labels, {value: meaning}, without the flag of missing labels."""
    values = [int(value) for value in labels.attrs["flag_values"]]
    return {v: m for v, m in zip(values, labels.attrs["flag_meanings"].split(), strict=True) if v >= 0}


def exact_percent(share: float) -> str:
    """Return a share that is a setting, such as the level of an interval, in per cent, not rounded: 0.975 is 97.5."""
    return f"{100 * share:.6g}"


def years_text(label: str) -> str:
    """Return the label of a window as text: years joined by a dash."""
    return label.replace("-", "\N{EN DASH}")


def run_title(run: "xr.Dataset") -> str:
    """Return model, experiment and variant of a run."""
    return " ".join(str(run.attrs[name]) for name in ("source_id", "experiment_id", "variant_label"))
