"""Torques of a transport: against calculus, and against the true terms of idealized oceans of several resolutions."""

import numpy as np
import pytest

from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION
from thor.ocean.grid import Grid, with_bounds
from thor.ocean.idealized.settings import OceanSettings
from thor.ocean.idealized.training import idealized_training_ocean
from thor.ocean.torques import munk_viscosity, transport_torques


@pytest.fixture(scope="module")
def plane():
    """Near the equator a fine grid is nearly plane: grid, and distances eastward and northward [m]."""
    grid = Grid.from_dataset(with_bounds(np.arange(-6, 6.01, 0.1), np.arange(0.05, 40, 0.1)))
    x, y = (EARTH_RADIUS * np.deg2rad(angle) for angle in (grid.lon, grid.lat))
    return grid, x, y, 2 * np.pi / 5e5


def inside(field):
    return field[20:-20, 20:-20]


def test_friction_of_a_sheared_flow(plane):
    grid, _, y, k = plane
    found = transport_torques(np.sin(k * y), np.zeros(grid.shape), np.full(grid.shape, 4000.0), grid)
    side = np.sqrt(grid.area.mean())
    expected = munk_viscosity(side) * k**3 * np.cos(k * y)
    np.testing.assert_allclose(inside(found["viscous_torque"]), inside(expected), atol=0.03 * expected.max())
    assert np.abs(inside(found["nonlinear_torque"])).max() < 1e-3 * k**2 / 4000


def test_momentum_advection_of_crossed_flows(plane):
    grid, x, y, k = plane
    depth = 4000.0
    found = transport_torques(np.sin(k * y), np.sin(2 * k * x), np.full(grid.shape, depth), grid)
    expected = 3 * k**2 * np.sin(k * y) * np.sin(2 * k * x) / depth
    np.testing.assert_allclose(inside(found["nonlinear_torque"]), inside(expected), atol=0.05 * expected.max())


def test_nothing_acts_on_water_at_rest_and_land_is_missing(plane):
    grid = plane[0]
    still = np.zeros(grid.shape)
    still[:, :100] = np.nan
    for field in transport_torques(still, still, np.full(grid.shape, 1000.0), grid).values():
        assert np.isnan(field[:, :100]).all() and not field[1:-1, 110:-1].any()


def test_the_viscosity_makes_a_western_boundary_layer_as_wide_as_a_cell():
    viscosity = munk_viscosity(2e5)
    beta = 2 * EARTH_ROTATION * np.cos(np.deg2rad(30)) / EARTH_RADIUS
    assert (viscosity / beta) ** (1 / 3) == pytest.approx(2e5)


@pytest.mark.parametrize("resolution", [2.0, 4.0])
def test_true_terms_of_idealized_oceans_are_recognised_with_their_size(resolution):
    """Friction also acts linearly on the transport; differences over two cells weaken what varies over few."""
    ocean = idealized_training_ocean(OceanSettings(resolution_degrees=resolution), seed=1)
    grid = Grid.from_dataset(ocean)
    flow = [ocean[f"transport_{name}"].values for name in ("eastward", "northward")]
    for name, found in transport_torques(*flow, ocean["deptho"].values, grid).items():
        true = ocean[name].values
        known = np.isfinite(found) & np.isfinite(true) & (ocean["analysis_mask"].values == 1)
        assert known.sum() > 0.95 * int(ocean["analysis_mask"].sum())
        slope = (found * true)[known].sum() / (found**2)[known].sum()
        assert np.corrcoef(found[known], true[known])[0, 1] > 0.65, name
        assert 0.5 < slope < 2.0, name
