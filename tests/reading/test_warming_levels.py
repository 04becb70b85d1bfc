"""Levels of global warming: which window passes them, over which reference, and wrong tables."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from thor.core.errors import ConfigError
from thor.reading.runs import Run, without_level
from thor.reading.warming_levels import find_levels, given_levels, level_windows, warming_of_runs
from thor.reading.windows import Window, WindowSettings

SETTINGS = WindowSettings(warming_levels=(0.5, 1.5, 2.0, 4.0), length_years=20)
CONTROL, HISTORICAL, SCENARIO = (f"M/{name}/r1i1p1f1" for name in ("piControl", "historical", "ssp585"))


def run(first, values, parent):
    year = np.arange(first, first + len(values))
    dataset = xr.Dataset({"tas": ("year", np.asarray(values, dtype=float))}, coords={"year": year})
    return lambda: dataset.assign_attrs(parent=parent)


@pytest.fixture
def temperatures():
    """Historical without warming until 1900 and 0.5 K in 1950-2014, and a scenario that warms by 0.04 K a year."""
    historical = np.full(165, 287.0)
    historical[100:] = 287.5
    return {
        CONTROL: run(1, np.full(140, 286.0), ""),
        HISTORICAL: run(1850, historical, CONTROL),
        SCENARIO: run(2015, 287.5 + 0.04 * np.arange(86), HISTORICAL),
        "M/1pctCO2/r1i1p1f1": run(1850, 286.0 + 0.03 * np.arange(140), CONTROL),
        "M/abrupt-4xCO2/r1i1p1f1": run(1850, np.full(140, 290.5), CONTROL),
    }


def rows_of(table, experiment):
    return table[table["experiment_id"] == experiment].set_index("level")


def test_the_first_window_as_warm_is_that_of_the_level(temperatures):
    rows = rows_of(find_levels(temperatures, {}, SETTINGS), "ssp585")
    # mean over 20 years from year y of the scenario: 0.5 + 0.04 (y + 9.5); 1.5 K at y = 16 of 2015
    assert (rows.loc[1.5, "first_year"], rows.loc[1.5, "last_year"]) == (2031, 2050)
    assert rows.loc[1.5, "warming"] == pytest.approx(0.5 + 0.04 * (16 + 9.5))
    assert rows.loc[2.0, "first_year"] == 2015 + 28
    assert rows.loc[0.5, "status"] == "reached before"
    assert rows.loc[4.0, "status"] == "not reached"
    assert rows.loc[4.0, "warming"] == pytest.approx(0.5 + 0.04 * (66 + 9.5))
    assert set(rows["reference"]) == {f"1850-1900 of {HISTORICAL}"}
    historical = rows_of(find_levels(temperatures, {}, SETTINGS), "historical")
    assert (historical.loc[0.5, "status"], historical.loc[0.5, "first_year"]) == ("reached", 1950)


def test_scenarios_of_cmip7_warm_over_their_own_historical_run(temperatures):
    historical, scenario = "M/esm-hist/r1i1p1f1", "M/esm-scen7-h/r1i1p1f1"
    of_scenario = temperatures[SCENARIO]().assign_attrs(parent=historical)
    found = find_levels({historical: temperatures[HISTORICAL], scenario: lambda: of_scenario}, {}, SETTINGS)
    ssp = rows_of(find_levels(temperatures, {}, SETTINGS), "ssp585")
    rows = rows_of(found, "esm-scen7-h")
    assert rows["first_year"].equals(ssp["first_year"])
    assert set(rows["reference"]) == {f"1850-1900 of {historical}"}
    assert Run("M", "esm-scen7-h", "r1i1p1f1").at_level(1.5).key == "M/esm-scen7-h-gwl1.5/r1i1p1f1"


def test_a_window_may_begin_in_historical(temperatures):
    table = find_levels(temperatures, {}, SETTINGS.replace(warming_levels=(0.6,)))
    row = rows_of(table, "ssp585").loc[0.6]
    # k years of the scenario in the window: 0.04 k (k - 1) / 2 / 20 >= 0.1, so k = 11
    assert (row["status"], row["first_year"], row["last_year"]) == ("reached", 2006, 2025)
    assert level_windows(table)[Run("M", "ssp585", "r1i1p1f1")] == {0.6: Window(2006, 2025)}


def test_runs_that_name_one_another_as_parents_keep_their_own_years(temperatures):
    historical = temperatures[HISTORICAL]().assign_attrs(parent=SCENARIO)
    rows = rows_of(find_levels(temperatures | {HISTORICAL: lambda: historical}, {}, SETTINGS), "ssp585")
    assert rows.loc[1.5, "first_year"] == 2031 and set(rows["reference"]) == {f"1850-1900 of {HISTORICAL}"}


def test_without_historical_warming_is_over_the_control_run(temperatures):
    table = find_levels(temperatures, {}, SETTINGS)
    rows = rows_of(table, "1pctCO2")
    # its own years 1850-1900 are no reference: 0.03 (y + 9.5) over the control run
    assert rows.loc[1.5, "first_year"] == 1850 + 41
    assert set(rows["reference"]) == {CONTROL}
    abrupt = rows_of(table, "abrupt-4xCO2")
    assert set(abrupt["status"]) == {"above at the start"}
    assert Run("M", "abrupt-4xCO2", "r1i1p1f1") not in level_windows(table)
    assert "piControl" not in set(table["experiment_id"])


def test_runs_without_reference_or_temperature_are_named(temperatures):
    cut = temperatures[HISTORICAL]().sel(year=slice(1870, None))
    temperatures[HISTORICAL] = lambda: cut
    del temperatures[CONTROL]
    table = find_levels(temperatures, {"N/ssp585/r1i1p1f1": "no tas"}, SETTINGS)
    assert set(rows_of(table[table["source_id"] == "M"], "ssp585")["status"]) == {"no reference"}
    assert set(rows_of(table, "1pctCO2")["status"]) == {"no reference"}
    # the temperature may end before the run, or begin after it: its years are given
    assert set(table[table["source_id"] == "M"]["reason"]) >= {"tas has the years 1870 to 2100"}
    without = table[table["source_id"] == "N"]
    assert (set(without["status"]), set(without["reason"])) == ({"no temperature"}, {"no tas"})
    assert level_windows(table) == {}


def test_a_gap_before_a_scenario_leaves_its_own_years(temperatures):
    late = temperatures[SCENARIO]().sel(year=slice(2017, None))
    temperatures[SCENARIO] = lambda: late
    warming = warming_of_runs(temperatures, SETTINGS)[SCENARIO]
    assert (warming.years[0], warming.first_own_year) == (2017, 2017)
    assert warming.reference == f"1850-1900 of {HISTORICAL}"
    assert warming.values[0] == pytest.approx(0.5 + 0.04 * 2)


def given(path, text):
    path.write_text("source_id,experiment_id,variant_label,level,year\n" + text, encoding="utf-8")
    return path


def test_a_table_gives_the_central_year(tmp_path):
    path = given(tmp_path / "levels.csv", "M,ssp585,r1i1p1f1,1.5,2027\nM,ssp585,r1i1p1f1,2.0,2039\n")
    runs = [Run("M", name, "r1i1p1f1") for name in ("piControl", "historical", "ssp585")]
    table = given_levels(path, runs, SETTINGS)
    assert level_windows(table) == {runs[2]: {1.5: Window(2017, 2036), 2.0: Window(2029, 2048)}}
    assert set(rows_of(table, "historical")["status"]) == {"not in the table"}
    assert set(table["reference"]) == {"levels.csv"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("M,ssp585,r1i1p1f1,warm,2027\n", "line 2: level is 'warm'; expected a number of kelvin"),
        ("M,ssp585,r1i1p1f1,1.5,2027.5\n", "line 2: year is .*2027.5.*; expected a whole year"),
        ("M,ssp585,r1i1p1f1,1.5,2027\nM,ssp585,r1i1p1f1,1.5,2028\n", "level 1.5 K of M/ssp585/r1i1p1f1 twice"),
        ("M,ssp585,r1i1p1f1,1.5,2040\nM,ssp585,r1i1p1f1,2.0,2039\n", "passes a higher level before a lower one"),
    ],
)
def test_wrong_tables_are_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        given_levels(given(tmp_path / "levels.csv", text), [], SETTINGS)


def test_a_table_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"levels.csv does not exist. Correct .*warming_level_table"):
        given_levels(tmp_path / "levels.csv", [], SETTINGS)
    (tmp_path / "levels.csv").write_text("model,level\nM,1.5\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has no column source_id, experiment_id, variant_label, year; expected"):
        given_levels(tmp_path / "levels.csv", [], SETTINGS)


@pytest.mark.parametrize("levels", [(2.0, 1.5), (1.5, 1.5), (1.5, 1.55)])
def test_levels_whose_windows_would_be_one_are_refused(levels):
    with pytest.raises(ConfigError, match="not ascending or less than 0.1 K apart"):
        SETTINGS.replace(warming_levels=levels)


def test_runs_are_named_after_their_level():
    run = Run("M", "ssp585", "r1i1p1f1")
    assert run.at_level(2.0).key == "M/ssp585-gwl2.0/r1i1p1f1"
    keys = [run.at_level(level).key for level in (1, 1.05, 1.15, 1.25)]
    assert keys == [f"M/ssp585-gwl{level}/r1i1p1f1" for level in ("1.0", "1.05", "1.15", "1.25")]
    assert {without_level(key) for key in keys} == {run.key}
    assert without_level(run.at_level(2.0).key) == without_level(run.key) == run.key


def test_an_empty_table_has_its_columns():
    table = find_levels({}, {}, SETTINGS)
    assert isinstance(table, pd.DataFrame)
    assert level_windows(table) == {}
    assert {"level", "status", "first_year"} <= set(table)
