"""Orders of rows and columns of fields of one grid."""

import numpy as np
import pytest
import xarray as xr

from thor.ocean.grid import Grid
from thor.reading.orders import ascending_order, reordered, storage_order


def places(lat, lon):
    return xr.Dataset(coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon % 360)})


@pytest.mark.parametrize("without", ["here", "there", "both"])
@pytest.mark.parametrize("down", [1, -1])
def test_orders_are_found_where_land_has_no_position(without, down):
    lat, lon = np.meshgrid(np.arange(-87.5, 90, 5), np.arange(2.5, 360, 5), indexing="ij")
    # the first column and the row in the middle are land
    land = (lon < 40) | (np.abs(lat) < 4)
    masked = places(np.where(land, np.nan, lat), np.where(land, np.nan, lon))
    turn = {"y": np.arange(36)[::down], "x": (np.arange(72) + 17) % 72}
    reference = places(lat, lon) if without == "here" else masked
    stored = (places(lat, lon) if without == "there" else masked).isel(turn)
    order = storage_order(stored, reference)
    np.testing.assert_array_equal(reordered((lat + 1e3 * lon)[turn["y"]][:, turn["x"]], order), lat + 1e3 * lon)


def test_of_repeated_columns_the_inner_ones_are_kept_as_by_the_grid():
    lat, lon = np.arange(-87.5, 90, 5), np.arange(2.5, 360, 5)
    halo = np.r_[71, 0:72, 0]
    ocean = xr.Dataset(coords={"lat": lat, "lon": lon[halo]})
    order = ascending_order(ocean)
    np.testing.assert_array_equal(order["lon"], np.arange(1, 73))
    assert not Grid.from_dataset(ocean).duplicate[:, order["lon"]].any()
