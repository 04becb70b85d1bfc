"""Scores of Bayesian predictors, and the calibration of all of them before and after."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.networks.bootstrap import BootstrapSettings
from thor.networks.cross_validation import error_correlations
from thor.networks.fields import basin_masks, network_table, predictor_rows, role_masks
from thor.networks.inputs import cell_inputs
from thor.networks.member_skill import network_reliability, network_scores, network_sums, predictor_reliability
from thor.networks.prediction import predict
from thor.networks.predictor import ENSEMBLE, Predictor, columns
from thor.networks.samples import Samples
from thor.networks.scaler import FeatureScaler
from thor.networks.scores import number
from thor.networks.skill import skill_table
from thor.networks.stack import Weights
from thor.ocean.cells import on_same_grid
from thor.uncertainty.applicability import error_by_dissimilarity
from thor.uncertainty.bayesian import BayesianNetwork
from thor.uncertainty.calibration import calibration_table
from thor.uncertainty.conformal import basin_sets, coverage_table
from thor.uncertainty.left_out import LeftOutBasin
from thor.uncertainty.predictive import Predictive, predictive_distribution, published_interval_test
from thor.uncertainty.regime_uncertainty import CalibrationModel

_BAYESIAN = ("bayesian", "laplace")

_UNCERTAINTIES = ("expected_entropy", "mutual_information")

_SIGNIFICANCE = 0.99
"""Level of the published test, and threshold of the superiority in the comparison."""


def score_predictors(
    predictors: Mapping[str, Predictor],
    bayesian: BayesianNetwork,
    model: CalibrationModel,
    samples: Samples,
    features: xr.Dataset,
    scaler: FeatureScaler,
    *,
    left_out: Mapping[str, LeftOutBasin],
    history: pd.DataFrame,
    settings: BootstrapSettings,
    seed: int,
) -> dict[str, Any]:
    """Return the tables of scores of the Bayesian predictors, and of the calibration of all predictors.

    Parameters
    ----------
    predictors : mapping of str to Predictor
        `ensemble`, `bayesian` and `laplace` among them.
    bayesian : BayesianNetwork
        Its starts are scored one by one.
    model : CalibrationModel
    samples : Samples
    features : xarray.Dataset
        That the samples are from. Conformal sets are those of all its valid cells, also of cells without a label.
    scaler : FeatureScaler
        Of the features of all predictors.
    left_out : mapping of str to LeftOutBasin
        The correlation of their errors gives the intervals of the scores.
    history : pandas.DataFrame
        Learning curves of the starts; column `network` is the start.
    settings : BootstrapSettings
    seed : int

    Returns
    -------
    dict
        `bayesian_skill_metrics` as from `skill_table` at temperature 1; `calibration_metrics`, {predictor: {region:
        {before, after, conformal}}}, where regions are roles and the basins inside test; the ensemble's test region
        also holds `error_by_dissimilarity`, and that of predictors of many members `significance`;
        `bayesian_network_metrics`, a row for each start and for Laplace; `bayesian_network_reliability`, a row for each
        of them, region and bin.
    """
    regions, inputs = role_masks(samples), scaler.transform(samples.inputs)
    seen = {name: columns(inputs, samples.features, predictor.features) for name, predictor in predictors.items()}
    # No score uses the intervals of the distributions.
    stages = {
        name: {
            stage: predictive_distribution(predictor, seen[name], temperature=at, credible_level=_SIGNIFICANCE)
            for stage, at in (("before", 1.0), ("after", model.temperatures[name]))
        }
        for name, predictor in predictors.items()
    }
    # The others have their scores from the pipeline modelling.
    before = {name: stages[name]["before"].probability for name in _BAYESIAN}
    unseen = [
        (cells.samples, {name: cells.probabilities_at(name)(1.0) for name in predictors}) for cells in left_out.values()
    ]
    correlations = error_correlations(unseen, seed=seed)
    options: dict[str, Any] = {"correlations": correlations, "settings": settings, "seed": seed}
    skill = skill_table(before, samples, regions=regions, **options)
    parts = {name: regions[name] for name in ("select", "test")} | basin_masks(samples, regions["test"])
    calibration = _calibration(stages, model, samples, seen[ENSEMBLE], parts, options)
    for name, covered in _coverage(stages, model, samples, features, scaler, parts).items():
        for region, entry in covered.items():
            calibration[name][region] |= {"conformal": entry, "temperature": model.temperature[name].to_dict()}
    for name, predictor in predictors.items():
        if predictor.n_members > 1:
            calibration[name]["test"]["significance"] = _significance(
                predictor, stages[name]["before"], samples, seen[name], regions["test"]
            )
    n_draws = predictors["bayesian"].n_members
    start, draws = bayesian.draw_starts(n_draws), bayesian.draws(n_draws, seed=seed)
    starts = np.unique(start)
    # Each start is scored by the mean over its draws.
    means = np.stack([predict(draws.select(np.flatnonzero(start == k)), seen["bayesian"]).mean for k in starts])
    sums = network_sums([(slice(None), means)], samples, regions=regions)
    rows, reliability = network_scores(sums, classes=samples.classes), network_reliability(sums, predictor="bayesian")
    for table in (rows, reliability):
        table["network"] = starts[table["network"]]
    of_starts = network_table(rows, predictor="bayesian", history=history, settings=f"KL weight {bayesian.kl_weight:g}")
    of_laplace = predictor_reliability({"laplace": before["laplace"]}, samples, regions=regions)
    return {
        "bayesian_skill_metrics": skill,
        "calibration_metrics": calibration,
        "bayesian_network_metrics": pd.concat([of_starts, predictor_rows({"laplace": skill["laplace"]})]),
        "bayesian_network_reliability": pd.concat([reliability, of_laplace]),
    }


def _calibration(
    stages: Mapping[str, Mapping[str, Predictive]],
    model: CalibrationModel,
    samples: Samples,
    inputs: Weights,
    regions: Mapping[str, np.ndarray],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    table: dict[str, Any] = calibration_table(
        {name: {stage: found.probability for stage, found in of.items()} for name, of in stages.items()},
        samples,
        uncertainties={
            name: {stage: {u: getattr(found, u) for u in _UNCERTAINTIES} for stage, found in of.items()}
            for name, of in stages.items()
        },
        regions=regions,
        **options,
    )
    inside = regions["test"]
    wrong = stages[ENSEMBLE]["after"].probability[inside].argmax(axis=1) != samples.labels[inside]
    table[ENSEMBLE]["test"]["error_by_dissimilarity"] = error_by_dissimilarity(
        model.applicability.dissimilarity(inputs[inside]), wrong, threshold=model.applicability.threshold
    ).to_dict(orient="records")
    return table


def _coverage(
    stages: Mapping[str, Mapping[str, Predictive]],
    model: CalibrationModel,
    samples: Samples,
    features: xr.Dataset,
    scaler: FeatureScaler,
    regions: Mapping[str, np.ndarray],
) -> dict[str, dict[str, Any]]:
    """Return the coverage of the sets that `thor.uncertainty.regime_uncertainty.uncertainty_fields` gives."""
    inputs, index = cell_inputs(features, names=scaler.features)
    sets, size = basin_sets(
        model.conformal,
        {name: of["after"].probability for name, of in stages.items()},
        columns(scaler.transform(inputs), scaler.features, model.applicability.features),
        on_same_grid(features["valid"], features, "basin").ravel()[index],
        places=np.searchsorted(index, samples.index),
    )
    level = model.conformal.confidence_level
    return {
        name: coverage_table(of_predictor, size, samples, confidence_level=level, regions=regions)
        for name, of_predictor in sets.items()
    }


def _significance(
    predictor: Predictor, predictive: Predictive, samples: Samples, inputs: Weights, kept: np.ndarray
) -> dict[str, dict[str, float | None]]:
    """Return the share of test cells that the published test finds significant, and the accuracy in these cells.

    Likewise for cells in which the first regime is more probable than the second in that share of the networks.
    """
    right = predictive.probability[kept].argmax(axis=1) == samples.labels[kept]
    calls = {
        "published_interval_test": published_interval_test(predictor, inputs[kept], level=_SIGNIFICANCE),
        "superiority": predictive.superiority[kept] > _SIGNIFICANCE,
    }
    return {
        name: {
            "level": _SIGNIFICANCE,
            "share_significant": float(called.mean()),
            "accuracy_significant": number(right[called].mean()) if called.any() else None,
            "accuracy_not_significant": number(right[~called].mean()) if not called.all() else None,
        }
        for name, called in calls.items()
    }
