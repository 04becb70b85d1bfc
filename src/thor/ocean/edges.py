"""Edges of the cells of a grid with 1-D coordinates: those that are stored, or midway between centres."""

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.warn import warn_once
from thor.ocean.areas import bounds_of
from thor.ocean.longitudes import Columns, columns_around

ODD_EDGE, ODD_POLE = 0.2, 0.5
"""Stored edges are wrong where width or middle of a column is off that of the longitudes by more than the first share,
or the edge of a row is farther from the midpoint of latitudes than that share of their spacing: 0.17 where rows double
in height, 0.25 if every other row is left out. At a pole the second applies: 0.27 on Gaussian grids."""


def regular_edges(dataset: xr.Dataset) -> tuple[Array, Array, Array, Array]:
    """Return south, north, west and east edges of cells with 1-D coordinates [degrees], from bounds or midpoints."""
    columns = columns_around(dataset["lon"].values.astype(float))
    return (*_row_edges(dataset), *_column_edges(dataset, columns))


def ends_at_poles(dataset: xr.Dataset) -> list[bool]:
    """Return whether the first and the last row end at a pole."""
    return [bool(np.isclose(edge, 90)) for edge in np.abs(_row_edges(dataset)).max(axis=0)[[0, -1]]]


def edges_midway(centres: Array) -> Array:
    """Return n + 1 edges midway between n centres, the outer ones as far from theirs as the next."""
    middle = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _row_edges(dataset: xr.Dataset) -> tuple[Array, Array]:
    """Return the stored edges of rows, or those midway between the latitudes where the stored ones are wrong."""
    lat = dataset["lat"].values.astype(float)
    between = np.sort(np.stack([edges_midway(lat)[:-1], edges_midway(lat)[1:]]), axis=0)
    spacing, between = 2 * np.abs(between - lat), np.clip(between, -90.0, 90.0)
    if "lat_bnds" in dataset.variables:
        stored = np.clip(np.sort(bounds_of(dataset, "lat").T, axis=0), -90.0, 90.0)
        share = np.where(np.isclose(np.abs(stored), 90.0), ODD_POLE, ODD_EDGE)
        odd = ~(np.abs(stored - between) <= share * spacing).all(axis=0)
        low, high = stored[:, np.argsort(lat)]
        if np.allclose(high[:-1], low[1:]):  # rows that meet need not meet midway: those of equal area do not
            odd &= ~(np.minimum(lat - stored[0], stored[1] - lat) >= ODD_EDGE * (stored[1] - stored[0]))
        if not odd.any():
            return stored[0], stored[1]
        warn_once(
            f"Edges of rows are taken midway between the latitudes: 'lat_bnds' contradicts them in {odd.sum()} of "
            f"{odd.size} rows, first with {stored[0, odd][0]:g} to {stored[1, odd][0]:g} at {lat[odd][0]:g}."
        )
    return between[0], between[1]


def _column_edges(dataset: xr.Dataset, columns: Columns) -> tuple[Array, Array]:
    """Return the stored edges of columns, or those midway between the longitudes where the stored ones are wrong."""
    if "lon_bnds" not in dataset.variables:
        return columns.west, columns.east
    west, east = bounds_of(dataset, "lon").T
    lon, width, expected = dataset["lon"].values, (east - west + 180) % 360 - 180, columns.east - columns.west
    off = np.maximum(np.abs((west + width / 2 - lon + 180) % 360 - 180), np.abs(np.abs(width) - expected))
    odd = ~(off <= ODD_EDGE * expected)
    if odd.any() and not (width == 0).any():
        warn_once(
            f"Edges of columns are taken midway between the longitudes: 'lon_bnds' contradicts them in {odd.sum()} of "
            f"{odd.size} columns, first with {west[odd][0]:g} to {east[odd][0]:g} at {lon[odd][0]:g}."
        )
        return columns.west, columns.east
    return west, east
