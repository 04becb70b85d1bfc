import json
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_expit

from thor.core.errors import NetworkError
from thor.networks.prediction import predict
from thor.networks.progress import DivergedError
from thor.networks.training_data import Table
from thor.uncertainty.bayesian import BayesianNetwork, fit_bayesian
from thor.uncertainty.posterior import to_vectors
from thor.uncertainty.settings import BayesianSettings

NAMES = {"features": ("x", "nothing"), "classes": ("low", "high")}
SETTINGS = BayesianSettings(
    hidden=(), n_starts=2, epochs=400, batch_size=25, learning_rate=0.005, initial_scale=0.3, warmup_epochs=3
)
N_CELLS = 100


@pytest.fixture(scope="module")
def cells():
    """One weakly informative feature, and one that is zero everywhere."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal(N_CELLS)
    labels = (x + 1.5 * rng.standard_normal(N_CELLS) > 0).astype(int)
    return Table(np.stack([x, np.zeros(N_CELLS)], axis=1).astype(np.float32), labels)


@pytest.fixture(scope="module")
def fitted(cells):
    return fit_bayesian(cells, cells, **NAMES, settings=SETTINGS, seed=1, progress=False)


def best_mean_field(cells: Table) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the lowest loss [nat per cell] of any mean-field posterior of a logistic regression, and its moments.

    The difference of the two logits is Gaussian in every cell: its expected loss is an integral over one variable.
    Weights are those of x to both classes, then the biases; the weights of the feature that is zero keep their prior.
    """
    nodes, masses = np.polynomial.hermite_e.hermegauss(40)
    x, sign = cells.inputs[:, 0].astype(float), 2.0 * cells.labels - 1.0

    def loss(moments):
        mean, scale = moments[:4], np.exp(moments[4:])
        centre = (mean[1] - mean[0]) * x + mean[3] - mean[2]
        spread = np.sqrt((scale[1] ** 2 + scale[0] ** 2) * x**2 + scale[3] ** 2 + scale[2] ** 2)
        values = -log_expit(sign[:, None] * (centre[:, None] + spread[:, None] * nodes))
        expected = (values @ masses).mean() / np.sqrt(2 * np.pi)
        kl = (0.5 * (mean**2 + scale**2 - 1) - np.log(scale)).sum()
        return expected + kl / N_CELLS

    found = minimize(loss, np.array([0, 0, 0, 0, -1, -1, -1, -1.0]), method="BFGS")
    return float(found.fun), found.x[:4], np.exp(found.x[4:])


def test_finds_the_best_mean_field_posterior_of_a_logistic_regression(cells, fitted):
    network, history = fitted
    lowest, mean, scale = best_mean_field(cells)
    loss = history["train_loss"] + history["kl_divergence"] / N_CELLS
    assert loss.isel(epoch=slice(-20, None)).mean("epoch").values == pytest.approx([lowest, lowest], rel=0.02)
    order = [0, 1, 4, 5]
    # The cells constrain the difference of the two classes; only the prior constrains their sum, slowly.
    found, expected = network.mean[:, order], np.tile(mean, (2, 1))
    assert found[:, 1] - found[:, 0] == pytest.approx(expected[:, 1] - expected[:, 0], abs=0.06)
    assert found[:, 3] - found[:, 2] == pytest.approx(expected[:, 3] - expected[:, 2], abs=0.06)
    assert network.scale[:, order] == pytest.approx(np.tile(scale, (2, 1)), rel=0.1)


def test_weights_not_constrained_by_cells_keep_their_prior(fitted):
    network, _ = fitted
    assert network.mean[:, 2:4] == pytest.approx(0.0, abs=0.05)
    assert network.scale[:, 2:4] == pytest.approx(1.0, abs=0.05)


def test_history_describes_the_training(fitted):
    network, history = fitted
    assert dict(history.sizes) == {"epoch": 400, "start": 2}
    assert history["kl_weight"].values[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert history["learning_rate"].isel(epoch=[0, 200]).values == pytest.approx(np.array([[0.005] * 2, [0.0025] * 2]))
    after_warmup = history["select_loss"].isel(epoch=slice(3, None))
    assert (network.best_epoch == after_warmup.argmin("epoch").values + 3).all()
    assert network.select_loss == pytest.approx(after_warmup.min("epoch").values)


def test_draws_have_the_moments_of_the_posterior(fitted):
    network, _ = fitted
    drawn = to_vectors(network.draws(20_000, seed=2)).reshape(-1, 2, 6)
    assert drawn.mean(axis=0) == pytest.approx(network.mean, abs=0.05)
    assert drawn.std(axis=0) == pytest.approx(network.scale, rel=0.05)
    assert (network.draw_starts(5) == [0, 1, 0, 1, 0]).all()
    assert (to_vectors(network.draws(3, seed=2)) == drawn.reshape(-1, 6)[:3]).all()


def test_best_start_alone_on_request(fitted):
    network = replace(fitted[0], drawn_from="best_start", select_loss=np.array([0.7, 0.5]))
    drawn = to_vectors(network.draws(20_000, seed=2))
    assert (network.draw_starts(3) == 1).all()
    assert drawn.mean(axis=0) == pytest.approx(network.mean[1], abs=0.05)


def test_one_start_alone_has_a_separate_posterior(fitted):
    network = fitted[0].one_start(1)
    assert network.n_starts == 1
    np.testing.assert_array_equal(network.mean[0], fitted[0].mean[1])
    assert (network.draw_starts(3) == 0).all()


def test_same_seed_same_bits_and_the_rate_falls_at_a_plateau(cells, fitted):
    short = SETTINGS.replace(epochs=20, schedule="plateau", plateau_epochs=2, learning_rate=0.02)
    first, history = fit_bayesian(cells, cells, **NAMES, settings=short, seed=3, progress=False)
    second, again = fit_bayesian(cells, cells, **NAMES, settings=short, seed=3, progress=False)
    assert (second.mean == first.mean).all() and (second.scale == first.scale).all()
    assert again.identical(history)
    assert (first.mean != fitted[0].mean).any()
    rates = set(np.unique(history["learning_rate"]))
    assert rates <= {np.float32(0.02 * 0.25**k) for k in range(10)} and len(rates) > 1


def test_starts_stop_after_their_patience(cells):
    impatient = SETTINGS.replace(epochs=300, patience=3)
    network, history = fit_bayesian(cells, cells, **NAMES, settings=impatient, seed=5, progress=False)
    trained = (history["learning_rate"] > 0).sum("epoch").values
    assert (trained == network.best_epoch + 1 + 3).all()
    assert history.sizes["epoch"] == trained.max() < 300


def test_flipout_learns_the_same(cells, fitted):
    settings = SETTINGS.replace(estimator="flipout")
    network, _ = fit_bayesian(cells, cells, **NAMES, settings=settings, seed=1, progress=False)
    answers = [predict(one.draws(400, seed=0), cells.inputs).mean for one in (network, fitted[0])]
    assert answers[0] == pytest.approx(answers[1], abs=0.05)


def test_loss_that_is_not_finite_names_start_and_epoch_and_keeps_the_last_good_state(cells):
    wild = Table(cells.inputs * np.float32(3e19), cells.labels)
    with pytest.raises(
        DivergedError, match=r"2 of 2 starts is not finite in epoch 0 .*: start 0, 1\. Lower the learning rate"
    ) as caught:
        fit_bayesian(wild, cells, **NAMES, settings=SETTINGS, seed=1, progress=False)
    kept = caught.value.progress
    assert np.isfinite(kept.weights[0]).all() and kept.epoch == 0


def test_files_give_the_network_back(fitted, tmp_path):
    fitted[0].save(tmp_path)
    again = BayesianNetwork.load(tmp_path)
    assert (to_vectors(again.draws(4, seed=1)) == to_vectors(fitted[0].draws(4, seed=1))).all()
    for entry in fields(again):
        np.testing.assert_array_equal(getattr(again, entry.name), getattr(fitted[0], entry.name), entry.name)


@pytest.mark.parametrize("damage", ["edit", "swap", "drop", "tear", "kind", "remove"])
def test_damaged_folders_are_refused(fitted, tmp_path, damage):
    fitted[0].save(tmp_path)
    description = json.loads((tmp_path / "architecture.json").read_text())
    with np.load(tmp_path / "posterior.npz") as stored:
        arrays = dict(stored)
    if damage == "edit":
        (tmp_path / "architecture.json").write_text(json.dumps(description | {"features": ["nothing", "x"]}))
        message = "checksum"
    elif damage == "swap":
        np.savez(tmp_path / "posterior.npz", **arrays | {"mean": arrays["scale"]})
        message = "checksum"
    elif damage == "drop":
        del arrays["scale"]
        np.savez(tmp_path / "posterior.npz", **arrays)
        message = "no array scale"
    elif damage == "tear":
        (tmp_path / "posterior.npz").write_bytes((tmp_path / "posterior.npz").read_bytes()[:300])
        message = "no readable"
    elif damage == "kind":
        (tmp_path / "architecture.json").write_text(json.dumps(description | {"kind": "Laplace"}))
        message = "expected 'mean-field Bayesian'"
    else:
        (tmp_path / "architecture.json").unlink()
        message = "no readable"
    with pytest.raises(NetworkError, match=message):
        BayesianNetwork.load(tmp_path)
