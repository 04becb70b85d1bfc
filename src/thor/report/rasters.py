"""Any grid as a raster: the cell at each pixel of one equal-area map.

The page colours pixels by their cells. One raster therefore serves all layers of a grid, native grids keep the shapes
of their cells, and a click on the map selects a cell.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray
from thor.core.errors import DataError
from thor.figures.maps import CENTRAL_LONGITUDE
from thor.figures.mesh import cell_at
from thor.ocean.cells import grid_dims
from thor.ocean.sphere import unit_vectors
from thor.report.arrays import packed

LAND_PIXEL, OUTSIDE_PIXEL = 65535, 65534
"""Pixels without a cell, and those beyond the edge of the map."""

WIDTH = 900
"""Pixels of the map from west to east."""


@dataclass(frozen=True, eq=False)
class CellMap:
    """The cells of a grid that are shown, with their pixels on the map.

    Attributes
    ----------
    index : ndarray of int, shape (n_cells,)
        Place of each cell in the flattened grid.
    lat, lon : ndarray of shape (n_cells,), [degrees]
    pixels : ndarray of uint16, shape (height, width)
        Number of the cell at each pixel of an Equal Earth map, or `LAND_PIXEL` or `OUTSIDE_PIXEL`.
    stride : int
        Step between the cells that are shown, in each direction.
    dims : (str, str)
        Those of the grid.
    """

    index: AnyArray
    lat: AnyArray
    lon: AnyArray
    pixels: AnyArray
    stride: int
    dims: tuple[str, str]

    def take(self, field: xr.DataArray) -> AnyArray:
        """Return the values of a field on the grid at the cells, shape (..., n_cells)."""
        values = field.transpose(..., *self.dims).values
        return values.reshape(*values.shape[:-2], -1)[..., self.index]

    def to_page(self) -> dict[str, Any]:
        """Return positions and picture for the page."""
        return {
            "lat": packed(np.rint(self.lat * 100).astype(np.int16)),
            "lon": packed(np.rint(self.lon * 100).astype(np.uint16)),
            "pixels": packed(self.pixels),
            "n_cells": len(self.index),
            "stride": self.stride,
        }


def cell_map(grid: xr.Dataset, shown: xr.DataArray, *, max_cells: int) -> CellMap:
    """Return the cells of a grid that are shown, with their pixels.

    Parameters
    ----------
    grid : xarray.Dataset
        With `lat` and `lon` [degrees], of one or two dims; NaN where a cell has no position.
    shown : xarray.DataArray of bool
        Cells to show.
    max_cells : int
        With more, every second or third cell in each direction is shown instead of every one.

    Raises
    ------
    DataError
        When no cell is shown.
    """
    dims = grid_dims(grid)
    lat, lon = (grid[name].values for name in ("lat", "lon"))
    if lat.ndim == 1:
        lat, lon = np.meshgrid(lat, lon, indexing="ij")
    wanted = shown.transpose(*dims).values.astype(bool) & np.isfinite(lat) & np.isfinite(lon)
    if not wanted.any():
        raise DataError("A map needs at least one cell; the mask of the grid is empty. Run data_engineering again.")
    stride = int(np.ceil(np.sqrt(wanted.sum() / min(max_cells, OUTSIDE_PIXEL))))
    some = np.zeros_like(wanted)
    some[stride // 2 :: stride, stride // 2 :: stride] = True
    chosen = wanted & some
    if not chosen.any():
        raise DataError(f"max_cells = {max_cells} leaves no cell of {int(wanted.sum())}. Raise reporting.max_cells.")
    pixels = _pixels(lat, lon, chosen, stride)
    return CellMap(np.flatnonzero(chosen), lat[chosen], lon[chosen] % 360.0, pixels, stride, dims)


def _pixels(lat: AnyArray, lon: AnyArray, chosen: AnyArray, stride: int) -> AnyArray:
    """Return the nearest shown cell of each pixel that lies within half a diagonal of a wet one."""
    inside, points = _map_points()
    coarse = slice(stride // 2, None, stride)
    centres = unit_vectors(lat[coarse, coarse], lon[coarse, coarse])
    numbers = np.full(lat.shape, LAND_PIXEL)
    numbers[chosen] = np.arange(int(chosen.sum()))
    cell = cell_at(points, centres)
    pixels = np.full(inside.shape, OUTSIDE_PIXEL, dtype=np.uint16)
    pixels[inside] = np.where(cell >= 0, numbers[coarse, coarse].ravel()[cell], LAND_PIXEL)
    return pixels


@cache
def _map_points() -> tuple[AnyArray, AnyArray]:
    """Return which pixels lie on the map, and the unit vectors of those."""
    from cartopy.crs import EqualEarth, PlateCarree

    projection, plate = EqualEarth(central_longitude=CENTRAL_LONGITUDE), PlateCarree()
    west, east = projection.x_limits
    south, north = projection.y_limits
    height = round(WIDTH * (north - south) / (east - west))
    x = west + (np.arange(WIDTH) + 0.5) * (east - west) / WIDTH
    y = north - (np.arange(height) + 0.5) * (north - south) / height
    x, y = np.meshgrid(x, y)
    found = plate.transform_points(projection, x, y)
    lon, lat = found[..., 0], found[..., 1]
    back = projection.transform_points(plate, np.nan_to_num(lon), np.nan_to_num(lat, posinf=0, neginf=0))
    # Beyond the edge the inverse is undefined, or a position whose image is elsewhere.
    near = np.hypot(back[..., 0] - x, back[..., 1] - y) < (east - west) / WIDTH
    inside = np.isfinite(lon) & np.isfinite(lat) & near
    return inside, unit_vectors(lat[inside], lon[inside]).reshape(3, -1).T
