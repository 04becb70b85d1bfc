"""Recalibration of P(change): from other models only, monotone, and nothing where no truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tracking.conftest import make_run, make_stack, make_tools
from tests.tracking.test_perfect_model import budget_of, opened, truth_of
from thor.tracking.change import OTHERS, ChangeCalibration, calibration_of
from thor.tracking.recalibration import recalibrate
from thor.tracking.track import natural_variability, track_run
from thor.tracking.true_regimes import TrueRegimes

MODELS = ("MADE-A", "MADE-B", "MADE-C")


def runs_of(source, seed):
    control = make_run("piControl", seed=seed).assign_attrs(source_id=source)
    scenario = make_run(
        "abrupt-4xCO2",
        first_year=1850,
        signal=-0.3,
        seed=seed + 1,
        parent=f"{source}/piControl/r1i1p1f1",
        baseline=control["window"].values,
    )
    runs = {"piControl": control, "abrupt-4xCO2": scenario.assign_attrs(source_id=source)}
    return {f"{source}/{name}/r1i1p1f1": run for name, run in runs.items()}


@pytest.fixture(scope="module")
def features():
    return {key: run for number, source in enumerate(MODELS) for key, run in runs_of(source, 10 * number).items()}


@pytest.fixture(scope="module")
def tools(made):
    """Networks of far too little certainty: P(change) is much too low where regimes change."""
    return make_tools(made, predictors={"ensemble": make_stack(sharpness=0.3)}, temperatures={"ensemble": 1.0})


def calibrations(features, tools, budgets=None):
    known = budgets or {key: budget_of(run) for key, run in features.items()}
    return recalibrate(opened(features), truth_of(features, opened(known)), tools, seed=0)


@pytest.fixture(scope="module")
def found(features, tools):
    return calibrations(features, tools)


def test_a_model_is_calibrated_by_the_truth_of_the_others(features, tools, found):
    assert set(found["ensemble"]) == {*MODELS, OTHERS}
    spoilt = {key: budget_of(run) for key, run in features.items()}
    key = f"{MODELS[0]}/abrupt-4xCO2/r1i1p1f1"
    spoilt[key] = spoilt[key].assign(wind_stress_curl=-spoilt[key]["wind_stress_curl"])
    again = calibrations(features, tools, spoilt)["ensemble"]
    np.testing.assert_array_equal(again[MODELS[0]].frequency, found["ensemble"][MODELS[0]].frequency)
    assert len(again[OTHERS].frequency) != len(found["ensemble"][OTHERS].frequency) or not np.allclose(
        again[OTHERS].frequency, found["ensemble"][OTHERS].frequency
    )


def test_probabilities_become_frequencies_in_the_model_that_was_left_out(features, tools, found):
    key, parent = (f"{MODELS[1]}/{name}/r1i1p1f1" for name in ("abrupt-4xCO2", "piControl"))
    truth = TrueRegimes(truth_of(features, opened({name: budget_of(features[name]) for name in (key, parent)})))
    window = "1970-1989"
    valid = features[key]["valid"]
    baseline = str(features[key]["baseline_window"].sel(window=window).values)
    changed = truth.regime(key, window, valid) != truth.regime(parent, baseline, valid)
    gaps = {}
    for name, given in (("before", {}), ("after", found)):
        run = track_run(features[key], features[parent], None, replace(tools, change_calibration=given))
        stated = run["change_probability"].sel(window=window, predictor="ensemble").values
        used = np.isfinite(stated)
        gaps[name] = abs(np.average(stated[used] - changed[used], weights=features[key]["areacello"].values[used]))
        parts = run["change_to_probability"].sel(window=window, predictor="ensemble").sum("regime").values
        np.testing.assert_allclose(parts[used], stated[used], atol=1e-5)
        # Areas follow from the probabilities of the regimes, which the recalibration does not touch.
        gaps[name, "area"] = run["transition_area"].values
    assert gaps["before"] > 0.1 and gaps["after"] < 0.3 * gaps["before"]
    np.testing.assert_array_equal(gaps["before", "area"], gaps["after", "area"])


def test_the_variance_of_a_recalibrated_change_has_parts_that_add_up(features, tools, found):
    """Single networks of a small P(change) exceed one if each is multiplied by the factor of the recalibration."""
    key, parent = (f"{MODELS[1]}/{name}/r1i1p1f1" for name in ("abrupt-4xCO2", "piControl"))
    given = replace(tools, change_calibration=found, label_run=np.array([0, 0, 1, 1, 2]))
    run = track_run(features[key], features[parent], None, given)
    stated = run["change_probability"].sel(predictor="ensemble")
    parts = [run[f"change_{part}_variance"] for part in ("label", "network", "residual")]
    np.testing.assert_allclose(sum(parts), (stated * (1 - stated)).transpose(*parts[0].dims), atol=1e-6)
    assert all(float(part.min()) >= 0 for part in parts)


def test_shifts_beyond_internal_variability_are_those_before(features, tools, found):
    """They compare a scenario with its control run, neither of which is recalibrated; only the threshold of 1/2 is."""
    key, parent = (f"{MODELS[2]}/{name}/r1i1p1f1" for name in ("abrupt-4xCO2", "piControl"))
    natural = natural_variability(features[parent], tools)
    before, after = (
        track_run(features[key], features[parent], natural, replace(tools, change_calibration=given))
        for given in ({}, found)
    )
    np.testing.assert_array_equal(before["forced_shift"], after["forced_shift"])
    assert (after["forced_change"] == 1).sum() > (before["forced_change"] == 1).sum()


def test_without_two_models_of_known_truth_there_is_none(features, tools):
    one = {key: run for key, run in features.items() if key.startswith(MODELS[0])}
    assert calibrations(one, tools) == {}
    assert calibration_of({}, "ensemble", MODELS[0]) is None


def test_a_model_without_truth_uses_all_that_have_one(found):
    assert calibration_of(found, "ensemble", "REAL") is found["ensemble"][OTHERS]
    assert calibration_of(found, "bayesian", "REAL") is None


def test_the_function_is_monotone_and_keeps_zero():
    rng = np.random.default_rng(0)
    probability = np.append(0.0, rng.random(20_000))
    changed = rng.random(20_001) < probability**2
    fitted = ChangeCalibration.fit(probability, changed, np.ones(20_001))
    at = np.linspace(0, 1, 101)
    assert fitted(np.zeros(1))[0] == 0
    assert (np.diff(fitted(at)) >= 0).all() and 0 <= fitted(at).min() <= fitted(at).max() <= 1
    np.testing.assert_allclose(fitted(at), at**2, atol=0.06)
    again = ChangeCalibration.from_dict(fitted.to_dict())
    np.testing.assert_array_equal(again(at), fitted(at))


def test_a_run_on_another_grid_than_its_baseline_is_left_out(features, tools):
    parent = f"{MODELS[0]}/piControl/r1i1p1f1"
    moved = features | {parent: features[parent].assign_coords(lon=features[parent]["lon"] + 3.0)}
    assert set(calibrations(moved, tools)["ensemble"]) == {*MODELS[1:], OTHERS}
