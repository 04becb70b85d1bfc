"""Fields of a tracked run on a regular grid: from the nearest cell, or by area overlap.

Overlap conserves the sum of area times value.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from thor.core.arrays import AnyArray, Array
from thor.core.variables import variable
from thor.ocean.cells import on_same_grid, valid_cells, valid_mask
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import cell_area, regular_grid
from thor.ocean.overlap import overlap_areas
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


AREA_MEANS = (
    *("regime_probability", "predictive_entropy", "expected_entropy", "mutual_information", "dissimilarity_index"),
    *("change_probability", "change_to_probability"),
)
"""Fields of which the mean over the ocean in a cell is exported."""

AREA_SHARES = {flag: f"{flag}_share" for flag in ("applicable", "forced_shift", "forced_change")}
"""Flags, -1 where not tested, and the names of the share of the tested area in which they are 1."""


@dataclass(frozen=True, eq=False)
class AreaWeights:
    """How the valid cells of a run are spread over a regular grid.

    Attributes
    ----------
    cells : ndarray of int, shape (n_cells,)
        Valid cells by flat index.
    areas : csr_array of shape (n_regular, n_cells)
        Shared areas [m2]; those of a cell add up to its `areacello`.
    ocean_area : ndarray of shape (n_regular,)
        Their sums [m2].
    ocean_share : ndarray of shape (n_regular,)
        Share of the regular cell that the valid cells cover, from their corners.
    """

    cells: NDArray[np.int64]
    areas: csr_array
    ocean_area: Array
    ocean_share: Array

    @classmethod
    def of(cls, run: xr.Dataset, grid: xr.Dataset) -> "AreaWeights":
        """Return the weights of a tracked run for a regular grid with bounds.

        Raises
        ------
        DataError
            When no cell is valid, or areas are missing.
        GridError
            When coordinates give no geometry.

        Notes
        -----
        Areas that models publish differ from those between the corners: by up to 0.2 % in tripolar grids next to the
        poles, and by the square of the radius of the model's Earth. The former are conserved, the latter give the
        share.
        """
        valid = valid_mask(run)
        native = on_same_grid(run["valid"], run, "areacello")[valid]
        between_corners = overlap_areas(run, valid, grid)
        areas = csr_array(between_corners.multiply(native / between_corners.sum(axis=0)))
        share = between_corners.sum(axis=1) / cell_area(grid).ravel()
        return cls(np.flatnonzero(valid), areas, areas.sum(axis=1), np.minimum(share, 1.0))

    def means(self, values: AnyArray) -> Array:
        """Return means over area, shape (..., n_regular), NaN without any area, of values of shape (..., n_cells).

        NaN has no weight.
        """
        table = values.reshape(-1, values.shape[-1]).astype(np.float64).T
        known = np.isfinite(table)
        area = self.ocean_area[:, None] if known.all() else self.areas @ known.astype(np.float64)
        total = self.areas @ np.where(known, table, 0.0)
        mean = np.divide(total, area, out=np.full(total.shape, np.nan), where=area > 0)
        return mean.T.reshape(*values.shape[:-1], -1)


def regridded_window(run: xr.Dataset, weights: AreaWeights) -> dict[str, AnyArray]:
    """Return the fields of one window of a run on a regular grid.

    Parameters
    ----------
    run : xarray.Dataset
        As from `thor.tracking.track.track_run`, without `window`.
    weights : AreaWeights

    Returns
    -------
    dict of str to ndarray
        Of dims (predictor, regime, cell) where they depend on them: `AREA_MEANS`, the shares of `AREA_SHARES`, and
        `most_probable_regime`, which follows from the means of the probabilities: numbers of regimes are not averaged.
        -1 where there is none.
    """
    dims = run["valid"].dims

    def values_of(name: str) -> AnyArray:
        ordered = run[name].transpose("predictor", "regime", *dims, missing_dims="ignore").values
        return ordered.reshape(*ordered.shape[: -len(dims)], -1)[..., weights.cells]

    out: dict[str, AnyArray] = {name: weights.means(values_of(name)).astype(np.float32) for name in AREA_MEANS}
    for name, share in AREA_SHARES.items():
        flag = values_of(name)
        out[share] = weights.means(np.where(flag >= 0, flag, np.nan)).astype(np.float32)
    probability = out["regime_probability"]
    known = np.isfinite(probability).all(axis=1)
    most_probable = np.where(known, np.nan_to_num(probability).argmax(axis=1), -1)
    return out | {"most_probable_regime": most_probable.astype(np.int8)}
