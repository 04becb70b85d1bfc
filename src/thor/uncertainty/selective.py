"""Uncertainty as a ranking of mistakes: AUROC, and the error rate among the most certain cells."""

from typing import Any

import numpy as np

_COVERAGES = np.linspace(0.02, 1.0, 50)


def mistake_auroc(uncertainty: np.ndarray, wrong: np.ndarray) -> float | None:
    """Return the probability that a wrong cell is less certain than a right one; 0.5 is chance, 1 perfect.

    Parameters
    ----------
    uncertainty : ndarray of shape (n_samples,)
    wrong : ndarray of bool, shape (n_samples,)

    Returns
    -------
    float or None
        Area under the receiver operating characteristic; None when all cells are right, or all wrong.
    """
    from sklearn.metrics import roc_auc_score

    if wrong.all() or not wrong.any():
        return None
    return float(roc_auc_score(wrong, uncertainty))


def risk_coverage(uncertainty: np.ndarray, wrong: np.ndarray) -> dict[str, Any]:
    """Return the share of wrong cells among the most certain ones, for growing shares of the cells.

    Parameters
    ----------
    uncertainty : ndarray of shape (n_samples,)
    wrong : ndarray of bool, shape (n_samples,)

    Returns
    -------
    dict
        `coverage` (share kept, up to 1), `risk` (share wrong among them), `area` under the whole curve: 0 is perfect,
        the error rate is no skill. Equally certain cells are added together, so their order has no effect.

    Notes
    -----
    Geifman & El-Yaniv 2017, doi:10.48550/arXiv.1705.08500.
    """
    levels, level = np.unique(uncertainty, return_inverse=True)
    count = np.bincount(level, minlength=len(levels))
    # Tied cells have the mean error of the tie.
    errors = np.repeat(np.bincount(level, wrong, minlength=len(levels)) / count, count)
    taken = np.arange(1, len(wrong) + 1)
    risk = np.cumsum(errors) / taken
    at = np.maximum(np.round(_COVERAGES * len(wrong)).astype(int), 1) - 1
    return {"coverage": (taken[at] / len(wrong)).tolist(), "risk": risk[at].tolist(), "area": float(risk.mean())}
