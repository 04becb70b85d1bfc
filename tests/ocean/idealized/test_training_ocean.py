"""The training ocean looks like an ocean: numbers for what one sees on the maps."""

import time

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import mutual_info_score

from thor.core.errors import DataError
from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.idealized import budget as budget_module
from thor.ocean.idealized.c_grid import regular_c_grid
from thor.ocean.idealized.geography import ocean_mask
from thor.ocean.idealized.training import idealized_training_ocean


def _budget_cells(ocean):
    return ocean.analysis_mask.values == 1


def _block_mean(ocean, degrees=4):
    """SSH averaged to blocks, where more than half of the block is sea."""
    k = round(degrees / float(ocean.lat[1] - ocean.lat[0]))

    def blocks(field):
        return field.reshape(field.shape[0] // k, k, field.shape[1] // k, k).sum((1, 3))

    area = ocean.areacello.values
    sea = area * np.isfinite(ocean.zos.values)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = blocks(sea * np.nan_to_num(ocean.zos.values)) / blocks(sea)
    return np.where(blocks(sea) > 0.5 * blocks(area), mean, np.nan), blocks(area)


def test_dataset_has_the_agreed_form(ocean):
    names = ["zos", "tauuo", "tauvo", "deptho", "areacello", "sftof", *BUDGET_TERMS, "bottom_stress_curl"]
    for name in names:
        field = ocean[name]
        assert field.dims == ("lat", "lon")
        assert field.dtype == np.float64
        assert field.attrs == variable(name).attrs
        low, high = variable(name).valid_range
        assert np.all((field.values >= low) & (field.values <= high) | np.isnan(field.values)), name
    sea = ocean.sftof.values == 100
    for name in ("zos", "tauuo", "tauvo", "deptho"):
        np.testing.assert_array_equal(np.isfinite(ocean[name].values), sea)
    assert ocean.analysis_mask.dtype == np.int8
    for name in (*BUDGET_TERMS, "bottom_stress_curl"):
        np.testing.assert_array_equal(np.isfinite(ocean[name].values), _budget_cells(ocean))
    assert np.all(sea | ~_budget_cells(ocean))


def test_coordinates_and_areas(ocean):
    assert np.all(np.diff(ocean.lat) > 0)
    assert ocean.lon.min() >= 0
    assert ocean.lon.max() < 360
    for name in ("lat", "lon"):
        bounds = ocean[ocean[name].attrs["bounds"]].values
        assert bounds.shape == (ocean.sizes[name], 2)
        np.testing.assert_allclose(bounds.mean(1), ocean[name].values)
        np.testing.assert_array_equal(bounds[1:, 0], bounds[:-1, 1])
    np.testing.assert_allclose(ocean.areacello.sum(), 4 * np.pi * 6.371e6**2, rtol=1e-9)


def test_budget_closes(ocean):
    terms = np.stack([ocean[name].values[_budget_cells(ocean)] for name in BUDGET_TERMS])
    rms = np.sqrt((terms**2).mean(1))
    residual = np.sqrt((terms.sum(0) ** 2).mean()) / rms.max()
    assert residual < 1e-9
    np.testing.assert_allclose(ocean.attrs["closure"], residual, rtol=1e-6)
    assert np.all(rms > 0)


def test_ssh_has_the_range_of_an_ocean(ocean):
    assert 0.8 < float(ocean.zos.max() - ocean.zos.min()) < 2.5


def test_drake_passage_carries_the_acc(ocean):
    assert 30 < ocean.attrs["drake_passage_transport_sv"] < 200


def test_interior_is_sverdrupian(ocean):
    lat = np.abs(ocean.lat.values[:, None])
    deep = _budget_cells(ocean) & (ocean.deptho.values > 3000) & (lat > 8) & (lat < 45)
    median = {name: np.median(np.abs(ocean[name].values[deep])) for name in BUDGET_TERMS}
    assert median["planetary_vorticity_advection"] > 0.7 * median["wind_stress_curl"]
    assert median["viscous_torque"] < 0.3 * median["wind_stress_curl"]


def test_resolution_hardly_changes_the_large_scale_ssh(same_friction):
    (coarse, weights), (fine, _) = map(_block_mean, same_friction)
    common = np.isfinite(coarse) & np.isfinite(fine)
    weights = weights[common]
    difference, field = (coarse - fine)[common], fine[common]
    difference -= np.average(difference, weights=weights)
    field = field - np.average(field, weights=weights)
    assert common.sum() > 2000
    change = np.sqrt(np.average(difference**2, weights=weights) / np.average(field**2, weights=weights))
    assert change < 0.15


@pytest.mark.parametrize("name", BUDGET_TERMS)
def test_terms_are_not_zonal_stripes(ocean, name):
    field = ocean[name].where(ocean.analysis_mask == 1)
    by_latitude = (field * 0 + field.mean("lon")).values
    assert np.nanvar(by_latitude) / np.nanvar(field.values) < 0.7


def test_regimes_are_not_zonal_stripes(ocean):
    terms = np.stack([ocean[name].values[_budget_cells(ocean)] for name in BUDGET_TERMS], axis=1)
    cluster = KMeans(50, n_init=1, random_state=0).fit_predict((terms - terms.mean(0)) / terms.std(0))
    size = np.bincount(cluster)
    regime = np.full(50, 5)
    regime[np.argsort(-size)[:5]] = np.arange(5)
    regime = regime[cluster]
    share = np.bincount(regime) / regime.size
    assert share.min() > 0.02
    row = np.broadcast_to(np.arange(ocean.sizes["lat"])[:, None], ocean.zos.shape)[_budget_cells(ocean)]
    entropy = -(share * np.log(share)).sum()
    # 1 for stripes; latitude matters in an ocean, so not near 0 either
    assert mutual_info_score(row, regime) / entropy < 0.6


@pytest.mark.parametrize("resolution", [5.0, 4.0])
def test_tiny_oceans_close_too(settings, resolution):
    ocean = idealized_training_ocean(settings.replace(resolution_degrees=resolution), seed=0)
    assert ocean.attrs["closure"] < 1e-9
    assert ocean.attrs["closure_at_corners"] < 1e-9
    assert ocean.analysis_mask.sum() > 800


def test_seed_fixes_every_bit(settings):
    tiny = settings.replace(resolution_degrees=5.0)
    one, same, other = (idealized_training_ocean(tiny, seed=s) for s in (1, 1, 2))
    assert one.identical(same)
    assert np.nanmax(np.abs(one.deptho - other.deptho)) > 100


@pytest.mark.parametrize(("resolution", "seconds"), [(2.0, 5.0), (1.0, 30.0)])
def test_ocean_is_quick(settings, resolution, seconds):
    ocean_mask(regular_c_grid(10.0))  # the 1 km land mask is read once per process
    start = time.process_time()
    idealized_training_ocean(settings.replace(resolution_degrees=resolution), seed=3)
    # processor time: the machine may be busy with other tests
    assert time.process_time() - start < seconds


def test_budget_that_does_not_close_is_refused(settings, monkeypatch):
    monkeypatch.setattr(budget_module, "CLOSURE_LIMIT", 1e-30)
    with pytest.raises(DataError, match="idealized ocean at 5 degrees does not close: the sum of its terms is"):
        idealized_training_ocean(settings.replace(resolution_degrees=5.0), seed=0)
