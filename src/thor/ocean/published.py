"""The geometry of the published study, kept to reproduce its numbers; use `operators` otherwise.

The longitude spacing is taken from latitude differences, so that the northernmost row is off by a factor of 359;
nothing is periodic; differences next to land are missing. Recipe: notebooks of Sonnewald & Lguensat (2021),
doi:10.1029/2021MS002496.
"""

import numpy as np

from thor.core.arrays import Array
from thor.core.errors import GridError
from thor.ocean.grid import Grid

METRES_PER_DEGREE = 111_177.4765625


def published_gradient(field: Array, grid: Grid) -> tuple[Array, Array]:
    """Return the eastward and northward gradient as published, for a regular global grid.

    Parameters
    ----------
    field : ndarray of shape (n_rows, n_columns)
    grid : Grid
        Regular; longitudes ascending in [0, 360).

    Returns
    -------
    eastward, northward : ndarray of shape (n_rows, n_columns)
        [field units per m]; NaN where any neighbour is missing.
    """
    if np.ptp(grid.lat, axis=1).max() > 0 or not grid.periodic:
        raise GridError("The published metric needs a global regular grid; set data_engineering.metric: spherical.")
    # The published arrays start at the date line, where their differences are one-sided.
    seam = int(np.searchsorted(grid.lon[0], 180))
    field, lat = np.roll(field, -seam, axis=1), grid.lat
    spacing_lon = np.roll(lat, -1, axis=0) - lat
    eastward = np.gradient(field, axis=1) / (np.abs(np.cos(np.deg2rad(lat))) * METRES_PER_DEGREE * spacing_lon)
    northward = np.gradient(field, axis=0) / (METRES_PER_DEGREE * np.gradient(lat, axis=0))
    return np.roll(eastward, seam, axis=1), np.roll(northward, seam, axis=1)
