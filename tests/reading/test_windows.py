"""Windows: whole years, consecutive or given, complete or not."""

from dataclasses import replace

import numpy as np
import pytest

from tests.made_archive import write_run, write_series, years
from thor.core.checkpoint import NoCheckpoint
from thor.core.errors import ConfigError, IncompleteWindowError
from thor.reading.archive import Archive
from thor.reading.climatology import ClimatologySettings, climatology
from thor.reading.plans import plan_runs
from thor.reading.runs import Run
from thor.reading.windows import Window


def plans(root, windows, *, missing="error", **changes):
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    return plan_runs(archive, runs, windows.replace(**changes), missing=missing)


def labels(root, windows, **changes):
    return {plan.run.key: [str(window) for window in plan.windows] for plan in plans(root, windows, **changes)}


def test_a_window_is_whole_years():
    window = Window(1850, 1869)
    assert (str(window), window.n_months, window.months[0], window.months[-1]) == ("1850-1869", 240, 22200, 22439)
    assert str(Window(7, 26)) == "0007-0026"


def test_consecutive_windows_fill_the_run_and_leave_the_rest(windows):
    assert [str(w) for w in windows.replace(length_years=20).of_run(1850, 2014)][-1] == "1990-2009"
    assert len(windows.replace(length_years=20).of_run(1850, 1989)) == 7
    assert [str(w) for w in windows.replace(first_year=1852).of_run(1850, 1856)] == ["1852-1853", "1854-1855"]
    assert windows.of_run(1850, 1850) == []


def test_given_windows_are_those_a_run_has(root, windows):
    write_run(root, experiment_id="ssp585", first=1854, last=1857, fixed=False)
    chosen = labels(root, windows, years=[(1852, 1853), (1856, 1857)])
    assert chosen == {"MADE-1/historical/r1i1p1f1": ["1852-1853"], "MADE-1/ssp585/r1i1p1f1": ["1856-1857"]}


@pytest.fixture
def scenario(root):
    """A scenario of four years that continues the run of historical."""
    attrs = {"parent_experiment_id": "historical", "parent_source_id": "MADE-1", "parent_variant_label": "r1i1p1f1"}
    write_run(root, experiment_id="ssp585", first=1854, last=1857, fixed=False, attrs=attrs)
    return root


def test_a_window_may_begin_in_historical_and_end_in_the_scenario(scenario, windows):
    years_given = [(1850, 1851), (1852, 1855), (1856, 1857)]
    found = {plan.run.experiment_id: plan for plan in plans(scenario, windows, years=years_given)}
    # 1852-1853 is the reference window of the scenario
    assert [str(w) for w in found["historical"].windows] == ["1850-1851", "1852-1853"]
    assert [str(w) for w in found["ssp585"].windows] == ["1852-1855", "1856-1857"]
    assert found["ssp585"].years == (1854, 1857)
    settings = ClimatologySettings(windows=windows, masked_basins=(), reference_density=1029.0)
    crossing = climatology(found["ssp585"], settings, NoCheckpoint()).sel(window="1852-1855")
    both = ("historical", "1852-1853"), ("ssp585", "1854-1855")
    halves = [read(found[name], settings, window) for name, window in both]
    # both halves have equally many days in this calendar
    np.testing.assert_allclose(crossing["tauuo"], (halves[0] + halves[1]) / 2, rtol=1e-12)
    assert float(np.nanmax(np.abs(halves[0] - halves[1]))) > 1e-3


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"calendar": "gregorian"}, "historical/r1i1p1f1 zos has calendar 'noleap', this has 'standard'"),
        ({"first": 1855}, "historical/r1i1p1f1 zos ends in 1853-12 before 1855-01, in which this begins"),
        ({"first": 1853}, "historical/r1i1p1f1 zos ends in 1851-12 before 1853-01, in which this begins"),
    ],
)
def test_the_warning_says_why_a_scenario_does_not_continue_historical(root, windows, options, reason):
    attrs = {"parent_experiment_id": "historical", "parent_source_id": "MADE-1", "parent_variant_label": "r1i1p1f1"}
    options = {"first": 1854, "calendar": "noleap"} | options
    write_run(root, experiment_id="ssp585", last=1857, fixed=False, attrs=attrs, **options)
    found = plans(root, windows, missing="skip", years=[(1850, 1851), (1852, 1855), (1856, 1857)])
    (plan,) = (plan for plan in found if plan.run.experiment_id == "ssp585")
    (warning,) = plan.warnings
    assert warning.startswith("the window 1852-1855 is left out, since") and reason in warning


def test_warnings_of_a_run_are_not_repeated_at_its_warming_level(scenario, windows):
    archive, run = Archive(scenario), Run("MADE-1", "ssp585", "r1i1p1f1")
    (scenario / "CMIP6/CMIP/THOR/MADE-1/ssp585/r1i1p1f1/Omon/zos/gn/v20210101").mkdir()
    levels = {run: {1.5: Window(1855, 1856), 2.0: Window(1857, 1858)}}
    found = {
        plan.run.experiment_id: plan.warnings
        for plan in plan_runs(archive, [run], windows.replace(years=[(1856, 1857)]), missing="skip", levels=levels)
    }
    assert len(found["ssp585"]) == 1 and "newest version of zos, v20210101, holds no file" in found["ssp585"][0]
    assert found["ssp585-gwl1.5"] == ()
    assert "ssp585-gwl2.0" not in found, "its window is not whole"


def read(plan, settings, window):
    years_of_window = Window(*map(int, window.split("-")))
    return climatology(replace(plan, windows=(years_of_window,)), settings, NoCheckpoint())["tauuo"].values[0]


def test_a_window_across_a_gap_is_left_out(root, windows):
    attrs = {"parent_experiment_id": "historical", "parent_source_id": "MADE-1", "parent_variant_label": "r1i1p1f1"}
    write_run(root, experiment_id="ssp585", first=1855, last=1858, fixed=False, attrs=attrs)
    with pytest.raises(IncompleteWindowError, match="MADE-1/ssp585.*the window 1853-1856 lacks 24 of 48 months"):
        plans(root, windows, years=[(1850, 1851), (1853, 1856)])
    chosen = labels(root, windows, years=[(1850, 1851), (1853, 1856), (1857, 1858)], missing="skip")
    assert chosen["MADE-1/ssp585/r1i1p1f1"] == ["1857-1858"]


def test_the_control_run_has_consecutive_windows_beside_given_ones(root, windows):
    write_run(root, experiment_id="piControl", first=1, last=6, fixed=False)
    chosen = labels(root, windows, years=[(1850, 1853)])
    assert chosen["MADE-1/piControl/r1i1p1f1"] == ["0001-0002", "0003-0004", "0005-0006"]


@pytest.mark.parametrize(
    ("years", "message"), [([(1850, 1859), (1859, 1869)], "overlap"), ([(1870, 1850)], "ends before it begins")]
)
def test_invalid_windows_are_refused(windows, years, message):
    with pytest.raises(ConfigError, match=message):
        windows.replace(years=years)


def test_a_window_outside_the_data_is_an_error_or_skipped(root, windows, caplog):
    with pytest.raises(IncompleteWindowError, match="1900-1909 lies outside the data.*1850 to 1853"):
        plans(root, windows, years=[(1850, 1851), (1900, 1909)])
    chosen = labels(root, windows, years=[(1850, 1851), (1900, 1909)], missing="skip")
    assert chosen == {"MADE-1/historical/r1i1p1f1": ["1850-1851"]}
    assert "1900-1909 lies outside the data" in caplog.text


def test_a_window_longer_than_the_run_is_an_error(root, windows):
    with pytest.raises(IncompleteWindowError, match="no window of 20 years fits"):
        plans(root, windows, length_years=20)


def test_a_window_needs_all_its_months(root, windows, caplog):
    for path in (root / "CMIP6").rglob("tauvo_*185201-185312.nc"):
        path.unlink()
    gap = [m for m in years(1852, 1853) if m not in (12 * 1852 + 2, 12 * 1852 + 3)]
    write_series(root, "tauvo", gap, n_files=1)
    with pytest.raises(
        IncompleteWindowError, match="tauvo: the window 1852-1853 lacks 2 of 24 months: 1852-03, 1852-04"
    ):
        plans(root, windows)
    assert labels(root, windows, missing="skip") == {"MADE-1/historical/r1i1p1f1": ["1850-1851"]}
    assert "left out" in caplog.text


def test_the_error_names_older_versions_that_may_hold_the_months(root, windows):
    write_series(root, "zos", years(1850, 1852), n_files=1, version="v20210101")
    with pytest.raises(IncompleteWindowError, match="beside v20210101: v20200101; `versions` can choose one"):
        plans(root, windows, years=[(1850, 1853)])


def test_a_run_starts_with_its_first_whole_year(tmp_path, windows):
    write_run(tmp_path)
    for variable_id in ("zos", "tauuo", "tauvo"):
        write_series(tmp_path, variable_id, years(1849, 1849)[6:], n_files=1)
    assert labels(tmp_path, windows) == {"MADE-1/historical/r1i1p1f1": ["1850-1851", "1852-1853"]}


def test_the_error_on_a_series_that_does_not_continue_the_one_before_says_why(scenario, windows):
    """The transports too; but only of a window that begins before the series itself."""
    before, plan = plans(scenario, windows, years=[(1850, 1851), (1856, 1857)])
    series, earlier = plan.series["zos"], before.series["zos"]
    fewer = replace(earlier, files=tuple(replace(file, shape=(5, *file.shape)) for file in earlier.files))
    assert len(series.continuing(earlier).files) > len(series.files)
    continued = series.continuing(fewer)
    with pytest.raises(
        IncompleteWindowError, match=r"lacks 12 of .*historical/.* has number of levels, .* \(5, .* Get"
    ):
        continued.require(Window(1853, 1854))
    with pytest.raises(
        IncompleteWindowError, match="data, 1854-01 to 1857-12. Get .*, or set data_engineering.missing: skip"
    ):
        continued.require(Window(1859, 1860))


def test_years_without_room_for_a_window_are_refused(windows):
    with pytest.raises(ConfigError, match=r"no window of length_years \(20\) fits .*first_year \(2001\).*\(2010\)"):
        windows.replace(length_years=20, first_year=2001, last_year=2010)
    assert windows.replace(length_years=10, first_year=2001, last_year=2010).of_run(1900, 2100) == [Window(2001, 2010)]
