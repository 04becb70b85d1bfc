"""Targets: what they are in numbers, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from tests.attribution.conftest import values_of
from thor.attribution.methods.gradient_times_input import GradientTimesInput
from thor.attribution.methods.integrated_gradients import IntegratedGradients
from thor.attribution.methods.relevance import RelevancePropagation, RelevanceSettings
from thor.attribution.methods.shapley_values import ShapleySettings, ShapleyValues
from thor.attribution.targets import explained_regime, mean_target, target_and_gradient, target_values, target_weights
from thor.core.errors import AttributionError
from thor.networks.prediction import predict, softmax
from thor.networks.stack import logits


def test_targets_in_numbers():
    z = np.array([[[1.0, 2.0, 6.0]]])
    one = np.array([1])
    assert target_values(z, one, "logit") == 2
    assert target_values(z, one, "centred_logit") == -1
    assert target_values(z, one, "probability") == pytest.approx(np.exp(2) / np.exp(z).sum())
    np.testing.assert_allclose(z[0] @ target_weights(3, one, "centred_logit").T, -1, atol=1e-6)


def test_a_constant_changes_the_logit_only(stack, inputs, regime):
    z = logits(stack, inputs)
    for target, same in (("centred_logit", True), ("logit", False), ("probability", True)):
        near = np.allclose(target_values(z, regime, target), target_values(z + 5, regime, target), atol=1e-5)
        assert near == same, target


def test_the_predicted_regime_is_that_of_all_networks(stack, inputs):
    predicted = explained_regime(stack, inputs)
    np.testing.assert_array_equal(predicted, predict(stack, inputs).mean.argmax(axis=1))
    np.testing.assert_array_equal(predicted, softmax(logits(stack, inputs)).mean(axis=0).argmax(axis=1))
    assert (explained_regime(stack, inputs, "TR") == 1).all()


def test_what_does_not_exist_is_named(stack, inputs, regime):
    with pytest.raises(AttributionError, match="no regime 'NL' to explain; choose from predicted, MD, TR, SO"):
        explained_regime(stack, inputs, "NL")
    with pytest.raises(AttributionError, match="no target 'odds'"):
        target_values(logits(stack, inputs), regime, "odds")
    with pytest.raises(AttributionError, match="not linear in the logits"):
        target_weights(3, regime, "probability")


TARGETS = ("centred_logit", "logit", "probability")


@pytest.mark.parametrize("target", TARGETS)
def test_gradient_is_that_of_finite_differences(stack, inputs, regime, target):
    few, k, step = inputs[:20].astype(float), regime[:20], 3e-3
    value, gradient = target_and_gradient(stack, inputs[:20], k, target)
    np.testing.assert_allclose(value, target_values(logits(stack, inputs[:20]), k, target), atol=1e-5)
    for feature in range(8):
        shift = np.zeros(8)
        shift[feature] = step
        ahead, behind = (
            target_values(logits(stack, (few + sign * shift).astype(np.float32)), k, target) for sign in (1, -1)
        )
        np.testing.assert_allclose(gradient[..., feature], (ahead - behind) / (2 * step), atol=2e-3)


@pytest.mark.parametrize("target", TARGETS)
def test_integrated_gradients_add_up_to_the_change_from_the_reference(stack, inputs, regime, target):
    method = IntegratedGradients(reference=inputs[100:103], n_steps=40, target=target)
    values, shares = values_of(method, stack, inputs[:50], regime[:50])
    np.testing.assert_allclose(values.sum(axis=2), shares["target"] - shares["expectation"], atol=2e-3)
    assert np.abs(shares["remainder"]).max() < 2e-3
    expected = mean_target(stack, inputs[100:103], target)
    np.testing.assert_allclose(shares["expectation"], expected[:, regime[:50]])


def test_an_input_equal_to_the_reference_gets_nothing(stack, inputs, regime):
    values, _ = values_of(IntegratedGradients(reference=inputs[:1], n_steps=16), stack, inputs[:1], regime[:1])
    assert not values.any()


def test_gradient_times_input_is_the_product(stack, inputs, regime):
    values, shares = values_of(GradientTimesInput(), stack, inputs, regime)
    value, gradient = target_and_gradient(stack, inputs, regime, "centred_logit")
    np.testing.assert_allclose(values, gradient * inputs, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(shares["target"], value, atol=1e-6)


def test_references_that_are_none_are_refused(stack, inputs, regime):
    with pytest.raises(AttributionError, match="at least one row"):
        IntegratedGradients(reference=inputs[:0], n_steps=16)
    with pytest.raises(AttributionError, match="1 of 5 rows of the reference"):
        IntegratedGradients(reference=np.where(np.arange(5)[:, None] == 2, np.nan, inputs[:5]), n_steps=16)
    with pytest.raises(AttributionError, match="7 features; the predictor takes 8"):
        list(IntegratedGradients(reference=inputs[:, :7], n_steps=16).explain(stack, inputs, regime))


def test_every_activation_of_the_table_is_explained(stack, inputs, regime):
    """Relevance is conserved and Shapley values add up for networks with another activation than tanh."""
    relu = replace(stack, activation="relu")
    exact = ShapleyValues(reference=inputs[100:110], settings=ShapleySettings(method="exact"))
    values, shares = values_of(exact, relu, inputs[:5], regime[:5])
    target = target_values(logits(relu, inputs[:5]), regime[:5], "centred_logit")
    np.testing.assert_allclose(shares["target"], target, atol=1e-5)
    np.testing.assert_allclose(values.sum(axis=2), shares["target"] - shares["expectation"], atol=1e-4)
    _, shares = values_of(RelevancePropagation(RelevanceSettings()), relu, inputs[:5], regime[:5])
    np.testing.assert_allclose(shares["target"], target, atol=1e-5)
    np.testing.assert_allclose(shares["remainder"], 0, atol=1e-3)
    method = IntegratedGradients(reference=inputs[100:101], n_steps=400)
    values, shares = values_of(method, relu, inputs[:5], regime[:5])
    np.testing.assert_allclose(values.sum(axis=2), shares["target"] - shares["expectation"], atol=2e-2)
