"""Probabilities of stacked networks for any number of cells, in blocks of bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from thor.core.errors import NetworkError
from thor.networks.stack import NetworkStack, Weights, logits

BLOCK_BYTES = 2 * 2**20
"""Size of the activations of the widest layer, over all networks, in one block: about a core's cache."""

_FEWEST_SAMPLES = 32


@dataclass(frozen=True, eq=False)
class Prediction:
    """Mean and spread of many networks' probabilities.

    Attributes
    ----------
    mean : ndarray of shape (n_samples, n_classes)
        Mean probability over the networks, their predictive distribution.
    spread : ndarray of shape (n_samples, n_classes)
        Standard deviation over the networks (of the population); 0 for a single network.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


def predict(
    stack: NetworkStack, inputs: Weights, *, temperature: float = 1.0, block_bytes: int = BLOCK_BYTES
) -> Prediction:
    """Return mean and spread over the networks of the probability of every class.

    Parameters
    ----------
    stack : NetworkStack
    inputs : ndarray of shape (n_samples, n_features)
        Scaled as the networks were trained.
    temperature : float
        Every network's logits are divided by it.
    block_bytes : int
        See `BLOCK_BYTES`; only rounding depends on it.

    Raises
    ------
    NetworkError
        As for `probability_blocks`.
    """
    mean = np.empty((len(inputs), len(stack.classes)))
    spread = np.empty_like(mean)
    for part, probability in probability_blocks(stack, inputs, temperature=temperature, block_bytes=block_bytes):
        mean[part] = probability.mean(axis=0, dtype=np.float64)
        spread[part] = probability.std(axis=0, dtype=np.float64)
    return Prediction(mean, spread)


def member_probabilities(stack: NetworkStack, inputs: Weights, *, temperature: float = 1.0) -> Weights:
    """Return the probabilities of every network, shape (n_networks, n_samples, n_classes), for few samples.

    Parameters and errors are those of `probability_blocks`.
    """
    members = np.empty((stack.n_networks, len(inputs), len(stack.classes)), dtype=np.float32)
    for part, probability in probability_blocks(stack, inputs, temperature=temperature):
        members[:, part] = probability
    return members


def probability_blocks(
    stack: NetworkStack, inputs: Weights, *, temperature: float = 1.0, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[slice, Weights]]:
    """Yield the probabilities of every network, block of samples by block.

    Parameters
    ----------
    stack : NetworkStack
    inputs : ndarray of shape (n_samples, n_features)
        Scaled as the networks were trained.
    temperature : float
        Every network's logits are divided by it.
    block_bytes : int
        See `BLOCK_BYTES`.

    Yields
    ------
    part : slice
        Which samples.
    probability : ndarray of float32, shape (n_networks, n_block, n_classes)

    Raises
    ------
    NetworkError
        When an input is not finite, the number of features differs, or the temperature is not positive.
    """
    if not temperature > 0:
        raise NetworkError(f"The temperature must be above 0; got {temperature:g}.")
    for part, block in _logit_blocks(stack, inputs, block_bytes):
        if temperature != 1.0:
            block /= np.float32(temperature)
        yield part, softmax(block)


def member_logits(stack: NetworkStack, inputs: Weights) -> Weights:
    """Return the logits of every network, shape (n_networks, n_samples, n_classes), for few samples or networks.

    Parameters and errors are those of `probability_blocks`.
    """
    members = np.empty((stack.n_networks, len(inputs), len(stack.classes)), dtype=np.float32)
    for part, block in _logit_blocks(stack, inputs, BLOCK_BYTES):
        members[:, part] = block
    return members


def _logit_blocks(stack: NetworkStack, inputs: Weights, block_bytes: int) -> Iterator[tuple[slice, Weights]]:
    if not np.isfinite(inputs).all():
        raise NetworkError(
            f"{int((~np.isfinite(inputs)).any(axis=1).sum())} of {len(inputs)} samples have inputs that are not "
            "finite. Apply networks to cells with valid = 1 only."
        )
    n_block = max(_FEWEST_SAMPLES, block_bytes // (4 * stack.n_networks * max(stack.layer_sizes)))
    # On matrices this small, threads slow the product down and change the order of its sums.
    controller = ThreadpoolController()
    for start in range(0, len(inputs), n_block):
        part = slice(start, min(start + n_block, len(inputs)))
        with controller.limit(limits=1):
            block = logits(stack, inputs[part])
        yield part, block


def softmax(values: Weights) -> Weights:
    """Return the softmax over the last axis; `values` is overwritten."""
    # Class by class: NumPy is slow at reducing an axis of six.
    columns = np.moveaxis(values, -1, 0)
    largest = columns[0].copy()
    for column in columns[1:]:
        np.maximum(largest, column, out=largest)
    values -= largest[..., None]
    np.exp(values, out=values)
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    values /= total[..., None]
    return values
