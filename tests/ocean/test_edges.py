"""Edges of rows and columns: stored ones are used where they can be right."""

import numpy as np
import pytest

from thor.core.warn import warn_once
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.edges import edges_midway, regular_edges
from thor.ocean.grid import Grid, regular_grid, with_bounds


def between(edges, lat=None):
    """Rows between edges, with centres midway unless given, and columns of 10 degrees."""
    edges = np.asarray(edges)
    grid = with_bounds((edges[1:] + edges[:-1]) / 2 if lat is None else lat, np.arange(5.0, 360, 10))
    grid["lat_bnds"] = (("lat", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1))
    return grid


def gaussian(n_rows):
    sine, weight = np.polynomial.legendre.leggauss(n_rows)
    edges = np.clip(np.concatenate([[-1.0], np.cumsum(weight) - 1]), -1, 1)
    return between(np.rad2deg(np.arcsin(edges)), np.rad2deg(np.arcsin(sine)))


def mercator():
    return between(np.rad2deg(2 * np.arctan(np.exp(np.deg2rad(np.arange(-160.0, 161, 2)))) - np.pi / 2))


def of_heights(heights):
    edges = np.concatenate([[0.0], np.cumsum(heights)])
    return between(edges * 170 / edges[-1] - 85)


ROWS = {
    "Gaussian, T21": gaussian(32),
    "Gaussian, T63": gaussian(96),
    "Mercator": mercator(),
    "half rows at the poles": between(np.concatenate([[-90], np.arange(-88.0, 89, 4), [90]])),
    "centres at the poles": between(np.clip(np.arange(-92.5, 93, 5), -90, 90), np.arange(-90.0, 91, 5)),
    "a third as high at the equator": of_heights(1 - 0.67 * np.exp(-((np.arange(-90.0, 91) / 20) ** 2))),
    "a sudden change to rows twice as high": between(
        np.concatenate([np.arange(-90.0, 0, 2), np.arange(0.0, 31), np.arange(32.0, 91, 2)])
    ),
    "of equal area": between(
        np.rad2deg(np.arcsin(np.linspace(-1, 1, 37))), np.rad2deg(np.arcsin((np.arange(36) + 0.5) / 18 - 1))
    ),
    "a sudden change to rows three times as high": of_heights([1.0] * 30 + [3.0] * 20),
    "widening polewards by a tenth": of_heights(1.1 ** np.abs(np.arange(-20.0, 21))),
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("order", [1, -1])
def test_edges_of_rows_on_usual_grids_are_used(name, order, caplog):
    warn_once.cache_clear()
    rows = ROWS[name].isel(lat=slice(None, None, order))
    edges = np.sin(np.deg2rad(np.clip(rows["lat_bnds"], -90, 90)))
    expected = np.abs(edges[:, 1] - edges[:, 0]) * EARTH_RADIUS**2 * np.deg2rad(10)
    np.testing.assert_allclose(Grid.from_dataset(rows).area[:, 3], expected, rtol=1e-12)
    assert "lat_bnds" not in caplog.text


WRONG = {
    "every other row left out": (lambda lat: np.stack([lat - 1.25, lat + 1.25], 1), 36),
    "three times as high": (lambda lat: np.stack([lat - 7.5, lat + 7.5], 1), 36),
    "shifted by half a row": (lambda lat: np.stack([lat, lat + 5], 1), 36),
    "not a number": (lambda lat: np.full((36, 2), np.nan), 36),
    "one row wrong": (lambda lat: np.where(lat[:, None] == 2.5, [-85.0, 85.0], lat[:, None] + [-2.5, 2.5]), 1),
}


@pytest.mark.parametrize("name", WRONG)
def test_edges_of_rows_that_contradict_the_latitudes_are_left_aside(name, caplog):
    warn_once.cache_clear()
    grid, (edges, n_odd) = regular_grid(5.0), WRONG[name]
    expected = Grid.from_dataset(grid).area
    grid["lat_bnds"] = (("lat", "bnds"), edges(grid["lat"].values))
    np.testing.assert_allclose(Grid.from_dataset(grid).area, expected, rtol=1e-12)
    assert f"'lat_bnds' contradicts them in {n_odd} of 36 rows" in caplog.text


@pytest.mark.parametrize("shift", [2.5, 5.0, 180.0, np.nan])
def test_edges_of_columns_beside_their_longitudes_are_left_aside(shift, caplog):
    warn_once.cache_clear()
    grid = regular_grid(5.0)
    expected = regular_edges(grid)
    grid["lon_bnds"] = grid["lon_bnds"] + shift
    for edges, right in zip(regular_edges(grid), expected, strict=True):
        np.testing.assert_allclose(edges, right, atol=1e-9)
    assert (
        f"'lon_bnds' contradicts them in 72 of 72 columns, first with {shift:g} to {5 + shift:g} at 2.5" in caplog.text
    )


@pytest.mark.parametrize("turn", [0.0, -360.0, 720.0])
@pytest.mark.parametrize("order", [1, -1])
def test_edges_of_columns_count_in_any_convention(turn, order, caplog):
    warn_once.cache_clear()
    grid = regular_grid(5.0)
    grid["lon_bnds"] = (grid["lon_bnds"][:, ::order] + turn + 180) % 360 - 180
    np.testing.assert_array_equal(regular_edges(grid)[2:], grid["lon_bnds"].values.T)
    assert not caplog.text


@pytest.mark.parametrize("order", [1, -1])
def test_edges_lie_midway_and_the_outer_ones_as_far_from_their_centres(order):
    found = edges_midway(np.array([0.0, 1.0, 4.0])[::order])
    np.testing.assert_array_equal(found, np.array([-0.5, 0.5, 2.5, 5.5])[::order])
