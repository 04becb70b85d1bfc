"""Cell areas from bounds and from centres, against published ones where there are any."""

import logging

import numpy as np
import pytest
import xarray as xr

from tests.ocean.test_native_grids import curvilinear, native_grid, open_esgf, read_native
from thor.core.errors import GridError
from thor.core.warn import warn_once
from thor.ocean.area_checks import check_areas, compare_areas
from thor.ocean.areas import corner_area, usable_vertices
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import Grid, cell_area, regular_grid

SPHERE = 4 * np.pi * EARTH_RADIUS**2


@pytest.fixture(scope="module")
def gfdl(data_mirror):
    with open_esgf(data_mirror, "areacello_Ofx_GFDL-ESM4_*.nc") as file:
        return file.load().set_coords(["lat_bnds", "lon_bnds"])


# GFDL-ESM4 has an Earth of radius 6378 km instead of 6371 km: its areas are larger by 0.22 %. Its cells change in size
# by steps along i, which neither bounds nor centres in single precision resolve: 0.03 % in the median.
RADIUS = (6371 / 6378) ** 2


@pytest.mark.parametrize(("taken_from", "quantile_99"), [("bounds", 6.8e-3), ("centres", 7.0e-3)])
def test_published_areas_of_gfdl(gfdl, taken_from, quantile_99):
    dataset = gfdl.drop_vars("areacello")
    grid = Grid.from_dataset(dataset if taken_from == "bounds" else dataset.drop_vars(["lat_bnds", "lon_bnds"]))
    check = compare_areas(grid, gfdl["areacello"].values.astype(float))
    assert check.n_cells == 269_496
    assert check.median == pytest.approx(RADIUS - 1, abs=3e-4)
    assert check.total == pytest.approx(RADIUS - 1, abs=3e-4)
    assert check.quantile_99 < quantile_99


def test_bounds_and_centres_agree_on_gfdl(gfdl):
    bounds, centres = (Grid.from_dataset(d) for d in (gfdl, gfdl.drop_vars(["lat_bnds", "lon_bnds", "areacello"])))
    check = compare_areas(centres, bounds.area)
    assert abs(check.median) < 1e-5 and check.quantile_99 < 3.6e-3 and abs(check.total) < 2e-6


def test_bounds_and_centres_agree_on_mpi(data_mirror):
    lat, lon, _ = read_native(data_mirror, "MPI-ESM1-2-LR")
    grid = Grid.from_dataset(curvilinear(lat, lon))
    with open_esgf(data_mirror, "tos_Omon_MPI-ESM-1-2-HAM_*.nc") as file:
        vertices = usable_vertices(file["vertices_latitude"].values, file["vertices_longitude"].values, grid.centres)
    bounds = corner_area(vertices)
    check = compare_areas(grid, bounds)
    assert abs(check.median) < 1e-6 and check.quantile_99 < 4.1e-4


def test_bounds_that_contradict_the_centres_are_left_aside(data_mirror, caplog):
    warn_once.cache_clear()
    lat, lon, ocean = read_native(data_mirror, "EC-Earth3-Veg")
    with open_esgf(data_mirror, "deptho_Ofx_EC-Earth3-Veg_*.nc") as file:
        dataset = curvilinear(lat, lon).assign_coords(
            lat_bnds=(("y", "x", "vertices"), file["vertices_latitude"].values),
            lon_bnds=(("y", "x", "vertices"), file["vertices_longitude"].values),
        )
    with caplog.at_level(logging.WARNING):
        area = cell_area(dataset)
    assert "bounds contradict them in 15% of cells" in caplog.text
    grid = Grid.from_dataset(curvilinear(lat, lon))
    np.testing.assert_array_equal(area, grid.area)
    assert area[ocean & ~grid.duplicate].sum() == pytest.approx(3.6e14, rel=0.02)  # the real ocean: 361e6 km2


@pytest.mark.parametrize(
    ("name", "ocean_area"), [("CESM2", 3.6e14), ("IPSL-CM6A-LR", 3.6e14), ("MPI-ESM1-2-LR", 3.6e14)]
)
def test_the_ocean_has_the_area_it_has(data_mirror, name, ocean_area):
    grid, ocean = native_grid(data_mirror, name)
    assert grid.area[ocean & ~grid.duplicate].sum() == pytest.approx(ocean_area, rel=0.02)


def test_areas_without_other_source_come_from_areacello():
    lat, lon = np.meshgrid(np.arange(0.0, 5), np.arange(0.0, 6), indexing="ij")
    lat[0, 0] = np.nan
    dataset = curvilinear(lat, lon)
    dataset["areacello"] = (("y", "x"), np.full(lat.shape, 7e9))
    area = cell_area(dataset)
    assert area[0, 0] == 7e9 and area[2, 2] == pytest.approx((EARTH_RADIUS * np.deg2rad(1)) ** 2, rel=1e-3)


def test_vertices_may_run_either_way_round():
    box = np.array([[[-1.0, -1, 1, 1]]]), np.array([[[-1.0, 1, 1, -1]]])
    centre = np.array([1.0, 0, 0]).reshape(3, 1, 1)
    area = corner_area(usable_vertices(*box, centre))
    np.testing.assert_allclose(area, (EARTH_RADIUS * np.deg2rad(2)) ** 2, rtol=1e-3)
    np.testing.assert_allclose(corner_area(usable_vertices(*(b[..., ::-1] for b in box), centre)), area)
    assert np.isnan(corner_area(usable_vertices(*box, np.array([0.0, 1, 0]).reshape(3, 1, 1)))).all()
    assert np.isnan(corner_area(usable_vertices(box[0] + 1e20, box[1], centre))).all()


def test_bounds_of_another_shape():
    dataset = curvilinear(*np.meshgrid(np.arange(0.0, 5), np.arange(0.0, 6), indexing="ij"))
    for name in ("lat_bnds", "lon_bnds"):
        dataset[name] = (("y", "x", "bnds"), np.zeros((5, 6, 2)))
    with pytest.raises(GridError, match=r"need shape \(5, 6, 4\)"):
        cell_area(dataset)


def test_published_areas_that_are_usable():
    grid = Grid.from_dataset(regular_grid(10.0))
    same = compare_areas(grid, grid.area)
    assert same.quantile_99 == 0 and same.verdict == "usable" and same.ratio == 1 and same.odd == 0
    other_radius = compare_areas(grid, grid.area * (6378 / 6371) ** 2)
    assert other_radius.verdict == "usable" and other_radius.ratio == pytest.approx(1.0022, abs=1e-4)
    wet_part = grid.area.copy()
    wet_part[:, :9] *= 0.4  # a quarter of the cells is partly land
    assert compare_areas(grid, wet_part).verdict == "usable" and compare_areas(grid, wet_part).odd == 0.25


@pytest.mark.parametrize(
    ("factor", "words"), [(1e-6, "km2 called m2"), (2.0, "times a factor"), (0.9, "times a factor")]
)
def test_published_areas_times_a_factor(factor, words):
    grid = Grid.from_dataset(regular_grid(10.0))
    check = compare_areas(grid, factor * grid.area)
    assert check.verdict == "constant factor" and check.ratio == pytest.approx(factor) and check.odd == 0
    assert f"is {factor:.4g} times the areas of the positions" in check.sentence and words in check.sentence


def test_published_areas_of_another_grid(data_mirror):
    grid = Grid.from_dataset(regular_grid(10.0))
    for areas_of_other in (np.full(grid.shape, grid.area.mean()), np.roll(grid.area, 6, axis=0)):
        check = compare_areas(grid, areas_of_other)
        assert check.verdict == "other grid" and check.odd > 0.5 and "of another grid" in check.sentence
    shape = compare_areas(grid, grid.area[1:])
    assert (
        shape.verdict == "other grid" and "shape (17, 36), the grid (18, 36)" in shape.sentence and shape.n_cells == 0
    )
    assert compare_areas(grid, np.zeros(grid.shape)).sentence.startswith("'areacello' is empty")
    ipsl, ec_earth = (native_grid(data_mirror, name)[0] for name in ("IPSL-CM6A-LR", "EC-Earth3-Veg"))
    assert compare_areas(ipsl, np.pad(ec_earth.area, ((40, 0), (0, 0)), constant_values=np.nan)).verdict == "usable"
    assert compare_areas(ipsl, np.pad(ec_earth.area, ((0, 40), (0, 0)), constant_values=np.nan)).verdict == "other grid"


@pytest.mark.parametrize("name", ["CESM2", "IPSL-CM6A-LR", "GFDL-ESM4", "MPI-ESM1-2-LR", "EC-Earth3-Veg"])
def test_real_grids_are_within_the_limits(data_mirror, name):
    grid, sea = native_grid(data_mirror, name)
    check_areas(grid, sea=sea)
    area = grid.area[np.isfinite(grid.area) & ~grid.duplicate]
    assert area.sum() < 0.998 * SPHERE and area.max() < 6.1 * np.median(area)
    assert grid.area[sea & ~grid.duplicate].sum() < 0.72 * SPHERE


def test_areas_that_no_ocean_has():
    grid = Grid.from_dataset(regular_grid(10.0))
    check_areas(grid, sea=grid.lat > -60)
    with pytest.raises(GridError, match=r"648 distinct cells cover 1.02e\+15 m2, 2 times the Earth's 5.101e\+14 m2"):
        check_areas(grid, 2 * grid.area)
    column = grid.area.copy()
    column[:, 1] *= 71
    with pytest.raises(GridError, match="2.94 times the Earth's"):
        check_areas(grid, column)
    with pytest.raises(GridError, match=r"row 8, column 1 \(lat -5, lon 15\).*141 times the median cell; .*20 times"):
        check_areas(grid, np.where(column > 10 * grid.area, 0.01 * grid.area, 1e-4 * grid.area))
    with pytest.raises(GridError, match="Sea covers 100.0% of the Earth; expected about 71 %"):
        check_areas(grid, sea=np.ones(grid.shape, bool))


def test_no_grid_exceeds_the_earth():
    lat, lon = np.meshgrid(np.arange(-75.0, 80, 10), np.arange(5.0, 360, 10), indexing="ij")
    lat[:, 10:14] = np.nan
    doubled = curvilinear(lat, lon)
    doubled["areacello"] = (("y", "x"), np.full(lat.shape, 5e12))
    with pytest.raises(GridError, match="times the Earth's"):
        Grid.from_dataset(doubled)


def test_bounds_of_no_width():
    flat = regular_grid(10.0)
    flat["lon_bnds"] = xr.zeros_like(flat["lon_bnds"])
    with pytest.raises(GridError, match="zero or negative"):
        cell_area(flat)
