"""Scores of regime probabilities against labels: their formulas.

Each score is a function of sums over cells (confusion, log-likelihood, squared error, bins of confidence). The same
function therefore turns the sums of a region, of each of many networks, or of a thousand resamples into scores.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from thor.core.errors import NetworkError

N_BINS = 15
"""Equal bins of confidence of the published expected calibration error."""

CONFIDENT = 0.9
"""Labels with a larger vote share are also scored separately."""

FLOOR = float(np.finfo(float).eps)
"""Smallest probability in a logarithm: a certain mistake costs 36 nats, not infinitely many."""


def scores(
    probabilities: np.ndarray,
    labels: np.ndarray,
    *,
    classes: tuple[str, ...],
    area: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return the scores of class probabilities as plain numbers; their ranges are in `thor/core/metrics.yml`.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
    labels : ndarray of int, shape (n_samples,)
    classes : tuple of str
        Names of the regimes in the order of the columns.
    area : ndarray of shape (n_samples,), optional, [m2]
        With it `area_weighted` holds the same scores with cells weighted by area.
    confidence : ndarray of shape (n_samples,), optional
        Vote share of the labels; with it `accuracy_confident` and `n_cells_confident` are of cells above
        `CONFIDENT`.

    Returns
    -------
    dict
        `n_cells`, `weighting` ("cell"), `classes`, `accuracy`, `balanced_accuracy`, `macro_f1`, `f1` by regime,
        `negative_log_likelihood` [nats], `brier_score`, `expected_calibration_error`, `confusion_matrix` (rows
        are labels, columns predictions, in the order of `classes`; numbers of cells, or shares of the area). None
        where a score is undefined: the F1 of a regime that is neither label nor prediction anywhere. Such a regime
        does not count in `macro_f1`, and one that is no label does not in `balanced_accuracy`.

    Raises
    ------
    NetworkError
        When shapes do not match, a label is no class, a probability is not in [0, 1], or there is no cell.
    """
    check_probabilities(probabilities, labels, classes)
    sums = total_sums(probabilities, labels, None)
    # JSON files sort their keys: the order of rows and columns has to be said
    result: dict[str, Any] = {"n_cells": len(labels), "weighting": "cell", "classes": list(classes)}
    result |= _plain(score_values(sums, len(classes)), classes)
    result["confusion_matrix"] = _confusion(sums, len(classes)).astype(int).tolist()
    if area is not None:
        sums = total_sums(probabilities, labels, area)
        shares = _confusion(sums, len(classes)) / area.sum()
        result["area_weighted"] = {"weighting": "area"} | _plain(score_values(sums, len(classes)), classes)
        result["area_weighted"]["confusion_matrix"] = shares.tolist()
    if confidence is not None:
        sure = confidence > CONFIDENT
        hits = probabilities[sure].argmax(axis=1) == labels[sure]
        result["accuracy_confident"] = float(hits.mean()) if sure.any() else None
        result["n_cells_confident"] = int(sure.sum())
    return result


def total_sums(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the sums over all cells, shape (n_sums,), as `score_sums` for one group."""
    return score_sums(probabilities, labels, weights, group=np.zeros(len(labels), dtype=int), n_groups=1)[0]


def score_sums(
    probabilities: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    group: np.ndarray,
    n_groups: int,
) -> np.ndarray:
    """Return the sums over the cells of each group of which every score is a function.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
    labels : ndarray of int, shape (n_samples,)
    weights : ndarray of shape (n_samples,), optional
    group : ndarray of int, shape (n_samples,)
        Group of each cell: its block, or its network.
    n_groups : int

    Returns
    -------
    ndarray of shape (n_groups, n_classes ** 2 + 2 + 3 * N_BINS)
        Confusion (label, prediction), negative log-likelihood, squared error; then weight, confidence and hits of
        each bin of confidence.
    """
    n_classes = probabilities.shape[1]
    weights = np.ones(len(labels)) if weights is None else weights
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1).astype(float)
    of_label = probabilities[np.arange(len(labels)), labels].astype(float)
    squared_error = (probabilities.astype(float) ** 2).sum(axis=1) - 2 * of_label + 1.0
    bins = equal_bins(confidence, N_BINS)

    def sums(place: np.ndarray, n_places: int, values: np.ndarray) -> np.ndarray:
        return np.bincount(group * n_places + place, values, minlength=n_groups * n_places).reshape(n_groups, n_places)

    nowhere = np.zeros(len(labels), dtype=int)
    return np.hstack(
        [
            sums(labels * n_classes + predicted, n_classes**2, weights),
            sums(nowhere, 1, -weights * np.log(np.maximum(of_label, FLOOR))),
            sums(nowhere, 1, weights * squared_error),
            sums(bins, N_BINS, weights),
            sums(bins, N_BINS, weights * confidence),
            sums(bins, N_BINS, weights * (predicted == labels)),
        ]
    )


def score_values(sums: np.ndarray, n_classes: int) -> dict[str, np.ndarray]:
    """Return the scores of sums as from `score_sums`, shape (..., n_sums), each of shape (...); `f1` (..., n_classes).

    NaN where a score is undefined.
    """
    confusion = _confusion(sums, n_classes)
    total = confusion.sum(axis=(-2, -1))
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    labelled, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    _, confidence, right = confidence_bins(sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, f1 = hits / labelled, 2 * hits / (labelled + predicted)
        return {
            "accuracy": hits.sum(axis=-1) / total,
            "balanced_accuracy": _mean_of_defined(recall),
            "macro_f1": _mean_of_defined(f1),
            "f1": f1,
            "negative_log_likelihood": sums[..., n_classes**2] / total,
            "brier_score": sums[..., n_classes**2 + 1] / total,
            "expected_calibration_error": np.abs(confidence - right).sum(axis=-1) / total,
        }


def log_loss(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the mean negative log-likelihood [nat] of labels, shape (n_samples,); weights default to ones."""
    of_label = probabilities[np.arange(len(labels)), labels]
    return float(np.average(-np.log(np.maximum(of_label, FLOOR)), weights=weights))


def equal_bins(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the bin of each value from 0 to 1 among `n_bins` of equal width; the last bin includes 1."""
    return np.minimum((values * n_bins).astype(int), n_bins - 1)


def confidence_bins(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weight, confidence and hits summed in each bin of confidence, each of shape (..., N_BINS)."""
    return sums[..., -3 * N_BINS : -2 * N_BINS], sums[..., -2 * N_BINS : -N_BINS], sums[..., -N_BINS:]


def check_probabilities(probabilities: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    """Raise NetworkError unless there are cells, each with a label and one probability for each class."""
    if probabilities.shape != (len(labels), len(classes)) or not len(labels):
        raise NetworkError(
            f"Probabilities have shape {probabilities.shape}; expected one row for each of the {len(labels)} labelled "
            f"cells (at least one) and a column for each of {', '.join(classes)}."
        )
    if labels.min() < 0 or labels.max() >= len(classes):
        raise NetworkError(
            f"Labels run from {labels.min()} to {labels.max()}; expected 0 to {len(classes) - 1}. "
            "Leave out cells without a label."
        )
    # A comparison with NaN is false: NaN is refused too.
    if not (probabilities.min() >= 0 and probabilities.max() <= 1.0 + 1e-6):
        raise NetworkError(
            f"Probabilities run from {probabilities.min()} to {probabilities.max()}; expected 0 to 1, without NaN."
        )


def number(value: Any) -> float | None:
    """Return the value, or None where it is undefined: JSON has no NaN."""
    return float(value) if np.isfinite(value) else None


def _confusion(sums: np.ndarray, n_classes: int) -> np.ndarray:
    return sums[..., : n_classes**2].reshape(*sums.shape[:-1], n_classes, n_classes)


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    return np.nansum(values, axis=-1) / np.isfinite(values).sum(axis=-1)


def _plain(values: Mapping[str, np.ndarray], classes: tuple[str, ...]) -> dict[str, Any]:
    """Return scores as numbers that JSON can hold."""
    return {
        name: {of: number(f1) for of, f1 in zip(classes, value, strict=True)} if name == "f1" else number(value)
        for name, value in values.items()
    }
