"""Evaluation of explanations: faithfulness, robustness, randomisation and complexity, beside random attributions.

After Bommer et al. (2024), doi:10.1175/AIES-D-23-0074.1. A method's mean over networks is evaluated as an
explanation of the networks' mean target. Every measure gives a skill score: 0 for random attributions, 1 for perfect
ones.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from thor.attribution.agreement import rank_correlation
from thor.attribution.attributions import mean_over_networks
from thor.attribution.measures import MEASURES, EvaluationCells, Removal, measure_values
from thor.attribution.method import Explainer
from thor.attribution.settings import EvaluationSettings
from thor.attribution.targets import Regimes, explained_regime, require_inputs
from thor.core.arrays import Array
from thor.core.metrics import metrics
from thor.core.progress import progress_bar
from thor.networks.inputs import cell_inputs
from thor.networks.scaler import FeatureScaler
from thor.networks.stack import NetworkStack, Weights


def evaluate_on_cells(
    explainers: Mapping[str, Explainer],
    stack: NetworkStack,
    features: xr.Dataset,
    scaler: FeatureScaler,
    reference: Weights,
    *,
    settings: EvaluationSettings,
    seed: int,
) -> pd.DataFrame:
    """Return the evaluation of methods on cells of the training ocean; see `evaluate`."""
    inputs, index = cell_inputs(features, names=scaler.features)
    scaled = scaler.transform(inputs)
    area = features["areacello"].transpose(*features["valid"].dims).values.ravel()[index].astype(float)
    cells = draw_cells(scaled, explained_regime(stack, scaled), area, n_cells=settings.n_cells, seed=seed)
    return evaluate(explainers, stack, cells, reference, settings=settings, seed=seed)


def draw_cells(inputs: Weights, regime: Regimes, area: Array, *, n_cells: int, seed: int) -> EvaluationCells:
    """Return equal numbers of cells of each explained regime, and the share of the whole area that each represents.

    Cells of a regime are drawn with equal probability and share its area in proportion to their own: also where nearly
    all of them are drawn, no size of cell has too much weight.
    """
    random = np.random.default_rng(seed)
    present = np.unique(regime)
    chosen, weights = [], []
    for code in present:
        inside = np.flatnonzero(regime == code)
        size = min(len(inside), -(-n_cells // len(present)))
        chosen.append(random.choice(inside, size=size, replace=False))
        of_cells = area[chosen[-1]]
        weights.append(of_cells * area[inside].sum() / of_cells.sum())
    cells, share = np.concatenate(chosen), np.concatenate(weights)
    return EvaluationCells(inputs[cells], regime[cells], share / share.sum())


def evaluate(
    explainers: Mapping[str, Explainer],
    stack: NetworkStack,
    cells: EvaluationCells,
    reference: Weights,
    *,
    settings: EvaluationSettings,
    seed: int,
) -> pd.DataFrame:
    """Return every measure of every method.

    A method explains ``n_cells * (n_perturbations + 2)`` samples.

    Parameters
    ----------
    explainers : mapping of str to Explainer
        By method, all of one target and with features as players.
    stack : NetworkStack
    cells : EvaluationCells
    reference : ndarray of float32, shape (n_reference, n_features)
        Rows that replace removed features.
    settings : EvaluationSettings
    seed : int
    progress : bool

    Returns
    -------
    pandas.DataFrame
        One row for each method and measure: `method`, `property`, `measure`, `value` (area-weighted mean), `random` (of
        random attributions; for randomisation of one independent of the networks), `skill`, `low`, `high` (interval
        of the skill from a bootstrap over cells), `level`, `n_cells`, `weighting`, `perfect`, `higher_is_better`.

    References
    ----------
    Bhatt et al. (2020), doi:10.24963/ijcai.2020/417; Yeh et al. (2019), arXiv:1901.09392; Alvarez-Melis and Jaakkola
    (2018), arXiv:1806.08049; Adebayo et al. (2018), arXiv:1810.03292; Chalasani et al. (2020), arXiv:1810.06583.
    """
    require_inputs(stack, cells.inputs, cells.regime)
    random = np.random.default_rng(seed)
    shape = (settings.n_perturbations, *cells.inputs.shape)
    near = list(cells.inputs + settings.perturbation * random.standard_normal(shape, dtype=np.float32))
    shuffled = _shuffled(stack, random)
    target = next(iter(explainers.values())).target
    removal = Removal(stack, cells, reference, target, settings, seed)
    of_random = measure_values(cells, random.normal(size=shape[1:]), near, random.normal(size=shape), removal)
    of_random["parameter_randomisation"] = np.ones(len(cells.inputs))
    frames = []
    for name, explainer in progress_bar(explainers.items(), label="evaluation", unit="method"):
        values = mean_over_networks(explainer, stack, cells.inputs, cells.regime)
        nearby = np.stack([mean_over_networks(explainer, stack, inputs, cells.regime) for inputs in near])
        blind = mean_over_networks(explainer, shuffled, cells.inputs, cells.regime)
        measured = measure_values(cells, values, near, nearby, removal)
        measured["parameter_randomisation"] = rank_correlation(np.abs(values), np.abs(blind))
        frames.append(_rows(name, measured, of_random, cells, settings, seed))
    return pd.concat(frames, ignore_index=True)


def _rows(
    name: str,
    values: Mapping[str, Array],
    of_random: Mapping[str, Array],
    cells: EvaluationCells,
    settings: EvaluationSettings,
    seed: int,
) -> pd.DataFrame:
    n_cells = len(cells.weights)
    drawn = np.random.default_rng(seed).multinomial(n_cells, np.full(n_cells, 1 / n_cells), settings.n_bootstrap)
    resampled = drawn * cells.weights
    resampled = resampled / resampled.sum(axis=1, keepdims=True)
    tails = (1 - settings.level) / 2
    rows = []
    for measure, quantified in MEASURES.items():
        metric = metrics("explanation")[f"{measure}.value"]
        perfect = float(metric.perfect or 0)
        of_method, blind = (np.nan_to_num(each[measure]) for each in (values, of_random))
        value, at_random = (float(np.average(each, weights=cells.weights)) for each in (of_method, blind))
        skills = _skill(resampled @ of_method, resampled @ blind, perfect)
        low, high = np.quantile(skills, [tails, 1 - tails])
        row = {"method": name, "property": quantified, "measure": measure, "value": value, "random": at_random}
        row |= {"skill": _skill(value, at_random, perfect), "low": low, "high": high, "level": settings.level}
        row |= {"n_cells": n_cells, "weighting": "area", "perfect": perfect}
        rows.append(row | {"higher_is_better": metric.higher_is_better})
    return pd.DataFrame(rows)


def _skill(value: Array | float, at_random: Array | float, perfect: float) -> Array | float:
    return (value - at_random) / (perfect - at_random)


def _shuffled(stack: NetworkStack, random: np.random.Generator) -> NetworkStack:
    """Return networks whose weights are those of `stack` in random places of their layer."""

    def shuffle(array: Weights) -> Weights:
        return random.permuted(array.reshape(len(array), -1), axis=1).reshape(array.shape)

    return replace(stack, kernels=tuple(map(shuffle, stack.kernels)), biases=tuple(map(shuffle, stack.biases)))
