"""The interval is as wide as the worst model needs, and its coverage is that in models left out of it."""

import numpy as np
import pytest

from thor.tracking.area_interval import area_interval


def truth_of(errors):
    """Errors of areas by run, one value for each regime and window, in an ocean of 100 m2."""
    return {
        run: {
            str(window): {
                "ensemble": {
                    "area_m2": 100.0,
                    "regime_area": {
                        str(k): {"true_m2": 20.0, "expected_m2": 20.0 + error} for k, error in enumerate(of_window)
                    },
                }
            }
            for window, of_window in enumerate(of_run)
        }
        for run, of_run in errors.items()
    }


def test_half_width_and_coverage_calculated_by_hand():
    errors = {"A/h/r1": np.full((2, 5), 1.0), "A/h/r2": np.full((2, 5), -1.0), "B/h/r1": np.full((3, 5), 4.0)}
    found = area_interval(truth_of(errors))["ensemble"]
    assert found["half_width_share"] == pytest.approx(0.04)
    # B's interval contains all of A, A's nothing of B
    assert found["coverage"] == pytest.approx(0.5)
    assert (found["n_models"], found["level"]) == (2, 0.9)


def test_models_with_one_kind_of_bias_cover_one_another():
    rng = np.random.default_rng(0)
    coverage = []
    for _ in range(50):
        bias = rng.normal(size=(6, 1, 5))
        errors = {f"M{k}/h/r1": bias[k] + 0.1 * rng.normal(size=(4, 5)) for k in range(6)}
        coverage.append(area_interval(truth_of(errors))["ensemble"]["coverage"])
    assert 0.9 <= np.mean(coverage) <= 1


def test_one_model_gives_no_interval():
    assert area_interval(truth_of({"A/h/r1": np.ones((2, 3)), "A/h/r2": np.ones((2, 3))})) == {}
    assert area_interval({}) == {}
