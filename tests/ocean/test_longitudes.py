"""Columns around the globe: one grid, however its longitudes are stored."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from thor.core.warn import warn_once
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import NEIGHBOURS, Grid, with_bounds
from thor.ocean.longitudes import columns_around
from thor.ocean.operators import gradient

SPHERE = 4 * np.pi * EARTH_RADIUS**2
LAT = np.arange(-87.5, 90, 5)


def bare(lon):
    """A grid without bounds."""
    return xr.Dataset(coords={"lat": LAT, "lon": lon})


def strip(west, east):
    """Area between two meridians [degrees]."""
    return SPHERE * (east - west) / 360


@pytest.mark.parametrize(
    "lon",
    [
        np.arange(2.5, 360, 5),
        np.arange(-177.5, 180, 5),
        np.arange(-177.5, 180, 5) % 360,
        np.arange(177.5, -180, -5),
        np.arange(177.5, -180, -5) % 360,
        np.arange(102.5, 460, 5),
        np.arange(102.5, 460, 5) % 360,
        np.arange(-297.5, 60, 5),
        np.arange(0.0, 360, 5),
        np.random.default_rng(3).permutation(np.arange(2.5, 360, 5)),
    ],
    ids=[
        "0-360",
        "180W",
        "180W wrapped",
        "west",
        "west wrapped",
        "100E",
        "100E wrapped",
        "300W",
        "Greenwich",
        "shuffled",
    ],
)
def test_a_global_grid_in_any_order(lon):
    grid = Grid.from_dataset(bare(lon))
    np.testing.assert_allclose(grid.area.sum(axis=0), SPHERE / 72, rtol=1e-9)
    assert grid.periodic and grid.topology.over_pole == (True, True) and not grid.duplicate.any()
    field = np.cos(np.deg2rad(grid.lat)) * np.sin(np.deg2rad(grid.lon))
    east, north = gradient(field, grid)
    np.testing.assert_allclose(east, np.cos(np.deg2rad(grid.lon)) / EARTH_RADIUS, atol=2e-3 / EARTH_RADIUS)
    expected = -np.sin(np.deg2rad(grid.lat)) * np.sin(np.deg2rad(grid.lon)) / EARTH_RADIUS
    np.testing.assert_allclose(north, expected, atol=2e-3 / EARTH_RADIUS)


@pytest.mark.parametrize(
    "lon",
    [
        np.arange(-37.5, 60, 5),
        np.arange(-37.5, 60, 5) % 360,
        np.sort(np.arange(-37.5, 60, 5) % 360),
        (np.arange(-37.5, 60, 5) % 360)[::-1],
        np.sort(np.arange(-37.5, 60, 5) % 360)[::-1],
    ],
    ids=["as it is", "wrapped", "wrapped and sorted", "descending", "descending and sorted"],
)
@pytest.mark.parametrize("turn", [0.0, 180.0, 360.0], ids=["Greenwich", "date line", "a turn on"])
def test_a_region_across_a_seam(lon, turn):
    grid = Grid.from_dataset(bare(lon + turn))
    np.testing.assert_allclose(grid.area.sum(), strip(-40, 60), rtol=1e-9)
    assert not grid.periodic
    ends = np.isclose((grid.lon[0] - turn) % 360, 322.5) | np.isclose((grid.lon[0] - turn) % 360, 57.5)
    for step in ((0, 1), (0, -1)):
        east = grid.displacements[step][0]
        assert np.isnan(east[10]).sum() == 1 and ends[np.isnan(east[10])].all()
        np.testing.assert_allclose(np.hypot(*grid.displacements[step])[17][~np.isnan(east[17])], 555_400, rtol=2e-3)


@pytest.mark.parametrize("n_repeated", [1, 2, 3])
@pytest.mark.parametrize("order", ["as it is", "wrapped", "wrapped and sorted"])
def test_columns_that_repeat_the_first_count_once(n_repeated, order):
    lon = np.arange(72 + n_repeated) * 5.0
    lon = lon if order == "as it is" else lon % 360
    lon = np.sort(lon) if order == "wrapped and sorted" else lon
    grid = Grid.from_dataset(bare(lon))
    np.testing.assert_allclose(grid.area.sum(axis=0), SPHERE / 72, rtol=1e-9)
    assert grid.duplicate[0].sum() == n_repeated and (grid.duplicate == grid.duplicate[0]).all()
    once = ~grid.duplicate[0]
    for step in NEIGHBOURS[:2]:
        distance = np.hypot(*grid.displacements[step])
        np.testing.assert_allclose(distance[:, once], np.repeat(distance[:, 36:37], 72, axis=1), rtol=1e-9)


def test_a_column_that_is_left_out_is_a_gap():
    lon = np.delete(np.arange(2.5, 360, 5), [10, 40, 41])
    grid = Grid.from_dataset(bare(lon))
    np.testing.assert_allclose(grid.area.sum(axis=0), SPHERE / 72, rtol=1e-9)
    ends = np.isnan(grid.neighbour(grid.lon, (0, 1))[0])
    np.testing.assert_array_equal(lon[ends], [47.5, 197.5])
    np.testing.assert_array_equal(grid.neighbour(grid.lon, (0, 1))[0, -1], 2.5)


@settings(max_examples=50, deadline=None)
@given(start=st.floats(-720, 720), stretch=st.floats(0, 0.1), n_columns=st.integers(8, 200), data=st.data())
def test_edges_tile_the_circle(start, stretch, n_columns, data):
    """Uneven spacing, rotated, wrapped and shuffled: neighbouring cells share their edges."""
    phase = 2 * np.pi * np.arange(n_columns) / n_columns
    lon = np.rad2deg(phase + stretch * np.sin(phase)) + start
    shuffled = data.draw(st.permutations(range(n_columns)))
    columns = columns_around(lon[shuffled] % 360)
    assert columns.closed
    np.testing.assert_allclose((columns.east - columns.west).sum(), 360, rtol=1e-9)
    order = np.argsort(columns.place)
    eastward = (lon[shuffled][order[1]] - lon[shuffled][order[0]]) % 360 < 180
    order = order if eastward else order[::-1]
    away = (columns.east[order] - np.roll(columns.west[order], -1) + 180) % 360 - 180
    np.testing.assert_allclose(away, 0, atol=1e-6)


def test_bounds_that_were_guessed_in_file_order_are_not_believed(caplog):
    warn_once.cache_clear()
    lon = np.arange(-177.5, 180, 5) % 360
    edges = np.concatenate([[180.0], (lon[1:] + lon[:-1]) / 2, [180.0]])
    wrong = with_bounds(LAT, lon)
    wrong["lon_bnds"] = (("lon", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1))
    np.testing.assert_allclose(Grid.from_dataset(wrong).area.sum(axis=0), SPHERE / 72, rtol=1e-9)
    assert "'lon_bnds' contradicts them in 2 of 72 columns, first with 355 to 180 at 357.5" in caplog.text


@pytest.mark.parametrize("half_width", [1.25, np.nan])
def test_edges_of_columns_that_were_left_out_are_not_believed(half_width, caplog):
    """Every other column of 2.5 degrees: the bounds are those of half the columns, or not a number."""
    warn_once.cache_clear()
    lon = np.arange(2.5, 360, 5)
    wrong = with_bounds(LAT, lon)
    wrong["lon_bnds"] = (("lon", "bnds"), np.stack([lon - half_width, lon + half_width], axis=1))
    np.testing.assert_allclose(Grid.from_dataset(wrong).area.sum(axis=0), SPHERE / 72, rtol=1e-9)
    assert "'lon_bnds' contradicts them in 72 of 72 columns" in caplog.text


def test_longitudes_of_ecco():
    lat, lon = np.arange(-89.75, 90, 0.5), np.arange(-179.75, 180, 0.5)
    for stored in (lon, lon % 360, np.sort(lon % 360)):
        area = Grid.from_dataset(xr.Dataset(coords={"lat": lat, "lon": stored})).area
        assert area.sum() == pytest.approx(SPHERE, rel=1e-12)
