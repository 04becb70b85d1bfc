"""Predictive distributions of many networks: probabilities, the parts of their entropy, and credible intervals.

Entropies are in bits: 0 where one regime is certain, log2 of the number of regimes where all are equally likely.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from thor.core.arrays import Array
from thor.core.errors import NetworkError
from thor.networks.prediction import probability_blocks
from thor.networks.predictor import Predictor
from thor.networks.stack import Weights


@dataclass(frozen=True, eq=False)
class Predictive:
    """The predictive distribution of each cell over many networks or posterior draws.

    Attributes
    ----------
    probability : ndarray of shape (n_samples, n_classes)
        Mean over the networks.
    predictive_entropy : ndarray of shape (n_samples,), [bit]
        Of the mean probability: all uncertainty.
    expected_entropy : ndarray of shape (n_samples,), [bit]
        Mean entropy of the single networks: the inputs do not determine the regime (aleatoric).
    mutual_information : ndarray of shape (n_samples,), [bit]
        Predictive minus expected entropy: from differences between the networks (epistemic).
    lower, upper : ndarray of shape (n_samples, n_classes)
        Central credible interval of each probability over the networks, not of their mean.
    credible_level : float
        Share of the networks inside it.
    superiority : ndarray of shape (n_samples,)
        P(p_a > p_b) over networks, of the regimes a and b of highest and second highest mean probability; both are
        taken from the same network, and ties count half. Near 1/2 neither regime is preferred; below 1/2 most networks
        prefer b, and a minority assigns a the higher probability by a larger margin.
    """

    probability: Array
    predictive_entropy: Array
    expected_entropy: Array
    mutual_information: Array
    lower: Array
    upper: Array
    credible_level: float
    superiority: Array


@dataclass(frozen=True, eq=False)
class UncertaintyParts:
    """The uncertainty of each cell in three parts that add up to it.

    Attributes
    ----------
    label, network, residual : ndarray of shape (n_samples,)
        From differences between the labels of clustering runs, from differences between networks trained on the same
        labels, and from the uncertainty of single networks.
    """

    label: Array
    network: Array
    residual: Array


def predictive_distribution(
    predictor: Predictor, inputs: Weights, *, temperature: float = 1.0, credible_level: float
) -> Predictive:
    """Return the predictive distribution of many networks for each cell, in blocks of bounded memory.

    Parameters
    ----------
    predictor : Predictor
        Members of an ensemble, or draws from a posterior.
    inputs : ndarray of shape (n_samples, n_features)
        Scaled as in training.
    temperature : float
        Every member's logits are divided by it.
    credible_level : float
        Share of the networks inside the interval of each probability.

    Raises
    ------
    NetworkError
        When the level does not lie between 0 and 1, and as for `probability_blocks`.
    """
    _require_level("credible_level", credible_level)
    n_samples, n_classes = len(inputs), len(predictor.classes)
    probability, lower, upper = (np.empty((n_samples, n_classes)) for _ in range(3))
    expected, superiority = np.empty(n_samples), np.empty(n_samples)
    tails = 0.5 * (1 - credible_level), 0.5 * (1 + credible_level)
    for part, block in probability_blocks(predictor, inputs, temperature=temperature):
        probability[part] = block.mean(axis=0, dtype=np.float64)
        expected[part] = entropy(block).mean(axis=0)
        lower[part], upper[part] = np.quantile(block, tails, axis=0)
        superiority[part] = _superiority(block, probability[part])
    total = entropy(probability)
    if predictor.n_members == 1:
        # One member has no disagreement: the rounding of its probabilities would be ranked as if it were one.
        expected = total
    # By Jensen's inequality never negative but for rounding.
    information = np.maximum(total - expected, 0.0)
    return Predictive(probability, total, expected, information, lower, upper, credible_level, superiority)


def entropy_parts(
    predictor: Predictor, inputs: Weights, label_run: NDArray[np.integer], *, temperature: float = 1.0
) -> UncertaintyParts:
    """Return the parts of the predictive entropy [bit] of networks trained on votes.

    Parameters
    ----------
    predictor : Predictor
    inputs : ndarray of shape (n_samples, n_features)
        Scaled as in training.
    label_run : ndarray of int, shape (n_networks,)
        Clustering run on whose labels each network was trained.
    temperature : float
        Every member's logits are divided by it.

    Raises
    ------
    NetworkError
        When there is not one run for each network, or no two networks share a run: the label and network parts cannot
        then be separated.

    Notes
    -----
    With w the network, r its run and p its probability,

        H(E p) = [H(E p) - E_r H(E_{w|r} p)] + [E_r H(E_{w|r} p) - E H(p)] + E H(p).

    Runs are weighted by their number of networks. With m networks for each run, a share of order 1/m of the differences
    between them is included in the label part: it is an upper bound, and the network part a lower bound.
    """
    runs, number = np.unique(label_run, return_inverse=True)
    if np.shape(label_run) != (predictor.n_members,):
        raise NetworkError(
            f"Expected the label run of {predictor.n_members} networks; got shape {np.shape(label_run)}."
        )
    if len(runs) == predictor.n_members > 1:
        raise NetworkError(
            f"Each of the {len(runs)} networks was trained on another run, so differences of labels and of networks "
            "cannot be separated. Train more networks than there are clustering runs."
        )
    members = [np.flatnonzero(number == run) for run in range(len(runs))]
    total, within, residual = (np.empty(len(inputs)) for _ in range(3))
    for part, block in probability_blocks(predictor, inputs, temperature=temperature):
        run_means = [block[rows].mean(axis=0, dtype=np.float64) for rows in members]
        total[part] = entropy(block.mean(axis=0, dtype=np.float64))
        within[part] = sum(len(rows) * entropy(mean) for rows, mean in zip(members, run_means, strict=True))
        residual[part] = entropy(block).mean(axis=0)
    within /= predictor.n_members
    return UncertaintyParts(np.maximum(total - within, 0.0), np.maximum(within - residual, 0.0), residual)


def published_interval_test(predictor: Predictor, inputs: Weights, *, level: float = 0.99) -> NDArray[np.bool_]:
    """Return the cells that are significant in the published test; use it only to reproduce the published results.

    Significant are cells where the t-intervals of the MEAN probability over draws of the best and the second regime do
    not overlap. These intervals shrink with the square root of the number of draws: with enough draws every cell is
    significant, however wide the posterior. `Predictive.superiority` uses the width of the posterior instead.

    Parameters
    ----------
    predictor : Predictor
        At least two draws.
    inputs : ndarray of shape (n_samples, n_features)
        Scaled as in training.
    level : float
        Confidence level of each interval.

    Returns
    -------
    ndarray of bool, shape (n_samples,)

    Raises
    ------
    NetworkError
        When there are fewer than two draws, or the level does not lie between 0 and 1.

    Notes
    -----
    Clare et al. (2022), doi:10.1029/2022MS003162.
    """
    _require_level("level", level)
    n_draws = predictor.n_members
    if n_draws < 2:
        raise NetworkError("An interval needs at least two draws; got 1.")
    quantile = student_t.ppf(0.5 * (1 + level), n_draws - 1) / np.sqrt(n_draws)
    significant = np.empty(len(inputs), dtype=bool)
    for part, block in probability_blocks(predictor, inputs):
        mean = block.mean(axis=0, dtype=np.float64)
        margin = quantile * block.std(axis=0, dtype=np.float64, ddof=1)
        best, second = _two_best(mean)
        cells = np.arange(len(mean))
        significant[part] = (mean - margin)[cells, best] > (mean + margin)[cells, second]
    return significant


def entropy(probabilities: np.ndarray) -> Array:
    """Return the entropy [bit] over the last axis of probabilities, shape (..., n_classes)."""
    terms = probabilities * np.log(np.maximum(probabilities, np.finfo(probabilities.dtype).tiny))
    total = np.zeros(probabilities.shape[:-1])
    for term in np.moveaxis(terms, -1, 0):  # class by class: NumPy is slow at reducing an axis of six
        total -= term
    return total / np.log(2.0)


def _superiority(block: np.ndarray, mean: np.ndarray) -> Array:
    best, second = _two_best(mean)
    cells = np.arange(len(mean))
    difference = block[:, cells, best] - block[:, cells, second]
    return 0.5 * (1.0 + np.sign(difference).mean(axis=0, dtype=np.float64))


def _two_best(mean: np.ndarray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the classes of highest and second highest probability, each of shape (n_samples,)."""
    order = np.argsort(-mean, axis=1, kind="stable")
    return order[:, 0], order[:, 1]


def _require_level(name: str, level: float) -> None:
    if not 0.0 < level < 1.0:
        raise NetworkError(f"'{name}' must lie between 0 and 1; got {level:g}.")
