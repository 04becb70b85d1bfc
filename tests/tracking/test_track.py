"""Whole runs of a made climate model: what changed, where, how much area, and what must not depend on anything."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from tests.tracking.conftest import CLASSES, NAMES, make_applicability, make_run, make_stack, make_tools
from thor.core.errors import DataError, GridError, NetworkError
from thor.networks.inputs import cell_inputs
from thor.networks.prediction import member_probabilities
from thor.tracking.settings import TrackingSettings
from thor.tracking.track import natural_variability, track_run
from thor.uncertainty.predictive import predictive_distribution

SETTINGS = TrackingSettings(min_pairs=3, block_cells=20_000)


def natural_of(made, *, variants=(), **changes):
    mapper = {"mapper": changes.pop("mapper")} if "mapper" in changes else {}
    tools = make_tools(made, **{"settings": SETTINGS, **changes})
    return natural_variability(made.control, tools, variants=variants, **mapper)


def track(made, run, parent, natural=None, **changes):
    mapper = {"mapper": changes.pop("mapper")} if "mapper" in changes else {}
    return track_run(run, parent, natural, make_tools(made, **{"settings": SETTINGS, **changes}), **mapper)


@pytest.fixture(scope="module")
def natural(made):
    return natural_of(made)


@pytest.fixture(scope="module")
def tracked(made, natural):
    return track(made, made.scenario, made.control, natural)


@pytest.fixture(scope="module")
def members(made):
    """Probabilities of every network of the ensemble in the last window and its baseline, straight from the stack."""
    out = []
    for run in (made.control, made.scenario):
        table, _ = cell_inputs(run.isel(window=-1), names=NAMES)
        out.append(member_probabilities(made.predictors["ensemble"], made.scaler.transform(table)).astype(float))
    return out


def at_cells(field):
    return field.values[..., 1:, :].reshape(*field.shape[:-2], -1)


def test_fields_are_those_of_the_networks(made, tracked, members):
    last = tracked.isel(window=-1).sel(predictor="ensemble")
    before, after = members
    np.testing.assert_allclose(at_cells(last["regime_probability"]), after.mean(axis=0).T, atol=1e-6)
    np.testing.assert_array_equal(at_cells(last["regime"]), after.mean(axis=0).argmax(axis=1))
    np.testing.assert_array_equal(at_cells(last["baseline_regime"]), before.mean(axis=0).argmax(axis=1))
    gain = np.maximum(after - before, 0)
    np.testing.assert_allclose(at_cells(last["change_to_probability"]), gain.mean(axis=0).T, atol=1e-6)
    np.testing.assert_allclose(at_cells(last["change_probability"]), gain.sum(axis=2).mean(axis=0), atol=1e-6)
    independent = 1 - (before * after).sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(at_cells(last["change_probability_independent"]), independent, atol=1e-6)
    table, _ = cell_inputs(made.scenario.isel(window=-1), names=NAMES)
    inputs = made.scaler.transform(table)
    known = predictive_distribution(made.predictors["ensemble"], inputs, credible_level=0.9)
    for name in ("predictive_entropy", "expected_entropy", "mutual_information"):
        np.testing.assert_allclose(at_cells(last[name]), getattr(known, name), atol=1e-5)
    np.testing.assert_allclose(
        at_cells(tracked["dissimilarity_index"][-1]), made.applicability.dissimilarity(inputs), rtol=1e-6
    )


def test_areas_are_sums_over_cells_inside_each_network(made, tracked, members):
    before, after = members
    last = tracked.isel(window=-1).sel(predictor="ensemble")
    area = at_cells(made.scenario["areacello"])
    west = at_cells(made.scenario["basin"]) == 1
    for basin, weight in (("global", area), ("atlantic_ocean", area * west)):
        here = last.sel(basin=basin)
        each = np.einsum("i,wik->wk", weight, after)
        np.testing.assert_allclose(here["expected_area"], each.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(here["expected_area_lower"], np.quantile(each, 0.05, axis=0), rtol=1e-5)
        change = np.einsum("i,wik->wk", weight, after - before)
        np.testing.assert_allclose(here["expected_area_change"], change.mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(here["expected_area_change_upper"], np.quantile(change, 0.95, axis=0), rtol=1e-4)
        argmax = np.bincount(after.mean(axis=0).argmax(axis=1), weight, minlength=3)
        np.testing.assert_allclose(here["argmax_area"], argmax, rtol=1e-5)
    transition = last["transition_area"]
    assert transition.dims == ("regime_before", "regime")
    np.testing.assert_allclose(transition.sum("regime_before"), last["expected_area"].sel(basin="global"), rtol=1e-5)
    np.testing.assert_allclose(
        transition.sum("regime") - np.einsum("i,wik->k", area, before) / 5, 0, atol=1e-5 * area.sum()
    )
    assert (last["transition_area_lower"] <= transition + 1).all()
    assert (transition <= last["transition_area_upper"] + 1).all()


def test_a_long_control_run_and_many_variants_are_cut(made, natural):
    variants = [made.control.assign_attrs(variant_label=f"r{k}i1p1f1") for k in (2, 3, 4)]
    settings = SETTINGS.replace(max_control_windows=3, max_variants=2)
    cut = natural_of(made, settings=settings, variants=variants)["ensemble"]
    latest = np.sort(np.argsort(made.control["window_start"].values)[-3:])
    n_windows = made.control.sizes["window"]
    assert n_windows > 3 and len(cut.certainty) == 3 + 2 * n_windows
    np.testing.assert_allclose(cut.certainty[:3], natural["ensemble"].certainty[latest], atol=1e-6)
    assert (cut.pairs.separation == 0).sum() == n_windows


def test_the_forced_change_is_found_where_it_is(tracked):
    shift, forced, lat = tracked["forced_shift"], tracked["forced_change"], tracked["lat"]
    south = (lat > -60) & (lat < -30)
    assert float((shift.isel(window=-1).where(south) == 1).sum(("lat", "lon")).min()) > 60
    area = tracked["areacello"]
    called, falsely = (float((area * (shift == 1).where(here, False)).sum()) for here in (True, ~south))
    assert falsely / called < 0.1
    # a forced regime change is a shift, and probable
    np.testing.assert_array_equal(forced == 1, (shift == 1) & (tracked["change_probability"] >= 0.5))
    np.testing.assert_array_equal(forced == -1, shift == -1)
    assert 0 < float((area * (forced == 1)).sum()) < 0.9 * called
    # each window is farther from its baseline, in the unit of windows since the branch
    np.testing.assert_array_equal(tracked["separation"], [1, 1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(tracked["null_separation"], [1, 1, 2, 3, 4, 4, 4])
    called = (area * (shift == 1)).sum(("lat", "lon"))
    np.testing.assert_allclose(tracked["expected_false_area"], 0.1 * called, rtol=1e-6)
    emerged = tracked["forced_emergence"]
    assert float(emerged.where(south).notnull().sum()) > 100
    assert float(emerged.where(~south).notnull().sum()) < 5
    assert set(np.unique(emerged.values[np.isfinite(emerged.values)])) <= set(tracked["window_start"].values[:-1])


def test_the_control_run_gives_the_rate_of_false_calls(made, natural):
    control = track(made, made.control, None, natural)
    assert (control["control_shift_share"] < 0.01).all()
    assert (control["control_forced_share"] <= control["control_shift_share"]).all()
    assert (control["control_emergence_share"] < 0.01).all()
    assert (control["forced_change"] == -1).all()
    assert control["change_probability"].isnull().all()
    assert control["transition_area"].isnull().all()
    assert control["expected_area"].notnull().all()


def test_identical_windows_change_nothing_at_all(made, natural):
    same = made.control.copy().assign_attrs(made.scenario.attrs).assign_coords(baseline_window=made.control["window"])
    fields = track(made, same, made.control, natural)
    assert (at_cells(fields["change_probability"]) == 0).all()
    assert (at_cells(fields["change_p_value"]) == 1).all()
    assert (at_cells(fields["change_probability_independent"]) > 0).all()
    assert (fields["expected_area_change"] == 0).all()
    assert (at_cells(fields["forced_change"]) == 0).all()


def test_results_do_not_depend_on_who_computes_nor_in_which_order(made, natural, tracked):
    settings = SETTINGS.replace(block_cells=100)

    def in_turn(function, shared, parts, *, description):
        for part in parts:
            yield pickle.loads(pickle.dumps(function))(*pickle.loads(pickle.dumps((shared, part))))

    here = track(made, made.scenario, made.control, natural, settings=settings)
    elsewhere = track(made, made.scenario, made.control, natural, settings=settings, mapper=in_turn)
    xr.testing.assert_identical(here, elsewhere)
    # other blocks differ by rounding only
    xr.testing.assert_allclose(here.drop_vars("change_p_value"), tracked.drop_vars("change_p_value"), rtol=1e-4)
    again = natural_of(made, mapper=in_turn)
    np.testing.assert_array_equal(again["ensemble"].change, natural["ensemble"].change)


def test_the_file_can_be_written_and_read(tracked, tmp_path):
    tracked.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as again:
        xr.testing.assert_allclose(again.load(), tracked)
        assert again["regime"].attrs["flag_meanings"].split() == list(CLASSES)
        assert again["expected_area"].attrs["units"] == "m2"


def test_a_curvilinear_grid_keeps_its_dims(made):
    control = make_run("piControl", seed=1, curvilinear=True)
    scenario = make_run("abrupt-4xCO2", seed=2, curvilinear=True, signal=-0.4, parent="MADE/piControl/r1i1p1f1")
    scenario = scenario.assign_coords(baseline_window=control["window"])
    fields = track(made, scenario, control)
    assert fields["change_probability"].dims == ("window", "predictor", "y", "x")
    assert fields["forced_emergence"].dims == ("predictor", "y", "x")
    assert fields["lat"].dims == ("y", "x")
    # no change is tested without internal variability
    assert (fields["forced_change"] == -1).all()
    assert fields["expected_false_area"].isnull().all()


def test_cells_unlike_all_training_cells_are_not_tested(made, natural):
    scenario, control = made.scenario.copy(deep=True), made.control.copy(deep=True)
    scenario["wind_stress_curl"][-1, 5, 5] = 1e-8
    control["wind_stress_curl"][-1, 7, 7] = 1e-8
    fields = track(made, scenario, control, natural).isel(window=-1)
    assert fields["applicable"].values[5, 5] == 0
    assert fields["applicable"].values[7, 7] == 1
    assert fields["applicable"].values[0, 0] == -1
    assert (fields["forced_change"].values[:, [5, 7], [5, 7]] == -1).all()
    assert np.isfinite(fields["change_p_value"].values[:, 5, 5]).all()
    assert (fields["forced_change"].values[:, 6, 6] >= 0).all()


def test_cells_the_parent_does_not_have_are_not_compared(made):
    control = made.control.copy(deep=True)
    control["valid"][4, 4] = 0
    fields = track(made, made.scenario, control)
    assert np.isnan(fields["change_probability"].values[..., 4, 4]).all()
    assert (fields["baseline_regime"].values[..., 4, 4] == -1).all()
    assert np.isfinite(fields["regime_probability"].values[..., 4, 4]).all()
    lost = fields["areacello"].values[4, 4]
    whole = fields["expected_area"].sel(basin="global").sum("regime")
    np.testing.assert_allclose(whole - fields["transition_area"].sum(("regime_before", "regime")), lost, rtol=0.01)


def test_a_reference_window_counts_years_not_windows_since_the_branch(made):
    historical = make_run("historical", n_windows=3, first_year=1955, seed=3)
    future = make_run("ssp585", n_windows=3, first_year=2015, seed=4, parent="MADE/historical/r1i1p1f1")
    future = future.assign_coords(baseline_window=("window", ["1995-2014"] * 3))
    fields = track(made, future, historical)
    np.testing.assert_array_equal(fields["separation"], [1, 2, 3])
    assert np.isfinite(at_cells(fields["change_probability"])).all()


def test_a_window_is_tested_in_the_same_way_alone_and_beside_the_others_of_its_run(made, natural):
    """At a level of warming a run has one window, which is as far from the branch as it is in the whole run."""
    whole = track(made, made.scenario.assign_attrs(branch_year=1850), made.control, natural)
    alone = made.scenario.isel(window=[3]).assign_attrs(branch_year=1850, experiment_id="abrupt-4xCO2-gwl2.0")
    found = track(made, alone, made.control, natural)
    for name, value in (("separation", 3), ("null_separation", 3), ("null_pairs", 4)):
        assert found[name].item() == whole[name][3].item() == value
    np.testing.assert_array_equal(found["change_p_value"][0], whole["change_p_value"][3])
    np.testing.assert_array_equal(found["forced_shift"][0], whole["forced_shift"][3])


def test_windows_without_baseline_have_regimes_but_no_change(made, natural):
    run = make_run(
        "historical", seed=5, parent="MADE/piControl/r1i1p1f1", baseline=made.control["window"].values[2:5], signal=-0.4
    )
    fields = track(made, run, made.control, natural)
    held = np.isfinite(at_cells(fields["change_probability"])).all(axis=(1, 2))
    np.testing.assert_array_equal(held, [True] * 3 + [False] * 4)
    assert fields["transition_area"].isnull().any(("regime", "regime_before", "predictor")).values.tolist() == [
        *[False] * 3,
        *[True] * 4,
    ]
    assert np.isfinite(at_cells(fields["regime_probability"])).all()
    assert fields["null_separation"].values.tolist() == [1, 1, 2, -1, -1, -1, -1]
    # what stays through the three that can be compared has emerged
    assert float(fields["forced_emergence"].notnull().sum()) > 0


def test_networks_trained_on_votes_separate_the_variance_of_change(made, natural):
    label_run = np.array([0, 0, 1, 1, 2])
    fields = track(made, made.scenario, made.control, label_run=label_run)
    names = [f"change_{part}_variance" for part in ("label", "network", "residual")]
    total = sum(fields[name] for name in names)
    change = fields["change_probability"].sel(predictor="ensemble")
    np.testing.assert_allclose(at_cells(total), at_cells(change * (1 - change)), atol=1e-6)
    assert fields[names[0]].dims == ("window", "lat", "lon")


def test_variants_of_one_experiment_add_to_natural_variability(made):
    variants = [make_run("historical", n_windows=2, seed=seed) for seed in (11, 12, 13)]
    natural = natural_of(made, variants=variants)["ensemble"]
    # three pairs at each of two windows beside the 21 of the control run
    assert (natural.pairs.separation == 0).sum() == 6
    assert len(natural.pairs.states) == 21 + 6
    assert natural.certainty.shape[0] == 7 + 6
    assert natural.null(4, SETTINGS).n_pairs == 3 + 6


def test_members_of_different_experiments_at_one_window_are_no_pairs(made):
    variants = [make_run("historical", n_windows=2, seed=seed) for seed in (11, 12)]
    variants += [make_run("ssp585", n_windows=2, seed=seed) for seed in (13, 14, 15)]
    natural = natural_of(made, variants=variants, settings=SETTINGS.replace(max_variants=2))["ensemble"]
    pairs = natural.pairs.states[natural.pairs.separation == 0].tolist()
    # windows 7 to 10 are of historical, 11 to 14 of the first two members of ssp585
    assert pairs == [[7, 9], [8, 10], [11, 13], [12, 14]]


def test_control_windows_that_overlap_are_no_pairs(made):
    control = made.control.isel(window=slice(4)).assign_coords(
        window_start=("window", [1, 11, 21, 41]), window_end=("window", [20, 30, 40, 60])
    )
    pairs = natural_of(replace_control(made, control))["ensemble"].pairs
    assert list(map(tuple, pairs.states.tolist())) == [(0, 2), (0, 3), (1, 3), (2, 3)]
    # 20, 40, 30 and 20 years
    assert pairs.separation.tolist() == [1, 2, 2, 1]


def test_what_is_missing_is_named(made, natural):
    with pytest.raises(DataError, match="MADE/abrupt-4xCO2/r1i1p1f1 is compared with the window 0121-0140 of MADE/piC"):
        track(made, made.scenario, made.control.isel(window=slice(6)))
    with pytest.raises(DataError, match="MADE/abrupt-4xCO2/r1i1p1f1 has no 'areacello'"):
        track(made, made.scenario.drop_vars("areacello"), made.control)
    with pytest.raises(DataError, match="'areacello' is missing or negative"):
        track(made, made.scenario.assign(areacello=np.nan * made.scenario["areacello"]), made.control)
    with pytest.raises(DataError, match="no cell is valid"):
        track(made, made.scenario.assign(valid=0 * made.scenario["valid"]), made.control)
    with pytest.raises(DataError, match="expected its file, got MADE/historical"):
        track(made, made.scenario, made.control.assign_attrs(experiment_id="historical"))
    with pytest.raises(DataError, match="no two windows without common months"):
        natural_of(replace_control(made, made.control.isel(window=[0])))


def test_what_does_not_belong_together_is_refused(made, natural):
    other = make_stack(names=("wind_stress_curl", "zos", "coriolis_parameter"))
    with pytest.raises(NetworkError, match=r"Predictor 'ensemble' needs coriolis_parameter, which the scaler lacks"):
        track(made, made.scenario, made.control, predictors={"ensemble": other})
    names = (*NAMES[:2], "coriolis_parameter")
    scaler = replace(made.scaler, features=names, units=("m s-2", "m", "s-1"))
    with pytest.raises(NetworkError, match="area of applicability needs deptho, which the scaler lacks"):
        track(made, made.scenario, made.control, predictors={"ensemble": other}, scaler=scaler)
    with pytest.raises(NetworkError, match="Feature 'coriolis_parameter' is missing"):
        track(
            made,
            made.scenario,
            made.control,
            predictors={"ensemble": other},
            scaler=scaler,
            applicability=make_applicability(names),
        )
    with pytest.raises(NetworkError, match="no temperature of bayesian"):
        track(made, made.scenario, made.control, temperatures={"ensemble": 1.0})
    with pytest.raises(NetworkError, match="one label run for each of the"):
        track(made, made.scenario, made.control, label_run=np.zeros(3, int))
    with pytest.raises(GridError):
        track(made, made.scenario, make_run("piControl", shape=(18, 40)))


def replace_control(made, control):
    return type(made)(**vars(made) | {"control": control})
