"""Large datasets on disk, written part by part: a NetCDF file or a Zarr store with the same content."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray
from thor.core.atomic import replacing, replacing_folder
from thor.core.errors import require_packages
from thor.core.netcdf_encoding import as_cf, encoding_of

StoreFormat = Literal["zarr", "netcdf"]

Put = Callable[[str, tuple[int | slice, ...], AnyArray], None]
"""Writes values of a field at an index, one entry for each leading dim."""

_ELSEWHERE = "choose another place with --output"


@dataclass(frozen=True)
class FieldLayout:
    """How a field is stored.

    Attributes
    ----------
    dims : tuple of str
        Dims of the header.
    whole : tuple of str
        Dims that a chunk covers; it has one entry of each other one. Chunks that are never written take no space.
    dtype : str
        Floats are missing where nothing is written, integers are -1 there.
    attrs : dict
    """

    dims: tuple[str, ...]
    whole: tuple[str, ...]
    dtype: str
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def fill(self) -> float | int:
        """Value where nothing is written."""
        return np.nan if self.dtype.startswith("f") else -1


@contextmanager
def new_store(path: Path, kind: StoreFormat, header: xr.Dataset, fields: Mapping[str, FieldLayout]) -> Iterator[Put]:
    """Give a function that writes parts of the fields; the store takes its place when the block ends well.

    Parameters
    ----------
    path : Path
        A file for NetCDF, a folder for Zarr; what is there is replaced.
    kind : {'zarr', 'netcdf'}
        Zarr has format 2, which all readers of Zarr know, with consolidated metadata.
    header : xarray.Dataset
        Coordinates, attributes and all that is small.
    fields : mapping of str to FieldLayout

    Raises
    ------
    ConfigError
        When zarr is not installed.
    DataError
        When it cannot be written; then what was there is unchanged.
    """
    place, store = (replacing, _netcdf) if kind == "netcdf" else (replacing_folder, _zarr)
    with place(path, elsewhere=_ELSEWHERE) as temporary, store(temporary, header.drop_encoding(), fields) as put:
        yield put


@contextmanager
def _netcdf(path: Path, header: xr.Dataset, fields: Mapping[str, FieldLayout]) -> Iterator[Put]:
    import netCDF4

    header = as_cf(header)
    header.to_netcdf(path, engine="netcdf4", encoding={name: encoding_of(header, name) for name in header.variables})
    with netCDF4.Dataset(path, "a") as file:
        for name, layout in fields.items():
            created = file.createVariable(
                name,
                layout.dtype,
                layout.dims,
                fill_value=layout.fill,
                chunksizes=_chunks(layout, header),
                compression="zlib",
                complevel=1,
                shuffle=True,
            )
            created.setncatts(layout.attrs)
            created.set_auto_maskandscale(False)
            # parts are whole chunks, so that none has to be kept
            created.set_var_chunk_cache(size=1, nelems=1)

        def put(name: str, index: tuple[int | slice, ...], values: AnyArray) -> None:
            file.variables[name][index] = values

        yield put


@contextmanager
def _zarr(path: Path, header: xr.Dataset, fields: Mapping[str, FieldLayout]) -> Iterator[Put]:
    require_packages("zarr", extra="cloud", purpose="A Zarr store", otherwise=", or write NetCDF")
    import zarr

    header.to_zarr(path, mode="w", zarr_format=2, consolidated=False)
    group = zarr.open_group(path, mode="r+", zarr_format=2)
    arrays = {
        name: group.create_array(
            name,
            shape=[header.sizes[dim] for dim in layout.dims],
            chunks=_chunks(layout, header),
            dtype=layout.dtype,
            fill_value=layout.fill,
            attributes=_plain(layout.attrs) | {"_ARRAY_DIMENSIONS": list(layout.dims)},
        )
        for name, layout in fields.items()
    }

    def put(name: str, index: tuple[int | slice, ...], values: AnyArray) -> None:
        arrays[name][index] = values

    yield put
    zarr.consolidate_metadata(path, zarr_format=2)


def _chunks(layout: FieldLayout, header: xr.Dataset) -> tuple[int, ...]:
    return tuple(header.sizes[dim] if dim in layout.whole else 1 for dim in layout.dims)


def _plain(attrs: dict[str, Any]) -> dict[str, Any]:
    kinds = (np.ndarray, np.generic)
    return {key: value.tolist() if isinstance(value, kinds) else value for key, value in attrs.items()}
