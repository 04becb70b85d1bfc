"""Probability that the regime of a cell changes between two windows, by maximal coupling inside each network.

The regime probabilities of two windows do not determine the probability of a change: that depends on their joint
distribution. Two independent draws would differ even for identical inputs. Of all joint distributions with these
marginals, maximal coupling gives the smallest probability of a change: only the excess of one window over the other
changes regime. It is computed inside each network, so that differences between networks do not count as changes.

Probabilities of both windows are arrays of shape (n_networks, n_cells, n_regimes), from the same networks in the same
order. `ChangeCalibration` replaces P(change) by the frequency of changes where the truth is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray, Array
from thor.core.errors import NetworkError
from thor.networks.json_model import JsonModel
from thor.uncertainty.predictive import UncertaintyParts


def change_probability(before: AnyArray, after: AnyArray) -> AnyArray:
    r"""Return the probability that the regime changes, of each network, shape (n_networks, n_cells).

    Notes
    -----
    :math:`1 - \sum_k \min(p_k, q_k)`, the total variation distance of the two distributions: exactly 0 for identical
    ones, 1 where they have no regime in common, and never more than the value for independence.
    """
    return _sum_over_regimes(change_to_probability(before, after))


def change_to_probability(before: AnyArray, after: AnyArray) -> AnyArray:
    r"""Return the probability of a change to each regime, of each network, shape (n_networks, n_cells, n_regimes).

    Notes
    -----
    :math:`q_k - \min(p_k, q_k)`; their sum over the regimes is `change_probability`.
    """
    gain = after - before
    return np.maximum(gain, 0, out=gain)


def independent_change_probability(before: AnyArray, after: AnyArray) -> AnyArray:
    """Return the probability of a change if the windows were independent, shape (n_networks, n_cells).

    Uncertain networks alone make it large; it is at least that of maximal coupling.
    """
    return 1 - _sum_over_regimes(before * after)


def transition_areas(before: AnyArray, after: AnyArray, area: AnyArray) -> AnyArray:
    """Return the area that changes from each regime (rows) to each (columns), by network, in the unit of `area`.

    Parameters
    ----------
    before, after : ndarray of shape (n_networks, n_cells, n_regimes)
    area : ndarray of shape (n_cells,)

    Returns
    -------
    ndarray of shape (n_networks, n_regimes, n_regimes)
        Rows sum to the expected areas before, columns to those after.
    """
    gain, loss = change_to_probability(before, after), change_to_probability(after, before)
    # No regime both gains and loses in a cell, so the diagonal of the product is zero.
    total = _sum_over_regimes(gain)
    loss *= (area * np.divide(1, total, out=np.zeros_like(total), where=total > 0))[..., None]
    areas = np.swapaxes(loss, -1, -2) @ gain
    regimes = np.arange(before.shape[-1])
    areas[..., regimes, regimes] = area @ np.minimum(before, after)
    return areas


def change_parts(
    change: AnyArray, label_run: NDArray[np.integer], *, stated: AnyArray | None = None
) -> UncertaintyParts:
    r"""Return the parts of the variance of whether a cell changes, p (1 - p) with mean probability p.

    Parameters
    ----------
    change : ndarray of shape (n_networks, n_cells)
        As from `change_probability`.
    label_run : ndarray of int, shape (n_networks,)
        Clustering run whose labels each network learned.
    stated : ndarray of shape (n_cells,), optional
        The recalibrated probability p: the parts of the variance of `change` are scaled to sum to p (1 - p); where all
        networks are certain, it is all residual.

    Raises
    ------
    NetworkError
        When there is not one run for each network.

    Notes
    -----
    With w the network, r its run and :math:`p_w` its probability, by the law of total variance

    .. math:: p (1 - p) = Var_r E_{w|r} p_w + E_r Var_{w|r} p_w + E_w p_w (1 - p_w).

    As for entropies (`thor.uncertainty.predictive.entropy_parts`), with few networks for each run the label part is an
    upper bound and the network part a lower bound.
    """
    if np.shape(label_run) != change.shape[:1]:
        raise NetworkError(f"Expected the label run of {len(change)} networks; got shape {np.shape(label_run)}.")
    change = np.minimum(change.astype(np.float64), 1)  # rounding
    mean = change.mean(axis=0)
    label, network = np.zeros_like(mean), np.zeros_like(mean)
    for run in np.unique(label_run):
        of_run = change[label_run == run]
        label += len(of_run) / len(change) * (of_run.mean(axis=0) - mean) ** 2
        network += len(of_run) / len(change) * of_run.var(axis=0)
    residual = (change * (1 - change)).mean(axis=0)
    if stated is None:
        return UncertaintyParts(label, network, residual)
    total, variance = label + network + residual, stated * (1 - stated)
    ratio = np.divide(variance, total, out=np.zeros_like(total), where=total > 0)
    return UncertaintyParts(ratio * label, ratio * network, np.where(total > 0, ratio * residual, variance))


def _sum_over_regimes(values: AnyArray) -> AnyArray:
    # Regime by regime: NumPy reduces an axis of length six slowly.
    columns = np.moveaxis(values, -1, 0)
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    return total


OTHERS = "others"
"""Entry for climate models whose truth is not known: made from all models whose truth is."""


@dataclass(frozen=True, eq=False)
class ChangeCalibration(JsonModel):
    """The frequency with which regimes changed, as a monotone function of P(change); linear between these points.

    Attributes
    ----------
    probability, frequency : ndarray of shape (n_points,)
        Both ascending. 0 remains 0: nothing changes between identical inputs.
    """

    KIND = "A calibration of P(change)"

    probability: Array
    frequency: Array

    @classmethod
    def fit(cls, probability: AnyArray, changed: AnyArray, weight: AnyArray) -> "ChangeCalibration":
        """Return the isotonic regression of changes on P(change), each array of shape (n_cells,)."""
        from sklearn.isotonic import IsotonicRegression

        found = IsotonicRegression(y_min=0.0, y_max=1.0).fit(probability, changed, sample_weight=weight)
        above = found.X_thresholds_ > 0
        return cls(np.append(0.0, found.X_thresholds_[above]), np.append(0.0, found.y_thresholds_[above]))

    def __call__(self, probability: AnyArray) -> AnyArray:
        """Return the recalibrated probabilities, of any shape."""
        return np.interp(probability, self.probability, self.frequency)


Calibrations = Mapping[str, Mapping[str, ChangeCalibration]]
"""By predictor and climate model, or `OTHERS`."""


def calibration_of(calibrations: Calibrations, predictor: str, source_id: str) -> ChangeCalibration | None:
    """Return the calibration of a predictor for a climate model; None where there is none."""
    of_predictor = calibrations.get(predictor, {})
    return of_predictor.get(source_id, of_predictor.get(OTHERS))
