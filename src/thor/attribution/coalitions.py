"""Shapley values and interactions from the mean targets of all coalitions of the players; player j is bit j."""

from math import comb

import numpy as np
from numpy.typing import DTypeLike, NDArray

from thor.attribution.target_networks import TargetMembers, TargetNetworks
from thor.attribution.targets import Regimes, Target, target_values
from thor.core.arrays import AnyArray, Array
from thor.networks.network import LINEAR, unit_outputs
from thor.networks.predictor import Predictor
from thor.networks.stack import NetworkStack, Weights

MOST_PLAYERS = 12
"""Most players of exact Shapley values: 4,096 coalitions."""

_ROWS_AT_ONCE = 12_800
"""Rows that pass through one network at once: few enough for a core's cache, enough that threads need not wait for the
interpreter between operations."""


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


def coalition_values(
    predictor: Predictor,
    inputs: Weights,
    regime: Regimes,
    reference: Weights,
    inside: NDArray[np.bool_],
    *,
    target: Target,
    dtype: DTypeLike = np.float32,
) -> AnyArray:
    """Return the mean target when features outside a coalition take their values from the reference.

    Parameters
    ----------
    predictor : Predictor
    inputs : ndarray of float32, shape (n_samples, n_features)
    regime : ndarray of int, shape (n_samples,)
    reference : ndarray of float32, shape (n_reference, n_features)
    inside : ndarray of bool, shape (n_coalitions, n_features)
        Features of each coalition.
    target : {"centred_logit", "logit", "probability"}
    dtype : dtype
        Precision of networks.

    Returns
    -------
    ndarray, shape (n_members, n_samples, n_coalitions)
    """
    step = max(1, _ROWS_AT_ONCE // len(reference))
    if isinstance(predictor, NetworkStack):
        return _of_networks(TargetNetworks(predictor, target, dtype), inputs, regime, reference, inside, step)
    members = TargetMembers(predictor, target)
    values = np.empty((predictor.n_members, len(inputs), len(inside)))
    for sample, (row, k) in enumerate(zip(inputs, regime, strict=True)):
        for begin in range(0, len(inside), step):
            states = np.where(inside[begin : begin + step, None], row, reference).reshape(-1, len(row))
            targets = members.of_inputs(states, np.full(len(states), k)).reshape(len(values), -1, len(reference))
            values[:, sample, begin : begin + step] = targets.mean(axis=2, dtype=float)
    return values


def _of_networks(
    networks: TargetNetworks,
    inputs: Weights,
    regime: Regimes,
    reference: Weights,
    inside: NDArray[np.bool_],
    step: int,
) -> AnyArray:
    reference = reference.astype(networks.dtype)
    values = np.empty((networks.n_networks, len(inputs), len(inside)), networks.dtype)
    outside_rows = (reference[None] * ~inside[:, None]).reshape(-1, reference.shape[1]).T
    for network in range(networks.n_networks):
        layers = [layer._replace(kernel=layer.kernel[network], bias=layer.bias[network]) for layer in networks.layers]
        first, last = layers[0], layers[-1]
        kernel_of_first = np.ascontiguousarray(first.kernel.T)  # in C order, as in `unit_outputs`
        # The contribution of reference rows to the first layer is the same for all samples.
        outside = unit_outputs([first._replace(activation=LINEAR)], outside_rows)
        outside = outside.reshape(-1, len(inside), len(reference))
        for sample, (row, k) in enumerate(zip(inputs.astype(networks.dtype), regime, strict=True)):
            of_sample = kernel_of_first @ (row * inside).T
            for begin in range(0, len(inside), step):
                some = slice(begin, begin + step)
                sums = (outside[:, some] + of_sample[:, some, None]).reshape(len(of_sample), -1)
                hidden = unit_outputs(layers[1:-1], first.activation(sums, out=sums))
                if networks.target == "probability":
                    logits = unit_outputs([last], hidden).T[None]
                    targets = target_values(logits, np.full(logits.shape[1], k), networks.target)[0]
                else:
                    kernel, shift = networks.last_layer(np.array([k]))
                    targets = kernel[network, 0] @ hidden + shift[network, 0]
                values[network, sample, some] = targets.reshape(-1, len(reference)).mean(axis=1)
    return values
