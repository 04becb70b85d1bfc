"""Overturning and properties of regimes of runs: which windows have them, their changes, and what they depend on."""

from collections import Counter

import numpy as np
import pytest
import xarray as xr

from tests.made_transports import DENSITY, transports_on
from tests.tracking.conftest import SHAPE, make_tools
from thor.core.errors import GridError
from thor.core.variables import variable
from thor.figures.style import years_text
from thor.networks.split import OCEANS
from thor.report.regime_totals import total_numbers, total_sentences
from thor.tracking.run_properties import amoc_metrics, overturning_plans, property_metrics, property_plans
from thor.tracking.shared_window import LAST, compared_windows

SCENARIO, CONTROL = "MADE/abrupt-4xCO2/r1i1p1f1", "MADE/piControl/r1i1p1f1"
FLUX = {SCENARIO: 3.0, CONTROL: 1.0}
LEVELS = (0.0, 1000.0, 4000.0)
OPTIONS = {"predictor": "ensemble", "deep_mixed_layer": 500.0}


def climatology(run, flux):
    """A uniform heat flux that grows by itself from window to window, unknown in the last; deep mixed layers north."""
    sea = run["valid"] == 1
    number = xr.DataArray(np.arange(1.0, run.sizes["window"] + 1), dims="window", coords={"window": run["window"]})
    number[-1] = np.nan
    hfds = (flux * number).where(sea).transpose("window", "lat", "lon").assign_attrs(variable("hfds").attrs)
    depth = (xr.where(run["lat"] > 60, 900.0, 50.0) + 0 * number.fillna(0)).where(sea).transpose("window", "lat", "lon")
    share = xr.full_like(run["areacello"], 80.0).assign_attrs(units="%")
    return run[["deptho", "areacello"]].assign(
        sftof=share, hfds=hfds, mlotst=depth.assign_attrs(variable("mlotst").attrs)
    )


def columns(run, window):
    """A uniform flow eastward of 7 m2 s-1 through meridional faces of equal height."""
    places = run[["lat", "lon"]].drop_vars("window", errors="ignore")
    height = np.deg2rad(170 / (SHAPE[0] - 1)) * 6.371e6
    umo = np.full(SHAPE, 7.0 * height * DENSITY)
    fields = {"umo_column": (("lat", "lon"), umo), "vmo_column": (("lat", "lon"), np.zeros(SHAPE))}
    return places.assign(fields).assign_attrs(reference_density=DENSITY, window=window)


@pytest.fixture(scope="module")
def given(made):
    runs = {SCENARIO: made.scenario, CONTROL: made.control}
    climatologies = {key: (lambda key=key: climatology(runs[key], FLUX[key])) for key in runs}
    window = str(made.scenario["window"].values[-1])
    transports = {f"{SCENARIO}/{window}": lambda: columns(made.scenario, window)}
    return climatologies, transports, {key: (lambda run=run: run) for key, run in runs.items()}


def test_heat_of_regimes_adds_up_and_changes_are_those_of_the_flux(made, given):
    plans = property_plans(*given, make_tools(made), **OPTIONS)
    assert list(plans) == [SCENARIO]
    found = plans[SCENARIO][1]()
    # the last window has no heat flux, but transports and mixed layers
    assert list(found["window"].values) == list(made.scenario["window"].values)
    area = 0.8 * float(made.scenario["areacello"].where(made.scenario["valid"] == 1).sum())
    steps = np.array([1, 2, 3, 4, 5, 6, np.nan])
    total = found["heat_uptake"].sel(basin="global").sum("regime", min_count=1)
    np.testing.assert_allclose(total, 3.0 * steps * area / 1e15, rtol=1e-5)
    change = found["heat_uptake_change"].sel(basin="global").sum("regime", min_count=1)
    # baseline windows of the control run, which has a third of the flux in each
    np.testing.assert_allclose(change, 2.0 / 3.0 * total, rtol=1e-5)
    deep = found["deep_mixed_area"].sel(basin="global").sum("regime")
    north = made.scenario["areacello"].where((made.scenario["lat"] > 60) & (made.scenario["valid"] == 1))
    np.testing.assert_allclose(deep, 0.8 * float(north.sum()), rtol=1e-5)
    assert found["heat_uptake"].attrs["units"] == "PW" and found.attrs["deep_mixed_layer"] == 500.0


def test_barotropic_transport_of_the_windows_that_have_it(made, given):
    found = property_plans(*given, make_tools(made), **OPTIONS)[SCENARIO][1]()
    speed = found["transport_magnitude"].sel(basin="global", regime="middle")
    assert speed[:-1].isnull().all()
    assert float(speed[-1]) == pytest.approx(7.0, rel=0.02)
    assert float(found["northward_transport"].sel(basin="global", regime="middle")[-1]) == pytest.approx(0, abs=1e-6)
    assert "transport_magnitude_change" not in found  # the control run has no transports


def test_a_run_with_transports_alone(made, given):
    climatologies, transports, features = given
    bare = {key: (lambda load=load: load().drop_vars(["hfds", "mlotst"])) for key, load in climatologies.items()}
    found = property_plans(bare, transports, features, make_tools(made), **OPTIONS)[SCENARIO][1]()
    assert list(found["window"].values) == [next(iter(transports)).rpartition("/")[2]]
    assert "heat_uptake" not in found and found["transport_magnitude"].notnull().any()
    assert property_metrics({SCENARIO: lambda: found}) == {SCENARIO: {str(found["window"].values[0]): {}}}


def test_metrics_and_words(made, given):
    run = property_plans(*given, make_tools(made), **OPTIONS)[SCENARIO][1]()
    metrics = property_metrics({SCENARIO: lambda: run})
    first, *_, last = metrics[SCENARIO].values()
    parts = first["heat_uptake_change_by_regime_pw"]
    assert sum(parts.values()) == pytest.approx(first["heat_uptake_change_pw"], rel=1e-5)
    assert first["heat_uptake_lower_pw"]["north"] <= parts["north"] <= first["heat_uptake_upper_pw"]["north"]
    # nothing is given where it is not known
    assert "heat_uptake_pw" not in last and "deep_mixed_area_m2" in last
    numbers = total_numbers({"properties": metrics}, {SCENARIO: compared_windows(made.scenario, LAST)})
    entry = numbers["heat_uptake"]["abrupt-4xCO2"]
    sixth = list(metrics[SCENARIO].values())[-2]
    assert entry["change_pw"]["low"] == entry["change_pw"]["high"] == sixth["heat_uptake_change_pw"]
    (line,) = total_sentences(numbers)
    window = numbers["heat_uptake"]["abrupt-4xCO2"]["window"]
    assert line.startswith(f"The heat flux into the sea in abrupt-4xCO2, {years_text(window)}, differs")
    assert window == list(metrics[SCENARIO])[-2] and "PW" in line


def test_a_run_without_any_field_and_one_on_other_cells(made, given):
    climatologies, transports, features = given
    bare = {key: (lambda load=load: load()[["deptho", "areacello", "sftof"]]) for key, load in climatologies.items()}
    assert property_plans(bare, {}, features, make_tools(made), **OPTIONS) == {}
    moved = {
        key: (lambda load=load: (d := load()).assign_coords(lon=d["lon"] + 30)) for key, load in transports.items()
    }
    with pytest.raises(GridError, match="lie on other cells"):
        property_plans(climatologies, moved, features, make_tools(made), **OPTIONS)[SCENARIO][1]()


def test_fingerprints_follow_fields(made, given):
    climatologies, transports, features = given
    tools = make_tools(made)
    mark = property_plans(*given, tools, **OPTIONS)[SCENARIO][0]
    assert property_plans(*given, tools, **OPTIONS)[SCENARIO][0] == mark
    warmer = {**climatologies, CONTROL: lambda: climatology(made.control, 1.5)}
    assert property_plans(warmer, transports, features, tools, **OPTIONS)[SCENARIO][0] != mark
    assert property_plans(*given, tools, **OPTIONS | {"deep_mixed_layer": 100.0})[SCENARIO][0] != mark


def test_fingerprints_follow_all_that_a_run_and_its_baseline_depend_on_and_no_other_run(made, given):
    climatologies, transports, features = given
    tools = make_tools(made)

    def marks(climatologies, features):
        plans = property_plans(climatologies, transports, features, tools, **OPTIONS)
        return {key: mark for key, (mark, _) in plans.items()}

    before = marks(climatologies, features)
    calm = made.control.assign(zos=-made.control["zos"]).assign_attrs(made.control.attrs)
    assert marks(climatologies, features | {CONTROL: lambda: calm}) != before
    half = {SCENARIO: lambda: (d := climatologies[SCENARIO]()).assign(sftof=0.5 * d["sftof"])}
    assert marks(climatologies | half, features) != before
    # a run of transports alone is divided with the areas, the sea fractions and the mask of its climatology, too
    bare = {key: (lambda load=load: load().drop_vars(["hfds", "mlotst"])) for key, load in climatologies.items()}
    shoal = {SCENARIO: lambda: (d := bare[SCENARIO]()).assign(deptho=d["deptho"].where(d["lat"] > 0))}
    assert marks(bare | shoal, features) != marks(bare, features)
    # another climate model leaves all files as they are
    other = "OTHER/abrupt-4xCO2/r1i1p1f1"
    run = made.scenario.assign_attrs(source_id="OTHER", parent="OTHER/piControl/r1i1p1f1")
    more = marks(climatologies | {other: climatologies[SCENARIO]}, features | {other: lambda: run})
    assert more.pop(other) and more == before


# -- overturning -------------------------------------------------------------------------------------------------------
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
def moving(made):
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


def test_windows_with_transports_are_compared_with_their_baselines(made, moving):
    tools = make_tools(made)
    plans = overturning_plans(*moving, tools, predictor="ensemble")
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


def test_transports_on_other_cells_than_the_features_are_an_error(made, moving):
    means, features = moving
    moved = {
        key: lambda load=load: (d := load()).assign_coords(lon=(d["lon"] + 30) % 360) for key, load in means.items()
    }
    make = overturning_plans(moved, features, make_tools(made), predictor="ensemble")[SCENARIO][1]
    with pytest.raises(GridError, match="lie on other cells than its sea level"):
        make()


def test_features_are_read_once_for_each_window(made, moving):
    means, features = moving
    read = Counter()
    counted = {key: lambda key=key, load=load: read.update([key]) or load() for key, load in features.items()}
    make = overturning_plans(means, counted, make_tools(made), predictor="ensemble")[SCENARIO][1]
    read.clear()
    make()
    assert read == {SCENARIO: 1 + 2, CONTROL: 1}  # labels of the windows, and what divides two of them and a baseline


def test_the_change_of_the_amoc_in_numbers_and_words(made, moving):
    run = overturning_plans(*moving, make_tools(made), predictor="ensemble")[SCENARIO][1]()
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


def test_fingerprints_follow_transports_and_streamfunctions_have_no_overturning(made, moving):
    means, features = moving
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
