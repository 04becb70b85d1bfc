"""Criteria for the number of clusters, and the balance of terms in each regime."""

from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.variables import variable
from thor.figures import style

BLUE, ORANGE = "#0173B2", "#DE8F05"

SERIES_COLOURS = tuple(dict.fromkeys((BLUE, ORANGE, *style.OTHER_COLOURS)))
"""Of predictors or climate models side by side, in their order; no two are alike."""

_LETTERS = 46
"""In a line of the titles of balances."""


def selection_curves(selection: pd.DataFrame, *, n_clusters: int, selected: int | None) -> "style.Figure":
    """Return the criteria for the number of clusters k: means over repeats, with their range as a band.

    Parameters
    ----------
    selection : pandas.DataFrame
        One row for each k and repeat, as from `thor.regimes.selection.cluster_selection`.
    n_clusters : int
        The k in use, marked by a line.
    selected : int or None
        The k selected by `thor.regimes.selection.selected_number`, marked by a circle on its criteria.
    """
    areas = [name for name in selection.columns if name.startswith("area_")]
    panels: list[tuple[str, str, dict[str, str | None]]] = [
        ("Inertia", "squared standard deviations", {"inertia": None}),
        ("Information criteria", "per cell", {"aic_per_cell": "Akaike (AIC)", "bic_per_cell": "Bayesian (BIC)"}),
        ("Silhouette", "coefficient", {"silhouette": None}),
        (
            "Stability of single runs",
            "adjusted Rand index",
            {"stability_seeds": "between seeds", "stability_blocks": "between block bootstraps"},
        ),
        ("Area of the large clusters", "share of the area", {name: name.removeprefix("area_") for name in areas}),
    ]
    with style.style():
        figure = style.new_figure(8.4, 4.6)
        axes = style.new_panels(figure, len(panels), 3)
        for ax, (title, unit, curves) in zip(axes, panels, strict=True):
            _draw_curves(ax, selection, curves)
            ax.axvline(n_clusters, color="0.7", linewidth=0.8, zorder=0)
            ax.set_title(title)
            ax.set_xlabel("number of clusters k")
            ax.set_ylabel(unit)
        for ax, column in ((axes[1], "bic_per_cell"), (axes[3], "stability_seeds")):
            chosen = selection[selection["n_clusters"] == selected].groupby("n_clusters")[column].mean()
            ax.plot(chosen.index, chosen, "o", markersize=8, markerfacecolor="none", color="0.2")
        axes[3].set_ylim(0.0, 1.02)
        axes[4].set_ylim(bottom=0.0)
        style.letter_panels(axes)
        choice = f"Selected by BIC and stability between seeds: {f'k = {selected} (circles)' if selected else 'none'}"
        style.add_heading(figure, f"In use: k = {n_clusters} (grey line). {choice}")
        return figure


def balance_bars(balances: xr.Dataset) -> "style.Figure":
    """Return the area-weighted mean of each term with its interval, and the dominant balance, for each regime.

    Parameters
    ----------
    balances : xarray.Dataset
        As from `thor.regimes.balances.regime_balances`: `mean`, `mean_interval` [m s-2], `best_subset`, `best_m_score`,
        `area_fraction`, `regime_long_name`.
    """
    names = [str(name) for name in balances["regime_name"].values]
    terms = [str(term) for term in balances["term"].values]
    with style.style():
        meanings = [str(text) for text in balances["regime_long_name"].values]
        n_lines = max(len(wrap(text, _LETTERS)) for text in meanings)
        figure = style.new_figure(9.0, (1.9 + 0.11 * n_lines) * -(-len(names) // 3) + 0.3)
        axes = style.new_panels(figure, len(names), 3, sharex=True, sharey=True)
        largest = np.nanmax(np.abs(balances["mean"].values))
        exponent = int(np.floor(np.log10(largest))) if np.isfinite(largest) and largest > 0 else 0
        for ax, name, meaning, colour in zip(axes, names, meanings, style.regime_colours(names), strict=True):
            regime = balances.sel(regime_name=name)
            _draw_balance(ax, regime, colour, exponent)
            score = float(regime["best_m_score"])
            of_area = f"{100 * float(regime['area_fraction']):.0f} % of the area"
            ax.set_title(f"{name}, {of_area}, M = {score:.2f}\n{meaning}", fontsize=7)
        axes[0].set_yticks(range(len(terms)), [variable(term).label for term in terms])
        axes[0].invert_yaxis()
        style.label_edges(axes, 3, x=rf"$10^{{{exponent}}}$ m s$^{{-2}}$")
        style.letter_panels(axes)
        for ax in axes:
            style.break_paragraphs(ax._left_title, _LETTERS)  # type: ignore[attr-defined]
        level = style.exact_percent(float(balances["bound"][1] - balances["bound"][0]) / 100)
        shown = f"Area-weighted mean of each term with its {level} % block-bootstrap interval"
        style.add_heading(figure, f"{shown}; filled: the dominant balance")
        style.add_note(
            figure,
            "All panels have one axis. M: score of the dominant balance, high where its terms are of similar size and "
            "much larger than all others (1: perfect).",
        )
        return figure


def _draw_curves(ax: "style.Axes", selection: pd.DataFrame, curves: dict[str, str | None]) -> None:
    grouped = selection.groupby("n_clusters")
    shades = style.colour_map("cmo.deep")(np.linspace(0.25, 0.95, len(curves))) if len(curves) > 2 else (BLUE, ORANGE)
    for (column, label), colour in zip(curves.items(), shades, strict=False):
        mean, low, high = grouped[column].mean(), grouped[column].min(), grouped[column].max()
        ax.fill_between(mean.index, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(mean.index, mean, color=colour, marker="o", markersize=2.5, label=label)
    ax.locator_params(axis="x", integer=True)
    if any(curves.values()):
        ax.legend(ncols=2 if len(curves) > 3 else 1, loc="best" if len(curves) > 3 else "lower left")


def _draw_balance(ax: "style.Axes", balance: xr.Dataset, colour: str, exponent: int) -> None:
    mean, interval = balance["mean"].values, balance["mean_interval"].transpose("term", "bound").values
    scale = 10.0**-exponent
    dominant = str(balance["best_subset"].values).split(" + ")
    for row, term in enumerate(map(str, balance["term"].values)):
        face = colour if term in dominant else "white"
        ax.barh(row, mean[row] * scale, height=0.62, facecolor=face, edgecolor=colour, linewidth=0.9)
    # A percentile interval may exclude the mean; error bars cannot be negative.
    spread = np.maximum(np.abs(interval - mean[:, None]) * (np.sign(interval - mean[:, None]) * [-1, 1] > 0), 0)
    look: dict[str, Any] = {"fmt": "none", "ecolor": "0.2", "elinewidth": 0.8, "capsize": 1.5}
    ax.errorbar(mean * scale, range(len(mean)), xerr=spread.T * scale, **look)
    ax.axvline(0, color="0.2", linewidth=0.6)
    ax.tick_params(axis="y", length=0)
