"""The polar filter against interpolated fields, land, the seam and other grids."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from thor.ocean.grid import Grid, regular_grid
from thor.ocean.idealized.displaced_pole import displaced_pole_c_grid
from thor.ocean.operators import gradient
from thor.ocean.polar_filter import polar_filter, polar_filtered


def interpolated_along_rows(field, grid):
    """The field between points along each row that lie as far apart as the rows do, interpolated linearly."""
    out = field.copy()
    for row, lat in enumerate(grid.lat[:, 0]):
        every = int(1 / np.cos(np.deg2rad(lat)))
        at = np.arange(0, field.shape[1] + every, every)
        nodes = field[row, at % field.shape[1]]
        out[row] = np.interp(np.arange(field.shape[1]), at, nodes)
    return out


def test_the_polar_filter_takes_away_what_interpolation_adds_to_eastward_gradients():
    grid = Grid.from_dataset(regular_grid(0.5))
    polar = grid.lat[:, 0] > 70
    phases = np.random.default_rng(1).uniform(0, 2 * np.pi, 40)
    places = grid.centres / np.linalg.norm(grid.centres, axis=0)
    waves = np.random.default_rng(2).normal(size=(40, 3))
    waves *= 30 / np.linalg.norm(waves, axis=1, keepdims=True)  # wavelengths from 1,300 km
    field = np.sin(np.einsum("kc,cji->kji", waves, places) + phases[:, None, None]).sum(axis=0)
    east = gradient(field, grid)[0]
    coarse = interpolated_along_rows(field, grid)

    def error(values):
        wrong = gradient(values, grid)[0] - east
        return np.sqrt(np.average(wrong[polar] ** 2, weights=grid.area[polar])) / scale

    scale = np.sqrt(np.average(east[polar] ** 2, weights=grid.area[polar]))
    assert error(coarse) > 1.4 * error(polar_filter(coarse, grid))
    assert error(polar_filter(field, grid)) < 0.02


def test_the_polar_filter_leaves_land_constants_and_lower_latitudes():
    grid = Grid.from_dataset(regular_grid(1.0))
    land = (np.abs(grid.lon - 30) < 20) & (grid.lat > 40)
    random = np.where(land, np.nan, np.random.default_rng(1).normal(size=grid.shape))
    got = polar_filter(random, grid)
    np.testing.assert_array_equal(np.isnan(got), land)
    low = np.abs(grid.lat[:, 0]) < 60
    np.testing.assert_array_equal(got[low], random[low])
    spread = np.nanstd(got, axis=1)
    # 5 columns at 80 degrees, 57 in the last rows
    assert spread[np.argmin(np.abs(grid.lat[:, 0] - 79.5))] == pytest.approx(5**-0.5, rel=0.15)
    assert spread[-1] < 0.3
    np.testing.assert_allclose(polar_filter(np.where(land, np.nan, 7.0), grid), np.where(land, np.nan, 7.0))
    np.testing.assert_array_equal(polar_filter(np.stack([random, 2 * random]), grid), np.stack([got, 2 * got]))


def test_the_polar_filter_wraps_and_leaves_other_grids():
    grid = Grid.from_dataset(regular_grid(1.0))
    one = np.zeros(grid.shape)
    one[:, 0] = 1.0
    got = polar_filter(one, grid)
    row = np.argmin(np.abs(grid.lat[:, 0] - 79.5))
    np.testing.assert_allclose(got[row, [-3, -2, -1, 0, 1, 2, 3]], [0, 0.2, 0.2, 0.2, 0.2, 0.2, 0], atol=1e-12)
    pole = displaced_pole_c_grid(4.0).t
    field = np.random.default_rng(1).normal(size=pole.lat.shape)
    unknown = np.where(pole.lon < 20, np.nan, pole.lat)
    for lat in (pole.lat, unknown):
        assert polar_filter(field, replace(grid, lat=lat, lon=pole.lon)) is field


def test_a_row_on_the_pole_becomes_its_mean():
    lat, lon = np.linspace(-90, 90, 46), np.arange(0, 360, 5.0)
    grid = Grid.from_dataset(xr.Dataset(coords={"lat": lat, "lon": lon}))
    field = np.random.default_rng(1).normal(size=grid.shape)
    got = polar_filter(field, grid)
    for row in (0, -1):
        np.testing.assert_allclose(got[row], field[row].mean(), atol=1e-12)


@pytest.mark.parametrize("meshed", [False, True])
def test_a_column_that_is_repeated_has_the_value_of_the_first(meshed):
    lat, lon = np.arange(-89.5, 90), np.arange(0, 361.0)
    place = xr.Dataset(coords={"lat": lat, "lon": lon})
    if meshed:
        lat, lon = (values.data for values in xr.broadcast(place["lat"], place["lon"]))
        place = xr.Dataset(coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)})
    grid = Grid.from_dataset(place)
    field = np.random.default_rng(1).normal(size=grid.shape)
    field[field < -1] = np.nan
    field[:, -1] = field[:, 0]
    got = polar_filter(field, grid)
    assert np.isfinite(got).any(axis=0).all()
    np.testing.assert_array_equal(got[:, -1], got[:, 0])


def test_grids_that_are_not_regular_have_no_note_of_a_filter():
    pole = displaced_pole_c_grid(4.0).t
    grid = Grid.from_dataset(xr.Dataset(coords={"lat": (("y", "x"), pole.lat), "lon": (("y", "x"), pole.lon)}))
    ocean = xr.Dataset({"zos": (grid.dims, np.ones(grid.shape))})
    assert polar_filtered(ocean, grid) is ocean
    regular = Grid.from_dataset(regular_grid(4.0))
    noise = xr.Dataset({"zos": (regular.dims, np.random.default_rng(1).normal(size=regular.shape))})
    filtered = polar_filtered(noise, regular)
    assert "polar_filter" in filtered.attrs
    assert float(filtered["zos"][-1].std()) < 0.5 * float(noise["zos"][-1].std())
    xr.testing.assert_identical(polar_filtered(noise.transpose(), regular), filtered)
