"""Networks with weights of the size that training gives, and inputs."""

from itertools import pairwise

import numpy as np
import pytest

from tests.networks.conftest import ecco_features, ecco_regimes, made_features, made_regimes  # noqa: F401
from thor.core.variables import FEATURES
from thor.networks.stack import NetworkStack

REGIMES = ("MD", "TR", "SO")


def make_stack(n_networks=3, sizes=(8, 12, 7, 3), seed=0, alike=0.0, features=FEATURES, classes=REGIMES):
    """Return a stack of random networks; `alike` is the share of the weights that they have in common."""
    rng = np.random.default_rng(seed)
    layers = list(pairwise(sizes))

    def draw(scale, shape):
        return (1 - alike) * rng.normal(0, scale, (n_networks, *shape)) + alike * rng.normal(0, scale, shape)

    kernels = tuple(draw(1.5 / np.sqrt(n_in), (n_in, n_out)) for n_in, n_out in layers)
    biases = tuple(draw(0.3, (n_out,)) for _, n_out in layers)
    return NetworkStack(
        tuple(kernel.astype(np.float32) for kernel in kernels),
        tuple(bias.astype(np.float32) for bias in biases),
        tuple(features),
        tuple(classes),
    )


@pytest.fixture(scope="session")
def stack():
    """Three networks."""
    return make_stack()


@pytest.fixture(scope="session")
def inputs():
    """Two hundred samples, scaled."""
    return np.random.default_rng(1).normal(size=(200, 8)).astype(np.float32)


@pytest.fixture(scope="session")
def regime(inputs):
    """A regime to explain in each sample."""
    return np.random.default_rng(2).integers(0, len(REGIMES), len(inputs))


def values_of(method, stack, inputs, regime, **options):
    """Return the values of all networks, (n_networks, n_samples, n_players), and the shares."""
    blocks = list(method.explain(stack, inputs, regime, **options))
    shares = {name: np.concatenate([b.shares[name] for b in blocks], axis=1) for name in blocks[0].shares}
    return np.concatenate([block.values for block in blocks], axis=1), shares
