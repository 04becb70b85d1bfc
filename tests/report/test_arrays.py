"""Arrays as the page unpacks them, and grids as pictures of their cells."""

import base64
import zlib

import numpy as np
import pytest
import xarray as xr

from thor.core.errors import DataError
from thor.report.arrays import MISSING, packed, packed_labels, packed_numbers, packed_shares
from thor.report.rasters import LAND_PIXEL, OUTSIDE_PIXEL, WIDTH, cell_map


def unpacked(entry):
    values = np.frombuffer(zlib.decompress(base64.b64decode(entry["bytes"])), dtype=entry["kind"])
    values = values.reshape(entry["shape"])
    if entry["kind"] == "float32":
        return values
    return np.where(values == MISSING[entry["kind"]], np.nan, entry.get("low", 0) + values * entry.get("step", 1.0))


def test_shares_come_back_to_half_a_step_and_gaps_stay_gaps():
    shares = np.array([0.0, 0.123, 0.5, 1.0, np.nan])
    np.testing.assert_allclose(unpacked(packed_shares(shares)), shares, atol=0.5 / 250 + 1e-12)


def test_numbers_come_back_to_three_digits_of_their_size():
    numbers = np.random.default_rng(0).normal(size=(3, 500)) * 20
    numbers[1, 7] = np.nan
    np.testing.assert_allclose(unpacked(packed_numbers(numbers)), numbers, atol=5e-4 * np.nanmax(np.abs(numbers)))
    assert (unpacked(packed_numbers(np.zeros(3))) == 0).all()


def test_labels_and_kinds():
    np.testing.assert_array_equal(unpacked(packed_labels(np.array([3.0, np.nan, 0.0]))), [3, np.nan, 0])
    with pytest.raises(TypeError, match="float64"):
        packed(np.zeros(2))


@pytest.fixture
def grid():
    lat, lon = np.arange(-85.0, 90, 10), np.arange(5.0, 360, 10)
    wet = np.ones((lat.size, lon.size), bool)
    wet[8:10, 3:6] = False
    return xr.Dataset({"wet": (("lat", "lon"), wet)}, coords={"lat": lat, "lon": lon})


def test_every_pixel_shows_the_cell_that_lies_there(grid):
    cells = cell_map(grid, grid["wet"], max_cells=10_000)
    assert cells.pixels.shape[1] == WIDTH
    assert len(cells.index) == grid["wet"].sum()
    assert cells.pixels[0, 0] == OUTSIDE_PIXEL
    shown = np.unique(cells.pixels)
    assert set(shown) == {*range(len(cells.index)), LAND_PIXEL, OUTSIDE_PIXEL}
    # Equal area: the share of the pixels of a cell is that of its area.
    area = np.cos(np.deg2rad(cells.lat))
    counts = np.bincount(cells.pixels[cells.pixels < OUTSIDE_PIXEL], minlength=len(area))
    inner = np.abs(cells.lat) < 70
    ratio = counts[inner] / counts[inner].sum() / (area[inner] / area[inner].sum())
    assert abs(ratio - 1).max() < 0.12
    # The middle of the map is 155W on the equator.
    middle = cells.pixels[cells.pixels.shape[0] // 2, WIDTH // 2]
    assert abs(cells.lat[middle]) <= 5
    assert cells.lon[middle] == pytest.approx(205, abs=5)


def test_values_are_taken_at_the_cells_whatever_the_order_of_dims(grid):
    cells = cell_map(grid, grid["wet"], max_cells=10_000)
    field = (grid["lat"] * 1000 + grid["lon"]).transpose("lon", "lat")
    turned = cell_map(grid, grid["wet"].transpose("lon", "lat"), max_cells=10_000)
    np.testing.assert_array_equal(turned.pixels, cells.pixels)
    np.testing.assert_allclose(cells.take(field), cells.lat * 1000 + cells.lon)


def test_a_fine_grid_is_thinned_and_a_native_one_is_drawn(grid):
    thin = cell_map(grid, grid["wet"], max_cells=170)
    assert thin.stride == 2
    assert 100 < len(thin.index) <= 170
    lat, lon = np.meshgrid(grid["lat"], grid["lon"], indexing="ij")
    lat[0], lon[0] = np.nan, np.nan
    native = xr.Dataset(
        {"wet": (("y", "x"), grid["wet"].values)}, coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)}
    )
    cells = cell_map(native, native["wet"], max_cells=10_000)
    assert len(cells.index) == grid["wet"].sum() - 36
    assert np.isin(np.arange(len(cells.index)), cells.pixels).all()


def test_a_map_needs_a_cell(grid):
    with pytest.raises(DataError, match="at least one cell"):
        cell_map(grid, grid["wet"] & False, max_cells=100)
