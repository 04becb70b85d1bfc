"""Training on similar oceans: a hemisphere is known from the other one, and weak flow from strong flow."""

from dataclasses import replace

import numpy as np
import pytest

from thor.networks.baselines import fit_baselines
from thor.networks.epochs import shuffled
from thor.networks.prediction import predict
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings, TrainingSettings
from thor.networks.training import train_stack
from thor.networks.training_data import scaled_tables
from thor.ocean.similar_oceans import SimilarOcean

FEATURES = ("wind_stress_curl", "zos", "coriolis_parameter")

SETTINGS = TrainingSettings(n_networks=3, hidden=(16, 16), batch_size=32, learning_rate=1e-2, epochs=60)


@pytest.fixture(scope="module")
def northern(made_samples):
    """Cells with f above 0, whose regime follows from the curl and the sign of f, so that reflection leaves it."""
    coriolis = made_samples.features.index("coriolis_parameter")
    curl = made_samples.features.index("wind_stress_curl")
    sign = np.sign(made_samples.inputs[:, coriolis])
    labels = regimes(sign * made_samples.inputs[:, curl])
    samples = replace(made_samples, labels=labels, similar_labels=labels[:, None]).with_features(FEATURES)
    return samples.take(sign > 0), samples.take(sign < 0)


def regimes(curl):
    return np.digitize(curl / 1e-10, [-1.2, -0.5, 0.5, 1.2])


def accuracies(known, unknown):
    """Accuracy of networks and of boosting in unknown cells."""
    train = known.with_role("train")
    scaler = FeatureScaler.fit(train)
    names = {"features": known.features, "classes": known.classes}
    trained = train_stack(*scaled_tables(known, scaler), **names, settings=SETTINGS, seed=0, progress=False)
    trees = fit_baselines(train, scaler, boosting=BoostingSettings(max_iter=60), seed=0).boosting
    inputs = scaler.transform(unknown.inputs)
    return [(predict(each, inputs).mean.argmax(axis=1) == unknown.labels).mean() for each in (trained.stack, trees)]


@pytest.mark.parametrize("reflect", [True, False])
def test_a_hemisphere_without_training_cells_is_predicted_with_the_reflected_ocean_only(northern, reflect):
    known, unknown = northern
    for accuracy in accuracies(known.with_similar(known.similar[:reflect]), unknown):
        assert accuracy > 0.7 if reflect else accuracy < 0.4


@pytest.mark.parametrize("rescale", [True, False])
def test_an_ocean_of_weaker_flow_is_predicted_with_rescaled_oceans_only(made_samples, rescale):
    """Depth gives the regime better than a noisy stress curl does, but in the training ocean alone."""
    weaker = SimilarOcean(amplitude=0.3)
    curl = made_samples.inputs[:, made_samples.features.index("wind_stress_curl")]
    noisy = curl * (1 + 0.3 * np.random.default_rng(0).normal(size=curl.size))
    samples = made_samples.with_similar(()).with_features(("wind_stress_curl", "deptho"))
    known = replace(samples, labels=regimes(curl), inputs=np.stack([noisy, 1e13 * curl], axis=1))
    unknown = replace(known, labels=regimes(0.3 * curl), inputs=known.inputs * [0.3, 1.0])
    if rescale:
        known = replace(known, similar=(weaker,), similar_labels=unknown.labels[:, None])
    networks, trees = accuracies(known, unknown)
    assert networks > 0.9 if rescale else networks < 0.5
    assert trees < 0.5, "boosting sees the reflected ocean alone"


def test_every_cell_counts_once_in_an_epoch_and_takes_turns_with_its_reflection():
    epochs = [shuffled(1001, seed=1, network=2, epoch=epoch, n_oceans=2) for epoch in (6, 7)]
    for samples in epochs:
        np.testing.assert_array_equal(np.sort(samples % 1001), np.arange(1001))
        assert np.bincount(samples // 1001).min() == 500
    np.testing.assert_array_equal(np.sort(np.concatenate(epochs)), np.arange(2002))
    plain = shuffled(1001, seed=1, network=2, epoch=6, n_oceans=1)
    np.testing.assert_array_equal(plain, epochs[0] % 1001)
