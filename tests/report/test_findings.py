"""Findings in plain words, and limits: made from the numbers, and absent without them."""

import copy

import pytest

from thor.report.findings import findings, limit_sentences
from thor.report.sentences import closing_lines

SCORES = {"value": 0.9, "low": 0.8, "high": 0.95, "level": 0.9}
NUMBERS = {
    "ocean": {"title": "an ocean"},
    "regimes": {"area_fraction": {"A": 0.3, "B": 0.7}, "n_runs": 24, "mean_confidence": 0.99},
    "skill": {
        "region": "Atlantic sector",
        "predictors": {
            "ensemble": {"accuracy": SCORES},
            "stress_curl_tree": {"accuracy": {"value": 0.6}},
            "majority": {"accuracy": {"value": 0.3}},
        },
    },
    "calibration": {
        "ensemble": {
            "after": 0.021,
            "conformal": {"confidence_level": 0.9, "coverage": 0.93, "mean_set_size": 1.43},
        }
    },
    "uncertainty": {"not_applicable_share": 0.032},
    "explanations": {
        "importance": {"lime_weights": {"zos": 1.0}, "shapley_values": {"deptho": 0.25, "wind_stress_curl": 0.75}},
        "faithfulness": {"lime_weights": {"value": 0.5}, "shapley_values": {"value": 0.9}},
        "agreement": {"a and b": {"sign_agreement": 0.8}, "a and c": {"sign_agreement": 0.9}},
        "converged": {"shapley_values": 0.96},
    },
    "experiments": {
        "abrupt-4xCO2": {
            "n_models": 3,
            "window": "1970-1989",
            "forced_share": {"mean": 0.029, "low": 0.022, "high": 0.038, "n_models": 3},
            "expected_changed_share": {"mean": 0.06, "low": 0.05, "high": 0.07, "n_models": 3},
            "known_truth": {"forced": {"precision": 0.78, "recall": 0.46}},
        }
    },
}


@pytest.fixture
def numbers():
    return copy.deepcopy(NUMBERS)


def plain(text):
    return text.replace("\u00a0", " ")


def test_the_findings_are_those_of_the_numbers(numbers):
    found = findings(numbers)
    assert [entry["section"] for entry in found] == ["regimes", "skill", "uncertainty", "explanations", "scenarios"]
    assert [plain(entry["headline"]) for entry in found] == [
        *("2 regimes", "90 % correct", "2.1 points off", "Stress curl first", "2.9 % forced change")
    ]
    texts = [plain(entry["text"]) for entry in found]
    assert "B is the largest with 70 % of the area. On average 99 % of the 24 clustering runs agree." in texts[0]
    assert "the ensemble finds the correct regime in 90 % of the cells (90 % interval 80 to 95 %)" in texts[1]
    assert texts[1].endswith("a tree on the wind stress curl in 60 %.")
    assert "contain it in 93 %, with 1.4 regimes on average. On 3.2 % of the area inputs are unlike" in texts[2]
    assert texts[3].startswith(
        "By Shapley values, stress curl (75 %) contributes most to the predicted regimes, then depth"
    )
    # shares of the magnitude: of cells and features they are lower, since the signs of small values differ most
    assert texts[3].endswith(
        "agree on the sign of 80 % to 90 % of the magnitude. On 4.0 % of the area Shapley values did not converge."
    )
    assert "on 2.9 % of the tested area (2.2 % to 3.8 % in three climate models)" in texts[4]
    assert texts[4].endswith("78 % of the marked area changed, and 46 % of the changes of the tested area are marked.")


def test_models_whose_change_is_not_tested_do_not_count(numbers):
    share = {"mean": 0.5, "low": 0.5, "high": 0.5, "n_models": 1}
    numbers["experiments"]["abrupt-4xCO2"]["forced_share"] = share
    assert "on 50.0 % of the tested area of one climate model." in plain(findings(numbers)[-1]["text"])
    share |= {"n_models": 2}
    text = plain(
        findings(
            {**numbers, "experiments": {"ssp585-gwl2.0": numbers["experiments"]["abrupt-4xCO2"] | {"window": "2.0 K"}}}
        )[-1]["text"]
    )
    assert "In ssp585-gwl2.0 by 2.0 K of warming, the" in text and "50.0 % in two climate models" in text


def test_without_numbers_there_is_no_finding(numbers):
    numbers |= {"calibration": {}, "uncertainty": {}, "explanations": {}, "experiments": {}}
    assert [entry["section"] for entry in findings(numbers)] == ["regimes", "skill"]
    assert len(limit_sentences(numbers)) == 2


def test_what_is_not_known_is_not_claimed(numbers):
    experiment = numbers["experiments"]["abrupt-4xCO2"]
    experiment["known_truth"] = None
    assert findings(numbers)[-1]["text"].endswith("How often this is true is not known.")
    assert limit_sentences(numbers)[-1].endswith("precision and recall of forced regime changes are not known.")
    experiment["forced_share"] = None
    last = findings(numbers)[-1]
    assert (
        plain(last["headline"]) == "6 % expected change" and "not tested against internal variability" in last["text"]
    )
    assert limit_sentences(numbers)[-1] == "abrupt-4xCO2: changes are not tested against internal variability."


def test_marked_areas_without_any_true_change_are_all_wrong(numbers):
    forced = numbers["experiments"]["abrupt-4xCO2"]["known_truth"]["forced"]
    forced |= {"precision": 0.0, "recall": None}
    last = "0 % of the marked area changed, and no regime of the tested area changed."
    assert plain(findings(numbers)[-1]["text"]).endswith(last)
    assert plain(limit_sentences(numbers)[-1]) == (
        "abrupt-4xCO2: no regime of the tested area truly changed, and 100 % of the marked area did not change (test "
        "with known truth)."
    )
    forced |= {"precision": None, "recall": 0.0}
    assert findings(numbers)[-1]["text"].endswith("Where the truth is known, no area is marked.")


def test_the_limits_hold_the_errors_of_the_test_with_known_truth(numbers):
    assert plain(limit_sentences(numbers)[-1]) == (
        "abrupt-4xCO2: forced regime changes miss 54 % of the true changes of the tested area, and 22 % of the "
        "marked area did not change (test with known truth)."
    )


def test_a_single_clustering_run_agrees_with_none(numbers):
    numbers["regimes"]["n_runs"] = 1
    assert "agree" not in findings(numbers)[0]["text"]
    regimes = numbers["regimes"] | {"n_cells": 100}
    nothing = {"perfect_model": {}, "experiments": {}}
    topics = {key: [] for key in ("calibration", "explanations", "scenarios", "caveats", "left_out")}
    skill = numbers["skill"] | {"difference_to": {}}
    summary = nothing | {"regimes": regimes, "skill": skill, "sentences": topics}
    assert closing_lines(summary)[0] == "Regimes: 2 in 100 cells, by area B 70 %, A 30 %."
    regimes["n_runs"] = 24
    assert closing_lines(summary)[0].endswith("A 30 %; 99 % of the 24 clustering runs agree.")


def test_levels_that_are_settings_are_not_rounded(numbers):
    numbers["calibration"]["ensemble"]["conformal"]["confidence_level"] = 0.999
    assert "contain the true regime in 99.9 % of the cells" in plain(findings(numbers)[2]["text"])
