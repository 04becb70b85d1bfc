"""The filter of `benchmarks/feature_scale.py`, against fields of which the filtered form is known."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.polynomial.chebyshev import chebval
from scipy.spatial import cKDTree

from tests.curvilinear_ocean import SETTINGS
from tests.ocean.test_native_grids import native_grid
from tests.ocean.test_operators import spherical_harmonic
from thor.core.errors import GridError
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import Grid, regular_grid
from thor.ocean.idealized.displaced_pole import displaced_pole_c_grid
from thor.ocean.idealized.geography import build_geography

_SPEC = spec_from_file_location("scale_filter", Path(__file__).parents[1] / "benchmarks/scale_filter.py")
scale_filter = module_from_spec(_SPEC)
_SPEC.loader.exec_module(scale_filter)
smoothed = scale_filter.smoothed

HARMONICS = [(4, 2), (12, 5), (20, 20)]
SCALE = 2000.0


def response(degree, scale=SCALE):
    """Share of a spherical harmonic that the filter leaves: its eigenvalue is l (l + 1) / R^2."""
    return np.exp(-degree * (degree + 1) * (1e3 * scale / EARTH_RADIUS) ** 2 / 24)


def error(grid, degree, order, sea=True):
    field = spherical_harmonic(grid, degree, order)[0]
    got = smoothed(np.where(sea, field, np.nan), grid, scale_km=SCALE)
    used = np.broadcast_to(sea, grid.shape)
    return np.abs(got - response(degree) * field)[used].max() / np.abs(field[used]).max()


def on_points(points):
    return Grid.from_dataset(xr.Dataset(coords={name: (("y", "x"), getattr(points, name)) for name in ("lat", "lon")}))


def displaced_pole(spacing):
    """A curvilinear grid over the whole globe."""
    return on_points(displaced_pole_c_grid(spacing).t)


@pytest.fixture(scope="module")
def ocean():
    """The grid of `curvilinear_ocean`, its depth with continents, and its cells of the sea."""
    points = displaced_pole_c_grid(SETTINGS.resolution_degrees)
    geography = build_geography(points, SETTINGS, seed=1)
    return on_points(points.t), np.where(geography.mask, geography.depth, np.nan), geography.mask


@pytest.mark.parametrize("make", [lambda spacing: Grid.from_dataset(regular_grid(spacing)), displaced_pole])
@pytest.mark.parametrize(("degree", "order"), HARMONICS)
def test_spherical_harmonics_decay_as_their_wavelength_says(make, degree, order):
    coarse = error(make(4.0), degree, order)
    assert coarse < {4: 0.001, 12: 0.015, 20: 0.07}[degree]
    assert error(make(2.0), degree, order) == pytest.approx(coarse / 4, rel=0.15)


def test_coasts_reflect():
    # The derivative of cos(5 longitude) vanishes at coasts along 0 and 180 degrees east.
    grid = Grid.from_dataset(regular_grid(2.0))
    assert error(grid, 12, 5, grid.lon < 180) < 0.003


def test_the_standard_deviation_is_that_of_a_box_of_the_scale():
    grid = Grid.from_dataset(regular_grid(2.0))
    field = np.zeros(grid.shape)
    field[45, 90] = 1.0
    got = smoothed(field, grid, scale_km=1200.0) * grid.area
    east = EARTH_RADIUS * np.deg2rad(grid.lon - grid.lon[45, 90]) * np.cos(np.deg2rad(grid.lat))
    assert np.sqrt((got * east**2).sum() / got.sum()) == pytest.approx(1.2e6 / np.sqrt(12), rel=0.01)


def test_integral_is_conserved_and_extremes_are_not_exceeded(ocean):
    grid, depth, sea = ocean
    got = smoothed(depth, grid, scale_km=1500.0)
    area = grid.area[sea]
    assert np.array_equal(np.isfinite(got), sea)
    assert (got[sea] * area).sum() == pytest.approx((depth[sea] * area).sum(), rel=1e-13)
    assert depth[sea].min() <= got[sea].min() and got[sea].max() <= depth[sea].max()
    assert np.average((got - depth)[sea] ** 2, weights=area) > 200**2


def test_constants_stay_in_every_basin(ocean):
    grid, _, sea = ocean
    assert smoothed(np.where(sea, 3.7, np.nan), grid, scale_km=1500.0)[sea] == pytest.approx(3.7, rel=1e-14)
    # A wall of one row between two basins.
    basins = np.where(sea, np.where(np.arange(len(sea)) < 22, -2.0, 5.0)[:, None], np.nan)
    basins[22] = np.nan
    np.testing.assert_allclose(smoothed(basins, grid, scale_km=3000.0), basins, rtol=1e-12)


def test_filters_in_turn_are_one_filter(ocean):
    grid, depth, sea = ocean
    twice = smoothed(smoothed(depth, grid, scale_km=600.0), grid, scale_km=800.0)
    once = smoothed(depth, grid, scale_km=1000.0)
    assert np.abs(twice - once)[sea].max() < 1e-5 * np.ptp(depth[sea])


@pytest.mark.parametrize("name", ["CESM2", "IPSL-CM6A-LR"])
def test_native_grids_with_folds_and_repeated_cells(data_mirror, name):
    grid, sea = native_grid(data_mirror, name)
    harmonic = spherical_harmonic(grid, 20, 5)[0]
    field = np.where(sea, harmonic, np.nan)
    got = smoothed(field, grid, scale_km=300.0)
    counted = sea & ~grid.duplicate
    moved = ((got - field) * grid.area)[counted]
    assert abs(moved.sum()) < 1e-12 * np.abs(field * grid.area)[counted].sum()
    assert np.array_equal(got, grid.fill_repeated(got), equal_nan=True)
    # Six standard deviations from the next coast a coast makes no difference.
    apart, _ = cKDTree(grid.centres[:, ~sea].T).query(grid.centres[:, sea].T)
    offshore = np.zeros_like(sea)
    offshore[sea] = apart * EARTH_RADIUS > 6 * 300e3 / np.sqrt(12)
    assert (offshore & (grid.lat > 70)).sum() > 500
    assert np.abs(got - response(20, 300.0) * harmonic)[offshore].max() < 0.01 * (1 - response(20, 300.0))


@pytest.mark.parametrize("time", [0.01, 1.0, 300.0, 2e5])
def test_error_of_the_series(time):
    x = np.linspace(-1, 1, 2001)
    coefficients = scale_filter.gaussian_series(time)
    assert np.abs(chebval(x, coefficients) - np.exp(-time * (1 + x))).max() < 2 * scale_filter.SERIES_ERROR
    assert len(coefficients) < 6 * np.sqrt(time) + 10


@pytest.mark.parametrize("scale", [0.0, -100.0, np.nan])
def test_scale_must_be_positive(scale):
    grid = Grid.from_dataset(regular_grid(30.0))
    with pytest.raises(GridError, match="must be positive"):
        smoothed(np.zeros(grid.shape), grid, scale_km=scale)
