"""Nodes of `scenario_tracking` that draw."""

from typing import Any

import pandas as pd

from thor.app.parameters import ScenarioTracking
from thor.figures import tracking_maps
from thor.figures.tracking_curves import area_curves, change_reliability
from thor.figures.transitions import main_transitions
from thor.tracking import RunDatasets
from thor.tracking.areas import with_common_start
from thor.tracking.detection import detection_notes
from thor.tracking.reasons import transitions_to_draw
from thor.tracking.shared_window import LAST, compared_windows, run_headers, starts_of_runs
from thor.tracking.shown_run import run_to_draw, shown_key, shown_run


def draw_shown_run(
    scenario_regimes: RunDatasets,
    input_set_regimes: RunDatasets,
    tracking_metrics: dict[str, Any],
    parameters: ScenarioTracking,
) -> dict[str, Any]:
    """Draw the regimes of one run in every window, by its richest input set, and the probability that they changed."""
    run = shown_run({**scenario_regimes, **input_set_regimes}, tracking_metrics, parameters.shown_run)
    predictors = list(parameters.predictors) if run is None else [*map(str, run["predictor"].values)]
    notes = detection_notes(tracking_metrics["perfect_model"], run, predictors)
    supported = tracking_metrics["words"].get(predictors[0], ())
    change = tracking_maps.change_likelihood_map(run, supported=supported, notes=notes)
    regimes = tracking_maps.regime_window_maps(run, predictor=predictors[0])
    return {"scenario_tracking_regimes": regimes, "scenario_tracking_change": change}


def draw_input_sets(
    scenario_regimes: RunDatasets,
    input_set_regimes: RunDatasets,
    tracking_metrics: dict[str, Any],
    parameters: ScenarioTracking,
) -> Any:
    """Draw the regimes of one run from the surface alone and by its richest input set, and where they differ."""
    from thor.tracking.set_comparison import label_difference, set_run_to_show

    shown = shown_key(tracking_metrics, parameters.shown_run)
    if (key := set_run_to_show(tracking_metrics["disagreement"], shown)) is None:
        return tracking_maps.label_difference_maps(None, predictor=parameters.predictors[0])
    richest = input_set_regimes[key]()
    predictor = str(richest["predictor"].values[0])
    difference = label_difference(scenario_regimes[key](), richest, predictor)
    return tracking_maps.label_difference_maps(difference, predictor=predictor)


def draw_areas(
    regime_areas: pd.DataFrame, scenario_regimes: RunDatasets, parameters: ScenarioTracking
) -> dict[str, Any]:
    """Draw the areas of regimes through time, and their changes from the baseline."""
    areas = with_common_start(regime_areas, starts_of_runs(scenario_regimes))
    figures = {"scenario_tracking_areas": False, "scenario_tracking_area_changes": True}
    predictor = parameters.predictors[0]
    return {name: area_curves(areas, predictor=predictor, change=change) for name, change in figures.items()}


def draw_transitions(
    regime_transitions: pd.DataFrame, scenario_regimes: RunDatasets, parameters: ScenarioTracking
) -> Any:
    """Draw the area of the largest transitions, for the first variant of every experiment."""
    windows = {key: compared_windows(load(), LAST) for key, load in run_headers(scenario_regimes).items()}
    return main_transitions(regime_transitions, windows, predictor=parameters.predictors[0])


def draw_change_reliability(tracking_metrics: dict[str, Any]) -> Any:
    """Draw the reliability of the probability of a change."""
    return change_reliability(tracking_metrics["perfect_model"]["pooled"])


def draw_agreement(model_agreement: RunDatasets, tracking_metrics: dict[str, Any], parameters: ScenarioTracking) -> Any:
    """Draw the agreement of climate models in the experiment with the largest change."""
    from thor.tracking.agreement import most_changed_experiment

    summary, predictor = most_changed_experiment(model_agreement), parameters.predictors[0]
    notes = detection_notes(tracking_metrics["perfect_model"], summary, [predictor])
    return tracking_maps.model_agreement_maps(summary, predictor=predictor, notes=notes)


def draw_overturning(
    overturning: RunDatasets,
    overturning_sigma2: RunDatasets,
    tracking_metrics: dict[str, Any],
    parameters: ScenarioTracking,
) -> dict[str, Any]:
    """Draw the overturning of one run in its last window and the AMOC through all, with the part of each regime."""
    from thor.figures.overturning import overturning_sections
    from thor.figures.regime_totals import amoc_curves

    shown = shown_key(tracking_metrics, parameters.shown_run)
    run, in_classes = (run_to_draw(runs, shown) for runs in (overturning, overturning_sigma2))
    lacking = "No run has temperature and salinity (thetao, so) beside its transports."
    return {
        "scenario_tracking_overturning": overturning_sections(run),
        "scenario_tracking_overturning_sigma2": overturning_sections(in_classes, lacking=lacking),
        "scenario_tracking_amoc": amoc_curves(run),
    }


def draw_properties(
    regime_properties: RunDatasets, tracking_metrics: dict[str, Any], parameters: ScenarioTracking
) -> Any:
    """Draw heat uptake, deep mixed layers and barotropic transport by regime through the windows of one run."""
    from thor.figures.regime_totals import property_curves

    return property_curves(run_to_draw(regime_properties, shown_key(tracking_metrics, parameters.shown_run)))


def draw_reasons(
    change_attribution: pd.DataFrame,
    term_changes: pd.DataFrame,
    tracking_metrics: dict[str, Any],
    parameters: ScenarioTracking,
) -> Any:
    """Draw the attribution of the changes of regime in one run, and the changes of the terms where predicted."""
    from thor.figures.change_reasons import change_attribution_bars
    from thor.tracking.term_changes import terms_to_draw

    key, predictor = shown_key(tracking_metrics, parameters.shown_run), parameters.predictors[0]
    attribution = transitions_to_draw(change_attribution, key, predictor=predictor)
    shown = list(map(str, attribution["transition"].values))
    terms = terms_to_draw(term_changes, key, predictor=predictor, transitions=shown)
    return change_attribution_bars(attribution, terms)
