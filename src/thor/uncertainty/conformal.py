"""Conformal prediction: sets of regimes for each cell, and their measured coverage.

The known cells are those of basins left out of training. New cells differ from them, so that each known cell counts by
how much it resembles the new ones (Tibshirani et al. 2019): the sets then contain the true regime at the confidence
level if only the inputs of new cells are distributed differently, not the regimes at given inputs. Whether that holds
must be measured, as `coverage_table` does by basin and regime.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from thor.core.arrays import AnyArray, Array
from thor.core.errors import NetworkError, did_you_mean
from thor.networks.json_model import JsonModel
from thor.networks.samples import Samples
from thor.networks.skill import require_cells

LEAST_EFFECTIVE_SIZE = 50.0
"""Effective number of known cells below which no set is given: none resemble the new cells."""

NO_SET = -1
"""Instead of 1 and 0 in cells without a set."""


@dataclass(frozen=True, eq=False)
class LikelihoodRatio:
    """Density of new cells over density of known cells at the inputs of both, up to one factor.

    Attributes
    ----------
    known : ndarray of shape (n_known,)
    new : ndarray of shape (n_new,)
    """

    known: Array
    new: Array

    @property
    def effective_size(self) -> float:
        """Number of known cells that count: (sum of ratios)^2 / sum of squares (Kish 1965), for independent cells."""
        return float(self.known.sum() ** 2 / (self.known**2).sum())


def likelihood_ratio(known: AnyArray, new: AnyArray) -> LikelihoodRatio:
    """Return the likelihood ratio of the inputs of new and known cells.

    Parameters
    ----------
    known : ndarray of shape (n_known, n_features)
    new : ndarray of shape (n_new, n_features)
        In the same units; only the order of the values of each feature matters.

    Notes
    -----
    The odds of a logistic regression that distinguishes the two populations, each of which counts alike, from the ranks
    of their features among the known cells. Ranks bound the ratio: with the features themselves, a few extreme cells
    would have nearly all the weight. Sugiyama, Suzuki & Kanamori 2012, doi:10.1017/CBO9781139035613.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import QuantileTransformer

    ranks = QuantileTransformer(n_quantiles=min(1000, len(known)), subsample=None).fit(known)
    inputs = 2 * ranks.transform(np.concatenate([known, new])) - 1
    is_new = np.repeat([False, True], [len(known), len(new)])
    # Threads change the order of sums, and with it the last digits.
    with threadpool_limits(1):
        regression = LogisticRegression(class_weight="balanced", max_iter=1000).fit(inputs, is_new)
        ratio = np.exp(regression.decision_function(inputs))
    return LikelihoodRatio(ratio[: len(known)], ratio[len(known) :])


@dataclass(frozen=True, eq=False)
class ConformalModel(JsonModel):
    """Known cells, in basins left out of training, and how much their regimes differ from the most probable ones.

    Attributes
    ----------
    classes : tuple of str
        Regimes in the order of the probabilities' columns.
    predictors : tuple of str
    confidence_level : float
        Share of the cells of each regime whose sets contain it.
    inputs : ndarray of shape (n_cells, n_features)
        Scaled features of the known cells.
    labels : ndarray of shape (n_cells,)
        Their regimes.
    scores : ndarray of shape (n_predictors, n_cells)
        Nonconformity: the largest probability of the cell minus that of its regime.
    """

    KIND = "A conformal model"

    classes: tuple[str, ...]
    predictors: tuple[str, ...]
    confidence_level: float
    inputs: Array
    labels: Array
    scores: Array

    def __post_init__(self) -> None:
        expected = (len(self.predictors), len(self.labels))
        if self.scores.shape != expected or len(self.inputs) != len(self.labels) or not len(self.labels):
            raise NetworkError(
                f"A conformal model needs inputs, a label and a score of {', '.join(self.predictors)} for each cell; "
                f"got {len(self.inputs)} inputs, {len(self.labels)} labels and scores of shape {self.scores.shape}."
            )
        if not 0.0 < self.confidence_level < 1.0:
            raise NetworkError(f"The confidence level must lie between 0 and 1; got {self.confidence_level}.")

    def sets(self, predictor: str, probabilities: np.ndarray, ratio: LikelihoodRatio) -> NDArray[np.bool_]:
        """Return which regimes are in the set of each new cell, shape (n_new, n_classes).

        The most probable regime is in every set.

        Parameters
        ----------
        predictor : str
        probabilities : ndarray of shape (n_new, n_classes)
            At the temperature at which the scores were computed.
        ratio : LikelihoodRatio
            Of the new to the known cells.

        Raises
        ------
        NetworkError
            When there is no such predictor, or the number of columns is not that of the regimes.

        Notes
        -----
        For each regime apart (Mondrian by label, Vovk et al. 2005, doi:10.1007/b106715): one level for all would cover
        frequent regimes too often and rare ones too rarely. With weights w from the likelihood ratio, the p-value of a
        candidate regime k is (w of the cell + sum of w over the known cells of k that are at least as nonconforming) /
        (w of the cell + sum of w over all known cells of k); the regime is in the set if it is at least 1 -
        `confidence_level`. Tibshirani et al. 2019, arXiv:1904.06019.
        """
        if predictor not in self.predictors:
            raise NetworkError(f"There are no scores of '{predictor}'.{did_you_mean(predictor, self.predictors)}")
        if probabilities.ndim != 2 or probabilities.shape[1] != len(self.classes):
            raise NetworkError(
                f"Probabilities have shape {probabilities.shape}; expected a column for each of "
                f"{', '.join(self.classes)}."
            )
        scores, candidates = self.scores[self.predictors.index(predictor)], _below_largest(probabilities)
        inside = candidates == 0
        for regime in range(len(self.classes)):
            members = np.flatnonzero(self.labels == regime)
            members = members[np.argsort(scores[members], kind="stable")]
            weight_from = np.append(np.cumsum(ratio.known[members][::-1])[::-1], 0.0)
            above = weight_from[np.searchsorted(scores[members], candidates[:, regime], side="left")]
            p_value = (above + ratio.new) / (weight_from[0] + ratio.new)
            inside[:, regime] |= p_value >= 1.0 - self.confidence_level
        return inside


def basin_sets(
    model: ConformalModel,
    probabilities: Mapping[str, np.ndarray],
    inputs: AnyArray,
    basin: NDArray[np.integer],
    *,
    places: NDArray[np.integer] | None = None,
) -> tuple[dict[str, NDArray[np.int8]], Array]:
    """Return the conformal sets of cells, basin by basin.

    Parameters
    ----------
    model : ConformalModel
    probabilities : mapping of str to ndarray of shape (n_cells, n_classes)
        By predictor.
    inputs : ndarray of shape (n_valid, n_features)
        Scaled features of all cells of the basins, which the known cells are weighted to resemble.
    basin : ndarray of int, shape (n_valid,)
    places : ndarray of int, shape (n_cells,), optional
        Which of these cells have sets; all by default.

    Returns
    -------
    sets : dict of str to ndarray of int8, shape (n_cells, n_classes)
        By predictor: 1 for regimes in the set, 0 for others, `NO_SET` where no set can be promised.
    effective_size : ndarray of shape (n_cells,)
        Effective number of known cells in the basin of each cell, if known cells were independent.
    """
    sets = {name: np.full(values.shape, NO_SET, dtype=np.int8) for name, values in probabilities.items()}
    places = np.arange(len(basin)) if places is None else places
    basin_of_cell, size = basin[places], np.empty(len(places))
    for code in np.unique(basin_of_cell):
        here, everywhere = basin_of_cell == code, basin == code
        of_basin = likelihood_ratio(model.inputs, inputs[everywhere])
        rank = np.cumsum(everywhere) - 1
        ratio = LikelihoodRatio(of_basin.known, of_basin.new[rank[places[here]]])
        size[here] = ratio.effective_size
        if ratio.effective_size >= LEAST_EFFECTIVE_SIZE:
            for name, values in probabilities.items():
                sets[name][here] = model.sets(name, values[here], ratio)
    return sets, size


def nonconformity(probabilities: np.ndarray, labels: np.ndarray) -> Array:
    """Return the largest probability of each cell minus that of its label, shape (n_samples,)."""
    return _below_largest(probabilities)[np.arange(len(labels)), labels]


def _below_largest(probabilities: np.ndarray) -> Array:
    """Return by how much each probability is lower than the largest of its cell."""
    exact = probabilities.astype(float)
    return exact.max(axis=1, keepdims=True) - exact


def coverage_table(
    sets: NDArray[np.int8],
    effective_size: Array,
    samples: Samples,
    *,
    confidence_level: float,
    regions: Mapping[str, np.ndarray],
) -> dict[str, dict[str, Any]]:
    """Return coverage and size of the sets, {region: {metric: value}}, for JSON.

    Parameters
    ----------
    sets : ndarray of int8, shape (n_samples, n_classes)
        As from `basin_sets`.
    effective_size : ndarray of shape (n_samples,)
    samples : Samples
        `labels`, `area` [m2], `classes`.
    confidence_level : float
        Nominal coverage.
    regions : mapping of str to ndarray of bool, shape (n_samples,)
        Basins, for instance, inside the test region.

    Returns
    -------
    dict
        `region`, `weighting`, `confidence_level`, `effective_sample_size` (the least of the region), `set_share` of the
        cells that have a set, and of these cells `n_cells`, `coverage`, `mean_set_size` (1 is best if covered),
        `single_share` with one regime, `by_regime` with `n_cells`, `coverage` and `mean_set_size` of the cells with
        that label, `area_weighted` with `coverage` and `mean_set_size`. None without any cell.

    Raises
    ------
    NetworkError
        When a region holds no cell.
    """
    given = (sets != NO_SET).all(axis=1)
    size, covered = (sets == 1).sum(axis=1), sets[np.arange(len(sets)), samples.labels] == 1
    table = {}
    for region, inside in regions.items():
        require_cells(region, inside)
        counted = inside & given
        table[region] = {
            "region": region,
            "weighting": "cell",
            "confidence_level": confidence_level,
            "effective_sample_size": float(effective_size[inside].min()),
            "set_share": float(given[inside].mean()),
            **_coverage(covered[counted], size[counted]),
            "single_share": _mean(size[counted] == 1),
            "by_regime": {
                name: _coverage(covered[mine], size[mine])
                for name, mine in (
                    (name, counted & (samples.labels == regime)) for regime, name in enumerate(samples.classes)
                )
            },
            "area_weighted": {
                "weighting": "area",
                "coverage": _mean(covered[counted], samples.area[counted]),
                "mean_set_size": _mean(size[counted], samples.area[counted]),
            },
        }
    return table


def _coverage(covered: np.ndarray, size: np.ndarray) -> dict[str, float | None]:
    return {"n_cells": len(covered), "coverage": _mean(covered), "mean_set_size": _mean(size)}


def _mean(values: np.ndarray, weights: np.ndarray | None = None) -> float | None:
    return float(np.average(values, weights=weights)) if len(values) else None
