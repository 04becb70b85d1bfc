"""The operators on the native grids of climate models, whose axes are far from east and north in the Arctic.

The limits are what is measured, rounded up; the published code is off by more than 10 % in most cells north of 60N.
"""

from functools import cache

import numpy as np
import pytest
import xarray as xr

from tests.ocean.test_operators import spherical_harmonic
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import NEIGHBOURS, Grid
from thor.ocean.operators import curl, gradient

FILES = {
    "GFDL-ESM4": "areacello_Ofx_GFDL-ESM4_*.nc",
    "MPI-ESM1-2-LR": "tos_Omon_MPI-ESM-1-2-HAM_*.nc",  # its sister: the same ocean grid
    "EC-Earth3-Veg": "deptho_Ofx_EC-Earth3-Veg_*.nc",
}
LONG_NAMES = {"lat": "latitude", "lon": "longitude"}


@cache
def read_native(data_mirror, name):
    """Latitude, longitude and ocean mask of a real grid; NaN where it has no coordinates."""
    folder = data_mirror / "native_grids"
    if name == "CESM2":
        with np.load(folder / "CESM2_Ofx_lat_lon_deptho.npz") as file:
            return file["lat"], file["lon"], file["deptho"] > 0
    if name == "IPSL-CM6A-LR":
        with xr.open_dataset(folder / "gridInfoIPSL.nc") as file:
            lat, lon, deptho = (file[variable].values.astype(float) for variable in ("nav_lat", "nav_lon", "deptho"))
        return lat, lon, deptho > 0
    with open_esgf(data_mirror, FILES[name]) as file:
        lat, lon = (file[short if short in file else long].values for short, long in LONG_NAMES.items())
        field = next(file[variable] for variable in ("areacello", "tos", "deptho") if variable in file)
        field = field.isel(time=0) if "time" in field.dims else field
        ocean = field.fillna(0).values > 0 if field.name != "tos" else field.notnull().values
    nowhere = (lat == 0) & (lon == 0)
    return np.where(nowhere, np.nan, lat.astype(float)), np.where(nowhere, np.nan, lon.astype(float)), ocean


def open_esgf(data_mirror, pattern):
    (path,) = (data_mirror / "esgf").rglob(pattern)
    return xr.open_dataset(path, decode_times=False)


def curvilinear(lat, lon):
    return xr.Dataset(coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)})


@cache
def native_grid(data_mirror, name):
    lat, lon, ocean = read_native(data_mirror, name)
    return Grid.from_dataset(curvilinear(lat, lon)), ocean


def with_all_neighbours(ocean, grid):
    surrounded = ocean & ~grid.duplicate
    for step in NEIGHBOURS:
        surrounded &= grid.neighbour(ocean.astype(float), step) == 1
    return surrounded


def rms(values):
    return np.sqrt(np.mean(values**2))


@pytest.fixture(scope="module", params=["CESM2", "IPSL-CM6A-LR"])
def native_name(request):
    return request.param


@pytest.fixture(scope="module")
def native(native_name, data_mirror):
    return native_grid(data_mirror, native_name)


@pytest.mark.parametrize(("degree", "order", "limit"), [(4, 2, 5e-4), (12, 5, 4e-3)])
def test_gradients_point_east_and_north(native, degree, order, limit):
    grid, ocean = native
    field, east, north = spherical_harmonic(grid, degree, order)
    got_east, got_north = gradient(np.where(ocean, field, np.nan), grid)
    surrounded = with_all_neighbours(ocean, grid)
    for cells in (surrounded, surrounded & (grid.lat > 60)):
        assert cells.sum() > 5000
        error = np.hypot(got_east - east, got_north - north)[cells]
        assert rms(error) < limit * rms(np.hypot(east, north)[cells])


@pytest.mark.parametrize(("degree", "order"), [(4, 2), (12, 5)])
def test_curl_of_a_gradient_vanishes_to_round_off(native, degree, order):
    grid, ocean = native
    east, north = gradient(spherical_harmonic(grid, degree, order)[0], grid)
    inner = with_all_neighbours(with_all_neighbours(ocean, grid), grid)
    vorticity = np.abs(curl(east, north, grid)) * np.sqrt(grid.area) / rms(np.hypot(east, north)[inner])
    assert vorticity[inner].max() < 1e-10


def test_curl_of_solid_body_rotation(native):
    grid, ocean = native
    eastward, northward, expected = solid_body_rotation(grid)
    cells = with_all_neighbours(ocean, grid)
    assert np.abs(curl(eastward, northward, grid) - expected)[cells].max() < 6e-4 * 2e-6


def test_constants_have_no_gradient(native):
    grid, _ = native
    gradients = np.stack(gradient(np.full(grid.shape, 3.7), grid))
    assert np.nanmax(np.abs(gradients)) == 0 and np.isfinite(gradients).all()


@pytest.mark.parametrize("change", ["a turn of longitude", "rolled along i", "rows from the north", "both ways round"])
def test_the_way_a_grid_is_stored_does_not_matter(data_mirror, native_name, change):
    lat, lon, ocean = read_native(data_mirror, native_name)
    if native_name == "IPSL-CM6A-LR":  # a grid with repeated columns cannot be rolled
        lat, lon, ocean = lat[:, 1:-1], lon[:, 1:-1], ocean[:, 1:-1]
    turn = {
        "a turn of longitude": lambda a: a,
        "rolled along i": lambda a: np.roll(a, 77, axis=1),
        "rows from the north": lambda a: a[::-1],
        "both ways round": lambda a: a[::-1, ::-1],
    }[change]
    grid = Grid.from_dataset(curvilinear(lat, lon))
    other = Grid.from_dataset(curvilinear(turn(lat), turn(lon) + (360 if change == "a turn of longitude" else 0)))
    field = np.where(ocean, spherical_harmonic(grid, 12, 5)[0], np.nan)
    expected = np.stack(gradient(field, grid))
    np.testing.assert_allclose(
        gradient(turn(field), other), [turn(component) for component in expected], rtol=1e-6, atol=1e-12
    )
    np.testing.assert_allclose(
        curl(turn(expected[1]), turn(expected[0]), other),
        turn(curl(expected[1], expected[0], grid)),
        rtol=1e-6,
        atol=1e-17,
    )


def test_nothing_is_one_sided_across_the_fold(data_mirror):
    grid, ocean = native_grid(data_mirror, "IPSL-CM6A-LR")
    last = np.zeros(grid.shape, bool)
    last[-2] = with_all_neighbours(ocean, grid)[-2]
    assert last.sum() > 100
    field, east, north = spherical_harmonic(grid, 12, 5)
    got_east, got_north = gradient(field, grid)
    assert rms(np.hypot(got_east - east, got_north - north)[last]) < 2e-3 * rms(np.hypot(east, north)[last])


def test_stale_halos_are_not_read(data_mirror):
    grid, _ = native_grid(data_mirror, "IPSL-CM6A-LR")
    field = spherical_harmonic(grid, 4, 2)[0]
    stale = np.where(grid.duplicate, 1e20, field)
    np.testing.assert_array_equal(gradient(stale, grid), gradient(grid.fill_repeated(field), grid))


def solid_body_rotation(grid, axis=(0.3, -0.5, 0.812404)):
    """Eastward and northward components of a rotation about a tilted axis, at 1e-6 s-1, and its curl [s-1]."""
    phi, lam = np.deg2rad(grid.lat), np.deg2rad(grid.lon)
    x, y, z = axis
    eastward = np.cos(phi) * z - np.sin(phi) * (np.cos(lam) * x + np.sin(lam) * y)
    northward = np.sin(lam) * x - np.cos(lam) * y
    along = np.cos(phi) * (np.cos(lam) * x + np.sin(lam) * y) + np.sin(phi) * z
    return 1e-6 * EARTH_RADIUS * eastward, 1e-6 * EARTH_RADIUS * northward, 2e-6 * along
