from functools import partial

import numpy as np
import pytest
from scipy import stats

from thor.networks.stack import logits
from thor.networks.tensorflow import load_tensorflow
from thor.uncertainty.posterior import Posterior, layer_places
from thor.uncertainty.variational import ESTIMATORS, gaussian, kl_divergence, normal_noise, sampled_logits

SIZES = (3, 5, 2)
N_WEIGHTS = 32


@pytest.fixture(scope="module")
def parameters():
    rng = np.random.default_rng(0)
    mean = rng.standard_normal((2, N_WEIGHTS))
    scale = rng.uniform(0.1, 0.8, (2, N_WEIGHTS))
    return np.concatenate([mean, np.log(np.expm1(scale))], axis=1).astype(np.float32), mean, scale


def test_vectors_hold_layer_after_layer():
    places = layer_places(SIZES)
    assert [(place.kernel, place.bias) for place in places] == [
        (slice(0, 15), slice(15, 20)),
        (slice(20, 30), slice(30, 32)),
    ]


def test_divergence_from_the_prior_is_the_closed_form(parameters):
    values, mean, scale = parameters
    expected = (0.5 * (mean**2 + scale**2 - 1) - np.log(scale)).sum(axis=1)
    assert kl_divergence(gaussian(load_tensorflow().constant(values))).numpy() == pytest.approx(expected, rel=1e-5)


def compiled(function):
    """Return what a function gives when it is compiled by XLA, as in training."""
    return load_tensorflow().function(function, jit_compile=True, autograph=False)().numpy()


def test_noise_is_standard_normal_and_follows_from_its_seed():
    tf = load_tensorflow()
    shape = (4, 250, 100)
    noise, again, other = (
        compiled(lambda last=last: normal_noise(shape, tf.constant([1, last]))) for last in (2, 2, 3)
    )
    assert noise.shape == shape
    assert np.isfinite(noise).all()
    np.testing.assert_array_equal(noise, again)
    assert stats.kstest(noise.ravel(), "norm").pvalue > 0.01
    for one, two in ((noise[:, 1:], noise[:, :-1]), (noise[1:], noise[:-1]), (noise, other)):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.01
    # both tails: the largest of 100,000 numbers
    assert 3.8 < noise.max() < 5.4 and -5.4 < noise.min() < -3.8


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimators_have_the_distribution_of_networks_with_drawn_weights(parameters, estimator):
    tf = load_tensorflow()
    values, mean, scale = parameters
    n_draws = 20_000
    cell = np.array([0.4, -1.2, 2.0], np.float32)
    inputs = np.broadcast_to(cell, (2, n_draws if estimator == "local_reparametrisation" else 1, 3)).copy()
    posterior = gaussian(tf.constant(values))
    forward = partial(sampled_logits, estimator=estimator, activation="tanh")
    if estimator == "flipout":
        # One draw of the weights serves all cells: another seed gives another.
        seeds = tf.constant(np.stack([np.arange(n_draws), np.zeros(n_draws)], axis=1).astype(np.int32))
        found = compiled(
            lambda: tf.map_fn(lambda seed: forward(posterior, inputs, SIZES, seed)[:, 0], seeds, tf.float32)
        ).swapaxes(0, 1)
    else:
        found = compiled(lambda: forward(posterior, inputs, SIZES, tf.constant([1, 2])))
    rng = np.random.default_rng(3)
    for start in range(2):
        vectors = mean[start] + scale[start] * rng.standard_normal((n_draws, N_WEIGHTS))
        networks = Posterior(layer_sizes=SIZES, features=("a", "b", "c"), classes=("k", "l")).to_stack(vectors)
        expected = logits(networks, cell[None])[:, 0]
        assert found[start].mean(axis=0) == pytest.approx(expected.mean(axis=0), abs=0.06)
        assert np.cov(found[start].T) == pytest.approx(np.cov(expected.T), rel=0.08, abs=0.06)
