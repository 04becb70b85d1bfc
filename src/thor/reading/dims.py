"""Dims of a series in its files: time, levels where the variable has them, and a grid; any others have to be single."""

from collections.abc import Sequence
from pathlib import Path

import netCDF4
import xarray as xr

from thor.core.errors import DataError
from thor.core.variables import variable
from thor.reading.time_axis import time_variable


def single_dims(file: netCDF4.Dataset, variable_id: str, path: Path) -> tuple[str, ...]:
    """Return the dims of one entry that a surface field has before its grid, beside time: a level, a member.

    Raises
    ------
    DataError
        When the others are not time, levels of a variable with levels, and a grid, in this order.
    """
    dims = file.variables[variable_id].dimensions
    source = variable(variable_id).published
    with_levels = source is not None and source.levels
    n_dims = 4 if with_levels else 3
    beside = [dim for dim in dims[:-2] if not _is_time(file, dim)]
    single = () if with_levels else tuple(dim for dim in beside if len(file.dimensions[dim]) == 1)
    kept = [dim for dim in dims if dim not in single]
    if len(kept) == n_dims and _is_time(file, kept[0]):
        return single
    remedy = "Put time first, in a dim of that name: ncpdq -a T in.nc out.nc, ncrename -d T,time out.nc."
    if len(kept) < n_dims:
        remedy = "If the grid is unstructured, get it on lat and lon; do not sum levels; make time a dim."
    elif len(kept) > n_dims:
        remedy = "Take out any other dim: ncwa -a DIM in.nc out.nc."
    raise DataError(
        f"{path}: '{variable_id}' has dims ({', '.join(dims)}); expected time{', levels' if with_levels else ''} and a "
        f"grid. {remedy}"
    )


def without_dims(field: xr.DataArray, dims: Sequence[str]) -> xr.DataArray:
    """Return a field without these dims of one entry, and the sizes of its chunks in the file without theirs."""
    out = field.squeeze(dims)
    if sizes := field.encoding.get("chunksizes"):
        out.encoding["chunksizes"] = tuple(n for dim, n in zip(field.dims, sizes, strict=True) if dim not in dims)
    return out


def _is_time(file: netCDF4.Dataset, dim: str) -> bool:
    return "time" in dim.lower() or time_variable(file, dim) is not None
