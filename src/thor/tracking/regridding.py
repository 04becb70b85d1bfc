"""Fields of a tracked run on a regular grid: means over the area of the ocean, which conserve area times value."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_array

from thor.core.arrays import AnyArray, Array
from thor.core.fingerprint import fingerprint
from thor.core.variables import variable
from thor.ocean.cells import grid_dims, on_one_grid, on_same_grid, valid_mask
from thor.ocean.grid import cell_area, regular_grid
from thor.ocean.overlap import overlap_areas

_COMPARED = ("regime_probability", "change_probability", "change_to_probability", "forced_shift", "forced_change")
"""Fields that are compared between models."""

LEAST_OCEAN = 0.5
"""Share of a cell that valid cells have to cover for models to be compared in it."""


def common_grid(spacing: float) -> xr.Dataset:
    """Return a global regular grid with `areacello` [m2]; GridError unless the spacing [degrees] divides 180."""
    grid = regular_grid(spacing)
    grid["areacello"] = ("lat", "lon"), cell_area(grid), variable("areacello").attrs
    return grid


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
        (run,) = on_one_grid(run)  # rows before columns
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


class Regridder:
    """Area weights of tracked runs for one regular grid; runs of a model, which share its grid, share their weights.

    Parameters
    ----------
    grid : xarray.Dataset
        With bounds, as from `common_grid`.
    """

    def __init__(self, grid: xr.Dataset) -> None:
        self.grid = grid
        self._last: tuple[str, AreaWeights] | None = None

    def weights(self, run: xr.Dataset) -> AreaWeights:
        """Return the weights of a run; errors as of `AreaWeights.of`."""
        mark = fingerprint(*(run[name].variable for name in ("lat", "lon", "valid", "areacello")))
        if self._last is None or self._last[0] != mark:
            self._last = mark, AreaWeights.of(run, self.grid)
        return self._last[1]


def to_common_grid(run: xr.Dataset, regridder: Regridder) -> xr.Dataset:
    """Return the probabilities and changes of one window of a run on another grid.

    Parameters
    ----------
    run : xarray.Dataset, grid dims (lat, lon) or (y, x)
        `regime_probability`, `change_probability`, `change_to_probability`, `baseline_regime`, `forced_shift`,
        `forced_change`, `valid`, `areacello` [m2], without `window`.
    regridder : Regridder

    Returns
    -------
    xarray.Dataset, dims (..., lat, lon)
        Means over the area of the valid cells, of flags over that which was tested; `baseline_share`, the share of the
        area with each regime in the baseline, stands for its number. NaN where valid cells cover less than
        `LEAST_OCEAN` of a cell.
    """
    weights, grid = regridder.weights(run), regridder.grid
    covered = weights.ocean_share >= LEAST_OCEAN
    before = run["baseline_regime"].reset_coords(drop=True)
    share = (before == xr.DataArray(np.arange(run.sizes["regime"]), dims="regime")).where(before >= 0)
    run, out = run.assign(baseline_share=share), {}
    for name in (*_COMPARED, "baseline_share"):
        means = np.where(covered, weights.means(_of_cells(run, name, weights)), np.nan)
        dims = (*(dim for dim in ("predictor", "regime") if dim in run[name].dims), "lat", "lon")
        out[name] = dims, means.reshape(*means.shape[:-1], grid.sizes["lat"], grid.sizes["lon"])
    return xr.Dataset(out, coords={name: grid[name] for name in ("lat", "lon")})


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
    fields = {name: name for name in AREA_MEANS} | {share: flag for flag, share in AREA_SHARES.items()}
    out: dict[str, AnyArray] = {
        name: weights.means(_of_cells(run, source, weights)).astype(np.float32) for name, source in fields.items()
    }
    probability = out["regime_probability"]
    known = np.isfinite(probability).all(axis=1)
    most_probable = np.where(known, np.nan_to_num(probability).argmax(axis=1), -1)
    return out | {"most_probable_regime": most_probable.astype(np.int8)}


def _of_cells(run: xr.Dataset, name: str, weights: AreaWeights) -> AnyArray:
    """Return a field in the valid cells, shape (..., n_cells) after predictors and regimes; flags NaN if not tested."""
    field = run[name].transpose("predictor", "regime", *grid_dims(run), missing_dims="ignore").values
    values = field.reshape(*field.shape[:-2], -1)[..., weights.cells]
    return np.where(values >= 0, values, np.nan) if name in AREA_SHARES else values
