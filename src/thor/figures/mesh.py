"""Cells drawn as they are, on grids of any shape: fields, outlines and hatching of masks."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from thor.ocean.cells import grid_dims
from thor.ocean.edges import edges_midway
from thor.ocean.longitudes import columns_around
from thor.ocean.sphere import unit_vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RASTER, _RASTER_CELLS = (0.25, 1.0), 2.0
"""Spacing of the raster on which native grids are drawn [degrees], and cells of it to half a diagonal of the grid's."""

_SPARE = 1.15

_SMALLEST_CELL = 1e-6
"""Narrowest column that is drawn [degrees]."""

_STROKES = 3.5
"""Degrees between the strokes of a hatching."""


def draw_mesh(ax: "Axes", field: xr.DataArray, grid: xr.Dataset, **options: Any) -> Any:
    """Draw a field as the cells it has on a grid, NaN left out, and return what a colour bar takes."""
    from cartopy.crs import PlateCarree

    lat, lon, values = grid["lat"].values, grid["lon"].values, field.transpose(*grid_dims(grid)).values
    lat, lon, values = nearest_cells(lat, lon, values) if lat.ndim == 2 else _eastward(lat, lon, values)
    start = ax.projection.proj4_params.get("lon_0", 0.0) - 180  # type: ignore[attr-defined]
    lon, values = _cut(edges_midway(lon), values, start)
    masked, lat = np.ma.masked_invalid(values), np.clip(edges_midway(lat), -90, 90)
    return ax.pcolormesh(lon, lat, masked, transform=PlateCarree(), rasterized=True, shading="flat", **options)


def outline(ax: "Axes", mask: xr.DataArray, grid: xr.Dataset, *, colour: str = "black") -> None:
    """Draw the edges between cells in and out of the mask."""
    from cartopy.crs import PlateCarree
    from matplotlib.collections import LineCollection

    lat, lon, inside = _raster(mask, grid)
    lat_edge, lon_edge = np.clip(edges_midway(lat), -90, 90), edges_midway(lon)
    row, column = np.nonzero(inside[1:] != inside[:-1])
    ends = [np.stack([lon_edge[column + k], lat_edge[row + 1]], axis=-1) for k in (0, 1)]
    row, column = np.nonzero(inside != np.roll(inside, 1, axis=1))
    ends = [
        np.concatenate([along, np.stack([lon_edge[column], lat_edge[row + k]], axis=-1)])
        for k, along in enumerate(ends)
    ]
    projection = ax.projection  # type: ignore[attr-defined]
    placed = [projection.transform_points(PlateCarree(), end[:, 0], end[:, 1])[:, :2] for end in ends]
    segments = np.stack(placed, axis=1)
    # Where the map is cut the two ends of a segment lie on either side of it.
    width = np.ptp(projection.x_limits)
    segments = segments[np.abs(np.diff(segments[..., 0], axis=1)[:, 0]) < 0.25 * width]
    ax.add_collection(LineCollection(segments, colors=colour, linewidths=0.6), autolim=False)


def hatch(ax: "Axes", mask: xr.DataArray, grid: xr.Dataset, *, colour: str = "0.15") -> None:
    """Draw strokes, evenly spaced on the sphere, where cells are in the mask."""
    from cartopy.crs import PlateCarree
    from scipy.spatial import cKDTree

    lat, lon, inside = _raster(mask, grid)
    rows = np.arange(-90 + 0.5 * _STROKES, 90, _STROKES)
    counts = np.maximum((360 * np.cos(np.deg2rad(rows)) / _STROKES).astype(int), 1)
    stroke_lat = np.repeat(rows, counts)
    stroke_lon = np.concatenate([(np.arange(n) + 0.5 * (k % 2)) * 360 / n for k, n in enumerate(counts)])
    points = unit_vectors(*np.meshgrid(lat, lon, indexing="ij")).reshape(3, -1).T
    _, nearest = cKDTree(points).query(unit_vectors(stroke_lat, stroke_lon).T)
    chosen = inside.ravel()[nearest]
    look: dict[str, Any] = {"marker": (2, 2, -45), "s": 9, "color": colour, "linewidths": 0.4}
    ax.scatter(stroke_lon[chosen], stroke_lat[chosen], transform=PlateCarree(), **look)


def nearest_cells(lat: np.ndarray, lon: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the values of the nearest cells on a fine regular grid: cells of any shape are seen as they are.

    Polygons of a native grid would be torn where it folds, and cells without position have none.
    """
    centres = unit_vectors(lat, lon)
    reach = half_diagonals(centres)[np.isfinite(centres).all(axis=0)]
    spacing = np.clip(np.rad2deg(np.median(reach)) / _RASTER_CELLS, *_RASTER)
    fine_lat, fine_lon = (
        np.linspace(start, stop, round((stop - start) / spacing) + 1) for start, stop in ((-90, 90), (0, 360))
    )
    fine_lat, fine_lon = 0.5 * (fine_lat[1:] + fine_lat[:-1]), 0.5 * (fine_lon[1:] + fine_lon[:-1])
    points = unit_vectors(*np.meshgrid(fine_lat, fine_lon, indexing="ij")).reshape(3, -1).T
    cell = cell_at(points, centres)
    drawn = np.where(cell >= 0, values.ravel()[cell], np.nan)
    return fine_lat, fine_lon, drawn.reshape(fine_lat.size, fine_lon.size)


def cell_at(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the nearest cell of each point, by its place in the flattened grid; -1 beyond half its diagonal.

    There lies land without position, or what is beyond the grid's end.

    Parameters
    ----------
    points : ndarray of shape (n_points, 3)
        On the unit sphere.
    centres : ndarray of shape (3, n_rows, n_columns)
        Of the cells, NaN where a cell has no position.
    """
    from scipy.spatial import cKDTree

    known = np.flatnonzero(np.isfinite(centres).all(axis=0))
    away, nearest = cKDTree(centres.reshape(3, -1)[:, known].T).query(points)
    cell = known[nearest]
    return np.where(away < half_diagonals(centres).ravel()[cell], cell, -1)


def half_diagonals(centres: np.ndarray) -> np.ndarray:
    """Return how far the corners of each cell are from its centre, on the unit sphere, with a little to spare."""
    sides = []
    for axis in (1, 2):
        step = np.linalg.norm(np.diff(centres, axis=axis), axis=0)
        ahead, behind = (
            np.pad(step, [width if k == axis - 1 else (0, 0) for k in range(2)], constant_values=np.nan)
            for width in ((0, 1), (1, 0))
        )
        # neighbours across a seam are far away in the row, not on the sphere
        sides.append(np.fmin(ahead, behind))
    widest = np.nanmax(np.stack([np.nan_to_num(side, nan=0.0) for side in sides]), axis=0)
    return _SPARE * 0.5 * np.hypot(*(np.where(np.isfinite(side), side, widest) for side in sides))


def _raster(mask: xr.DataArray, grid: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return latitudes and longitudes of the cells that are drawn, and which of them are in the mask."""
    lat, lon, inside = grid["lat"].values, grid["lon"].values, mask.transpose(*grid_dims(grid)).values
    if lat.ndim == 1:
        return _eastward(lat, lon, inside)
    lat, lon, values = nearest_cells(lat, lon, inside.astype(float))
    return lat, lon, values == 1


def _eastward(lat: np.ndarray, lon: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the columns of a regular grid from its seam eastward: a region across Greenwich has its seam inside."""
    place = columns_around(lon).place
    order = np.argsort(place)
    order = order[::-1] if (lon[order[1]] - lon[order[0]]) % 360 > 180 else order
    return lat, np.unwrap(lon[order], period=360), values[:, order]


def _cut(edges: np.ndarray, values: np.ndarray, start: float) -> tuple[np.ndarray, np.ndarray]:
    """Return edges and columns from the longitude `start`, where the map is cut, eastward; a cell across it is split.

    Cartopy draws each cell that lies on both sides of a map as a polygon, which takes most of the time of a map.
    """
    turns = np.arange(np.ceil((edges[0] - start) / 360), np.floor((edges[-1] - start) / 360) + 1)
    cuts = start + 360 * turns
    split = np.union1d(edges, cuts[(edges[0] < cuts) & (cuts < edges[-1])])
    split = split[np.append(True, np.diff(split) > _SMALLEST_CELL)]
    middle = 0.5 * (split[1:] + split[:-1])
    column = np.searchsorted(edges, middle) - 1
    turn = np.floor((middle - start) / 360)
    order = np.argsort(middle - 360 * turn)
    west, east = (side[order] - 360 * turn[order] for side in (split[:-1], split[1:]))
    # between the parts of a region that the cut divides lies a column of nothing
    gaps = np.flatnonzero(west[1:] - east[:-1] > _SMALLEST_CELL) + 1
    drawn = np.insert(values[:, column[order]].astype(float), gaps, np.nan, axis=1)
    lon = np.append(np.insert(west, gaps, east[gaps - 1]), east[-1])
    return np.clip(lon, start + _SMALLEST_CELL, start + 360 - _SMALLEST_CELL), drawn
