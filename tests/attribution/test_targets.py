"""Targets: what they are in numbers, and what is refused."""

import numpy as np
import pytest

from thor.attribution.targets import explained_regime, target_values, target_weights
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
