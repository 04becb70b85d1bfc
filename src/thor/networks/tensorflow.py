"""TensorFlow, imported when it is first needed and always with the same settings, and the optimiser of all trainings.

Adam (Kingma & Ba 2015, arXiv:1412.6980), for any number of networks at once.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray


def load_tensorflow() -> ModuleType:
    """Return TensorFlow with Keras 2, quiet, and with operations that give the same bits every time.

    Settings of the environment count only before the first import anywhere in the process: import TensorFlow through
    here. Those that the user made stay.
    """
    tensorflow = import_tensorflow()
    with _without_native_stderr():
        # looks for accelerators once, and on machines without one would complain in the middle of a run
        tensorflow.config.list_physical_devices()
    tensorflow.config.experimental.enable_op_determinism()
    # Each size of networks and batches is traced once, which it warns of.
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow


def import_tensorflow() -> ModuleType:
    """Return TensorFlow, of which nothing runs yet: a process may still be forked, and find its own accelerators."""
    # TensorFlow Probability's layers and the published networks need Keras 2; oneDNN changes sums with the machine.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Otherwise the first of several processes takes all memory of an accelerator.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with nullcontext() if "tensorflow" in sys.modules else _without_native_stderr():
        import tensorflow
    return tensorflow


@contextmanager
def _without_native_stderr() -> Iterator[None]:
    """Send what libraries write to file descriptor 2 nowhere: lines about drivers that are not there."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


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
