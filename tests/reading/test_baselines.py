"""Baselines of runs: the parallel control segment, or a window of historical."""

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.made_archive import write_run
from thor.core.errors import DataError
from thor.reading.archive import Archive
from thor.reading.baselines import before_and_after
from thor.reading.plans import plan_runs
from thor.reading.quirks import Quirks
from thor.reading.windows import Window

BRANCH = {
    "parent_experiment_id": "piControl",
    "parent_source_id": "MADE-1",
    "parent_variant_label": "r1i1p1f1",
    "parent_time_units": "days since 0001-01-01-00-00-00",
    "branch_time_in_child": 0.0,
}


def branch_time(year, calendar="noleap"):
    return float(
        cftime.date2num(cftime.datetime(year, 1, 1, calendar=calendar), "days since 0001-01-01", calendar=calendar)
    )


def plans(root, windows, experiments=("1pctCO2",), quirks=None, missing="error"):
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids=experiments, variant_labels="all")
    return {plan.run.experiment_id: plan for plan in plan_runs(archive, runs, windows, quirks=quirks, missing=missing)}


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "gregorian"])
def test_the_parallel_control_segment_comes_with_the_run(tmp_path, windows, calendar):
    write_run(tmp_path, experiment_id="piControl", first=1, last=9, calendar=calendar)
    attrs = BRANCH | {"branch_time_in_parent": branch_time(4, calendar)}
    write_run(tmp_path, experiment_id="1pctCO2", calendar=calendar, attrs=attrs)
    found = plans(tmp_path, windows)
    baselines = {str(window): str(baseline) for window, baseline in found["1pctCO2"].baselines.items()}
    assert baselines == {"1850-1851": "0004-0005", "1852-1853": "0006-0007"}
    # windows of the run, with those of its child between them
    control = [str(window) for window in found["piControl"].windows]
    assert control == ["0001-0002", "0003-0004", "0004-0005", "0005-0006", "0006-0007", "0007-0008"]


@pytest.mark.parametrize(("given", "baseline"), [(None, "0200-0201"), (198, "0198-0199")])
def test_the_branch_time_in_the_parent_is_in_the_calendar_of_the_parent(tmp_path, windows, given, baseline):
    write_run(tmp_path, experiment_id="piControl", first=195, last=209, calendar="360_day")
    attrs = BRANCH | {"branch_time_in_parent": branch_time(200, "360_day")}
    write_run(tmp_path, experiment_id="1pctCO2", calendar="noleap", attrs=attrs)
    quirks = {"MADE-1": Quirks(branch_years={"1pctCO2": given})} if given else None
    plan = plans(tmp_path, windows, quirks=quirks)["1pctCO2"]
    assert str(plan.baselines[Window(1850, 1851)]) == baseline
    assert plan.parent.year_in_child == 1850 and not plan.warnings


def test_the_branch_of_cmip5_is_in_the_time_of_the_parent_that_its_attributes_name(tmp_path, windows):
    write_run(tmp_path, experiment_id="piControl", first=195, last=209)
    for path in tmp_path.rglob("*_Omon_*piControl*.nc"):
        with netCDF4.Dataset(path, "a") as file:  # days since 0150 in place of 1850
            file["time"].units = "days since 0150-01-01"
            for name in ("time", "time_bnds"):
                file[name][:] += 365 * 1700
    attrs = {"parent_experiment_id": "piControl", "parent_experiment_rip": "r1i1p1f1", "branch_time": 365.0 * 50}
    write_run(tmp_path, experiment_id="1pctCO2", variant_label="r2i1p1f1", attrs=attrs)
    plan = plans(tmp_path, windows)["1pctCO2"]
    assert plan.parent.run.variant_label == "r1i1p1f1" and plan.warnings == ()
    assert {str(window): str(baseline) for window, baseline in plan.baselines.items()} == {
        "1850-1851": "0200-0201",
        "1852-1853": "0202-0203",
    }


def test_a_first_file_without_attributes_costs_no_baseline(tmp_path, windows):
    write_run(tmp_path, experiment_id="piControl", first=1, last=9)
    write_run(tmp_path, experiment_id="1pctCO2", attrs=BRANCH | {"branch_time_in_parent": branch_time(4)})
    for first in (min(tmp_path.rglob(f"{name}_Omon_*1pctCO2*.nc")) for name in ("zos", "tauuo", "tauvo")):
        with netCDF4.Dataset(first, "a") as file:
            for name in file.ncattrs():
                file.delncattr(name)
    assert len(plans(tmp_path, windows)["1pctCO2"].baselines) == 2


def test_a_scenario_is_compared_with_a_window_of_historical(root, windows):
    attrs = BRANCH | {"parent_experiment_id": "historical"}
    write_run(root, experiment_id="ssp585", first=1854, last=1857, fixed=False, attrs=attrs)
    found = plans(root, windows, experiments=["ssp585"])
    assert {str(baseline) for baseline in found["ssp585"].baselines.values()} == {"1852-1853"}
    assert set(found) == {"ssp585", "historical"}


def test_the_window_that_scenarios_are_compared_with_has_a_baseline_in_the_control_run(tmp_path, windows):
    write_run(tmp_path, experiment_id="piControl", first=1, last=9)
    write_run(tmp_path, attrs=BRANCH | {"branch_time_in_parent": branch_time(4)}, fixed=False)
    attrs = BRANCH | {"parent_experiment_id": "historical"}
    write_run(tmp_path, experiment_id="ssp585", first=1854, last=1857, fixed=False, attrs=attrs)
    given = windows.replace(years=[(1850, 1850), (1856, 1857)], reference_years=(1852, 1853))
    found = plans(tmp_path, given, experiments=["historical", "ssp585"])
    baselines = {str(window): str(baseline) for window, baseline in found["historical"].baselines.items()}
    assert baselines == {"1850-1850": "0004-0004", "1852-1853": "0006-0007"}
    assert Window(6, 7) in found["piControl"].windows


@pytest.mark.parametrize("prefix", ["", "esm-"])
def test_scenarios_of_cmip7_continue_the_historical_run_that_their_attributes_name(root, windows, prefix):
    historical = f"{prefix}hist" if prefix else "historical"
    names = [f"{prefix}scen7-{name}" for name in ("h", "hl", "m", "ml", "l", "ln", "vl")]
    if prefix:
        write_run(root, experiment_id=historical, attrs=BRANCH | {"branch_time_in_parent": 0.0}, fixed=False)
    for experiment in names:
        attrs = BRANCH | {"parent_experiment_id": historical}
        write_run(root, experiment_id=experiment, first=1854, last=1857, fixed=False, attrs=attrs)
    found = plans(root, windows.replace(years=[(1853, 1854), (1856, 1857)]), experiments=names, missing="skip")
    assert set(found) == {historical, *names}
    for experiment in names:
        plan = found[experiment]
        assert [str(window) for window in plan.windows] == ["1853-1854", "1856-1857"]
        assert {str(baseline) for baseline in plan.baselines.values()} == {"1852-1853"}
        assert (plan.parent.run.experiment_id, plan.parent.is_control) == (historical, False)


def test_a_scenario_of_a_scenario_is_compared_with_historical(root, windows):
    """As ssp534-over, which branches off ssp585: the reference years lie in the run before."""
    for experiment, parent, first in (("ssp585", "historical", 1854), ("ssp534-over", "ssp585", 1856)):
        attrs = BRANCH | {"parent_experiment_id": parent}
        write_run(root, experiment_id=experiment, first=first, last=first + 3, fixed=False, attrs=attrs)
    found = plans(root, windows, experiments=["ssp534-over"], missing="skip")
    over = found["ssp534-over"]
    assert over.parent.run.experiment_id == "historical"
    assert {str(baseline) for baseline in over.baselines.values()} == {"1852-1853"}
    assert [str(w) for w in over.windows] == ["1856-1857", "1858-1859"]
    crossing = plans(root, windows.replace(years=[(1853, 1856)]), experiments=["ssp534-over"])["ssp534-over"]
    assert [str(w) for w in crossing.windows] == ["1853-1856"]
    assert {file.attrs["experiment_id"] for file in crossing.series["zos"].files} == {
        *("historical", "ssp585", "ssp534-over")
    }


@pytest.mark.parametrize("parent", ["historical", "ssp585"])
def test_runs_that_name_themselves_or_one_another_as_parents_come_to_an_end(root, windows, caplog, parent):
    for path in (root / "CMIP6").rglob("*_historical_*.nc"):
        with netCDF4.Dataset(path, "a") as file:
            file.parent_experiment_id = parent
    attrs = BRANCH | {"parent_experiment_id": "historical"}
    write_run(root, experiment_id="ssp585", first=1854, last=1857, fixed=False, attrs=attrs)
    windows = windows.replace(reference_years=(1840, 1841))
    found = plans(root, windows, ("historical", "ssp585"), missing="skip")
    assert {name: len(plan.windows) for name, plan in found.items()} == {"historical": 2, "ssp585": 2}
    assert ("historical/r1i1p1f1: its files name it as its own parent" in caplog.text) == (parent == "historical")


def test_segments_the_control_run_does_not_cover_are_named(tmp_path, windows, caplog):
    write_run(tmp_path, experiment_id="piControl", first=1, last=4)
    write_run(tmp_path, experiment_id="1pctCO2", attrs=BRANCH | {"branch_time_in_parent": branch_time(3)})
    found = plans(tmp_path, windows)
    assert [str(window) for window in found["1pctCO2"].baselines] == ["1850-1851"]
    assert "the baselines of 1 of the 2 windows lie outside MADE-1/piControl/r1i1p1f1" in caplog.text


@pytest.mark.parametrize("name", ["", "N/A", "none"])
def test_a_parent_without_a_name_is_of_the_same_model_and_variant(tmp_path, windows, name):
    write_run(tmp_path, experiment_id="piControl", first=1, last=9)
    unnamed = {"parent_source_id": name, "parent_variant_label": name, "branch_time_in_parent": branch_time(4)}
    write_run(tmp_path, experiment_id="1pctCO2", attrs=BRANCH | unnamed)
    assert [str(baseline) for baseline in plans(tmp_path, windows)["1pctCO2"].baselines.values()] == [
        "0004-0005",
        "0006-0007",
    ]


def test_a_missing_parent_is_named(tmp_path, windows, caplog):
    write_run(tmp_path, experiment_id="1pctCO2", attrs=BRANCH | {"branch_time_in_parent": branch_time(3)})
    assert plans(tmp_path, windows)["1pctCO2"].baselines == {}
    assert "its parent MADE-1/piControl/r1i1p1f1 is not in the archive" in caplog.text


def test_a_branch_without_time_is_an_error_that_the_quirk_table_corrects(tmp_path, windows):
    write_run(tmp_path, experiment_id="piControl", first=1, last=9)
    write_run(tmp_path, experiment_id="1pctCO2", attrs=BRANCH)
    with pytest.raises(DataError, match="do not say when. Give branch_years"):
        plans(tmp_path, windows)
    assert plans(tmp_path, windows, missing="skip")["1pctCO2"].baselines == {}
    found = plans(tmp_path, windows, quirks={"MADE-1": Quirks(branch_years={"1pctCO2": 2})})
    assert [str(baseline) for baseline in found["1pctCO2"].baselines.values()] == ["0002-0003", "0004-0005"]


@pytest.mark.parametrize("time", ["1095", "1095.D0", "1095.0D", "1.095d+3 ", "10950e-1"])
def test_branch_times_as_other_languages_write_them(tmp_path, windows, time):
    write_run(tmp_path, experiment_id="piControl", first=1, last=9)
    write_run(tmp_path, experiment_id="1pctCO2", attrs=BRANCH | {"branch_time_in_parent": time})
    assert [str(baseline) for baseline in plans(tmp_path, windows)["1pctCO2"].baselines.values()] == [
        "0004-0005",
        "0006-0007",
    ]


@pytest.mark.parametrize(
    "attrs",
    [
        *({"branch_time_in_parent": time} for time in ("N/A", "36500.0 D", 1e20, np.nan, np.array([36500.0, 1.0]))),
        *({"parent_time_units": units} for units in ("", "N/A since", "days since 0000-00-00 (noleap)", 1850)),
    ],
)
def test_a_branch_time_that_is_no_date_costs_only_the_baseline(tmp_path, windows, caplog, attrs):
    write_run(tmp_path, experiment_id="piControl", first=1, last=9)
    write_run(tmp_path, experiment_id="1pctCO2", attrs=BRANCH | {"branch_time_in_parent": 365.0} | attrs)
    found = plans(tmp_path, windows, missing="skip")["1pctCO2"]
    assert len(found.windows) == 2 and found.baselines == {}
    (name, got), *_ = attrs.items()
    assert f"no baseline: {found.run.key} branches off" in caplog.text and f"{name} ({got})" in caplog.text


@pytest.mark.parametrize("time", ["N/A", np.nan])
def test_a_run_whose_own_branch_time_is_no_date_branches_off_in_its_first_year(tmp_path, windows, caplog, time):
    write_run(tmp_path, experiment_id="piControl", first=1, last=9)
    attrs = BRANCH | {"branch_time_in_parent": branch_time(4), "branch_time_in_child": time}
    write_run(tmp_path, experiment_id="1pctCO2", attrs=attrs)
    found = plans(tmp_path, windows)["1pctCO2"]
    assert [str(baseline) for baseline in found.baselines.values()] == ["0004-0005", "0006-0007"]
    assert "no date in branch_time_in_child: taken to branch off in 1850, its first year" in caplog.text


def test_a_branch_outside_the_years_of_the_parent_is_named(tmp_path, windows, caplog):
    write_run(tmp_path, experiment_id="piControl", first=1, last=9)
    write_run(tmp_path, experiment_id="1pctCO2", attrs=BRANCH | {"branch_time_in_parent": branch_time(401)})
    plan = plans(tmp_path, windows)["1pctCO2"]
    assert plan.baselines == {}
    assert "branches off in year 401 of MADE-1/piControl/r1i1p1f1, which has the years 1 to 9" in caplog.text
    assert "year 401" in plan.warnings[0]


def run(experiment_id, windows, baselines, *, lon=0.0, **attrs):
    dataset = xr.Dataset({"zos": ("window", [float(label[:4]) for label in windows])})
    dataset = dataset.assign_coords(window=windows, baseline_window=("window", baselines), valid=1, lat=0.0, lon=lon)
    return lambda: dataset.assign_attrs(experiment_id=experiment_id, **attrs)


def test_the_last_window_of_the_last_scenario_is_compared_with_its_baseline():
    collection = {
        "A/abrupt-4xCO2/r1": run(
            "abrupt-4xCO2", ["1850-1869", "1870-1889"], ["0011-0030", ""], parent="A/piControl/r1"
        ),
        "A/historical/r1": run("historical", ["1850-1869"], ["0001-0020"], parent="A/piControl/r1"),
        "A/piControl/r1": run("piControl", ["0001-0020", "0011-0030"], ["", ""]),
        "B/historical/r1": run("historical", ["1850-1869", "1870-1889"], ["", ""]),
    }
    found = before_and_after(collection)
    assert list(found) == [
        "A: piControl 0011-0030 to abrupt-4xCO2 1850-1869",
        "B: historical 1850-1869 to historical 1870-1889",
    ]
    before, after = found["A: piControl 0011-0030 to abrupt-4xCO2 1850-1869"]
    assert (float(before["zos"]), float(after["zos"])) == (11, 1850)


def test_windows_on_different_grids_are_not_compared():
    elsewhere = run("historical", ["1850-1869", "1995-2014"], ["", ""], lon=1.0)
    scenario = run("ssp585", ["2041-2060", "2081-2100"], ["1995-2014"] * 2, parent="A/historical/r1")
    titles = list(before_and_after({"A/ssp585/r1": scenario, "A/historical/r1": elsewhere}))
    assert titles == ["A: ssp585 2041-2060 to ssp585 2081-2100"]
    on_one_grid = run("ssp245", ["2041-2060"], ["1995-2014"], lon=1.0, parent="A/historical/r1")
    titles = list(before_and_after({"A/ssp585/r1": scenario, "A/historical/r1": elsewhere, "A/ssp245/r1": on_one_grid}))
    assert titles == ["A: historical 1995-2014 to ssp245 2041-2060"]


@pytest.mark.parametrize(("reference", "warned"), [((1852, 1853), False), ((1850, 1853), True)])
def test_windows_of_unequal_length_are_warned_of(root, windows, caplog, reference, warned):
    attrs = BRANCH | {"parent_experiment_id": "historical"}
    write_run(root, experiment_id="ssp585", first=1854, last=1857, fixed=False, attrs=attrs)
    plans(root, windows.replace(reference_years=reference), experiments=["ssp585"])
    assert ("Windows of 2 and 4 years are compared, of which longer ones vary less" in caplog.text) == warned
