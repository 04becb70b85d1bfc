"""The budget closes to round-off everywhere, and only if every term is correct."""

import numpy as np
import pytest

from thor.core.variables import BUDGET_TERMS
from thor.ocean.idealized.budget import cells_with_wet_corners, closure, corners_to_cells, momentum_terms
from thor.ocean.idealized.c_grid import FaceField


def _rms(field):
    return np.sqrt(np.mean(field**2))


def test_budget_closes_at_corners_and_cells(solved):
    assert closure(solved.budget.corners) < 1e-9
    assert closure(solved.budget.cells, solved.budget.cell_mask) < 1e-9


@pytest.mark.parametrize("name", BUDGET_TERMS)
def test_corrupting_any_term_breaks_closure(solved, name):
    factor = 1 + 1e-6 * max(1.0, 1e3 * (name == "nonlinear_torque"))
    cells = solved.budget.cells | {name: factor * solved.budget.cells[name]}
    assert closure(cells, solved.budget.cell_mask) > 1e-9
    corners = solved.budget.corners | {name: np.roll(solved.budget.corners[name], 1, axis=1)}
    assert closure(corners) > 1e-3


def test_budget_of_another_wind_does_not_close(coarse):
    other = FaceField(1.01 * coarse.stress.u, coarse.stress.v)
    forces = momentum_terms(coarse.model, coarse.circulation, other, coarse.advection)
    assert closure({name: coarse.grid.curl(force) for name, force in forces.items()}) > 1e-5


def test_flat_bottom_has_no_bottom_pressure_torque(settings, solve_ocean, coarse):
    flat = solve_ocean(settings, flat=True)
    torque = flat.budget.cells["bottom_pressure_torque"][flat.budget.cell_mask]
    rough = coarse.budget.cells["bottom_pressure_torque"][coarse.budget.cell_mask]
    assert _rms(torque) < 1e-9 * _rms(rough)
    assert closure(flat.budget.cells, flat.budget.cell_mask) < 1e-9


def test_linear_ocean_has_no_nonlinear_torque(settings, solve_ocean):
    linear = solve_ocean(settings.replace(resolution_degrees=4.0, nonlinear_iterations=0))
    assert np.all(linear.budget.corners["nonlinear_torque"] == 0)
    assert closure(linear.budget.cells, linear.budget.cell_mask) < 1e-9


def test_bottom_pressure_torque_is_the_jacobian_of_ssh_and_depth(solved):
    # curl(-g F grad eta) = g exp(-H/h) J(eta, H) = g J(eta, F), here with centred differences over 2 x 2 cells
    grid, model = solved.grid, solved.model
    decay_depth = model.settings.decay_depth
    reach = decay_depth * (1 - np.exp(-solved.geography.depth / decay_depth))

    def slopes(field):
        i = grid.apply(grid.along_j, grid.apply(grid.east - grid.identity, field))
        j = grid.apply(grid.along_i, grid.apply(grid.north - grid.identity, field))
        return i, j

    (eta_i, eta_j), (reach_i, reach_j) = slopes(solved.circulation.ssh), slopes(reach)
    jacobian = 9.81 * (eta_i * reach_j - eta_j * reach_i) / grid.q.area
    interior = solved.budget.cell_mask & np.roll(solved.budget.cell_mask, -1, axis=1) & (np.abs(grid.q.lat) < 80)
    interior[:-1] &= interior[1:]
    torque = solved.budget.corners["bottom_pressure_torque"]
    assert _rms((torque - jacobian)[interior]) < 1e-6 * _rms(torque[interior])


def test_planetary_term_is_minus_the_divergence_of_f_times_transport(coarse):
    grid, transport = coarse.grid, coarse.circulation.transport
    meridional = corners_to_cells(grid, grid.apply(grid.along_i, transport.v))
    beta = 2 * 7.2921e-5 * np.cos(np.deg2rad(grid.t.lat)) / 6.371e6
    term = coarse.budget.cells["planetary_vorticity_advection"]
    deep = coarse.budget.cell_mask & (np.abs(grid.t.lat) > 5) & (np.abs(grid.t.lat) < 50)
    np.testing.assert_allclose(np.corrcoef(term[deep], -(beta * meridional)[deep])[0, 1], 1, atol=0.03)


def test_bottom_stress_is_part_of_the_stress_curl(solved):
    corners = solved.budget.corners
    surface = solved.grid.curl(solved.model.wind(solved.stress))
    np.testing.assert_allclose(
        corners["wind_stress_curl"],
        surface + corners["bottom_stress_curl"],
        atol=1e-12 * np.abs(corners["wind_stress_curl"]).max(),
    )
    assert _rms(corners["bottom_stress_curl"]) > 0


def test_cells_need_eight_wet_neighbours():
    mask = np.ones((6, 8), dtype=bool)
    mask[2, 3] = False
    cells = cells_with_wet_corners(mask)
    expected = np.ones_like(mask)
    expected[[0, -1]] = False
    expected[1:4, 2:5] = False
    np.testing.assert_array_equal(cells, expected)
