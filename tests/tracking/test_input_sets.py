"""Runs with a further input set: which they are, what they are tracked with, and how they compare with the surface."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Text

from tests.tracking.conftest import CLASSES, NAMES, make_run, make_stack, make_tools
from thor.core.compute import Compute
from thor.core.contracts import check
from thor.core.variables import variable
from thor.datasets import FieldCollection
from thor.figures.tracking_maps import label_difference_maps
from thor.networks.cross_validation import Fold
from thor.networks.input_sets import InputSet
from thor.networks.scaler import FeatureScaler
from thor.ocean.transport_features import TRANSPORT_FEATURE
from thor.report.input_sets import input_set_numbers, input_set_sentences
from thor.tracking.input_sets import RichestRuns, runs_of_set, set_tools
from thor.tracking.metrics import both_of
from thor.tracking.runs import TrackedRuns
from thor.tracking.set_comparison import (
    label_difference,
    on_same_cells,
    same_cells_skill,
    set_disagreement,
    set_run_to_show,
)
from thor.tracking.settings import TrackingSettings
from thor.uncertainty.applicability import Applicability
from thor.uncertainty.set_calibration import ExpectedAccuracy, SetCalibration
from thor.uncertainty.temperature import Temperature

CONTROL, SCENARIO, HISTORICAL = (f"MADE/{name}/r1i1p1f1" for name in ("piControl", "abrupt-4xCO2", "historical"))


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


FEATURES = (*NAMES, TRANSPORT_FEATURE)
SETTINGS = TrackingSettings(min_pairs=3, block_cells=100)


def with_transports(run):
    """The stress curl with the sign reversed, as if it were balanced by -beta V; unknown in one column."""
    values = -run["wind_stress_curl"].assign_attrs(variable(TRANSPORT_FEATURE).attrs)
    return run.assign({TRANSPORT_FEATURE: values.where(run["lon"] < 355)})


@pytest.fixture(scope="module")
def of_set():
    """Networks that use -beta V in place of the stress curl: regimes in the reverse order."""
    stack = make_stack(3, names=(TRANSPORT_FEATURE, *NAMES[1:]), seed=4)
    units = tuple(variable(name).units for name in FEATURES)
    scaler = FeatureScaler(FEATURES, units, np.array([0, 0, 4000.0, 0]), np.array([1e-10, 0.1, 1000.0, 1e-10]))
    fold = Fold("final", xr.Dataset(), scaler, stack, SimpleNamespace(boosting=SimpleNamespace(classes=stack.classes)))
    return InputSet("transport", fold, fold, ())


@pytest.fixture(scope="module")
def calibration():
    names = (TRANSPORT_FEATURE, *NAMES[1:])
    applicability = Applicability(names, np.array([1.0, 0, 0]), np.zeros((1, 3)), np.zeros(1), 1.0, threshold=20.0)
    temperature = Temperature(1.2, 1.2, 0.1, 0.01)
    accuracy = ExpectedAccuracy(np.array([0.0, 1.0]), np.array([0.9, 0.5]))
    return SetCalibration({"ensemble": temperature}, applicability, {"ensemble": accuracy})


@pytest.fixture(scope="module")
def features(made):
    historical = make_run("historical", first_year=1850, parent=CONTROL, baseline=made.control["window"].values)
    runs = {CONTROL: with_transports(made.control), SCENARIO: with_transports(made.scenario), HISTORICAL: historical}
    return {key: lambda run=run: run for key, run in runs.items()}


@pytest.fixture(scope="module")
def richest(features, of_set, calibration):
    tools = set_tools(
        of_set, calibration, predictors=("ensemble", "bayesian"), settings=SETTINGS, change_calibration={}
    )
    return RichestRuns(features, {"transport": (of_set, tools)}, Compute(n_workers=1), use_variants=True)


@pytest.fixture(scope="module")
def both(features, made, richest):
    """Regimes of the two runs by the surface, and by the set."""
    surface = TrackedRuns(features, make_tools(made, settings=SETTINGS), Compute(n_workers=1), use_variants=True)
    with richest:
        found = {key: richest[key][1]() for key in richest}
    first = {key: surface[key][1]() for key in found}
    return tuple({key: lambda run=run: run for key, run in runs.items()} for runs in (first, found))


def test_a_run_needs_the_features_in_its_baseline_and_control_run(features, of_set, made):
    found = runs_of_set(features, of_set)
    assert list(found) == [CONTROL, SCENARIO]
    valid, of_surface = found[SCENARIO]()["valid"], made.scenario["valid"]
    assert not valid.isel(lon=-1).any()
    xr.testing.assert_equal(valid.isel(lon=slice(-1)), of_surface.isel(lon=slice(-1)))
    assert runs_of_set(features | {CONTROL: lambda: made.control}, of_set) == {}
    assert list(runs_of_set(features | {SCENARIO: lambda: made.scenario}, of_set)) == [CONTROL]


def test_runs_are_tracked_with_the_predictors_and_the_calibration_of_the_set(richest, both, tmp_path):
    surface, found = (runs[SCENARIO]() for runs in both)
    assert list(found["predictor"].values) == ["ensemble_transport"]
    assert found["n_networks"].values == [3]
    # the transport is the reversed curl, and so are the regimes
    first, second = (run["regime"].isel(window=0, predictor=0, lon=slice(-1)).values for run in (surface, found))
    known = (first >= 0) & (second >= 0)
    assert np.mean(first[known] + second[known] == 2) > 0.9
    assert (found["forced_shift"] >= 0).any()
    path = tmp_path / "runs"
    collection = FieldCollection(path=str(path), contract="scenario_regimes")
    collection.save(richest)
    assert sorted(collection.load()) == [SCENARIO, CONTROL]
    check(found, "scenario_regimes", where=SCENARIO)


def test_a_set_without_the_predictors_tracks_nothing(of_set, calibration):
    options = {"settings": SETTINGS, "change_calibration": {}}
    assert set_tools(of_set, calibration, predictors=("bayesian",), **options) is None


def test_disagreement_is_weighted_by_area(both, features):
    surface, found = both
    numbers = set_disagreement(surface, found, features, {})[SCENARIO]
    assert list(numbers) == list(map(str, surface[SCENARIO]()["window"].values))
    last = [*numbers][-1]
    entry = numbers[last]["ensemble_transport"]
    first, second = (runs[SCENARIO]().sel(window=last).isel(predictor=0)["regime"].values for runs in both)
    area = surface[SCENARIO]()["areacello"].values
    known = (first >= 0) & (second >= 0)
    assert entry["n_cells"] == known.sum() == (second >= 0).sum() < (first >= 0).sum()
    differ = np.average((first != second)[known], weights=area[known])
    assert entry["different_share"] == pytest.approx(differ)
    # what is middle by the one is middle by the other
    assert entry["different_by_regime"]["middle"] < 0.3 < 0.9 < entry["different_by_regime"]["north"]
    shares = [area[known & (first == k)].sum() for k in range(3)]
    assert np.average([entry["different_by_regime"][name] for name in CLASSES], weights=shares) == pytest.approx(differ)
    assert set(entry["different_by_basin"]) == {"atlantic_ocean", "pacific_ocean"}
    assert entry["applicable_share"] == 1 and entry["different_share_applicable"] == entry["different_share"]
    assert "right" not in entry


def test_the_right_label_of_two_different_ones(both, features):
    surface, found = both
    truth = surface[SCENARIO]()[["valid"]].assign(true_regime=surface[SCENARIO]()["regime"].isel(predictor=0))
    entry = set_disagreement(surface, found, features, {SCENARIO: lambda: truth})[SCENARIO]
    assert all(
        numbers["ensemble_transport"]["right"] == {"surface": 1, "set": 0, "neither": 0} for numbers in entry.values()
    )


def test_the_surface_is_scored_in_the_cells_of_the_set(both):
    surface, found = both
    beside = on_same_cells(surface, found)[SCENARIO]()
    assert list(beside["predictor"].values) == ["ensemble"]
    xr.testing.assert_equal(beside["valid"], found[SCENARIO]()["valid"])
    known = found[SCENARIO]()["baseline_regime"].isel(predictor=0) >= 0
    assert ((beside["baseline_regime"].isel(predictor=0) >= 0) == known).all()
    whole = {"region": "r", "n_cells": 3, "area_m2": 1.0, "weighting": "area", "predictor": {"accuracy": 0.5}}
    with_change = whole | {"change": {"brier_skill": 0.4, "reliability": []}}
    tables = {"abrupt-4xCO2": {"all": {"ensemble": with_change}}, "piControl": {"all": {"ensemble": whole}}}
    skill = same_cells_skill(tables, {"piControl": {"all": {"ensemble_transport": whole}}})
    assert skill["piControl"].keys() == {"ensemble", "ensemble_transport"}
    assert skill["abrupt-4xCO2"]["ensemble"]["brier_skill"] == 0.4
    assert "reliability" not in skill["abrupt-4xCO2"]["ensemble"]


def test_maps_of_the_difference(both):
    surface, found = (runs[SCENARIO]() for runs in both)
    fields = label_difference(surface, found, "ensemble_transport")
    different = (surface["regime"].isel(predictor=0) != found["regime"].isel(predictor=0)).mean("window")
    known = fields["distance"].notnull().values
    np.testing.assert_allclose(fields["window_share"].values[known], different.values[known])
    assert fields["distance"].max() <= 1 + 1e-6
    labels = list(surface["window"].values)
    assert fields["window"] == labels[-1]
    baseline = found["baseline_window"].where(found["window"] != labels[-1], "")
    earlier = label_difference(surface, found.assign_coords(baseline_window=baseline), "ensemble_transport")
    assert earlier["window"] == labels[-2]
    figure = label_difference_maps(fields, predictor="ensemble_transport")
    drawn = words(figure)
    assert any("Regimes with transport" in text for text in drawn)
    assert any("differ on" in text for text in drawn)
    assert any("No run" in text for text in words(label_difference_maps(None, predictor="ensemble_transport")))


def test_the_run_shown_is_that_with_most_different_labels():
    shares = {
        "A/x/r1": {"1": {"e_transport": {"different_share": 0.9}}, "2": {"e_transport": {"different_share": 0.1}}}
    }
    shares |= {"B/x/r1": {"1": {"e_transport": {"different_share": 0.2}}}}
    assert set_run_to_show(shares, "A/x/r1") == "A/x/r1"
    assert set_run_to_show(shares, "C/x/r1") == set_run_to_show(shares, None) == "B/x/r1"
    assert set_run_to_show({}, "A/x/r1") is None


def test_nested_numbers_of_two_collections():
    first = {"w": {"n_cells": 3, "average": {"x": 1}}}
    second = {"w": {"n_cells": 2, "average_transport": {"x": 2}}, "v": 1}
    merged = {"w": {"n_cells": 3, "average": {"x": 1}, "average_transport": {"x": 2}}, "v": 1}
    assert both_of(first, second) == merged


def test_sentences_on_both_sets():
    entry = {
        "different_share": 0.1,
        "different_by_regime": {"R1": 0.05, "R2": 0.3},
        "right": {"surface": 0.2, "set": 0.7, "neither": 0.1},
    }
    summary = {
        "average": {"changed_share": 0.05, "forced_share": 0.01},
        "average_transport": {"changed_share": 0.04, "window": "2"},
    }
    scores = {"average": {"brier_skill": 0.4}, "average_transport": {"brier_skill": 0.5, "balanced_accuracy": 0.9}}
    metrics = {
        "disagreement": {
            "A/x/r1": {
                "1": {"average_transport": entry | {"different_share": 0.9}},
                "2": {"average_transport": entry},
                "3, without a baseline": {"average_transport": entry | {"different_share": 0.8}},
            }
        },
        "summary": {"A/x/r1": summary},
        "input_sets": {"x": scores},
    }
    numbers = input_set_numbers(metrics, ("R1", "R2"))
    assert numbers["runs"][0]["window"] == "2"
    assert numbers["runs"][0]["surface"] == {"changed_share": 0.05, "forced_share": 0.01}
    assert numbers["runs"][0]["set"] == {"changed_share": 0.04, "forced_share": None}
    lines = [line.replace("\u00a0", " ") for line in input_set_sentences(numbers)]
    assert "10.0 % to 10.0 % of the area" in lines[0] and "most in R2 (30 %" in lines[0]
    assert "right on 70 % of the area, that from the surface alone on 20 %" in lines[1]
    assert (
        lines[2]
        == "In the same cells and windows of x, transport data change the Brier skill of P(change) from 0.40 to 0.50."
    )
    assert input_set_sentences(input_set_numbers({}, ())) == []
