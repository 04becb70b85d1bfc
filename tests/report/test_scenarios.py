"""What the page shows of each run: the window in which changes are compared, the map of its grid, and its curves."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from thor.figures.tracking_curves import EXPERIMENT_COLOURS
from thor.report.scenarios import change_table, experiment_means, scenario_content
from thor.tracking.cells import RUN_FACETS
from thor.tracking.shared_window import LAST, compared_windows


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


def test_curves_are_drawn_at_the_middle_of_their_windows():
    """From the beginning of 1850 to the end of 1869, as in the figure of areas."""
    (curve,) = scenario_content({}, {}, areas_of("historical"), skill=None, max_cells=10)["areas"]
    assert curve["years"] == [1860.0]


def test_without_an_archive_there_are_no_experiments():
    assert experiments_of(pd.DataFrame()) == {}


def make_run(starts, *, experiment="ssp585", shape=(4, 6), changes=None):
    """A run with windows of 20 years from these years, in each of which this share of all cells changes regime."""
    n = len(starts)
    lat, lon = np.linspace(-60.0, 60.0, shape[0]), np.arange(shape[1]) * 360.0 / shape[1]
    grid, dims = np.ones(shape), ("predictor", "window", "lat", "lon")
    probability = np.broadcast_to(np.array(changes or [0.1] * n, float)[None, :, None, None], (1, n, *shape))
    labels = [f"{start}-{start + 19}" for start in starts]
    flags = {"flag_values": np.arange(2, dtype="int8"), "flag_meanings": "north south"}
    return xr.Dataset(
        {
            "regime": (dims, np.zeros((1, n, *shape), "int8"), flags),
            "baseline_regime": (dims, np.zeros((1, n, *shape), "int8"), flags),
            "change_probability": (dims, probability),
            **{name: (dims, np.ones((1, n, *shape), "int8")) for name in ("forced_change", "forced_shift")},
            "applicable": (dims, np.ones((1, n, *shape), "int8")),
        },
        coords={
            "window": labels,
            "window_start": ("window", list(starts)),
            "window_end": ("window", [start + 19 for start in starts]),
            "baseline_window": ("window", ["1995-2014"] * n),
            "predictor": ["ensemble"],
            "lat": lat,
            "lon": lon,
            "valid": (("lat", "lon"), grid.astype("int8")),
            "areacello": (("lat", "lon"), grid),
        },
        attrs={"experiment_id": experiment, "parent": "A/historical/r1", "min_probability": 0.5},
    )


def test_changes_are_those_of_the_window_that_most_models_have():
    made = {
        "A/ssp585/r1": make_run([2081], changes=[0.1]),
        "B/ssp585/r1": make_run([2081, 2281], changes=[0.2, 0.9]),
        "C/ssp585/r1": make_run([2041], changes=[0.4]),
    }
    runs = {key: lambda run=run: run for key, run in made.items()}
    rows = [*change_table(runs, {key: compared_windows(run, LAST) for key, run in made.items()})]
    assert [row["window"] for row in rows] == ["2081-2100", "2081-2100", "2041-2060"]
    assert [row["shared_window"] for row in rows] == ["2081-2100", "2081-2100", ""]
    assert [row["expected_changed_share"] for row in rows] == pytest.approx([0.1, 0.2, 0.4])


@pytest.mark.parametrize("shapes", [((8, 12), (4, 6)), ((4, 6), (8, 12))])
def test_each_grid_of_a_model_has_its_own_map(shapes):
    experiments = ("ssp126", "ssp245", "ssp585")
    made = {
        f"A/{name}/r1": make_run([2081], experiment=name, shape=shape)
        for name, shape in zip(experiments, (*shapes, shapes[0]), strict=True)
    }
    runs = {key: lambda run=run: run for key, run in made.items()}
    content = scenario_content(runs, {}, pd.DataFrame(), skill=None, max_cells=20000)
    assert [run["grid"] for run in content["runs"]] == ["A", "A/2", "A"]
    sizes = [content["grids"][run["grid"]]["n_cells"] for run in content["runs"]]
    assert sizes == [made[key]["valid"].size for key in sorted(made)]
    assert [run["regime"]["shape"][1] for run in content["runs"]] == sizes


def test_members_of_another_forcing_are_in_no_mean():
    labels = {"r1i1p1f1": 0.1, "r2i1p1f1": 0.1, "r1i1p2f1": 0.7}
    made = {f"A/ssp585/{label}": make_run([2081], changes=[change]) for label, change in labels.items()}
    runs = {key: lambda run=run: run for key, run in made.items()}
    rows = [*change_table(runs, {key: compared_windows(run, LAST) for key, run in made.items()})]
    assert {row["variant_label"]: row["shared_window"] for row in rows} == {
        "r1i1p1f1": "2081-2100",
        "r2i1p1f1": "2081-2100",
        "r1i1p2f1": "",
    }
    mean = experiment_means(rows, {})["ssp585"]["expected_changed_share"]
    assert mean["mean"] == pytest.approx(0.1)
