"""How datasets are encoded in NetCDF files, so that programs other than xarray read them too, such as CDO and NCO."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from thor.core.variables import table

CF = {"Conventions": "CF-1.11"}
"""Global attribute of files; what is read from them has it no more."""

_MOST = np.iinfo(np.int32).max
_STAGGERED = {f"{axis}_{point}" for axis in ("lat", "lon") for point in "uv"}


def as_cf(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset with types and references that all versions of the Climate and Forecast (CF) conventions allow.

    Whole numbers of 64 bits, also in attributes, have 32 bits where they fit; `bounds` names only what is there. Beside
    positions of staggered stress, each field names those of its own points as coordinates: a program would take any.
    Coordinates and attributes are in alphabetical order, and nothing else is encoded: their order depends on how a
    dataset came about (in memory, read from a file, merged) and would show in the bytes of a file.
    """
    # A field named as a dimension, like `regime`, counts as a coordinate in xarray but cannot be given as one.
    coords = sorted((n for n in data.coords if n not in data.dims or data[n].dims == (n,)), key=str)
    fields = [name for name in data.variables if name not in coords]

    def plain(name: Hashable) -> xr.Variable:
        array = data.variables[name]
        if array.dtype == np.int64 and (not array.size or bool(abs(array).max() <= _MOST)):
            array = array.astype(np.int32)
        attrs = _narrow_and_sorted(array.attrs)
        if attrs.get("bounds") not in data.variables:
            attrs.pop("bounds", None)
        return xr.Variable(array.dims, array.data, attrs, _coordinates(data, name) if name in fields else {})

    return xr.Dataset(
        {name: plain(name) for name in fields},
        coords={name: plain(name) for name in coords},
        attrs=_narrow_and_sorted(CF | data.attrs),
    )


def encoding_of(data: xr.Dataset, name: Hashable) -> dict[str, Any]:
    """Return the encoding of a variable of a dataset for `xarray.Dataset.to_netcdf`.

    Names along dims are stored as characters, which CDO, Fortran and older readers know, unlike strings. Only fields of
    floats have a fill value.
    """
    kind, is_field = data.variables[name].dtype.kind, name in data.data_vars
    encoding: dict[str, Any] = {} if is_field and kind == "f" else {"_FillValue": None}
    return encoding | ({"dtype": "S1"} if not is_field and kind in "OU" else {})


def _coordinates(data: xr.Dataset, name: Hashable) -> dict[str, str]:
    """Return as encoding the coordinates of a field beside positions of staggered stress; xarray would name all."""
    if not set(data.coords) >= _STAGGERED or not _spans(data["lat"], data[name]):
        return {}
    row = table().get(str(name))
    point = row.published.point if row and row.published else "T"
    own = {"lat", "lon"} if point == "T" else {f"lat_{point}", f"lon_{point}"}
    others = {"lat", "lon", *_STAGGERED, *data.dims} - own
    along = (str(each) for each, coord in data.coords.items() if each not in others and _spans(coord, data[name]))
    return {"coordinates": " ".join(sorted(along))}


def _spans(coord: xr.DataArray, field: xr.DataArray) -> bool:
    return set(coord.dims) <= set(field.dims)


def _narrow_and_sorted(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: _narrow(attrs[key]) for key in sorted(attrs, key=str)}


def _narrow(value: Any) -> Any:
    numbers = np.asarray(value)
    if numbers.dtype != np.int64 or not numbers.size or np.abs(numbers).max() > _MOST:
        return value
    return numbers.astype(np.int32)[()]
