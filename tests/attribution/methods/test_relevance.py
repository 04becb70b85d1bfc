"""Relevance propagation: rules equal to loops, values calculated by hand, and conservation."""

from dataclasses import replace

import numpy as np
import pytest

from tests.attribution.conftest import make_stack, values_of
from thor.attribution import method as blocks_of_samples
from thor.attribution.methods.gradient_times_input import GradientTimesInput
from thor.attribution.methods.relevance import RelevancePropagation, RelevanceSettings
from thor.attribution.targets import target_values
from thor.core.errors import AttributionError, ConfigError
from thor.networks.stack import logits


def relevance(target="centred_logit", **settings):
    return RelevancePropagation(RelevanceSettings(**settings), target)


RULES = [
    relevance(),
    relevance(epsilon=0.2),
    relevance(rule="z"),
    relevance(rule="gamma", gamma=0.5),
    relevance(rule="alpha_beta", alpha=2.0),
    relevance(rule="alpha_beta", alpha=1.0),
    relevance(biases=False, epsilon=0.05),
    relevance(rule="gamma", biases=False),
    relevance(target="logit"),
]


def slowly(method, kernels, biases, x, start):
    """Relevance of one network and sample in float64, one contribution after another."""
    activations = [x]
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        activations.append(np.tanh(activations[-1] @ kernel + bias))
    relevance = start(activations[-1] @ kernels[-1] + biases[-1])
    for layer in range(len(kernels) - 1, -1, -1):
        a, kernel, bias = activations[layer], kernels[layer], biases[layer] * method.settings.biases
        below = np.zeros(len(a))
        for j in range(kernel.shape[1]):
            c = [a[i] * kernel[i, j] for i in range(len(a))]
            every = [*c, bias[j]]
            for i in range(len(a)):
                total = sum(every)
                if method.settings.rule in ("epsilon", "z"):
                    epsilon = method.settings.epsilon if method.settings.rule == "epsilon" else 0
                    share = c[i] / (total + epsilon * (1 if total >= 0 else -1))
                elif method.settings.rule == "gamma":

                    def weigh(value, total=total):
                        return value * (1 + method.settings.gamma * (value * total > 0))

                    whole = sum(map(weigh, every))
                    share = weigh(c[i]) / (whole + method.settings.epsilon * (1 if whole >= 0 else -1))
                else:
                    up, down = sum(v for v in every if v > 0), sum(v for v in every if v < 0)
                    assert up > 0 > down
                    share = method.settings.alpha * c[i] / up if c[i] > 0 else (1 - method.settings.alpha) * c[i] / down
                below[i] += share * relevance[j]
        relevance = below
    return relevance


@pytest.mark.parametrize("method", RULES, ids=str)
def test_every_rule_equals_a_loop_over_contributions(method, stack, inputs, regime):
    values, _ = values_of(method, stack, inputs[:6], regime[:6])
    for network in range(stack.n_networks):
        kernels = [kernel[network].astype(float) for kernel in stack.kernels]
        biases = [bias[network].astype(float) for bias in stack.biases]
        weights = np.eye(3) - (1 / 3 if method.target == "centred_logit" else 0)
        for sample in range(6):
            # the target is one output of an additional last layer
            last = weights[regime[sample]]
            got = slowly(
                method,
                [*kernels[:-1], kernels[-1] @ last[:, None]],
                [*biases[:-1], biases[-1] @ last[:, None]],
                inputs[sample].astype(float),
                lambda z: z,
            )
            np.testing.assert_allclose(values[network, sample], got, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("method", RULES, ids=str)
def test_relevance_biases_and_stabiliser_add_up_to_the_target(method, stack, inputs, regime):
    values, shares = values_of(method, stack, inputs, regime)
    target = target_values(logits(stack, inputs), regime, method.target)
    np.testing.assert_allclose(shares["target"], target, atol=1e-5)
    whole = values.sum(axis=2) + shares["bias_share"] + shares["epsilon_share"]
    scale = np.abs(values).sum(axis=2) + np.abs(shares["bias_share"])
    assert (np.abs(whole - target) <= 1e-4 * np.maximum(scale, 1)).all()
    assert (np.abs(shares["remainder"]) <= 1e-4 * np.maximum(scale, 1)).all()
    if not method.settings.biases:
        assert not shares["bias_share"].any()
    if method.settings.epsilon < 1e-3:
        # a stabiliser of 1e-7 takes next to nothing, but for units that nearly cancel
        assert np.median(np.abs(shares["epsilon_share"])) < 1e-4


def test_one_layer_without_biases_is_gradient_times_input(inputs, regime):
    linear = make_stack(sizes=(8, 3))
    linear = replace(linear, biases=tuple(np.zeros_like(bias) for bias in linear.biases))
    for rule in ("z", "epsilon"):
        values, _ = values_of(relevance(rule=rule), linear, inputs, regime)
        expected, _ = values_of(GradientTimesInput(), linear, inputs, regime)
        np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-5)


def test_a_unit_whose_contributions_cancel_passes_nothing_down():
    stack = make_stack(n_networks=1, sizes=(8, 2, 3))
    kernels = (np.zeros_like(stack.kernels[0]), stack.kernels[1])
    stack = replace(stack, kernels=kernels, biases=(np.zeros_like(stack.biases[0]), stack.biases[1]))
    for rule in ("z", "epsilon", "gamma", "alpha_beta"):
        values, shares = values_of(relevance(rule=rule), stack, np.ones((1, 8), np.float32), np.zeros(1, int))
        assert not values.any()
        np.testing.assert_allclose(shares["bias_share"], shares["target"], rtol=1e-4)


def test_the_size_of_blocks_changes_nothing(monkeypatch, stack, inputs, regime):
    method = relevance()
    whole, _ = values_of(method, stack, inputs, regime)
    monkeypatch.setattr(blocks_of_samples, "BLOCK_BYTES", 4 * 3 * 12 * 16)
    blocks = list(method.explain(stack, inputs, regime))
    assert [block.part for block in blocks][:2] == [slice(0, 16), slice(16, 32)]
    np.testing.assert_allclose(np.concatenate([b.values for b in blocks], axis=1), whole, rtol=1e-3, atol=1e-5)


def test_unknown_targets_and_settings_are_refused():
    with pytest.raises(AttributionError, match="not linear in the logits"):
        relevance(target="probability")
    with pytest.raises(ConfigError, match="'rule' must be .*; got 'epsilom'. Did you mean 'epsilon'"):
        relevance(rule="epsilom")
    with pytest.raises(ConfigError, match="'alpha' must be a number >= 1"):
        relevance(alpha=0.5)
