"""Calibration and uncertainty: reliability, maps of uncertainty, risk against coverage, conformal sets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.variables import variable
from thor.figures import style
from thor.figures.curves import BLUE, ORANGE
from thor.figures.maps import draw_field, map_panels

Calibration = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]

FEW_CELLS = 100
"""A coverage of fewer cells than this is drawn open: it is uncertain."""

FEW_SHARE = 1e-3
"""A bin with a smaller share of the cells is drawn open and not joined to the others."""

_STAGES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "before": ("before calibration", {"color": ORANGE, "marker": "o", "markersize": 5, "linewidth": 2.4}),
    "after": ("after calibration", {"color": BLUE, "marker": "s", "markersize": 2.5, "linewidth": 0.9}),
}
"""Label and line; the first is wider, so that it is seen where calibration changes nothing."""
_COLOURS = ("#0173B2", "#D55E00", "#029E73", "#CC78BC", *style.OTHER_COLOURS)


def reliability_curves(calibration: Calibration) -> "style.Figure":
    """Return the share of correct test cells against the stated probability, before and after calibration.

    Parameters
    ----------
    calibration : mapping
        {predictor: {region: {stage: {metric: value}}}} as from `thor.uncertainty.calibration.calibration_table`. Bins
        with less than `FEW_SHARE` of the cells are drawn open.
    """
    with style.style():
        figure = style.new_figure(2.5 * len(calibration) + 0.4, 4.1)
        panels = style.reliability_panels(figure, len(calibration), label="perfect")
        for (above, below), name in zip(panels, style.in_reading_order(calibration), strict=True):
            stages = calibration[name]["test"]
            for stage in _STAGES:
                _draw_reliability(above, below, stage, stages[stage])
            errors = [stages[stage]["expected_calibration_error"] for stage in _STAGES]
            above.set_title("{}\nECE {:.3f} before, {:.3f} after".format(style.predictor_words(name), *errors))
            below.set_xlabel("largest probability (1)")
        figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
        panels[0][0].set_ylabel("share of correct cells (1)")
        panels[0][1].set_ylabel("share of cells (1)")
        few = f"Open: bins with less than {100 * FEW_SHARE:g} % of the cells."
        style.add_note(figure, f"ECE: expected calibration error. Vertical lines: intervals for an unseen ocean. {few}")
        style.letter_panels(above for above, _ in panels)
        return figure


def network_reliability_curves(bins: pd.DataFrame, title: str) -> "style.Figure":
    """Return the share of correct cells against the stated probability of one network, outside its training region.

    Parameters
    ----------
    bins : pandas.DataFrame
        A row for each region and bin: `region`, `n_cells`, `confidence`, `accuracy`, as from
        `thor.networks.member_skill.network_reliability`.
    title : str
    """
    with style.style():
        figure = style.new_figure(3.2, 3.0)
        ax = figure.subplots()
        style.add_diagonal(ax)
        for (region, rows), colour in zip(bins[bins["region"] != "train"].groupby("region"), _COLOURS, strict=False):
            gap = np.average(np.abs(rows["confidence"] - rows["accuracy"]), weights=rows["n_cells"])
            label = f"{region}, ECE {gap:.3f}"
            ax.plot(rows["confidence"], rows["accuracy"], "o-", color=colour, markersize=3, label=label)
        ax.set(xlabel="largest probability (1)", ylabel="share of correct cells (1)")
        ax.set_title(title)
        ax.legend(loc="upper left")
        style.add_note(figure, "ECE: expected calibration error.")
        return figure


def uncertainty_maps(uncertainty: xr.Dataset, wrong: xr.DataArray) -> "style.Figure":
    """Return maps of predictive entropy and mutual information, and their histograms in correct and in wrong cells.

    Parameters
    ----------
    uncertainty : xarray.Dataset, dims (lat, lon) or (y, x)
        `predictive_entropy` and `mutual_information` [bit] of one predictor, coordinates `lat`, `lon`.
    wrong : xarray.DataArray
        1 where the predicted regime is not the label, 0 where it is, NaN in cells that do not count.
    """
    names = ("predictive_entropy", "mutual_information")
    with style.style():
        figure, axes = map_panels(4, n_columns=2, grey="land, and cells without features")
        for place, name in enumerate(names):
            draw_field(axes[place], uncertainty[name], uncertainty)
            # The lower panels are not maps.
            figure.delaxes(axes[2 + place])
            axes[2 + place] = figure.add_subplot(2, 2, 3 + place)
            _draw_histogram(axes[2 + place], uncertainty[name].values, wrong.transpose(*uncertainty[name].dims).values)
            axes[2 + place].set_xlabel(f"{variable(name).label.lower()} ({variable(name).units})")
            axes[2 + place].set_title("In correct and in wrong cells")
        axes[2].set_ylabel("density (bit$^{-1}$)")
        style.letter_panels(axes)
        return figure


def risk_coverage_curves(calibration: Calibration) -> "style.Figure":
    """Return the share of wrong test cells by their entropy after calibration, and by the dissimilarity of the inputs.

    Parameters
    ----------
    calibration : mapping
        As for `reliability_curves`; where the ensemble's region holds `error_by_dissimilarity`, as from
        `thor.uncertainty.applicability.error_by_dissimilarity`, a second panel shows it.
    """
    dissimilar: Any = calibration.get("ensemble", {}).get("test", {}).get("error_by_dissimilarity")
    with style.style():
        figure = style.new_figure(7.6 if dissimilar else 4.4, 3.2)
        ax, *others = figure.subplots(1, 2 if dissimilar else 1, squeeze=False)[0]
        for name, colour in zip(style.in_reading_order(calibration), _COLOURS, strict=False):
            curve = calibration[name]["test"]["after"]["risk_coverage_curves"]["entropy"]
            coverage, risk = (100.0 * np.array(curve[key]) for key in ("coverage", "risk"))
            label = f"{style.predictor_words(name)} (area {curve['area']:.3f})"
            ax.plot(coverage, risk, color=colour, label=label)
            ax.axhline(risk[-1], color=colour, linewidth=0.6, linestyle=":")
        ax.set(xlim=(0, 100), ylim=(0, None))
        ax.set_xlabel("cells kept, in order of rising entropy (%)")
        ax.set_ylabel("wrong cells among them (%)")
        ax.set_title("Risk and coverage; dotted: no skill")
        ax.legend(loc="center left")
        if dissimilar:
            _draw_error_by_dissimilarity(others[0], dissimilar)
            style.letter_panels([ax, *others])
        return figure


def coverage_bars(coverage: Mapping[str, Mapping[str, Any]]) -> "style.Figure":
    """Return the coverage and the size of conformal sets, by basin and by regime.

    Parameters
    ----------
    coverage : mapping
        {region: {metric: value}} as from `thor.uncertainty.conformal.coverage_table`. Regimes with fewer than
        `FEW_CELLS` cells in a region are drawn open, regions without sets not at all.
    """
    coverage = {name: entry for name, entry in coverage.items() if entry["set_share"] > 0}
    regions = list(coverage)
    regimes = style.in_reading_order(coverage[regions[0]]["by_regime"], first=tuple(style.PALETTES["published"]))
    level = 100.0 * coverage[regions[0]]["confidence_level"]
    with style.style():
        figure = style.new_figure(8.8, 0.42 * len(regions) + 1.3)
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2, 1])
        for row, entry in enumerate(coverage.values()):
            dot: dict[str, Any] = {"color": "0.1", "markersize": 5, "zorder": 4}
            left.plot(100 * entry["coverage"], row, "o", label="all cells" if row == 0 else None, **dot)
            right.plot(entry["mean_set_size"], row, "o", **dot)
            for regime, colour in zip(regimes, style.regime_colours(regimes), strict=True):
                of = entry["by_regime"][regime]
                if of["coverage"] is not None:
                    face = colour if of["n_cells"] >= FEW_CELLS else "white"
                    mark = {"marker": "D", "color": colour, "markersize": 3.5, "markerfacecolor": face}
                    left.plot(100 * of["coverage"], row + 0.25, **mark)
                    right.plot(of["mean_set_size"], row + 0.25, **mark)
        left.axvline(level, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
        style.name_rows(left, [f"{style.basin_words(name)}\n{of['n_cells']:,} cells" for name, of in coverage.items()])
        left.set_xlabel("cells whose set contains the label (%)")
        left.set_title(f"Coverage; dashed: {style.exact_percent(level / 100)} % nominal; open: under {FEW_CELLS} cells")
        right.set_xlabel("mean number of regimes in a set (1)")
        right.set_title("Size of the sets")
        for regime, colour in zip(regimes, style.regime_colours(regimes), strict=True):
            left.plot([], [], "D", color=colour, markersize=3.5, label=f"cells labelled {regime}")
        figure.legend(*left.get_legend_handles_labels(), loc="outside right upper")
        style.letter_panels([left, right])
        meaning = "A set contains the regimes that cannot be excluded at this level"
        style.add_note(figure, f"{meaning}: with 1 the regime is unique, with more it is ambiguous.")
        return figure


def _draw_reliability(above: "style.Axes", below: "style.Axes", stage: str, entry: Mapping[str, Any]) -> None:
    label, line = _STAGES[stage]
    colour, marker = line["color"], line["marker"]
    curve = entry["reliability_curve"]
    stated, correct, share = (np.asarray(curve[name], dtype=float) for name in ("confidence", "accuracy", "share"))
    many = share >= FEW_SHARE
    above.plot(stated[many], correct[many], label=label, **line)
    low, high = (np.array(curve.get(name, [None] * len(stated)), dtype=float)[many] for name in ("low", "high"))
    above.vlines(stated[many], low, high, color=colour, linewidth=0.8, alpha=0.6)
    above.scatter(stated[~many], correct[~many], s=9, marker=marker, edgecolor=colour, facecolor="white")
    below.plot(stated, share, **line)


def _draw_error_by_dissimilarity(ax: "style.Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    for inside, colour, label in (
        (True, BLUE, "inside the area of applicability"),
        (False, ORANGE, "outside the area of applicability"),
    ):
        chosen = [row for row in rows if bool(row["inside"]) is inside]
        if chosen:
            x, y = ([row[name] for row in chosen] for name in ("mean_dissimilarity", "error_rate"))
            n_cells = sum(row["n_cells"] for row in chosen)
            ax.plot(x, 100.0 * np.array(y), "o-", color=colour, markersize=4, label=f"{label}, {n_cells:,} cells")
    ax.set(ylim=(0, None), xlabel="dissimilarity to the training inputs (1)", ylabel="wrong cells (%)")
    ax.set_title("Errors of the ensemble by dissimilarity")
    ax.legend(loc="best")


def _draw_histogram(ax: "style.Axes", values: np.ndarray, wrong: np.ndarray) -> None:
    counted = np.isfinite(values) & np.isfinite(wrong)
    edges = np.linspace(0.0, np.quantile(values[counted], 0.995), 41).tolist()
    highest = 0.0
    for flag, colour, label in ((0, BLUE, "correct"), (1, ORANGE, "wrong")):
        chosen = values[counted & (wrong == flag)]
        if chosen.size:
            label = f"{label}, mean {chosen.mean():.3f} bit"
            density, *_ = ax.hist(chosen, edges, density=True, histtype="step", color=colour, label=label)
            ax.axvline(chosen.mean(), color=colour, linewidth=0.7, linestyle=":")
            highest = max(highest, float(np.max(density)))
    ax.set_ylim(0.0, 1.45 * highest)
    ax.legend(loc="upper right")
