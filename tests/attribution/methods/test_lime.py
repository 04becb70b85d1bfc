"""LIME beside the package lime, its error beside repeated draws, and the exact result for a linear network."""

import numpy as np
import pytest

from tests.attribution.conftest import make_stack, values_of
from thor.attribution.attributions import attribute
from thor.attribution.methods import lime as module
from thor.attribution.methods.lime import LimeSettings
from thor.attribution.target_networks import TargetNetworks
from thor.core.errors import AttributionError, ConfigError


def lime(reference, *, seed=0, target="centred_logit", **settings):
    return module.Lime(reference=reference, settings=LimeSettings(**settings), target=target, seed=seed)


@pytest.fixture(scope="module")
def reference():
    return np.random.default_rng(5).normal(0.3, 1.2, size=(400, 8)).astype(np.float32)


@pytest.mark.parametrize(("target", "width"), [("centred_logit", None), ("probability", 1.1)])
def test_weights_equal_those_of_lime_for_the_same_draws(stack, inputs, regime, reference, target, width):
    from lime.lime_tabular import LimeTabularExplainer

    method = lime(reference, n_samples=400, kernel_width=width, seed=3, target=target)
    values, shares = values_of(method, stack, inputs[:5], regime[:5])
    for network in range(stack.n_networks):
        forward = TargetNetworks(stack.select([network]), target, np.float64)
        for sample in range(5):
            explainer = LimeTabularExplainer(
                reference.astype(float),
                mode="regression",
                discretize_continuous=False,
                feature_selection="none",
                kernel_width=width,
                random_state=3,
            )
            theirs = explainer.explain_instance(
                inputs[sample].astype(float),
                lambda rows, k=regime[sample], forward=forward: forward.of_inputs(rows, np.full(len(rows), k))[0],
                num_features=8,
                num_samples=400,
            )
            coefficient = dict(theirs.local_exp[1])
            away = (inputs[sample].astype(float) - method.mean) / method.scale
            expected = [coefficient[feature] * away[feature] for feature in range(8)]
            np.testing.assert_allclose(values[network, sample], expected, atol=1e-10)
            assert shares["intercept"][network, sample] == pytest.approx(theirs.intercept[1], abs=1e-10)
            assert shares["fidelity"][network, sample] == pytest.approx(theirs.score, abs=1e-10)


@pytest.mark.parametrize(("seed", "n_samples", "scale"), [(0, 3, 1), (3, 2, 3)])
def test_few_draws_from_two_rows_have_a_finite_error(seed, n_samples, scale):
    # The variance of some coefficients is round-off, of any sign.
    rows = np.random.default_rng(seed).normal(size=(2, 8)).astype(np.float32)
    inputs = (scale * np.random.default_rng(6).normal(size=(2000, 8))).astype(np.float32)
    method = lime(rows, n_samples=n_samples, target="logit")
    errors = [block.standard_error for block in method.explain(make_stack(), inputs, np.zeros(len(inputs), int))]
    assert np.isfinite(np.concatenate(errors)).all()


def test_a_linear_network_is_recovered_exactly(inputs, regime, reference):
    linear = make_stack(sizes=(8, 3))
    method = lime(reference, n_samples=500, ridge=0.0)
    values, shares = values_of(method, linear, inputs[:20], regime[:20])
    kernel, _ = TargetNetworks(linear, "centred_logit", np.float64).last_layer(regime[:20])
    np.testing.assert_allclose(values, kernel * (inputs[:20] - method.mean), atol=1e-8)
    np.testing.assert_allclose(shares["fidelity"], 1, atol=1e-10)
    assert np.abs(shares["remainder"]).max() < 1e-8


def test_the_standard_error_is_the_spread_over_other_draws(stack, inputs, regime, reference):
    few, of_few = inputs[:10], regime[:10]
    found = [values_of(lime(reference, n_samples=600, seed=s), stack, few, of_few)[0].mean(axis=0) for s in range(60)]
    (block,) = lime(reference, n_samples=600, seed=100).explain(stack, few, of_few)
    ratio = np.sqrt((block.standard_error**2).mean() / np.var(found, axis=0, ddof=1).mean())
    assert 0.8 < ratio < 1.25


def test_blocks_change_nothing_and_networks_may_be_many(monkeypatch, stack, inputs, regime, reference):
    method = lime(reference, n_samples=300)
    whole, _ = values_of(method, stack, inputs, regime)
    monkeypatch.setattr(module, "SAMPLES_PER_BLOCK", 64)
    monkeypatch.setattr(module, "NETWORKS_AT_ONCE", 2)
    again, _ = values_of(method, stack, inputs, regime)
    np.testing.assert_allclose(again, whole, atol=1e-10)
    found = attribute(method, stack, inputs, regime, progress=False)
    np.testing.assert_allclose(found.mean, whole.mean(axis=0), atol=1e-5)
    assert set(found.shares) == {"target", "intercept", "fidelity", "remainder"}
    assert (found.standard_error > 0).any()


def test_a_surrogate_without_draws_explains_nothing(stack, inputs, regime, reference):
    """All draws lie many widths of a narrow kernel away from every cell."""
    values, shares = values_of(lime(reference, n_samples=400, kernel_width=0.01), stack, inputs[:9], regime[:9])
    assert np.abs(values).max() < 1e-12
    assert (shares["fidelity"] == 0).all()


@pytest.mark.parametrize("settings", [{"n_samples": 5}, {"kernel_width": 0.01}])
def test_undetermined_coefficients_name_the_settings(stack, inputs, regime, reference, settings):
    expected = r"of 9 cells. Set lime.ridge above zero \(got 0\), or increase lime.n_samples"
    with pytest.raises(AttributionError, match=expected):
        values_of(lime(reference, ridge=0.0, **settings), stack, inputs[:9], np.zeros(9, int))


def test_references_it_cannot_use_are_refused(stack, inputs, regime, reference):
    constant = reference.copy()
    constant[:, 2] = 1.0
    with pytest.raises(AttributionError, match="a scale above zero for every feature"):
        lime(constant)
    with pytest.raises(AttributionError, match="7 features; the predictor takes 8"):
        list(lime(reference[:, :7]).explain(stack, inputs, regime))
    with pytest.raises(ConfigError, match="'n_samples' must be a whole number >= 2"):
        lime(reference, n_samples=1)
