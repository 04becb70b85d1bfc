"""Figures of attributions: maps, means in each regime, agreement of the methods and their evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.attribution.fields import mean_sizes, valid_area
from thor.attribution.methods import colour_of, labels, title_of
from thor.core.variables import is_known, variable
from thor.figures import style
from thor.figures.maps import bar_below, class_colours, map_panels
from thor.figures.mesh import draw_mesh, hatch
from thor.ocean.cells import on_one_grid

_SPAN = 0.98
"""Share of the cells within the colour scale, which all features share."""

_SHORT = {
    "wind_stress_curl": "stress curl",
    "zos": "sea level",
    "zos_gradient_eastward": "sea level slope, east",
    "zos_gradient_northward": "sea level slope, north",
    "geostrophic_planetary_advection": "geostrophic advection",
    "geostrophic_pressure_torque": "geostrophic pressure torque",
    "geostrophic_viscous_torque": "geostrophic viscous torque",
    "geostrophic_nonlinear_torque": "geostrophic nonlinear torque",
    "geostrophic_residual": "geostrophic residual",
    "deptho": "depth",
    "deptho_gradient_eastward": "depth slope, east",
    "deptho_gradient_northward": "depth slope, north",
    "coriolis_parameter": "Coriolis parameter",
}


def attribution_maps(explanation: xr.Dataset, *, method: str, n_features: int | None = None) -> "style.Figure":
    """Return one map for each feature, of the first predictor and on one scale; pale: networks disagree on the sign.

    Parameters
    ----------
    explanation : xarray.Dataset
        As from `thor.attribution.fields.attribution_fields`.
    method : str
        Named in the title.
    n_features : int, optional
        Only so many features of the largest mean size, the largest first.
    """
    chosen = explanation.isel(predictor=0)
    if n_features is not None:
        chosen = chosen.isel(feature=np.argsort(-mean_sizes(chosen).values, kind="stable")[:n_features])
    high = float(np.nanquantile(np.abs(chosen["attribution"].values), _SPAN)) or 1.0
    short = chosen["converged"] == 0 if "converged" in chosen else None
    with style.style():
        predictor = str(chosen["predictor"].values)
        whose = "mean over the ensemble" if predictor == "ensemble" else style.predictor_words(predictor)
        figure, panels = _feature_maps(chosen, f"{title_of(method)}, {whose}")
        for name, ax in panels.items():
            here = chosen.sel(feature=name)
            mesh = draw_mesh(ax, here["attribution"], explanation, cmap=style.colour_map("cmo.balance"))
            mesh.set_clim(-high, high)
            unsure = np.sign(here["attribution_lower_quartile"]) != np.sign(here["attribution_upper_quartile"])
            pale = xr.where(unsure & (explanation["valid"] == 1), 1.0, np.nan)
            label = "Interquartile range over networks includes zero"
            draw_mesh(ax, pale, explanation, label=label, **class_colours([(1, 1, 1, 0.65)]))
            if short is not None:
                hatch(ax, short, explanation)
        _colour_bar(mesh, panels, "part of the centred logit of the predicted regime (1)", extend="both")
        note = "Pale: the interquartile range over networks includes zero. Grey: land."
        if short is not None and short.any():
            share = float(short.weighted(valid_area(explanation)).mean())
            note += f" Hatched: error above the tolerance ({100 * share:.1f} % of the area)."
        style.add_note(figure, note)
        return figure


def sign_maps(explanations: Mapping[str, xr.Dataset]) -> "style.Figure":
    """Return, for each feature, the methods with positive minus those with negative attribution by most networks.

    A method counts where three quarters of its networks have one sign; the first predictor is drawn.

    Parameters
    ----------
    explanations : mapping of str to xarray.Dataset
        By method; those with other players than the first are left out.
    """
    first = next(iter(explanations.values()))
    shown = first["predictor"].values[0]
    explained = on_one_grid(*explanations.values())
    alike = [each.sel(predictor=shown, drop=True) for each in explained if each["feature"].equals(first["feature"])]
    n_methods = len(alike)
    with style.style():
        figure, panels = _feature_maps(first, "Agreement of the methods on the sign of the attribution")
        for name, ax in panels.items():
            votes = xr.zeros_like(first["valid"], dtype=float)
            for here in (explanation.sel(feature=name, drop=True) for explanation in alike):
                votes = votes + (here["attribution_lower_quartile"] > 0) - (here["attribution_upper_quartile"] < 0)
            colours = style.colour_map("cmo.balance").resampled(2 * n_methods + 1)
            mesh = draw_mesh(ax, votes.where(first["valid"] == 1), first, cmap=colours)
            mesh.set_clim(-n_methods - 0.5, n_methods + 0.5)
        text = "methods with positive minus methods with negative attribution in three quarters of their networks (1)"
        _colour_bar(mesh, panels, text, ticks=range(-n_methods, n_methods + 1))
        return figure


def regime_bars(summary: pd.DataFrame) -> "style.Figure":
    """Return the attribution of each feature in each regime by each method, area-weighted and on one scale.

    Methods differ in the size of their attributions. Each is divided by the sum over features of its mean size,
    averaged over the area of all regimes. The predictor is the first of those that most methods explain.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of `thor.attribution.fields.regime_summary` of all methods.
    """
    predictor = summary.groupby("predictor", sort=False)["method"].nunique().idxmax()
    chosen = summary[summary["predictor"] == predictor]
    regimes, features, methods = (list(dict.fromkeys(chosen[name])) for name in ("regime", "feature", "method"))
    sizes = chosen["mean"].abs() * chosen["area_m2"]
    areas = chosen.drop_duplicates(["method", "regime"]).groupby("method")["area_m2"].sum()
    factor = chosen["method"].map(100 * areas / sizes.groupby(chosen["method"]).sum().replace(0, np.nan)).fillna(0)
    ends = ["mean", "lower_quartile", "upper_quartile"]
    chosen = chosen.assign(**{name: chosen[name] * factor for name in ends})
    with style.style():
        figure, axes = regime_panels(len(regimes), width=1.2, height=0.2 * len(features) + 1.0)
        for ax, regime in zip(axes, regimes, strict=True):
            of_regime = chosen[chosen["regime"] == regime]
            # Methods may have other players.
            rows = {name: table.set_index("feature").reindex(features) for name, table in of_regime.groupby("method")}
            draw_bars(ax, {name: tuple(rows[name][end] for end in ends) for name in methods})
            ax.set_title(f"{regime}, {of_regime['area_m2'].iloc[0] / 1e12:.0f} million km$^2$")
            ax.set_xlabel("relative attribution (%)")
            ax.label_outer()
        name_features(axes[0], features)
        axes[0].legend(loc="lower right", fontsize=6)
        style.letter_panels(axes)
        style.add_note(
            figure,
            "Bars: area-weighted mean over the cells in which the regime is predicted; lines: interquartile range.\n"
            "Relative attribution: divided by the sum over features of the method's mean size over all cells.\n"
            "LIME: local interpretable model-agnostic explanations.",
        )
        return figure


def explanation_agreement_maps(agreement: xr.Dataset) -> "style.Figure":
    """Return maps of the rank correlation of each pair of methods, and of the agreement of each method's networks.

    Parameters
    ----------
    agreement : xarray.Dataset
        As from `thor.attribution.agreement.compare`; its first predictor is drawn.
    """
    chosen = agreement.isel(predictor=0)
    area = valid_area(chosen)
    rows = [
        ("rank_correlation", "pair", "cmo.balance", (-1, 1), "rank correlation over features (1)"),
        ("network_sign_agreement", "method", "cmo.amp", (0.5, 1), "networks with the sign of the mean (1)"),
    ]
    with style.style():
        n_columns = max(chosen.sizes["pair"], chosen.sizes["method"])
        figure, axes = map_panels(2 * n_columns, n_columns=n_columns)
        for row, (name, dim, colours, limits, label) in enumerate(rows):
            beside = axes[row * n_columns : (row + 1) * n_columns]
            for ax in beside[chosen.sizes[dim] :]:
                ax.set_visible(False)
            for ax, which in zip(beside, map(str, chosen[dim].values), strict=False):
                field = chosen[name].sel({dim: which})
                mesh = draw_mesh(ax, field, agreement, cmap=style.colour_map(colours))
                mesh.set_clim(*limits)
                ax.set_title(f"{labels(which)}: {float(field.weighted(area).mean()):.2f}")
            bar = figure.colorbar(mesh, ax=beside, orientation="vertical", shrink=0.8, aspect=25, pad=0.01)
            bar.set_label(label, fontsize=7)
        style.letter_panels([ax for ax in axes if ax.get_visible()])
        return figure


def evaluation_table(evaluation: pd.DataFrame) -> "style.Figure":
    """Return the skill of each method in each measure as a table of colours and numbers.

    Parameters
    ----------
    evaluation : pandas.DataFrame
        As from `thor.attribution.evaluation.evaluate`.
    """
    measures, methods = list(dict.fromkeys(evaluation["measure"])), list(dict.fromkeys(evaluation["method"]))
    table = evaluation.set_index(["method", "measure"])
    skill = np.clip(table["skill"].unstack().loc[methods, measures].to_numpy(), -1, 1)
    with style.style():
        figure = style.new_figure(1.15 * len(measures) + 1.6, 0.42 * len(methods) + 1.4)
        ax = figure.subplots()
        image = ax.imshow(skill, cmap=style.colour_map("cmo.balance_r"), vmin=-1, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(skill):
            entry = table.loc[(methods[row], measures[column])]
            text = f"{entry['skill']:z.2f}\n{entry['low']:z.2f} to {entry['high']:z.2f}"
            colour = "white" if abs(value) > 0.6 else "black"
            ax.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
        properties = table.loc[methods[0], "property"]
        words = [f"{measure.replace('_', ' ')}\n({properties[measure]})" for measure in measures]
        ax.set_xticks(range(len(measures)), words, rotation=25, ha="right", fontsize=6.5)
        ax.set_yticks(range(len(methods)), [labels(method) for method in methods])
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        figure.colorbar(image, ax=ax, shrink=0.9, pad=0.01, label="skill (1)")
        n_cells, level = int(evaluation["n_cells"].iloc[0]), style.exact_percent(evaluation["level"].iloc[0])
        scale = f"0: as random attributions, 1: perfect; below: {level} % interval"
        ax.set_title(f"{scale}. {n_cells} cells, weighted by area")
        return figure


def feature_label(name: str) -> str:
    """Return a short label of a feature or a group of features."""
    if name in _SHORT:
        return _SHORT[name]
    return variable(name).label if is_known(name) else name.replace("_", " ")


def regime_panels(n_panels: int, *, width: float, height: float) -> "tuple[style.Figure, list[style.Axes]]":
    """Return a figure with panels on common axes, at most three in a row.

    Parameters
    ----------
    n_panels : int
    width : float
        Beside the panels [inch].
    height : float
        Of a row [inch].
    """
    n_columns = min(3, n_panels)
    figure = style.new_figure(2.9 * n_columns + width, height * -(-n_panels // n_columns))
    return figure, style.new_panels(figure, n_panels, n_columns, sharex=True, sharey=True)


def draw_bars(ax: "style.Axes", values: Mapping[str, tuple[Any, ...]]) -> None:
    """Draw horizontal bars of each feature, one for each method: its value and, where given, the ends of a line."""
    height = 0.8 / len(values)
    for row, (method, (value, *ends)) in enumerate(values.items()):
        at = np.arange(len(value)) + (row - (len(values) - 1) / 2) * height
        ax.barh(at, value, height, color=colour_of(method), label=labels(method))
        if ends:
            ax.hlines(at, *ends, color="0.2", linewidth=0.8)
    ax.axvline(0, color="0.3", linewidth=0.6)


def name_features(ax: "style.Axes", features: Sequence[str]) -> None:
    """Label the rows of a panel with the features, the first on top."""
    ax.set_yticks(range(len(features)), [feature_label(name) for name in features])
    ax.invert_yaxis()


def _feature_maps(explanation: xr.Dataset, title: str) -> "tuple[style.Figure, dict[str, style.Axes]]":
    features = [str(name) for name in explanation["feature"].values]
    figure, axes = map_panels(len(features), n_columns=3 if len(features) > 6 else 2, title=title)
    for ax, name in zip(axes, features, strict=True):
        ax.set_title(feature_label(name))
    style.letter_panels(axes)
    return figure, dict(zip(features, axes, strict=True))


def _colour_bar(mesh: Any, panels: "Mapping[str, style.Axes]", label: str, **options: Any) -> None:
    bar = bar_below(mesh, list(panels.values()), shrink=0.5, aspect=50, pad=0.02, **options)
    bar.set_label(label, fontsize=7)
