"""Whether explanations can be trusted: faithfulness, robustness, randomisation and complexity, against random ones.

After Bommer et al. (2024), doi:10.1175/AIES-D-23-0074.1. What is judged is a method's mean over networks as an
explanation of the networks' mean target. Every measure is told as a skill score: 0 is what an attribution has that
knows nothing, 1 is perfect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from tqdm import tqdm

from thor.attribution.attributions import Method
from thor.attribution.forward import Forward
from thor.attribution.settings import EvaluationSettings
from thor.attribution.targets import Regimes, Target, require_inputs
from thor.core.arrays import Array
from thor.networks.prediction import predict
from thor.networks.stack import NetworkStack, Weights


@dataclass(frozen=True)
class Measure:
    """What a measure judges, its perfect value and which way is better."""

    property: str
    perfect: float
    higher_is_better: bool
    meaning: str


MEASURES: dict[str, Measure] = {
    "faithfulness_correlation": Measure(
        "faithfulness",
        1.0,
        True,
        "correlation, over random sets of features, of their attribution with what the target loses without them",
    ),
    "removal_curve": Measure(
        "faithfulness",
        1.0,
        True,
        "how often the predicted regime changes when the largest attributions are removed first, mean over the number",
    ),
    "local_lipschitz": Measure(
        "robustness", 0.0, False, "largest relative change of the attribution per change of the inputs nearby"
    ),
    "average_sensitivity": Measure(
        "robustness", 0.0, False, "mean relative change of the attribution when inputs are perturbed"
    ),
    "parameter_randomisation": Measure(
        "randomisation",
        0.0,
        False,
        "rank correlation of magnitudes with those of networks whose weights are shuffled; knowing nothing: 1",
    ),
    "entropy": Measure("complexity", 0.0, False, "entropy of the magnitudes, over that of equal ones"),
    "sparseness": Measure("complexity", 1.0, True, "Gini coefficient of the magnitudes"),
}


@dataclass(frozen=True, eq=False)
class JudgedCells:
    """Cells on which explanations are judged.

    Attributes
    ----------
    inputs : ndarray of float32, shape (n_cells, n_features)
        Scaled.
    regime : ndarray of int, shape (n_cells,)
        Whose target is explained.
    weights : ndarray, shape (n_cells,)
        Share of the area that each cell stands for.
    """

    inputs: Weights
    regime: Regimes
    weights: Array


def draw_cells(inputs: Weights, regime: Regimes, area: Array, *, n_cells: int, seed: int) -> JudgedCells:
    """Return cells with as many of each explained regime, and the area each stands for."""
    random = np.random.default_rng(seed)
    present = np.unique(regime)
    chosen, weights = [], []
    for code in present:
        own = np.flatnonzero(regime == code)
        n_own = min(len(own), -(-n_cells // len(present)))
        total = area[own].sum()
        chosen.append(random.choice(own, size=n_own, replace=False, p=area[own] / total))
        weights.append(np.full(n_own, total / n_own))
    cells, share = np.concatenate(chosen), np.concatenate(weights)
    return JudgedCells(inputs[cells], regime[cells], share / share.sum())


def evaluate(
    methods: Mapping[str, Method],
    stack: NetworkStack,
    cells: JudgedCells,
    reference: Weights,
    *,
    settings: EvaluationSettings,
    seed: int,
    progress: bool = True,
) -> pd.DataFrame:
    """Return every measure of every method.

    A method explains ``n_cells * (n_perturbations + 2)`` samples.

    Parameters
    ----------
    methods : mapping of str to Method
        All of one target, and of features as players.
    stack : NetworkStack
    cells : JudgedCells
    reference : ndarray of float32, shape (n_reference, n_features)
        Rows that stand in for removed features.
    settings : EvaluationSettings
    seed : int
    progress : bool

    Returns
    -------
    pandas.DataFrame
        One row for each method and measure: `method`, `property`, `measure`, `value` (area-weighted mean), `random` (of
        attributions drawn at random; for randomisation of one blind to the networks), `skill`, `low`, `high` (interval
        of the skill from a bootstrap over cells), `level`, `n_cells`, `weighting`, `perfect`, `higher_is_better`.

    References
    ----------
    Bhatt et al. (2020), doi:10.24963/ijcai.2020/417; Yeh et al. (2019), arXiv:1901.09392; Alvarez-Melis and Jaakkola
    (2018), arXiv:1806.08049; Adebayo et al. (2018), arXiv:1810.03292; Chalasani et al. (2020), arXiv:1810.06583.
    """
    require_inputs(stack, cells.inputs, cells.regime)
    random = np.random.default_rng(seed)
    near = _perturbed(cells.inputs, settings, random)
    shuffled = _shuffled(stack, random)
    target = next(iter(methods.values())).target
    removal = _Removal(stack, cells, reference, target, settings, seed)
    of_random = _values_of_random(cells, near, removal, random)
    frames = []
    for name, method in tqdm(
        methods.items(), desc="evaluation", unit="method", leave=False, disable=None if progress else True
    ):
        own = _mean(method, stack, cells.inputs, cells.regime)
        nearby = np.stack([_mean(method, stack, inputs, cells.regime) for inputs in near])
        blind = _mean(method, shuffled, cells.inputs, cells.regime)
        values = _values(cells, own, near, nearby, removal)
        values["parameter_randomisation"] = _rank_correlation(np.abs(own), np.abs(blind))
        frames.append(_rows(name, values, of_random, cells, settings, seed))
    return pd.concat(frames, ignore_index=True)


def _values(
    cells: JudgedCells, own: Array, near: list[Weights], nearby: Array, removal: "_Removal"
) -> dict[str, Array]:
    """Return each measure but randomisation in each cell."""
    size = np.maximum(np.linalg.norm(own, axis=1), 1e-12)
    change = np.linalg.norm(nearby - own, axis=2) / size
    distance = np.stack([np.linalg.norm(inputs - cells.inputs, axis=1) for inputs in near])
    share = np.abs(own) / np.maximum(np.abs(own).sum(axis=1, keepdims=True), 1e-12)
    entropy = -(share * np.log(np.maximum(share, 1e-12))).sum(axis=1) / np.log(own.shape[1])
    return {
        "faithfulness_correlation": removal.correlation(own),
        "removal_curve": removal.curve(own),
        "local_lipschitz": (change / distance).max(axis=0),
        "average_sensitivity": change.mean(axis=0),
        "entropy": entropy,
        "sparseness": _gini(share),
    }


def _values_of_random(
    cells: JudgedCells, near: list[Weights], removal: "_Removal", random: np.random.Generator
) -> dict[str, Array]:
    """Return the measures of attributions drawn from a normal distribution, anew for every cell and perturbation."""
    shape = cells.inputs.shape
    values = _values(cells, random.normal(size=shape), near, random.normal(size=(len(near), *shape)), removal)
    return values | {"parameter_randomisation": np.ones(len(cells.inputs))}


def _rows(
    name: str,
    values: Mapping[str, Array],
    of_random: Mapping[str, Array],
    cells: JudgedCells,
    settings: EvaluationSettings,
    seed: int,
) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    drawn = random.multinomial(
        len(cells.weights), np.full(len(cells.weights), 1 / len(cells.weights)), settings.n_bootstrap
    )
    resampled = drawn * cells.weights
    resampled = resampled / resampled.sum(axis=1, keepdims=True)
    tails = (1 - settings.level) / 2
    rows = []
    for measure, described in MEASURES.items():
        own, blind = (np.nan_to_num(each[measure]) for each in (values, of_random))
        value, at_random = (float(np.average(each, weights=cells.weights)) for each in (own, blind))
        skills = _skill(resampled @ own, resampled @ blind, described.perfect)
        low, high = np.quantile(skills, [tails, 1 - tails])
        rows.append(
            {
                "method": name,
                "property": described.property,
                "measure": measure,
                "value": value,
                "random": at_random,
                "skill": float(_skill(value, at_random, described.perfect)),
                "low": float(low),
                "high": float(high),
                "level": settings.level,
                "n_cells": len(own),
                "weighting": "area",
                "perfect": described.perfect,
                "higher_is_better": described.higher_is_better,
            }
        )
    return pd.DataFrame(rows)


def _skill(value: Array | float, at_random: Array | float, perfect: float) -> Array | float:
    return (value - at_random) / (perfect - at_random)


class _Removal:
    """What the networks' mean target and regime become when features take their values from the reference."""

    def __init__(
        self,
        stack: NetworkStack,
        cells: JudgedCells,
        reference: Weights,
        target: Target,
        settings: EvaluationSettings,
        seed: int,
    ) -> None:
        random = np.random.default_rng([seed, 1])
        n_features = cells.inputs.shape[1]
        self._stack, self._cells, self._target = stack, cells, target
        self._rows = reference[random.choice(len(reference), settings.n_rows, replace=len(reference) < settings.n_rows)]
        n_removed = min(settings.n_removed, n_features - 1)
        order = random.permuted(np.tile(np.arange(n_features), (settings.n_perturbations, 1)), axis=1)
        self._sets = np.zeros(order.shape, dtype=bool)
        np.put_along_axis(self._sets, order[:, :n_removed], True, axis=1)
        whole = Forward(stack, target).of_inputs(cells.inputs, cells.regime).mean(axis=0)
        self._losses = np.stack([whole - self._without(np.broadcast_to(own, cells.inputs.shape)) for own in self._sets])

    def correlation(self, attribution: Array) -> Array:
        """Return the correlation, over sets of features, of summed attribution and loss of the target."""
        summed = attribution @ self._sets.T
        return _correlation(summed, self._losses.T)

    def curve(self, attribution: Array) -> Array:
        """Return how often the regime changes when the largest attributions are removed, mean over their number."""
        order = np.argsort(-np.abs(attribution), axis=1, kind="stable")
        removed = np.zeros(attribution.shape, dtype=bool)
        changed = np.zeros(len(attribution))
        for step in range(attribution.shape[1] - 1):
            np.put_along_axis(removed, order[:, step : step + 1], True, axis=1)
            for row in self._rows:
                inputs = np.where(removed, row, self._cells.inputs)
                changed += predict(self._stack, inputs).mean.argmax(axis=1) != self._cells.regime
        return changed / (len(self._rows) * (attribution.shape[1] - 1))

    def _without(self, removed: NDArray[np.bool_]) -> Array:
        forward, total = Forward(self._stack, self._target), np.zeros(len(removed))
        for row in self._rows:
            total += forward.of_inputs(np.where(removed, row, self._cells.inputs), self._cells.regime).mean(axis=0)
        return total / len(self._rows)


def _mean(method: Method, stack: NetworkStack, inputs: Weights, regime: Regimes) -> Array:
    """Return a method's mean over networks."""
    return np.concatenate([block.values.mean(axis=0) for block in method.explain(stack, inputs, regime)]).astype(float)


def _perturbed(inputs: Weights, settings: EvaluationSettings, random: np.random.Generator) -> list[Weights]:
    shape = (settings.n_perturbations, *inputs.shape)
    return list(inputs + settings.perturbation * random.standard_normal(shape, dtype=np.float32))


def _shuffled(stack: NetworkStack, random: np.random.Generator) -> NetworkStack:
    """Return networks whose weights are those of `stack` in random places of their layer."""

    def shuffle(array: Weights) -> Weights:
        return random.permuted(array.reshape(len(array), -1), axis=1).reshape(array.shape)

    return replace(stack, kernels=tuple(map(shuffle, stack.kernels)), biases=tuple(map(shuffle, stack.biases)))


def _rank_correlation(first: Array, second: Array) -> Array:
    return _correlation(rankdata(first, axis=1), rankdata(second, axis=1))


def _correlation(first: Array, second: Array) -> Array:
    """Return the correlation over the last axis; 0 where one is constant."""
    one, other = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    scale = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.divide((one * other).sum(axis=1), scale, out=np.zeros_like(scale), where=scale > 0)


def _gini(share: Array) -> Array:
    n_players = share.shape[1]
    ordered = np.sort(share, axis=1)
    return 1 - 2 * (ordered * (n_players - np.arange(n_players) - 0.5)).sum(axis=1) / n_players
