"""Overturning of runs: which windows and baselines are compared, and what is left out."""

from collections import Counter

import numpy as np
import pytest
import xarray as xr

from tests.made_transports import DENSITY, transports_on
from tests.tracking.conftest import SHAPE, make_tools
from thor.core.errors import GridError
from thor.networks.split import OCEANS
from thor.report.regime_totals import total_numbers, total_sentences
from thor.tracking.run_properties import amoc_metrics, overturning_plans
from thor.tracking.shown_run import run_to_draw

SCENARIO, CONTROL = "MADE/abrupt-4xCO2/r1i1p1f1", "MADE/piControl/r1i1p1f1"
LEVELS = (0.0, 1000.0, 4000.0)


def transports(run, strength):
    """A flow northward in the upper and southward in the lower level, in all columns of each row but the last one."""
    v = np.ones((2, *SHAPE)) * np.array([strength, -strength])[:, None, None] / SHAPE[1]
    v[:, [0, -1]] = 0.0
    made = transports_on(run[["lat", "lon"]].drop_vars("window", errors="ignore"), np.zeros_like(v), v, LEVELS)
    return made.assign_attrs(reference_density=DENSITY)


def with_oceans(run):
    """A run whose flags name all oceans, as those of `thor.ocean.basins` do."""
    flags = {"flag_values": np.arange(1, 6, dtype="int8"), "flag_meanings": " ".join(OCEANS)}
    return run.assign(basin=run["basin"].assign_attrs(flags))


@pytest.fixture(scope="module")
def given(made):
    """Features of both runs, and transports of the scenario's first two windows and the control's first one."""
    windows = {SCENARIO: made.scenario["window"].values[:2], CONTROL: made.control["window"].values[:1]}
    of_run = {SCENARIO: with_oceans(made.scenario), CONTROL: with_oceans(made.control)}
    strengths = {SCENARIO: (12.0, 9.0), CONTROL: (15.0,)}
    means = {
        f"{key}/{window}": (lambda run=of_run[key], size=size: transports(run, size))
        for key, labels in windows.items()
        for window, size in zip(labels, strengths[key], strict=True)
    }
    return means, {key: (lambda run=run: run) for key, run in of_run.items()}


def test_windows_with_transports_are_compared_with_their_baselines(made, given):
    tools = make_tools(made)
    plans = overturning_plans(*given, tools, predictor="ensemble")
    assert list(plans) == [SCENARIO]
    found = plans[SCENARIO][1]()
    assert list(found["window"].values) == list(made.scenario["window"].values[:2])
    np.testing.assert_allclose(found["amoc"].sum(), (12 + 9) / 2, rtol=1e-5)  # half the columns are Atlantic
    np.testing.assert_allclose(found["overturning"].sel(basin="global", lat=0.5, lev=1000.0), [12.0, 9.0], rtol=1e-5)
    # the second window of the control run has no transports
    np.testing.assert_allclose(found["amoc_change"], [(12 - 15) / 2, np.nan], rtol=1e-5)
    np.testing.assert_allclose(found["amoc_change_by_regime"][0].sum(), (12 - 15) / 2, rtol=1e-4)
    parts = found["overturning_by_regime"].sum("regime", skipna=False)
    np.testing.assert_allclose(parts, found["overturning"].transpose(*parts.dims), atol=1e-5)
    assert found.attrs["source_id"] == "MADE" and found.attrs["predictor"] == "ensemble"
    assert found["amoc_by_network"].sizes["network"] == tools.predictors["ensemble"].n_members


def test_transports_on_other_cells_than_the_features_are_an_error(made, given):
    means, features = given
    moved = {
        key: lambda load=load: (d := load()).assign_coords(lon=(d["lon"] + 30) % 360) for key, load in means.items()
    }
    make = overturning_plans(moved, features, make_tools(made), predictor="ensemble")[SCENARIO][1]
    with pytest.raises(GridError, match="lie on other cells than its sea level"):
        make()


def test_features_are_read_once_for_each_window(made, given):
    means, features = given
    read = Counter()
    counted = {key: lambda key=key, load=load: read.update([key]) or load() for key, load in features.items()}
    make = overturning_plans(means, counted, make_tools(made), predictor="ensemble")[SCENARIO][1]
    read.clear()
    make()
    assert read == {SCENARIO: 1 + 2, CONTROL: 1}  # labels of the windows, and what divides two of them and a baseline


def test_the_change_of_the_amoc_in_numbers_and_words(made, given):
    run = overturning_plans(*given, make_tools(made), predictor="ensemble")[SCENARIO][1]()
    first, second = amoc_metrics({SCENARIO: lambda: run})[SCENARIO].values()
    assert first["amoc_change_sv"] == pytest.approx(-1.5) and set(second) == {"amoc_sv"}
    assert sum(first["amoc_change_by_regime_sv"].values()) == pytest.approx(-1.5, rel=1e-4)
    assert all(first["lower_sv"][name] <= first["upper_sv"][name] for name in first["lower_sv"])
    runs = {
        f"{model}/abrupt/r1": {"1": first | {"amoc_change_sv": change}} for model, change in (("A", -1.5), ("B", -2.0))
    }
    runs |= {"A/abrupt/r2": {"1": first | {"amoc_change_sv": -0.5}}}
    runs |= {"C/abrupt/r1": {"2": first | {"amoc_change_sv": -9.0}}}
    windows = {key: {(int(label), int(label)): label for label in entries} for key, entries in runs.items()}
    windows["A/abrupt/r1"] |= {(3, 3): "3"}  # without transports
    numbers = total_numbers({"amoc": runs}, windows)
    assert (
        numbers["amoc"]["abrupt"]["change_sv"] == {"low": -2.0, "high": -1.0}
        and numbers["amoc"]["abrupt"]["n_models"] == 2
    )
    parts = first["amoc_change_by_regime_sv"]
    assert numbers["amoc"]["abrupt"]["regime"] == min(parts, key=lambda name: parts[name])
    (line,) = total_sentences(numbers)
    assert (
        "abrupt, 1, differs from that of its baseline window by \u22122.0 to \u22121.0\u00a0Sv (2 climate models)"
        in line
    )
    assert line.endswith("Left out, without this window: C.")
    assert total_sentences(total_numbers({}, {})) == []


def test_fingerprints_follow_transports_and_streamfunctions_have_no_overturning(made, given):
    means, features = given
    tools = make_tools(made)
    first = overturning_plans(means, features, tools, predictor="ensemble")[SCENARIO][0]
    key = next(iter(means))
    stronger = means | {key: lambda: transports(made.scenario, 13.0)}
    assert overturning_plans(stronger, features, tools, predictor="ensemble")[SCENARIO][0] != first
    assert overturning_plans(means, features, tools, predictor="bayesian")[SCENARIO][0] != first
    # the overturning of the baseline window is divided with the features of the control run
    calm = with_oceans(made.control.assign(zos=-made.control["zos"]).assign_attrs(made.control.attrs))
    again = overturning_plans(means, features | {CONTROL: lambda: calm}, tools, predictor="ensemble")[SCENARIO]
    assert again[0] != first and "amoc_change" in again[1]()
    columns = {name: (lambda load=load: load().drop_vars(["umo", "vmo"])) for name, load in means.items()}
    assert overturning_plans(columns, features, tools, predictor="ensemble") == {}


def test_a_run_without_transports_is_replaced_by_one_that_has_them():
    runs = {"A/b/c": lambda: xr.Dataset(attrs={"run": "A"})}
    assert run_to_draw(runs, "X/y/z").attrs["run"] == run_to_draw(runs, "A/b/c").attrs["run"] == "A"
    assert run_to_draw({}, None) is None
