"""Estimated terms of the budget against calculus, and against the true terms of an equivalent-barotropic ocean."""

import numpy as np
import pytest

from thor.core.errors import DataError
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION, GRAVITY
from thor.ocean.features import feature_groups, feature_names, features
from thor.ocean.geostrophic import DECAY_DEPTH, LEAST_CORIOLIS, geostrophic_terms
from thor.ocean.grid import Grid, regular_grid
from thor.ocean.idealized.settings import OceanSettings
from thor.ocean.idealized.training import idealized_training_ocean
from thor.reading.training_ocean import harmonise

OPTIONS = {
    "stress_curl": "surface",
    "metric": "spherical",
    "reference_density": 1029.0,
    "extended": True,
    "neighbourhood_radii_km": [],
    "polar_filter": False,
}


def terms_of(grid, *, slope=(0.0, 0.0), depth_slope=(0.0, 0.0), depth=4000.0, stress=0.0):
    def everywhere(value):
        return np.full(grid.shape, value)

    return geostrophic_terms(
        zos_gradient=tuple(map(everywhere, slope)),
        deptho=everywhere(depth),
        deptho_gradient=tuple(map(everywhere, depth_slope)),
        coriolis_parameter=grid.coriolis_parameter,
        kinematic_stress_eastward=everywhere(stress),
    )


def test_terms_calculated_by_hand():
    grid = Grid.from_dataset(regular_grid(5.0))
    far = np.abs(grid.lat) > 5
    f, beta = grid.coriolis_parameter, 2 * EARTH_ROTATION * np.cos(np.deg2rad(grid.lat)) / EARTH_RADIUS
    got = terms_of(grid, slope=(1e-6, 2e-6), depth_slope=(3e-3, -1e-3), stress=1e-4)
    transport = (GRAVITY * DECAY_DEPTH * (1 - np.exp(-4000 / DECAY_DEPTH)) * 1e-6 - 1e-4) / f
    torque = got["geostrophic_pressure_torque"]
    np.testing.assert_allclose(got["geostrophic_planetary_advection"][far], (-beta * transport)[far])
    np.testing.assert_allclose(torque, GRAVITY * np.exp(-4000 / DECAY_DEPTH) * (-1e-9 - 6e-9))


def test_estimates_are_finite_and_of_opposite_sense_at_the_equator():
    grid = Grid.from_dataset(regular_grid(1.0))
    advection = terms_of(grid, slope=(1e-6, 0.0))["geostrophic_planetary_advection"]
    near = np.abs(grid.coriolis_parameter) < LEAST_CORIOLIS
    assert near.any()
    north, south = grid.lat > 0, grid.lat < 0
    assert (advection[north] < 0).all()
    assert (advection[south] > 0).all()
    assert np.ptp(np.abs(advection[near])) < 1e-3 * np.abs(advection[near]).max()


def test_true_terms_of_the_idealized_ocean_are_recognised():
    """Friction, nonlinear terms and the width of a cell separate estimate and truth."""
    ocean = harmonise(idealized_training_ocean(OceanSettings(), seed=1))
    got = features(ocean, **OPTIONS)
    known = (got["valid"].values == 1) & (ocean["analysis_mask"].values == 1) & (np.abs(got["lat"].values[:, None]) > 8)
    correlation = {
        name: np.corrcoef(got[f"geostrophic_{name}"].values[known], ocean[term].values[known])[0, 1]
        for name, term in (
            ("planetary_advection", "planetary_vorticity_advection"),
            ("pressure_torque", "bottom_pressure_torque"),
            ("viscous_torque", "viscous_torque"),
            ("nonlinear_torque", "nonlinear_torque"),
        )
    }
    assert correlation["planetary_advection"] > 0.95
    assert all(correlation[name] > 0.8 for name in ("pressure_torque", "viscous_torque", "nonlinear_torque"))


def test_the_group_is_chosen_by_name_and_needs_a_stress(raw_ocean):
    ocean = harmonise(raw_ocean)
    got = features(ocean, **OPTIONS | {"neighbourhood_radii_km": [800]})
    groups = feature_groups(feature_names(got))
    assert len(groups["geostrophic"]) == 3 and len(groups["geostrophic_torques"]) == 2
    together = sum(got[name] for name in ("wind_stress_curl", *groups["geostrophic"]))
    assert float(np.abs(together).max()) < 1e-6 * float(np.abs(got["geostrophic_residual"]).max())
    assert all(len(groups[f"around {name}"]) == 2 for name in groups["geostrophic"])
    with pytest.raises(DataError, match="geostrophic features need.*extended_features: false"):
        features(ocean.drop_vars(["tauuo", "tauvo"]), **OPTIONS | {"stress_curl": "released"})
