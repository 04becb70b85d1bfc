"""Nodes of `uncertainty`; their `trained` are the datasets named in `TRAINED`."""

import logging
from dataclasses import replace
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import Uncertainty
from thor.core.errors import counted
from thor.figures import uncertainty
from thor.networks import fields
from thor.networks.predictor import AVERAGE
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.split import final_split

log = logging.getLogger(__name__)

TRAINED = ("ensemble", "baselines", "bayesian_network", "laplace_network")
"""Datasets with the predictors that are calibrated."""


def train_bayesian_network(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    parameters: Uncertainty,
) -> dict[str, Any]:
    """Return the Bayesian network, each start at its best epoch, and its learning curves."""
    from thor.networks.training_data import scaled_tables
    from thor.uncertainty.bayesian import fit_bayesian

    scaler = FeatureScaler.from_dict(feature_scaler)
    samples = samples_from(features, regimes, split, names=scaler.features)
    log.info("training the Bayesian network from %s", counted(parameters.bayesian.n_starts, "start"))
    names: dict[str, Any] = {"features": samples.features, "classes": samples.classes}
    settings, tables = parameters.bayesian, scaled_tables(samples, scaler)
    network, history = fit_bayesian(*tables, **names, settings=settings, seed=parameters.seed)
    losses = ", ".join(f"{loss:.3f}" for loss in network.select_loss)
    log.info("Bayesian network: %s, select losses %s nat", counted(network.n_starts, "start"), losses)
    table = fields.history_table(history.rename(start="network"), predictor="bayesian")
    return {"bayesian_network": network, "bayesian_training_history": table}


def train_final_bayesian_network(split: xr.Dataset, **inputs: Any) -> Any:
    """Return the Bayesian network for climate models, trained in the test regions as well."""
    return train_bayesian_network(split=final_split(split), **inputs)["bayesian_network"]


def fit_laplace_network(
    ensemble: Any,
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    training_history: pd.DataFrame,
    parameters: Uncertainty,
) -> Any:
    """Return the Laplace approximation of the ensemble's best network, with the cell weights of its training."""
    from thor.networks.training_data import scaled_tables
    from thor.uncertainty.laplace import fit_laplace

    scaler = FeatureScaler.from_dict(feature_scaler)
    samples = samples_from(features, regimes, split, names=scaler.features)
    tables = scaled_tables(samples, scaler, weighted_by=fields.trained_weights(training_history))
    network, _ = fit_laplace(ensemble, *tables, settings=parameters.laplace, seed=parameters.seed)
    log.info("Laplace approximation of network %d, prior precision %g", network.network, network.prior_precision)
    return network


def train_left_out_posteriors(
    left_out_predictors: Any, features: xr.Dataset, regimes: xr.Dataset, parameters: Uncertainty
) -> Any:
    """Return cells of each left-out basin, and networks drawn from posteriors that did not see it, by basin."""
    from thor.uncertainty.left_out import left_out_basins

    settings: dict[str, Any] = {"bayesian": parameters.bayesian, "laplace": parameters.laplace}
    return left_out_basins(left_out_predictors, features, regimes, **settings, seed=parameters.seed)


def calibrate(
    left_out_cells: Any,
    final_ensemble: Any,
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    vorticity_budget: xr.Dataset,
    input_sets: dict[str, Any],
    parameters: Uncertainty,
    **trained: Any,
) -> dict[str, Any]:
    """Return temperatures, conformal scores, expected accuracies and the areas of applicability, also of input sets."""
    from thor.uncertainty.regime_uncertainty import calibrate as fit
    from thor.uncertainty.set_calibration import calibrate_set

    scaler = trained["baselines"].scaler
    samples = samples_from(features, regimes, split, names=scaler.features)
    model = fit(
        left_out_cells,
        _predictors(**trained, parameters=parameters),
        samples,
        scaler,
        final=final_ensemble,
        final_samples=samples_from(features, regimes, final_split(split), names=scaler.features),
        budget=vorticity_budget,
        confidence_level=parameters.confidence_level,
        settings=parameters.applicability,
        seed=parameters.seed,
    )
    for name, found in model.temperature.items():
        log.info(
            "%s: temperature %.2f (fitted %.2f; gain in basins left out %s +- %.3f nat)",
            *(name, found.applied, found.fitted, f"{found.gain:z.3f}", found.gain_error),
        )
    log.info("dissimilarity threshold %.2f", model.applicability.threshold)
    options: dict[str, Any] = {"settings": parameters.applicability, "seed": parameters.seed}
    of_sets = {name: calibrate_set(of_set, features, regimes, **options) for name, of_set in input_sets.items()}
    return replace(model, input_sets=of_sets).to_dict()


def compute_regime_uncertainty(
    calibration_model: dict[str, Any],
    features: xr.Dataset,
    training_history: pd.DataFrame,
    parameters: Uncertainty,
    **trained: Any,
) -> xr.Dataset:
    """Return calibrated probabilities and their uncertainty in every valid cell."""
    from thor.uncertainty.regime_uncertainty import CalibrationModel, uncertainty_fields

    result = uncertainty_fields(
        _predictors(**trained, parameters=parameters),
        CalibrationModel.from_dict(calibration_model),
        features,
        trained["baselines"].scaler,
        credible_level=parameters.credible_level,
        label_run=fields.label_runs(training_history),
    )
    share = result.attrs["area_share_not_applicable"]
    log.info("%.1f %% of the area lies outside the area of applicability", 100 * share)
    return result


def score_uncertainty(
    calibration_model: dict[str, Any],
    left_out_cells: Any,
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    bayesian_training_history: pd.DataFrame,
    parameters: Uncertainty,
    **trained: Any,
) -> dict[str, Any]:
    """Return skill of the Bayesian networks, and calibration of all predictors before and after."""
    from thor.uncertainty.regime_uncertainty import CalibrationModel
    from thor.uncertainty.scoring import score_predictors

    samples = samples_from(features, regimes, split, names=trained["baselines"].scaler.features)
    result = score_predictors(
        _predictors(**trained, parameters=parameters),
        trained["bayesian_network"],
        CalibrationModel.from_dict(calibration_model),
        samples,
        features,
        trained["baselines"].scaler,
        left_out=left_out_cells,
        history=bayesian_training_history,
        settings=parameters.bootstrap,
        seed=parameters.seed,
    )
    for name, regions in result["calibration_metrics"].items():
        before, after = (regions["test"][stage]["expected_calibration_error"] for stage in ("before", "after"))
        log.info("%s on test cells: calibration error %.3f at temperature 1, %.3f as applied", name, before, after)
    return result


def draw_reliability(calibration_metrics: dict[str, Any]) -> Any:
    """Draw reliability before and after calibration."""
    return uncertainty.reliability_curves(calibration_metrics)


def draw_risk_coverage(calibration_metrics: dict[str, Any]) -> Any:
    """Draw how the share of mistakes falls when the least certain cells are left out."""
    return uncertainty.risk_coverage_curves(calibration_metrics)


def draw_conformal_coverage(calibration_metrics: dict[str, Any]) -> Any:
    """Draw the measured coverage of the conformal sets by basin and regime, from the mean of networks and boosting."""
    regions = calibration_metrics[AVERAGE]
    coverage = {name: entry["conformal"] for name, entry in regions.items() if "conformal" in entry}
    return uncertainty.coverage_bars(coverage)


def draw_uncertainty(regime_uncertainty: xr.Dataset, regimes: xr.Dataset, split: xr.Dataset) -> Any:
    """Draw maps of the ensemble's entropy and mutual information, and both in right and wrong test cells."""
    from thor.uncertainty.regime_uncertainty import mistakes_in_test

    of_ensemble = regime_uncertainty.sel(predictor="ensemble")
    return uncertainty.uncertainty_maps(of_ensemble, mistakes_in_test(of_ensemble, regimes, split))


def _predictors(
    ensemble: Any, baselines: Any, bayesian_network: Any, laplace_network: Any, parameters: Uncertainty
) -> dict[str, Any]:
    from thor.networks.baselines import predictors_of

    return predictors_of(
        ensemble,
        baselines,
        bayesian=bayesian_network.draws(parameters.bayesian.n_draws, seed=parameters.seed),
        laplace=laplace_network.draws(parameters.laplace.n_draws, seed=parameters.seed),
    )
