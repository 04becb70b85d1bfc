"""Areas that the cells of any grid share with those of a regular grid: the weights of conservative regridding.

In the plane of longitude and sine of latitude areas are those of the sphere (Lambert's cylindrical projection), and the
cells of a regular grid are rectangles. The area that a polygon shares with a rectangle is a sum over the polygon's
edges in closed form, whether or not the polygon is convex, contains a pole or crosses the seam of longitudes.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.sparse import coo_array, csr_array, hstack, kron

from thor.core.arrays import Array, IntArray, Mask
from thor.ocean.areas import curvilinear_corners
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.edges import regular_edges
from thor.ocean.grid import Grid
from thor.ocean.sphere import normalised

EDGE_PARTS, WIDE_EDGE_PARTS = 8, 64
"""Straight pieces in the plane for a great-circle edge of a cell, and for one wider than `WIDE` or at a pole."""

WIDE = np.deg2rad(4.3)
"""Width in longitude [rad]; that of no usual grid, so that both cells at an edge find the same."""

SLIVER = 1e-9
"""Overlaps below this share of the regular cell are rounding errors."""

_AT_POLE = 1.0 - 1e-12
_CELLS_PER_BLOCK = 20_000
_TERMS_PER_BLOCK = 1_000_000


class _Edges(NamedTuple):
    """Straight edges in the plane from (x0, z0) to (x1, z1), each array of shape (n_cells, n_edges).

    x is the longitude [rad], which goes on beyond a full turn, and z the sine of the latitude.
    """

    x0: Array
    z0: Array
    x1: Array
    z1: Array


def overlap_areas(grid: xr.Dataset, cells: Mask, regular: xr.Dataset) -> csr_array:
    """Return the areas [m2] that the cells of a regular grid share with the chosen cells of another grid.

    Parameters
    ----------
    grid : xarray.Dataset
        Coordinates `lat` and `lon`, 1-D or 2-D, with their bounds where there are any.
    cells : ndarray of bool, shape (n_rows, n_columns)
        The chosen cells.
    regular : xarray.Dataset
        A global grid with bounds, as from `thor.ocean.grid.regular_grid`.

    Returns
    -------
    csr_array of shape (n_regular, n_chosen)
        Cells in the order of the flattened grids. A cell without known corners counts as 1 m2 at its centre.

    Notes
    -----
    1-D coordinates: exact. 2-D coordinates: edges are great circles, replaced by `EDGE_PARTS` straight pieces in the
    plane, by `WIDE_EDGE_PARTS` in wide cells. Neighbours share their edges, so that no area is lost or counted twice.
    """
    if grid["lat"].ndim == 1:
        south, north, west, east = map(np.deg2rad, regular_edges(grid))
        rows = csr_array(_row_overlap(np.sin(south), np.sin(north), regular))
        columns = csr_array(_column_overlap(west, east, regular))
        areas = kron(rows, columns, format="csc")[:, np.flatnonzero(cells)]
        return csr_array(areas * EARTH_RADIUS**2)
    structured = Grid.from_dataset(grid)
    corners = curvilinear_corners(grid, structured.centres, structured.topology)[:, cells]
    centres = structured.centres[:, cells]
    parts = (slice(start, start + _CELLS_PER_BLOCK) for start in range(0, corners.shape[1], _CELLS_PER_BLOCK))
    return csr_array(hstack([_polygon_overlap(corners[:, part], centres[:, part], regular) for part in parts]))


def _row_overlap(south: Array, north: Array, regular: xr.Dataset) -> Array:
    """Return the overlap of rows in the sine of latitude, shape (n_regular_rows, n_rows)."""
    edges, low, high = _row_edges(regular)[:, None], np.minimum(south, north), np.maximum(south, north)
    return np.maximum(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0.0)


def _column_overlap(west: Array, east: Array, regular: xr.Dataset) -> Array:
    """Return the overlap of columns in longitude [rad], shape (n_regular_columns, n_columns)."""
    width = _within_half_a_turn(east - west)
    start = np.where(width > 0, west, east) % (2 * np.pi)
    edges = _column_edges(regular)[:, None] + 2 * np.pi * np.arange(-1, 2)[:, None, None]
    shared = np.minimum(start + np.abs(width), edges[:, 1:]) - np.maximum(start, edges[:, :-1])
    return np.maximum(shared, 0.0).sum(axis=0)


def _polygon_overlap(corners: Array, centres: Array, regular: xr.Dataset) -> coo_array:
    """Return the areas [m2] shared with cells between corners of shape (3, n_cells, 4)."""
    known = np.isfinite(corners).all(axis=(0, 2))
    wide_edges = _are_wide(corners)
    wide = wide_edges.any(axis=1)
    found = [_at_centres(centres, np.flatnonzero(~known), regular)]
    for chosen, n_parts in ((known & ~wide, EDGE_PARTS), (known & wide, WIDE_EDGE_PARTS)):
        cells = np.flatnonzero(chosen)
        step = max(1, _TERMS_PER_BLOCK // (100 * n_parts))
        for start in range(0, cells.size, step):
            block = cells[start : start + step]
            edges = _plane_edges(corners[:, block], wide_edges[block], n_parts)
            regular_cell, cell, area = _shared_areas(edges, regular)
            found.append((regular_cell, block[cell], area))
    regular_cell, cell, area = map(np.concatenate, zip(*found, strict=True))
    shape = (regular.sizes["lat"] * regular.sizes["lon"], corners.shape[1])
    return coo_array((area, (regular_cell, cell)), shape=shape)


def _at_centres(centres: Array, cells: IntArray, regular: xr.Dataset) -> tuple[IntArray, IntArray, Array]:
    """Return the regular cell in which each of these centres lies, the cell, and 1 m2."""
    x, y, z = centres[:, cells]
    columns, rows = _column_edges(regular), _row_edges(regular)
    column = np.searchsorted(columns, (np.arctan2(y, x) - columns[0]) % (2 * np.pi) + columns[0], side="right") - 1
    row = np.clip(np.searchsorted(rows, z, side="right") - 1, 0, rows.size - 2)
    return row * regular.sizes["lon"] + column % regular.sizes["lon"], cells, np.ones(cells.size)


def _are_wide(corners: Array) -> Mask:
    """Return whether the edge from each corner to the next is wide or ends at a pole, shape (n_cells, 4)."""
    lon, at_pole = np.arctan2(corners[1], corners[0]), np.abs(corners[2]) > _AT_POLE
    wide: Mask = np.abs(_within_half_a_turn(np.roll(lon, -1, axis=1) - lon)) > WIDE
    return wide | at_pole | np.roll(at_pole, -1, axis=1)


def _plane_edges(corners: Array, wide: Mask, n_parts: int) -> _Edges:
    """Return the edges of cells in the plane, each great circle between two corners in so many pieces.

    In edges that are not wide, `EDGE_PARTS` of them have a length: both cells at an edge give it the same pieces.

    Both ends of every great circle are points of the ring: where two meet at a pole, which has every longitude, the
    ring goes along the edge of the plane from the one to the other. So it does where a great circle passes through a
    pole, and around a cell that contains one. Edges along meridians add no area, and are left out there.
    """
    along = np.linspace(0.0, 1.0, n_parts + 1)
    along = np.where(wide[..., None], along, np.floor(along * EDGE_PARTS) / EDGE_PARTS)
    nearer, farther = corners[..., None], np.roll(corners, -1, axis=-1)[..., None]
    points = normalised(nearer + along * (farther - nearer))
    z = np.clip(points[2], -1.0, 1.0)
    x = np.where(np.abs(z) > _AT_POLE, np.nan, np.arctan2(points[1], points[0]))
    for end, inwards in ((0, 1), (-1, -2)):
        x[..., end] = np.where(np.isnan(x[..., end]), x[..., inwards], x[..., end])
    x, z = x.reshape(len(x), -1), z.reshape(len(z), -1)
    if np.isnan(x).any():  # both corners of an edge at a pole
        for column in [*range(x.shape[1]), *range(x.shape[1])]:
            x[:, column] = np.where(np.isnan(x[:, column]), x[:, column - 1], x[:, column])
    steps = _within_half_a_turn(np.roll(x, -1, axis=1) - x)
    x1 = x[:, :1] + np.cumsum(steps, axis=1)
    through_pole = np.abs(steps) > np.pi - 1e-6
    z0, z1 = (np.where(through_pole, np.sign(z), end) for end in (z, np.roll(z, -1, axis=1)))
    turn = 2 * np.pi * np.round(steps.sum(axis=1, keepdims=True) / (2 * np.pi))
    pole = np.where(turn != 0, np.sign(z.mean(axis=1, keepdims=True)), z[:, :1])
    return _Edges(
        np.hstack([x1 - steps, x[:, :1] + turn]),
        np.hstack([z0, pole]),
        np.hstack([x1, x[:, :1]]),
        np.hstack([z1, pole]),
    )


def _shared_areas(edges: _Edges, regular: xr.Dataset) -> tuple[IntArray, IntArray, Array]:
    """Return pairs of a regular cell and a polygon with the area [m2] that they share."""
    columns, rows = _column_edges(regular), _row_edges(regular)
    n_lon, width = columns.size - 1, 2 * np.pi / (columns.size - 1)
    first_column = np.floor((edges.x0.min(axis=1) - columns[0]) / width).astype(int)
    last_column = np.floor((edges.x0.max(axis=1) - columns[0]) / width).astype(int)
    first_row = np.clip(np.searchsorted(rows, edges.z0.min(axis=1), side="right") - 1, 0, rows.size - 2)
    last_row = np.clip(np.searchsorted(rows, edges.z0.max(axis=1), side="right") - 1, 0, rows.size - 2)
    across = last_column - first_column + 1
    count = across * (last_row - first_row + 1)
    cell = np.repeat(np.arange(count.size), count)
    within = np.arange(cell.size) - np.repeat(np.cumsum(count) - count, count)
    row, column = first_row[cell] + within // across[cell], first_column[cell] + within % across[cell]
    area = np.empty(cell.size)
    step = max(1, _TERMS_PER_BLOCK // edges.x0.shape[1])
    for start in range(0, cell.size, step):
        part = slice(start, start + step)
        west = columns[0] + width * column[part, None]
        box = west, west + width, rows[row[part], None], rows[row[part] + 1, None]
        area[part] = _area_inside(_Edges(*(values[cell[part]] for values in edges)), *box)
    kept = area > SLIVER * width * (rows[row + 1] - rows[row])
    return (row * n_lon + column % n_lon)[kept], cell[kept], area[kept] * EARTH_RADIUS**2


def _area_inside(edges: _Edges, west: Array, east: Array, low: Array, high: Array) -> Array:
    """Return the area of each polygon inside a rectangle of the plane, shape (n_cells,).

    The integral around the polygon of the height above `low`, cut at `high`, over the longitudes from `west` to `east`:
    along a straight edge the height is linear below and constant above.
    """
    x0, x1 = np.clip(edges.x0, west, east), np.clip(edges.x1, west, east)
    run = edges.x1 - edges.x0
    slope = np.divide(edges.z1 - edges.z0, run, out=np.zeros_like(run), where=run != 0)
    z0, z1 = edges.z0 + slope * (x0 - edges.x0), edges.z0 + slope * (x1 - edges.x0)
    rise = z1 - z0
    inside0, inside1 = np.clip(z0, low, high), np.clip(z1, low, high)
    level = rise == 0
    share_inside = np.divide(inside1 - inside0, rise, out=np.ones_like(rise), where=~level)
    share_above = np.divide(np.maximum(z1, high) - np.maximum(z0, high), rise, out=np.zeros_like(rise), where=~level)
    height = share_inside * ((inside0 + inside1) / 2 - low) + share_above * (high - low)
    return np.abs((height * (x1 - x0)).sum(axis=1))


def _within_half_a_turn(angle: Array) -> Array:
    """Return angles [rad] minus full turns, in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _row_edges(regular: xr.Dataset) -> Array:
    """Return the sines of the latitudes between which the rows lie, increasing."""
    bounds = regular["lat_bnds"].values
    return np.sin(np.deg2rad(np.append(bounds[:, 0], bounds[-1, 1])))


def _column_edges(regular: xr.Dataset) -> Array:
    """Return the longitudes [rad] between which the columns lie, increasing."""
    bounds = regular["lon_bnds"].values
    return np.deg2rad(np.append(bounds[:, 0], bounds[-1, 1]))
