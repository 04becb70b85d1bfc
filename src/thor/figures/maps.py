"""Maps in one equal-area projection, with units on every colour bar: fields, labels, regimes, features, changes."""

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import xarray as xr

from thor.core.variables import BUDGET_TERMS, variable
from thor.figures import style
from thor.figures.mesh import draw_mesh
from thor.regimes.naming import regime_meanings

CENTRAL_LONGITUDE = 205.0
"""The maps are cut at 25E, through Africa, which splits no ocean but the Arctic and Southern Oceans."""

NO_BUDGET = "land, and cells whose budget is not used"

QUANTILE, QUANTILE_OF_TORQUES = 0.98, 0.9
"""Share of the cells inside the range of colour bars; budget terms have long tails that would hide the interior."""


def field_maps(
    dataset: xr.Dataset,
    names: Sequence[str],
    *,
    n_columns: int = 2,
    title: str | None = None,
    grey: str = "land",
    one_scale: bool = False,
) -> "style.Figure":
    """Return a figure with one map for each of the named variables.

    Parameters
    ----------
    dataset : xarray.Dataset, dims (lat, lon) or (y, x)
        Fields with units; land as NaN.
    names : sequence of str
        Variables known to variables.yml.
    n_columns : int
        Maps beside one another.
    title : str, optional
        Over all maps.
    grey : str
        Meaning of the cells without a value, written below the maps.
    one_scale : bool
        Whether all maps have the widest of their scales; they must have one unit and both signs.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with style.style():
        figure, axes = map_panels(len(names), n_columns=n_columns, title=title, grey=grey)
        limits = max((_field_limits(dataset[name]) for name in names), key=max) if one_scale else None
        for ax, name in zip(axes, names, strict=True):
            draw_field(ax, dataset[name], dataset, limits=limits)
        style.letter_panels(axes)
        return figure


def map_panels(
    n_panels: int, *, n_columns: int, title: str | None = None, grey: str = "land"
) -> "tuple[style.Figure, list[style.Axes]]":
    """Return a figure and its map axes."""
    from cartopy.crs import EqualEarth

    n_rows = -(-n_panels // n_columns)
    figure = style.new_figure(3.9 * n_columns, 2.35 * n_rows + (0.3 if title else 0))
    projection = EqualEarth(central_longitude=CENTRAL_LONGITUDE)
    axes = [figure.add_subplot(n_rows, n_columns, i + 1, projection=projection) for i in range(n_panels)]
    for ax in axes:
        ax.set_facecolor(style.LAND_COLOUR)
        ax.set_global()  # type: ignore[attr-defined]
        ax.spines["geo"].set_linewidth(0.4)
    if title:
        style.add_heading(figure, title, fontsize=10)
    style.add_note(figure, f"Grey: {grey}.")
    return figure, axes


def draw_field(
    ax: "style.Axes", field: xr.DataArray, grid: xr.Dataset, *, limits: tuple[float, float] | None = None
) -> None:
    """Draw one field with its colour bar, which is symmetric for signed fields unless `limits` are given."""
    row = variable(str(field.name))
    values = field.astype(float)
    low, high = limits or _field_limits(field)
    exponent = _exponent(max(abs(low), abs(high)))
    mesh = draw_mesh(ax, values / 10.0**exponent, grid, cmap=style.colour_map(row.cmap))
    mesh.set_clim(low / 10.0**exponent, high / 10.0**exponent)
    beyond = (np.nanmin(values.values, initial=high) < low, np.nanmax(values.values, initial=low) > high)
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(beyond, "neither")
    bar_below(mesh, ax, extend=extend).set_label(units_text(row.units, exponent), fontsize=7)
    ax.set_title(row.label)


def bar_below(mesh: Any, axes: Any, *, shrink: float = 0.7, aspect: float = 30, **options: Any) -> Any:
    """Return a colour bar below one map, or below all maps of a list; options are those of `Figure.colorbar`."""
    figure = (axes[0] if isinstance(axes, list) else axes).figure
    options = {"pad": 0.03} | options
    return figure.colorbar(mesh, ax=axes, orientation="horizontal", shrink=shrink, aspect=aspect, **options)


def draw_flags(ax: "style.Axes", labels: xr.DataArray, grid: xr.Dataset, *, colours: Sequence[Any]) -> None:
    """Draw labels with one colour each and a bar that names them; -1 is drawn as land."""
    meanings = style.flags(labels)
    order = {value: position for position, value in enumerate(meanings)}
    position = np.vectorize(lambda value: order.get(int(value), np.nan), otypes=[float])(labels.values)
    mesh = draw_mesh(ax, labels.copy(data=position), grid, **class_colours(colours))
    name_classes(mesh, ax, [meaning.replace("_", " ") for meaning in meanings.values()], fontsize=6)
    ax.set_title(variable(str(labels.name)).label)


def class_colours(colours: Collection[Any]) -> dict[str, Any]:
    """Return colour map and norm, options of `draw_mesh`, for classes numbered from 0 with these colours."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    n_classes = len(colours)
    return {"cmap": ListedColormap(list(colours)), "norm": BoundaryNorm(np.arange(n_classes + 1) - 0.5, n_classes)}


def name_classes(
    mesh: Any, axes: Any, names: Sequence[str], *, fontsize: float, shrink: float = 0.85, aspect: float = 35
) -> None:
    """Add a colour bar with the names of classes below one map, or below all maps of a list."""
    bar = bar_below(mesh, axes, shrink=shrink, aspect=aspect, ticks=range(len(names)))
    bar.ax.set_xticklabels(names, fontsize=fontsize)
    bar.ax.tick_params(length=0)


def regime_map(regimes: xr.Dataset) -> "style.Figure":
    """Return the map of regimes, with their meanings below, and that of their vote share.

    Parameters
    ----------
    regimes : xarray.Dataset
        `regime` with CF flags, `regime_confidence`.
    """
    with style.style():
        figure, axes = map_panels(2, n_columns=2, grey=NO_BUDGET)
        _draw_regimes(axes[0], regimes)
        # Fixed, so that one run of many is not drawn like disagreement.
        draw_field(axes[1], regimes["regime_confidence"], regimes, limits=(0.5, 1.0))
        figure.axes[-1].set_xlabel("share of clustering runs (1)", fontsize=7)
        style.letter_panels(axes)
        meanings = [f"{name}: {meaning}" for name, meaning in regime_meanings(regimes).items()]
        style.add_note(figure, "\n".join([*meanings, f"Grey: {NO_BUDGET}."]))
        figure.set_figheight(figure.get_figheight() + 0.12 * len(meanings))
        return figure


def regime_maps(maps: Mapping[str, xr.Dataset]) -> "style.Figure":
    """Return a map of regimes for each title.

    Parameters
    ----------
    maps : mapping of str to xarray.Dataset
        `regime` with CF flags, by the title of its map.
    """
    with style.style():
        columns = 2 if len(maps) == 4 else min(3, len(maps))
        figure, axes = map_panels(len(maps), n_columns=columns, grey=NO_BUDGET)
        for ax, (title, regimes) in zip(axes, maps.items(), strict=True):
            _draw_regimes(ax, regimes)
            ax.set_title(title)
        style.letter_panels(axes)
        return figure


def feature_maps(features: xr.Dataset, names: Sequence[str]) -> "style.Figure":
    """Return maps of the features and of the ocean basins."""
    with style.style():
        figure, axes = map_panels(len(names) + 1, n_columns=3)
        for ax, name in zip(axes, names, strict=False):
            draw_field(ax, features[name], features)
        basin = features["basin"]
        kept = {value: meaning for value, meaning in style.flags(basin).items() if (basin == value).any()}
        names = " ".join(style.basin_words(meaning).replace(" ", "_") for meaning in kept.values())
        names = names.replace("_Ocean", "").replace("_Sea", "")
        basin = basin.assign_attrs(flag_values=list(kept), flag_meanings=names)
        draw_flags(axes[-1], basin, features, colours=style.named_colours(list(kept.values()), style.BASIN_COLOURS))
        axes[-1].figure.axes[-1].tick_params(labelrotation=60)
        style.letter_panels(axes)
        return figure


def change_maps(runs: Mapping[str, tuple[xr.Dataset, xr.Dataset]]) -> "style.Figure":
    """Return maps of sea level and of the changes of sea level and wind stress curl, a row for each climate model.

    Parameters
    ----------
    runs : mapping of str to (xarray.Dataset, xarray.Dataset)
        Features of one window, and of a later window or another run on the same grid; the key is the title of the row.
        The first `MOST_MODELS` are drawn.
    """
    with style.style():
        if not runs:
            return style.empty_figure("No climate models: archive_root is null.")
        drawn = dict(islice(runs.items(), style.MOST_MODELS))
        figure, axes = map_panels(3 * len(drawn), n_columns=3)
        if len(drawn) < len(runs):
            more = f"The first {len(drawn)} of {len(runs)} climate models; all are in scenario_features."
            style.add_note(figure, f"{figure.get_supxlabel()} {more}")
        for row, (before, after) in enumerate(drawn.values()):
            for ax, name, changes in zip(
                axes[3 * row :], ("zos", "zos", "wind_stress_curl"), (False, True, True), strict=False
            ):
                field = (after[name] - before[name]).rename(name) if changes else before[name]
                draw_field(ax, field, before)
                label = variable(name).label
                ax.set_title(f"Change of {label[0].lower()}{label[1:]}" if changes else label)
        style.letter_panels(axes)
        for ax, title in zip(axes[::3], drawn, strict=True):
            ax.set_title(f"{title}\n{ax.get_title(loc='left')}")
        return figure


def units_text(units: str, exponent: int = 0) -> str:
    """Return units for a label, with a power of ten and raised exponents; `dimensionless` for the unit 1."""
    if units == "1":
        return rf"$10^{{{exponent}}}$" if exponent else "dimensionless"
    return (rf"$10^{{{exponent}}}$ " if exponent else "") + " ".join(map(_raised, units.split()))


def _draw_regimes(ax: "style.Axes", regimes: xr.Dataset) -> None:
    names = list(style.flags(regimes["regime"]).values())
    draw_flags(ax, regimes["regime"], regimes, colours=style.regime_colours(names))


def _raised(word: str) -> str:
    base = word.rstrip("-0123456789")
    return f"{base}$^{{{word[len(base) :]}}}$" if base and len(base) < len(word) else word


def _field_limits(field: xr.DataArray) -> tuple[float, float]:
    quantile = QUANTILE_OF_TORQUES if field.name in BUDGET_TERMS else QUANTILE
    values = field.values.astype(float)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return -1.0, 1.0
    if variable(str(field.name)).valid_range[0] < 0:
        high = float(np.quantile(np.abs(finite), quantile)) or float(np.abs(finite).max()) or 1.0
        return -high, high
    low, high = np.quantile(finite, [1 - quantile, quantile])
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _exponent(largest: float) -> int:
    exponent = int(np.floor(np.log10(largest))) if largest > 0 else 0
    return 0 if -2 <= exponent <= 4 else exponent
