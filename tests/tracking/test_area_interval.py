"""Intervals for areas, their changes and transitions, from errors in models whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from tests.tracking.test_perfect_model import true_cells
from thor.tracking.area_interval import area_errors, area_intervals


def table_of(errors, kind="change"):
    """Errors by model, one for each regime and window."""
    parts = [
        pd.DataFrame({"error": np.ravel(values), "kind": kind, "model": model, "predictor": "ensemble"})
        for model, values in errors.items()
    ]
    return pd.concat(parts)


def test_errors_calculated_by_hand():
    """Four cells, the last twice as large; probabilities are 0.8 of the predicted regime and 0.1 of the others."""
    cells = true_cells([0, 1, 1, 2], [0, 1, 0, 2], [0, 0, 1, 0], [0, 0, 0, 2], [0.0, 0.9, 0.7, 0.2], area=[1, 1, 1, 2])
    transition = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 3.0]])
    errors = area_errors(cells, transition).groupby("kind", sort=False)["error"].agg(list)
    expected = np.array([0.1 * 5 + 0.7 * 2, 0.1 * 5 + 0.7, 0.1 * 5 + 0.7 * 2]) / 5
    before = np.array([0.1 * 5 + 0.7 * 3, 0.1 * 5, 0.1 * 5 + 0.7 * 2]) / 5
    true, true_before = np.array([1, 2, 2]) / 5, np.array([4, 1, 0]) / 5
    np.testing.assert_allclose(errors["regime_area"], np.abs(expected - true))
    np.testing.assert_allclose(errors["change"], np.abs(expected - before - (true - true_before)))
    # 0 to 1 changes in a cell of size 1, 0 to 2 in that of size 2
    stated = np.array([0.1, 0.0, 0.1, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(errors["transition"], np.abs(stated - np.array([0.2, 0.4, 0.0, 0.0, 0.0, 0.0])))


def test_without_a_baseline_there_are_areas_only():
    cells = true_cells([0, 1], [0, 1], [-1, -1], [-1, -1], [np.nan, np.nan])
    assert set(area_errors(cells)["kind"]) == {"regime_area"}
    nothing = area_errors(cells.take(np.zeros(2, bool)))
    assert nothing.empty
    assert pd.concat([nothing, area_errors(cells)])["error"].dtype == float


def test_half_width_and_coverage_calculated_by_hand():
    errors = {"A": np.full((4, 5), 0.01), "B": np.full((3, 5), 0.04)}
    found = area_intervals(table_of(errors))["ensemble"]["change"]
    assert found["half_width_share"] == pytest.approx(0.04)
    # B's interval contains all of A, A's nothing of B
    assert found["coverage"] == pytest.approx(0.5)
    assert (found["n_models"], found["level"]) == (2, 0.9)


def test_models_with_one_kind_of_bias_cover_one_another():
    rng = np.random.default_rng(0)
    coverage = []
    for _ in range(50):
        bias = rng.normal(size=(6, 1, 5))
        errors = {f"M{k}": np.abs(bias[k] + 0.1 * rng.normal(size=(4, 5))) for k in range(6)}
        coverage.append(area_intervals(table_of(errors))["ensemble"]["change"]["coverage"])
    assert 0.9 <= np.mean(coverage) <= 1


def test_one_model_gives_no_interval():
    assert area_intervals(table_of({"A": np.ones((2, 3))})) == {}
