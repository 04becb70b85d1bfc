"""Regimes through time: areas, transitions, reliability of the probability of a change, and its attribution."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from thor.core.errors import counted
from thor.figures.curves import BLUE, ORANGE
from thor.figures.style import (
    MILLION_KM2,
    MOST_MODELS,
    OTHER_COLOURS,
    add_heading,
    add_legend,
    add_note,
    empty_figure,
    letter_panels,
    name_rows,
    named_colours,
    new_figure,
    new_panels,
    predictor_words,
    reliability_panels,
    style,
    years_text,
)
from thor.reading.runs import is_at_level, without_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

EXPERIMENT_COLOURS = {
    "piControl": "#7f7f7f",
    "historical": "#262626",
    "1pctCO2": "#0173B2",
    "abrupt-4xCO2": "#D55E00",
    "ssp126": "#1D3354",
    "ssp245": "#EADD3D",
    "ssp370": "#F21111",
    "ssp585": "#840B22",
    "scen7-vl": "#24A4FF",
    "scen7-ln": "#4A0DAF",
    "scen7-l": "#00CC69",
    "scen7-ml": "#F5AC00",
    "scen7-m": "#FFA9DC",
    "scen7-hl": "#8F003B",
    "scen7-h": "#700000",
}
"""Scenarios of CMIP6 have the colours of the sixth assessment report of the IPCC, those of CMIP7 the ones of the
notebooks of their emissions (iiasa/emissions_harmonization_historical)."""

_LINE_STYLES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_PREDICTOR_COLOURS = (BLUE, ORANGE, *OTHER_COLOURS)
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
        As from `thor.tracking.areas.regime_areas`. Variants of a run are averaged. Thick: mean over climate models;
        shaded: their range; thin: each model, named where there are at most `MOST_MODELS`. Of one model, the shading
        is the spread over networks. Years of control runs have no meaning, so their mean over windows is drawn as a
        level. Windows at warming levels are left out.
    predictor, basin : str
    change : bool
        Draw the change from the baseline instead. It is computed inside each network, so that errors common to both
        windows cancel and the spread is much narrower.
    """
    columns = ["change_m2", "change_lower", "change_upper"] if change else ["expected_area_m2", "lower", "upper"]
    chosen = areas[(areas["predictor"] == predictor) & (areas["basin"] == basin)].dropna(subset=columns)
    chosen = chosen[~chosen["experiment_id"].map(is_at_level)]
    with style():
        if chosen.empty:
            return empty_figure(f"No areas of {predictor_words(predictor)} in {basin.replace('_', ' ')}.")
        regimes, models, experiments = (
            list(dict.fromkeys(chosen[column])) for column in ("regime", "source_id", "experiment_id")
        )
        # The reference of all others comes first.
        experiments.sort(key=lambda name: [*EXPERIMENT_COLOURS, name].index(name))
        colours = experiment_colours(experiments)
        several, named = len(models) > 1, len(models) <= MOST_MODELS
        lines = dict(zip(models, cycle(_LINE_STYLES if named else "-"), strict=False))
        n_columns = 3
        figure = new_figure(8.6, 2.1 * -(-len(regimes) // n_columns) + 0.9)
        axes = new_panels(figure, len(regimes), n_columns, sharex=True)
        for ax, regime in zip(axes, regimes, strict=True):
            of_regime = chosen[chosen["regime"] == regime]
            for experiment in experiments:
                of_experiment = of_regime[of_regime["experiment_id"] == experiment]
                is_level = "control" in experiment.lower()
                curves = {
                    model: of_run.groupby(["window_start", "window_end"])[columns].mean() / MILLION_KM2
                    for model, of_run in of_experiment.groupby("source_id")
                }
                for model, curve in curves.items() if named or not is_level else ():
                    thin = {"linewidth": 0.5, "alpha": 0.6 if named else 0.25} if several else {}
                    _draw_area(ax, curve, is_level, several, color=colours[experiment], linestyle=lines[model], **thin)
                if several and curves:
                    _draw_area(ax, _over_models(list(curves.values())), is_level, color=colours[experiment])
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
        for model in models if named else ():
            axes[0].plot([], [], color="0.3", linestyle=lines[model], linewidth=0.5 if several else None, label=model)
        add_legend(figure, axes[0], n_columns=8)
        where = "" if basin == "global" else f" of the {basin.replace('_', ' ')}"
        what = f"{'Change of area' if change else 'Area'} of regimes{where}"
        of = "climate models" if named else f"{len(models)} climate models"
        shown = f"mean and range over {of}, thin: each model" if several else "mean and spread over networks"
        add_heading(figure, f"{what}, {predictor_words(predictor)}: {shown}")
        letter_panels(axes)
        return figure


def main_transitions(transitions: pd.DataFrame, *, predictor: str = "ensemble", n_shown: int = 8) -> "Figure":
    """Return the area of the largest transitions between regimes in the last window, by climate model and experiment.

    Parameters
    ----------
    transitions : pandas.DataFrame
        As from `thor.tracking.areas.regime_transitions`; all others are in this table.
    predictor : str
    n_shown : int
        Transitions of the largest mean area over all runs.
    """
    chosen = transitions[transitions["predictor"] == predictor]
    with style():
        if chosen.empty:
            return empty_figure("No run has a baseline.")
        runs = chosen.groupby(["source_id", "experiment_id", "variant_label"])["window_start"]
        is_last = chosen["window_start"] == runs.transform("max")
        moved = chosen[is_last & (chosen["regime"] != chosen["regime_before"])]
        moved = moved.assign(transition=moved["regime_before"] + " \N{RIGHTWARDS ARROW} " + moved["regime"])
        largest = moved.groupby("transition")["area_m2"].mean().nlargest(n_shown).index
        experiments = sorted(
            set(moved["experiment_id"]), key=lambda name: ([*EXPERIMENT_COLOURS, name].index(name), name)
        )
        models = sorted(set(moved["source_id"]))
        windows = moved.groupby("experiment_id")["window"].unique()
        lines = f"Lines: spread over networks ({predictor_words(predictor)})."
        if many := len(models) > MOST_MODELS:
            moved, lines = _mean_of_models(moved, chosen), "Bars: mean of climate models; lines: their range."
            models = sorted(set(moved["source_id"]))
        figure = new_figure(2.6 * len(experiments) + 1.3, 0.16 * (len(models) + 1) * len(largest) + 1.1)
        axes = new_panels(figure, len(experiments), len(experiments), sharex=True, sharey=True)
        colours = list(islice(cycle(_PREDICTOR_COLOURS), len(models)))
        height = 0.8 / len(models)
        for ax, experiment in zip(axes, experiments, strict=True):
            of_experiment = moved[moved["experiment_id"] == experiment]
            for number, (model, colour) in enumerate(zip(models, colours, strict=True)):
                rows = of_experiment[of_experiment["source_id"] == model].groupby("transition")
                table = rows[["area_m2", "lower", "upper"]].mean().reindex(largest) / MILLION_KM2
                at = np.arange(len(largest)) + (number - (len(models) - 1) / 2) * height
                ax.barh(at, table["area_m2"], height, color=colour, label=model)
                ax.hlines(at, table["lower"], table["upper"], color="0.15", linewidth=0.8)
            last = windows[experiment]
            ax.set_title(f"{experiment}, {years_text(last[0]) if len(last) == 1 else 'each in its window'}")
            ax.set_xlabel("area ($10^6$ km$^2$)")
            if many:
                n_models = counted(of_experiment["n_models"].iloc[0], "climate model")
                ax.text(0.97, 0.04, n_models, transform=ax.transAxes, ha="right", va="bottom")
        name_rows(axes[0], list(largest))
        if not many:
            axes[0].legend(loc="lower right")
        share = moved[moved["transition"].isin(largest)]["area_m2"].sum() / moved["area_m2"].sum()
        letter_panels(axes)
        add_note(
            figure,
            f"Regime of the baseline and of the window. {lines} "
            f"{100 * share:.0f} % of all changes; the others are in regime_transitions.csv.",
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
        figure = new_figure(2.7 * len(drawn) + 0.5, 4.4)
        panels = reliability_panels(figure, len(drawn))
        predictors = dict.fromkeys(predictor for changes in drawn.values() for predictor in changes)
        colours = dict(zip(predictors, _PREDICTOR_COLOURS, strict=False))
        shown: dict[str, Line2D] = {}
        for (above, below), (name, changes) in zip(panels, drawn.items(), strict=True):
            for number, (predictor, change) in enumerate(changes.items()):
                place = number, len(changes)
                shown[predictor] = _draw_change_reliability(above, below, place, colours[predictor], change)
            above.set_title(name)
            above.legend(loc="lower right", fontsize="x-small", handlelength=1)  # curves lie near the diagonal
            below.set_xlabel("probability of a change (1)")
        figure.legend(shown.values(), map(predictor_words, shown), loc="outside upper center", ncols=len(shown))
        panels[0][0].set_ylabel("share of the area that changed (1)")
        panels[0][1].set_ylabel("share of the area (%)")
        letter_panels(above for above, _ in panels)
        add_note(
            figure,
            f"ECE: expected calibration error. Lines: {100 * level:.0f} % block-bootstrap interval.\n"
            f"Open: bins with less than {100 * _FEW:g} % of the area.",
        )
        return figure


def _mean_of_models(moved: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and range of each transition over the climate models of each experiment; variants are averaged."""
    tables = []
    for experiment, rows in moved.groupby("experiment_id"):
        models = runs.loc[runs["experiment_id"] == experiment, "source_id"].unique()
        area = rows.groupby(["transition", "source_id"])["area_m2"].mean().unstack().reindex(columns=models).fillna(0)
        parts = {"area_m2": area.mean(axis=1), "lower": area.min(axis=1), "upper": area.max(axis=1)}
        names = {"experiment_id": experiment, "source_id": "all models", "n_models": len(models)}
        tables.append(pd.DataFrame(parts).reset_index().assign(**names))
    return pd.concat(tables)


def experiment_colours(names: Iterable[str]) -> dict[str, str]:
    """Return the colour of each experiment, at a warming level that of the experiment that reaches it."""
    reaching = {name: without_level(name) for name in names}
    known = list(dict.fromkeys(reaching.values()))
    colours = dict(zip(known, named_colours(known, EXPERIMENT_COLOURS), strict=True))
    return {name: colours[experiment] for name, experiment in reaching.items()}


# -- parts of panels ---------------------------------------------------------------------------------------------------
def _over_models(curves: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return mean, least and largest of the first column over models in each window."""
    table = pd.concat([curve.iloc[:, 0] for curve in curves], axis=1)
    return pd.DataFrame({"mean": table.mean(axis=1), "lower": table.min(axis=1), "upper": table.max(axis=1)})


def _draw_area(ax: "Axes", curve: pd.DataFrame, is_level: bool, thin: bool = False, **line: Any) -> None:
    if curve.empty:
        return
    if is_level:
        ax.axhline(float(curve.iloc[:, 0].mean()), zorder=1, **{"linewidth": 0.9} | line)
        return
    bounds = curve.index.to_frame()
    middle = 0.5 * (bounds["window_start"] + bounds["window_end"] + 1).to_numpy()
    mean, lower, upper = curve.to_numpy().T
    if thin:
        ax.plot(middle, mean, **line)
        return
    ax.fill_between(middle, lower, upper, color=line["color"], alpha=0.13, linewidth=0)
    ax.plot(middle, mean, marker="o", markersize=2, **line)


def _draw_change_reliability(
    above: "Axes", below: "Axes", place: tuple[int, int], colour: str, change: Mapping[str, Any]
) -> "Line2D":
    """Draw one predictor; `place` is its number, and how many there are in the panel."""
    (number, n_predictors), rows = place, pd.DataFrame(change["reliability"])
    skill = change["brier_skill"]
    label = f"ECE {change['expected_calibration_error']:.3f}"
    label += f", Brier skill {skill:z.2f}" if skill is not None else ""
    names = ["mean_probability", "observed_frequency", "low", "high"]
    stated, observed, low, high = rows[names].to_numpy(float).T
    many = (rows["area"] >= _FEW * rows["area"].sum()).to_numpy()
    above.vlines(stated, low, high, color=colour, linewidth=0.9, alpha=np.where(many, 0.7, 0.25))
    (line,) = above.plot(stated[many], observed[many], "o-", color=colour, markersize=3, label=label)
    above.plot(stated[~many], observed[~many], "o", color=colour, markersize=3, markerfacecolor="white")
    width = (rows["to"] - rows["from"]).to_numpy() / (n_predictors + 0.5)
    share = 100 * rows["area"] / rows["area"].sum()
    below.bar(rows["from"] + width * (number + 0.75), share, width=width, color=colour)
    return line
