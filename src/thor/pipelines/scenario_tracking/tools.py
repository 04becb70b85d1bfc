"""What the nodes of `scenario_tracking` make from the trained predictors and their calibration."""

from typing import Any

import pandas as pd

from thor.app.parameters import ScenarioTracking
from thor.networks.fields import label_runs

TRAINED = ("final_ensemble", "final_baselines", "final_bayesian_network", "calibration_model", "training_history")
"""Datasets from which `tracking_tools` are made."""


def tracking_tools(
    final_ensemble: Any,
    final_baselines: Any,
    final_bayesian_network: Any,
    calibration_model: dict[str, Any],
    training_history: pd.DataFrame,
    change_calibration: dict[str, Any],
    parameters: ScenarioTracking,
) -> Any:
    """Return what all runs are tracked with, from trained predictors and their calibration."""
    from thor.tracking.tools import TrackingTools
    from thor.uncertainty.regime_uncertainty import CalibrationModel

    calibration = CalibrationModel.from_dict(calibration_model)
    return TrackingTools(
        predictors=tracking_predictors(final_ensemble, final_baselines, final_bayesian_network, parameters),
        scaler=final_baselines.scaler,
        applicability=calibration.final_applicability,
        temperatures=calibration.temperatures,
        expected_accuracy=calibration.expected_accuracy,
        settings=parameters.change,
        change_calibration=_calibrations(change_calibration),
        term_networks=None if final_ensemble.terms_head is None else final_ensemble,
        term_spread=calibration.term_spread,
        label_run=label_runs(training_history),
    )


def tools_of_sets(
    input_sets: dict[str, Any],
    calibration_model: dict[str, Any],
    change_calibration: dict[str, Any],
    parameters: ScenarioTracking,
) -> dict[str, Any]:
    """Return, by further input set with any of the predictors, the set and what runs are tracked with."""
    from thor.tracking.input_sets import set_tools
    from thor.uncertainty.set_calibration import SetCalibration

    found = {}
    for name, of_set in input_sets.items():
        tools = set_tools(
            of_set,
            SetCalibration.from_dict(calibration_model["input_sets"][name]),
            predictors=parameters.predictors,
            settings=parameters.change,
            change_calibration=_calibrations(change_calibration),
        )
        if tools is not None:
            found[name] = of_set, tools
    return found


def _calibrations(change_calibration: dict[str, Any]) -> dict[str, Any]:
    from thor.tracking.change import ChangeCalibration

    return {
        name: {model: ChangeCalibration.from_dict(entry) for model, entry in models.items()}
        for name, models in change_calibration.items()
    }


def tracking_predictors(
    ensemble: Any, baselines: Any, bayesian_network: Any, parameters: ScenarioTracking
) -> dict[str, Any]:
    """Return the predictors that `scenario_tracking.predictors` names."""
    from thor.networks.baselines import chosen_predictors

    sizes = {"n_draws": parameters.n_draws, "seed": parameters.seed}
    return chosen_predictors(parameters.predictors, ensemble, baselines, **sizes, bayesian=bayesian_network)
