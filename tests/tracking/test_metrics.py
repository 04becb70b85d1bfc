"""Numbers of runs: areas that add up, words only where truth supports them, and which run is shown."""

import json

import numpy as np
import pytest
import xarray as xr

from tests.tracking.conftest import make_tools, training_ocean
from tests.tracking.test_multimodel import always, everywhere, model_run
from thor.core.errors import ConfigError
from thor.tracking.agreement import agreement_metrics
from thor.tracking.likelihood import LIKELIHOOD_RANGES
from thor.tracking.metrics import (
    expected_accuracy_errors,
    run_metrics,
    tracking_metrics,
)
from thor.tracking.multimodel import multimodel_summary
from thor.tracking.settings import TrackingSettings
from thor.tracking.shown_run import run_to_draw, shown_key, shown_run
from thor.tracking.track import natural_variability, track_run

CONTROL, SCENARIO = "MADE/piControl/r1i1p1f1", "MADE/abrupt-4xCO2/r1i1p1f1"
NO_TRUTH = {"runs": {}, "pooled": {}, "control": {}, "without_truth": [CONTROL, SCENARIO]}


@pytest.fixture(scope="module")
def runs(made):
    tools = make_tools(made, settings=TrackingSettings(min_pairs=3, block_cells=20_000))
    natural = natural_variability(made.control, tools)
    return {
        key: track_run(run, parent, natural, tools)
        for key, run, parent in ((CONTROL, made.control, None), (SCENARIO, made.scenario, made.control))
    }


@pytest.fixture(scope="module")
def training(runs):
    return training_ocean(runs[CONTROL])


def opened(runs):
    return {key: lambda run=run: run for key, run in runs.items()}


def test_areas_of_each_window_add_up(runs):
    numbers = run_metrics(runs[SCENARIO], {})
    assert list(numbers) == [str(label) for label in runs[SCENARIO]["window"].values]
    for entry in numbers.values():
        assert entry["n_months"] == 240 and entry["weighting"] == "area"
        for predictor in ("ensemble", "bayesian"):
            regimes = entry[predictor]["regime_area"]
            for kind in ("expected_m2", "argmax_m2"):
                assert sum(area[kind] for area in regimes.values()) == pytest.approx(entry["area_m2"], rel=1e-5)
            assert all(area["lower_m2"] <= area["expected_m2"] <= area["upper_m2"] for area in regimes.values())
            change = entry[predictor]["change"]
            assert list(change["likelihood"]) == [*LIKELIHOOD_RANGES]
            parts = sum(part["area_m2"] for part in change["likelihood"].values())
            assert parts == pytest.approx(change["compared_m2"]) == pytest.approx(entry["area_m2"])
            assert 0 <= change["expected_m2"] < change["independent_m2"] < change["compared_m2"]
            assert change["forced_m2"] <= change["shift_m2"] <= change["judged_m2"] <= change["compared_m2"]
            assert change["expected_false_m2"] == pytest.approx(0.1 * change["shift_m2"])
    fields = runs[SCENARIO].isel(window=-1).sel(predictor="ensemble")
    expected = float((fields["change_probability"] * fields["areacello"]).sum())
    assert numbers["1970-1989"]["ensemble"]["change"]["expected_m2"] == pytest.approx(expected, rel=1e-5)


def test_area_outside_the_area_of_applicability(runs):
    """Half of the cells of the last window are outside."""
    run = runs[SCENARIO].copy(deep=True)
    run["applicable"][-1, :, :18] = run["applicable"][-1, :, :18].where(run["valid"][:, :18] == 0, 0)
    numbers = run_metrics(run, {})["1970-1989"]
    assert numbers["area_outside_applicability_m2"] == pytest.approx(0.5 * numbers["area_m2"])


def test_only_words_that_truth_supports_are_used(runs):
    numbers = run_metrics(runs[SCENARIO], {"ensemble": ("likely", "very_unlikely")})["1970-1989"]
    words = {text: part["word"] for text, part in numbers["ensemble"]["change"]["likelihood"].items()}
    assert words == dict.fromkeys(LIKELIHOOD_RANGES) | {"1-10 %": "very_unlikely", "66-90 %": "likely"}
    assert {part["word"] for part in numbers["bayesian"]["change"]["likelihood"].values()} == {None}


def test_control_runs_and_runs_without_truth(runs, training):
    metrics = tracking_metrics(opened(runs), [], NO_TRUTH, training)
    json.dumps(metrics, allow_nan=False)
    assert set(metrics["control"]) == {CONTROL}
    assert metrics["not_compared"] == metrics["not_judged"] == {}
    assert metrics["plausibility"][SCENARIO]["bayesian"]["objections"] == []
    control = metrics["control"][CONTROL]["ensemble"]
    assert 0 <= control["forced"] <= control["shift"] <= 0.1
    control = metrics["runs"][CONTROL]["0001-0020"]
    assert control["baseline_window"] is None and "change" not in control["ensemble"]
    assert metrics["words"] == {} and metrics["perfect_model"] == NO_TRUTH
    summary = metrics["summary"]
    assert summary[SCENARIO]["ensemble"]["window"] == "1970-1989"
    assert summary[SCENARIO]["ensemble"]["changed_share"] > 0.02
    assert "changed_share" not in summary[CONTROL]["ensemble"]
    assert "brier_skill" not in summary[SCENARIO]["ensemble"]


def test_the_run_that_changes_most_is_shown_unless_another_is_wanted(runs, training):
    calm = runs[SCENARIO].assign_attrs(runs[SCENARIO].attrs | {"variant_label": "r2i1p1f1"})
    calm = calm.assign(change_probability=0.5 * calm["change_probability"])
    several = opened(runs | {"MADE/abrupt-4xCO2/r2i1p1f1": calm})
    metrics = tracking_metrics(several, [], NO_TRUTH, training)
    assert shown_key(metrics, None) == SCENARIO
    assert shown_run(several, metrics, CONTROL).attrs["experiment_id"] == "piControl"
    with pytest.raises(ConfigError, match=f"no run '{CONTROL}x'.*Did you mean '{CONTROL}'"):
        shown_key(metrics, f"{CONTROL}x")
    empty = tracking_metrics({}, [], NO_TRUTH, training)
    assert shown_key(empty, None) is None and shown_run({}, empty, "MADE/any/r1i1p1f1") is None


def test_agreement_is_weighted_by_area():
    north, south = always(0.8, 0.1, 0.1), always(0.1, 0.1, 0.8)
    options = {"window": "2035-2054", "spacing": 2.0, "min_models": 2}

    def last_of(model, probability):
        return model_run(model, probability, forced=everywhere).isel(window=-1)

    agree = multimodel_summary([last_of(name, north) for name in "AB"], **options)
    runs = [last_of("A", north), last_of("B", south)]
    differ = multimodel_summary(runs, **options)
    numbers = agreement_metrics([agree])["ssp585"]
    assert numbers["models"] == ["A", "B"] and numbers["window"] == "2035-2054"
    assert numbers["ensemble"]["mean_agreement_share"] == 1.0
    assert numbers["ensemble"]["robustness_share"]["robust_signal"] == pytest.approx(1.0)
    assert numbers["ensemble"]["changed_share_where_robust"] == 1.0
    assert numbers["ensemble"]["mean_change_probability"] == pytest.approx(0.2)
    assert agreement_metrics([differ])["ssp585"]["ensemble"]["robustness_share"]["conflicting_signals"] == 1.0


def truth_of(pairs):
    """Scores of runs and windows from their expected and true accuracy."""
    return {
        run: {
            window: {"ensemble": {"expected_accuracy": expected, "predictor": {"accuracy": true}}}
            for window, (expected, true) in windows.items()
        }
        for run, windows in pairs.items()
    }


def test_errors_over_runs_and_windows():
    pairs = {"A/h/r1": {"w1": (0.8, 0.7), "w2": (0.7, 0.65)}, "B/h/r1": {"w1": (0.6, 0.55), "w2": (0.5, 0.5)}}
    found = expected_accuracy_errors(truth_of(pairs))["ensemble"]
    assert found["bias"] == pytest.approx(0.05)
    assert found["rms_error"] == pytest.approx(np.sqrt(0.015 / 4))
    assert found["correlation"] == pytest.approx(np.corrcoef([0.8, 0.7, 0.6, 0.5], [0.7, 0.65, 0.55, 0.5])[0, 1])
    assert (found["n_windows"], found["n_models"]) == (4, 2)


def test_no_correlation_without_variation_and_nothing_without_truth():
    same = {"A/h/r1": {"w1": (0.8, 0.8), "w2": (0.8, 0.8)}}
    assert expected_accuracy_errors(truth_of(same))["ensemble"]["correlation"] is None
    # a window without any cell whose truth is known has no accuracy
    assert expected_accuracy_errors({"A/h/r1": {"w1": {"ensemble": {"n_cells": 0}}}}) == {}
    assert expected_accuracy_errors({}) == {}


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


def test_a_run_without_transports_is_replaced_by_one_that_has_them():
    runs = {"A/b/c": lambda: xr.Dataset(attrs={"run": "A"})}
    assert run_to_draw(runs, "X/y/z").attrs["run"] == run_to_draw(runs, "A/b/c").attrs["run"] == "A"
    assert run_to_draw({}, None) is None
