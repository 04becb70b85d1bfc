"""Nodes of `scenario_tracking`."""

import logging
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import ScenarioTracking
from thor.core.compute import Compute
from thor.tracking import RunDatasets

log = logging.getLogger(__name__)


def calibrate_change(
    final_ensemble: Any,
    final_baselines: Any,
    final_bayesian_network: Any,
    calibration_model: dict[str, Any],
    training_history: pd.DataFrame,
    scenario_features: RunDatasets,
    true_regimes: RunDatasets,
    parameters: ScenarioTracking,
) -> dict[str, Any]:
    """Return the recalibration of P(change) for each climate model, from others whose true regimes are known."""
    from thor.tracking.recalibration import recalibrate

    predictors = final_ensemble, final_baselines, final_bayesian_network
    found = recalibrate(
        scenario_features,
        true_regimes,
        _tools(*predictors, calibration_model, training_history, {}, parameters),
        seed=parameters.seed,
    )
    return {name: {model: entry.to_dict() for model, entry in models.items()} for name, models in found.items()}


def track_regimes(
    final_ensemble: Any,
    final_baselines: Any,
    final_bayesian_network: Any,
    calibration_model: dict[str, Any],
    training_history: pd.DataFrame,
    change_calibration: dict[str, Any],
    scenario_features: RunDatasets,
    parameters: ScenarioTracking,
    compute: Compute,
) -> Any:
    """Return, for each run, the fingerprint of its regimes and a function that computes them."""
    from thor.tracking.runs import TrackedRuns

    predictors = final_ensemble, final_baselines, final_bayesian_network
    tools = _tools(*predictors, calibration_model, training_history, change_calibration, parameters)
    runs = TrackedRuns(scenario_features, tools, compute, use_variants=parameters.use_variants)
    log.info("%d runs to track, on %s", len(runs), compute.scheduler)
    return runs


def measure_areas(scenario_regimes: RunDatasets) -> dict[str, pd.DataFrame]:
    """Return the area of each regime in each run, window and basin, and the area of each transition."""
    from thor.tracking.areas import regime_areas, regime_transitions

    return {
        "regime_areas": regime_areas(_each(scenario_regimes)),
        "regime_transitions": regime_transitions(_each(scenario_regimes)),
    }


def compare_models(scenario_regimes: RunDatasets, parameters: ScenarioTracking) -> dict[str, tuple[str, Any]]:
    """Return, for each experiment, the fingerprint of the models' agreement and a function that computes it."""
    from thor.tracking.multimodel import agreement_plans

    return agreement_plans(scenario_regimes, parameters.agreement)


def explain_changes(
    final_ensemble: Any,
    final_baselines: Any,
    final_bayesian_network: Any,
    scenario_regimes: RunDatasets,
    scenario_features: RunDatasets,
    parameters: ScenarioTracking,
) -> pd.DataFrame:
    """Return the attribution of the changes of regime to the features, by transition."""
    from thor.tracking.reasons import change_reasons

    return change_reasons(
        scenario_regimes,
        scenario_features,
        _predictors(final_ensemble, final_baselines, final_bayesian_network, parameters),
        scaler=final_baselines.scaler,
        groups=parameters.attribution_groups,
    )


def summarise_term_changes(
    final_ensemble: Any,
    final_baselines: Any,
    calibration_model: dict[str, Any],
    scenario_regimes: RunDatasets,
    scenario_features: RunDatasets,
    parameters: ScenarioTracking,
) -> pd.DataFrame:
    """Return the changes of the budget's terms by transition; no rows where networks do not predict terms."""
    from thor.tracking.term_changes import term_changes

    return term_changes(
        scenario_regimes,
        scenario_features,
        final_ensemble,
        scaler=final_baselines.scaler,
        term_spread=calibration_model.get("term_spread"),
        predictor=parameters.predictors[0],
    )


def measure_overturning(
    final_ensemble: Any,
    final_baselines: Any,
    final_bayesian_network: Any,
    calibration_model: dict[str, Any],
    training_history: pd.DataFrame,
    scenario_features: RunDatasets,
    transport_climatologies: RunDatasets,
    parameters: ScenarioTracking,
) -> dict[str, tuple[str, Any]]:
    """Return, for each run with transports, the fingerprint of its overturning by regime and a function for it."""
    from thor.tracking.run_overturning import overturning_plans

    first = parameters.replace(predictors=parameters.predictors[:1])
    of_model = final_ensemble, final_baselines, final_bayesian_network, calibration_model, training_history
    tools = _tools(*of_model, {}, first)
    return overturning_plans(transport_climatologies, scenario_features, tools, predictor=first.predictors[0])


def score_tracking(
    scenario_regimes: RunDatasets,
    model_agreement: RunDatasets,
    true_regimes: RunDatasets,
    true_budgets: RunDatasets,
    scenario_features: RunDatasets,
    regimes: xr.Dataset,
    regime_model: Any,
    final_baselines: Any,
    parameters: ScenarioTracking,
) -> dict[str, Any]:
    """Return the numbers of every run and window, the agreement of models, and the test with known truth."""
    from thor.tracking.metrics import tracking_metrics
    from thor.tracking.perfect_model import perfect_model_skill
    from thor.tracking.plausibility import TrainingOcean

    skill = perfect_model_skill(
        scenario_regimes,
        true_regimes,
        scenario_features,
        true_budgets=true_budgets,
        model=regime_model,
        baselines=final_baselines,
        settings=parameters.bootstrap,
        seed=parameters.seed,
    )
    metrics = tracking_metrics(scenario_regimes, _each(model_agreement), skill, TrainingOcean.of(regimes))
    log.info("%d runs tracked, the truth of %d is known", len(metrics["runs"]), len(skill["runs"]))
    return metrics


def draw_shown_run(
    scenario_regimes: RunDatasets, tracking_metrics: dict[str, Any], parameters: ScenarioTracking
) -> dict[str, Any]:
    """Draw the regimes of one run in every window, and the probability that they changed."""
    from thor.figures.tracking_maps import change_likelihood_map, regime_window_maps
    from thor.tracking.detection import detection_notes
    from thor.tracking.shown_run import shown_run

    run, first = shown_run(scenario_regimes, tracking_metrics, parameters.shown_run), parameters.predictors[0]
    notes = detection_notes(tracking_metrics["perfect_model"], run, parameters.predictors)
    supported = tracking_metrics["words"].get(first, ())
    change = change_likelihood_map(run, supported=supported, notes=notes)
    return {"scenario_tracking_regimes": regime_window_maps(run, predictor=first), "scenario_tracking_change": change}


def draw_areas(regime_areas: pd.DataFrame, parameters: ScenarioTracking) -> dict[str, Any]:
    """Draw the areas of regimes through time, and their changes from the baseline."""
    from thor.figures.tracking_curves import area_curves

    figures = {"scenario_tracking_areas": False, "scenario_tracking_area_changes": True}
    predictor = parameters.predictors[0]
    return {name: area_curves(regime_areas, predictor=predictor, change=change) for name, change in figures.items()}


def draw_transitions(regime_transitions: pd.DataFrame, parameters: ScenarioTracking) -> Any:
    """Draw the area of the largest transitions, for the first variant of every experiment."""
    from thor.figures.tracking_curves import main_transitions
    from thor.tracking.areas import first_variants

    return main_transitions(first_variants(regime_transitions), predictor=parameters.predictors[0])


def draw_change_reliability(tracking_metrics: dict[str, Any]) -> Any:
    """Draw the reliability of the probability of a change."""
    from thor.figures.tracking_curves import change_reliability

    return change_reliability(tracking_metrics["perfect_model"]["pooled"])


def draw_agreement(model_agreement: RunDatasets, tracking_metrics: dict[str, Any], parameters: ScenarioTracking) -> Any:
    """Draw the agreement of climate models in the experiment with the largest change."""
    from thor.figures.tracking_maps import model_agreement_maps
    from thor.tracking.detection import detection_notes
    from thor.tracking.multimodel import most_changed_experiment

    summary, predictor = most_changed_experiment(model_agreement), parameters.predictors[0]
    notes = detection_notes(tracking_metrics["perfect_model"], summary, [predictor])
    return model_agreement_maps(summary, predictor=predictor, notes=notes)


def draw_overturning(
    overturning: RunDatasets, tracking_metrics: dict[str, Any], parameters: ScenarioTracking
) -> dict[str, Any]:
    """Draw the overturning of one run in its last window and the AMOC through all, with the part of each regime."""
    from thor.figures.overturning import amoc_curves, overturning_sections
    from thor.tracking.run_overturning import run_to_draw
    from thor.tracking.shown_run import shown_key

    run = run_to_draw(overturning, shown_key(tracking_metrics, parameters.shown_run))
    return {"scenario_tracking_overturning": overturning_sections(run), "scenario_tracking_amoc": amoc_curves(run)}


def draw_reasons(
    change_attribution: pd.DataFrame,
    term_changes: pd.DataFrame,
    tracking_metrics: dict[str, Any],
    parameters: ScenarioTracking,
) -> Any:
    """Draw the attribution of the changes of regime in one run, and the changes of the terms where predicted."""
    from thor.figures.change_reasons import change_attribution_bars
    from thor.tracking.reasons import transitions_to_draw
    from thor.tracking.shown_run import shown_key
    from thor.tracking.term_changes import terms_to_draw

    key, predictor = shown_key(tracking_metrics, parameters.shown_run), parameters.predictors[0]
    attribution = transitions_to_draw(change_attribution, key, predictor=predictor)
    shown = list(map(str, attribution["transition"].values))
    terms = terms_to_draw(term_changes, key, predictor=predictor, transitions=shown)
    return change_attribution_bars(attribution, terms)


def _tools(
    final_ensemble: Any,
    final_baselines: Any,
    final_bayesian_network: Any,
    calibration_model: dict[str, Any],
    training_history: pd.DataFrame,
    change_calibration: dict[str, Any],
    parameters: ScenarioTracking,
) -> Any:
    from thor.networks.fields import label_runs
    from thor.tracking.change_calibration import ChangeCalibration
    from thor.tracking.tools import TrackingTools
    from thor.uncertainty.regime_uncertainty import CalibrationModel

    calibration = CalibrationModel.from_dict(calibration_model)
    return TrackingTools(
        predictors=_predictors(final_ensemble, final_baselines, final_bayesian_network, parameters),
        scaler=final_baselines.scaler,
        applicability=calibration.final_applicability,
        temperatures=calibration.temperatures,
        expected_accuracy=calibration.expected_accuracy,
        settings=parameters.change,
        change_calibration={
            name: {model: ChangeCalibration.from_dict(entry) for model, entry in models.items()}
            for name, models in change_calibration.items()
        },
        term_networks=None if final_ensemble.terms_head is None else final_ensemble,
        term_spread=calibration.term_spread,
        label_run=label_runs(training_history),
    )


def _predictors(ensemble: Any, baselines: Any, bayesian_network: Any, parameters: ScenarioTracking) -> dict[str, Any]:
    from thor.networks.baselines import chosen_predictors

    sizes = {"n_draws": parameters.n_draws, "seed": parameters.seed}
    return chosen_predictors(parameters.predictors, ensemble, baselines, **sizes, bayesian=bayesian_network)


def _each(collection: RunDatasets) -> Any:
    return (load() for load in collection.values())
