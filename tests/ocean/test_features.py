"""Features: known gradients and curls, the published geometry, extended features, bad input."""

import numpy as np
import pytest
import xarray as xr

from thor.core.errors import DataError
from thor.core.variables import FEATURES, variable
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.features import feature_names, features, window_features
from thor.reading.training_ocean import harmonise

PLAIN = {
    "stress_curl": "surface",
    "metric": "spherical",
    "reference_density": 1029.0,
    "extended": False,
    "neighbourhood_radii_km": [],
    "polar_filter": False,
}

# Scaler of the published study (science of section 5), fitted on the cells outside the Atlantic band.
PUBLISHED_MEAN = [-2.20681035e-11, None, None, None, 3.96657293e03, -1.45941754e-04, 5.42086609e-04, -1.21754470e-05]
PUBLISHED_SCALE = [1.46399667e-10, None, None, None, 1.44475515e03, 4.87804804e-03, 4.64697134e-03, 9.54868121e-05]


def test_eight_features_with_units_on_every_ocean_cell(raw_ocean):
    ocean = harmonise(raw_ocean)
    got = features(ocean, **PLAIN)
    assert feature_names(got) == list(FEATURES)
    wet = np.isfinite(ocean.deptho.values)
    for name in FEATURES:
        assert got[name].attrs["units"] == variable(name).units
        assert (np.isfinite(got[name].values) == wet).all()
    assert (got.valid.values == wet).all()
    assert (got.basin.values[~wet] == -1).all()


def test_values_against_calculus(raw_ocean):
    got = features(harmonise(raw_ocean), **PLAIN)
    inner = {"lon": slice(150, 330), "lat": slice(-70, 70)}
    phi, lam = np.deg2rad(got.lat), np.deg2rad(got.lon)
    expected = {
        "zos_gradient_eastward": np.cos(lam) + 0 * phi,
        "zos_gradient_northward": -np.sin(phi) * np.sin(lam),
        "deptho_gradient_northward": -500 * np.sin(phi) * np.sin(2 * lam),
        "wind_stress_curl": (
            0.04 * np.cos(2 * lam)
            - 0.1 * (-3 * np.sin(3 * phi) * np.cos(phi) - np.cos(3 * phi) * np.sin(phi)) / np.cos(phi)
        )
        / 1029.0,
    }
    for name, field in expected.items():
        field = (field / EARTH_RADIUS).transpose("lat", "lon").sel(inner)
        difference = got[name].sel(inner) - field
        assert float(np.sqrt((difference**2).mean())) < 0.03 * float(np.sqrt((field**2).mean())), name


def test_the_polar_filter_changes_high_latitudes_in_true_geometry_only(raw_ocean):
    ocean = harmonise(raw_ocean)
    plain, filtered = (features(ocean, **PLAIN | {"polar_filter": used}) for used in (False, True))
    for name in FEATURES:
        change = np.abs(filtered[name] - plain[name])
        assert float(change.sel(lat=slice(-55, 55)).max()) == 0
        if name != "coriolis_parameter":
            assert float(change.sel(lat=slice(75, 90)).max()) > 0, name
    assert "polar_filter" in filtered.attrs
    assert "polar_filter" not in plain.attrs
    published = {**PLAIN, "metric": "published"}
    xr.testing.assert_identical(features(ocean, **published), features(ocean, **published | {"polar_filter": True}))


def test_windows_are_filtered_as_the_training_ocean(raw_ocean):
    ocean = harmonise(raw_ocean)
    options = {"reference_density": 1029.0, "extended": True, "neighbourhood_radii_km": [], "polar_filter": True}
    changing = ocean[["zos", "tauuo", "tauvo"]].expand_dims(window=2)
    windows = ocean.drop_vars(["zos", "tauuo", "tauvo"]).merge(changing)
    got = window_features(windows, **options)
    expected = features(ocean, stress_curl="surface", metric="spherical", **options)
    for name in feature_names(expected):
        found = got[name].isel(window=1) if "window" in got[name].dims else got[name]
        np.testing.assert_array_equal(found.values, expected[name].values)


def test_extended_features(raw_ocean):
    ocean = harmonise(raw_ocean)
    got = features(ocean, **PLAIN | {"extended": True, "neighbourhood_radii_km": [600, 1200]})
    assert len(feature_names(got)) == 8 + 4 + 3 + 2 + 2 * 2 * 7
    magnitude = np.hypot(got.zos_gradient_eastward, got.zos_gradient_northward)
    np.testing.assert_allclose(got.zos_gradient_magnitude, magnitude)
    jacobian = (
        got.zos_gradient_eastward * got.deptho_gradient_northward
        - got.zos_gradient_northward * got.deptho_gradient_eastward
    )
    np.testing.assert_allclose(got.zos_deptho_jacobian, jacobian)
    assert got.zos_spread_1200km.attrs["units"] == "m"
    assert float(got.zos_spread_600km.mean()) < float(got.zos_spread_1200km.mean())


def test_the_curl_at_coasts_is_logged(raw_ocean):
    ocean = harmonise(raw_ocean)
    attrs = features(ocean, **PLAIN)["wind_stress_curl"].attrs
    assert attrs["coastal_curl"] == "from one-sided differences, half a cell seaward"
    # Around the continent of 12 x 12 cells, in 12 + 2 columns and rows each.
    assert attrs["coastal_cells"] == 4 * 12 + 4
    released = features(ocean, **PLAIN | {"stress_curl": "released"})
    assert "coastal_curl" not in released["wind_stress_curl"].attrs


def test_released_stress_curl_is_the_budget_term(raw_ocean):
    ocean = harmonise(raw_ocean)
    got = features(ocean, **PLAIN | {"stress_curl": "released"})
    wet = got.valid == 1
    np.testing.assert_array_equal(got.wind_stress_curl.values[wet], ocean.wind_stress_curl.values[wet])


def test_surface_stress_curl_needs_a_stress(raw_ocean):
    ocean = harmonise(raw_ocean).drop_vars(["tauuo", "tauvo"])
    with pytest.raises(DataError, match="no tauuo and no tauvo.*stress_curl: released"):
        features(ocean, **PLAIN)


def test_nothing_valid_names_the_empty_feature(raw_ocean):
    ocean = harmonise(raw_ocean)
    ocean["wind_stress_curl"][:] = np.nan
    with pytest.raises(DataError, match="nowhere finite: wind_stress_curl"):
        features(ocean, **PLAIN | {"stress_curl": "released"})


def test_published_geometry_on_ecco(ecco_ocean, ecco_arrays):
    got = features(ecco_ocean, **PLAIN | {"stress_curl": "released", "metric": "published"})
    got = got.assign_coords(lon=(got.lon + 180) % 360 - 180).sortby("lon")
    missing = np.load(ecco_arrays["MissdataECCO"])
    assert ((got.valid.values == 0) == missing).all()
    assert int(got.valid.sum()) == 149_587
    train = got.where((got.valid == 1) & ((got.lon < -80) | (got.lon > 20)))
    for name, mean, scale in zip(FEATURES, PUBLISHED_MEAN, PUBLISHED_SCALE, strict=True):
        if mean is not None:
            assert float(train[name].mean()) == pytest.approx(mean, rel=1e-5), name
            assert float(train[name].std()) == pytest.approx(scale, rel=1e-5), name


def test_surface_stress_curl_on_ecco_agrees_with_the_released_one(ecco_ocean):
    got = features(ecco_ocean, **PLAIN)
    used = ((ecco_ocean.analysis_mask == 1) & (got.valid == 1)).values
    surface, released = got.wind_stress_curl.values[used], ecco_ocean.wind_stress_curl.values[used]
    assert np.corrcoef(surface, released)[0, 1] > 0.95
    assert np.polyfit(surface, released, 1)[0] == pytest.approx(1, abs=0.05)


def test_features_of_windows_are_those_of_each_window(raw_ocean):
    ocean = harmonise(raw_ocean)
    later = ocean.assign({name: 1.2 * ocean[name] for name in ("zos", "tauuo", "tauvo")})
    fields = ["zos", "tauuo", "tauvo", "deptho", "areacello", "sftof"]
    windows = xr.concat([ocean[fields], later[fields]], "window", data_vars=["zos", "tauuo", "tauvo"])
    windows = windows.assign_coords(window=["1850-1869", "1870-1889"], months=("window", [240, 240]))
    options = {"reference_density": 1029.0, "extended": True, "neighbourhood_radii_km": [800], "polar_filter": False}
    got = window_features(windows.assign_attrs(source_id="MADE-1"), **options)
    for k, each in enumerate((ocean, later)):
        expected = features(each, **PLAIN | options)
        assert set(feature_names(got)) == set(feature_names(expected))
        for name in feature_names(expected):
            field = got[name].isel(window=k) if "window" in got[name].dims else got[name]
            np.testing.assert_allclose(field.values, expected[name].values, rtol=1e-9, err_msg=name)
    assert got["deptho_gradient_eastward"].dims == ("lat", "lon")
    assert got["deptho_mean_800km"].dims == ("lat", "lon")
    assert got["zos_mean_800km"].dims == ("window", "lat", "lon")
    assert list(got["months"].values) == [240, 240]
    assert got.attrs["source_id"] == "MADE-1"


def test_bounds_that_contradict_the_cells_are_not_kept(raw_ocean):
    ocean = harmonise(raw_ocean)
    ocean["lat"].attrs["bounds"] = "lat_bnds"
    kept = features(ocean, **PLAIN)
    np.testing.assert_array_equal(kept["lon_bnds"].values, ocean["lon_bnds"].values)
    wrong = ocean.assign_coords(lon_bnds=ocean["lon_bnds"] + 180)
    without = features(wrong, **PLAIN)
    assert not {"lat_bnds", "lon_bnds"} & set(without.coords) and "bounds" not in without["lat"].attrs
    assert wrong["lat"].attrs["bounds"] == kept["lat"].attrs["bounds"] == "lat_bnds"
    xr.testing.assert_equal(without, kept.drop_vars(["lat_bnds", "lon_bnds"]))
