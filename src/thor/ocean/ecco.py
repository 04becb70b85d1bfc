"""The ECCO v4 training ocean: the arrays of the published study and an ECCO sea level as one raw dataset.

The released arrays are stored (longitude, latitude) on the regular half-degree grid, from 179.75W and 89.75S.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import ConfigError, DataError, counted, listed
from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.grid import cell_area, with_bounds

LAT = np.arange(-89.75, 90, 0.5)
LON = np.arange(-179.75, 180, 0.5)

SURFACE_NAMES = {
    "SSH": "zos",
    "oceTAUE": "tauuo",
    "oceTAUN": "tauvo",
    "taue": "tauuo",
    "taun": "tauvo",
    "Ue": "transport_eastward",
    "Vn": "transport_northward",
}
"""Names in ECCO files on the half-degree grid: monthly means of v4r4 from PO.DAAC, and the time mean of v4r2."""

BUDGET_CELLS = 3
"""Side of the block of cells over which transports are averaged: the scale of the released terms. Of 1, 3, 5 and 7 it
brings the curl of the surface stress closest to the released stress curl (`benchmarks/corrected_budget.py`)."""


def ecco_training_ocean(arrays: Mapping[str, Path], surface: xr.Dataset, *, terms: Mapping[str, str]) -> xr.Dataset:
    """Return the raw ECCO training ocean.

    Parameters
    ----------
    arrays : mapping of str to Path
        The released files by stem: the five terms, `noiseMask`, `kCluster6`, `H_wHFacC`.
    surface : xarray.Dataset, dims (lat, lon)
        `zos` [m] and, if known, `tauuo`, `tauvo` [N m-2], `transport_eastward` and `transport_northward` [m2 s-1] on
        the same grid.
    terms : mapping of str to str
        Which released array is which budget term.

    Returns
    -------
    xarray.Dataset, dims (lat, lon)
        `zos`, `deptho`, `areacello`, `sftof`, five budget terms [m s-2], `analysis_mask`, `reference_regime`
        (-1 where there is none), and if they were given the surface stress and the transport, averaged over
        `BUDGET_CELLS` x `BUDGET_CELLS` cells.
    """
    from scipy.io import loadmat  # here, because every start of a run would import it

    if set(terms) != set(BUDGET_TERMS):
        raise ConfigError(f"'terms' must name an array for each of {', '.join(BUDGET_TERMS)}; got {', '.join(terms)}.")
    ocean = with_bounds(LAT, LON)
    for name, stem in terms.items():
        ocean[name] = _field(np.load(arrays[stem]), name)
    ocean["analysis_mask"] = _field((np.load(arrays["noiseMask"]) == 1).astype("int8"), "analysis_mask")
    ocean["reference_regime"] = _field(np.load(arrays["kCluster6"]).astype("int8"), "reference_regime")
    ocean["deptho"] = _field(loadmat(arrays["H_wHFacC"])["val"], "deptho")
    ocean["areacello"] = (("lat", "lon"), cell_area(ocean), variable("areacello").attrs)
    ocean["sftof"] = (100.0 * ocean["deptho"].notnull()).assign_attrs(variable("sftof").attrs)
    ocean.update(surface.data_vars)
    for name in ("transport_eastward", "transport_northward"):
        if name in surface:
            averaged = block_mean(surface[name].values, ocean["areacello"].values, cells=BUDGET_CELLS)
            ocean[name] = surface[name].copy(data=averaged)
    ocean.attrs = {
        "title": "ECCO v4r3 barotropic vorticity budget, 1992-2011 mean, with an ECCO sea level",
        "references": "doi:10.1029/2018EA000519, doi:10.1029/2021MS002496",
        "budget_scale": "smoothed over about 3 cells (1.5 degrees) before its release, as transports are here; sea "
        "level and stress are not",
    }
    return ocean


def surface_from_files(paths: list[Path]) -> xr.Dataset:
    """Return the time mean of `zos` (and stress, if there) from ECCO files on the half-degree grid.

    Monthly files are averaged with the length of each month, one file in memory at a time. Variables may be in files of
    their own.

    Raises
    ------
    DataError
        When a file is not on the half-degree grid or holds none of the known variables, a month is there twice, or
        variables are there for different months.
    """
    total: dict[str, Array] = {}
    days: dict[str, dict[str, float]] = {}
    for path in paths:
        with xr.open_dataset(path) as file:
            file = file.rename({k: v for k, v in {"latitude": "lat", "longitude": "lon"}.items() if k in file.dims})
            found = {ours: file[theirs] for theirs, ours in SURFACE_NAMES.items() if theirs in file}
            if not found:
                raise DataError(
                    f"{path} holds {', '.join(map(str, file.data_vars))}; expected {', '.join(SURFACE_NAMES)}."
                )
            if not (np.array_equal(file["lat"], LAT) and np.array_equal(file["lon"], LON)):
                raise DataError(f"{path} is not on ECCO's half-degree grid (360 x 720 from 89.75S, 179.75W).")
            for name, field in found.items():
                known = days.setdefault(name, {})
                if "time" not in field.dims:
                    # such as a mean over all months: each file counts the same
                    field = field.expand_dims(time=[f"mean {len(known) + 1}"])
                    months, lengths = field["time"].values, xr.ones_like(field["time"], dtype=float)
                else:
                    months, lengths = field["time"].dt.strftime("%Y-%m").values, field["time"].dt.days_in_month
                for month, length in zip(months.tolist(), lengths.values.tolist(), strict=True):
                    if month in known:
                        raise DataError(f"{path} holds '{name}' of {month}, which is there already; keep one of them.")
                    known[month] = length
                weighted = (field * lengths).sum("time", skipna=False)
                total[name] = total.get(name, 0.0) + weighted.transpose("lat", "lon").values.astype(float)
    _require_same_months(days, paths[0].parent)
    surface = with_bounds(LAT, LON)
    for name, values in total.items():
        surface[name] = (("lat", "lon"), values / sum(days[name].values()), variable(name).attrs)
    return surface


def block_mean(field: Array, area: Array, *, cells: int) -> Array:
    """Return the area-weighted mean over the known ones of cells x cells cells around each cell, across the date line.

    Parameters
    ----------
    field, area : ndarray of shape (n_rows, n_columns)
        On all longitudes; NaN on land.
    cells : int
        Odd.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        NaN where no cell of the block is known.
    """
    from scipy.ndimage import uniform_filter  # here, because every start of a run would import it

    known = np.isfinite(field)
    total, weight = (
        uniform_filter(np.where(known, values, 0.0), cells, mode=("nearest", "wrap")) for values in (field * area, area)
    )
    # A running sum leaves a remainder where there is nothing.
    filled = uniform_filter(known.astype(float), cells, mode=("nearest", "wrap")) > 0.5 / cells**2
    return np.where(filled, total / np.where(filled, weight, 1.0), np.nan)


def sea_level_from_feature_table(table: Path, missing: Path) -> xr.Dataset:
    """Return `zos` from the authors' feature table (rows: the cells that `missing` leaves, in C order).

    Raises
    ------
    DataError
        When the number of rows is not the number of cells left.
    """
    rows, present = np.load(table), ~np.load(missing)
    if rows.ndim != 2 or len(rows) != present.sum():
        raise DataError(f"{table} has shape {rows.shape}; expected {int(present.sum())} rows, one for each valid cell.")
    values = np.full(present.shape, np.nan)
    values[present] = rows[:, 1]
    surface = with_bounds(LAT, LON)
    surface["zos"] = (("lat", "lon"), values, variable("zos").attrs)
    return surface


def _require_same_months(days: Mapping[str, Mapping[str, float]], folder: Path) -> None:
    (first, of_first), *others = days.items()
    for name, of_other in others:
        if alone := sorted(of_first.keys() ^ of_other.keys()):
            raise DataError(
                f"{folder} holds '{first}' of {counted(len(of_first), 'month')}, '{name}' of {len(of_other)}; expected "
                f"the same months. Only one of them has {listed(alone)}: get what is missing, or take the others out."
            )


def _field(stored: np.ndarray, name: str) -> tuple[tuple[str, str], np.ndarray, dict[str, str]]:
    if stored.shape != (LON.size, LAT.size):
        raise DataError(f"The released array for '{name}' has shape {stored.shape}; expected {(LON.size, LAT.size)}.")
    return ("lat", "lon"), np.ascontiguousarray(stored.T), variable(name).attrs
