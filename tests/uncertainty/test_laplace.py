from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import logsumexp

from tests.uncertainty.made_networks import random_networks
from thor.core.errors import NetworkError
from thor.networks.prediction import predict
from thor.networks.stack import concatenate, logits
from thor.networks.training_data import Table
from thor.uncertainty.laplace import LaplaceNetwork, best_network, fit_laplace, gauss_newton, log_evidence
from thor.uncertainty.posterior import Posterior, to_vectors
from thor.uncertainty.settings import LaplaceSettings


def outputs(vector, network, inputs):
    """Return the logits of the network with these weights, in double precision, shape (n_samples, n_classes)."""
    sizes = network.layer_sizes
    activation, start = inputs.astype(float), 0
    for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
        kernel = vector[start : start + n_in * n_out].reshape(n_in, n_out)
        start += n_in * n_out
        activation = activation @ kernel + vector[start : start + n_out]
        start += n_out
        if layer < len(sizes) - 2:
            activation = np.tanh(activation)
    return activation


def derivative(function, at, step=1e-5):
    """Return central differences of a function of a vector, derivative first."""
    return np.stack([(function(at + e) - function(at - e)) / (2 * step) for e in step * np.eye(at.size)])


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(5)
    return rng.standard_normal((40, 3)).astype(np.float32), rng.integers(4, size=40)


def test_for_a_logistic_regression_it_is_the_hessian(cells):
    inputs, labels = cells
    network = random_networks((3, 4), n_networks=1, seed=2)

    def loss(vector):
        z = outputs(vector, network, inputs)
        return (logsumexp(z, axis=1) - z[np.arange(40), labels]).sum()

    at = to_vectors(network)[0].astype(float)
    hessian = derivative(lambda v: derivative(loss, v, step=1e-3), at, step=1e-3)
    assert gauss_newton(network, inputs, np.ones(40, np.float32), block_cells=1024) == pytest.approx(hessian, abs=1e-3)


def test_of_a_deep_network_it_is_made_of_jacobians(cells):
    inputs, _ = cells
    network = random_networks((3, 5, 4), n_networks=1, seed=3)
    at = to_vectors(network)[0].astype(float)
    jacobian = derivative(lambda v: outputs(v, network, inputs), at)
    p = predict(network, inputs).mean
    curvature = np.einsum("nk,kl->nkl", p, np.eye(4)) - np.einsum("nk,nl->nkl", p, p)
    weights = np.linspace(0.5, 1.5, 40)
    expected = np.einsum("n,ink,nkl,jnl->ij", weights, jacobian, curvature, jacobian)
    found = gauss_newton(network, inputs, weights.astype(np.float32), block_cells=7)
    assert found == pytest.approx(expected, abs=1e-4)
    last = gauss_newton(network, inputs, weights.astype(np.float32), first=20, block_cells=1024)
    assert last == pytest.approx(expected[20:, 20:], abs=1e-4)


def test_draws_have_the_inverse_precision_as_covariance(cells):
    inputs, labels = cells
    network = random_networks((3, 4), n_networks=1, seed=2)
    table = Table(inputs, labels)
    laplace, _ = fit_laplace(network, table, table, settings=LaplaceSettings(prior_precision=2.0), seed=0)
    precision = gauss_newton(network, inputs, np.ones(40, np.float32), block_cells=1024) + 2.0 * np.eye(16)
    covariance = np.linalg.inv(precision)
    assert laplace.factor @ laplace.factor.T == pytest.approx(covariance, abs=1e-5)
    drawn = to_vectors(laplace.draws(40_000, seed=1)).astype(float)
    assert drawn.mean(axis=0) == pytest.approx(laplace.mean, abs=0.02)
    assert np.cov(drawn.T) == pytest.approx(covariance, abs=0.01)


def test_last_layer_leaves_the_others_as_they_were(cells):
    network = random_networks((3, 5, 4), n_networks=1, seed=3)
    table = Table(*cells)
    settings = LaplaceSettings(structure="last_layer", prior_precision=1.0)
    laplace, _ = fit_laplace(network, table, table, settings=settings, seed=0)
    drawn = laplace.draws(5, seed=1)
    assert laplace.factor.shape == (24, 24)
    assert (drawn.kernels[0] == network.kernels[0]).all() and (drawn.biases[0] == network.biases[0]).all()
    assert drawn.kernels[1].std(axis=0).min() > 0


def test_evidence_is_the_integral_of_a_gaussian_likelihood():
    # One weight, likelihood exp(-h (w - m)^2 / 2), prior N(0, 1/a): integrated on a fine grid.
    h, m = 7.0, 0.8
    w = np.linspace(-12, 12, 200_001)

    def integral(a):
        prior = np.sqrt(a / (2 * np.pi)) * np.exp(-0.5 * a * w**2)
        return np.log(np.trapezoid(prior * np.exp(-0.5 * h * (w - m) ** 2), w))

    def at_the_peak(a):
        # Laplace around the peak of the posterior is exact for a Gaussian; the fit there is part of the likelihood.
        peak = h * m / (h + a)
        return log_evidence(np.array([h]), np.array([peak]), a) - 0.5 * h * (peak - m) ** 2

    assert at_the_peak(3.0) - at_the_peak(0.4) == pytest.approx(integral(3.0) - integral(0.4), abs=1e-6)


@pytest.fixture(scope="module")
def learned():
    """Cells on a plane with two classes, and networks that separate them, the second one best."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((600, 2)).astype(np.float32)
    labels = (inputs[:, 0] + 0.3 * rng.standard_normal(600) > 0).astype(int)
    networks = random_networks((2, 6, 2), n_networks=3, seed=1)
    for number, sharpness in enumerate((0.2, 2.0, 60.0)):
        networks.kernels[0][number] *= 0.05
        networks.kernels[0][number, 0, 0] = 1.0
        networks.biases[0][number] = 0.0
        networks.kernels[1][number] = 0.0
        networks.kernels[1][number, 0] = (-sharpness, sharpness)
        networks.biases[1][number] = 0.0
    return networks, Table(inputs[:400], labels[:400]), Table(inputs[400:], labels[400:])


def test_takes_the_best_network(learned):
    networks, train, select = learned
    assert best_network(networks, select.inputs, select.labels) == 1
    laplace, _ = fit_laplace(networks, train, select, settings=LaplaceSettings(), seed=0)
    assert laplace.network == 1


def test_takes_one_that_uses_all_inputs_where_there_is_one(learned):
    networks, _, select = learned
    kernels = networks.kernels[0].copy()
    kernels[1:, 1] = 0.0  # the second input
    restricted = replace(networks, kernels=(kernels, *networks.kernels[1:]))
    assert best_network(restricted, select.inputs, select.labels) == 0
    kernels[:, 1] = 0.0
    assert best_network(restricted, select.inputs, select.labels) == 1


def test_draws_with_the_chosen_precision_stay_good(learned):
    networks, train, select = learned
    laplace, candidates = fit_laplace(networks, train, select, settings=LaplaceSettings(), seed=0)
    chosen = candidates.loc[candidates["select_loss"].idxmin()]
    assert laplace.prior_precision == chosen["prior_precision"]
    trained = predict(networks.select([1]), select.inputs).mean.argmax(axis=1)
    drawn = predict(laplace.draws(200, seed=3), select.inputs).mean.argmax(axis=1)
    accuracy = [(answer == select.labels).mean() for answer in (trained, drawn)]
    assert accuracy[1] > accuracy[0] - 0.02 > 0.85


def test_marginal_likelihood_chooses_the_candidate_of_highest_evidence(learned):
    networks, train, select = learned
    settings = LaplaceSettings(prior_precision="marginal_likelihood")
    laplace, candidates = fit_laplace(networks, train, select, settings=settings, seed=0)
    assert laplace.prior_precision == candidates.loc[candidates["log_evidence"].idxmax(), "prior_precision"]
    assert candidates["log_evidence"].idxmax() not in (0, len(candidates) - 1)


def test_same_seed_same_draws_and_files_give_them_back(learned, tmp_path):
    networks, train, select = learned
    laplace, _ = fit_laplace(networks, train, select, settings=LaplaceSettings(), seed=0)
    laplace.save(tmp_path / "laplace")
    again = LaplaceNetwork.load(tmp_path / "laplace")
    both = [to_vectors(network.draws(4, seed=9)) for network in (laplace, again)]
    assert (both[0] == both[1]).all()
    assert (to_vectors(laplace.draws(2, seed=9)) == both[0][:2]).all()
    assert again.features == laplace.features and again.prior_precision == laplace.prior_precision


def test_bad_cells_are_named(learned):
    networks, train, select = learned
    bad = Table(np.full_like(train.inputs, np.nan), train.labels)
    with pytest.raises(NetworkError, match="training samples have inputs that are not finite"):
        fit_laplace(networks, bad, select, settings=LaplaceSettings(), seed=0)


def test_vectors_and_stacks_are_one(learned):
    networks, _, select = learned
    posterior = Posterior(
        layer_sizes=networks.layer_sizes,
        features=networks.features,
        classes=networks.classes,
        activation=networks.activation,
    )
    back = posterior.to_stack(to_vectors(networks))
    assert (logits(back, select.inputs) == logits(networks, select.inputs)).all()
    assert to_vectors(concatenate([back, networks])).shape == (6, networks.n_weights)
