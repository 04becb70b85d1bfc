"""Expected accuracies are compared with true ones, and tracked runs have one for each window and predictor."""

import numpy as np
import pytest

from tests.tracking.conftest import make_tools
from thor.tracking.expectation import expected_accuracy_errors
from thor.tracking.track import track_run


def nested(values, wrap):
    return {run: {w: {"ensemble": wrap(value)} for w, value in of_run.items()} for run, of_run in values.items()}


def metrics_of(values):
    return nested(values, lambda value: {"expected_accuracy": value})


def truth_of(values):
    return nested(values, lambda value: {"predictor": {"accuracy": value}})


def test_errors_over_runs_and_windows():
    expected = {"A/h/r1": {"w1": 0.8, "w2": 0.7}, "B/h/r1": {"w1": 0.6, "w2": 0.5}}
    true = {"A/h/r1": {"w1": 0.7, "w2": 0.65}, "B/h/r1": {"w1": 0.55, "w2": 0.5}}
    found = expected_accuracy_errors(metrics_of(expected), truth_of(true))["ensemble"]
    assert found["bias"] == pytest.approx(0.05)
    assert found["rms_error"] == pytest.approx(np.sqrt(0.015 / 4))
    assert found["correlation"] == pytest.approx(np.corrcoef([0.8, 0.7, 0.6, 0.5], [0.7, 0.65, 0.55, 0.5])[0, 1])
    assert (found["n_windows"], found["n_models"]) == (4, 2)


def test_no_correlation_without_variation_and_nothing_without_truth():
    same = {"A/h/r1": {"w1": 0.8, "w2": 0.8}}
    assert expected_accuracy_errors(metrics_of(same), truth_of(same))["ensemble"]["correlation"] is None
    assert expected_accuracy_errors(metrics_of(same), {}) == {}


def test_a_tracked_run_has_the_mean_over_its_cells(made):
    tools = make_tools(made)
    run = track_run(made.scenario, None, None, tools)
    for window in range(run.sizes["window"]):
        distance = run["dissimilarity_index"].isel(window=window).values.ravel()
        area = run["areacello"].values.ravel()
        known = np.isfinite(distance)
        share = np.interp(distance[known], [0.0, 1.0], [0.9, 0.5])
        got = run["expected_accuracy"].isel(window=window)
        np.testing.assert_allclose(got, np.average(share, weights=area[known]), rtol=1e-5)
        assert 0.5 <= float(got.min()) < 0.9
