"""Harmonisation: units, longitudes, rows, masks, sea-level datum, and refused input."""

import numpy as np
import pytest
import xarray as xr

from thor.core.errors import DataError, GridError, UnitsError
from thor.core.variables import BUDGET_TERMS
from thor.ocean.grid import Grid
from thor.ocean.stress import stress_curl
from thor.reading.checks import DENSITY
from thor.reading.training_ocean import harmonise


def test_units_are_converted(raw_ocean):
    expected = harmonise(raw_ocean)
    in_cm = raw_ocean.assign(
        zos=(100 * raw_ocean.zos).assign_attrs(units="cm"),
        tauuo=raw_ocean.tauuo.assign_attrs(units="Pa"),
        deptho=(raw_ocean.deptho / 1000).assign_attrs(units="km"),
    )
    got = harmonise(in_cm)
    for name in ("zos", "tauuo", "deptho"):
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-12)
        assert got[name].attrs["units"] == expected[name].attrs["units"]


def test_rows_and_longitudes_come_in_any_order(raw_ocean):
    expected = harmonise(raw_ocean)
    turned = raw_ocean.isel(lat=slice(None, None, -1))
    lon = (turned.lon + 180) % 360 - 180
    turned = turned.assign_coords(lon=lon).drop_vars("lon_bnds").sortby("lon").transpose("lon", "lat", ...)
    got = harmonise(turned)
    assert got.zos.dims == ("lat", "lon")
    for name in ("zos", "tauvo", "areacello", "bottom_pressure_torque"):
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-12)
    assert got.lon.min() >= 0 and got.lon.max() < 360 and (np.diff(got.lat) > 0).all()


def test_longitudes_in_two_conventions_are_one(raw_ocean):
    expected = harmonise(raw_ocean)
    raw_ocean.coords["lon"] = raw_ocean["lon"].where(raw_ocean["lon"] < 300, raw_ocean["lon"] - 360)
    np.testing.assert_array_equal(harmonise(raw_ocean.drop_vars("lon_bnds")).zos, expected.zos)


def test_a_cyclic_column_counts_once(raw_ocean):
    expected = harmonise(raw_ocean.drop_vars("lon_bnds"))
    first = raw_ocean.isel(lon=[0])
    cyclic = xr.concat([raw_ocean, first.assign_coords(lon=first["lon"] + 360)], "lon").drop_vars("lon_bnds")
    got = harmonise(cyclic)
    assert got.sizes["lon"] == 72
    np.testing.assert_allclose(got.zos, expected.zos, atol=1e-12)
    np.testing.assert_allclose(got.areacello, expected.areacello, rtol=1e-12)


def test_one_mask_and_the_area_weighted_datum(raw_ocean):
    raw_ocean["tauuo"][10, 60] = np.nan
    ocean = harmonise(raw_ocean)
    masks = [np.isnan(ocean[name].values) for name in ("zos", "deptho", "tauuo", "tauvo")]
    assert all((mask == masks[0]).all() for mask in masks) and masks[0][10, 60]
    assert (ocean.sftof.values[masks[0]] == 0).all() and (ocean.sftof.values[~masks[0]] == 100).all()
    assert float(ocean.zos.weighted(ocean.areacello).mean()) == pytest.approx(0, abs=1e-13)
    wet = raw_ocean.zos.where(~masks[0])
    removed = float(wet.weighted(np.cos(np.deg2rad(raw_ocean.lat))).mean())
    assert ocean.zos.attrs["removed_mean"] == pytest.approx(removed, rel=1e-3)


def test_the_input_is_not_changed(raw_ocean):
    before = raw_ocean.copy(deep=True)
    harmonise(raw_ocean)
    assert raw_ocean.identical(before)


def _without_units(ocean):
    del ocean["zos"].attrs["units"]


def _wrong_units(ocean):
    ocean["tauuo"].attrs["units"] = "m2 s-2"


def _upward(ocean):
    ocean["deptho"] = (-ocean["deptho"]).assign_attrs(units="m")


def _empty(ocean):
    ocean["zos"][:] = np.nan


def _filled_coordinate(ocean):
    ocean.coords["lat"] = ocean["lat"].where(ocean["lat"] < 80, 9.96921e36)


def _doubled_row(ocean):
    ocean.coords["lat"] = ocean["lat"].where(ocean["lat"] != ocean["lat"][5], ocean["lat"][4])


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (_without_units, UnitsError, "'zos' has no units; expected one of 'm'"),
        (_wrong_units, UnitsError, "'tauuo' has units 'm2 s-2'; expected one of 'N m-2', 'Pa'"),
        (_upward, DataError, "'deptho' must be positive down"),
        (_empty, DataError, "no cell has sea level, depth and sea area at once"),
        (_filled_coordinate, GridError, "longitudes of .* hold a fill value or are swapped"),
        (_doubled_row, GridError, "'lat' is not monotonic"),
    ],
)
def test_bad_input_is_named(raw_ocean, spoil, error, words):
    spoil(raw_ocean)
    with pytest.raises(error, match=words):
        harmonise(raw_ocean)


def test_depth_may_have_any_value_on_land(raw_ocean):
    on_land = raw_ocean.assign(deptho=raw_ocean.deptho.fillna(-200.0).assign_attrs(raw_ocean.deptho.attrs))
    np.testing.assert_array_equal(harmonise(on_land).deptho, harmonise(raw_ocean).deptho)


def test_terms_that_are_zero_on_land_are_not_analysed(raw_ocean):
    expected = harmonise(raw_ocean)["analysis_mask"]
    zero = raw_ocean.assign({name: raw_ocean[name].fillna(0.0).assign_attrs(units="m s-2") for name in BUDGET_TERMS})
    np.testing.assert_array_equal(harmonise(zero)["analysis_mask"], expected)
    mask = xr.ones_like(expected).assign_attrs(units="1")
    words = "analysis_mask: 144 of its 2592 cells have no depth or sea level"
    assert words in harmonise(zero.assign(analysis_mask=mask)).attrs["checks_failed"]
    assert "analysis_mask:" not in harmonise(zero.assign(analysis_mask=expected)).attrs["checks_failed"]


def _with_curl(raw_ocean, edit):
    curl = stress_curl(raw_ocean, Grid.from_dataset(raw_ocean)) / DENSITY
    term = raw_ocean["wind_stress_curl"]
    return raw_ocean.assign(wind_stress_curl=(term.dims, edit(curl), term.attrs))


@pytest.mark.parametrize(
    ("edit", "failed"),
    [
        (lambda curl: curl, set()),
        (lambda curl: 1.4 * curl, set()),
        (lambda curl: DENSITY * curl, {"budget_curl_scale"}),
        (lambda curl: -curl, {"budget_curl_pattern", "budget_curl_scale"}),
        (lambda curl: curl[::-1], {"budget_curl_pattern", "budget_curl_scale"}),
    ],
    ids=["the curl itself", "another scale", "not divided by density", "other side", "upside down"],
)
def test_a_budget_that_does_not_belong_to_the_stress_is_noticed(raw_ocean, edit, failed):
    ocean = _with_curl(raw_ocean, edit)
    rows = {"budget_curl_pattern", "budget_curl_scale"}
    attrs = harmonise(ocean).attrs
    assert {sentence.split(":")[0] for sentence in attrs["checks_failed"].split(" | ")} & rows == failed
    assert set(attrs["checks_passed"].split()) & rows == rows - failed
    basin = harmonise(ocean.isel(lon=slice(0, 12)))
    assert rows <= set((basin.attrs["checks_failed"] + " " + basin.attrs["checks_passed"]).replace(":", "").split())


def test_correlation_and_slope_of_the_curl_of_ecco(ecco_ocean):
    assert {"budget_curl_pattern", "budget_curl_scale"} <= set(ecco_ocean.attrs["checks_passed"].split())


def test_depths_on_the_land_of_a_published_sea_area_are_no_sea_without_level(raw_ocean, caplog):
    wet = raw_ocean["zos"].notnull() & (raw_ocean["lat"] > -60)
    topography = raw_ocean["deptho"].fillna(100.0).assign_attrs(raw_ocean["deptho"].attrs)
    area = (100.0 * wet).assign_attrs(units="%")
    got = harmonise(raw_ocean.assign(zos=raw_ocean["zos"].where(wet), deptho=topography, sftof=area))
    np.testing.assert_array_equal(got["zos"].notnull(), wet)
    assert "are left out" not in caplog.text
    harmonise(raw_ocean.assign(zos=raw_ocean["zos"].where(wet), deptho=topography))
    assert "% of the cells with a depth have no sea level in every month and are left out" in caplog.text
