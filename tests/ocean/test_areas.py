"""Cell areas from bounds and from centres, against published ones where there are any."""

import logging

import numpy as np
import pytest
import xarray as xr

from tests.ocean.test_native_grids import curvilinear, native_grid, open_esgf, read_native
from thor.errors import GridError
from thor.ocean import areas
from thor.ocean.areas import area_from_vertices, check_area
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
    check = check_area(grid, gfdl["areacello"].values.astype(float))
    assert check.n_cells == 269_496
    assert check.median == pytest.approx(RADIUS - 1, abs=3e-4)
    assert check.total == pytest.approx(RADIUS - 1, abs=3e-4)
    assert check.quantile_99 < quantile_99


def test_bounds_and_centres_agree_on_gfdl(gfdl):
    bounds, centres = (Grid.from_dataset(d) for d in (gfdl, gfdl.drop_vars(["lat_bnds", "lon_bnds", "areacello"])))
    check = check_area(centres, bounds.area)
    assert abs(check.median) < 1e-5 and check.quantile_99 < 3.6e-3 and abs(check.total) < 2e-6


def test_bounds_and_centres_agree_on_mpi(data_mirror):
    lat, lon, _ = read_native(data_mirror, "MPI-ESM1-2-LR")
    grid = Grid.from_dataset(curvilinear(lat, lon))
    with open_esgf(data_mirror, "tos_Omon_MPI-ESM-1-2-HAM_*.nc") as file:
        bounds = area_from_vertices(file["vertices_latitude"].values, file["vertices_longitude"].values, grid.centres)
    check = check_area(grid, bounds)
    assert abs(check.median) < 1e-6 and check.quantile_99 < 4.1e-4


def test_bounds_that_contradict_the_centres_are_left_aside(data_mirror, caplog):
    areas._warn_once.cache_clear()
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


def test_areas_where_nothing_else_tells_come_from_areacello():
    lat, lon = np.meshgrid(np.arange(0.0, 5), np.arange(0.0, 6), indexing="ij")
    lat[0, 0] = np.nan
    dataset = curvilinear(lat, lon)
    dataset["areacello"] = (("y", "x"), np.full(lat.shape, 7e9))
    area = cell_area(dataset)
    assert area[0, 0] == 7e9 and area[2, 2] == pytest.approx((EARTH_RADIUS * np.deg2rad(1)) ** 2, rel=1e-3)


def test_vertices_may_run_either_way_round():
    box = np.array([[[-1.0, -1, 1, 1]]]), np.array([[[-1.0, 1, 1, -1]]])
    centre = np.array([1.0, 0, 0]).reshape(3, 1, 1)
    area = area_from_vertices(*box, centre)
    np.testing.assert_allclose(area, (EARTH_RADIUS * np.deg2rad(2)) ** 2, rtol=1e-3)
    np.testing.assert_allclose(area_from_vertices(*(b[..., ::-1] for b in box), centre), area)
    assert np.isnan(area_from_vertices(*box, np.array([0.0, 1, 0]).reshape(3, 1, 1))).all()
    assert np.isnan(area_from_vertices(box[0] + 1e20, box[1], centre)).all()


def test_bounds_of_another_shape():
    dataset = curvilinear(*np.meshgrid(np.arange(0.0, 5), np.arange(0.0, 6), indexing="ij"))
    for name in ("lat_bnds", "lon_bnds"):
        dataset[name] = (("y", "x", "bnds"), np.zeros((5, 6, 2)))
    with pytest.raises(GridError, match=r"need shape \(5, 6, 4\)"):
        cell_area(dataset)


def test_areas_that_cannot_be_compared():
    grid = Grid.from_dataset(regular_grid(10.0))
    assert check_area(grid, grid.area).quantile_99 == 0
    with pytest.raises(GridError, match="km2"):
        check_area(grid, grid.area * 1e-6)
    with pytest.raises(GridError, match="shape"):
        check_area(grid, grid.area[1:])
    with pytest.raises(GridError, match="empty"):
        check_area(grid, np.zeros(grid.shape))


def test_bounds_of_no_width():
    flat = regular_grid(10.0)
    flat["lon_bnds"] = xr.zeros_like(flat["lon_bnds"])
    with pytest.raises(GridError, match="zero or negative"):
        cell_area(flat)
