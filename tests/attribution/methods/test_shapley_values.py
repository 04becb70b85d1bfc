"""Shapley values beside shap's exact explainer, the axioms, all orders, and the error of sampling."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from tests.attribution.conftest import make_stack, values_of
from thor.attribution import method as blocks_of_samples
from thor.attribution.coalitions import shapley_interactions, shapley_weights
from thor.attribution.methods.shapley_values import ShapleySettings, ShapleyValues, shap_explanation
from thor.attribution.target_networks import TargetNetworks
from thor.attribution.targets import target_values
from thor.core.errors import AttributionError, ConfigError
from thor.networks.stack import logits

GROUPS = {
    "wind": ("wind_stress_curl",),
    "height": ("zos", "zos_gradient_eastward", "zos_gradient_northward"),
    "bathymetry": ("deptho", "deptho_gradient_eastward", "deptho_gradient_northward"),
    "planetary": ("coriolis_parameter",),
}


def shapley(reference, *, target="centred_logit", precision="single", seed=0, **settings):
    return ShapleyValues(
        reference=reference, settings=ShapleySettings(**settings), target=target, precision=precision, seed=seed
    )


@pytest.fixture(scope="module")
def reference():
    return np.random.default_rng(5).normal(0.3, 1.2, size=(40, 8)).astype(np.float32)


@pytest.mark.parametrize("target", ["centred_logit", "probability"])
def test_exact_values_are_those_of_shap(stack, inputs, regime, reference, target):
    import shap

    method = shapley(reference, method="exact", precision="double", target=target)
    values, shares = values_of(method, stack, inputs[:4], regime[:4])
    for network in range(stack.n_networks):
        forward = TargetNetworks(stack.select([network]), target, np.float64)
        for sample in range(4):
            explainer = shap.explainers.ExactExplainer(
                lambda rows, k=regime[sample], forward=forward: forward.of_inputs(rows, np.full(len(rows), k))[0],
                shap.maskers.Independent(reference.astype(float), max_samples=1000),
            )
            theirs = explainer(inputs[sample : sample + 1].astype(float))
            np.testing.assert_allclose(values[network, sample], theirs.values[0], atol=1e-6)
            np.testing.assert_allclose(shares["expectation"][network, sample], theirs.base_values[0], atol=1e-6)


def test_exact_values_keep_the_axioms(inputs, regime, reference):
    stack = make_stack(seed=4)
    kernel = stack.kernels[0].copy()
    kernel[:, 3] = 0
    kernel[:, 5] = kernel[:, 4]
    stack = replace(stack, kernels=(kernel, *stack.kernels[1:]))
    alike, rows = inputs[:5].copy(), reference.copy()
    alike[:, 5], rows[:, 5] = alike[:, 4], rows[:, 4]
    # players alike in network, input and every row of the reference get the same; one without weights gets nothing
    method = shapley(np.repeat(rows[:1], 3, axis=0), method="exact", precision="double")
    values, shares = values_of(method, stack, alike, regime[:5])
    assert np.abs(values[..., 3]).max() < 1e-12
    np.testing.assert_allclose(values[..., 4], values[..., 5], atol=1e-12)
    assert np.abs(shares["remainder"]).max() < 1e-12
    single, shares = values_of(shapley(reference, method="exact"), stack, alike, regime[:5])
    np.testing.assert_allclose(single.sum(axis=2), shares["target"] - shares["expectation"], atol=1e-4)


def test_weights_are_those_of_all_orders():
    rng = np.random.default_rng(0)
    values = rng.normal(size=2**4)
    expected = np.zeros(4)
    for order in permutations(range(4)):
        mask = 0
        for player in order:
            expected[player] += (values[mask | 1 << player] - values[mask]) / 24
            mask |= 1 << player
    np.testing.assert_allclose(shapley_weights(4) @ values, expected, atol=1e-12)


def test_interactions_add_up_and_find_a_product():
    masks = np.arange(2**3)
    first, second, third = ((masks >> j) & 1 for j in range(3))
    # players 0 and 1 earn 4 together and nothing alone; player 2 earns 1
    values = 4.0 * first * second + third
    pairs = shapley_interactions(values)
    np.testing.assert_allclose(pairs, [[0, 2, 0], [2, 0, 0], [0, 0, 1]], atol=1e-12)
    noise = np.random.default_rng(1).normal(size=(5, 2**6))
    np.testing.assert_allclose(shapley_interactions(noise).sum(axis=-1), noise @ shapley_weights(6).T, atol=1e-12)


def test_groups_are_players(stack, inputs, regime, reference):
    method = shapley(reference, method="exact", precision="double", groups=GROUPS)
    assert method.players(stack) == tuple(GROUPS)
    values, shares = values_of(method, stack, inputs[:3], regime[:3])
    assert values.shape == (3, 3, 4)
    np.testing.assert_allclose(values.sum(axis=2), shares["target"] - shares["expectation"], atol=1e-10)
    # the value of wind alone, over all rows
    mixed = reference.copy()
    mixed[:, 0] = inputs[0, 0]
    alone = target_values(logits(stack, mixed), np.full(40, regime[0]), "centred_logit").mean(axis=1)
    coalition = method.coalition_values(stack, inputs[:1], regime[:1])
    np.testing.assert_allclose(coalition[:, 0, 1], alone, atol=1e-5)
    sampled, shares = values_of(
        shapley(reference, groups=GROUPS, max_pairs=200, tolerance=1e-3), stack, inputs[:3], regime[:3]
    )
    np.testing.assert_allclose(sampled, values, atol=0.1)


@pytest.mark.parametrize("target", ["centred_logit", "probability"])
def test_sampled_values_are_within_their_error_of_the_exact_ones(target):
    stack = make_stack(n_networks=12, seed=3, alike=0.9)
    rng = np.random.default_rng(8)
    inputs = rng.normal(size=(60, 8)).astype(np.float32)
    regime = rng.integers(0, 3, 60)
    reference = rng.normal(0.3, 1.2, size=(130, 8)).astype(np.float32)
    exact, _ = values_of(shapley(reference, method="exact", target=target), stack, inputs, regime)
    method = shapley(reference, tolerance=1e-9, max_pairs=12, target=target)
    blocks = list(method.explain(stack, inputs, regime))
    values = np.concatenate([block.values for block in blocks], axis=1)
    error = np.concatenate([block.standard_error for block in blocks])
    deviation = values.mean(axis=0) - exact.mean(axis=0)
    # networks and pairs together cover the whole reference: the error is an upper bound, but close
    ratio = np.sqrt((deviation**2).mean() / (error**2).mean())
    assert 0.4 < ratio < 1.1
    assert (np.abs(deviation) < 2 * error).mean() > 0.9
    # few of many rows: the error itself
    many = np.repeat(reference, 40, axis=0)
    few = shapley(many, tolerance=1e-9, max_pairs=6, target=target)
    blocks = list(few.explain(stack, inputs, regime))
    deviation = np.concatenate([block.values for block in blocks], axis=1).mean(axis=0) - exact.mean(axis=0)
    error = np.concatenate([block.standard_error for block in blocks])
    assert 0.8 < np.sqrt((deviation**2).mean() / (error**2).mean()) < 1.2
    for block in blocks:
        # regression on the rows' targets makes every network's values add up
        assert np.abs(block.shares["remainder"]).max() < 1e-4


@pytest.mark.parametrize(("n_networks", "largest"), [(1, 1.3), (5, 1.3), (50, 2.3)])
@pytest.mark.parametrize("max_pairs", [3, 6, 12])
def test_stated_error_is_neither_too_small_nor_too_large(sampling_case, n_networks, largest, max_pairs):
    """Stated over actual error, rms over cells and players, for four seeds.

    Fifty networks of 12 pairs use each of the 300 rows twice: the error is an upper bound, about twice the actual one.
    """
    ratios = []
    for seed in range(4):
        deviation, error, _, _ = sampling_case(n_networks, tolerance=1e-9, max_pairs=max_pairs, seed=seed)
        ratios.append(np.sqrt((error**2).mean() / (deviation**2).mean()))
    assert 0.8 < np.mean(ratios) < largest


@pytest.mark.parametrize("n_networks", [1, 5, 50])
def test_converged_samples_have_the_tolerance_as_error(sampling_case, n_networks):
    """A single network had an error of 2.4 in the cells called converged at 0.2."""
    errors = []
    for seed in range(4):
        deviation, _, converged, size = sampling_case(n_networks, tolerance=0.2, max_pairs=40, seed=seed)
        errors.append((np.sqrt((deviation**2).mean(axis=1)) / size)[converged])
    errors = np.concatenate(errors)
    assert errors.size > 100
    assert np.sqrt((errors**2).mean()) < 1.3 * 0.2
    assert errors.max() < 5 * 0.2


def test_a_single_network_is_not_converged_before_ten_pairs(sampling_case):
    _, error, converged, _ = sampling_case(1, tolerance=1e3, max_pairs=9, seed=0)
    assert not converged.any()
    assert np.isfinite(error).all()
    assert sampling_case(1, tolerance=1e3, max_pairs=10, seed=0)[2].all()
    assert sampling_case(5, tolerance=1e3, max_pairs=3, seed=0)[2].all()


@pytest.fixture(scope="module")
def sampling_case():
    """A function that returns error, standard error, convergence and size of the mean values of 60 samples."""
    rng = np.random.default_rng(8)
    inputs, regime = rng.normal(size=(60, 8)).astype(np.float32), rng.integers(0, 3, 60)
    rows = rng.normal(0.3, 1.2, size=(300, 8)).astype(np.float32)
    exact = {}

    def run(n_networks, *, tolerance, max_pairs, seed):
        stack = make_stack(n_networks=n_networks, seed=3, alike=0.9)
        if n_networks not in exact:
            exact[n_networks] = values_of(shapley(rows, method="exact"), stack, inputs, regime)[0].mean(axis=0)
        method = shapley(rows, tolerance=tolerance, max_pairs=max_pairs, seed=seed)
        blocks = list(method.explain(stack, inputs, regime))
        mean = np.concatenate([block.values for block in blocks], axis=1).mean(axis=0)
        error = np.concatenate([block.standard_error for block in blocks])
        converged = np.concatenate([block.shares["converged"][0] for block in blocks]) == 1
        return mean - exact[n_networks], error, converged, np.sqrt((exact[n_networks] ** 2).mean(axis=1))

    return run


def test_samples_are_done_when_the_tolerance_is_met_and_marked_when_not(reference, inputs, regime):
    stack = make_stack(n_networks=12, seed=3, alike=0.9)
    loose = shapley(reference, tolerance=0.2, max_pairs=50)
    (block,) = loose.explain(stack, inputs, regime)
    size = np.sqrt((block.values.mean(axis=0) ** 2).mean(axis=1))
    assert block.shares["converged"].all()
    assert (np.sqrt((block.standard_error**2).mean(axis=1)) <= 0.2 * size * (1 + 1e-5)).all()
    (block,) = shapley(reference, tolerance=1e-6, max_pairs=3).explain(stack, inputs, regime)
    assert not block.shares["converged"].any()


def test_the_same_seed_gives_the_same_values(monkeypatch, stack, inputs, regime, reference):
    monkeypatch.setattr(blocks_of_samples, "BLOCK_BYTES", 4 * 3 * 12 * 64)
    method = shapley(reference, max_pairs=16, seed=4)
    whole, _ = values_of(method, stack, inputs, regime)
    again, _ = values_of(method, stack, inputs, regime)
    np.testing.assert_array_equal(again, whole)
    other, _ = values_of(replace(method, seed=5), stack, inputs, regime)
    assert not np.array_equal(other, whole)


def test_plots_of_shap_accept_them(stack, inputs, regime, reference):
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import shap

    method = shapley(reference, method="exact")
    explanation = shap_explanation(method, stack, inputs[:10], regime[:10])
    assert explanation.values.shape == (10, 8)
    mean = logits(stack, inputs[:10])
    whole = target_values(mean, regime[:10], "centred_logit").mean(axis=0)
    np.testing.assert_allclose(explanation.values.sum(axis=1) + explanation.base_values, whole, atol=1e-4)
    one = shap_explanation(method, stack, inputs[:10], regime[:10], network=1)
    assert not np.allclose(one.values, explanation.values)
    figure = plt.figure()
    shap.plots.beeswarm(explanation, show=False)
    assert "wind_stress_curl" in [text.get_text() for text in plt.gca().get_yticklabels()]
    plt.close(figure)


def test_networks_and_references_that_do_not_fit_are_refused(stack, inputs, regime, reference):
    wide = make_stack(sizes=(13, 6, 3), features=[f"f{j}" for j in range(13)])
    rows = np.zeros((2, 13), np.float32)
    with pytest.raises(AttributionError, match="at most 12 players.*here are 13. Put features into groups"):
        list(shapley(rows, method="exact").explain(wide, rows, np.zeros(2, int)))
    with pytest.raises(AttributionError, match="7 features; the predictor takes 8"):
        list(shapley(reference[:, :7]).explain(stack, inputs, regime))
    with pytest.raises(AttributionError, match="at least one row"):
        shapley(reference[:0])
    with pytest.raises(AttributionError, match="first hidden layer; these networks have none"):
        list(shapley(reference, target="probability").explain(make_stack(sizes=(8, 3)), inputs, regime))
    groups = {"wind": ("wind_stress_curl", "zos"), "rest": ("zos", "ssh")}
    with pytest.raises(AttributionError, match=r"not a feature \['ssh'\], in two groups \['zos'\]"):
        shapley(reference, groups=groups).players(stack)
    with pytest.raises(ConfigError, match="'tolerance' must be a number > 0"):
        shapley(reference, tolerance=0.0)


@pytest.mark.parametrize("target", ["centred_logit", "logit"])
@pytest.mark.parametrize("groups", [None, GROUPS])
def test_networks_without_a_hidden_layer_have_exact_values(inputs, regime, reference, target, groups):
    stack, method = make_stack(sizes=(8, 3)), shapley(reference, target=target, groups=groups)
    values, shares = values_of(method, stack, inputs, regime)
    # Of a linear function: what the target loses when the players take their means over the reference.
    forward, mean = TargetNetworks(stack, target, np.float64), reference.mean(axis=0, dtype=float)
    whole = forward.of_inputs(inputs.astype(float), regime)
    for place, members in enumerate((groups or {name: (name,) for name in stack.features}).values()):
        without = inputs.astype(float)
        taken = [stack.features.index(name) for name in members]
        without[:, taken] = mean[taken]
        np.testing.assert_allclose(values[..., place], whole - forward.of_inputs(without, regime), atol=1e-5)
    np.testing.assert_allclose(shares["remainder"], 0, atol=1e-5)
    assert (shares["converged"] == 1).all()
