"""Gradient and curl against fields whose derivatives are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import sph_harm_y

from thor.core.errors import GridError
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import Grid, regular_grid
from thor.ocean.operators import curl, gradient, published_gradient

HARMONICS = [(4, 2), (12, 0), (12, 5), (12, 12)]


def spherical_harmonic(grid, degree, order):
    """A spherical harmonic and its exact eastward and northward gradient [per m]."""
    phi, lam = np.deg2rad(grid.lat), np.deg2rad(grid.lon)
    value, derivative = sph_harm_y(degree, order, np.pi / 2 - phi, lam, diff_n=1)
    # derivative[..., 0] is with respect to colatitude, [..., 1] to longitude.
    east = derivative[..., 1].real / (EARTH_RADIUS * np.cos(phi))
    return value.real, east, -derivative[..., 0].real / EARTH_RADIUS


def rms(values, grid):
    return np.sqrt(np.average(values**2, weights=grid.area))


def gradient_error(spacing, degree, order):
    grid = Grid.from_dataset(regular_grid(spacing))
    field, east, north = spherical_harmonic(grid, degree, order)
    got_east, got_north = gradient(field, grid)
    return rms(np.hypot(got_east - east, got_north - north), grid) / rms(np.hypot(east, north), grid)


@pytest.mark.parametrize(("degree", "order"), HARMONICS)
def test_gradient_of_spherical_harmonics(degree, order):
    error = gradient_error(1.0, degree, order)
    assert error < (0.01 if degree == 4 else 0.03)
    assert gradient_error(0.5, degree, order) == pytest.approx(error / 4, rel=0.05)


@pytest.mark.parametrize(("degree", "order"), HARMONICS)
def test_curl_of_a_gradient_vanishes(degree, order):
    grid = Grid.from_dataset(regular_grid(1.0))
    field, *_ = spherical_harmonic(grid, degree, order)
    east, north = gradient(field, grid)
    scale = rms(np.hypot(east, north), grid) / (EARTH_RADIUS * np.deg2rad(1.0))
    assert np.abs(curl(east, north, grid)).max() < 1e-6 * scale


@pytest.mark.parametrize("spacing", [2.0, 1.0])
def test_curl_of_solid_body_rotation(spacing):
    grid = Grid.from_dataset(regular_grid(spacing))
    rate, phi = 1e-6, np.deg2rad(grid.lat)
    vorticity = curl(rate * EARTH_RADIUS * np.cos(phi), np.zeros(grid.shape), grid)
    assert np.abs(vorticity - 2 * rate * np.sin(phi)).max() < 0.005 * 2 * rate


def test_constants_have_no_gradient():
    grid = Grid.from_dataset(regular_grid(5.0))
    assert np.abs(np.stack(gradient(np.full(grid.shape, 3.7), grid))).max() == 0


@pytest.mark.parametrize("change", ["rows from the north", "columns rolled", "longitudes shifted by a turn"])
def test_the_way_a_grid_is_stored_does_not_matter(change):
    stored = regular_grid(5.0)
    grid = Grid.from_dataset(stored)
    field = spherical_harmonic(grid, 4, 2)[0]
    turn = {
        "rows from the north": lambda a: a[::-1],
        "columns rolled": lambda a: np.roll(a, 17, axis=1),
        "longitudes shifted by a turn": lambda a: a,
    }[change]
    other = {
        "rows from the north": stored.isel(lat=slice(None, None, -1)),
        "columns rolled": stored.roll(lon=17, roll_coords=True),
        "longitudes shifted by a turn": stored.assign_coords(lon=stored.lon - 360).drop_vars("lon_bnds"),
    }[change]
    grid_other = Grid.from_dataset(other)
    expected, got = gradient(field, grid), gradient(turn(field), grid_other)
    np.testing.assert_allclose(got, [turn(component) for component in expected], rtol=1e-9, atol=1e-18)
    np.testing.assert_allclose(
        curl(turn(expected[1]), turn(expected[0]), grid_other),
        turn(curl(expected[1], expected[0], grid)),
        rtol=1e-7,
        atol=1e-22,
    )


def test_the_published_metric_starts_at_the_date_line_and_needs_rows_from_the_south():
    stored = regular_grid(5.0)
    grid = Grid.from_dataset(stored)
    field = spherical_harmonic(grid, 4, 2)[0]
    expected = published_gradient(field, grid)
    shifted = stored.drop_vars("lon_bnds").assign_coords(lon=(stored["lon"] + 180) % 360 - 180)
    for turn in (0, 17, -36):
        other = Grid.from_dataset(shifted.roll(lon=turn, roll_coords=True))
        got = published_gradient(np.roll(field, turn, axis=1), other)
        np.testing.assert_allclose(got, [np.roll(part, turn, axis=1) for part in expected], rtol=1e-9)
    for turned in ({"lat": slice(None, None, -1)}, {"lon": slice(None, None, -1)}, {"lon": slice(0, 30)}):
        part = stored.isel(turned)
        with pytest.raises(GridError, match="rows from south to north and columns from west to east"):
            published_gradient(np.zeros((part.sizes["lat"], part.sizes["lon"])), Grid.from_dataset(part))


def test_a_curvilinear_grid_is_the_same_case():
    # The same sphere with its poles turned into the tropics: axes far from east and north everywhere.
    regular = Grid.from_dataset(regular_grid(2.0))
    phi, lam, tilt = np.deg2rad(regular.lat), np.deg2rad(regular.lon), np.deg2rad(70)
    x, y, z = np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)
    x, z = np.cos(tilt) * x + np.sin(tilt) * z, -np.sin(tilt) * x + np.cos(tilt) * z
    grid = replace(regular, lat=np.rad2deg(np.arcsin(z)), lon=np.rad2deg(np.arctan2(y, x)))
    field, east, north = spherical_harmonic(grid, 4, 2)
    got_east, got_north = gradient(field, grid)
    assert rms(np.hypot(got_east - east, got_north - north), grid) < 0.01 * rms(np.hypot(east, north), grid)
    scale = rms(np.hypot(east, north), grid) / (EARTH_RADIUS * np.deg2rad(2.0))
    assert np.abs(curl(got_east, got_north, grid)).max() < 1e-6 * scale
    rotation = curl(1e-6 * EARTH_RADIUS * np.cos(np.deg2rad(grid.lat)), np.zeros(grid.shape), grid)
    # Root mean square: in the rows around the poles of the grid, cells are triangles and the error is 2 %.
    assert rms(rotation - 2e-6 * np.sin(np.deg2rad(grid.lat)), grid) < 0.005 * 2e-6


def test_coasts_take_one_sided_differences():
    grid = Grid.from_dataset(regular_grid(1.0))
    linear = EARTH_RADIUS * np.deg2rad(grid.lat)
    linear[:, 100:140] = np.nan
    east, north = gradient(linear, grid)
    ocean = ~np.isnan(linear)
    rows = slice(1, -1)  # the field itself has a kink at the poles
    np.testing.assert_allclose(north[rows][ocean[rows]], 1, rtol=1e-3)
    assert np.isnan(north[~ocean]).all() and np.isfinite(east[ocean]).all()


def test_a_cell_without_neighbours_along_an_axis_has_no_gradient():
    grid = Grid.from_dataset(regular_grid(5.0))
    strait = np.full(grid.shape, np.nan)
    strait[10, 5:9] = 1.0
    assert np.isnan(np.stack(gradient(strait, grid))).all()
