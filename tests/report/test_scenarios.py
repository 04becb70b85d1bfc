"""What the scenario viewer of the page shows of each run."""

import pandas as pd

from thor.figures.tracking_curves import EXPERIMENT_COLOURS
from thor.report.scenarios import scenario_content
from thor.tracking.cells import RUN_FACETS


def areas_of(*experiments):
    facets = dict.fromkeys(RUN_FACETS, "made")
    numbers = dict.fromkeys(("expected_area_m2", "lower", "upper", "change_m2", "change_lower", "change_upper"), 1e12)
    window = {"window": "1850-1869", "window_start": 1850, "window_end": 1869}
    row = facets | numbers | window | {"predictor": "ensemble", "basin": "global", "regime": "MD"}
    return pd.DataFrame([row | {"experiment_id": name} for name in experiments])


def experiments_of(areas):
    return scenario_content({}, {}, areas, skill=None, max_cells=10)["experiments"]


def test_experiments_at_warming_levels_have_the_colour_of_their_experiment_and_a_mark():
    shown = experiments_of(areas_of("ssp585-gwl1.5", "ssp585", "historical", "abrupt-4xCO2-gwl2.0"))
    symbols = {name: entry["symbol"] for name, entry in shown.items()}
    assert symbols == {
        "ssp585-gwl1.5": "diamond-open",
        "ssp585": "circle",
        "historical": "circle",
        "abrupt-4xCO2-gwl2.0": "diamond-open",
    }
    colours = {name: entry["colour"] for name, entry in shown.items()}
    assert colours["ssp585-gwl1.5"] == colours["ssp585"] == EXPERIMENT_COLOURS["ssp585"]
    assert colours["abrupt-4xCO2-gwl2.0"] == EXPERIMENT_COLOURS["abrupt-4xCO2"]


def test_every_unknown_experiment_has_a_colour_of_its_own():
    shown = experiments_of(areas_of("historical", "ssp460", "ssp460-gwl2.0", "mine"))
    colours = {name: entry["colour"] for name, entry in shown.items()}
    assert colours["ssp460"] == colours["ssp460-gwl2.0"] and len(set(colours.values())) == 3


def test_without_an_archive_there_are_no_experiments():
    assert experiments_of(pd.DataFrame()) == {}
