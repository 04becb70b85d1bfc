"""Areas of the transitions between regimes, by climate model and experiment."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from thor.core.errors import counted, listed
from thor.figures import style
from thor.figures.curves import SERIES_COLOURS
from thor.figures.tracking_curves import EXPERIMENT_COLOURS
from thor.tracking.areas import first_variants
from thor.tracking.shared_window import WindowYears
from thor.tracking.shown_run import in_shared_window


def main_transitions(
    transitions: pd.DataFrame,
    windows: Mapping[str, Mapping[WindowYears, str]],
    *,
    predictor: str = "ensemble",
    n_shown: int = 8,
) -> "style.Figure":
    """Return the area of the largest transitions in the window that most models have, by climate model and experiment.

    Parameters
    ----------
    transitions : pandas.DataFrame
        As from `thor.tracking.areas.regime_transitions`, which has all others; the first variant with this window is
        drawn.
    windows : mapping of str to mapping
        Of each run, as from `thor.tracking.shared_window.compared_windows`.
    predictor : str
    n_shown : int
        Transitions of the largest mean area over all runs.
    """
    every = transitions[transitions["predictor"] == predictor]
    chosen = first_variants(in_shared_window(every, windows))
    with style.style():
        if chosen.empty:
            return style.empty_figure("No run has a baseline.")
        moved = chosen[chosen["regime"] != chosen["regime_before"]]
        moved = moved.assign(transition=moved["regime_before"] + " \N{RIGHTWARDS ARROW} " + moved["regime"])
        largest = moved.groupby("transition")["area_m2"].mean().nlargest(n_shown).index
        experiments = style.in_reading_order(sorted(set(moved["experiment_id"])), first=tuple(EXPERIMENT_COLOURS))
        models = sorted(set(moved["source_id"]))
        names = moved.groupby("experiment_id")["shared_window"].first()
        lines = f"Lines: spread over networks ({style.predictor_words(predictor)})."
        if many := len(models) > style.MOST_MODELS:
            moved, lines = _mean_of_models(moved, chosen), "Bars: mean of climate models; lines: their range."
            models = sorted(set(moved["source_id"]))
        figure = style.new_figure(2.6 * len(experiments) + 1.3, 0.16 * (len(models) + 1) * len(largest) + 1.1)
        axes = style.new_panels(figure, len(experiments), len(experiments), sharex=True, sharey=True)
        height = 0.8 / len(models)
        for ax, experiment in zip(axes, experiments, strict=True):
            of_experiment = moved[moved["experiment_id"] == experiment]
            for number, (model, colour) in enumerate(zip(models, SERIES_COLOURS, strict=False)):
                rows = of_experiment[of_experiment["source_id"] == model].groupby("transition")
                table = rows[["area_m2", "lower", "upper"]].mean().reindex(largest) / style.MILLION_KM2
                at = np.arange(len(largest)) + (number - (len(models) - 1) / 2) * height
                ax.barh(at, table["area_m2"], height, color=colour, label=model)
                ax.hlines(at, table["lower"], table["upper"], color="0.15", linewidth=0.8)
            ax.set_title(f"{experiment}, {style.years_text(names[experiment])}")
            ax.set_xlabel("area ($10^6$ km$^2$)")
            if many:
                n_models = counted(of_experiment["n_models"].iloc[0], "climate model")
                ax.text(0.97, 0.04, n_models, transform=ax.transAxes, ha="right", va="bottom")
        style.name_rows(axes[0], list(largest))
        if not many:
            axes[0].legend(loc="lower right")
        share = moved[moved["transition"].isin(largest)]["area_m2"].sum() / moved["area_m2"].sum()
        runs, drawn = (set(zip(rows["source_id"], rows["experiment_id"], strict=True)) for rows in (every, chosen))
        without = listed([" ".join(run) for run in sorted(runs - drawn)], most=10)
        style.letter_panels(axes)
        style.add_note(
            figure,
            f"Regime of the baseline and of the window. {lines} "
            f"{100 * share:.0f} % of all changes; the others are in regime_transitions.csv."
            + (f" Without this window: {without}." if without else ""),
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
