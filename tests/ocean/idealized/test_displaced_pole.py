"""The grid with a displaced pole: an orthogonal grid of the same sphere, on which the ocean is the same."""

import numpy as np
import pytest

from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.idealized.budget import closure
from thor.ocean.idealized.c_grid import FaceField
from thor.ocean.idealized.circulation import drake_passage_transport, transport_streamfunction, wet_corners
from thor.ocean.idealized.displaced_pole import GREENLAND, displaced_pole_c_grid, displaced_position
from thor.ocean.idealized.geography import ocean_mask, positions_in_space

GYRES = {
    "North Pacific": (132, 242, 28, 40),
    "South Pacific": (155, 290, -40, -25),
    "South Indian": (35, 115, -40, -25),
    "South Atlantic": (308, 372, -38, -25),
}
"""West, east, south and north of boxes around the subtropical gyres [degrees]."""


@pytest.fixture(scope="module")
def grid():
    return displaced_pole_c_grid(3.0)


@pytest.fixture(scope="module")
def oceans(settings, solve_ocean):
    """The same settings on the regular and on the displaced-pole grid at 2.5 degrees."""
    settings = settings.replace(resolution_degrees=2.5)
    return solve_ocean(settings), solve_ocean(settings, grid=displaced_pole_c_grid(2.5))


def test_northern_pole_is_inland_and_the_southern_one_stays(grid):
    np.testing.assert_allclose(grid.corner_lat[-1], GREENLAND[0], atol=1e-9)
    np.testing.assert_allclose(grid.corner_lon[-1], GREENLAND[1], atol=1e-9)
    np.testing.assert_allclose(grid.corner_lat[0], -90, atol=1e-9)
    assert not ocean_mask(grid)[-1].any()


def test_grid_lines_cross_at_right_angles(grid):
    corners = positions_in_space(grid.corner_lat, grid.corner_lon)
    along_i = corners[1:-1, 2:] - corners[1:-1, :-2]
    along_j = corners[2:, 1:-1] - corners[:-2, 1:-1]
    cosine = (along_i * along_j).sum(-1) / np.linalg.norm(along_i, axis=-1) / np.linalg.norm(along_j, axis=-1)
    # centred differences see the curvature of the lines, which is strongest around the pole
    assert np.abs(cosine[:-2]).max() < 0.01


def test_metric_factors_are_distances(grid):
    corners = positions_in_space(grid.corner_lat, grid.corner_lon)
    across = EARTH_RADIUS * np.linalg.norm(np.diff(corners, axis=1), axis=-1)[1:]
    upward = EARTH_RADIUS * np.linalg.norm(np.diff(corners, axis=0), axis=-1)[:, 1:]
    np.testing.assert_allclose(grid.v.dx[:-1], across[:-1], rtol=2e-3)
    np.testing.assert_allclose(grid.u.dy, upward, rtol=2e-3)
    assert np.ptp(grid.t.dy) > 0.2 * grid.t.dy.mean()


def test_axes_point_along_grid_lines(grid):
    ahead, behind = (positions_in_space(*(np.roll(x, k, axis=1) for x in (grid.t.lat, grid.t.lon))) for k in (-1, 1))
    phi, lam = np.deg2rad(grid.t.lat), np.deg2rad(grid.t.lon)
    east = np.stack([-np.sin(lam), np.cos(lam), 0 * lam], axis=-1)
    north = np.stack([-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)], axis=-1)
    angle = np.arctan2(((ahead - behind) * north).sum(-1), ((ahead - behind) * east).sum(-1))
    off = np.abs((grid.t.angle - angle + np.pi) % (2 * np.pi) - np.pi)
    assert off.max() < 1e-3
    assert np.abs(np.sin(grid.t.angle[grid.t.lat > 60])).max() > 0.9


def test_cells_tile_the_sphere(grid):
    for points in (grid.t, grid.u):
        np.testing.assert_allclose(points.area.sum(), 4 * np.pi * EARTH_RADIUS**2, rtol=1e-10)


def test_curl_of_solid_body_rotation(grid):
    speeds = [np.cos(np.deg2rad(points.lat)) for points in (grid.u, grid.v)]
    field = FaceField(speeds[0] * np.cos(grid.u.angle), -speeds[1] * np.sin(grid.v.angle))
    expected = 2 * np.sin(np.deg2rad(grid.q.lat)) / EARTH_RADIUS
    difference = (grid.curl(field) - expected)[:-3] * EARTH_RADIUS / 2
    assert np.sqrt(np.mean(difference**2)) < 2e-3


def test_budget_closes_on_the_displaced_grid(oceans):
    _, displaced = oceans
    assert closure(displaced.budget.corners) < 1e-9
    assert closure(displaced.budget.cells, displaced.budget.cell_mask) < 1e-9


def test_gyres_and_acc_carry_what_they_carry_on_the_regular_grid(oceans):
    transports = [_transports(ocean) for ocean in oceans]
    for name, expected in transports[0].items():
        assert 25 < expected < 80, name
        np.testing.assert_allclose(transports[1][name], expected, rtol=0.2, err_msg=name)
    acc = [drake_passage_transport(ocean.grid, ocean.circulation.transport) for ocean in oceans]
    np.testing.assert_allclose(acc[1], acc[0], rtol=0.1)


def _transports(ocean):
    """Range of the transport streamfunction in each gyre [Sv]."""
    psi, points = transport_streamfunction(ocean.grid, ocean.circulation.transport) * 1e-6, ocean.grid.q
    wet = wet_corners(ocean.geography.mask)
    out = {}
    for name, (west, east, south, north) in GYRES.items():
        inside = wet & ((points.lon - west) % 360 < east - west) & (points.lat > south) & (points.lat < north)
        out[name] = float(np.ptp(psi[inside]))
    return out


def test_terms_agree_with_the_regular_grid_on_the_large_scale(oceans):
    # bands of ten degrees of latitude, each in six sectors
    def blocks(ocean, name):
        where, points = ocean.budget.cell_mask, ocean.grid.t
        block = (np.floor((points.lat + 90) / 10) * 6 + np.floor(points.lon / 60)).astype(int)[where]
        weights = points.area[where]
        total, area = (
            np.bincount(block, w, minlength=108) for w in (weights * ocean.budget.cells[name][where], weights)
        )
        return np.where(area > 1e12, total / np.maximum(area, 1), np.nan)

    for name, least in {"wind_stress_curl": 0.97, "planetary_vorticity_advection": 0.8}.items():
        regular, displaced = (blocks(ocean, name) for ocean in oceans)
        both = np.isfinite(regular) & np.isfinite(displaced)
        assert both.sum() > 60
        assert np.corrcoef(regular[both], displaced[both])[0, 1] > least, name


def test_positions_round_the_southern_pole_hardly_move():
    lat, lon = displaced_position(np.array([-70.0, -60.0]), np.array([10.0, 200.0]))
    np.testing.assert_allclose(lat, [-70, -60], atol=2)
    np.testing.assert_allclose(lon, [10, 200], atol=6)
