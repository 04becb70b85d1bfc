"""Shapley values and interactions from the values of all coalitions of the players; player j is bit j."""

from math import comb

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray, Array

MOST_PLAYERS = 12
"""Most players of exact Shapley values: 4,096 coalitions."""


def coalitions(n_players: int) -> NDArray[np.bool_]:
    """Return which players each coalition holds, shape (2 ** n_players, n_players)."""
    return (np.arange(2**n_players)[:, None] >> np.arange(n_players) & 1).astype(bool)


def shapley_weights(n_players: int) -> Array:
    """Return the matrix that turns the coalition values v(S) into Shapley values, shape (n_players, 2 ** n_players)."""
    holds = coalitions(n_players)
    # with the player: v(S) enters with 1 / (n C(n-1, |S|-1)); without: with the opposite sign
    weights = [1 / (n_players * comb(n_players - 1, size)) for size in range(n_players)]
    size = holds.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(np.where(holds, np.array([0, *weights])[size], -np.array([*weights, 0])[size]).T)


def shapley_interactions(values: AnyArray) -> AnyArray:
    """Return the pairwise interaction values of coalition values.

    Parameters
    ----------
    values : ndarray, shape (..., 2 ** n_players)
        As from `ShapleyValues.coalition_values`.

    Returns
    -------
    ndarray, shape (..., n_players, n_players)
        Off the diagonal half the Shapley interaction index of a pair, so that a row adds up to the Shapley value.

    References
    ----------
    Lundberg et al. (2020), doi:10.1038/s42256-019-0138-9.
    """
    n_players = int(values.shape[-1]).bit_length() - 1
    masks = np.arange(2**n_players)
    out = np.zeros((*values.shape[:-1], n_players, n_players), values.dtype)
    for i in range(n_players):
        for j in range(i + 1, n_players):
            first, second = 1 << i, 1 << j
            without = masks[masks & (first | second) == 0]
            size = np.bitwise_count(without).tolist()
            weights = np.array([1 / (2 * (n_players - 1) * comb(n_players - 2, s)) for s in size])
            surplus = values[..., without | first | second] - values[..., without | first]
            surplus = surplus - values[..., without | second] + values[..., without]
            out[..., i, j] = out[..., j, i] = surplus @ weights.astype(values.dtype)
    single = values @ shapley_weights(n_players).T.astype(values.dtype)
    diagonal = np.arange(n_players)
    out[..., diagonal, diagonal] = single - out.sum(axis=-1)
    return out
