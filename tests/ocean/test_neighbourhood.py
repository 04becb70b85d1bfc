"""Neighbourhood statistics against a direct sum."""

import numpy as np

from thor.ocean import neighbourhood
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import Grid, regular_grid
from thor.ocean.sphere import unit_vectors


def direct(field, grid, mask, radius_km):
    centres = unit_vectors(grid.lat[mask], grid.lon[mask])
    angle = np.arccos(np.clip(centres.T @ centres, -1, 1))
    weights = (angle * EARTH_RADIUS <= 1e3 * radius_km) * grid.area[mask]
    mean = weights @ field[mask] / weights.sum(axis=1)
    variance = (weights * (field[mask][None, :] - mean[:, None]) ** 2).sum(axis=1) / weights.sum(axis=1)
    return mean, np.sqrt(variance)


def test_against_a_direct_sum_whatever_the_block(monkeypatch):
    grid = Grid.from_dataset(regular_grid(10.0))
    rng = np.random.default_rng(3)
    field, mask = 5000 + rng.normal(size=grid.shape), rng.random(grid.shape) > 0.3
    expected = direct(field, grid, mask, 2000)
    for pairs in (10**9, 500):
        monkeypatch.setattr(neighbourhood, "PAIRS_PER_BLOCK", pairs)
        got = neighbourhood.neighbourhood_statistics({"deptho": field}, grid, mask, radii_km=[2000])
        np.testing.assert_allclose(got["deptho_mean_2000km"][mask], expected[0], rtol=1e-12)
        np.testing.assert_allclose(got["deptho_spread_2000km"][mask], expected[1], rtol=1e-6)
        assert np.isnan(got["deptho_mean_2000km"][~mask]).all()


def test_a_small_radius_is_the_cell_itself():
    grid = Grid.from_dataset(regular_grid(10.0))
    field = np.random.default_rng(1).normal(size=grid.shape)
    got = neighbourhood.neighbourhood_statistics({"zos": field}, grid, np.ones(grid.shape, bool), radii_km=[50])
    np.testing.assert_allclose(got["zos_mean_50km"], field, rtol=1e-12)
    np.testing.assert_allclose(got["zos_spread_50km"], 0, atol=1e-7)


def test_means_alone_hardly_depend_on_the_grid_and_spreads_do():
    found = {}
    for step in (4.0, 2.0):
        ocean = regular_grid(step)
        grid = Grid.from_dataset(ocean)
        # Waves of two lengths: the spread of the shorter ones is lost on the coarse grid, which averages them.
        waves = np.sin(np.deg2rad(6 * grid.lon)) + np.sin(np.deg2rad(45 * grid.lon))
        if step == 4.0:
            waves = np.sin(np.deg2rad(6 * grid.lon))
        got = neighbourhood.neighbourhood_statistics(
            {"zos": waves}, grid, np.ones(grid.shape, bool), radii_km=[1000], statistics=("mean",)
        )
        assert list(got) == ["zos_mean_1000km"]
        both = neighbourhood.neighbourhood_statistics({"zos": waves}, grid, np.ones(grid.shape, bool), radii_km=[1000])
        inner = np.abs(grid.lat) < 30
        found[step] = [np.sqrt((both[f"zos_{name}_1000km"][inner] ** 2).mean()) for name in ("mean", "spread")]
    ratio = np.array(found[2.0]) / np.array(found[4.0])
    assert abs(ratio[0] - 1) < 0.05 < 0.5 < ratio[1] - 1
