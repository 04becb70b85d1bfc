"""The terms head: its likelihood and gradients, terms that are not known, files, and terms that are recovered."""

import json
import pickle

import numpy as np
import pytest
import xarray as xr

from tests.made_samples import make_samples
from thor.core.errors import GridError, NetworkError
from thor.core.variables import BUDGET_TERMS
from thor.networks.settings import TrainingSettings
from thor.networks.stack import NetworkStack, concatenate, logits
from thor.networks.tensorflow import load_tensorflow
from thor.networks.terms import LEAST_SPREAD, MOST_SPREAD, TermTargets, over_networks, terms_loss
from thor.networks.training import initial_stack, train_stack
from thor.networks.training_data import Table

NAMES = {"features": ("x", "y"), "classes": ("a", "b")}
SETTINGS = TrainingSettings(hidden=(12, 8), n_networks=3, learning_rate=0.01, epochs=30)
SIZES = np.array([3e-11, 1e-10, 4e-10, 2e-12, 1e-11])


def make_terms(inputs):
    """Five terms that are functions of the inputs, up to hundreds of times their typical size."""
    x, y = inputs.T
    return SIZES * np.stack([np.sinh(2 * x), 3 * y, np.sinh(x - 2 * y), x + y, np.exp(y) - 1], axis=1)


def make_budget(terms):
    fields = {name: (("y", "x"), terms[:, k].reshape(20, -1)) for k, name in enumerate(BUDGET_TERMS)}
    lat, lon = np.meshgrid(np.linspace(-60, 60, 20), np.linspace(0, 350, len(terms) // 20), indexing="ij")
    return xr.Dataset(fields, {"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)})


def samples_of(budget, n):
    """The first cells of the grid of a budget."""
    return make_samples(np.zeros(n, int), **{axis: budget[axis].values.ravel()[:n] for axis in ("lat", "lon")})


@pytest.fixture(scope="module")
def cells():
    inputs = np.random.default_rng(1).normal(size=(2000, 2)).astype("float32")
    return inputs, (inputs[:, 0] > 0).astype(int), make_terms(inputs.astype(float))


@pytest.fixture(scope="module")
def targets(cells):
    terms = cells[2].copy()
    terms[:300] = np.nan
    budget = make_budget(terms)
    return TermTargets.of(budget, samples_of(budget, 1200), weight=0.3)


@pytest.fixture(scope="module")
def trained(cells, targets):
    inputs, labels, _ = cells
    train, select = Table(inputs[:1200], labels[:1200], terms=targets), Table(inputs[1200:1400], labels[1200:1400])
    return train_stack(train, select, **NAMES, settings=SETTINGS, seed=4, progress=False).stack


def normal_loss(outputs, scaled):
    """The likelihood written out, over the terms that are known."""
    n_terms = scaled.shape[-1]
    spread = LEAST_SPREAD + (MOST_SPREAD - LEAST_SPREAD) / (1 + np.exp(-outputs[..., n_terms:]))
    each = 0.5 * ((scaled - outputs[..., :n_terms]) / spread) ** 2 + np.log(spread)
    return np.where(np.isnan(scaled), 0.0, each).mean(axis=-1)


def test_the_loss_is_a_normal_likelihood_and_its_gradient_is_that_of_differences():
    tf = load_tensorflow()
    rng = np.random.default_rng(0)
    outputs, scaled = rng.normal(size=(4, 6)), rng.normal(size=(4, 3))
    scaled[1, 2] = scaled[3] = np.nan
    at = tf.constant(outputs)
    with tf.GradientTape() as tape:
        tape.watch(at)
        loss = terms_loss(at, tf.constant(scaled))
    np.testing.assert_allclose(loss, normal_loss(outputs, scaled), rtol=1e-12)
    gradient, step = tape.gradient(loss, at).numpy(), 1e-6
    for place in np.ndindex(*outputs.shape):
        moved = np.zeros_like(outputs)
        moved[place] = step
        slope = (normal_loss(outputs + moved, scaled) - normal_loss(outputs - moved, scaled)).sum() / (2 * step)
        assert gradient[place] == pytest.approx(slope, abs=1e-8)
    assert not gradient[3].any() and not gradient[1, [2, 5]].any()


def test_terms_of_new_cells_are_recovered_with_a_spread_that_covers_the_errors(cells, trained):
    inputs, labels, terms = cells
    value, deviation = over_networks(*trained.terms(inputs[1400:]))
    true = terms[1400:]
    scaled = [np.arcsinh(x / (0.5 * SIZES)) for x in (value, true)]
    for found, known in zip(*(x.T for x in scaled), strict=True):
        assert np.corrcoef(found, known)[0, 1] > 0.97
    inside = (np.abs(value - true) < 1.645 * deviation).mean(axis=0)
    assert (inside > 0.8).all()
    assert (logits(trained, inputs[1400:]).mean(axis=0).argmax(axis=1) == labels[1400:]).mean() > 0.97


def test_the_regimes_start_from_the_same_weights_and_do_not_see_the_head(targets, trained, cells):
    plain, headed = (initial_stack(**NAMES, settings=SETTINGS, seed=4, terms=terms) for terms in (None, targets))
    for one, other in zip((*plain.kernels, *plain.biases), (*headed.kernels, *headed.biases), strict=True):
        np.testing.assert_array_equal(one, other)
    assert trained.layer_sizes == plain.layer_sizes and trained.n_weights == plain.n_weights
    bare = NetworkStack(trained.kernels, trained.biases, trained.features, trained.classes)
    np.testing.assert_array_equal(logits(bare, cells[0]), logits(trained, cells[0]))
    with pytest.raises(NetworkError, match=r"do not predict terms.*terms_weight"):
        bare.terms(cells[0])


def test_files_hold_the_head_only_where_there_is_one(trained, cells, tmp_path):
    trained.save(tmp_path / "headed")
    read = NetworkStack.load(tmp_path / "headed")
    for one, other in zip(read.terms(cells[0]), trained.terms(cells[0]), strict=True):
        np.testing.assert_array_equal(one, other)
    parts = concatenate([trained.select([2]), trained.select([0])])
    np.testing.assert_array_equal(parts.terms(cells[0])[0], trained.terms(cells[0])[0][[2, 0]])
    initial_stack(**NAMES, settings=SETTINGS, seed=4).save(tmp_path / "plain")
    described = json.loads((tmp_path / "plain" / "architecture.json").read_text())
    assert set(described) == {"layer_sizes", "activation", "features", "classes", "n_networks", "checksum"}
    assert not [name for name in np.load(tmp_path / "plain" / "weights.npz").files if "terms" in name]
    edited = json.loads((tmp_path / "headed" / "architecture.json").read_text())
    edited["terms"]["scale"][0] *= 2
    (tmp_path / "headed" / "architecture.json").write_text(json.dumps(edited))
    with pytest.raises(NetworkError, match="checksum differs"):
        NetworkStack.load(tmp_path / "headed")
    assert pickle.loads(pickle.dumps(trained)).terms_head.names == BUDGET_TERMS


def test_the_scale_is_that_of_the_training_cells_with_a_budget(cells, targets):
    known = np.abs(cells[2][300:1200])
    np.testing.assert_allclose(targets.scale, np.median(known, axis=0))
    assert np.isnan(targets.scaled[:300]).all() and np.isfinite(targets.scaled[300:]).all()
    np.testing.assert_allclose(np.sinh(targets.scaled[300:]) * targets.scale, cells[2][300:1200], rtol=1e-4)


def test_a_budget_without_terms_is_an_error_and_weight_zero_asks_for_none(cells):
    budget = make_budget(cells[2])
    ten = samples_of(budget, 10)
    assert TermTargets.of(budget.drop_vars("viscous_torque"), ten, weight=0.0) is None
    with pytest.raises(NetworkError, match=r"lacks viscous_torque.*terms_weight: 0"):
        TermTargets.of(budget.drop_vars("viscous_torque"), ten, weight=1.0)
    empty = budget.assign(nonlinear_torque=budget["nonlinear_torque"] * np.nan)
    with pytest.raises(NetworkError, match="no values of nonlinear_torque in any of the 10 training cells"):
        TermTargets.of(empty, ten, weight=1.0)
    for other in (budget.isel(y=slice(None, None, -1)), budget.transpose("x", "y"), budget.isel(y=[0], x=[0])):
        with pytest.raises(GridError, match="on different grids, or their dims have another order"):
            TermTargets.of(other, ten, weight=1.0)
