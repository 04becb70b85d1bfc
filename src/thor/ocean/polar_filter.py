"""Means along the rows of regular grids where meridians converge.

Fields that were interpolated to a regular grid have no detail at the distance between meridians near the poles: their
differences along a row would measure the interpolation.
"""

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.variables import STRESS
from thor.ocean.grid import Grid

_FILTERED = ("zos", "deptho", *STRESS, "transport_eastward", "transport_northward")


def polar_filtered(ocean: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Return the ocean with sea level, depth, stress and transports after `polar_filter`, noted in its attributes.

    On grids that are not regular it is returned as it is.
    """
    if not _is_regular(grid):
        return ocean
    given = (ocean[name].transpose(..., *grid.dims) for name in _FILTERED if name in ocean)
    fields = {str(field.name): field.copy(data=polar_filter(grid.values(field), grid)) for field in given}
    return ocean.assign(fields).assign_attrs(polar_filter="averaged along polar rows before differences are taken")


def polar_filter(field: Array, grid: Grid) -> Array:
    """Return a field averaged along the rows of a regular grid, over about the distance between rows.

    Parameters
    ----------
    field : ndarray of shape (..., n_rows, n_columns)
        NaN on land.
    grid : Grid

    Returns
    -------
    ndarray of the same shape
        Mean over the ocean among the largest odd number of columns that does not exceed the ratio of the spacings by
        more than one, in rows where that ratio is 2 or more, and NaN on land; the field itself in other rows, and on
        other grids.
    """
    if not _is_regular(grid):
        return field
    from scipy.ndimage import uniform_filter1d  # here, because every start of a run would import it

    spacing_lon = np.median(np.abs(np.mod(np.diff(grid.lon[0]) + 180, 360) - 180))
    ratio = np.abs(np.gradient(grid.lat[:, 0])) / (spacing_lon * np.cos(np.deg2rad(grid.lat[:, 0])))
    out, mode = field.copy(), "wrap" if grid.periodic else "constant"
    for row in np.flatnonzero(ratio >= 2):
        size = min(2 * int(ratio[row] / 2) + 1, grid.shape[1])
        ocean = np.isfinite(field[..., row, :])
        counted = ocean & ~grid.duplicate[row]
        total = uniform_filter1d(np.where(counted, field[..., row, :], 0.0), size, mode=mode)
        share = uniform_filter1d(counted.astype(float), size, mode=mode)
        with np.errstate(invalid="ignore", divide="ignore"):
            out[..., row, :] = np.where(ocean, total / share, np.nan)
    return grid.fill_repeated(out)


def _is_regular(grid: Grid) -> bool:
    return bool((np.ptp(grid.lat, axis=1) == 0).all())
