"""Properties of regimes of runs: which windows have them, their changes, and what they are made from."""

import numpy as np
import pytest
import xarray as xr

from tests.made_transports import DENSITY
from tests.tracking.conftest import SHAPE, make_tools
from thor.core.errors import GridError
from thor.core.variables import variable
from thor.figures.style import years_text
from thor.report.regime_totals import total_numbers, total_sentences
from thor.tracking.run_properties import property_metrics, property_plans
from thor.tracking.shared_window import LAST, compared_windows

SCENARIO, CONTROL = "MADE/abrupt-4xCO2/r1i1p1f1", "MADE/piControl/r1i1p1f1"
FLUX = {SCENARIO: 3.0, CONTROL: 1.0}
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
