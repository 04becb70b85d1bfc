"""Sentences: places, comparisons and orders in words."""

import pytest
import xarray as xr

from thor.report.scenarios import baseline_in_words, experiment_means
from thor.report.sentences import (
    _calibration_sentences,
    caveat_sentences,
    scenario_sentences,
    skill_sentences,
)
from thor.report.summary import held_out_region, implausible_runs, regimes_of_map
from thor.report.words import in_order
from thor.tracking.detection import detection_text


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ("atlantic: 280E to 20E", "Atlantic sector (80°\u00a0W to 20°\u00a0E)"),
        ("north_sea: 0E to 10E, 50N to 60N", "North Sea (0°\u00a0E to 10°\u00a0E, 50°\u00a0N to 60°\u00a0N)"),
        ("ross: 170E to 200E, -78N to -60N", "Ross (170°\u00a0E to 160°\u00a0W, 78°\u00a0S to 60°\u00a0S)"),
        ("south: -180E to 180E, -90N to -30N", "South (90°\u00a0S to 30°\u00a0S)"),
        ("pacific_ocean", "Pacific Ocean"),
        ("", "test cells"),
    ],
)
def test_a_region_is_named_with_its_extent(regions, expected):
    assert held_out_region(xr.Dataset(attrs={"regions": regions})) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"baseline": "parallel segment", "parent": "M/piControl/r1"}, "the same span of the control run"),
        ({"baseline": "reference window", "parent": "M/historical/r1"}, "1995–2014 of historical"),
        ({}, "1995–2014 of its parent run"),
    ],
)
def test_a_baseline_in_words(attributes, expected):
    assert baseline_in_words(xr.Dataset(attrs=attributes), "1995-2014") == expected


def test_entries_follow_the_given_order_and_none_is_lost():
    assert list(in_order({"a": 1, "b": 2, "c": 3}, ["c", "x", "a"])) == ["c", "a", "b"]


def test_precision_and_recall_are_those_of_the_models_with_known_truth():
    scores = {
        "forced": {"area_share": 0.04, "precision": 0.664, "recall": 0.366},
        "shift": {"area_share": 0.3, "precision": 0.18, "recall": None},
    }
    skill = {
        "pooled": {"ssp585": {"2081-2100": {"ensemble": {"change": scores}}}},
        "runs": {"B/ssp585/r1": {}, "A/ssp585/r1": {}, "C/historical/r1": {}},
    }
    text = detection_text(skill, "ssp585", "2081-2100", "ensemble").replace("\N{NO-BREAK SPACE}", " ")
    assert text.startswith("Test with known truth (A, B), forced regime changes: precision 66 %, recall 37 %;")
    assert text.endswith("probability shifts beyond internal variability: precision 18 %, no regime truly changed.")
    assert "are not known" in detection_text(skill, "ssp585", "2061-2080", "ensemble")


@pytest.mark.parametrize(("area_share", "words"), [(None, "not tested"), (0.0, "none")])
def test_changes_that_are_not_tested_are_not_none(area_share, words):
    scores = {key: {"area_share": area_share, "precision": None, "recall": None} for key in ("forced", "shift")}
    skill = {"pooled": {"ssp585": {"all": {"ensemble": {"change": scores}}}}, "runs": {"A/ssp585/r1": {}}}
    text = detection_text(skill, "ssp585", "all", "ensemble")
    assert text.endswith(f"changes: {words}; probability shifts beyond internal variability: {words}.")


@pytest.mark.parametrize(("share", "n_sentences"), [(0.2, 2), (0.0, 1), (None, 1)])
def test_a_single_network_disagrees_with_none(share, n_sentences):
    uncertainty = {"predictors": {"ensemble": {"disagreement_share": share}}, "not_applicable_share": 0.0004}
    lines = _calibration_sentences({}, uncertainty)
    assert len(lines) == n_sentences and lines[-1].startswith("On less than 0.1\u00a0% of the area")
    assert not any("is 0\u00a0% of" in line for line in lines)


def test_a_scenario_is_compared_with_its_baseline_and_one_model_has_no_range():
    row = {
        "run": "M/ssp585/r1",
        "source_id": "M",
        "experiment_id": "ssp585",
        "variant_label": "r1",
        "window": "2081-2100",
        "shared_window": "2081-2100",
        "baseline_window": "1995-2014",
        "baseline": "1995–2014 of historical",
        "predictor": "ensemble",
        "expected_changed_share": 0.123,
        "forced_share": 0.031,
        "shift_share": 0.4,
        "min_probability": 0.5,
        "applicable_share": 1.0,
    }
    experiments = experiment_means([row, row | {"predictor": "bayesian", "expected_changed_share": 0.9}], {})
    expected = _scenarios(experiments)
    assert expected.startswith("ssp585, 2081–2100 against 1995–2014 of historical: the regime change is forced")
    assert "P(change) of at least 50 %) on 3.1 % of the tested area" in expected
    assert "12 % of the area is expected" in expected and "by however little, on 40 %" in expected
    assert "not known: no run of ssp585 has a known truth in 2081-2100" in experiments["ssp585"]["detection"]
    assert "(one climate model)" in expected and "90 %" not in expected
    other = row | {"source_id": "N", "run": "N/ssp585/r1", "expected_changed_share": 0.223}
    assert "17 % of the area" in _scenarios(experiment_means([row, other], {}))
    assert "(12 % to 22 % in two climate models)" in _scenarios(experiment_means([row, other], {}))
    untested = other | {"forced_share": None, "shift_share": None}
    late = row | {"source_id": "P", "window": "2281-2300", "shared_window": "", "expected_changed_share": 0.9}
    found = experiment_means([row, untested, late], {})
    text = _scenarios(found)
    assert text.startswith("ssp585, 2081–2100 against") and "3.1 % of the tested area (one climate model)" in text
    assert "(12 % to 22 % in two climate models)" in text and text.endswith("Left out, without this window: P.")
    assert found["ssp585"]["expected_changed_share"]["mean"] == pytest.approx(0.173)
    assert found["ssp585"]["without_window"] == ["P"] and found["ssp585"]["forced_share"]["n_models"] == 1


def test_years_that_differ_are_those_from_the_start():
    """The truth of such a window is that of all windows: years of one label are others in each model."""
    rows = [
        {
            "source_id": model,
            "experiment_id": "abrupt-4xCO2",
            "window": window,
            "shared_window": "years 21-40",
            "baseline": "the same span of the control run",
            "predictor": "ensemble",
            "expected_changed_share": 0.1,
            "forced_share": None,
            "shift_share": None,
            "min_probability": 0.5,
        }
        for model, window in (("A", "1870-1889"), ("B", "0021-0040"))
    ]
    scores = {kind: {"area_share": 0.1, "precision": 0.5, "recall": 0.5} for kind in ("forced", "shift")}
    skill = {"pooled": {"abrupt-4xCO2": {"all": {"ensemble": {"change": scores}}}}, "runs": {}}
    found = experiment_means(rows, skill)
    assert found["abrupt-4xCO2"]["known_truth"] == scores
    assert _scenarios(found).startswith("abrupt-4xCO2, years 21–40 against the same span of the control run: 10 %")


@pytest.mark.parametrize(
    ("n_tracked", "expected"),
    [
        (None, []),
        (0, ["No archive of climate models is configured, so no scenario was tracked (archive_root in globals.yml)."]),
        (3, ["None of the tracked runs (3) has a baseline, so no change is stated."]),
    ],
)
def test_why_no_change_is_stated(n_tracked, expected):
    """Not tracked at all, which is stated elsewhere; no archive; no run with a baseline."""
    assert scenario_sentences({}, {}, n_tracked) == expected


NOTHING = {"difference": 0.0, "low": -0.01, "high": 0.01, "level": 0.9}


def sentences_on_skill(difference=NOTHING, **balanced):
    """The sentences of an ensemble with balanced accuracy 0.76 and of other predictors, all with accuracy 0.8."""
    score = {"value": 0.8, "low": 0.7, "high": 0.9, "level": 0.9}
    predictors = {
        name: {"accuracy": score, "balanced_accuracy": score | {"value": value}, "area_accuracy": None}
        for name, value in ({"ensemble": 0.76} | balanced).items()
    }
    return skill_sentences(
        {
            "region": "Atlantic sector",
            "n_cells": 100,
            "predictors": predictors,
            "difference_to": dict.fromkeys(balanced, difference),
            "by_ocean": {
                "southern_ocean": {"value": 0.9, "n_cells": 60},
                "arctic_ocean": {"value": 0.5, "n_cells": 40},
            },
        }
    )


def test_predictors_with_a_higher_balanced_accuracy_are_named():
    lines = sentences_on_skill(majority=0.17, gradient_boosting=0.77, stress_curl_tree=0.79)
    assert lines[-1] == (
        "With every regime counted equally (balanced accuracy: the mean recall of the regimes), the ensemble has "
        "0.76, less than gradient boosting 0.77 and a tree on the wind stress curl 0.79."
    )
    assert not any("recall" in line for line in sentences_on_skill(majority=0.17, gradient_boosting=0.75))


def test_without_an_interval_no_difference_is_called_significant_or_not():
    difference = {"difference": 0.012, "low": None, "high": None, "level": 0.9}
    lines = sentences_on_skill(majority=0.17, difference=difference)
    assert lines[2].replace("\u00a0", " ") == (
        "The ensemble differs from the most common regime everywhere by +1.2 percentage points; the test region has "
        "too few blocks of cells for an interval."
    )


def test_skill_is_stated_by_ocean():
    lines = [line.replace("\u00a0", " ") for line in sentences_on_skill(majority=0.17)]
    assert lines[1] == (
        "By ocean within this region, the correct regime is predicted for 90 % of 60 cells of the Southern Ocean and "
        "50 % of 40 cells of the Arctic Ocean."
    )


def test_the_skill_of_changes_is_stated_for_each_predictor():
    scores = {"brier_skill": 0.33, "base_rate": 0.068, "mean_probability": 0.077}
    perfect = {"ssp585": {"bayesian": scores | {"calibration_error_above_tenth": 0.071}, "ensemble": scores}}
    (line,) = scenario_sentences({}, perfect, None)
    assert line.replace("\u00a0", " ") == (
        "In idealized climate models, whose true regimes are known (ssp585, all windows), 6.8 % of the area changed "
        "regime; the ensemble gives a mean probability of 7.7 % (Brier skill 0.33) and the Bayesian network gives a "
        "mean probability of 7.7 % (Brier skill 0.33; mean error where at least 10 %: 7.1 percentage points). A Brier "
        "skill of 1 is perfect, 0 no better than the mean frequency everywhere."
    )


def caveats(**more):
    quiet = {"archive": {"n_runs": 2, "n_read": 2, "not_read": {}, "not_passed": {}}, "n_tracked": 2}
    return caveat_sentences(quiet | {key: {} for key in ("implausible", "not_compared", "not_judged")} | more)


def test_caveats_appear_only_where_there_are_any():
    assert caveats() == []
    assert caveats(implausible={"A/b/r1": "SO absent"}) == [
        "The regimes of 1 of 2 runs are implausible as a whole: A/b/r1 (SO absent). "
        "Check sign, units and grid of their stress, sea level and depth."
    ]
    assert caveats(not_judged={"A/b/r1": "no control run", "A/c/r1": "no control run"}) == [
        "Changes are not tested against internal variability without control windows: A/b/r1, A/c/r1 (no control run)."
    ]
    assert caveats(not_compared={"A/b/r1": "its parent is missing"}) == [
        "No change is stated for runs without a baseline: A/b/r1 (its parent is missing)."
    ]
    archive = {"n_runs": 2, "n_read": 1, "not_read": {"A/b/r1": "no 'zos'"}, "not_passed": {}}
    assert caveats(archive=archive) == ["1 of 2 runs of the archive were read; the others: A/b/r1 (no 'zos')."]


def test_implausible_runs_have_the_objections_of_one_predictor():
    objections = {"bayesian": {"objections": ["SO absent"]}, "ensemble": {"objections": []}}
    calm = {"ensemble": {"objections": []}}
    assert implausible_runs({"plausibility": {"A/b/r1": objections, "A/c/r1": calm}}) == {"A/b/r1": "SO absent"}
    assert implausible_runs({}) == {}


def test_without_clustering_metrics_regimes_are_those_of_the_map():
    flags = {"flag_values": [0, 1], "flag_meanings": "A B"}
    regimes = xr.Dataset(
        {
            "regime": ("y", [0, 1, -1, 1], flags),
            "areacello": ("y", [1.0, 2.0, 9.0, 1.0]),
            "regime_confidence": ("y", [1.0, 0.5, float("nan"), 1.0]),
        }
    )
    expected = regimes_of_map(regimes)
    assert expected["regimes"] == ["A", "B"] and expected["n_cells"] == 3
    assert expected["area_fraction"] == {"A": 0.25, "B": 0.75}
    assert expected["mean_confidence"] == 0.75
    assert expected["n_runs"] is None


def _scenarios(experiments):
    return scenario_sentences(experiments, {}, 1)[0].replace("\u00a0", " ")
