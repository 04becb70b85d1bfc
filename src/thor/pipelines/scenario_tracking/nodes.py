"""Nodes of `scenario_tracking`; their `trained` are the datasets named in `tools.TRAINED`."""

import logging
from itertools import chain
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import ScenarioTracking
from thor.core.compute import Compute
from thor.core.errors import counted
from thor.pipelines.scenario_tracking.tools import tools_of_sets, tracking_predictors, tracking_tools
from thor.tracking import RunDatasets
from thor.tracking.families import require_families
from thor.tracking.shared_window import require_window, starts_of_runs
from thor.tracking.shown_run import require_run

log = logging.getLogger(__name__)


def calibrate_change(
    input_sets: dict[str, Any],
    scenario_features: RunDatasets,
    true_regimes: RunDatasets,
    parameters: ScenarioTracking,
    **trained: Any,
) -> dict[str, Any]:
    """Return the recalibration of P(change) for each climate model, from others whose true regimes are known."""
    from thor.tracking.input_sets import runs_of_set
    from thor.tracking.recalibration import recalibrate

    tools = tracking_tools(**trained, change_calibration={}, parameters=parameters)
    found = recalibrate(scenario_features, true_regimes, tools, seed=parameters.seed)
    for of_set, of_its in tools_of_sets(input_sets, trained["calibration_model"], {}, parameters).values():
        runs = runs_of_set(scenario_features, of_set)
        found |= recalibrate(runs, true_regimes, of_its, seed=parameters.seed)
    return {name: {model: entry.to_dict() for model, entry in models.items()} for name, models in found.items()}


def track_regimes(
    change_calibration: dict[str, Any],
    scenario_features: RunDatasets,
    parameters: ScenarioTracking,
    compute: Compute,
    **trained: Any,
) -> Any:
    """Return, for each run, the fingerprint of its regimes and a function that computes them."""
    from thor.tracking.runs import TrackedRuns

    require_window(scenario_features, parameters.agreement.window)
    require_families({key.split("/")[0] for key in scenario_features}, parameters.agreement)
    require_run(scenario_features, parameters.shown_run)
    tools = tracking_tools(**trained, change_calibration=change_calibration, parameters=parameters)
    runs = TrackedRuns(scenario_features, tools, compute, use_variants=parameters.use_variants)
    log.info("%s to track, on %s", counted(len(runs), "run"), compute.scheduler)
    return runs


def track_input_sets(
    input_sets: dict[str, Any],
    calibration_model: dict[str, Any],
    change_calibration: dict[str, Any],
    scenario_features: RunDatasets,
    parameters: ScenarioTracking,
    compute: Compute,
) -> Any:
    """Return, for each run with a further input set, the fingerprint of its regimes by the richest and a function."""
    from thor.tracking.input_sets import RichestRuns

    sets = tools_of_sets(input_sets, calibration_model, change_calibration, parameters)
    runs = RichestRuns(scenario_features, sets, compute, use_variants=parameters.use_variants)
    log.info("%d of %d runs have the features of a further input set", len(runs), len(scenario_features))
    return runs


def measure_areas(
    scenario_regimes: RunDatasets, input_set_regimes: RunDatasets, parameters: ScenarioTracking
) -> dict[str, pd.DataFrame]:
    """Return the areas of regimes and transitions in each run, and those of regimes over members and models."""
    from thor.tracking.areas import regime_areas, regime_transitions
    from thor.tracking.member_areas import member_areas, model_areas

    both = [scenario_regimes, input_set_regimes]
    areas = regime_areas(chain(*map(_each, both)))
    starts = starts_of_runs(scenario_regimes)
    of_members = member_areas(areas, level=parameters.change.interval_level, starts=starts)
    return {
        "regime_areas": areas,
        "regime_transitions": regime_transitions(chain(*map(_each, both))),
        "member_areas": of_members,
        "model_areas": model_areas(of_members, parameters.agreement, starts=starts),
    }


def pool_members(scenario_regimes: RunDatasets) -> dict[str, tuple[str, Any]]:
    """Return, by model and experiment with several members, the fingerprint of their mean and a function for it."""
    from thor.tracking.members import response_plans

    return response_plans(scenario_regimes)


def compare_models(scenario_regimes: RunDatasets, parameters: ScenarioTracking) -> dict[str, tuple[str, Any]]:
    """Return, for each experiment, the fingerprint of the models' agreement and a function that computes it."""
    from thor.tracking.multimodel import agreement_plans

    require_window(scenario_regimes, parameters.agreement.window)
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

    predictors = tracking_predictors(final_ensemble, final_baselines, final_bayesian_network, parameters)
    scaler, groups = final_baselines.scaler, parameters.attribution_groups
    return change_reasons(scenario_regimes, scenario_features, predictors, scaler=scaler, groups=groups)


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

    scaler, spread, predictor = final_baselines.scaler, calibration_model.get("term_spread"), parameters.predictors[0]
    return term_changes(
        scenario_regimes, scenario_features, final_ensemble, scaler=scaler, term_spread=spread, predictor=predictor
    )


def measure_overturning(
    scenario_features: RunDatasets,
    transport_climatologies: RunDatasets,
    transports_sigma2: RunDatasets,
    parameters: ScenarioTracking,
    **trained: Any,
) -> dict[str, dict[str, tuple[str, Any]]]:
    """Return, for each run with transports, fingerprints and makers of its overturning in depth and in sigma_2."""
    from thor.tracking.run_properties import overturning_plans

    first = parameters.replace(predictors=parameters.predictors[:1])
    tools = tracking_tools(**trained, change_calibration={}, parameters=first)
    both = {"overturning": transport_climatologies, "overturning_sigma2": transports_sigma2}
    return {
        name: overturning_plans(transports, scenario_features, tools, predictor=first.predictors[0])
        for name, transports in both.items()
    }


def measure_properties(
    scenario_features: RunDatasets,
    climatologies: RunDatasets,
    transport_climatologies: RunDatasets,
    parameters: ScenarioTracking,
    **trained: Any,
) -> dict[str, tuple[str, Any]]:
    """Return, for each run with heat flux, mixed layers or transports, a fingerprint and a function for their parts."""
    from thor.tracking.run_properties import property_plans

    first = parameters.replace(predictors=parameters.predictors[:1])
    return property_plans(
        climatologies,
        transport_climatologies,
        scenario_features,
        tracking_tools(**trained, change_calibration={}, parameters=first),
        predictor=first.predictors[0],
        deep_mixed_layer=parameters.deep_mixed_layer,
    )


def score_tracking(
    scenario_regimes: RunDatasets,
    input_set_regimes: RunDatasets,
    overturning: RunDatasets,
    overturning_sigma2: RunDatasets,
    regime_properties: RunDatasets,
    model_agreement: RunDatasets,
    true_regimes: RunDatasets,
    true_budgets: RunDatasets,
    scenario_features: RunDatasets,
    regimes: xr.Dataset,
    regime_model: Any,
    final_baselines: Any,
    calibration_model: dict[str, Any],
    parameters: ScenarioTracking,
) -> dict[str, Any]:
    """Return the numbers of every run and window, the agreement of models, and the test with known truth."""
    from thor.tracking.metrics import both_of, tracking_metrics
    from thor.tracking.perfect_model import perfect_model_skill
    from thor.tracking.plausibility import TrainingOcean
    from thor.tracking.run_properties import amoc_metrics, property_metrics
    from thor.tracking.set_comparison import on_same_cells, same_cells_skill, set_disagreement
    from thor.uncertainty.regime_uncertainty import CalibrationModel

    known = true_regimes, scenario_features
    options: dict[str, Any] = {"model": regime_model, "baselines": final_baselines, "seed": parameters.seed}
    options["expected_accuracy"] = CalibrationModel.from_dict(calibration_model).expected_accuracies
    drawn = options | {"settings": parameters.bootstrap}
    skill = perfect_model_skill(scenario_regimes, *known, true_budgets=true_budgets, **drawn)
    of_sets = perfect_model_skill(input_set_regimes, *known, true_budgets={}, **drawn)
    of_surface = on_same_cells(scenario_regimes, input_set_regimes)
    on_same = perfect_model_skill(of_surface, *known, true_budgets={}, settings=None, **options)
    of_both, ocean = both_of(skill, of_sets), TrainingOcean.of(regimes)
    metrics = tracking_metrics(
        scenario_regimes, _each(model_agreement), of_both, ocean, richest=input_set_regimes, true_regimes=true_regimes
    )
    log.info("%s tracked, the truth of %d is known", counted(len(metrics["runs"]), "run"), len(skill["runs"]))
    return metrics | {
        "amoc": amoc_metrics(overturning),
        "amoc_sigma2": amoc_metrics(overturning_sigma2),
        "properties": property_metrics(regime_properties),
        "input_sets": same_cells_skill(on_same["pooled"], of_sets["pooled"]),
        "disagreement": set_disagreement(scenario_regimes, input_set_regimes, scenario_features, true_regimes),
    }


def _each(collection: RunDatasets) -> Any:
    return (load() for load in collection.values())
