"""Each contract passes a good dataset and names each fault, in memory and lazily."""

import dask
import numpy as np
import pytest
import xarray as xr

from tests.made_fields import (
    N_LAT,
    N_LON,
    make_agreement,
    make_attributions,
    make_climatologies,
    make_diagnosed_terms,
    make_ensemble_probabilities,
    make_features,
    make_regime_uncertainty,
    make_regimes,
    make_scenario_features,
    make_scenario_regimes,
    make_split,
    make_training_ocean,
    make_transport_climatologies,
    make_transports_sigma2,
    make_true_budgets,
    make_vorticity_budget,
)
from thor.core.contracts import CONTRACTS, check
from thor.core.errors import DataError, GridError, UnitsError

MAKERS = {
    "raw_training_ocean": make_training_ocean,
    "training_ocean": make_training_ocean,
    "vorticity_budget": make_vorticity_budget,
    "features": make_features,
    "regimes": make_regimes,
    "split": make_split,
    "regime_uncertainty": make_regime_uncertainty,
    "attributions": make_attributions,
    "agreement": make_agreement,
    "ensemble_probabilities": make_ensemble_probabilities,
    "climatologies": make_climatologies,
    "scenario_features": make_scenario_features,
    "true_budgets": make_true_budgets,
    "transport_climatologies": make_transport_climatologies,
    "transports_sigma2": make_transports_sigma2,
    "diagnosed_terms": make_diagnosed_terms,
    "scenario_regimes": make_scenario_regimes,
}


def put(name, value, *, at=(5, 8)):
    def fault(dataset):
        values = dataset[name].values.copy()
        values[(..., *at)] = value
        return dataset.assign({name: dataset[name].copy(data=values)})

    return fault


def fill(name, value):
    return lambda dataset: dataset.assign({name: dataset[name].fillna(value)})


def whole(name, value):
    return lambda dataset: dataset.assign({name: xr.full_like(dataset[name], value)})


def scaled(name, factor):
    return lambda dataset: dataset.assign({name: (dataset[name] * factor).assign_attrs(dataset[name].attrs)})


def attribute(name, key, value):
    def fault(dataset):
        dataset = dataset.copy(deep=True)
        dataset[name].attrs.pop(key, None)
        if value is not None:
            dataset[name].attrs[key] = value
        return dataset

    return fault


def latitudes(row, value):
    def fault(dataset):
        values = dataset["lat"].values.copy()
        values[row] = value
        return dataset.assign_coords(lat=values)

    return fault


FAULTS = [
    # contract, fault, error, words of the message
    ("training_ocean", lambda d: d.drop_vars("zos"), DataError, "variable 'zos' is missing"),
    ("training_ocean", lambda d: d.assign(data2=d["zos"]), DataError, "'data2' has no place"),
    ("training_ocean", lambda d: d.transpose("lon", "lat"), GridError, r"expected \(lat, lon\)"),
    ("training_ocean", lambda d: d.rename(lat="j", lon="i"), GridError, r"has dims \(j, i\)"),
    ("raw_training_ocean", lambda d: d.assign(zos=d["zos"].astype("U9")), DataError, "'zos' is of type <U9; expected"),
    ("raw_training_ocean", lambda d: d.expand_dims(time=1), GridError, "Take the mean over time, or select one"),
    ("training_ocean", attribute("tauuo", "units", None), UnitsError, "'tauuo' has no units attribute"),
    ("training_ocean", attribute("tauuo", "units", "Pa"), UnitsError, "units 'Pa'; expected 'N m-2'"),
    ("raw_training_ocean", attribute("tauuo", "units", "m2 s-2"), UnitsError, "'m2 s-2'; expected 'N m-2' or 'Pa'"),
    ("raw_training_ocean", attribute("zos", "units", None), UnitsError, "'zos' has no units"),
    ("raw_training_ocean", fill("zos", 1e20), DataError, r"'zos' holds the undeclared fill value 1e\+20 in 19 cells"),
    ("raw_training_ocean", fill("tauuo", 9.96921e36), DataError, r"undeclared fill value 9.969e\+36"),
    ("raw_training_ocean", latitudes(0, 9.96921e36), GridError, r"'lat' holds the undeclared fill value 9.969e\+36"),
    ("raw_training_ocean", whole("zos", np.nan), DataError, "'zos' is NaN in every cell"),
    ("raw_training_ocean", scaled("deptho", -1.0), DataError, "depth is positive down"),
    ("raw_training_ocean", attribute("deptho", "positive", "up"), DataError, "positive = 'up'"),
    ("raw_training_ocean", latitudes(4, 70.0), GridError, "latitude is not monotonic"),
    ("raw_training_ocean", lambda d: d.assign_coords(lon=d["lon"] * 2 - 400), GridError, "two conventions"),
    ("training_ocean", put("zos", 1e20), DataError, r"undeclared fill value 1e\+20 in 1 cell\."),
    ("training_ocean", put("zos", np.inf), DataError, "'zos' is infinite in 1 cell"),
    ("training_ocean", put("zos", 50.0), DataError, "'zos' runs from .* to 50 m; expected -10 to 10"),
    ("training_ocean", put("zos", np.nan), DataError, "the ocean region, first at latitude 20, longitude 180"),
    ("training_ocean", put("deptho", -20.0), DataError, "'deptho' runs from -20 to"),
    ("training_ocean", latitudes(4, 70.0), GridError, "not monotonic .row 4 at 70, row 5 at 20"),
    ("training_ocean", lambda d: d.isel(lat=slice(None, None, -1)), GridError, "latitude is descending"),
    ("training_ocean", latitudes(8, 95.0), GridError, "latitudes run from -80 to 95"),
    ("training_ocean", latitudes(8, np.nan), GridError, "'lat' holds NaN"),
    ("training_ocean", lambda d: d.assign_coords(lon=d["lon"] - 180.0), GridError, r"expected \[0, 360\)"),
    ("training_ocean", lambda d: d.drop_vars("lon"), GridError, "coordinate 'lon' is missing"),
    ("vorticity_budget", scaled("wind_stress_curl", -1.0), DataError, "does not close"),
    ("vorticity_budget", scaled("viscous_torque", 1.01), DataError, "does not close"),
    ("vorticity_budget", whole("analysis_mask", 0), DataError, "'analysis_mask' is 1 nowhere"),
    ("vorticity_budget", lambda d: put("analysis_mask", 0.5)(d.assign(analysis_mask=d["analysis_mask"].astype(float))),
     DataError, "values other than 0 and 1 in 1 cell"),
    ("vorticity_budget", put("nonlinear_torque", np.nan), DataError, "of the analysis region"),
    ("vorticity_budget", put("areacello", np.nan), DataError, "'areacello' is NaN in 1 cell of the analysis region"),
    ("features", put("zos_gradient_eastward", np.nan), DataError, "of the valid region"),
    ("features", put("zos_mean_500km", np.nan), DataError, "of the valid region"),
    ("features", attribute("zos_mean_500km", "units", "cm"), UnitsError, "'zos_mean_500km' has units 'cm'"),
    ("features", put("zos_spread_500km", -0.1), DataError, "'zos_spread_500km' runs from -0.1"),
    ("features", lambda d: d.drop_vars("coriolis_parameter"), DataError, "'coriolis_parameter' is missing"),
    ("features", lambda d: d.assign(zos_mean=d["zos"]), DataError, "'zos_mean' has no place"),
    ("transport_climatologies", put("umo_column", 1e14), DataError, "'umo_column' runs from .* to 1e.14 kg s-1"),
    ("transport_climatologies", lambda d: d.drop_vars("vmo_column"), DataError, "'vmo_column' is missing"),
    ("transport_climatologies", lambda d: d.transpose(..., "lev"), GridError, r"expected \(lev, lat, lon\)"),
    ("transports_sigma2", put("vmo", 1e14), DataError, "'vmo' runs from .* to 1e.14 kg s-1"),
    ("transports_sigma2", lambda d: d.transpose(..., "sigma2"), GridError, r"expected \(sigma2, lat, lon\)"),
    ("diagnosed_terms", put("residual_torque", 1.0), DataError, "'residual_torque' runs from .* to 1 m s-2"),
    ("diagnosed_terms", whole("transport_planetary_advection", np.nan), DataError, "is NaN in every cell"),
    ("regimes", put("regime", 7), DataError, r"labels other than -1 and its flag_values \[0, 1, 2\] in 1 cell"),
    ("regimes", attribute("regime", "flag_meanings", "one two"), DataError, "one meaning for each"),
    ("regimes", whole("regime", -1), DataError, "labels no cell"),
    ("regimes", put("regime_votes", 0.5), DataError, "sums to one only within 0.5"),
    ("regimes", put("regime_votes", np.nan), DataError, "'regime_votes' is NaN in 3 cells of the analysis region"),
    ("regimes", scaled("regime_confidence", 1.5), DataError, "'regime_confidence' runs from"),
    ("regimes", lambda d: d.transpose("lat", "lon", "regime"), GridError, r"expected \(regime, lat, lon\)"),
    ("climatologies", put("zos", np.nan), DataError, "'zos' is NaN in 2 cells of the ocean region"),
    ("climatologies", put("tauuo", 50.0), DataError, "'tauuo' runs from .* to 50"),
    ("climatologies", lambda d: d.transpose("lat", "lon", "window"), GridError, r"expected \(window, lat, lon\)"),
    ("climatologies", lambda d: d.assign_coords(months=("window", [240, 239])), DataError, "1 windows hold fewer"),
    ("climatologies", lambda d: d.drop_vars("months"), DataError, "coordinate 'months' is missing"),
    ("scenario_features", put("zos_gradient_eastward", np.nan), DataError, "of the valid region"),
    ("scenario_features", lambda d: d.drop_vars("window_end"), DataError, "'window_end' is missing"),
    ("true_budgets", scaled("wind_stress_curl", -1.0), DataError, "does not close"),
    ("true_budgets", put("nonlinear_torque", np.nan), DataError, "of the analysis region"),
    ("split", lambda d: d.drop_vars("role"), DataError, "variable 'role' is missing"),
    ("split", attribute("role", "units", "m"), UnitsError, "'role' has units 'm'"),
    ("agreement", put("rank_correlation", 1.5), DataError, "'rank_correlation' runs from"),
    ("agreement", put("network_sign_agreement", np.nan), DataError, "'network_sign_agreement' is NaN"),
    ("attributions", put("attribution", np.nan), DataError, "'attribution' is NaN"),
    ("attributions", put("attribution_sign_agreement", 1.5), DataError, "'attribution_sign_agreement' runs from"),
    ("attributions", lambda d: d.transpose(..., "feature"), GridError, r"\(predictor, feature, lat, lon\)"),
    ("regime_uncertainty", put("regime_probability", 0.5), DataError, "sums to one only within"),
    ("regime_uncertainty", put("mutual_information", -0.1), DataError, "'mutual_information' runs from -0.1"),
    ("regime_uncertainty", lambda d: d.transpose(..., "predictor"), GridError, r"\(predictor, regime, lat, lon\)"),
    ("scenario_regimes", put("regime_probability", 0.5), DataError, "sums to one only within"),
    ("scenario_regimes", put("regime_probability", np.nan), DataError, "'regime_probability' is NaN"),
    ("scenario_regimes", scaled("change_to_probability", 2.0), DataError, "'change_probability' only within 0.3"),
    ("scenario_regimes", put("change_to_probability", np.nan), DataError, "known in the same cells: 2 cells differ"),
    ("scenario_regimes", scaled("change_probability_independent", 3.0), DataError, "independent' runs from 1.5 to 1.5"),
    ("scenario_regimes", put("regime", 7), DataError, "labels other than -1"),
    ("scenario_regimes", scaled("transition_area", -1.0), DataError, "'transition_area' runs from -1e.12"),
    ("scenario_regimes", attribute("expected_area", "units", "km2"), UnitsError, "'expected_area' has units 'km2'"),
    ("scenario_regimes", lambda d: d.assign(expected_area=d["expected_area"].transpose("regime", ...)), GridError,
     r"'expected_area' has dims \(regime, window, predictor, basin\); expected \(window, predictor, basin, regime\)"),
    ("scenario_regimes", lambda d: d.drop_vars("argmax_area"), DataError, "variable 'argmax_area' is missing"),
    ("scenario_regimes", lambda d: d.assign_coords(months=("window", [240, 239])), DataError, "1 windows hold fewer"),
    ("scenario_regimes", lambda d: d.transpose(..., "predictor", "basin", "regime", "regime_before"), GridError,
     r"expected \(window, predictor, lat, lon\)|expected \(window, predictor"),
    ("ensemble_probabilities", put("regime_probability", 0.5), DataError, "sums to one only within 0.5"),
    ("ensemble_probabilities", put("regime_probability", np.nan), DataError, "is NaN in 3 cells of the valid region"),
]  # fmt: skip


@pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])
@pytest.mark.parametrize("name", CONTRACTS)
def test_a_good_dataset_passes(name, lazy):
    dataset = MAKERS[name]()
    before = dataset.copy(deep=True)
    check(dataset.chunk({"lat": 4}) if lazy else dataset, name, where="here")
    xr.testing.assert_identical(dataset, before)


@pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])
@pytest.mark.parametrize(("name", "fault", "error", "message"), FAULTS)
def test_a_fault_is_named(name, fault, error, message, lazy):
    dataset = fault(MAKERS[name]())
    if lazy:
        dataset = dataset.chunk({next(dim for dim in dataset.sizes if dim in ("lat", "j")): 5})
    with pytest.raises(error, match=message) as caught:
        check(dataset, name, where="some/file.nc")
    assert str(caught.value).startswith("some/file.nc: ")
    assert len(str(caught.value)) < 420


def test_every_contract_has_lazy_faults_in_its_data():
    assert {name for name, *_ in FAULTS} == set(CONTRACTS)


def test_lazy_data_are_read_in_one_pass():
    reads = []

    def counted(block):
        reads.append(1)
        return block

    dataset = make_vorticity_budget().chunk({"lat": N_LAT, "lon": N_LON})
    dataset = xr.apply_ufunc(counted, dataset, dask="parallelized", output_dtypes=[float], keep_attrs=True)
    reads.clear()
    with dask.config.set(scheduler="synchronous"):
        check(dataset, "vorticity_budget", where="here")
    assert len(reads) == len(dataset.data_vars)


def test_a_raw_file_may_use_other_units_conventions_and_have_gaps():
    raw = make_training_ocean().isel(lat=slice(None, None, -1))
    raw = raw.assign_coords(lon=(raw["lon"] + 180) % 360 - 180)
    raw["zos"] = (raw["zos"] * 100).assign_attrs(units="cm")
    raw["tauuo"] = raw["tauuo"].where(raw["lat"] < 40).assign_attrs(units="Pa")
    raw["lat_bnds"] = (("lat", "bnds"), np.zeros((N_LAT, 2)))
    check(raw, "raw_training_ocean", where="here")
    with pytest.raises(DataError):
        check(raw, "training_ocean", where="here")


def test_the_surface_stress_may_be_missing():
    for name in ("raw_training_ocean", "training_ocean"):
        check(make_training_ocean().drop_vars(["tauuo", "tauvo"]), name, where="here")


def test_a_range_is_checked_after_conversion():
    raw = make_training_ocean()
    raw["deptho"] = (raw["deptho"] / 1000).assign_attrs(units="km")
    check(raw, "raw_training_ocean", where="here")
    raw["deptho"] = (raw["deptho"] * 1000).assign_attrs(units="km")
    with pytest.raises(DataError, match=r"'deptho' runs from .*e\+06 m"):
        check(raw, "raw_training_ocean", where="here")


def test_a_budget_may_declare_how_well_it_closes():
    budget = make_vorticity_budget()
    budget["viscous_torque"] = budget["viscous_torque"] + 1e-13
    check(budget, "vorticity_budget", where="here")
    with pytest.raises(DataError, match="at most 1e-09"):
        check(budget.assign_attrs(closure_tolerance=1e-9), "vorticity_budget", where="here")


def test_a_residual_outside_the_analysis_mask_does_not_count():
    budget = put("viscous_torque", 5e-7)(make_vorticity_budget())
    with pytest.raises(DataError, match="does not close"):
        check(budget, "vorticity_budget", where="here")
    check(put("analysis_mask", 0)(budget), "vorticity_budget", where="here")


def test_a_curvilinear_grid_passes_too():
    ocean = make_training_ocean()
    lat, lon = xr.broadcast(ocean["lat"], ocean["lon"])
    curvilinear = ocean.rename(lat="y", lon="x").drop_vars(["y", "x"])
    curvilinear = curvilinear.assign_coords(lat=(("y", "x"), lat.values), lon=(("y", "x"), lon.values))
    check(curvilinear, "training_ocean", where="here")
    with pytest.raises(GridError, match="longitudes run from"):
        check(curvilinear.assign_coords(lon=curvilinear["lon"] + 90), "training_ocean", where="here")


def test_stress_on_staggered_points_may_have_gaps():
    check(put("tauuo", np.nan)(make_climatologies()), "climatologies", where="here")


def test_without_a_baseline_changes_may_be_missing():
    run = make_scenario_regimes()
    for name in ("change_probability", "change_to_probability", "change_p_value", "transition_area"):
        run[name] = xr.full_like(run[name], np.nan)
    check(run, "scenario_regimes", where="here")
    run["predictive_entropy"] = xr.full_like(run["predictive_entropy"], np.nan)
    with pytest.raises(DataError, match="'predictive_entropy' is NaN in every cell"):
        check(run, "scenario_regimes", where="here")


def test_an_unknown_contract_names_the_nearest():
    with pytest.raises(DataError, match="Did you mean 'features'"):
        check(make_features(), "feature", where="here")
