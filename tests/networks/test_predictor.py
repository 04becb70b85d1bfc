"""Predictors that are not networks alone: their probabilities, members and errors."""

from dataclasses import replace

import numpy as np
import pytest

from thor.core.errors import NetworkError
from thor.core.fingerprint import fingerprint
from thor.networks.baselines import fit_baselines, predictors_of
from thor.networks.prediction import member_logits, member_probabilities, predict, probability_blocks
from thor.networks.predictor import columns
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings, TrainingSettings
from thor.networks.training import initial_stack


@pytest.fixture(scope="module")
def scaler(made_samples):
    return FeatureScaler.fit(made_samples.with_role("train"))


@pytest.fixture(scope="module")
def predictors(made_samples, scaler):
    settings = TrainingSettings(n_networks=3, hidden=(12,))
    networks = initial_stack(made_samples.features, made_samples.classes, settings, seed=0)
    baselines = fit_baselines(made_samples.with_role("train"), scaler, boosting=BoostingSettings(), seed=0)
    return predictors_of(networks, baselines, bayesian=networks.select([0]))


@pytest.fixture(scope="module")
def inputs(made_samples, scaler):
    return scaler.transform(made_samples.with_role("test").inputs)


def test_the_average_is_that_of_networks_and_boosting(predictors, inputs):
    means = {name: predict(predictor, inputs).mean for name, predictor in predictors.items()}
    expected = 0.5 * (means["ensemble"] + means["gradient_boosting"])
    np.testing.assert_allclose(means["average"], expected, atol=1e-6)
    for mean in means.values():
        np.testing.assert_allclose(mean.sum(axis=1), 1, atol=1e-6)


def test_a_member_of_the_average_is_one_network_with_the_boosting(predictors, inputs):
    average, networks, boosting = (
        member_probabilities(predictors[name], inputs) for name in ("average", "ensemble", "gradient_boosting")
    )
    assert (len(average), len(networks), len(boosting)) == (3, 3, 1)
    np.testing.assert_allclose(average, 0.5 * (networks + boosting), atol=1e-6)
    np.testing.assert_allclose(average.std(axis=0), 0.5 * networks.std(axis=0), atol=1e-6)


def test_blocks_do_not_change_the_average(predictors, inputs):
    whole = member_probabilities(predictors["average"], inputs)
    parts = [part for part, _ in probability_blocks(predictors["average"], inputs, block_bytes=1)]
    assert len(parts) > 1
    for part, block in probability_blocks(predictors["average"], inputs, block_bytes=1):
        np.testing.assert_allclose(block, whole[:, part], atol=1e-6)


@pytest.mark.parametrize("name", ["average", "gradient_boosting"])
def test_a_temperature_is_a_power_of_the_probabilities(predictors, inputs, name):
    warm = member_probabilities(predictors[name], inputs, temperature=2.5).astype(float)
    powers = member_probabilities(predictors[name], inputs).astype(float) ** (1 / 2.5)
    np.testing.assert_allclose(warm, powers / powers.sum(axis=-1, keepdims=True), atol=1e-5)


def test_boosting_gives_a_regime_that_it_was_not_taught_no_chance(made_samples, scaler, predictors, inputs):
    train = made_samples.with_role("train")
    few = train.take(train.labels != 4).with_similar(())
    baselines = fit_baselines(few, scaler, boosting=BoostingSettings(), seed=0)
    found = predictors_of(predictors["ensemble"], baselines)
    assert predict(found["gradient_boosting"], inputs).mean[:, 4].max() < 1e-12
    assert np.isfinite(member_logits(found["average"], inputs)).all()


def test_other_inputs_are_refused(predictors, inputs):
    for predictor in predictors.values():
        with pytest.raises(NetworkError, match=r"takes inputs of shape \(n_samples, 8\); got \(\d+, 3\)"):
            predict(predictor, inputs[:, :3])
        with pytest.raises(NetworkError, match="not finite"):
            predict(predictor, np.full((2, 8), np.nan, np.float32))


def test_networks_and_boosting_of_other_regimes_have_no_mean(made_samples, scaler, predictors):
    """Their columns would be added by number, whatever regime each is."""
    baselines = fit_baselines(made_samples.with_role("train"), scaler, boosting=BoostingSettings(), seed=0)
    turned = replace(predictors["ensemble"], classes=made_samples.classes[::-1])
    with pytest.raises(NetworkError, match=r"regimes NL, SO, .* and boosting of MD, S-SV, .* have no mean"):
        predictors_of(turned, baselines)


def test_fingerprints_tell_fitted_models_apart(made_samples, scaler, predictors):
    train = made_samples.with_role("train")
    few = train.take(np.arange(len(train)) > 50)
    again, other = (
        fit_baselines(cells, scaler, boosting=BoostingSettings(), seed=0).boosting for cells in (train, few)
    )
    assert fingerprint(again) == fingerprint(predictors["gradient_boosting"]) != fingerprint(other)


def test_networks_and_boosting_may_use_different_features(made_samples, scaler, predictors):
    """Each sees its own columns, in its own order, of one table."""
    train, test = made_samples.with_role("train"), made_samples.with_role("test")
    used = made_samples.features[3::-1]
    baselines = fit_baselines(train, scaler, boosting=BoostingSettings(), boosting_features=used, seed=0)
    kept = (0, *range(4, 8))
    few = train.with_features(tuple(made_samples.features[k] for k in kept))
    networks = initial_stack(few.features, few.classes, TrainingSettings(n_networks=2, hidden=(5,)), seed=1)
    average = predictors_of(networks, baselines)["average"]
    assert average.features == (*few.features, *made_samples.features[3:0:-1])
    inputs = scaler.transform(test.inputs)
    seen = columns(inputs, made_samples.features, average.features)
    expected = baselines.predict_proba("gradient_boosting", test.inputs) + predict(networks, inputs[:, kept]).mean
    np.testing.assert_allclose(predict(average, seen).mean, expected / 2, atol=1e-6)
    moved = test.inputs.copy()
    moved[:, 4:] = 0
    np.testing.assert_array_equal(
        baselines.predict_proba("gradient_boosting", moved),
        baselines.predict_proba("gradient_boosting", test.inputs),
    )
