"""Cell areas on any grid, from bounds or from centres."""

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import GridError
from thor.core.warn import warn_once
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.sphere import distance, normalised, quadrilateral_area, unit_vectors
from thor.ocean.topology import Topology

ODD_BOUNDS, MAX_ODD_BOUNDS = 0.1, 0.01
"""Bounds are odd where their area is off that from the centres by this share, and unusable if so many are."""


def parallel_area(south: Array, north: Array, west: Array, east: Array) -> Array:
    """Return the areas [m2] of cells between parallels and meridians [degrees], shape (n_rows, n_columns).

    Raises
    ------
    GridError
        When an area is not positive.
    """
    height = np.abs(np.sin(np.deg2rad(north)) - np.sin(np.deg2rad(south)))
    width = np.deg2rad(np.abs((east - west + 180) % 360 - 180))
    area = EARTH_RADIUS**2 * height[:, None] * width[None, :]
    if not (area[np.isfinite(area)] > 0).all():
        raise GridError(
            "Some cell areas are zero or negative. Correct the bounds of 'lat' and 'lon', or take them out of the "
            "files: edges are then midway between the centres."
        )
    return area


def curvilinear_area(dataset: xr.Dataset, centres: Array, topology: Topology) -> Array:
    """Return the areas [m2] of cells with 2-D coordinates; NaN where they are unknown.

    Those of `curvilinear_corners`, else `areacello`.

    Parameters
    ----------
    dataset : xarray.Dataset
        May hold `lat_bnds`, `lon_bnds` with four vertices per cell, and `areacello` [m2].
    centres : ndarray of shape (3, n_rows, n_columns)
        Unit vectors of the cell centres; NaN where unknown.
    topology : Topology
    """
    area = corner_area(curvilinear_corners(dataset, centres, topology))
    if "areacello" in dataset:
        published = dataset["areacello"].transpose(*dataset["lat"].dims).values.astype(float)
        area = np.where(np.isfinite(area), area, np.where(published > 0, published, np.nan))
    return area


def curvilinear_corners(dataset: xr.Dataset, centres: Array, topology: Topology) -> Array:
    """Return the corners of cells with 2-D coordinates, unit vectors in order around each cell; NaN where unknown.

    The vertices of the bounds, else points between the centres. Bounds that disagree with the centres in more than
    `MAX_ODD_BOUNDS` of the cells are ignored with a warning: in EC-Earth3-Veg, for example, they run along parallels
    and meridians where the cells do not.

    Parameters
    ----------
    dataset, centres, topology
        As for `curvilinear_area`.

    Returns
    -------
    ndarray of shape (3, n_rows, n_columns, 4)
    """
    corners = corners_from_centres(centres, topology)
    if "lat_bnds" not in dataset.variables or "lon_bnds" not in dataset.variables:
        return corners
    vertices = usable_vertices(bounds_of(dataset, "lat"), bounds_of(dataset, "lon"), centres)
    area, from_vertices = corner_area(corners), corner_area(vertices)
    both = np.isfinite(area) & np.isfinite(from_vertices) & topology.surrounded(topology.known)
    # away from the poles of the grid
    both[[0, -1]] = False
    odd = np.mean(np.abs(from_vertices[both] / area[both] - 1) > ODD_BOUNDS) if both.any() else 1.0
    if odd > MAX_ODD_BOUNDS:
        warn_once(f"Cell areas are taken from the centres: bounds contradict them in {odd:.0%} of cells.")
        return corners
    return np.where(np.isfinite(from_vertices)[..., None], vertices, corners)


def bounds_of(dataset: xr.Dataset, axis: str) -> Array:
    """Return the bounds of `lat` or `lon` [degrees] with the dims of the coordinate first, and edges or vertices last.

    They are stored in any order, as after ``dataset.transpose(..., "lat", "lon")``.
    """
    stored = dataset[f"{axis}_bnds"]
    return stored.transpose(*(dim for dim in dataset[axis].dims if dim in stored.dims), ...).values.astype(float)


def usable_vertices(lat_bnds: Array, lon_bnds: Array, centres: Array) -> Array:
    """Return vertices as unit vectors, shape (3, n_rows, n_columns, 4); NaN where unusable (fill values on land).

    Parameters
    ----------
    lat_bnds, lon_bnds : ndarray of shape (n_rows, n_columns, 4)
        Vertices in order around each cell, either way [degrees].
    centres : ndarray of shape (3, n_rows, n_columns)
        Unit vectors; vertices are unusable where the centre is farther from their middle than they are.

    Raises
    ------
    GridError
        When the shapes do not fit.
    """
    expected = (*centres.shape[1:], 4)
    if lat_bnds.shape != expected or lon_bnds.shape != expected:
        raise GridError(
            f"2-D bounds need shape {expected}; got {lat_bnds.shape} and {lon_bnds.shape}. "
            "Drop 'lat_bnds' and 'lon_bnds' to have areas from the centres."
        )
    lat, lon = np.asarray(lat_bnds, dtype=float), np.asarray(lon_bnds, dtype=float)
    sane = (np.abs(lat) <= 90.001) & (np.abs(lon) <= 1080)
    vertices = unit_vectors(np.where(sane, lat, np.nan), np.where(sane, lon, np.nan))
    middle = normalised(vertices.mean(axis=-1))
    reach = distance(vertices, middle[..., None]).max(axis=-1)
    return np.where((distance(centres, middle) <= reach)[..., None], vertices, np.nan)


def corners_from_centres(centres: Array, topology: Topology) -> Array:
    """Return the corners of cells, which lie between four centres, shape (3, n_rows, n_columns, 4).

    Missing centres, beyond the end of the grid or on land without coordinates, are taken to lie as far away as those on
    the other side.
    """
    return np.stack([points_beside(centres, topology, step) for step in ((1, 1), (1, -1), (-1, -1), (-1, 1))], axis=-1)


def corner_area(corners: Array) -> Array:
    """Return the areas [m2] of cells between corners of shape (3, ..., 4), either way round; NaN where not positive."""
    area = EARTH_RADIUS**2 * np.abs(quadrilateral_area(corners))
    return np.where(area > 0, area, np.nan)


def points_beside(centres: Array, topology: Topology, step: tuple[int, int]) -> Array:
    """Return the points half a `step` = (rows, columns) from the centres: between two or, at corners, four of them.

    Missing centres are taken to lie as far away as those on the other side.

    Parameters
    ----------
    centres : ndarray of shape (3, n_rows, n_columns)
        Unit vectors; NaN where unknown.
    topology : Topology
    step : (int, int)
        Each -1, 0 or 1, not both 0.

    Returns
    -------
    ndarray of shape (3, n_rows, n_columns)
        Unit vectors; NaN where the point is unknown.
    """
    rows, columns = step
    if 0 in step:
        return normalised(centres + _next(centres, topology, step))
    along_row, along_column = _next(centres, topology, (rows, 0)), _next(centres, topology, (0, columns))
    diagonal = topology.values_at(step, centres)
    diagonal = np.where(np.isfinite(diagonal), diagonal, along_row + along_column - centres)
    return normalised(centres + along_row + along_column + diagonal)


def _next(centres: Array, topology: Topology, step: tuple[int, int]) -> Array:
    ahead, behind = topology.values_at(step, centres), topology.values_at((-step[0], -step[1]), centres)
    return np.where(np.isfinite(ahead), ahead, 2 * centres - behind)
