"""Grids: areas, neighbours, displacements, and what is refused."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from thor.core.errors import GridError
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import Grid, regular_grid, with_bounds
from thor.ocean.sphere import unit_vectors

SPHERE = 4 * np.pi * EARTH_RADIUS**2


@pytest.mark.parametrize("spacing", [10.0, 2.0, 0.5])
def test_areas_cover_the_sphere(spacing):
    grid = Grid.from_dataset(regular_grid(spacing))
    assert grid.area.sum() == pytest.approx(SPHERE, rel=1e-12)
    equator = grid.area[grid.shape[0] // 2, 0]
    assert equator == pytest.approx((EARTH_RADIUS * np.deg2rad(spacing)) ** 2, rel=0.01)


def test_area_from_midpoints_when_there_are_no_bounds():
    bare = regular_grid(2.0).drop_vars(["lat_bnds", "lon_bnds"])
    np.testing.assert_allclose(Grid.from_dataset(bare).area, Grid.from_dataset(regular_grid(2.0)).area, rtol=1e-12)


def test_rows_at_the_poles_end_there():
    """Centres at the poles: bounds beyond them are those of half rows."""
    lat = np.linspace(-90.0, 90, 37)
    grid = with_bounds(lat, np.arange(2.5, 360, 5))
    expected = Grid.from_dataset(grid).area
    grid["lat_bnds"] = (("lat", "bnds"), np.stack([lat - 2.5, lat + 2.5], axis=1))
    np.testing.assert_allclose(Grid.from_dataset(grid).area, expected, rtol=1e-12)
    assert expected.sum() == pytest.approx(SPHERE, rel=1e-12)


def test_displacements_are_great_circle_distances():
    grid = Grid.from_dataset(regular_grid(2.0))
    step = np.deg2rad(2.0) * EARTH_RADIUS
    east, north = grid.displacements[1, 0]
    np.testing.assert_allclose(north[:-1], step, rtol=1e-12)
    np.testing.assert_allclose(east[:-1], 0, atol=1e-6)
    east, north = grid.displacements[0, 1]
    phi = np.deg2rad(grid.lat)
    haversine = 2 * EARTH_RADIUS * np.arcsin(np.cos(phi) * np.sin(np.deg2rad(1.0)))
    np.testing.assert_allclose(np.hypot(east, north), haversine, rtol=1e-9)


def test_neighbours_wrap_in_longitude_and_continue_beyond_the_pole():
    grid = Grid.from_dataset(regular_grid(10.0))
    assert grid.periodic and grid.topology.over_pole == (True, True)
    assert grid.neighbour(grid.lon, (0, 1))[0, -1] == grid.lon[0, 0]
    beyond = grid.neighbour(grid.lon, (1, 0))[-1]
    np.testing.assert_allclose((beyond - grid.lon[-1]) % 360, 180)


def test_a_regional_grid_ends_at_its_edges():
    grid = Grid.from_dataset(with_bounds(np.arange(10.0, 20), np.arange(300.0, 340)))
    assert not grid.periodic and grid.topology.over_pole == (False, False)
    assert np.isnan(grid.neighbour(grid.lat, (0, 1))[:, -1]).all()
    assert np.isnan(grid.neighbour(grid.lat, (-1, 0))[0]).all()


@settings(max_examples=25, deadline=None)
@given(start=st.floats(-720, 720), n_columns=st.integers(8, 60).map(lambda n: 2 * n))
def test_periodicity_does_not_depend_on_where_longitudes_start(start, n_columns):
    lon = start + np.arange(n_columns) * 360 / n_columns
    assert Grid.from_dataset(with_bounds(np.linspace(-80, 80, 9), lon)).periodic
    assert not Grid.from_dataset(with_bounds(np.linspace(-80, 80, 9), lon[: n_columns * 3 // 4])).periodic


def test_curvilinear_positions_are_enough():
    regular = Grid.from_dataset(regular_grid(2.0))
    positions = {"lat": (("j", "i"), regular.lat), "lon": (("j", "i"), regular.lon)}
    grid = Grid.from_dataset(xr.Dataset(coords=positions))
    assert grid.dims == ("j", "i") and grid.periodic and grid.topology.over_pole == (True, True)
    # The edges are great circles instead of parallels.
    np.testing.assert_allclose(grid.area[1:-1], regular.area[1:-1], rtol=2e-3)


def test_land_without_coordinates_neighbours_nothing():
    regular = Grid.from_dataset(regular_grid(5.0))
    lat = regular.lat.copy()
    lat[10:14, 20:30] = np.nan
    dataset = xr.Dataset(coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), regular.lon)})
    grid = Grid.from_dataset(dataset)
    assert np.isnan(grid.lon[12, 25]) and np.isnan(grid.area[12, 25])
    assert np.isnan(grid.neighbour(regular.lat, (1, 0))[9, 20:30]).all()
    assert np.isfinite(grid.displacements[1, 0][:, 8]).all()


def test_repeated_columns_are_skipped_and_counted_once():
    regular = regular_grid(5.0)
    doubled = xr.concat([regular, regular.isel(lon=slice(0, 2))], dim="lon", data_vars="minimal", coords="minimal")
    grid, plain = Grid.from_dataset(doubled), Grid.from_dataset(regular)
    assert grid.duplicate.sum() == 2 * 36 and grid.area[~grid.duplicate].sum() == pytest.approx(SPHERE)
    assert not plain.duplicate.any()
    np.testing.assert_array_equal(grid.neighbour(grid.lon, (0, 1))[:, :72], plain.neighbour(plain.lon, (0, 1)))


def test_repeated_columns_of_land_without_positions_are_counted_once():
    regular = Grid.from_dataset(regular_grid(5.0))
    lat, lon = regular.lat.copy(), regular.lon
    lat[10:14] = np.nan
    halo = np.r_[71, 0:72, 0]
    positions = {"lat": (("y", "x"), lat[:, halo]), "lon": (("y", "x"), lon[:, halo])}
    grid = Grid.from_dataset(xr.Dataset(coords=positions))
    assert np.argwhere(grid.duplicate.all(axis=0)).ravel().tolist() == [0, 73] and grid.duplicate.sum() == 2 * 36
    # areas may be published on land too
    assert regular.area[:, halo][~grid.duplicate].sum() == pytest.approx(SPHERE)


def test_fill_values_among_positions_are_named():
    lat, lon = np.meshgrid(np.arange(0.0, 5), np.arange(0.0, 6), indexing="ij")
    lat[2, 3] = 9.97e36
    with pytest.raises(GridError, match=r"1 positions are off the sphere.*row 2, column 3: an undeclared fill value"):
        Grid.from_dataset(xr.Dataset(coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)}))


def test_nothing_but_land_is_no_grid():
    nowhere = (("y", "x"), np.full((5, 6), np.nan))
    with pytest.raises(GridError, match="got 0 known"):
        Grid.from_dataset(xr.Dataset(coords={"lat": nowhere, "lon": nowhere}))


@pytest.mark.parametrize(
    ("lat", "message"),
    [([0.0, 10, 5, 20], "not monotonic"), ([0.0, 10], "at least 3 rows"), ([0.0, 10, np.nan], "monotonic|finite")],
)
def test_unusable_latitudes(lat, message):
    dataset = xr.Dataset(coords={"lat": lat, "lon": [0.0, 120, 240]})
    with pytest.raises(GridError, match=message):
        Grid.from_dataset(dataset)


def test_missing_coordinate_and_spacing_that_does_not_divide():
    with pytest.raises(GridError, match="'lat' is missing"):
        Grid.from_dataset(xr.Dataset())
    with pytest.raises(GridError, match="must divide 180"):
        regular_grid(7.0)


def test_unit_vectors_have_length_one():
    lat, lon = np.random.default_rng(1).uniform([[-90], [0]], [[90], [360]], (2, 100))
    np.testing.assert_allclose((unit_vectors(lat, lon) ** 2).sum(axis=0), 1)


def test_fields_of_other_cells_are_refused():
    grid = Grid.from_dataset(regular_grid(10.0))
    field = grid.wrap(np.arange(grid.lat.size, dtype=float).reshape(grid.shape), "zos")
    placed = field.assign_coords(lat=grid.lat[:, 0], lon=grid.lon[0])
    for there in (field, placed, placed.assign_coords(lon=placed["lon"] - 360), placed.transpose(), field.transpose()):
        np.testing.assert_array_equal(grid.values(there), field)
    with pytest.raises(
        GridError, match=r"'zos' \(lat 18, lon 36\) is on another grid; expected .* lat 18 and lon 36, in"
    ):
        grid.values(placed.isel(lat=slice(None, None, -1)))
    with pytest.raises(GridError, match="another grid"):
        grid.values(placed.roll(lon=1, roll_coords=True))
    with pytest.raises(GridError, match=r"'zos' \(lat 17, lon 36\) is on another grid"):
        grid.values(field[1:])
    with pytest.raises(GridError, match=r"'zos' \(y 18, lon 36\) is on another grid"):
        grid.values(field.rename(lat="y"))


def test_fields_of_other_cells_of_a_curvilinear_grid_are_refused():
    lon, lat = np.meshgrid(np.arange(0.0, 360, 10), np.arange(-80.0, 81, 10))
    lat = lat + np.sin(np.deg2rad(lon))
    lat[3, 5:8] = np.nan
    ocean = xr.Dataset(coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)})
    grid = Grid.from_dataset(ocean)
    field = ocean["lat"].fillna(0.0).rename("zos")
    land_known = field.assign_coords(lat=ocean["lat"].fillna(-50.0))
    for there in (field, land_known, field.transpose("x", "y")):
        np.testing.assert_array_equal(grid.values(there), field)
    with pytest.raises(GridError, match="another grid"):
        grid.values(field.isel(y=slice(None, None, -1)))
