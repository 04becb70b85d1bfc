"""Areas, distances and displacements on the sphere."""

import numpy as np
import pytest

from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.sphere import (
    displacement,
    distance,
    local_basis,
    normalised,
    quadrilateral_area,
    sphere_blocks,
    unit_vectors,
)


def quadrilateral(lat, lon):
    return unit_vectors(np.array(lat, float), np.array(lon, float))


def test_an_octant_is_an_eighth_of_the_sphere():
    octant = quadrilateral([0, 0, 90, 90], [0, 90, 90, 0])
    assert quadrilateral_area(octant) == pytest.approx(np.pi / 2)
    assert quadrilateral_area(octant[:, ::-1]) == pytest.approx(-np.pi / 2)


def test_a_small_cell_keeps_its_digits():
    half = 1e-4
    square = quadrilateral([-half, -half, half, half], [-half, half, half, -half])
    assert quadrilateral_area(square) == pytest.approx(np.deg2rad(2 * half) ** 2, rel=1e-9)


def test_displacement_is_distance_along_the_bearing():
    rng = np.random.default_rng(1)
    lat, lon = rng.uniform(-89, 89, 50), rng.uniform(0, 360, 50)
    other = unit_vectors(rng.uniform(-89, 89, 50), rng.uniform(0, 360, 50))
    east, north = displacement(lat, lon, other)
    angle = distance(unit_vectors(lat, lon), other)
    np.testing.assert_allclose(np.hypot(east, north), EARTH_RADIUS * angle, rtol=1e-9)
    step = displacement(lat, lon, unit_vectors(lat + 0.5, lon))
    np.testing.assert_allclose(step, [np.zeros(50), np.full(50, EARTH_RADIUS * np.deg2rad(0.5))], atol=1e-5)


def test_distance_of_near_and_opposite_points():
    near = distance(quadrilateral([0, 0], [0, 0]), quadrilateral([0, 90], [1e-6, 0]))
    np.testing.assert_allclose(near, [np.deg2rad(1e-6), np.pi / 2], rtol=1e-9)
    assert distance(quadrilateral([90], [0]), quadrilateral([-90], [0]))[0] == pytest.approx(np.pi)


def test_east_north_and_up_are_right_handed():
    lat, lon = np.array([-60.0, 0, 89]), np.array([10.0, 200, 359])
    east, north = local_basis(lat, lon)
    np.testing.assert_allclose(np.cross(east, north, axis=0), unit_vectors(lat, lon), atol=1e-15)


def test_no_direction_without_length():
    assert np.isnan(normalised(np.zeros((3, 1)))).all()


@pytest.mark.parametrize("degrees", [10.0, 13.0, 45.0])
def test_blocks_are_about_equal_and_of_the_requested_size(degrees):
    lat, lon = (a.ravel() for a in np.meshgrid(np.arange(-89.5, 90), np.arange(0.5, 360), indexing="ij"))
    block = sphere_blocks(lat, lon, degrees=degrees)
    area = np.bincount(block, np.cos(np.deg2rad(lat)))
    assert block.max() + 1 == len(area) == np.count_nonzero(area)
    # in square degrees, the polar caps aside, which are too narrow a row for more than a few
    inner = np.unique(block[np.abs(lat) < 90 - degrees])
    assert area[inner].min() > 0.93 * degrees**2
    assert area[inner].max() < 2.0 * degrees**2
    heights = [np.ptp(lat[block == number]) + 1 for number in range(len(area))]
    assert min(heights) >= degrees - 1


def test_blocks_do_not_depend_on_the_longitude_convention():
    lat, lon = (a.ravel() for a in np.meshgrid(np.arange(-89.0, 90, 2), np.arange(1.0, 360, 2), indexing="ij"))
    np.testing.assert_array_equal(sphere_blocks(lat, lon, degrees=10), sphere_blocks(lat, lon - 360, degrees=10))
