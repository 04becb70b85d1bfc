"""Adam, the optimiser of all trainings, for any number of networks at once (Kingma & Ba 2015, arXiv:1412.6980)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thor.networks.tensorflow import load_tensorflow

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Decay of the two moments and stabiliser, as in Keras."""


def step_sizes(learning_rate: NDArray[np.float64], step: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the learning rate of each step, counted from 0, corrected for moments that start at zero."""
    return learning_rate * np.sqrt(1 - BETA_2 ** (step + 1)) / (1 - BETA_1 ** (step + 1))


def adam_step(
    weights: Sequence[Any], first: Sequence[Any], second: Sequence[Any], gradients: Sequence[Any], step_size: Any
) -> tuple[list[Any], list[Any], list[Any]]:
    """Return weights and first and second moments after one step.

    Parameters
    ----------
    weights, first, second, gradients : sequence of Tensor
    step_size : Tensor
        From `step_sizes`, broadcast with each of the weights.
    """
    sqrt = load_tensorflow().sqrt
    first = [m + (g - m) * (1 - BETA_1) for m, g in zip(first, gradients, strict=True)]
    second = [v + (g * g - v) * (1 - BETA_2) for v, g in zip(second, gradients, strict=True)]
    weights = [w - step_size * m / (sqrt(v) + EPSILON) for w, m, v in zip(weights, first, second, strict=True)]
    return weights, first, second
