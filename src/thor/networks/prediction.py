"""Probabilities of a predictor for any number of cells, in blocks of bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thor.core.errors import NetworkError
from thor.networks.predictor import Predictor, softmax
from thor.networks.stack import Weights

BLOCK_BYTES = 2 * 2**20
"""Size of the activations of the widest layer, over all networks, in one block: about a core's cache."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Mean and spread of the probabilities of the members of a predictor.

    Attributes
    ----------
    mean : ndarray of shape (n_samples, n_classes)
        Mean probability over the members, their predictive distribution.
    spread : ndarray of shape (n_samples, n_classes)
        Standard deviation over the members (of the population); 0 for a single one.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


def predict(predictor: Predictor, inputs: Weights, *, temperature: float = 1.0) -> Prediction:
    """Return mean and spread over the members of the probability of every class.

    Parameters
    ----------
    predictor : Predictor
    inputs : ndarray of shape (n_samples, n_features)
        Scaled as in training.
    temperature : float
        Every member's logits are divided by it.

    Raises
    ------
    NetworkError
        As for `probability_blocks`.
    """
    mean = np.empty((len(inputs), len(predictor.classes)))
    spread = np.empty_like(mean)
    for part, probability in probability_blocks(predictor, inputs, temperature=temperature):
        mean[part] = probability.mean(axis=0, dtype=np.float64)
        spread[part] = probability.std(axis=0, dtype=np.float64)
    return Prediction(mean, spread)


def member_probabilities(predictor: Predictor, inputs: Weights, *, temperature: float = 1.0) -> Weights:
    """Return the probabilities of every member, shape (n_members, n_samples, n_classes), for few samples.

    Parameters and errors are those of `probability_blocks`.
    """
    members = np.empty((predictor.n_members, len(inputs), len(predictor.classes)), dtype=np.float32)
    for part, probability in probability_blocks(predictor, inputs, temperature=temperature):
        members[:, part] = probability
    return members


def probability_blocks(
    predictor: Predictor, inputs: Weights, *, temperature: float = 1.0, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[slice, Weights]]:
    """Yield the probabilities of every member, block of samples by block.

    Parameters
    ----------
    predictor : Predictor
    inputs : ndarray of shape (n_samples, n_features)
        Scaled as in training.
    temperature : float
        Every member's logits are divided by it.
    block_bytes : int
        See `BLOCK_BYTES`.

    Yields
    ------
    part : slice
        Which samples.
    probability : ndarray of float32, shape (n_members, n_block, n_classes)

    Raises
    ------
    NetworkError
        When an input is not finite, the number of features differs, or the temperature is not positive.
    """
    if not temperature > 0:
        raise NetworkError(f"The temperature must be above 0; got {temperature:g}.")
    for part, block in _logit_blocks(predictor, inputs, block_bytes):
        if temperature != 1.0:
            block /= np.float32(temperature)
        yield part, softmax(block)


def member_logits(predictor: Predictor, inputs: Weights) -> Weights:
    """Return the logits of every member, shape (n_members, n_samples, n_classes), for few samples or members.

    Parameters and errors are those of `probability_blocks`.
    """
    members = np.empty((predictor.n_members, len(inputs), len(predictor.classes)), dtype=np.float32)
    for part, block in _logit_blocks(predictor, inputs, BLOCK_BYTES):
        members[:, part] = block
    return members


def _logit_blocks(predictor: Predictor, inputs: Weights, block_bytes: int) -> Iterator[tuple[slice, Weights]]:
    if inputs.ndim != 2 or inputs.shape[1] != len(predictor.features):
        raise NetworkError(
            f"The predictor takes inputs of shape (n_samples, {len(predictor.features)}); got {inputs.shape}. "
            f"Its features are {', '.join(predictor.features)}."
        )
    if not np.isfinite(inputs).all():
        raise NetworkError(
            f"{int((~np.isfinite(inputs)).any(axis=1).sum())} of {len(inputs)} samples have inputs that are not "
            "finite. Apply networks to cells with valid = 1 only."
        )
    yield from predictor.logit_blocks(inputs, block_bytes)
