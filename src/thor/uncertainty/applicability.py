"""The area of applicability: dissimilarity of the inputs of each cell to those of the training cells.

The dissimilarity of Meyer & Pebesma (2021), doi:10.1111/2041-210X.13650: distance to the nearest training cell, in
standard deviations weighted by the importance of the features, over the mean distance between training cells. Where
it exceeds that of one ocean basin to all others, the networks are untested and their uncertainty is not reliable.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from thor.core.arrays import Array
from thor.core.errors import NetworkError
from thor.networks.json_model import JsonModel
from thor.networks.prediction import predict
from thor.networks.predictor import Predictor
from thor.uncertainty.settings import ApplicabilitySettings

N_PAIRS = 200_000
"""Random pairs of training cells whose mean distance is the unit of dissimilarity."""

DECIMALS = 4
"""Of the reference cells [standard deviations]: short as text, and unchanged when read again."""


@dataclass(frozen=True, eq=False)
class Applicability(JsonModel):
    """Reference cells of the dissimilarity index, and its threshold.

    Attributes
    ----------
    features : tuple of str
    importance : ndarray of shape (n_features,)
        Weights of the features in the distance; they sum to one.
    reference : ndarray of shape (n_reference, n_features)
        Scaled inputs of training cells that represent all of them.
    reference_basin : ndarray of shape (n_reference,)
        Their basins.
    mean_distance : float
        Mean weighted distance between training cells.
    threshold : float
        Largest dissimilarity inside the area of applicability.
    """

    KIND = "An applicability"

    features: tuple[str, ...]
    importance: Array
    reference: Array
    reference_basin: Array
    mean_distance: float
    threshold: float

    def __post_init__(self) -> None:
        n_features = len(self.features)
        if self.importance.shape != (n_features,) or self.reference.shape[1:] != (n_features,):
            raise NetworkError(
                f"An applicability of {n_features} features needs as many importances and columns of its reference; "
                f"got {self.importance.shape} and {self.reference.shape}."
            )

    @classmethod
    def fit(
        cls,
        predictor: Predictor,
        inputs: np.ndarray,
        basin: NDArray[np.integer],
        *,
        settings: ApplicabilitySettings,
        seed: int,
    ) -> "Applicability":
        """Return the area of applicability of a predictor.

        The threshold is Q75 + 1.5 IQR of the dissimilarities of training cells to those of all other basins.

        Parameters
        ----------
        predictor : Predictor
        inputs : ndarray of shape (n_samples, n_features)
            Scaled features of the training cells.
        basin : ndarray of int, shape (n_samples,)
        settings : ApplicabilitySettings
        seed : int

        Raises
        ------
        NetworkError
            When the training cells lie in one basin only, or the predictor uses no feature.
        """
        if len(np.unique(basin)) < 2:
            raise NetworkError(
                "The area of applicability leaves out one basin at a time, but all training cells lie in one. "
                "Train on more basins (modelling.split)."
            )
        rng = np.random.default_rng(seed)
        drawn = inputs[rng.permutation(len(inputs))[: settings.n_importance]]
        importance = feature_importance(predictor, drawn, n_permutations=settings.n_permutations, rng=rng)
        weighted = inputs * importance
        pairs = rng.integers(len(inputs), size=(2, N_PAIRS))
        mean_distance = float(np.linalg.norm(weighted[pairs[0]] - weighted[pairs[1]], axis=1).mean())
        chosen = spread_cells(weighted, basin, settings.n_reference)
        reference = np.round(inputs[chosen].astype(float), DECIMALS)
        fitted = cls(predictor.features, importance, reference, basin[chosen].astype(float), mean_distance, np.inf)
        low, high = np.quantile(fitted.dissimilarity_without_basin(inputs, basin), [0.25, 0.75])
        return replace(fitted, threshold=float(high + 1.5 * (high - low)))

    def dissimilarity(self, inputs: np.ndarray, *, n_threads: int = -1) -> Array:
        """Return the dissimilarity of scaled inputs, shape (n_samples, n_features), to the training cells; 0 is least.

        By default on all cores; `n_threads` limits them, where other threads or processes do the same.

        Raises
        ------
        NetworkError
            When the number of features differs or an input is not finite.
        """
        if inputs.ndim != 2 or inputs.shape[1] != len(self.features) or not np.isfinite(inputs).all():
            raise NetworkError(
                f"Dissimilarity needs finite inputs of shape (n, {len(self.features)}); got shape {inputs.shape} "
                f"with {int((~np.isfinite(inputs)).sum())} values that are not finite."
            )
        return self._tree.query(inputs * self.importance, workers=n_threads)[0] / self.mean_distance

    def dissimilarity_without_basin(self, inputs: np.ndarray, basin: NDArray[np.integer]) -> Array:
        """Return the dissimilarity of scaled inputs to the training cells of all basins but their own.

        Parameters
        ----------
        inputs : ndarray of shape (n_samples, n_features)
        basin : ndarray of int, shape (n_samples,)
        """
        points, reference = inputs * self.importance, self.reference * self.importance
        distance = np.empty(len(points))
        for code in np.unique(basin):
            here = basin == code
            others = cKDTree(reference[self.reference_basin != code])
            distance[here] = others.query(points[here], workers=-1)[0]
        return distance / self.mean_distance

    def from_cells(self, inputs: np.ndarray) -> "Applicability":
        """Return the same measure of dissimilarity, but only to those reference cells that are among given cells.

        Parameters
        ----------
        inputs : ndarray of shape (n_samples, n_features)
            Scaled features of cells, scaled as those of the training cells.

        Raises
        ------
        NetworkError
            When less than two basins have a reference cell among them.
        """
        among = cKDTree(np.round(inputs.astype(float), DECIMALS)).query(self.reference)[0] < 0.5 * 10.0**-DECIMALS
        if len(np.unique(self.reference_basin[among])) < 2:
            raise NetworkError(
                f"Of the {len(self.reference)} reference cells, those {int(among.sum())} that the scored predictors "
                "were trained on lie in fewer than two basins. Increase uncertainty.applicability.n_reference, or make "
                "the test regions smaller (modelling.split)."
            )
        return replace(self, reference=self.reference[among], reference_basin=self.reference_basin[among])

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.reference * self.importance)


def feature_importance(
    predictor: Predictor, inputs: np.ndarray, *, n_permutations: int, rng: np.random.Generator
) -> Array:
    """Return the importance of each feature for a predictor, shape (n_features,), summing to one.

    The mean over cells of the total variation distance between the mean probability of a cell and that with the
    feature taken from another cell. It needs no labels, and unlike a gradient it includes saturated units.

    Raises
    ------
    NetworkError
        When no permutation changes any probability.
    """
    usual = predict(predictor, inputs).mean
    change = np.zeros(inputs.shape[1])
    for _ in range(n_permutations):
        for feature in range(inputs.shape[1]):
            mixed = inputs.copy()
            mixed[:, feature] = rng.permutation(mixed[:, feature])
            change[feature] += 0.5 * np.abs(predict(predictor, mixed).mean - usual).sum(axis=1).mean()
    if not change.any():
        raise NetworkError("The predictor gives the same probabilities for all inputs: no feature is used.")
    return change / change.sum()


def spread_cells(points: Array, basin: NDArray[np.integer], n_cells: int) -> NDArray[np.intp]:
    """Return indices of about `n_cells` points that cover all of them, each basin with its share.

    In every basin the point farthest from those chosen is chosen next (Gonzalez 1985,
    doi:10.1016/0304-3975(85)90224-5), so that no point is far from a chosen one; a random sample would leave out rare
    points, which determine the dissimilarity.
    """
    if len(points) <= n_cells:
        return np.arange(len(points))
    chosen = []
    for code in np.unique(basin):
        inside = np.flatnonzero(basin == code)
        chosen.append(inside[_farthest_first(points[inside], max(1, n_cells * len(inside) // len(points)))])
    return np.concatenate(chosen)


def error_by_dissimilarity(
    dissimilarity: Array, wrong: NDArray[np.bool_], *, threshold: float, n_bins: int = 8
) -> pd.DataFrame:
    """Return the share of mistakes against dissimilarity: classes of equally many cells inside, one outside.

    Parameters
    ----------
    dissimilarity : ndarray of shape (n_samples,)
    wrong : ndarray of bool, shape (n_samples,)
        Where the most probable regime is not the label.
    threshold : float
        Above it cells are outside the area of applicability.
    n_bins : int
        Classes inside.

    Returns
    -------
    pandas.DataFrame
        `inside`, `mean_dissimilarity`, `n_cells`, `error_rate`, by growing dissimilarity; no row for an empty class.
    """
    inside = dissimilarity <= threshold
    edges = np.quantile(dissimilarity[inside], np.linspace(0, 1, n_bins + 1)[1:-1]) if inside.any() else np.empty(0)
    group = np.where(inside, np.searchsorted(edges, dissimilarity, side="left"), n_bins)
    table = pd.DataFrame({"group": group, "inside": inside, "dissimilarity": dissimilarity, "wrong": wrong})
    groups = table.groupby("group")
    return groups.agg(
        inside=("inside", "first"),
        mean_dissimilarity=("dissimilarity", "mean"),
        n_cells=("wrong", "size"),
        error_rate=("wrong", "mean"),
    ).reset_index(drop=True)


def _farthest_first(points: Array, n_points: int) -> NDArray[np.intp]:
    chosen = np.zeros(n_points, dtype=np.intp)
    squared = np.full(len(points), np.inf)
    for k in range(n_points):
        if k:
            chosen[k] = np.argmax(squared)
        step = points - points[chosen[k]]
        np.minimum(squared, np.einsum("ij,ij->i", step, step), out=squared)
    return chosen
