"""Gradient and curl on any structured grid, eastward and northward, with one-sided differences at coasts.

The two operators are made for each other. The gradient solves the contravariant 2x2 system: its projection on the
displacement between the neighbours along each grid axis equals the difference of the field between them. The curl takes
the circulation of covariant components around the cell, over the cell's area. The curl of a gradient therefore vanishes
to round-off wherever all neighbours are ocean, on every grid, and no step takes a grid axis for east or north. A least
squares fit over more neighbours has neither property.

`published_gradient` has the geometry of the published study, to reproduce its numbers: the longitude spacing is taken
from latitude differences, so that the northernmost row is off by a factor of 359; nothing is periodic; differences next
to land are missing. Recipe: notebooks of Sonnewald & Lguensat (2021), doi:10.1029/2021MS002496.
"""

from typing import Literal

import numpy as np

from thor.core.arrays import Array
from thor.core.errors import GridError
from thor.ocean.grid import Grid

METRES_PER_DEGREE = 111_177.4765625
"""Of the published study."""

Steps = tuple[tuple[int, int], tuple[int, int]]

COLUMN, ROW = ((0, 1), (0, -1)), ((1, 0), (-1, 0))
"""Steps to the next and previous neighbour along the column axis (i) and the row axis (j)."""


def gradient(field: Array, grid: Grid) -> tuple[Array, Array]:
    """Return the eastward and northward gradient of a field.

    Centred differences, second order; one-sided where one neighbour along an axis is missing.

    Parameters
    ----------
    field : ndarray of shape (n_rows, n_columns)
        Any scalar; NaN on land.
    grid : Grid

    Returns
    -------
    eastward, northward : ndarray of shape (n_rows, n_columns)
        [field units per m]; NaN on land and where a cell has no neighbour along one of the axes.

    Notes
    -----
    With displacements d_i, d_j between the neighbours along the two axes, g solves g.d_i = delta_i f and
    g.d_j = delta_j f.
    """
    field = grid.fill_repeated(field)
    column, row = _displacement(field, grid, COLUMN), _displacement(field, grid, ROW)
    df_column, df_row = _difference(field, grid, COLUMN), _difference(field, grid, ROW)
    determinant = _cross(column, row)
    with np.errstate(invalid="ignore", divide="ignore"):
        eastward = (df_column * row[1] - df_row * column[1]) / determinant
        northward = (df_row * column[0] - df_column * row[0]) / determinant
    return eastward, northward


def published_gradient(field: Array, grid: Grid) -> tuple[Array, Array]:
    """Return the eastward and northward gradient as published, for a regular global grid.

    Parameters
    ----------
    field : ndarray of shape (n_rows, n_columns)
    grid : Grid
        Regular and global, with rows from south to north and columns from west to east.

    Returns
    -------
    eastward, northward : ndarray of shape (n_rows, n_columns)
        [field units per m]; NaN where any neighbour is missing.

    Raises
    ------
    GridError
        On other grids.
    """
    ascending = (np.diff(grid.lat[:, 0]) > 0).all() and (np.diff(grid.lon[0]) % 360 < 180).all()
    if np.ptp(grid.lat, axis=1).max() > 0 or not grid.periodic or not ascending:
        raise GridError(
            "The published metric needs a global regular grid with rows from south to north and columns from west to "
            "east; set data_engineering.metric: spherical."
        )
    # The published arrays start at the date line, where their differences are one-sided.
    seam = int(np.argmin((grid.lon[0] - 180) % 360))
    field, lat = np.roll(field, -seam, axis=1), grid.lat
    spacing_lon = np.roll(lat, -1, axis=0) - lat
    eastward = np.gradient(field, axis=1) / (np.abs(np.cos(np.deg2rad(lat))) * METRES_PER_DEGREE * spacing_lon)
    northward = np.gradient(field, axis=0) / (METRES_PER_DEGREE * np.gradient(lat, axis=0))
    return np.roll(eastward, seam, axis=1), np.roll(northward, seam, axis=1)


def curl(eastward: Array, northward: Array, grid: Grid) -> Array:
    """Return the vertical component of the curl of a vector field given at cell centres.

    Circulation of the covariant components around the cell over its area.

    Parameters
    ----------
    eastward, northward : ndarray of shape (n_rows, n_columns)
        True eastward and northward components; NaN on land.
    grid : Grid

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        [units of the components per m]; NaN on land and where a cell has no neighbour along one of the axes.
    """
    eastward, northward = grid.fill_repeated(eastward), grid.fill_repeated(northward)
    column, row = _displacement(eastward, grid, COLUMN), _displacement(eastward, grid, ROW)
    covariant_column = eastward * column[0] + northward * column[1]
    covariant_row = eastward * row[0] + northward * row[1]
    circulation = _difference(covariant_row, grid, COLUMN, along="row") - _difference(
        covariant_column, grid, ROW, along="column"
    )
    # Rows stored from north to south turn the sense of the circulation.
    return np.sign(_cross(column, row)) * circulation / grid.area


def _difference(values: Array, grid: Grid, steps: Steps, *, along: Literal["row", "column"] | None = None) -> Array:
    """Difference per index step: centred, or one-sided where one of the neighbours is missing.

    `along` is the axis of covariant components: beyond a tripolar fold it runs backwards.
    """
    ahead, behind = (grid.neighbour(values, step) for step in steps)
    if along is not None:
        located = [grid.topology.locate(step) for step in steps]
        signs = [found.row_sign if along == "row" else found.column_sign for found in located]
        ahead, behind = ahead * signs[0], behind * signs[1]
    return _mean_of_present(ahead - values, values - behind)


def _displacement(field: Array, grid: Grid, steps: Steps) -> Array:
    """Displacement per index step [m], from the same neighbours as `_difference`, shape (2, n_rows, n_columns)."""
    ocean = np.where(np.isnan(field), np.nan, 0.0)
    forward = grid.displacements[steps[0]] + grid.neighbour(ocean, steps[0])
    backward = -grid.displacements[steps[1]] + grid.neighbour(ocean, steps[1])
    return _mean_of_present(forward, backward)


def _mean_of_present(a: Array, b: Array) -> Array:
    return np.where(np.isnan(a), b, np.where(np.isnan(b), a, 0.5 * (a + b)))


def _cross(a: Array, b: Array) -> Array:
    return a[0] * b[1] - a[1] * b[0]
