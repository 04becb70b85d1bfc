"""Small networks and cells whose answers are known."""

from itertools import pairwise

import numpy as np

from thor.networks.stack import NetworkStack


def constant_networks(probabilities: np.ndarray) -> NetworkStack:
    """Return networks that give these probabilities, (n_networks, n_classes), whatever their one input is."""
    n_networks, n_classes = probabilities.shape
    return NetworkStack(
        kernels=(np.zeros((n_networks, 1, n_classes), np.float32),),
        biases=(np.log(probabilities).astype(np.float32),),
        features=("x",),
        classes=tuple(f"class_{k}" for k in range(n_classes)),
    )


def random_networks(layer_sizes: tuple[int, ...], *, n_networks: int, seed: int) -> NetworkStack:
    """Return networks with normal weights."""
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(layer_sizes))
    return NetworkStack(
        kernels=tuple(rng.standard_normal((n_networks, *pair)).astype(np.float32) for pair in pairs),
        biases=tuple(rng.standard_normal((n_networks, n_out)).astype(np.float32) for _, n_out in pairs),
        features=tuple(f"feature_{k}" for k in range(layer_sizes[0])),
        classes=tuple(f"class_{k}" for k in range(layer_sizes[-1])),
    )
