"""One regular grid for all climate models: their probabilities and changes from the nearest cell."""

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from thor.core.arrays import AnyArray
from thor.core.variables import variable
from thor.ocean.cells import on_same_grid, valid_cells
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import cell_area, regular_grid
from thor.ocean.sphere import unit_vectors

_FIELDS = (
    *("regime_probability", "change_probability", "change_to_probability", "baseline_share"),
    *("forced_shift", "forced_change"),
)


def common_grid(spacing: float) -> xr.Dataset:
    """Return a global regular grid with `areacello` [m2]; GridError unless the spacing [degrees] divides 180."""
    grid = regular_grid(spacing)
    grid["areacello"] = ("lat", "lon"), cell_area(grid), variable("areacello").attrs
    return grid


def to_common_grid(run: xr.Dataset, grid: xr.Dataset) -> xr.Dataset:
    """Return the probabilities and changes of one window of a run on another grid, from the nearest cell.

    Parameters
    ----------
    run : xarray.Dataset, grid dims (lat, lon) or (y, x)
        `regime_probability`, `change_probability`, `change_to_probability`, `baseline_regime`, `forced_shift`,
        `forced_change`, `valid`, `areacello` [m2], without `window`.
    grid : xarray.Dataset
        1-D coordinates `lat` and `lon`.

    Returns
    -------
    xarray.Dataset, dims (..., lat, lon)
        With `baseline_share`, 1 for the regime of the baseline and 0 for others, instead of its number. NaN where the
        nearest cell has no value, is farther than a diagonal of the run's grid, or was not tested.

    Notes
    -----
    The nearest cell is searched among all with a position, including land, so that coasts keep their place. Where land
    has no position, the distance excludes it.
    """
    lat, lon, valid = valid_cells(run)
    centres = unit_vectors(lat, lon)
    known = np.isfinite(centres).all(axis=0)
    points = unit_vectors(*np.meshgrid(grid["lat"].values, grid["lon"].values, indexing="ij"))
    away, nearest = cKDTree(centres[:, known].T).query(np.moveaxis(points, 0, -1))
    area = on_same_grid(run["valid"], run, "areacello")
    # Cells are not squares and are narrow near a pole: the median cell bounds the distance from below.
    reach = np.sqrt(np.maximum(area, np.median(area[valid]))[known]) / EARTH_RADIUS
    inside = away <= reach[nearest]
    before = run["baseline_regime"].reset_coords(drop=True)
    share = (before == xr.DataArray(np.arange(run.sizes["regime"]), dims="regime")).where(before >= 0)
    run, out = run.assign(baseline_share=share), {}
    for name in _FIELDS:
        field = run[name].transpose(..., *run["valid"].dims)
        values = field.values[..., known][..., nearest].astype(np.float64)
        known_change = values >= 0 if name.startswith("forced") else True
        out[name] = (*field.dims[:-2], "lat", "lon"), np.where(inside & known_change, values, np.nan)
    return xr.Dataset(out, coords={name: grid[name] for name in ("lat", "lon")})


def regime_shares(probability: xr.DataArray, grid: xr.Dataset) -> AnyArray:
    """Return the share of each regime in the area with probabilities, shape (n_predictors, n_regimes).

    Parameters
    ----------
    probability : xarray.DataArray, dims (predictor, regime) and those of the grid
    grid : xarray.Dataset
        `areacello` [m2].
    """
    dims = grid["areacello"].dims
    values = probability.transpose("predictor", "regime", *dims).values
    inside = np.isfinite(values).all(axis=(0, 1))
    area = grid["areacello"].values[inside]
    return (values[..., inside] @ area) / area.sum()
