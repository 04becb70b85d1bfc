"""The C grid's geometry and operators on fields whose derivatives are known."""

import numpy as np
import pytest

from thor.core.errors import ConfigError
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.idealized.c_grid import FaceField, regular_c_grid


@pytest.mark.parametrize("resolution", [5.0, 2.0])
def test_cells_tile_the_sphere(resolution):
    grid = regular_c_grid(resolution)
    for points in (grid.t, grid.u):
        np.testing.assert_allclose(points.area.sum(), 4 * np.pi * EARTH_RADIUS**2, rtol=1e-12)
    assert grid.shape == (round(180 / resolution), round(360 / resolution))
    assert grid.corner_lat.shape == (grid.shape[0] + 1, grid.shape[1] + 1)
    assert np.all((grid.q.lon >= 0) & (grid.q.lon < 360))


def test_curl_of_a_gradient_vanishes():
    grid = regular_c_grid(2.0)
    scalar = np.random.default_rng(0).normal(size=grid.shape)
    slope = FaceField(*(grid.apply(d, scalar) for d in grid.gradient))
    turn = grid.curl(slope)[:-1]
    assert np.abs(turn).max() < 1e-11 * np.abs(slope.u).max() / grid.t.dy.mean()


def test_curl_of_solid_body_rotation():
    grid = regular_c_grid(1.0)
    speed = np.cos(np.deg2rad(grid.u.lat))
    curl = grid.curl(FaceField(speed, np.zeros(grid.shape)))
    expected = 2 * np.sin(np.deg2rad(grid.q.lat)) / EARTH_RADIUS
    inner = np.abs(grid.q.lat) < 89
    np.testing.assert_allclose(curl[inner], expected[inner], atol=1e-3 * 2 / EARTH_RADIUS)


def test_divergence_is_minus_the_adjoint_of_the_gradient():
    grid = regular_c_grid(5.0)
    rng = np.random.default_rng(1)
    scalar, u, v = rng.normal(size=(3, *grid.shape))
    v[-1] = 0  # the northern wall
    work = sum(
        (face * points.dx * points.dy * grid.apply(d, scalar)).sum()
        for face, points, d in zip((u, v), (grid.u, grid.v), grid.gradient, strict=True)
    )
    outflow = grid.apply(grid.outflow.u, u) + grid.apply(grid.outflow.v, v)
    np.testing.assert_allclose(work, -(scalar * outflow).sum(), rtol=1e-10)


def test_operators_take_stacked_fields():
    grid = regular_c_grid(10.0)
    stack = np.random.default_rng(2).normal(size=(2, 3, *grid.shape))
    np.testing.assert_array_equal(grid.apply(grid.gradient.u, stack)[1, 2], grid.apply(grid.gradient.u, stack[1, 2]))


@pytest.mark.parametrize("resolution", [7.0, 0.0, -2.0, 180.0])
def test_spacing_that_does_not_fit_is_refused(resolution):
    with pytest.raises(ConfigError, match="must divide 180"):
        regular_c_grid(resolution)
