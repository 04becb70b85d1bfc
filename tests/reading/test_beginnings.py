"""The year in which a run begins: of its branch, of other members, or of its files."""

import netCDF4
import pytest
import xarray as xr

from tests.made_archive import write_run
from tests.reading.test_baselines import BRANCH, branch_time
from thor.reading.archive import Archive
from thor.reading.plans import plan_runs

DATED = BRANCH | {"branch_time_in_parent": branch_time(4)}
UNDATED = DATED | {"branch_time_in_child": "N/A"}


@pytest.fixture
def plans(tmp_path, windows):
    """Return the plans of the members of an experiment, by number; they branch off in year 4 of the control."""

    def make(members):
        write_run(tmp_path, experiment_id="piControl", first=1, last=12)
        for number, (first, attrs) in members.items():
            facets = {"experiment_id": "1pctCO2", "variant_label": f"r{number}i1p1f1"}
            write_run(tmp_path, **facets, first=first, last=1855, attrs=attrs, fixed=False)
        archive = Archive(tmp_path)
        runs = archive.runs(source_ids="all", experiment_ids=["1pctCO2"], variant_labels="all")
        found = plan_runs(archive, runs, windows, missing="error")
        return {int(p.run.variant_label[1]): p for p in found if p.run.experiment_id == "1pctCO2"}

    return make


def baselines(plan):
    return {str(window): str(baseline) for window, baseline in plan.baselines.items()}


def test_the_files_of_a_run_begin_at_its_branch(plans):
    plan = plans({1: (1850, DATED)})[1]
    assert plan.begins == 1850 and not plan.warnings


@pytest.mark.parametrize("attrs", [DATED, UNDATED])
def test_a_member_without_its_first_files_has_the_years_of_the_others(plans, attrs):
    found = plans({1: (1850, attrs), 2: (1851, attrs)})
    assert found[1].begins == found[2].begins == 1850
    assert baselines(found[2]) == {"1852-1853": "0006-0007", "1854-1855": "0008-0009"}
    words = (
        "its files begin in 1851, but it branches off in 1850"
        if attrs is DATED
        else "in 1850, that of MADE-1/1pctCO2/r1"
    )
    assert words in found[2].warnings[-1]


def test_alone_a_run_counts_from_the_branch_that_its_files_state(plans):
    plan = plans({1: (1851, DATED)})[1]
    assert plan.begins == 1850 and "its years count from the branch" in plan.warnings[0]
    # no window of another member would be lacking
    assert baselines(plan) == {"1851-1852": "0005-0006", "1853-1854": "0007-0008"}


@pytest.mark.parametrize("first", [1852, 2011])
def test_a_part_of_historical_is_no_defect(tmp_path, windows, first):
    write_run(tmp_path, experiment_id="piControl", first=1, last=first - 1843)
    write_run(tmp_path, first=first, last=first + 3, attrs=DATED, fixed=False)
    archive = Archive(tmp_path)
    runs = archive.runs(source_ids="all", experiment_ids=["historical"], variant_labels="all")
    (plan,) = (p for p in plan_runs(archive, runs, windows, missing="error") if p.run.experiment_id == "historical")
    assert plan.begins == 1850 and not plan.warnings
    assert baselines(plan) == {
        f"{year}-{year + 1}": f"{year - 1846:04d}-{year - 1845:04d}" for year in (first, first + 2)
    }


@pytest.mark.parametrize("branch", [101, 1])
def test_a_part_of_a_control_run_is_no_defect(tmp_path, windows, branch):
    spinup = DATED | {"parent_experiment_id": "piControl-spinup", "branch_time_in_child": (branch - 1850) * 365.0}
    write_run(tmp_path, experiment_id="piControl", first=200, last=203, attrs=spinup)
    archive = Archive(tmp_path)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    (plan,) = plan_runs(archive, runs, windows, missing="error")
    assert plan.begins == {101: 101, 1: 200}[branch]
    assert [warning for warning in plan.warnings if "no baseline" not in warning] == []


def test_alone_a_run_without_a_date_counts_from_its_first_year(plans):
    plan = plans({1: (1851, UNDATED)})[1]
    assert plan.begins == 1851 and baselines(plan)["1851-1852"] == "0004-0005"
    assert plan.warnings == ("no date in branch_time_in_child: taken to branch off in 1851, its first year",)


CMIP5 = {
    "parent_experiment_id": "piControl",
    "parent_experiment_rip": "r1i1p1f1",
    "branch_time": 365.0 * 3 - 365 * 1849,
}
"""The time of the branch in the units of the parent's files, days since 1850, and none in those of the run."""


@pytest.mark.parametrize(("first", "warned"), [(1850, False), (1851, True)])
def test_a_run_of_cmip5_without_its_first_years_is_still_warned_of(plans, first, warned):
    """The axis of time counts from 1850: with files from then on, their first year is that of the branch."""
    plan = plans({1: (first, CMIP5)})[1]
    assert plan.begins == first and baselines(plan)[f"{first}-{first + 1}"] == "0004-0005"
    message = f"no date in branch_time_in_child: taken to branch off in {first}, its first year"
    assert plan.warnings == ((message,) if warned else ())


@pytest.mark.parametrize(("year", "origin"), [(0, "0000"), (1, "1"), (1, "0001")])
def test_a_run_of_cmip5_may_begin_in_the_first_years_of_the_calendar(tmp_path, windows, year, origin):
    write_run(tmp_path, experiment_id="piControl", first=1, last=12)
    write_run(tmp_path, experiment_id="1pctCO2", first=year, last=year + 5, attrs=CMIP5, fixed=False)
    for path in tmp_path.rglob("*_1pctCO2_*.nc"):
        with netCDF4.Dataset(path, "a") as file:  # days since its first year in place of 1850
            file["time"].units = f"days since {origin}-01-01"
            for name in ("time", "time_bnds"):
                file[name][:] += 365 * (1850 - year)
    archive = Archive(tmp_path)
    runs = archive.runs(source_ids="all", experiment_ids=["1pctCO2"], variant_labels="all")
    plan = next(p for p in plan_runs(archive, runs, windows, missing="error") if p.run.experiment_id == "1pctCO2")
    assert plan.begins == year and baselines(plan)[f"{year:04d}-{year + 1:04d}"] == "0004-0005"
    assert plan.warnings == ()


def test_members_that_number_their_years_as_the_control_run_does_begin_with_their_files(plans):
    later = UNDATED | {"branch_time_in_parent": branch_time(6)}
    found = plans({1: (1850, UNDATED), 2: (1852, later)})
    assert (found[1].begins, found[2].begins) == (1850, 1852)
    assert baselines(found[2]) == {"1852-1853": "0006-0007", "1854-1855": "0008-0009"}


def test_a_branch_after_the_first_file_is_no_date_of_the_run(plans):
    plan = plans({1: (1850, DATED | {"branch_time_in_child": 20 * 365.0})})[1]
    assert plan.begins == 1850 and baselines(plan)["1850-1851"] == "0004-0005"
    assert plan.warnings == ("branch_time_in_child is in the year 1870: taken to branch off in 1850, its first year",)


def test_a_member_whose_time_axis_begins_with_its_files_begins_there(plans, monkeypatch):
    def since_1852(dataset, path, **options):
        if "r2i1p1f1" in str(path) and "time" in dataset:
            units = {"units": "days since 1852-01-01"}
            dataset = dataset.assign_coords(time=(dataset["time"] - 730).assign_attrs(dataset["time"].attrs | units))
            dataset["time_bnds"] = dataset["time_bnds"] - 730
        return stored(dataset, path, **options)

    stored = xr.Dataset.to_netcdf
    monkeypatch.setattr(xr.Dataset, "to_netcdf", since_1852)
    found = plans({1: (1850, UNDATED), 2: (1852, UNDATED)})
    assert (found[1].begins, found[2].begins) == (1850, 1852)
    assert baselines(found[2])["1852-1853"] == "0004-0005"


@pytest.mark.parametrize("year", [1, 4])
def test_a_branch_in_the_first_year_of_the_calendar_or_that_of_the_control_is_no_date_of_later_files(plans, year):
    plan = plans({1: (1850, DATED | {"branch_time_in_child": (year - 1850) * 365.0})})[1]
    assert plan.begins == 1850 and baselines(plan)["1850-1851"] == "0004-0005"
    stated = f"branch_time_in_child is in the year {year}: taken to branch off in 1850, its first year"
    assert plan.warnings == (stated,)


def test_the_last_centuries_of_a_long_run_keep_the_date_of_its_branch(tmp_path, windows):
    write_run(tmp_path, experiment_id="piControl", first=1, last=210)
    write_run(tmp_path, experiment_id="abrupt-4xCO2", first=2050, last=2053, attrs=DATED, fixed=False)
    archive = Archive(tmp_path)
    runs = archive.runs(source_ids="all", experiment_ids=["abrupt-4xCO2"], variant_labels="all")
    plan = next(p for p in plan_runs(archive, runs, windows, missing="error") if p.parent)
    assert plan.begins == 1850 and baselines(plan)["2050-2051"] == "0204-0205"


def test_a_branch_centuries_before_historical_is_no_date(tmp_path, windows):
    """As where it is the first day of a time axis in days since 1600."""
    write_run(tmp_path, experiment_id="piControl", first=1, last=12)
    write_run(tmp_path, first=1850, last=1853, attrs=DATED | {"branch_time_in_child": -250 * 365.0}, fixed=False)
    archive = Archive(tmp_path)
    runs = archive.runs(source_ids="all", experiment_ids=["historical"], variant_labels="all")
    (plan,) = (p for p in plan_runs(archive, runs, windows, missing="error") if p.parent)
    assert plan.begins == 1850 and baselines(plan)["1850-1851"] == "0004-0005"
    assert plan.warnings == ("branch_time_in_child is in the year 1600: taken to branch off in 1850, its first year",)
