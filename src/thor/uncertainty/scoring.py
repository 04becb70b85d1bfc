"""Scores of Bayesian predictors, and the calibration of all of them before and after."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from thor.networks.bootstrap import BootstrapSettings
from thor.networks.fields import predictor_rows, role_masks
from thor.networks.prediction import predict
from thor.networks.samples import Samples
from thor.networks.scores import scores
from thor.networks.skill import skill_table
from thor.networks.stack import NetworkStack, Weights
from thor.uncertainty.applicability import error_by_dissimilarity
from thor.uncertainty.bayesian import BayesianNetwork
from thor.uncertainty.calibration import calibration_table
from thor.uncertainty.conformal import coverage_table
from thor.uncertainty.predictive import Predictive, predictive_distribution
from thor.uncertainty.regime_uncertainty import CalibrationModel, basin_masks

_UNCERTAINTIES = ("expected_entropy", "mutual_information")


def score_predictors(
    stacks: Mapping[str, NetworkStack],
    bayesian: BayesianNetwork,
    model: CalibrationModel,
    samples: Samples,
    inputs: Weights,
    *,
    history: pd.DataFrame,
    settings: BootstrapSettings,
    seed: int,
) -> dict[str, Any]:
    """Return the three tables of scores that belong to predictors with a distribution over networks.

    Parameters
    ----------
    stacks : mapping of str to NetworkStack
        `ensemble`, `bayesian` and `laplace`.
    bayesian : BayesianNetwork
        Its starts are scored one by one.
    model : CalibrationModel
    samples : Samples
    inputs : ndarray of float32, shape (n_samples, n_features)
        Scaled inputs of the samples.
    history : pandas.DataFrame
        Learning curves of the starts; column `network` is the start.
    settings : BootstrapSettings
    seed : int

    Returns
    -------
    dict
        `bayesian_skill_metrics` as from `skill_table` at temperature 1; `calibration_metrics`, {predictor: {region:
        {before, after, conformal}}}, where regions are roles and the basins inside test, and the ensemble's test
        region also holds `error_by_dissimilarity`; `bayesian_network_metrics`, a row for each start and for Laplace.
    """
    regions = role_masks(samples)
    stages = {
        name: {
            "before": predictive_distribution(stack, inputs),
            "after": predictive_distribution(stack, inputs, temperature=model.temperature[name]),
        }
        for name, stack in stacks.items()
    }
    before = {name: stage["before"].probability for name, stage in stages.items()}
    skill = skill_table(
        {name: before[name] for name in ("bayesian", "laplace")}, samples, regions=regions, settings=settings, seed=seed
    )
    return {
        "bayesian_skill_metrics": skill,
        "calibration_metrics": _calibration(stages, model, samples, inputs, regions, settings=settings, seed=seed),
        "bayesian_network_metrics": pd.concat(
            [
                _start_rows(bayesian, stacks["bayesian"].n_networks, samples, inputs, regions, history, seed=seed),
                predictor_rows({"laplace": skill["laplace"]}, settings={}),
            ]
        ),
    }


def _calibration(
    stages: Mapping[str, Mapping[str, Predictive]],
    model: CalibrationModel,
    samples: Samples,
    inputs: Weights,
    regions: Mapping[str, np.ndarray],
    *,
    settings: BootstrapSettings,
    seed: int,
) -> dict[str, Any]:
    regions = {name: regions[name] for name in ("select", "calibrate", "test")} | basin_masks(samples, regions["test"])
    options: dict[str, Any] = {"regions": regions, "settings": settings, "seed": seed}
    table: dict[str, Any] = calibration_table(
        {name: {stage: found.probability for stage, found in of.items()} for name, of in stages.items()},
        samples,
        uncertainties={
            name: {stage: {u: getattr(found, u) for u in _UNCERTAINTIES} for stage, found in of.items()}
            for name, of in stages.items()
        },
        **options,
    )
    for name, of in stages.items():
        covered = coverage_table(model.conformal[name], of["after"].probability, samples, **options)
        for region, entry in covered.items():
            table[name][region]["conformal"] = entry
            table[name][region]["temperature"] = model.temperature[name]
    inside = regions["test"]
    wrong = stages["ensemble"]["after"].probability[inside].argmax(axis=1) != samples.labels[inside]
    table["ensemble"]["test"]["error_by_dissimilarity"] = error_by_dissimilarity(
        model.applicability.dissimilarity(inputs[inside]), wrong, threshold=model.applicability.threshold
    ).to_dict(orient="records")
    return table


def _start_rows(
    bayesian: BayesianNetwork,
    n_draws: int,
    samples: Samples,
    inputs: Weights,
    regions: Mapping[str, np.ndarray],
    history: pd.DataFrame,
    *,
    seed: int,
) -> pd.DataFrame:
    """Return a row for each start that draws come from, with the scores of the mean over its draws."""
    starts, draws = bayesian.draw_starts(n_draws), bayesian.draws(n_draws, seed=seed)
    frames = []
    for start in np.unique(starts):
        mean = predict(draws.select(np.flatnonzero(starts == start)), inputs).mean
        table = {
            region: scores(mean[inside], samples.labels[inside], classes=samples.classes)
            for region, inside in regions.items()
        }
        row = predictor_rows({"bayesian": table}, settings={"bayesian": f"KL weight {bayesian.kl_weight:g}"})
        frames.append(row.assign(network=int(start), best_epoch=int(bayesian.best_epoch[start])))
    return pd.concat(frames)
