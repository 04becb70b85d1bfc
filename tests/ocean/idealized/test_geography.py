"""Land and depth: the oceans are joined where they should be, and two resolutions see one sea floor."""

import subprocess
import sys

import numpy as np
import pytest

from thor.ocean.idealized.c_grid import regular_c_grid
from thor.ocean.idealized.geography import build_geography, depth_at, ocean_mask

OCEAN = {"Pacific": (0, 200), "Atlantic": (30, 320), "Indian": (-20, 80), "Drake": (-59, 295), "Arctic": (85, 200)}
LAND = {
    "Asia": (50, 90),
    "Antarctica": (-85, 0),
    "Mediterranean": (35, 19),
    "Caspian": (42, 51),
    "Nicaragua": (13, 274),
}


@pytest.fixture(scope="module", params=[4.0, 2.0, 1.0], ids=lambda r: f"{r:g}deg")
def grid(request):
    return regular_c_grid(request.param)


def _cell(grid, lat, lon):
    step = 360 / grid.shape[1]
    return int((lat + 90) // step), int(lon // step)


def test_oceans_and_continents_are_where_they_are(grid):
    mask = ocean_mask(grid)
    wrong = [name for name, place in OCEAN.items() if not mask[_cell(grid, *place)]]
    wrong += [name for name, place in LAND.items() if mask[_cell(grid, *place)]]
    assert not wrong
    share = (grid.t.area * mask).sum() / grid.t.area.sum()
    assert 0.66 < share < 0.73


def test_ocean_is_one_piece_through_open_faces(grid):
    mask = ocean_mask(grid)
    reached = np.zeros_like(mask)
    reached[_cell(grid, 0, 200)] = True
    while True:
        grown = reached | np.roll(reached, 1, 1) | np.roll(reached, -1, 1)
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown &= mask
        if np.array_equal(grown, reached):
            break
        reached = grown
    np.testing.assert_array_equal(reached, mask)


def test_water_cannot_cross_central_america(grid):
    # with the Southern Ocean and the Arctic closed off, the Atlantic cannot be reached from the Pacific
    mask = ocean_mask(grid) & (np.abs(grid.t.lat) < 30) & (grid.t.lon > 180) & (grid.t.lon < 350)
    reached = np.zeros_like(mask)
    reached[_cell(grid, 0, 200)] = True
    for _ in range(3 * sum(grid.shape)):
        reached |= np.roll(reached, 1, 1) | np.roll(reached, -1, 1) | np.roll(reached, 1, 0) | np.roll(reached, -1, 0)
        reached &= mask
    assert not reached[_cell(grid, 20, 320)]


def test_drake_passage_is_open_and_wide():
    for resolution in (2.0, 1.0):
        grid = regular_c_grid(resolution)
        column = ocean_mask(grid)[:, _cell(grid, 0, 295)[1]]
        lat = grid.t.lat[:, 0]
        width = (column & (lat < -54) & (lat > -64)).sum() * resolution
        assert 5 <= width <= 10


def test_depth_is_one_function_of_position(settings):
    lat, lon = np.array([-45.3, 0.2, 31.7]), np.array([330.4, 200.9, 300.1])
    alone = depth_at(lat, lon, settings, seed=1)
    for resolution in (2.0, 1.0):
        grid = regular_c_grid(resolution)
        whole = depth_at(grid.t.lat, grid.t.lon, settings, seed=1)
        j, i = np.transpose([_cell(grid, a, o) for a, o in zip(lat, lon, strict=True)])
        np.testing.assert_allclose(whole[j, i], depth_at(grid.t.lat[j, i], grid.t.lon[j, i], settings, seed=1))
    np.testing.assert_allclose(alone, depth_at(lat[::-1], lon[::-1] - 360, settings, seed=1)[::-1], rtol=1e-9)


def test_sea_floor_has_shelves_ridges_and_an_abyss(settings):
    grid = regular_c_grid(2.0)
    geography = build_geography(grid, settings, seed=1)
    depth = np.where(geography.mask, geography.depth, np.nan)
    assert np.nanmin(depth) >= settings.minimum_depth
    assert np.nanmax(depth) < 7500
    area = grid.t.area * geography.mask
    assert 3000 < np.nansum(area * depth) / area.sum() < 4200
    ridge, basin = depth[_cell(grid, 30, 318)], depth[_cell(grid, 27, 300)]
    assert ridge < 3800 < 4500 < basin
    coast = geography.mask & ~np.roll(geography.mask, 1, axis=1)
    assert np.nanmedian(depth[coast]) < 1000


def test_hills_follow_the_seed_and_the_roughness(settings):
    grid = regular_c_grid(4.0)
    far, flat = (settings.replace(ridge_height=0.0, **change) for change in ({}, {"roughness": 0.0}))
    one, same, other = (depth_at(grid.t.lat, grid.t.lon, far, seed=s) for s in (1, 1, 2))
    smooth = depth_at(grid.t.lat, grid.t.lon, flat, seed=1)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 500
    deep = smooth > 5400
    assert deep.sum() > 200
    np.testing.assert_allclose(np.std((one - smooth)[deep]), settings.roughness, rtol=0.2)


def test_land_is_that_of_the_globe_topography_everywhere():
    """In a separate process: the package keeps its 1 km mask, a gigabyte, for as long as it stays imported."""
    code = (
        "import numpy as np; from thor.ocean.idealized.geography import sea_lattice; sea = sea_lattice();"
        "from global_land_mask import globe;"
        "lat, lon = -90 + (np.arange(1440) + 0.5) / 8, -180 + (np.arange(2880) + 0.5) / 8;"
        "print((sea == globe.is_ocean(lat[:, None], lon)).mean(), sea.mean())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    agreement, sea = map(float, done.stdout.split())
    assert agreement == 1
    assert 0.6 < sea < 0.7
