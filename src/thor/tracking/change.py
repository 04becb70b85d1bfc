"""Whether a cell changes its regime between two windows, by maximal coupling of what each network says of them.

The regime probabilities of two windows do not fix how likely a change is: that depends on their joint distribution. Two
independent draws would call a change even between identical inputs. Of all joint distributions with these marginals
maximal coupling gives the least change: what the windows share stays, and only what one has more than the other moves.
It is taken inside each network, so that what networks differ by is never taken for a change.

All functions take probabilities of both windows as arrays of shape (n_networks, n_cells, n_regimes), from the same
networks in the same order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.errors import NetworkError


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
    :math:`q_k - \min(p_k, q_k)`; over the regimes they add up to `change_probability`.
    """
    gain = after - before
    return np.maximum(gain, 0, out=gain)


def independent_change_probability(before: AnyArray, after: AnyArray) -> AnyArray:
    """Return the probability of a change if the windows were drawn independently, shape (n_networks, n_cells).

    It calls changes where only the networks are unsure, and so bounds `change_probability` from above.
    """
    return 1 - _sum_over_regimes(before * after)


def coupled_probability(before: AnyArray, after: AnyArray) -> AnyArray:
    r"""Return the joint probability of the regimes before and after, shape (n_networks, n_cells, n_regimes, n_regimes).

    For few cells; `transition_areas` sums it over many without making it.

    Notes
    -----
    On the diagonal :math:`m_k = \min(p_k, q_k)`, off it :math:`(p - m)(q - m)^T / (1 - \sum_k m_k)`. Its sums over
    either axis are the probabilities of the other window.
    """
    gain, loss = change_to_probability(before, after), change_to_probability(after, before)
    joint = loss[..., :, None] * (gain * _inverse(_sum_over_regimes(gain))[..., None])[..., None, :]
    regimes = np.arange(before.shape[-1])
    joint[..., regimes, regimes] = np.minimum(before, after)
    return joint


def transition_areas(before: AnyArray, after: AnyArray, area: AnyArray) -> AnyArray:
    """Return the area that goes from each regime (rows) to each (columns), of each network, in the unit of `area`.

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
    # No regime both gains and loses in a cell, so that the product has nothing on the diagonal.
    loss *= (area * _inverse(_sum_over_regimes(gain)))[..., None]
    areas = np.swapaxes(loss, -1, -2) @ gain
    regimes = np.arange(before.shape[-1])
    areas[..., regimes, regimes] = area @ np.minimum(before, after)
    return areas


@dataclass(frozen=True, eq=False)
class ChangeParts:
    """The variance of whether a cell changes, p (1 - p) of its mean probability p, in three parts that add up to it.

    Attributes
    ----------
    label, network, residual : ndarray of shape (n_cells,)
        Because clustering runs differ in what they teach; because networks taught the same differ; because single
        networks are unsure.
    """

    label: AnyArray
    network: AnyArray
    residual: AnyArray


def change_parts(change: AnyArray, label_run: NDArray[np.integer]) -> ChangeParts:
    r"""Return the label, network and residual part of the variance of a change.

    Parameters
    ----------
    change : ndarray of shape (n_networks, n_cells)
        As from `change_probability`.
    label_run : ndarray of int, shape (n_networks,)
        Clustering run whose labels each network learned.

    Raises
    ------
    NetworkError
        When there is not one run for each network.

    Notes
    -----
    With w the network, r its run and :math:`p_w` its probability, by the law of total variance

    .. math:: p (1 - p) = Var_r E_{w|r} p_w + E_r Var_{w|r} p_w + E_w p_w (1 - p_w).

    As for entropies (`thor.uncertainty.predictive.entropy_parts`), few networks to a run make the label part an upper
    bound and the network part a lower one.
    """
    if np.shape(label_run) != change.shape[:1]:
        raise NetworkError(f"Expected the label run of {len(change)} networks; got shape {np.shape(label_run)}.")
    change = change.astype(np.float64)
    mean = change.mean(axis=0)
    label, network = np.zeros_like(mean), np.zeros_like(mean)
    for run in np.unique(label_run):
        own = change[label_run == run]
        label += len(own) / len(change) * (own.mean(axis=0) - mean) ** 2
        network += len(own) / len(change) * own.var(axis=0)
    return ChangeParts(label, network, (change * (1 - change)).mean(axis=0))


def _sum_over_regimes(values: AnyArray) -> AnyArray:
    # Regime by regime: NumPy is slow at reducing an axis of six.
    columns = np.moveaxis(values, -1, 0)
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    return total


def _inverse(values: AnyArray) -> AnyArray:
    """Return 1 / values, and 0 where they are 0."""
    return np.divide(1, values, out=np.zeros_like(values), where=values > 0)
