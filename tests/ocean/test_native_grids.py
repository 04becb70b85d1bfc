"""The same gradient on the native grids of two climate models, whose axes are far from east and north in the Arctic."""

import numpy as np
import pytest
import xarray as xr

from tests.ocean.test_operators import spherical_harmonic
from thor.ocean.grid import STEPS, Grid
from thor.ocean.operators import gradient


@pytest.fixture(scope="module", params=["CESM2", "IPSL"])
def native(request, data_mirror):
    """Positions and ocean mask; the area does not enter a gradient."""
    folder = data_mirror / "native_grids"
    if request.param == "CESM2":
        with np.load(folder / "CESM2_Ofx_lat_lon_deptho.npz") as file:
            lat, lon, deptho = file["lat"], file["lon"], file["deptho"]
    else:
        with xr.open_dataset(folder / "gridInfoIPSL.nc") as file:
            lat, lon, deptho = (file[name].values.astype(float) for name in ("nav_lat", "nav_lon", "deptho"))
    dataset = xr.Dataset(coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)})
    dataset["areacello"] = (("y", "x"), np.ones(lat.shape))
    return Grid.from_dataset(dataset), deptho > 0


@pytest.mark.parametrize(("degree", "order", "limit"), [(4, 2, 0.02), (12, 5, 0.05)])
def test_gradients_point_east_and_north_on_native_grids(native, degree, order, limit):
    grid, ocean = native
    assert grid.periodic
    surrounded = ocean.copy()
    for step in STEPS:
        surrounded &= grid.neighbour(ocean.astype(float), step) == 1
    field, east, north = spherical_harmonic(grid, degree, order)
    got_east, got_north = gradient(np.where(ocean, field, np.nan), grid)
    for cells in (surrounded, surrounded & (grid.lat > 60)):
        assert cells.sum() > 5000
        error = np.hypot(got_east - east, got_north - north)[cells]
        assert np.sqrt(np.mean(error**2) / np.mean(np.hypot(east, north)[cells] ** 2)) < limit / 5
