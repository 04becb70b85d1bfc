"""Shared areas: no area is lost or counted twice on any grid, and single polygons agree with shapely."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ocean.test_native_grids import curvilinear, read_native
from tests.ocean.test_operators import spherical_harmonic
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import Grid, cell_area, regular_grid, with_bounds
from thor.ocean.overlap import _area_inside, _Edges, overlap_areas
from thor.ocean.sphere import unit_vectors

_NUMBERS, _SIZES = (st.integers(*ends).map(lambda number: number / 100) for ends in ((-200, 200), (1, 100)))
SPHERE = 4 * np.pi * EARTH_RADIUS**2


def rotated(spacing, *, tilt):
    """A regular grid about an axis tilted by so many degrees, as a grid with 2-D coordinates and bounds."""
    regular = regular_grid(spacing)
    angle = np.deg2rad(tilt)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])

    def turned(lat, lon):
        x, y, z = np.einsum("ij,j...->i...", turn, unit_vectors(lat, lon))
        return np.rad2deg(np.arcsin(np.clip(z, -1, 1))), np.rad2deg(np.arctan2(y, x)) % 360

    lat, lon = np.meshgrid(regular["lat"].values, regular["lon"].values, indexing="ij")
    south, north = (np.broadcast_to(edge[:, None], lat.shape) for edge in regular["lat_bnds"].values.T)
    west, east = (np.broadcast_to(edge, lat.shape) for edge in regular["lon_bnds"].values.T)
    bounds = turned(np.stack([south, south, north, north], -1), np.stack([west, east, east, west], -1))
    dataset = curvilinear(*turned(lat, lon))
    return dataset.assign_coords(lat_bnds=(("y", "x", "vertex"), bounds[0]), lon_bnds=(("y", "x", "vertex"), bounds[1]))


@pytest.mark.parametrize(
    ("lat", "lon"),
    [
        (np.linspace(-87.5, 87.5, 36), np.linspace(2.5, 357.5, 72)),
        (np.linspace(87.5, -87.5, 36), np.linspace(-177.5, 177.5, 72)),
        (np.rad2deg(np.arcsin(np.linspace(-0.97, 0.97, 31))), np.linspace(0.7, 358.2, 143)),
    ],
    ids=["5 degrees", "from the north, seam at 180", "uneven rows, columns across 0"],
)
def test_regular_cells_are_covered_exactly(lat, lon):
    grid, regular = with_bounds(lat, lon), regular_grid(1.0)
    shared = overlap_areas(grid, np.ones((lat.size, lon.size), bool), regular)
    np.testing.assert_allclose(shared.sum(axis=0), cell_area(grid).ravel(), rtol=1e-12)
    within = np.abs(grid["lat_bnds"].values).max()
    covered = np.repeat(np.abs(regular["lat_bnds"].values).max(axis=1) <= within, 360)
    np.testing.assert_allclose(shared.sum(axis=1)[covered], cell_area(regular).ravel()[covered], rtol=1e-12)


@pytest.mark.parametrize("tilt", [0.0, 2.5, 17.0, 45.0, 90.0])
def test_a_rotated_grid_covers_the_sphere_once(tilt):
    """With the poles inside cells, on their edges and at their corners, where two corners are one."""
    grid, regular = rotated(5.0, tilt=tilt), regular_grid(2.0)
    shared = overlap_areas(grid, np.ones(grid["lat"].shape, bool), regular)
    assert shared.sum() == pytest.approx(SPHERE, rel=1e-12)
    np.testing.assert_allclose(shared.sum(axis=1), cell_area(regular).ravel(), rtol=1e-9)
    # beside the edge that a pole is on, a great circle is farthest from its pieces in the plane
    np.testing.assert_allclose(shared.sum(axis=0), cell_area(grid).ravel(), rtol=7e-3)


@pytest.mark.parametrize(
    ("name", "largest"), [("CESM2", 1.2e-3), ("IPSL-CM6A-LR", 3.2e-4), ("MPI-ESM1-2-LR", 2.8e-4), ("GFDL-ESM4", 4.8e-4)]
)
def test_the_areas_of_native_grids_are_found(data_mirror, name, largest):
    lat, lon, ocean = read_native(data_mirror, name)
    dataset, regular = curvilinear(lat, lon), regular_grid(1.0)
    grid = Grid.from_dataset(dataset)
    cells = ocean & ~grid.duplicate
    shared = overlap_areas(dataset, cells, regular)
    error = np.abs(shared.sum(axis=0) / grid.area[cells] - 1)
    assert error.max() < largest and np.median(error) < 1e-6
    assert (shared.sum(axis=1) / cell_area(regular).ravel()).max() < 1.0002


@pytest.mark.parametrize("name", ["CESM2", "IPSL-CM6A-LR"])
def test_a_smooth_field_is_regridded_where_the_ocean_is_whole(data_mirror, name):
    lat, lon, ocean = read_native(data_mirror, name)
    dataset, regular = curvilinear(lat, lon), regular_grid(1.0)
    grid = Grid.from_dataset(dataset)
    cells = ocean & ~grid.duplicate
    shared = overlap_areas(dataset, cells, regular)
    field, expected = (spherical_harmonic(g, 4, 2)[0] for g in (grid, Grid.from_dataset(regular)))
    got = (shared @ field[cells]) / np.maximum(shared.sum(axis=1), 1.0)
    whole = shared.sum(axis=1) > 0.999 * cell_area(regular).ravel()
    assert whole.sum() > 30_000
    error = (got - expected.ravel())[whole]
    assert np.sqrt(np.mean(error**2)) < 0.01 * field[cells].std()


def test_a_cell_without_corners_lies_where_its_centre_is():
    lat, lon = np.meshgrid(np.arange(0.5, 5), np.arange(0.5, 6), indexing="ij")
    only = np.zeros(lat.shape, bool)
    only[2, 3] = True
    dataset = curvilinear(np.where(only, lat, np.nan), np.where(only, lon, np.nan))
    shared = overlap_areas(dataset, only, regular_grid(1.0)).tocoo()
    assert shared.data.tolist() == [1.0] and divmod(int(shared.row[0]), 360) == (92, 3)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(_NUMBERS, _NUMBERS), min_size=3, max_size=9),
    st.tuples(_NUMBERS, _NUMBERS, _SIZES, _SIZES),
)
def test_the_area_inside_a_rectangle_is_that_of_shapely(points, box):
    angle = np.arctan2(*np.transpose(points)[::-1] - np.mean(points, axis=0)[::-1, None])
    ring = np.array(points)[np.argsort(angle, kind="stable")]  # star-shaped about its mean: does not cross itself
    polygon = shapely.Polygon(ring)
    if not polygon.is_valid:
        return
    west, low, width, height = box
    expected = polygon.intersection(shapely.box(west, low, west + width, low + height)).area
    x, z = ring[None].transpose(2, 0, 1)
    edges = _Edges(x, z, np.roll(x, -1, axis=1), np.roll(z, -1, axis=1))
    bounds = (np.array([[value]]) for value in (west, west + width, low, low + height))
    np.testing.assert_allclose(_area_inside(edges, *bounds), expected, atol=1e-9)
