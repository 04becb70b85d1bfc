"""Regimes through time: areas, transitions, reliability of the probability of a change, and its attribution."""

from collections.abc import Mapping
from itertools import cycle, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from thor.figures.curves import BLUE, ORANGE
from thor.figures.skill import draw_matrix
from thor.figures.style import (
    OTHER_COLOURS,
    add_heading,
    add_note,
    empty_figure,
    letter_panels,
    named_colours,
    new_figure,
    new_panels,
    predictor_words,
    reliability_panels,
    style,
    years_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXPERIMENT_COLOURS = {
    "piControl": "#7f7f7f",
    "historical": "#262626",
    "1pctCO2": "#0173B2",
    "abrupt-4xCO2": "#D55E00",
    "ssp126": "#1D3354",
    "ssp245": "#EADD3D",
    "ssp370": "#F21111",
    "ssp585": "#840B22",
}
"""Scenarios have the colours of the sixth assessment report of the IPCC."""

_LINE_STYLES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_PREDICTOR_COLOURS = (BLUE, ORANGE, *OTHER_COLOURS)
_MILLION_KM2 = 1e12
_LEAST = 0.005
_FEW = 1e-3

Skill = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]


# -- areas -------------------------------------------------------------------------------------------------------------
def area_curves(
    areas: pd.DataFrame, *, predictor: str = "ensemble", basin: str = "global", change: bool = False
) -> "Figure":
    """Return the expected area of each regime through time with its spread over networks.

    Parameters
    ----------
    areas : pandas.DataFrame
        As from `thor.tracking.areas.regime_areas`. Variants of a run are averaged. Years of control runs have
        no meaning, so their mean over windows is drawn as a level.
    predictor, basin : str
    change : bool
        Draw the change from the baseline instead. It is computed inside each network, so that errors common to both
        windows cancel and the spread is much narrower.
    """
    columns = ["change_m2", "change_lower", "change_upper"] if change else ["expected_area_m2", "lower", "upper"]
    chosen = areas[(areas["predictor"] == predictor) & (areas["basin"] == basin)].dropna(subset=columns)
    with style():
        if chosen.empty:
            return empty_figure(f"No areas of {predictor_words(predictor)} in {basin.replace('_', ' ')}.")
        regimes, models, experiments = (
            list(dict.fromkeys(chosen[column])) for column in ("regime", "source_id", "experiment_id")
        )
        # The reference of all others comes first.
        experiments.sort(key=lambda name: [*EXPERIMENT_COLOURS, name].index(name))
        colours = dict(zip(experiments, named_colours(experiments, EXPERIMENT_COLOURS), strict=True))
        lines = dict(zip(models, cycle(_LINE_STYLES), strict=False))
        n_columns = 3
        figure = new_figure(8.6, 2.1 * -(-len(regimes) // n_columns) + 0.9)
        axes = new_panels(figure, len(regimes), n_columns, sharex=True)
        for ax, regime in zip(axes, regimes, strict=True):
            of_regime = chosen[chosen["regime"] == regime]
            for experiment, model in product(experiments, models):
                of_run = of_regime[(of_regime["source_id"] == model) & (of_regime["experiment_id"] == experiment)]
                curve = of_run.groupby(["window_start", "window_end"])[columns].mean() / _MILLION_KM2
                is_level = "control" in experiment.lower()
                _draw_area(ax, curve, is_level, color=colours[experiment], linestyle=lines[model])
            if change:
                ax.axhline(0, color="0.6", linewidth=0.6, zorder=0)
            ax.set_title(regime)
        for ax in axes[::n_columns]:
            ax.set_ylabel(f"{'change of the' if change else 'expected'} area ($10^6$ km$^2$)")
        for ax in axes[-n_columns:]:
            ax.set_xlabel("year")
            ax.tick_params(labelbottom=True)
        for experiment in experiments:
            axes[0].plot([], [], color=colours[experiment], label=experiment)
        for model in models:
            axes[0].plot([], [], color="0.3", linestyle=lines[model], label=model)
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(experiments) + len(models)
        )
        where = "" if basin == "global" else f" of the {basin.replace('_', ' ')}"
        what = f"{'Change of area' if change else 'Area'} of regimes{where}"
        add_heading(figure, f"{what}, {predictor_words(predictor)}: mean and spread over networks")
        letter_panels(axes)
        return figure


def transition_matrices(transitions: pd.DataFrame, *, predictor: str = "ensemble", n_columns: int = 3) -> "Figure":
    """Return the area that changes from each regime of the baseline to each regime, in the last window of each run.

    Parameters
    ----------
    transitions : pandas.DataFrame
        As from `thor.tracking.areas.regime_transitions`: a panel for each run in it.
    predictor : str
    n_columns : int
        Panels beside one another.
    """
    chosen = transitions[transitions["predictor"] == predictor]
    with style():
        if chosen.empty:
            return empty_figure("No run has a baseline.")
        runs = list(chosen.groupby(["source_id", "experiment_id", "variant_label"], sort=False))
        columns = min(n_columns, len(runs))
        n_rows = -(-len(runs) // columns)
        figure = new_figure(3.3 * columns + 0.6, 3.45 * n_rows + 0.4)
        # Labels below a square panel must not overlap the title of the next.
        figure.set_layout_engine("constrained", h_pad=0.12)
        axes = new_panels(figure, len(runs), columns)
        last = [of_run[of_run["window_start"] == of_run["window_start"].max()] for _, of_run in runs]
        moved = pd.concat(last)
        moved = moved[moved["regime"] != moved["regime_before"]]
        highest = max(float(moved["area_m2"].max()) / _MILLION_KM2, 1e-9)
        for ax, of_run in zip(axes, last, strict=True):
            image = _draw_transitions(ax, of_run, highest)
        for ax in axes[::columns]:
            ax.set_ylabel("regime before")
        bar = figure.colorbar(image, ax=axes, shrink=0.8 / n_rows, aspect=20, pad=0.02)
        bar.set_label("area of change ($10^6$ km$^2$)")
        letter_panels(axes)
        add_note(
            figure,
            f"In each cell: area in $10^6$ km$^2$ and its spread over networks "
            f"({predictor_words(predictor)}); none under {_LEAST:g}. "
            "Grey: area without a change.",
        )
        return figure


# -- skill ---------------------------------------------------------------------------------------------
def change_reliability(skill: Skill, *, window: str = "all") -> "Figure":
    """Return the frequency of true changes of regime against their probability, for each experiment.

    Parameters
    ----------
    skill : mapping
        {experiment: {window: {predictor: scores}}}, the entry `pooled` of
        `thor.tracking.perfect_model.perfect_model_skill`; experiments without a baseline are left out.
    window : str
    """
    drawn = {
        name: {predictor: scores["change"] for predictor, scores in windows[window].items() if "change" in scores}
        for name, windows in skill.items()
        if window in windows
    }
    drawn = {name: changes for name, changes in drawn.items() if changes}
    with style():
        if not drawn:
            return empty_figure("No run with a known true change of regimes.")
        level = next(iter(next(iter(drawn.values())).values()))["reliability"][0]["level"]
        figure = new_figure(2.7 * len(drawn) + 0.5, 4.2)
        panels = reliability_panels(figure, len(drawn))
        for (above, below), (name, changes) in zip(panels, drawn.items(), strict=True):
            for number, (predictor, change) in enumerate(changes.items()):
                _draw_change_reliability(above, below, number, len(changes), predictor, change)
            above.set_title(name)
            above.legend(loc="best")
            below.set_xlabel("probability of a change (1)")
        panels[0][0].set_ylabel("share of the area that changed (1)")
        panels[0][1].set_ylabel("share of the area (%)")
        letter_panels(above for above, _ in panels)
        add_note(
            figure,
            f"ECE: expected calibration error. Lines: {100 * level:.0f} % block-bootstrap interval.\n"
            f"Open: bins with less than {100 * _FEW:g} % of the area.",
        )
        return figure


# -- parts of panels ---------------------------------------------------------------------------------------------------
def _draw_area(ax: "Axes", curve: pd.DataFrame, is_level: bool, **line: Any) -> None:
    if curve.empty:
        return
    if is_level:
        ax.axhline(float(curve.iloc[:, 0].mean()), linewidth=0.9, zorder=1, **line)
        return
    bounds = curve.index.to_frame()
    middle = 0.5 * (bounds["window_start"] + bounds["window_end"] + 1).to_numpy()
    mean, lower, upper = curve.to_numpy().T
    ax.fill_between(middle, lower, upper, color=line["color"], alpha=0.1, linewidth=0)
    ax.plot(middle, mean, marker="o", markersize=2, **line)


def _draw_transitions(ax: "Axes", of_run: pd.DataFrame, highest: float) -> Any:
    names = list(dict.fromkeys(of_run["regime"]))
    mean, lower, upper = (
        of_run.pivot(index="regime_before", columns="regime", values=column).loc[names, names].to_numpy() / _MILLION_KM2
        for column in ("area_m2", "lower", "upper")
    )
    shown, moved = mean >= _LEAST, np.where(np.eye(len(names), dtype=bool), np.nan, mean)
    ends = ("\N{EN DASH}".join(map(short_number, pair)) for pair in zip(lower[shown], upper[shown], strict=True))
    texts = {
        (row, column): (short_number(mean[row, column]), interval)
        for (row, column), interval in zip(np.argwhere(shown), ends, strict=True)
    }
    image = draw_matrix(ax, moved, texts, names, highest=highest, dark=0.6 * highest)
    first = of_run.iloc[0]
    ax.set_xlabel(f"regime {years_text(first['window'])}, before: {years_text(first['baseline_window'])}")
    ax.set_title(f"{first['source_id']} {first['experiment_id']}")
    return image


def _draw_change_reliability(
    above: "Axes", below: "Axes", number: int, n_predictors: int, predictor: str, change: Mapping[str, Any]
) -> None:
    colour, rows = _PREDICTOR_COLOURS[number], pd.DataFrame(change["reliability"])
    skill = change["brier_skill"]
    label = f"{predictor_words(predictor)}, ECE {change['expected_calibration_error']:.3f}"
    label += f",\nBrier skill {skill:.2f}" if skill is not None else ""
    names = ["mean_probability", "observed_frequency", "low", "high"]
    stated, observed, low, high = rows[names].to_numpy(float).T
    many = (rows["area"] >= _FEW * rows["area"].sum()).to_numpy()
    above.vlines(stated, low, high, color=colour, linewidth=0.9, alpha=np.where(many, 0.7, 0.25))
    above.plot(stated[many], observed[many], "o-", color=colour, markersize=3, label=label)
    above.plot(stated[~many], observed[~many], "o", color=colour, markersize=3, markerfacecolor="white")
    width = (rows["to"] - rows["from"]).to_numpy() / (n_predictors + 0.5)
    share = 100 * rows["area"] / rows["area"].sum()
    below.bar(rows["from"] + width * (number + 0.75), share, width=width, color=colour)


def short_number(value: float) -> str:
    """Return a number with two significant digits; from ten on as a whole number."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.95 else f"{value:.2f}"
