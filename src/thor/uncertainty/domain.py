"""Likelihood ratio of the inputs of two populations of cells: how much each known cell resembles new ones."""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from thor.core.arrays import AnyArray, Array


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
