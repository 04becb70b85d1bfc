"""Sentences: places, comparisons and orders in words."""

import pytest
import xarray as xr

from thor.report.scenarios import baseline_in_words
from thor.report.sentences import _say_scenarios, in_order
from thor.report.summary import _experiments, _test_region


@pytest.mark.parametrize(
    ("regions", "told"),
    [
        ("atlantic: test, 280E to 20E; west_indian: select, 60E to 72E", "Atlantic (80°\u00a0W to 20°\u00a0E)"),
        ("north_sea: test, 0E to 10E, 50N to 60N", "North Sea (0°\u00a0E to 10°\u00a0E, 50°\u00a0N to 60°\u00a0N)"),
        ("ross: test, 170E to 200E, -78N to -60N", "Ross (170°\u00a0E to 160°\u00a0W, 78°\u00a0S to 60°\u00a0S)"),
        ("pacific: test; a: select, 0E to 9E", "Pacific"),
        ("", "test cells"),
    ],
)
def test_a_region_is_told_with_its_extent(regions, told):
    assert _test_region(xr.Dataset(attrs={"regions": regions})) == told


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"baseline": "parallel segment", "parent": "M/piControl/r1"}, "the same span of the control run"),
        ({"baseline": "reference window", "parent": "M/historical/r1"}, "1995–2014 of historical"),
        ({}, "1995–2014 of its parent run"),
    ],
)
def test_a_baseline_is_told_as_what_it_is(attributes, told):
    assert baseline_in_words(xr.Dataset(attrs=attributes), "1995-2014") == told


def test_entries_follow_the_given_order_and_none_is_lost():
    assert list(in_order({"a": 1, "b": 2, "c": 3}, ["c", "x", "a"])) == ["c", "a", "b"]


def test_a_scenario_is_told_against_its_own_baseline_and_one_model_is_no_range():
    row = {
        "run": "M/ssp585/r1",
        "source_id": "M",
        "experiment_id": "ssp585",
        "variant_label": "r1",
        "window": "2081-2100",
        "baseline_window": "1995-2014",
        "baseline": "1995–2014 of historical",
        "predictor": "ensemble",
        "expected_changed_share": 0.123,
        "forced_share": 0.4,
        "applicable_share": 1.0,
    }
    experiments = _experiments([row, row | {"predictor": "bayesian", "expected_changed_share": 0.9}])
    told = _scenarios(experiments)
    assert told.startswith("ssp585, 2081–2100 against 1995–2014 of historical: 12 % of the area is expected")
    assert "(one climate model)" in told and "90 %" not in told
    other = row | {"source_id": "N", "run": "N/ssp585/r1", "expected_changed_share": 0.223}
    assert "17 % of the area" in _scenarios(_experiments([row, other]))
    assert "(12 % to 22 % in 2 climate models)" in _scenarios(_experiments([row, other]))


def _scenarios(experiments):
    return _say_scenarios(experiments, {})[0].replace("\u00a0", " ")
