"""Stacked training beside Keras, its seeds, its stopping and its failures."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from thor.core.errors import ConfigError, NetworkError
from thor.networks.epochs import shuffled, thread_groups
from thor.networks.prediction import predict
from thor.networks.progress import DivergedError
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import TrainingSettings
from thor.networks.tensorflow import load_tensorflow
from thor.networks.training import initial_stack, train_stack
from thor.networks.training_data import Table, padded_columns

NAMES = {"features": ("x", "y", "z"), "classes": ("a", "b", "c", "d")}
SETTINGS = TrainingSettings(
    hidden=(7, 5), n_networks=3, batch_size=32, learning_rate=0.02, schedule="constant", epochs=40, patience=3
)


def make_table(n_samples, seed, weighted=False):
    """Samples whose class is the quadrant of x and y, with one in seven labels wrong."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n_samples, 3)).astype("float32")
    labels = 2 * (inputs[:, 0] > 0) + (inputs[:, 1] > 0)
    labels = np.where(rng.random(n_samples) < 1 / 7, rng.integers(0, 4, n_samples), labels)
    weights = rng.uniform(0.1, 1.9, n_samples) if weighted else None
    return Table(inputs, labels.astype(int), weights)


@pytest.fixture(scope="module")
def train():
    return make_table(200, seed=1)


@pytest.fixture(scope="module")
def select():
    return make_table(90, seed=2)


@pytest.fixture(scope="module")
def trained(train, select):
    return train_stack(train, select, **NAMES, settings=SETTINGS, seed=5)


def arrays(stack):
    return [array for layer in zip(stack.kernels, stack.biases, strict=True) for array in layer]


def assert_same(one, other):
    for first, second in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(first, second)


def keras_fit(network, train, select, settings, seed, callbacks=()):
    """Fit one Keras model from the initial weights of a network on the same batches; return it and its select losses.

    Keras' `fit` of a generator sets the C library's allocator for good: all later arrays of the process were slower.
    """
    load_tensorflow()
    import tf_keras

    n_steps = -(-len(train.labels) // settings.batch_size)
    tf_keras.utils.set_random_seed(0)
    penalty = tf_keras.regularizers.L2(settings.l2)
    layers = [tf_keras.layers.Dense(n, "tanh", kernel_regularizer=penalty) for n in settings.hidden]
    layers.append(tf_keras.layers.Dense(len(NAMES["classes"]), kernel_regularizer=penalty))
    model = tf_keras.Sequential([tf_keras.Input((3,)), *layers])
    model.set_weights([a[network] for a in arrays(initial_stack(**NAMES, settings=settings, seed=seed))])
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        rate = tf_keras.optimizers.schedules.CosineDecay(rate, settings.epochs * n_steps)
    model.compile(tf_keras.optimizers.Adam(rate), tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    callbacks = tf_keras.callbacks.CallbackList(list(callbacks), model=model)
    losses = []
    callbacks.on_train_begin()
    for epoch in range(settings.epochs):
        order = shuffled(len(train.labels), seed=seed, network=network, epoch=epoch, n_oceans=1)
        for batch in np.split(order, np.arange(1, n_steps) * settings.batch_size):
            weights = None if train.weights is None else train.weights[batch]
            model.train_on_batch(train.inputs[batch], train.labels[batch], sample_weight=weights)
        losses.append(model.test_on_batch(select.inputs, select.labels))
        callbacks.on_epoch_end(epoch, {"val_loss": losses[-1]})
        if model.stop_training:
            break
    callbacks.on_train_end()
    return model, losses


def test_each_network_equals_one_trained_by_keras_with_early_stopping(train, select, trained):
    load_tensorflow()
    import tf_keras

    stopped = trained.history["n_epochs"].values
    assert len(set(stopped)) > 1, "the networks should stop at different epochs for this test to be meaningful"
    assert stopped.max() < SETTINGS.epochs
    for network in range(3):
        stopping = tf_keras.callbacks.EarlyStopping(patience=SETTINGS.patience, restore_best_weights=True)
        _, losses = keras_fit(network, train, select, SETTINGS, 5, [stopping])
        assert stopped[network] == len(losses)
        assert trained.history["best_epoch"][network] == stopping.best_epoch
        curve = trained.history["select_loss"].sel(network=network).values
        np.testing.assert_allclose(curve[: stopped[network]], losses, atol=1e-5)
        assert np.isnan(curve[stopped[network] :]).all()
        for ours, theirs in zip(arrays(trained.stack), stopping.best_weights, strict=True):
            np.testing.assert_allclose(ours[network], theirs, atol=2e-5)


def test_sample_weights_penalty_and_falling_rate_are_those_of_keras(select):
    train = make_table(200, seed=3, weighted=True)
    settings = SETTINGS.replace(l2=1e-3, schedule="cosine", epochs=4, patience=None, n_networks=2)
    got = train_stack(train, select, **NAMES, settings=settings, seed=6)
    assert list(got.history["best_epoch"].values) == [3, 3]
    model, _ = keras_fit(1, train, select, settings, 6)
    for ours, theirs in zip(arrays(got.stack), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours[1], theirs, atol=2e-5)
    rates = got.history["learning_rate"].values
    steps = 7 * np.arange(1, 5) - 1
    np.testing.assert_allclose(rates, 0.02 * 0.5 * (1 + np.cos(np.pi * steps / 28)))


def test_the_history_is_that_of_the_kept_weights(select, trained):
    for network in range(3):
        probability = predict(trained.stack.select([network]), select.inputs).mean
        loss = -np.log(probability[np.arange(90), select.labels]).mean()
        best = trained.history["select_loss"].sel(network=network)
        assert loss == pytest.approx(float(best.min()), abs=1e-6)
        accuracy = (probability.argmax(axis=1) == select.labels).mean()
        at_best = trained.history["select_accuracy"].sel(network=network, epoch=trained.history["best_epoch"][network])
        assert accuracy == pytest.approx(float(at_best), abs=1e-6)
    assert float(trained.history["train_loss"][0].mean()) == pytest.approx(np.log(4), abs=0.4)


def test_a_network_is_the_same_bits_in_a_stack_of_any_size(train, select, trained):
    for n_networks in (1, 2):
        fewer = train_stack(train, select, **NAMES, settings=SETTINGS.replace(n_networks=n_networks), seed=5)
        assert_same(fewer.stack, trained.stack.select(slice(n_networks)))
    other = train_stack(train, select, **NAMES, settings=SETTINGS.replace(n_networks=1), seed=6)
    assert not np.array_equal(other.stack.kernels[0], fewer.stack.kernels[0][:1])


def test_a_stack_that_shrinks_as_networks_stop_gives_the_same_bits(train, select, trained, monkeypatch):
    monkeypatch.setattr("thor.networks.epochs.LEAST_WORK_TO_COMPILE", 0)
    monkeypatch.setattr("thor.networks.epochs.STEPS_PER_CALL", 3)
    again = train_stack(train, select, **NAMES, settings=SETTINGS, seed=5)
    assert_same(again.stack, trained.stack)
    np.testing.assert_allclose(again.history["train_loss"], trained.history["train_loss"], rtol=1e-6)


@pytest.mark.parametrize("n_cores", [2, 3])
def test_groups_of_networks_on_several_threads_give_the_same_bits(train, select, trained, monkeypatch, n_cores):
    monkeypatch.setattr("thor.networks.epochs.LEAST_GROUP", 1)
    monkeypatch.setattr("thor.networks.epochs.n_cores", lambda: n_cores)
    again = train_stack(train, select, **NAMES, settings=SETTINGS, seed=5)
    assert_same(again.stack, trained.stack)
    np.testing.assert_allclose(again.history["train_loss"], trained.history["train_loss"], rtol=1e-6)


@pytest.mark.parametrize(("n_networks", "n_threads", "shape"), [(50, 2, (2, 25)), (13, 2, (2, 7)), (1, 8, (1, 2))])
def test_groups_have_one_size_and_hold_every_network(n_networks, n_threads, shape):
    groups = thread_groups(np.arange(n_networks), n_threads=n_threads)
    assert groups.shape == shape
    np.testing.assert_array_equal(np.unique(groups), np.arange(n_networks))


def test_padding_of_the_training_samples_changes_nothing(train, select, trained, monkeypatch):
    monkeypatch.setattr("thor.networks.epochs.LEAST_CAPACITY", 1)
    again = train_stack(train, select, **NAMES, settings=SETTINGS, seed=5)
    assert_same(again.stack, trained.stack)


def test_tables_of_similar_size_have_one_shape(train):
    shapes = {
        tuple(array.shape for array in padded_columns(Table(train.inputs[:n], train.labels[:n]), 64))
        for n in (65, 100, 128)
    }
    assert shapes == {((128, train.inputs.shape[1]), (1, 128), (128,))}
    inputs, labels, weights = padded_columns(Table(train.inputs[:3], train.labels[:3]), 64)
    assert len(inputs) == 64
    np.testing.assert_array_equal(weights, np.arange(64) < 3)
    np.testing.assert_array_equal(inputs[:3], train.inputs[:3])
    np.testing.assert_array_equal(labels[0, :3], train.labels[:3])


def test_the_same_bits_on_any_number_of_threads(trained):
    script = (
        "import hashlib; from tests.networks.test_training import *;"
        "got = train_stack(make_table(200, seed=1), make_table(90, seed=2), **NAMES, settings=SETTINGS, seed=5);"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in arrays(got.stack))).hexdigest())"
    )
    environment = os.environ | {"TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    out = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.split()[-1] == hashlib.sha256(b"".join(a.tobytes() for a in arrays(trained.stack))).hexdigest()


def test_each_network_can_learn_different_labels(train, select):
    # The second network learns the classes in reverse: it has to answer in reverse.
    labels = np.stack([train.labels, 3 - train.labels])
    selected = Table(select.inputs, np.stack([select.labels, 3 - select.labels]))
    settings = SETTINGS.replace(n_networks=2, patience=None)
    got = train_stack(Table(train.inputs, labels), selected, **NAMES, settings=settings, seed=5)
    straight, reverse = (predict(got.stack.select([k]), select.inputs).mean.argmax(axis=1) for k in (0, 1))
    assert (straight == 3 - reverse).mean() > 0.85
    assert (straight == select.labels).mean() > 0.7


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(select):
    train = make_table(200, seed=1)
    spoilt = replace(train, inputs=train.inputs.copy())
    # Finite, but its square is not: the moments of Adam overflow in the first epoch they are met in.
    spoilt.inputs[7] = 3e38
    settings = SETTINGS.replace(learning_rate=1e30)
    with pytest.raises(DivergedError, match=r"network(s)? .*not finite in epoch \d+ .*: network 0.*Lower") as caught:
        train_stack(spoilt, select, **NAMES, settings=settings, seed=5)
    kept = caught.value.progress
    assert kept.history().sizes["epoch"] == kept.epoch
    if kept.epoch == 0:
        for best, initial in zip(kept.best, arrays(initial_stack(**NAMES, settings=settings, seed=5)), strict=True):
            np.testing.assert_array_equal(best, initial)
    assert all(np.isfinite(array).all() for array in [*kept.best, *kept.weights])


def test_glorot_uniform():
    stack = initial_stack(("a",) * 8, ("k",) * 6, TrainingSettings(n_networks=50), seed=0)
    for kernel, bias in zip(stack.kernels, stack.biases, strict=True):
        limit = np.sqrt(6 / sum(kernel.shape[1:]))
        assert 0.98 * limit < np.abs(kernel).max() <= limit
        assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
        assert not bias.any()


def test_networks_learn_the_regimes_of_the_made_ocean(made_samples):
    learn, select, test = (made_samples.with_role(name) for name in ("train", "select", "test"))
    scaler = FeatureScaler.fit(learn)
    settings = TrainingSettings(hidden=(16, 16), n_networks=4, batch_size=64, learning_rate=5e-3, epochs=30)
    trained = train_stack(
        Table(scaler.transform(learn.inputs), learn.labels),
        Table(scaler.transform(select.inputs), select.labels),
        features=learn.features,
        classes=learn.classes,
        settings=settings,
        seed=0,
    )
    right = predict(trained.stack, scaler.transform(test.inputs)).mean.argmax(axis=1) == test.labels
    assert right.mean() > 0.85


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: replace(t, inputs=np.where(np.arange(200)[:, None] == 3, np.nan, t.inputs)), "1 of 200 training"),
        (lambda t: replace(t, inputs=t.inputs[:, :2]), r"expected \(n_samples, 3\)"),
        (lambda t: replace(t, labels=t.labels[:-1]), r"labels have shape \(199,\)"),
        (lambda t: replace(t, labels=t.labels + 1), "from 1 to 4; expected 0 to 3"),
        (lambda t: replace(t, weights=np.full(200, -1.0)), "none of them negative"),
        (lambda t: replace(t, weights=np.zeros(200)), "not all zero"),
        (lambda t: Table(t.inputs[:0], t.labels[:0]), "inputs have shape"),
    ],
)
def test_tables_that_do_not_fit(train, select, change, message):
    with pytest.raises(NetworkError, match=message):
        train_stack(change(train), select, **NAMES, settings=SETTINGS, seed=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"member_labels": "vote"}, "Did you mean 'votes'"),
        ({"batch_size": 0}, "'batch_size' must be a whole number >= 1"),
        ({"patience": 0}, "'patience' must be a whole number >= 1"),
        ({"hidden": (8, 0)}, "'hidden.1' must be a whole number >= 1; got 0"),
        ({"learning_rate": 0.0}, "'learning_rate' must be a number > 0"),
        ({"l2": -1.0}, "'l2' must be a number >= 0"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainingSettings(**settings)
