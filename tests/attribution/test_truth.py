"""Functions with known attributions, and methods that find them."""

from dataclasses import replace

import numpy as np
import pytest

from thor.attribution.methods.gradient_times_input import GradientTimesInput
from thor.attribution.methods.integrated_gradients import IntegratedGradients
from thor.attribution.methods.lime import Lime, LimeSettings
from thor.attribution.methods.shapley_values import ShapleySettings, ShapleyValues
from thor.attribution.target_networks import TargetNetworks
from thor.attribution.truth import PhysicalFunction, additive_stack, additive_truth, compare_with_truth
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION, GRAVITY


def ocean(n, seed=0):
    """Features of made cells in their units."""
    rng = np.random.default_rng(seed)
    lat = np.deg2rad(rng.uniform(-70, 70, n))
    return np.column_stack(
        [
            rng.normal(0, 1e-10, n),
            rng.normal(0, 0.7, n),
            rng.normal(0, 2e-7, n),
            rng.normal(0, 4e-7, n),
            rng.uniform(100, 5500, n),
            rng.normal(0, 5e-3, n),
            rng.normal(0, 5e-3, n),
            2 * EARTH_ROTATION * np.sin(lat),
        ]
    )


def test_terms_are_geostrophic():
    coriolis = 2 * EARTH_ROTATION * np.sin(np.pi / 6)
    row = np.array([[1e-10, 0.2, 1e-7, 2e-7, 1e9, 3e-3, 4e-3, coriolis]])
    terms = PhysicalFunction(np.zeros((1, 3)), np.ones(3)).terms(row)[0]
    beta = 2 * EARTH_ROTATION * np.cos(np.pi / 6) / EARTH_RADIUS
    # far below the current the bottom does nothing, and the transport is that of the decay depth
    assert terms == pytest.approx([1e-10, -beta * GRAVITY * 1000 / coriolis * 1e-7, 0.0])
    row[0, 4] = 0.0
    shallow = PhysicalFunction(np.zeros((1, 3)), np.ones(3)).terms(row)[0]
    assert shallow[2] == pytest.approx(GRAVITY * (1e-7 * 4e-3 - 2e-7 * 3e-3))


def test_shapley_values_of_the_physical_function_add_up_and_are_zero_for_unused_features():
    inputs, reference = ocean(20), ocean(30, seed=1)
    regime = np.random.default_rng(2).integers(0, 4, 20)
    function = PhysicalFunction.of_labels(ocean(400, seed=3), np.arange(400) % 4, n_regimes=4)
    function = replace(function, centroids=np.random.default_rng(4).normal(size=(4, 3)))
    values = function.shapley_values(inputs, regime, reference)
    whole = function(inputs)[np.arange(20), regime] - function(reference).mean(axis=0)[regime]
    np.testing.assert_allclose(values.sum(axis=1), whole, atol=1e-10)
    # sea level itself has no part in it, only its slope
    assert np.abs(values[:, 1]).max() < 1e-12
    assert np.abs(values[:, 0]).max() > 0.1


def test_an_additive_function_is_attributed_exactly_by_exact_methods(inputs):
    stack = additive_stack(seed=0, n_networks=3)
    reference = np.random.default_rng(6).normal(size=(60, 8)).astype(np.float32)
    few, regime = inputs[:40], np.arange(40) % 2
    truth = additive_truth(stack, few, regime, reference)
    whole = TargetNetworks(stack, "centred_logit").of_inputs(few, regime).mean(axis=0)
    base = np.stack(
        [TargetNetworks(stack, "centred_logit").of_inputs(reference, np.full(60, k)).mean() for k in range(2)]
    )
    np.testing.assert_allclose(truth.sum(axis=1), whole - base[regime], atol=1e-4)
    methods = {
        "exact": ShapleyValues(reference=reference, settings=ShapleySettings(method="exact")),
        "sampled": ShapleyValues(reference=reference, settings=ShapleySettings(max_pairs=60, tolerance=0.001)),
        "integrated_gradients": IntegratedGradients(reference=reference, n_steps=30),
        "lime": Lime(reference=reference, settings=LimeSettings(n_samples=2000)),
        "gradient_times_input": GradientTimesInput(),
    }
    table = compare_with_truth(methods, stack, few, regime, truth, function="additive", same_scale=True).set_index(
        "method"
    )
    assert table.loc["exact", "relative_error"] < 1e-4
    assert table.loc["integrated_gradients", "relative_error"] < 0.01
    assert table.loc["sampled", "relative_error"] < 0.1
    assert table.loc["sampled", "correlation"] > 0.98
    # a straight line through a curved function is not the function
    assert 0.05 < table.loc["lime", "relative_error"] < 1
    assert table.loc["gradient_times_input", "relative_error"] > table.loc["lime", "relative_error"]
    assert (table["n_cells"] == 40).all()
