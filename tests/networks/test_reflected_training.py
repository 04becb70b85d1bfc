"""Training on the ocean reflected at the equator: one hemisphere is known from the other one."""

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

FEATURES = ("wind_stress_curl", "zos", "coriolis_parameter")

SETTINGS = TrainingSettings(n_networks=3, hidden=(16, 16), batch_size=32, learning_rate=1e-2, epochs=60)


@pytest.fixture(scope="module")
def northern(made_samples):
    """Cells with f above 0, whose regime follows from the curl and the sign of f, so that reflection leaves it."""
    coriolis = made_samples.features.index("coriolis_parameter")
    curl = made_samples.features.index("wind_stress_curl")
    sign = np.sign(made_samples.inputs[:, coriolis])
    labels = np.digitize(sign * made_samples.inputs[:, curl] / 1e-10, [-1.2, -0.5, 0.5, 1.2])
    samples = replace(made_samples, labels=labels, reflected=labels).with_features(FEATURES)
    return samples.take(sign > 0), samples.take(sign < 0)


@pytest.mark.parametrize("reflect", [True, False])
def test_a_hemisphere_without_training_cells_is_predicted_with_the_reflected_ocean_only(northern, reflect):
    known, unknown = replace(northern[0], reflect=reflect), northern[1]
    train = known.with_role("train")
    scaler = FeatureScaler.fit(train)
    trained = train_stack(
        *scaled_tables(known, scaler),
        features=known.features,
        classes=known.classes,
        settings=SETTINGS,
        seed=0,
        progress=False,
    )
    boosting = fit_baselines(train, scaler, boosting=BoostingSettings(max_iter=60), seed=0).boosting
    inputs = scaler.transform(unknown.inputs)
    for predictor in (trained.stack, boosting):
        accuracy = (predict(predictor, inputs).mean.argmax(axis=1) == unknown.labels).mean()
        assert accuracy > 0.7 if reflect else accuracy < 0.4


def test_every_cell_counts_once_in_an_epoch_and_takes_turns_with_its_reflection():
    epochs = [shuffled(1001, seed=1, network=2, epoch=epoch, reflected=True) for epoch in (6, 7)]
    for samples in epochs:
        np.testing.assert_array_equal(np.sort(samples % 1001), np.arange(1001))
        assert np.bincount(samples // 1001).min() == 500
    np.testing.assert_array_equal(np.sort(np.concatenate(epochs)), np.arange(2002))
    plain = shuffled(1001, seed=1, network=2, epoch=6, reflected=False)
    np.testing.assert_array_equal(plain, epochs[0] % 1001)
