"""Scenarios of ScenarioMIP on an archive of their whole length: windows that cross into them, baselines and levels."""

import numpy as np
import pytest

from tests.ocean.idealized.conftest import SETTINGS
from thor.core.checkpoint import NoCheckpoint
from thor.ocean.idealized.air_temperature import true_global_temperature
from thor.ocean.idealized.archive import idealized_archive
from thor.ocean.idealized.archive_settings import ArchiveSettings, ClimateModelSettings
from thor.ocean.idealized.scenarios import runs_of
from thor.reading.archive import Archive
from thor.reading.climatology import climatology
from thor.reading.global_temperature import global_temperature, plan_temperatures
from thor.reading.plans import plan_runs
from thor.reading.warming_levels import find_levels, level_windows
from thor.reading.windows import ClimatologySettings, Window, WindowSettings

SEED = 3
ALL = {"source_ids": "all", "experiment_ids": "all", "variant_labels": "all"}
MEMBERS = ("r1i1p1f1", "r2i1p1f1", "r3i1p1f1")
"""Historical 1850-2014, two scenarios to 2100, three members each, of one small model."""
ARCHIVE = ArchiveSettings(
    models=(ClimateModelSettings(source_id="IDEAL-10", ocean=SETTINGS.replace(resolution_degrees=10.0)),),
    experiments=("piControl", "historical", "ssp126", "ssp585"),
    scenario_members=3,
    transports=(),
)
LEVELS = (1.5, 2.0, 3.0, 4.0)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenarios")
    for name, (_, make) in idealized_archive(ARCHIVE, seed=SEED).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make().to_netcdf(path)
    return Archive(root)


def settings(**windows):
    return ClimatologySettings(windows=WindowSettings(**windows), masked_basins=())


def plans(archive, windows, levels=None):
    found = plan_runs(archive, archive.runs(**ALL), windows, missing="skip", levels=levels)
    return {plan.run.key.removeprefix("IDEAL-10/"): plan for plan in found}


def test_windows_cross_from_historical_into_each_scenario_of_each_member(archive):
    found = plans(archive, WindowSettings(years=[(1985, 2004), (2005, 2024), (2081, 2100)]))
    for member in MEMBERS:
        assert [str(window) for window in found[f"historical/{member}"].windows] == ["1985-2004", "1995-2014"]
        for scenario in ("ssp126", "ssp585"):
            plan = found[f"{scenario}/{member}"]
            assert [str(window) for window in plan.windows] == ["2005-2024", "2081-2100"]
            assert {str(baseline) for baseline in plan.baselines.values()} == {"1995-2014"}
            assert plan.parent.run.key == f"IDEAL-10/historical/{member}"
    control = found["piControl/r1i1p1f1"]
    assert len(control.windows) >= 7, "consecutive, for internal variability"


def test_both_halves_of_a_crossing_window_have_their_weight(archive):
    of_window = settings(years=[(2005, 2024)])
    crossing = climatology(plans(archive, of_window.windows)["ssp585/r2i1p1f1"], of_window, NoCheckpoint())
    halves = []
    for experiment, years in (("historical", (2005, 2014)), ("ssp585", (2015, 2024))):
        of_half = settings(years=[years])
        plan = plans(archive, of_half.windows)[f"{experiment}/r2i1p1f1"]
        halves.append(climatology(plan, of_half, NoCheckpoint()).sel(window="{}-{}".format(*years)))
    for name in ("zos", "tauuo"):
        mean = (halves[0][name] + halves[1][name]) / 2
        # no leap days in this calendar
        np.testing.assert_allclose(crossing[name].isel(window=0), mean, atol=1e-7)


def test_levels_are_those_of_the_true_temperature(archive):
    windows = WindowSettings(warming_levels=LEVELS)
    made = {plan.run.key: global_temperature(plan) for plan in plan_temperatures(archive, archive.runs(**ALL))}
    table = find_levels({key: lambda key=key: made[key] for key in made}, {}, windows)
    truth = {
        run.key: true_global_temperature(run).reshape(-1, 12).mean(axis=1)
        for run in runs_of(ARCHIVE, ARCHIVE.models[0], seed=SEED)
    }
    assert len(table) == len(LEVELS) * 9
    reached = 0
    for row in table[table["experiment_id"] != "historical"].to_dict("records"):
        run = f"IDEAL-10/{row['experiment_id']}/{row['variant_label']}"
        historical = truth[f"IDEAL-10/historical/{row['variant_label']}"]
        warming = np.concatenate([historical, truth[run]]) - historical[:51].mean()
        means = np.convolve(warming, np.full(20, 1 / 20), mode="valid")
        passed = np.flatnonzero(means >= row["level"])
        if not passed.size:
            assert row["status"] == "not reached"
            continue
        reached += 1
        assert row["status"] == "reached"
        # months of 28 to 31 days, and values to 0.01 K: at most a year apart where a mean is that near the level
        assert abs(row["first_year"] - (1850 + passed[0])) <= 1
        assert row["warming"] == pytest.approx(means[row["first_year"] - 1850], abs=0.01)
    assert reached >= 9, "three members of ssp585 reach three levels at least"


def test_each_level_is_one_more_experiment_with_the_baseline_of_its_run(archive):
    windows = WindowSettings(warming_levels=(2.0,))
    made = {plan.run.key: global_temperature(plan) for plan in plan_temperatures(archive, archive.runs(**ALL))}
    table = find_levels({key: lambda key=key: made[key] for key in made}, {}, windows)
    found = plans(archive, windows, level_windows(table))
    for member in MEMBERS:
        plan = found[f"ssp585-gwl2.0/{member}"]
        assert (len(plan.windows), plan.warming_level) == (1, 2.0)
        assert str(plan.baselines[plan.windows[0]]) == "1995-2014"
        assert plan.parent.run.key == f"IDEAL-10/historical/{member}"
    assert not any(key.startswith("ssp126-gwl") for key in found)


def test_a_level_reached_before_a_run_begins_is_none_of_its_own(archive, caplog):
    """As in a table that gives the same early window for every scenario."""
    windows = {1.0: Window(1990, 2009), 1.25: Window(1996, 2015)}
    of_run = {run: windows for run in archive.runs(**ALL) if run.key.endswith("r1i1p1f1") and "Control" not in run.key}
    found = plans(archive, WindowSettings(warming_levels=(1.0, 1.25)), of_run)
    at_level = {key for key in found if "-gwl" in key}
    assert at_level == {f"{name}/r1i1p1f1" for name in ("historical-gwl1.0", "ssp126-gwl1.25", "ssp585-gwl1.25")}
    sentence = "the window 1990-2009 at 1 K ends before 2015, where the run begins"
    assert found["ssp585/r1i1p1f1"].warnings == found["ssp126/r1i1p1f1"].warnings == (sentence,)
    assert caplog.text.count(sentence) == 2
