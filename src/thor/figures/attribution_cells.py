"""Figures of attributions in single cells: swarms of the cells of each regime, and a page for one cell."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from thor.attribution.methods import labels
from thor.core.variables import BUDGET_TERMS, variable
from thor.figures import style
from thor.figures.attribution import draw_bars, name_features, regime_panels
from thor.ocean.cells import grid_dims, on_one_grid


def beeswarm(explanation: xr.Dataset, features: xr.Dataset, *, method: str, n_cells: int = 300) -> "style.Figure":
    """Return the attributions of cells of each regime by the first predictor, coloured by the value of the feature.

    Parameters
    ----------
    explanation : xarray.Dataset
    features : xarray.Dataset
        In their units; players that are groups of features are grey.
    method : str
    n_cells : int
        Cells drawn of each regime.
    """
    explanation, features = on_one_grid(explanation, features)
    chosen = explanation.isel(predictor=0)
    names = [str(name) for name in chosen["feature"].values]
    regimes = str(chosen["explained_regime"].attrs["flag_meanings"]).split()
    codes = chosen["explained_regime"].values.ravel()
    random, colours = np.random.default_rng(0), style.colour_map("cividis")
    present = [code for code in range(len(regimes)) if (codes == code).any()]
    with style.style():
        figure, axes = regime_panels(len(present), width=1.4, height=0.28 * len(names) + 0.9)
        for ax, code in zip(axes, present, strict=True):
            inside = np.flatnonzero(codes == code)
            cells = random.choice(inside, size=min(n_cells, len(inside)), replace=False)
            for row, name in enumerate(names):
                values = chosen["attribution"].sel(feature=name).values.ravel()[cells]
                ranks = _ranks(features[name].values.ravel()[cells]) if name in features else np.full(len(cells), 0.5)
                points = ax.scatter(
                    values, row + _swarm(values), c=ranks, cmap=colours, vmin=0, vmax=1, s=2, linewidths=0
                )
            ax.axvline(0, color="0.3", linewidth=0.6)
            ax.set_title(f"{regimes[code]}, {len(cells)} of {len(inside)} cells")
        name_features(axes[0], names)
        style.letter_panels(axes)
        bar = figure.colorbar(points, ax=axes, shrink=0.6, aspect=30, pad=0.01, ticks=[0, 1])
        bar.ax.set_yticklabels(["low", "high"])
        bar.set_label("value of the feature, rank within the regime")
        figure.supxlabel(f"{labels(method)}: part of the centred logit of the regime (1)", fontsize=8)
        return figure


def cell_page(
    explanations: Mapping[str, xr.Dataset],
    uncertainty: xr.Dataset,
    budget: xr.Dataset,
    place: tuple[int, ...],
    *,
    predictor: str | None = None,
) -> "style.Figure":
    """Return probabilities, attributions by every method, and terms of the budget of one cell.

    Parameters
    ----------
    explanations : mapping of str to xarray.Dataset
        By method.
    uncertainty : xarray.Dataset
        As from `thor.uncertainty.regime_uncertainty.uncertainty_fields`.
    budget : xarray.Dataset
        The terms of the vorticity budget on the same grid.
    place : tuple of int
        Row and column of the cell.
    predictor : str, optional
        By default the first.
    """
    budget, uncertainty, *explained = on_one_grid(budget, uncertainty, *explanations.values())
    first = explained[0]
    predictor = predictor or str(first["predictor"].values[0])
    at = dict(zip(grid_dims(first), place, strict=True))
    names = str(uncertainty.attrs["regimes"]).split()
    cells = {name: each.sel(predictor=predictor).isel(at) for name, each in zip(explanations, explained, strict=True)}
    with style.style():
        figure = style.new_figure(9.2, 3.2)
        left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1.5, 1])
        _draw_probabilities(left, uncertainty.sel(predictor=predictor).isel(at), names)
        # Sums over the features of a group have no quartiles.
        bars = ("attribution", "attribution_lower_quartile", "attribution_upper_quartile")
        values = {name: tuple(cell[bar].values for bar in bars if bar in cell) for name, cell in cells.items()}
        draw_bars(middle, values)
        name_features(middle, [str(name) for name in first["feature"].values])
        middle.set_xlabel("part of the centred logit, quartiles over networks (1)")
        middle.set_title("Attribution")
        middle.legend(loc="best", fontsize=6)
        _draw_budget(right, budget.isel(at))
        style.letter_panels([left, middle, right])
        here = next(iter(cells.values()))
        regime = str(first["explained_regime"].attrs["flag_meanings"]).split()[int(here["explained_regime"])]
        position = f"{_degrees(float(here['lat']), 'NS')}, {_degrees(float(here['lon']), 'EW')}"
        figure.suptitle(f"{position}: attribution of {regime}", x=0.01, ha="left")
        return figure


def _draw_probabilities(ax: "style.Axes", cell: xr.Dataset, names: Sequence[str]) -> None:
    at = np.arange(len(names))
    ax.barh(at, cell["regime_probability"].values, color=style.regime_colours(names))
    ax.hlines(at, cell["regime_probability_lower"], cell["regime_probability_upper"], color="0.2", linewidth=1)
    ax.set_yticks(at, names)
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel="probability, interval over networks (1)")
    ax.set_title("Regime")


def _draw_budget(ax: "style.Axes", cell: xr.Dataset) -> None:
    terms = [float(cell[name]) for name in BUDGET_TERMS]
    if not np.isfinite(terms).all():
        ax.text(0.5, 0.5, "no budget in this cell", ha="center", transform=ax.transAxes)
        ax.set_axis_off()
        return
    exponent = int(np.floor(np.log10(max(np.abs(terms).max(), 1e-300))))
    ax.barh(range(len(terms)), np.array(terms) / 10.0**exponent, color="0.5")
    ax.axvline(0, color="0.3", linewidth=0.6)
    ax.set_yticks(range(len(terms)), [variable(name).label for name in BUDGET_TERMS])
    ax.invert_yaxis()
    ax.set_xlabel(rf"$10^{{{exponent}}}$ m s$^{{-2}}$")
    ax.set_title("Vorticity budget")


def _degrees(value: float, signs: str) -> str:
    value = (value + 180) % 360 - 180 if signs == "EW" else value
    return f"{abs(value):.1f}{signs[value < 0]}"


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values)) / max(len(values) - 1, 1)


def _swarm(values: np.ndarray) -> np.ndarray:
    """Return vertical offsets of the points of a row, larger where the points are denser."""
    bins = np.digitize(values, np.histogram_bin_edges(values, bins=40))
    offset, most = np.zeros(len(values)), np.bincount(bins, minlength=1).max()
    for code in np.unique(bins):
        inside = np.flatnonzero(bins == code)
        offset[inside] = 0.8 * (np.arange(len(inside)) - (len(inside) - 1) / 2) / most
    return offset
