"""What moved the networks: maps of attributions, what each feature is worth by regime, and how far to trust it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.attribution.methods import colour_of, labels
from thor.core.variables import BUDGET_TERMS, is_known, variable
from thor.figures.maps import map_panels
from thor.figures.mesh import draw_mesh
from thor.figures.style import colour_map, letter_panels, new_figure, regime_colours, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SPAN = 0.98
"""Share of the cells within the colour scale, which all features share."""

_SHORT = {
    "wind_stress_curl": "stress curl",
    "zos": "sea level",
    "zos_gradient_eastward": "sea level slope, east",
    "zos_gradient_northward": "sea level slope, north",
    "deptho": "depth",
    "deptho_gradient_eastward": "depth slope, east",
    "deptho_gradient_northward": "depth slope, north",
    "coriolis_parameter": "Coriolis parameter",
}


def attribution_maps(explanation: xr.Dataset, *, method: str, predictor: str = "ensemble") -> "Figure":
    """Return one map for each feature, on one scale; cells whose networks disagree on the sign are hatched pale.

    Parameters
    ----------
    explanation : xarray.Dataset
        As from `thor.attribution.fields.attribution_fields`.
    method : str
        Named in the title.
    predictor : str
    """
    own = explanation.sel(predictor=predictor)
    attribution = own["attribution"]
    high = float(np.nanquantile(np.abs(attribution.values), _SPAN)) or 1.0
    features = [str(name) for name in own["feature"].values]
    with style():
        figure, axes = map_panels(len(features), n_columns=3 if len(features) > 6 else 2)
        for ax, name in zip(axes, features, strict=True):
            here = own.sel(feature=name)
            mesh = draw_mesh(ax, explanation, here["attribution"].values, cmap=colour_map("cmo.balance"))
            mesh.set_clim(-high, high)
            unsure = np.sign(here["attribution_lower_quartile"]) != np.sign(here["attribution_upper_quartile"])
            pale = np.where(unsure & (explanation["valid"] == 1), 1.0, np.nan)
            draw_mesh(ax, explanation, pale, cmap=_one_colour((1, 1, 1, 0.65)))
            ax.set_title(feature_label(name))
        bar = figure.colorbar(mesh, ax=axes, orientation="horizontal", shrink=0.5, aspect=50, pad=0.02, extend="both")
        bar.set_label("part of the centred logit of the predicted regime (1)", fontsize=7)
        letter_panels(axes)
        figure.suptitle(f"{labels(method)}, mean over the {predictor}", x=0.01, ha="left", fontsize=10)
        figure.supxlabel(
            "Pale: the middle half of the networks has both signs. Grey: land.", x=0.01, ha="left", fontsize=7
        )
        return figure


def sign_maps(explanations: Mapping[str, xr.Dataset], *, predictor: str = "ensemble") -> "Figure":
    """Return, for each feature, in how many methods three quarters of the networks speak for or against the regime.

    Parameters
    ----------
    explanations : mapping of str to xarray.Dataset
        By method; those with other players than the first are left out.
    predictor : str
    """
    first = next(iter(explanations.values()))
    features = [str(name) for name in first["feature"].values]
    explanations = {name: own for name, own in explanations.items() if list(own["feature"].values) == features}
    valid = first["valid"].values == 1
    with style():
        figure, axes = map_panels(len(features), n_columns=3 if len(features) > 6 else 2)
        for ax, name in zip(axes, features, strict=True):
            votes = np.zeros(valid.shape)
            for explanation in explanations.values():
                own = explanation.sel(predictor=predictor, feature=name)
                votes += own["attribution_lower_quartile"].values > 0
                votes -= own["attribution_upper_quartile"].values < 0
            colours = colour_map("cmo.balance").resampled(2 * len(explanations) + 1)
            mesh = draw_mesh(ax, first, np.where(valid, votes, np.nan), cmap=colours)
            mesh.set_clim(-len(explanations) - 0.5, len(explanations) + 0.5)
            ax.set_title(feature_label(name))
        ticks = range(-len(explanations), len(explanations) + 1)
        bar = figure.colorbar(mesh, ax=axes, orientation="horizontal", shrink=0.5, aspect=50, pad=0.02, ticks=ticks)
        bar.set_label("methods for the regime less methods against it, each by three quarters of its networks (1)")
        letter_panels(axes)
        figure.suptitle("Where methods agree whether a feature speaks for the regime", x=0.01, ha="left", fontsize=10)
        return figure


def regime_bars(summary: pd.DataFrame, *, predictor: str = "ensemble") -> "Figure":
    """Return what each feature is given in each regime by each method, area-weighted.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of `thor.attribution.fields.regime_summary` of all methods.
    predictor : str
    """
    own = summary[summary["predictor"] == predictor]
    regimes, features, methods = (list(dict.fromkeys(own[name])) for name in ("regime", "feature", "method"))
    with style():
        n_columns = min(3, len(regimes))
        n_rows = -(-len(regimes) // n_columns)
        figure = new_figure(2.9 * n_columns + 1.2, (0.2 * len(features) + 1.0) * n_rows)
        grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
        axes = list(grid.flat)
        for ax in axes[len(regimes) :]:
            ax.set_axis_off()
        height = 0.8 / len(methods)
        for ax, regime in zip(axes, regimes, strict=False):
            for place, method in enumerate(methods):
                here = own[(own["regime"] == regime) & (own["method"] == method)].set_index("feature")
                rows = here.reindex(features)  # methods may have other players
                at = np.arange(len(features)) + (place - (len(methods) - 1) / 2) * height
                ax.barh(at, rows["mean"], height, color=colour_of(method), label=labels(method))
                ax.hlines(at, rows["lower_quartile"], rows["upper_quartile"], color="0.2", linewidth=0.8)
            ax.axvline(0, color="0.3", linewidth=0.6)
            area = here["area_m2"].iloc[0] / 1e12
            ax.set_title(f"{regime}, {area:.0f} million km$^2$")
        axes[0].set_yticks(range(len(features)), [feature_label(name) for name in features])
        axes[0].invert_yaxis()
        for ax in grid[-1]:
            ax.set_xlabel("part of the centred logit (1)")
        axes[0].legend(loc="lower right", fontsize=6)
        letter_panels(axes[: len(regimes)])
        figure.supxlabel(
            "Bars: mean over the area of the cells in which the regime is predicted; lines: their quartiles.",
            x=0.01,
            ha="left",
            fontsize=7,
        )
        return figure


def beeswarm(
    explanation: xr.Dataset, features: xr.Dataset, *, method: str, predictor: str = "ensemble", n_cells: int = 300
) -> "Figure":
    """Return the attributions of cells of each regime, coloured by what the feature is there.

    Parameters
    ----------
    explanation : xarray.Dataset
    features : xarray.Dataset
        In their own units; players that are no features are left grey.
    method : str
    predictor : str
    n_cells : int
        Cells drawn of each regime.
    """
    own = explanation.sel(predictor=predictor)
    names = [str(name) for name in own["feature"].values]
    regimes = str(own["explained_regime"].attrs["flag_meanings"]).split()
    codes = own["explained_regime"].values.ravel()
    random = np.random.default_rng(0)
    present = [code for code in range(len(regimes)) if (codes == code).any()]
    with style():
        n_columns = min(3, len(present))
        n_rows = -(-len(present) // n_columns)
        figure = new_figure(2.9 * n_columns + 1.4, (0.28 * len(names) + 0.9) * n_rows)
        axes = list(figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).flat)
        for ax in axes[len(present) :]:
            ax.set_axis_off()
        for ax, code in zip(axes, present, strict=False):
            inside = np.flatnonzero(codes == code)
            cells = random.choice(inside, size=min(n_cells, len(inside)), replace=False)
            for row, name in enumerate(names):
                values = own["attribution"].sel(feature=name).values.ravel()[cells]
                colour = _ranks(features[name].values.ravel()[cells]) if name in features else np.full(len(cells), 0.5)
                points = ax.scatter(
                    values,
                    row + _beside(values),
                    c=colour,
                    s=2,
                    cmap=colour_map("cividis"),
                    vmin=0,
                    vmax=1,
                    linewidths=0,
                )
            ax.axvline(0, color="0.3", linewidth=0.6)
            ax.set_title(f"{regimes[code]}, {len(cells)} of {len(inside)} cells")
        axes[0].set_yticks(range(len(names)), [feature_label(name) for name in names])
        axes[0].invert_yaxis()
        bar = figure.colorbar(points, ax=axes, shrink=0.6, aspect=30, pad=0.01, ticks=[0, 1])
        bar.ax.set_yticklabels(["low", "high"])
        bar.set_label("value of the feature, rank within the regime")
        figure.supxlabel(f"{labels(method)}: part of the centred logit of the regime (1)", fontsize=8)
        letter_panels(axes[: len(present)])
        return figure


def explanation_agreement_maps(agreement: xr.Dataset, *, predictor: str = "ensemble") -> "Figure":
    """Return maps of the rank correlation of each pair of methods, and of how far each method's networks agree.

    Parameters
    ----------
    agreement : xarray.Dataset
        As from `thor.attribution.agreement.compare`.
    predictor : str
    """
    own = agreement.sel(predictor=predictor)
    area = own["areacello"].where(own["valid"] == 1).fillna(0)
    with style():
        rows = [
            ("rank_correlation", "pair", "cmo.balance", (-1, 1), "rank correlation over features (1)"),
            ("network_sign_agreement", "method", "cmo.amp", (0.5, 1), "networks with the sign of the mean (1)"),
        ]
        n_columns = max(own.sizes["pair"], own.sizes["method"])
        figure, axes = map_panels(2 * n_columns, n_columns=n_columns)
        for row, (name, dim, colours, limits, label) in enumerate(rows):
            beside = axes[row * n_columns : (row + 1) * n_columns]
            for ax in beside[own.sizes[dim] :]:
                ax.set_visible(False)
            for ax, which in zip(beside, map(str, own[dim].values), strict=False):
                field = own[name].sel({dim: which})
                mesh = draw_mesh(ax, agreement, field.values, cmap=colour_map(colours))
                mesh.set_clim(*limits)
                ax.set_title(f"{labels(which)}: {float(field.weighted(area).mean()):.2f}")
            bar = figure.colorbar(mesh, ax=beside, orientation="vertical", shrink=0.8, aspect=25, pad=0.01)
            bar.set_label(label, fontsize=7)
        letter_panels([ax for ax in axes if ax.get_visible()])
        return figure


def evaluation_table(evaluation: pd.DataFrame) -> "Figure":
    """Return the skill of each method in each measure as a table of colours and numbers.

    Parameters
    ----------
    evaluation : pandas.DataFrame
        As from `thor.attribution.evaluation.evaluate`.
    """
    measures, methods = list(dict.fromkeys(evaluation["measure"])), list(dict.fromkeys(evaluation["method"]))
    table = evaluation.set_index(["method", "measure"])
    skill = np.array([[table.loc[(method, measure), "skill"] for measure in measures] for method in methods])
    with style():
        figure = new_figure(1.15 * len(measures) + 1.6, 0.42 * len(methods) + 1.4)
        ax = figure.subplots()
        image = ax.imshow(np.clip(skill, -1, 1), cmap=colour_map("cmo.balance_r"), vmin=-1, vmax=1, aspect="auto")
        for row, method in enumerate(methods):
            for column, measure in enumerate(measures):
                entry = table.loc[(method, measure)]
                shade = "white" if abs(np.clip(skill[row, column], -1, 1)) > 0.6 else "black"
                text = f"{entry['skill']:.2f}\n{entry['low']:.2f} to {entry['high']:.2f}"
                ax.text(column, row, text, ha="center", va="center", fontsize=6, color=shade)
        words = [
            f"{measure.replace('_', ' ')}\n({table.loc[(methods[0], measure), 'property']})" for measure in measures
        ]
        ax.set_xticks(range(len(measures)), words, rotation=25, ha="right", fontsize=6.5)
        ax.set_yticks(range(len(methods)), [labels(method) for method in methods])
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        bar = figure.colorbar(image, ax=ax, shrink=0.9, pad=0.01)
        bar.set_label("skill (1)")
        n_cells, level = int(evaluation["n_cells"].iloc[0]), 100 * evaluation["level"].iloc[0]
        ax.set_title(f"0: knows nothing, 1: perfect. {n_cells} cells, weighted by area; below: {level:.0f} % interval")
        return figure


def cell_page(
    explanations: Mapping[str, xr.Dataset],
    uncertainty: xr.Dataset,
    budget: xr.Dataset,
    place: tuple[int, ...],
    *,
    predictor: str = "ensemble",
) -> "Figure":
    """Return all that is known of one cell: probabilities, attributions by every method, terms of the budget.

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
    predictor : str
    """
    first = next(iter(explanations.values()))
    grid = first["valid"].dims
    at = dict(zip(grid, place, strict=True))
    names = str(uncertainty.attrs["regimes"]).split()
    with style():
        figure = new_figure(9.2, 3.2)
        left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1.5, 1])
        _draw_probabilities(left, uncertainty.sel(predictor=predictor).isel(at), names)
        _draw_attributions(middle, {name: e.sel(predictor=predictor).isel(at) for name, e in explanations.items()})
        _draw_budget(right, budget.isel(at))
        letter_panels([left, middle, right])
        here = first.isel(at)
        lat, lon = float(here["lat"]), float(here["lon"])
        code = int(here["explained_regime"].sel(predictor=predictor))
        explained = str(first["explained_regime"].attrs["flag_meanings"]).split()[code]
        figure.suptitle(f"{_degrees(lat, 'NS')}, {_degrees(lon, 'EW')}: {explained} is explained", x=0.01, ha="left")
        return figure


def feature_label(name: str) -> str:
    """Return a short label of a feature or a group of features."""
    if name in _SHORT:
        return _SHORT[name]
    return variable(name).label if is_known(name) else name.replace("_", " ")


def _draw_probabilities(ax: "Axes", cell: xr.Dataset, names: Sequence[str]) -> None:
    probability = cell["regime_probability"].values
    at = np.arange(len(names))
    ax.barh(at, probability, color=regime_colours(names))
    ax.hlines(at, cell["regime_probability_lower"], cell["regime_probability_upper"], color="0.2", linewidth=1)
    ax.set_yticks(at, names)
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel="probability, interval over networks (1)")
    ax.set_title("Regime")


def _draw_attributions(ax: "Axes", cells: Mapping[str, xr.Dataset]) -> None:
    height = 0.8 / len(cells)
    for row, (method, cell) in enumerate(cells.items()):
        features = [str(name) for name in cell["feature"].values]
        at = np.arange(len(features)) + (row - (len(cells) - 1) / 2) * height
        ax.barh(at, cell["attribution"].values, height, color=colour_of(method), label=labels(method))
        if "attribution_lower_quartile" in cell:  # sums over the features of a group have none
            lower, upper = (cell[f"attribution_{side}_quartile"].values for side in ("lower", "upper"))
            ax.hlines(at, lower, upper, color="0.2", linewidth=0.8)
    ax.axvline(0, color="0.3", linewidth=0.6)
    ax.set_yticks(range(len(features)), [feature_label(name) for name in features])
    ax.invert_yaxis()
    ax.set_xlabel("part of the centred logit, quartiles over networks (1)")
    ax.set_title("Why")
    ax.legend(loc="best", fontsize=6)


def _draw_budget(ax: "Axes", cell: xr.Dataset) -> None:
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


def _one_colour(colour: tuple[float, ...]) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([colour])


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values)) / max(len(values) - 1, 1)


def _beside(values: np.ndarray) -> np.ndarray:
    """Return where points of a row go above and below it, the more of them the denser they are."""
    edges = np.histogram_bin_edges(values, bins=40)
    bins = np.digitize(values, edges)
    offset = np.zeros(len(values))
    most = max(np.bincount(bins).max(), 1)
    for code in np.unique(bins):
        own = np.flatnonzero(bins == code)
        offset[own] = 0.8 * (np.arange(len(own)) - (len(own) - 1) / 2) / most
    return offset
