"""Regimes through time: areas, and reliability of the probability of a change."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from thor.figures import style
from thor.figures.curves import SERIES_COLOURS
from thor.reading.runs import is_at_level, without_level

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
_FEW = 1e-3

Skill = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]


# -- areas -------------------------------------------------------------------------------------------------------------
def area_curves(
    areas: pd.DataFrame, *, predictor: str = "ensemble", basin: str = "global", change: bool = False
) -> "style.Figure":
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
    with style.style():
        if chosen.empty:
            return style.empty_figure(f"No areas of {style.predictor_words(predictor)} in {basin.replace('_', ' ')}.")
        regimes, models, experiments = (
            list(dict.fromkeys(chosen[column])) for column in ("regime", "source_id", "experiment_id")
        )
        experiments = style.in_reading_order(experiments, first=tuple(EXPERIMENT_COLOURS))
        colours = experiment_colours(experiments)
        several, named = len(models) > 1, len(models) <= style.MOST_MODELS
        lines = dict(zip(models, cycle(_LINE_STYLES if named else "-"), strict=False))
        n_columns = 3
        figure = style.new_figure(8.6, 2.1 * -(-len(regimes) // n_columns) + 0.9)
        axes = style.new_panels(figure, len(regimes), n_columns, sharex=True)
        for ax, regime in zip(axes, regimes, strict=True):
            of_regime = chosen[chosen["regime"] == regime]
            for experiment in experiments:
                of_experiment = of_regime[of_regime["experiment_id"] == experiment]
                is_level = "control" in experiment.lower()
                curves = {
                    model: of_run.groupby(["window_start", "window_end"])[columns].mean() / style.MILLION_KM2
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
        quantity = f"{'change of the' if change else 'expected'} area ($10^6$ km$^2$)"
        style.label_edges(axes, n_columns, x="year", y=quantity)
        for experiment in experiments:
            axes[0].plot([], [], color=colours[experiment], label=experiment)
        for model in models if named else ():
            axes[0].plot([], [], color="0.3", linestyle=lines[model], linewidth=0.5 if several else None, label=model)
        style.add_legend(figure, axes[0], n_columns=8)
        where = "" if basin == "global" else f" of the {basin.replace('_', ' ')}"
        what = f"{'Change of area' if change else 'Area'} of regimes{where}"
        of = "climate models" if named else f"{len(models)} climate models"
        shown = f"mean and range over {of}, thin: each model" if several else "mean and spread over networks"
        style.add_heading(figure, f"{what}, {style.predictor_words(predictor)}: {shown}")
        style.letter_panels(axes)
        return figure


# -- skill ---------------------------------------------------------------------------------------------
def change_reliability(skill: Skill) -> "style.Figure":
    """Return the frequency of true changes of regime in all windows against their probability, for each experiment.

    Parameters
    ----------
    skill : mapping
        {experiment: {window: {predictor: scores}}}, the entry `pooled` of
        `thor.tracking.perfect_model.perfect_model_skill`; experiments without a baseline are left out.
    """
    drawn = {
        name: {predictor: scores["change"] for predictor, scores in windows["all"].items() if "change" in scores}
        for name, windows in skill.items()
    }
    drawn = {name: changes for name, changes in drawn.items() if changes}
    with style.style():
        if not drawn:
            return style.empty_figure("No run with a known true change of regimes.")
        level = next(iter(next(iter(drawn.values())).values()))["reliability"][0]["level"]
        figure = style.new_figure(2.7 * len(drawn) + 0.5, 4.4)
        panels = style.reliability_panels(figure, len(drawn))
        predictors = dict.fromkeys(predictor for changes in drawn.values() for predictor in changes)
        colours = dict(zip(predictors, SERIES_COLOURS, strict=False))
        shown: dict[str, Any] = {}
        for (above, below), (name, changes) in zip(panels, drawn.items(), strict=True):
            for number, (predictor, change) in enumerate(changes.items()):
                place = number, len(changes)
                shown[predictor] = _draw_change_reliability(above, below, place, colours[predictor], change)
            above.set_title(name)
            above.legend(loc="lower right", fontsize="x-small", handlelength=1)  # curves lie near the diagonal
            below.set_xlabel("probability of a change (1)")
        figure.legend(shown.values(), map(style.predictor_words, shown), loc="outside upper center", ncols=len(shown))
        panels[0][0].set_ylabel("share of the area that changed (1)")
        panels[0][1].set_ylabel("share of the area (%)")
        style.letter_panels(above for above, _ in panels)
        style.add_note(
            figure,
            f"ECE: expected calibration error. Lines: {style.exact_percent(level)} % block-bootstrap interval.\n"
            f"Open: bins with less than {100 * _FEW:g} % of the area.",
        )
        return figure


def experiment_colours(names: Iterable[str]) -> dict[str, str]:
    """Return the colour of each experiment, at a warming level that of the experiment that reaches it."""
    reaching = {name: without_level(name) for name in names}
    known = list(dict.fromkeys(reaching.values()))
    colours = dict(zip(known, style.named_colours(known, EXPERIMENT_COLOURS), strict=True))
    return {name: colours[experiment] for name, experiment in reaching.items()}


# -- parts of panels ---------------------------------------------------------------------------------------------------
def _over_models(curves: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return mean, least and largest of the first column over models in each window."""
    table = pd.concat([curve.iloc[:, 0] for curve in curves], axis=1)
    return pd.DataFrame({"mean": table.mean(axis=1), "lower": table.min(axis=1), "upper": table.max(axis=1)})


def _draw_area(ax: "style.Axes", curve: pd.DataFrame, is_level: bool, thin: bool = False, **line: Any) -> None:
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
    above: "style.Axes", below: "style.Axes", place: tuple[int, int], colour: str, change: Mapping[str, Any]
) -> Any:
    """Draw one predictor and return its line; `place` is its number, and how many there are in the panel."""
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
