"""The window in which models are compared: the last that most of them have, by years that mean the same in all."""

import pytest
import xarray as xr

from tests.tracking.conftest import UnreadFiles
from thor.app.parameters import ScenarioTracking
from thor.core.errors import ConfigError
from thor.pipelines.scenario_tracking.nodes import compare_models, track_regimes
from thor.tracking.settings import AgreementSettings
from thor.tracking.shared_window import (
    compared_windows,
    require_window,
    shared_window,
    shared_windows,
    starts_of_runs,
)

HISTORICAL, CONTROL = "A/historical/r1i1p1f1", "A/piControl/r1i1p1f1"


def make_run(experiment, starts, *, parent=HISTORICAL, without=()):
    """A run with windows of 20 years from these years; those from the years `without` have no baseline."""
    ends = [start + 19 for start in starts]
    return xr.Dataset(
        coords={
            "window": [f"{start:04d}-{end:04d}" for start, end in zip(starts, ends, strict=True)],
            "window_start": ("window", starts),
            "window_end": ("window", ends),
            "baseline_window": ("window", ["" if start in without else "0001-0020" for start in starts]),
        },
        attrs={"experiment_id": experiment, "parent": parent},
    )


def window_of(experiment, models, *, wanted="last", **options):
    runs = {f"{model}/{experiment}/r1": make_run(experiment, starts, **options) for model, starts in models.items()}
    found = shared_window({key: compared_windows(run, wanted) for key, run in runs.items()})
    return found and (found[0], {key[0]: label for key, label in found[1].items()})


@pytest.mark.parametrize(
    ("models", "expected", "with_it"),
    [
        # one of three ends early, or is extended
        ({"A": [2041, 2081], "B": [2041, 2081], "C": [2041]}, "2081-2100", "AB"),
        ({"A": [2041, 2081], "B": [2041, 2081], "C": [2041, 2081, 2281]}, "2081-2100", "ABC"),
        # half are not most
        ({"A": [2081], "B": [2081, 2281]}, "2081-2100", "AB"),
        ({"A": [2081], "B": [2081, 2281], "C": [2081, 2281]}, "2281-2300", "BC"),
        # no years of most models
        ({"A": [2015, 2035], "B": [2016, 2036]}, "2036-2055", "B"),
    ],
)
def test_it_is_the_last_that_most_models_have(models, expected, with_it):
    name, labels = window_of("ssp585", models)
    assert name == expected and labels == dict.fromkeys(with_it, expected)


def test_a_window_that_no_run_has_is_an_error_with_the_nearest():
    runs = {"A/ssp585/r1": lambda: make_run("ssp585", [2041, 2081])}
    for wanted in ("last", "2041-2060"):
        require_window(runs, wanted)
    with pytest.raises(ConfigError, match=r"agreement.window is '2081-2010', .* Did you mean '2081-2100'\?"):
        require_window(runs, "2081-2010")
    with pytest.raises(ConfigError, match="Did you mean 'last'"):
        require_window(runs, "latest")
    # their only window is compared whatever is wanted
    require_window({"A/ssp585-gwl2.0/r1": lambda: make_run("ssp585-gwl2.0", [2031])}, "2081-2010")
    require_window({}, "2081-2010")
    # before any run is tracked, and where only the agreement is made again
    parameters = ScenarioTracking(seed=0, agreement=AgreementSettings(window="2081-2010"))
    with pytest.raises(ConfigError, match="no window of any run"):
        track_regimes({}, runs, parameters, None)
    with pytest.raises(ConfigError, match="no window of any run"):
        compare_models(runs, parameters)


def test_a_model_counts_once_and_windows_without_a_baseline_do_not():
    runs = {f"A/ssp585/r{k}": {(2081, 2100): "2081-2100"} for k in range(3)}
    runs |= {f"{model}/ssp585/r1": {(2061, 2080): "2061-2080"} for model in "BC"}
    assert shared_window(runs)[0] == "2061-2080"
    assert window_of("historical", {"A": [1970, 1990, 1995]}, without=(1990, 1995))[0] == "1970-1989"
    assert window_of("ssp585", {"A": [2081]}, without=(2081,)) is None
    assert window_of("piControl", {"A": [1, 21]}, parent="", without=(1, 21)) is None


def test_years_count_from_the_start_where_models_number_them_differently():
    """Of historical and scenarios they are those of the calendar, even if a model has only the last of them."""
    models = {"A": [1850, 1870], "B": [1, 21], "C": [1850, 1870]}
    name, labels = window_of("abrupt-4xCO2", models, parent=CONTROL)
    assert name == "years 21-40"
    assert labels == {"A": "1870-1889", "B": "0021-0040", "C": "1870-1889"}
    same = dict.fromkeys("AB", models["A"])
    assert window_of("abrupt-4xCO2", same, parent=CONTROL)[0] == "1870-1889"
    part = {"A": [1850, 1990], "B": [1990], "C": [1850, 1990]}
    assert window_of("historical", part, parent=CONTROL) == ("1990-2009", dict.fromkeys("ABC", "1990-2009"))


def test_years_count_from_the_start_also_where_the_first_files_are_missing():
    late = make_run("abrupt-4xCO2", [1890, 1910], parent=CONTROL).assign_attrs(first_year=1850)
    assert compared_windows(late, "last") == {(41, 60): "1890-1909", (61, 80): "1910-1929"}
    # a year after the first window cannot be that of the start
    assert compared_windows(late.assign_attrs(first_year=1900), "last") == {(1, 20): "1890-1909", (21, 40): "1910-1929"}
    assert compared_windows(make_run("ssp585", [2041]).assign_attrs(first_year=2015), "last") == {
        (2041, 2060): "2041-2060"
    }


def test_a_level_of_warming_has_its_name_and_a_label_is_looked_for_as_it_is():
    levels = {"A": [2031], "B": [2045]}
    expected = "2.0 K", {"A": "2031-2050", "B": "2045-2064"}
    assert window_of("ssp585-gwl2.0", levels) == window_of("ssp585-gwl2.0", levels, wanted="2031-2050") == expected
    assert window_of("ssp585", levels, wanted="2031-2050") == ("2031-2050", {"A": "2031-2050"})
    assert window_of("ssp585", levels, wanted="2081-2100") is None


def test_each_experiment_has_its_own():
    runs = {f"{model}/ssp585/r1": {(2081, 2100): "2081-2100"} for model in "AB"}
    runs |= {"A/ssp585/r1": {(2081, 2100): "2081-2100", (2281, 2300): "2281-2300"}, "A/historical/r1": {}}
    runs |= {"A/ssp126/r1": {(2281, 2300): "2281-2300"}}
    assert {name: found[0] for name, found in shared_windows(runs).items()} == {
        "ssp126": "2281-2300",
        "ssp585": "2081-2100",
    }


def test_years_count_from_the_start_in_control_runs_and_what_does_not_continue_historical():
    parents = {"piControl": "", "abrupt-4xCO2": CONTROL, "abrupt-4xCO2-gwl2.0": CONTROL}
    parents |= {"historical": CONTROL, "esm-hist": CONTROL, "ssp585": HISTORICAL}
    runs = {
        f"A/{name}/r1": lambda name=name, parent=parent: make_run(name, [1], parent=parent)
        for name, parent in parents.items()
    }
    assert starts_of_runs(runs) == {"A/piControl/r1": 1, "A/abrupt-4xCO2/r1": 1}
    # of files nothing but coordinates and attributes is read
    assert starts_of_runs(UnreadFiles(runs)) == {"A/piControl/r1": 1, "A/abrupt-4xCO2/r1": 1}
