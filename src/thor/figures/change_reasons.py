"""Why regimes change: attribution of transitions to the features, and changes of the terms of the budget."""

from typing import Any

import numpy as np
import xarray as xr

from thor.core.variables import variable
from thor.figures import style
from thor.figures.attribution import feature_label
from thor.figures.curves import BLUE, ORANGE

_PER_MINUS_11 = 1e11


def change_attribution_bars(attribution: xr.Dataset, terms: xr.Dataset) -> "style.Figure":
    """Return the attribution of each transition to the features and, below, the changes of the terms of the budget.

    Parameters
    ----------
    attribution : xarray.Dataset, dims (transition, feature)
        As from `thor.tracking.reasons.transitions_to_draw`.
    terms : xarray.Dataset, dims (transition, term)
        As from `thor.tracking.term_changes.terms_to_draw`, of the same transitions, or of none.
    """
    n_transitions = attribution.sizes["transition"]
    with style.style():
        if not n_transitions:
            return style.empty_figure("No cell changes its regime.")
        features = [str(name) for name in attribution["feature"].values]
        columns = min(3, n_transitions)
        n_rows = -(-n_transitions // columns)
        height, of_terms = (0.17 * len(features) + 0.55) * n_rows + 0.5, 1.5 * n_rows + 0.3
        drawn = terms if terms.sizes["transition"] else None
        figure = style.new_figure(2.5 * columns + 1.4, height if drawn is None else height + of_terms)
        above: Any = figure
        if drawn is not None:
            subfigures: Any = figure.subfigures(2, 1, height_ratios=[height, of_terms])
            above, below = subfigures
        axes = style.new_panels(above, n_transitions, columns, sharey=True, sharex=True)
        for place, ax in enumerate(axes):
            of_transition = attribution.isel(transition=place)
            _draw_bars(ax, of_transition)
            area = _short_number(float(of_transition["area"]) / style.MILLION_KM2)
            ax.set_title(rf"{of_transition['transition'].values!s}, {area} $\times$ 10$^6$ km$^2$")
        style.label_edges(axes, columns, x="contribution to the change of the logit (1)")
        style.name_rows(axes[0], [feature_label(name) for name in features])
        window, baseline = (style.years_text(attribution.attrs[name]) for name in ("window", "baseline_window"))
        predictor = style.predictor_words(attribution.attrs["predictor"])
        text = f"{window} against {baseline} of the parent run, {predictor}"
        style.add_heading(figure, f"{attribution.attrs['run'].replace('/', ' ')}, {text}")
        style.letter_panels(axes if drawn is None else [*axes, *_draw_terms(below, drawn, columns)])
        return figure


def _draw_terms(figure: Any, terms: xr.Dataset, columns: int) -> list["style.Axes"]:
    """Draw the change of each term, a panel for each transition; return the panels."""
    names = [str(name) for name in terms["term"].values]
    axes = list(style.new_panels(figure, terms.sizes["transition"], columns, sharey=True))
    for place, ax in enumerate(axes):
        of_transition = terms.isel(transition=place)
        _draw_bars(ax, of_transition, scale=_PER_MINUS_11)
        ax.set_title(str(of_transition["transition"].values))
    style.label_edges(axes, columns, x="change of the term ($10^{-11}$ m s$^{-2}$)")
    style.name_rows(axes[0], [variable(name).label for name in names])
    return axes


def _draw_bars(ax: "style.Axes", of_transition: xr.Dataset, *, scale: float = 1.0) -> None:
    """Draw a bar for each mean, with its interval."""
    mean, lower, upper = (of_transition[name].values * scale for name in ("mean", "lower", "upper"))
    rows = np.arange(len(mean))
    ax.barh(rows, mean, height=0.6, color=np.where(mean >= 0, BLUE, ORANGE))
    ax.hlines(rows, lower, upper, color="0.2", linewidth=0.8)
    ax.axvline(0, color="0.2", linewidth=0.6)
    ax.tick_params(axis="y", length=0)


def _short_number(value: float) -> str:
    """Return a number with two significant digits; from ten on as a whole number."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.95 else f"{value:.2f}"
