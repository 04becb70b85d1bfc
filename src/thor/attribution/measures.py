"""Measures of the quality of attributions: faithfulness, robustness, randomisation and complexity."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thor.attribution.agreement import correlation
from thor.attribution.settings import EvaluationSettings
from thor.attribution.target_networks import TargetNetworks
from thor.attribution.targets import Regimes, Target
from thor.core.arrays import Array
from thor.networks.prediction import predict
from thor.networks.stack import NetworkStack, Weights


@dataclass(frozen=True)
class Measure:
    """The property that a measure quantifies, its direction and its meaning."""

    property: str
    higher_is_better: bool
    meaning: str

    @cached_property
    def perfect(self) -> float:
        """The value of a perfect attribution."""
        return float(self.higher_is_better)


_FAITHFULNESS = "correlation, over random sets of features, of attribution and loss of the target without them"
_REMOVAL = "share of changed regimes when features are removed, largest attributions first, mean over their number"
_BLIND = "rank correlation of magnitudes with those of networks whose weights are shuffled; independent of networks: 1"

MEASURES: dict[str, Measure] = {
    "faithfulness_correlation": Measure("faithfulness", True, _FAITHFULNESS),
    "removal_curve": Measure("faithfulness", True, _REMOVAL),
    "local_lipschitz": Measure("robustness", False, "largest relative change per change of the inputs nearby"),
    "average_sensitivity": Measure("robustness", False, "mean relative change when inputs are perturbed"),
    "parameter_randomisation": Measure("randomisation", False, _BLIND),
    "entropy": Measure("complexity", False, "entropy of the magnitudes, over that of equal ones"),
    "sparseness": Measure("complexity", True, "Gini coefficient of the magnitudes"),
}


@dataclass(frozen=True, eq=False)
class EvaluationCells:
    """Cells on which explanations are evaluated.

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


def measure_values(
    cells: EvaluationCells, values: Array, near: list[Weights], nearby: Array, removal: "Removal"
) -> dict[str, Array]:
    """Return each measure but randomisation in each cell.

    Parameters
    ----------
    cells : EvaluationCells
    values : ndarray, shape (n_cells, n_features)
        The attributions.
    near : list of ndarray, shape (n_cells, n_features)
        Perturbed inputs.
    nearby : ndarray, shape (n_perturbations, n_cells, n_features)
        Their attributions.
    removal : Removal
    """
    size = np.maximum(np.linalg.norm(values, axis=1), 1e-12)
    change = np.linalg.norm(nearby - values, axis=2) / size
    distance = np.stack([np.linalg.norm(inputs - cells.inputs, axis=1) for inputs in near])
    share = np.abs(values) / np.maximum(np.abs(values).sum(axis=1, keepdims=True), 1e-12)
    entropy = -(share * np.log(np.maximum(share, 1e-12))).sum(axis=1) / np.log(values.shape[1])
    return {
        "faithfulness_correlation": removal.correlation(values),
        "removal_curve": removal.curve(values),
        "local_lipschitz": (change / distance).max(axis=0),
        "average_sensitivity": change.mean(axis=0),
        "entropy": entropy,
        "sparseness": _gini(share),
    }


class Removal:
    """The networks' mean target and regime when features take their values from the reference."""

    def __init__(
        self,
        stack: NetworkStack,
        cells: EvaluationCells,
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
        whole = TargetNetworks(stack, target).of_inputs(cells.inputs, cells.regime).mean(axis=0)
        self._losses = np.stack(
            [whole - self._without(np.broadcast_to(removed, cells.inputs.shape)) for removed in self._sets]
        )

    def correlation(self, attribution: Array) -> Array:
        """Return the correlation, over sets of features, of summed attribution and loss of the target."""
        summed = attribution @ self._sets.T
        return correlation(summed, self._losses.T)

    def curve(self, attribution: Array) -> Array:
        """Return the share of changed regimes, features removed in order of magnitude, mean over their number."""
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
        forward, total = TargetNetworks(self._stack, self._target), np.zeros(len(removed))
        for row in self._rows:
            total += forward.of_inputs(np.where(removed, row, self._cells.inputs), self._cells.regime).mean(axis=0)
        return total / len(self._rows)


def _gini(share: Array) -> Array:
    n_players = share.shape[1]
    ordered = np.sort(share, axis=1)
    return 1 - 2 * (ordered * (n_players - np.arange(n_players) - 0.5)).sum(axis=1) / n_players
