"""NetCDF files: read with a clear error, written whole, the same content to the same bytes."""

import warnings
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, Literal

import xarray as xr

from thor.core.atomic import replacing, show
from thor.core.errors import DataError, kept_from_reading
from thor.core.netcdf_encoding import CF, as_cf, encoding_of

_SMALL = 2 * 2**30


def read(path: Path, *, chunks: dict[str, int] | str | None = None, header: bool = False) -> xr.Dataset:
    """Return the content of a NetCDF file, in memory and closed unless `chunks` are given.

    With `header` only its coordinates and attributes are read.

    Raises
    ------
    DataError
        When the file is not NetCDF, or truncated.
    """
    try:
        if chunks is not None:
            return _without_conventions(open_netcdf(path, chunks=chunks).drop_encoding())
        with open_netcdf(path, chunks=None) as dataset:
            loaded = (dataset.drop_vars(dataset.data_vars) if header else dataset).load().drop_encoding()
            return _without_conventions(loaded)
    except (OSError, RuntimeError, ValueError) as error:
        if reason := kept_from_reading(error):
            raise DataError(f"{show(path)} cannot be read: {reason}") from error
        raise DataError(
            f"{show(path)} ({path.stat().st_size} bytes) cannot be read as NetCDF: {_short(error)}. "
            "It is truncated or of another format; delete it and make or copy it again."
        ) from error


def write(data: xr.Dataset, path: Path, *, durable: bool = True) -> None:
    """Write `data` to a NetCDF file, compressed without loss, atomically; the same content gives the same bytes.

    Dask-backed data are computed before they are written, at once where they are small and variable by variable
    otherwise: dask's threads would lay out its blocks in another order each time. One variable must fit into memory.
    `durable` is that of `thor.core.atomic.replacing`.
    """
    data = as_cf(data)
    with replacing(path, durable=durable) as temporary:
        if not data.chunks or data.nbytes <= _SMALL:
            _write(data.compute(), temporary, new=data.variables)
            return
        first = data[[]]
        _write(first.compute(), temporary, new=first.variables)
        for name in data.data_vars:
            _write(data[[name]].compute(), temporary, new=[name], mode="a")


def _without_conventions(data: xr.Dataset) -> xr.Dataset:
    data.attrs = {name: value for name, value in data.attrs.items() if name not in CF or str(value) != CF[name]}
    return data


def _write(data: xr.Dataset, path: Path, *, new: Iterable[Hashable], mode: Literal["w", "a"] = "w") -> None:
    encoding: dict[Any, dict[str, Any]] = {}
    for name in new:
        variable = data.variables[name]
        encoding[name] = encoding_of(data, name)
        if variable.ndim and variable.dtype.kind in "biuf":
            encoding[name] |= {"zlib": True, "complevel": 1, "shuffle": True}
    data.to_netcdf(path, mode=mode, engine="netcdf4", format="NETCDF4", encoding=encoding)


def is_netcdf(path: Path) -> bool:
    """Return whether a file can be opened as NetCDF."""
    try:
        open_netcdf(path, chunks=None).close()
    except (OSError, RuntimeError, ValueError):
        return False
    return True


def open_netcdf(path: Path, *, chunks: dict[str, int] | str | None) -> xr.Dataset:
    """Return the open file, lazily with dask where `chunks` are given; the caller closes it."""
    with warnings.catch_warnings():
        # Broken files also warn from xarray's guesses at the format; the error is enough.
        warnings.simplefilter("ignore", RuntimeWarning)
        # Chunks are those of the catalog; files of single fields are stored in one piece nevertheless.
        warnings.filterwarnings("ignore", message="The specified chunks separate the stored chunks")
        return xr.open_dataset(path, engine="netcdf4", chunks=chunks, decode_timedelta=False)


def _short(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
