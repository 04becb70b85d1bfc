"""The solver: one factorisation, many winds, and terms that follow their physics."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.idealized.budget import closure
from thor.ocean.idealized.c_grid import FaceField, regular_c_grid
from thor.ocean.idealized.circulation import CirculationModel, transport_streamfunction
from thor.ocean.idealized.geography import Geography, positions_in_space


def _work(grid, transport, force):
    return (grid.u.dx * grid.u.dy * transport.u * force.u + grid.v.dx * grid.v.dy * transport.v * force.v).sum()


@pytest.fixture(scope="module")
def water_planet(settings):
    grid = regular_c_grid(2.0)
    geography = Geography(mask=np.ones(grid.shape, dtype=bool), depth=np.full(grid.shape, 4000.0))
    changes = {"linear_friction": 1e-6, "lateral_viscosity": 1e5, "decay_depth": 1000.0, "bottom_drag": 0.0}
    return CirculationModel(grid, geography, settings.replace(**changes))


def test_transport_has_no_divergence_and_no_flow_through_coasts(solved):
    grid, transport = solved.grid, solved.circulation.transport
    outflow = grid.apply(grid.outflow.u, transport.u) + grid.apply(grid.outflow.v, transport.v)
    through = np.abs(transport.u * grid.u.dy).max()
    assert np.abs(outflow).max() < 1e-9 * through
    assert np.all(transport.u[solved.model.mask.u == 0] == 0)
    assert np.all(transport.v[solved.model.mask.v == 0] == 0)


def test_ssh_has_zero_mean_over_the_ocean(solved):
    area = solved.grid.t.area * solved.geography.mask
    assert abs((area * solved.circulation.ssh).sum() / area.sum()) < 1e-12


def test_stacked_winds_equal_single_ones(coarse):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(2, 2))
    stack = FaceField(*(factors[..., None, None] * part for part in coarse.stress))
    many = coarse.model.solve(stack)
    assert many.ssh.shape == (2, 2, *coarse.grid.shape)
    one = coarse.model.solve(coarse.stress)
    for index in np.ndindex(2, 2):
        scale = np.abs(factors[index])
        np.testing.assert_allclose(many.ssh[index], factors[index] * one.ssh, atol=1e-10 * scale)
        np.testing.assert_allclose(
            many.transport.u[index], factors[index] * one.transport.u, atol=1e-9 * scale * np.abs(one.transport.u).max()
        )


def test_extra_force_acts_like_wind(coarse):
    whole = coarse.model.solve(coarse.stress)
    calm = FaceField(*(np.zeros_like(part) for part in coarse.stress))
    forced = coarse.model.solve(calm, extra=coarse.model.wind(coarse.stress))
    np.testing.assert_allclose(forced.ssh, whole.ssh, atol=1e-12)


def test_coriolis_force_does_no_work(coarse):
    transport = coarse.circulation.transport
    force = coarse.model.coriolis(transport)
    rough = _work(coarse.grid, FaceField(*map(np.abs, transport)), FaceField(*map(np.abs, force)))
    assert abs(_work(coarse.grid, transport, force)) < 1e-12 * rough


def test_friction_takes_the_energy_that_the_wind_gives(solved):
    grid, model, transport = solved.grid, solved.model, solved.circulation.transport
    wind = _work(grid, transport, model.wind(solved.stress))
    viscous = _work(grid, transport, model.viscous(transport))
    bottom = _work(grid, transport, model.bottom_stress(transport))
    assert wind > 0
    assert viscous < 0
    assert bottom < 0


def test_advection_is_symmetric_and_bilinear(coarse):
    one = coarse.circulation.transport
    other = FaceField(np.roll(one.u, 3, axis=1) * coarse.model.mask.u, np.roll(one.v, 3, axis=1) * coarse.model.mask.v)
    both = FaceField(2 * one.u - other.u, 2 * one.v - other.v)
    advection = coarse.model.advection
    whole = advection(both)
    for component in ("u", "v"):
        mixed, swapped = (getattr(advection(*pair), component) for pair in ((one, other), (other, one)))
        np.testing.assert_array_equal(mixed, swapped)
        parts = 4 * getattr(advection(one), component) + getattr(advection(other), component) - 4 * mixed
        np.testing.assert_allclose(getattr(whole, component), parts, atol=1e-12 * np.abs(parts).max())


def test_advection_of_zonal_flow_is_its_centripetal_force(water_planet):
    grid, strength = water_planet.grid, 50.0
    transport = FaceField(strength * np.cos(np.deg2rad(grid.u.lat)), np.zeros(grid.shape))
    force = water_planet.advection(transport)
    bottom = np.exp(-4.0)
    inertia = (1 + bottom) / (2 * 1000 * (1 - bottom))
    phi = np.deg2rad(grid.v.lat)
    expected = -inertia * (strength * np.cos(phi)) ** 2 * np.tan(phi) / EARTH_RADIUS
    inner = np.abs(grid.v.lat) < 70
    assert np.abs(force.u).max() < 1e-12 * np.abs(expected[inner]).max()
    np.testing.assert_allclose(force.v[inner], expected[inner], atol=0.01 * np.abs(expected[inner]).max())


def test_viscosity_of_solid_body_rotation(water_planet):
    # lap(U) = -2 U / a^2 for solid-body rotation, in the form that a flow without divergence takes
    grid = water_planet.grid
    transport = FaceField(np.cos(np.deg2rad(grid.u.lat)), np.zeros(grid.shape))
    force = water_planet.viscous(transport).u
    expected = (-1e-6 - 2 * 1e5 / EARTH_RADIUS**2) * transport.u
    inner = np.abs(grid.u.lat) < 80
    np.testing.assert_allclose(force[inner], expected[inner], rtol=1e-3)


def test_western_boundary_currents_and_gyres(solved):
    grid = solved.grid
    psi = transport_streamfunction(grid, solved.circulation.transport) * 1e-6
    ocean = solved.geography.mask
    for name, (west, east) in {"North Atlantic": (278, 352), "North Pacific": (132, 242)}.items():
        rows = (grid.t.lat[:, 0] > 30) & (grid.t.lat[:, 0] < 38)
        for j in np.flatnonzero(rows):
            inside = np.flatnonzero((grid.v.lon[j] > west) & (grid.v.lon[j] < east) & ocean[j])
            strongest = inside[np.argmax(solved.circulation.transport.v[j, inside])]
            assert (strongest - inside[0]) / (inside[-1] - inside[0]) < 0.2, name
            # transport between the gyre's centre and the eastern coast, which the boundary current returns
            gyre = psi[j, inside].max() - psi[j, inside[-1]]
            assert 10 < gyre < 110, name


def test_acc_meanders(solved):
    psi = transport_streamfunction(solved.grid, solved.circulation.transport)
    lat = solved.grid.q.lat[:, 0]
    half = 0.5 * psi[np.argmin(np.abs(lat + 56)), round(291 / 360 * solved.grid.shape[1]) - 1]
    south = lat < -35
    front = [lat[south][np.argmax(psi[south, i] < half)] for i in range(psi.shape[1])]
    assert np.std(front) > 1.5
    assert -66 < np.mean(front) < -45


def test_oblique_grid_gives_the_same_ocean(settings, solve_ocean, turned_grid, coarse):
    turned = solve_ocean(settings.replace(lateral_viscosity=settings.viscosity), grid=turned_grid)
    assert closure(turned.budget.corners) < 1e-9
    assert closure(turned.budget.cells, turned.budget.cell_mask) < 1e-9
    tree = cKDTree(positions_in_space(turned_grid.t.lat, turned_grid.t.lon).reshape(-1, 3))
    nearest = tree.query(positions_in_space(coarse.grid.t.lat, coarse.grid.t.lon))[1]
    both = coarse.geography.mask & turned.geography.mask.ravel()[nearest] & coarse.budget.cell_mask
    here, there = coarse.circulation.ssh[both], turned.circulation.ssh.ravel()[nearest][both]
    weights = coarse.grid.t.area[both]
    difference = here - there
    difference -= np.average(difference, weights=weights)
    spread = np.sqrt(np.average((here - np.average(here, weights=weights)) ** 2, weights=weights))
    assert np.sqrt(np.average(difference**2, weights=weights)) < 0.2 * spread
