"""Where the cells of a variable lie: latitudes and longitudes under common names, one function per known defect."""

from collections.abc import Hashable
from functools import reduce
from pathlib import Path

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import GridError
from thor.core.warn import warn_once
from thor.reading.angles import LARGEST_ANGLES, unit_factors
from thor.reading.files import naming, read_file

_NAMES = {
    "lat": ("lat", "latitude", "nav_lat", "TLAT", "ULAT", "geolat", "geolat_u", "geolat_v"),
    "lon": ("lon", "longitude", "nav_lon", "TLONG", "ULONG", "geolon", "geolon_u", "geolon_v"),
}
_STANDARD_NAMES = {"lat": "latitude", "lon": "longitude"}


def read_positions(path: Path, variable_id: str, *, where: str) -> xr.Dataset:
    """Return where the cells of a variable lie: the coordinates lat and lon, and their bounds if there are any.

    Parameters
    ----------
    path : Path
        A file of a climate model.
    variable_id : str
        The variable on these cells.
    where : str
        Name of the model in warnings, each of which comes once.

    Returns
    -------
    xarray.Dataset
        Coordinates `lat`, `lon`, 1-D with dims (lat) and (lon) or 2-D with dims (y, x), longitudes in [0, 360), NaN
        where the file gives no position; `lat_bnds` and `lon_bnds` with a last dim `bnds` or `vertex`.

    Raises
    ------
    GridError
        When no latitude or longitude is found.
    DataError
        When the file cannot be read.
    """
    with naming(path):
        dataset = read_file(path, variable_id, first=True)
        rows, columns = common_dims(dataset, variable_id, where=where)
        place = positions(dataset, variable_id, where=where)
        if dataset[variable_id].dims[-2:] != (rows, columns):
            raise GridError(
                f"'{variable_id}' is stored as {dataset[variable_id].dims[-2:]}; expected latitude before longitude. "
                f"Reorder its dims: ncpdq -a time,{rows},{columns} in.nc out.nc."
            )
        return place


def positions(dataset: xr.Dataset, variable_id: str, *, where: str) -> xr.Dataset:
    """Return the positions of a variable's cells under common names; see `read_positions`."""
    steps = (common_names, fill_to_missing_positions, zero_on_land_to_missing, longitudes_from_zero, add_cf_attributes)
    return reduce(lambda part, step: step(part, where), steps, _coordinates_of(dataset, variable_id, where))


def common_dims(dataset: xr.Dataset, variable_id: str, *, where: str) -> dict[str, str]:
    """Return the common name of each dim of a variable's grid: rows first, lat and lon or y and x.

    Raises
    ------
    GridError
        When no latitude or longitude is found, or they do not span a structured grid.
    """
    return _common_dims(_coordinates_of(dataset, variable_id, where), where)


# -- steps on positions --------------------------------------------------------------------------------------------
def common_names(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Rename dims to (y, x), or to (lat, lon) of 1-D coordinates, and the last dim of bounds to bnds or vertex."""
    names = _common_dims(dataset, where)
    out = {}
    for name, array in dataset.variables.items():
        dims = [names.get(str(dim), str(dim)) for dim in array.dims]
        if str(name).endswith("_bnds"):
            dims[-1] = "bnds" if dataset["lat"].ndim == 1 else "vertex"
        out[name] = (dims, array.values.astype(float))
    return xr.Dataset(coords=out)


def fill_to_missing_positions(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Take latitudes and longitudes that cannot be any as missing: fill values that are not declared."""
    wrong = _impossible(dataset["lat"], dataset["lon"])
    if dataset["lat"].ndim == 1:
        if bool(wrong.any()):
            (south, north), (west, east) = ((float(x.min()), float(x.max())) for x in (dataset["lat"], dataset["lon"]))
            raise GridError(
                f"{where}: latitudes of {south:g} to {north:g} and longitudes of {west:g} to {east:g} hold a fill "
                "value or are swapped; a regular grid needs every row and column."
            )
        return dataset
    if bool(wrong.any()):
        worst = float(np.abs(dataset["lat"]).max())
        warn_once(where, f"{int(wrong.sum())} cells have no position but the undeclared fill value {worst:.4g}")
    if "lat_bnds" in dataset:
        bad = _impossible(dataset["lat_bnds"], dataset["lon_bnds"]).any("vertex")
        dataset = dataset.assign_coords({name: dataset[name].where(~bad) for name in ("lat_bnds", "lon_bnds")})
    return _without_position(dataset, wrong)


def _impossible(lat: xr.DataArray, lon: xr.DataArray) -> xr.DataArray:
    return (abs(lat) > LARGEST_ANGLES["lat"]) | (abs(lon) > LARGEST_ANGLES["lon"])


def zero_on_land_to_missing(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Take latitude and longitude zero as missing where more than one cell has both: left out on land."""
    if dataset["lat"].ndim == 1:
        return dataset
    zero = _both_zero(dataset)
    if int(zero.sum()) < 2:
        return dataset
    warn_once(where, "cells with latitude and longitude zero are taken as land without position")
    return _without_position(dataset, zero)


def _both_zero(dataset: xr.Dataset) -> xr.DataArray:
    return (dataset["lat"] == 0) & (dataset["lon"] == 0)


def longitudes_from_zero(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Express longitudes in [0, 360); rows and columns keep their order."""
    names = [name for name in ("lon", "lon_bnds") if name in dataset.variables]
    if "lon_bnds" not in names or dataset["lon"].ndim == 2:
        return dataset.assign_coords({name: dataset[name] % 360 for name in names})
    turned = dataset["lon"] % 360
    shift = turned - dataset["lon"].values
    return dataset.assign_coords(lon=turned, lon_bnds=dataset["lon_bnds"] + shift.variable)


def add_cf_attributes(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Give latitude and longitude their CF attributes."""
    out = dataset.copy()
    for name, units in (("lat", "degrees_north"), ("lon", "degrees_east")):
        out[name].attrs = {"standard_name": _STANDARD_NAMES[name], "units": units}
        if f"{name}_bnds" in out.coords:
            out[name].attrs["bounds"] = f"{name}_bnds"
    return out


def _common_dims(dataset: xr.Dataset, where: str) -> dict[str, str]:
    lat, lon = dataset["lat"].dims, dataset["lon"].dims
    if len(lat) == len(lon) == 1 and lat != lon:
        return {str(lat[0]): "lat", str(lon[0]): "lon"}
    if len(lat) == 2 and lat == lon:
        return dict(zip(map(str, lat), ("y", "x"), strict=True))
    if len(lat) == 1 and lat == lon:
        raise GridError(
            f"{where}: latitude and longitude share the dim '{lat[0]}': an unstructured grid, which THOR does not "
            "read. Get the model's output on a latitude-longitude grid, and name its label in grid_labels."
        )
    raise GridError(f"{where}: latitude has dims {lat}, longitude {lon}; expected 1-D ones or one pair of dims.")


# -- finding -------------------------------------------------------------------------------------------------------
def meshed(place: xr.Dataset) -> tuple[Array, Array]:
    """Return latitudes and longitudes of all cells, each of shape (n_rows, n_columns)."""
    if place["lat"].ndim == 2:
        return place["lat"].values, place["lon"].values
    lat, lon = np.meshgrid(place["lat"].values, place["lon"].values, indexing="ij")
    return lat, lon


def same_positions(first: xr.Dataset, second: xr.Dataset, *, degrees: float = 1e-3) -> bool:
    """Return whether two sets of positions are the same to within so many degrees, wherever both have one."""
    (lat, lon), (other_lat, other_lon) = meshed(first), meshed(second)
    if lat.shape != other_lat.shape:
        return False
    # meridians meet at the poles, where a longitude has no meaning
    turn = ((lon - other_lon + 180) % 360 - 180) * np.cos(np.deg2rad(lat))
    return not ((np.abs(lat - other_lat) > degrees) | (np.abs(turn) > degrees)).any()


def some_positions(dataset: xr.Dataset, variable_id: str, *, where: str) -> xr.Dataset:
    """Return the positions of some hundred cells all over an open file: enough to compare the files of a series."""
    every = {dim: slice(None, None, max(1, dataset.sizes[dim] // 16)) for dim in dataset[variable_id].dims[-2:]}
    cells = _coordinates_of(dataset.isel(every), variable_id, where)[["lat", "lon"]]
    if cells["lat"].ndim == 1:
        return cells
    # land may be without position in some files only
    return _without_position(cells, _impossible(cells["lat"], cells["lon"]) | _both_zero(cells))


def _coordinates_of(dataset: xr.Dataset, variable_id: str, where: str) -> xr.Dataset:
    grid = dataset[variable_id].dims[-2:]
    out, units = {}, {}
    for short in ("lat", "lon"):
        found = _find(dataset, variable_id, short)
        if short == "lat" and found and _latitude_along(grid[-1], dataset[found]):
            grid = grid[::-1]
        if found is None:
            there = ", ".join(map(str, dataset.variables))
            raise GridError(
                f"{where}: no {_STANDARD_NAMES[short]} of '{variable_id}' among {there}. "
                "Give the coordinate its standard_name, or append it from a file on these cells: ncks -A -v NAME."
            )
        array = dataset[found].transpose(*(dim for dim in grid if dim in dataset[found].dims))
        units[short] = str(array.attrs.get("units", ""))
        out[short] = array.variable
        for candidate in (
            array.attrs.get("bounds", array.encoding.get("bounds")),
            f"{found}_bnds",
            f"bounds_{found}",
            f"{found}_bounds",
            f"vertices_{_STANDARD_NAMES[short]}",
        ):
            if candidate not in dataset.variables or not set(array.dims) <= set(dataset[candidate].dims):
                continue
            bounds = dataset[candidate].transpose(*array.dims, ...)
            expected = *array.shape, {1: 2, 2: 4}.get(array.ndim)
            if bounds.shape == expected:
                out[f"{short}_bnds"] = bounds.variable
            else:
                warn_once(where, f"bounds '{candidate}' have shape {bounds.shape}, expected {expected}; not used")
            break
    if ("lat_bnds" in out) != ("lon_bnds" in out):
        out = {name: array for name, array in out.items() if not name.endswith("_bnds")}
    factors = unit_factors({name: out[name].values for name in units}, units, where=where)
    return xr.Dataset({name: (array.dims, factors[name[:3]] * array.values) for name, array in out.items()})


def _find(dataset: xr.Dataset, variable_id: str, short: str) -> str | None:
    """Return the coordinate of latitude or longitude on the grid of a variable.

    Those that the variable names as its coordinates come first, then known names, then standard names; 2-D ones before
    the nominal axes that some models add.
    """
    grid = dataset[variable_id].dims[-2:]
    field = dataset[variable_id]
    named = str(field.attrs.get("coordinates", field.encoding.get("coordinates", ""))).split()
    candidates = []
    for name in map(str, dataset.variables):
        array = dataset[name]
        if array.dims not in (grid, grid[::-1], grid[:1], grid[1:]) or not np.issubdtype(array.dtype, np.number):
            continue
        standard = array.attrs.get("standard_name") == _STANDARD_NAMES[short]
        if not standard and name not in _NAMES[short]:
            continue
        rank = _NAMES[short].index(name) if name in _NAMES[short] else len(_NAMES[short])
        candidates.append((-array.ndim, name not in named, rank, not standard, name))
    return min(candidates)[-1] if candidates else None


def _latitude_along(columns: Hashable, lat: xr.DataArray) -> bool:
    """Return whether 2-D latitudes change from column to column instead of from row to row: the dims are swapped."""
    if lat.ndim != 2:
        return False
    angles = lat.transpose(..., columns).where(abs(lat) <= LARGEST_ANGLES["lat"]).values
    along_rows, along_columns = (np.abs(np.diff(angles, axis=axis)) for axis in (0, 1))
    known = np.isfinite(along_rows).any() and np.isfinite(along_columns).any()
    return bool(known and np.nanmedian(along_columns) > 2 * np.nanmedian(along_rows))


def _without_position(dataset: xr.Dataset, cells: xr.DataArray) -> xr.Dataset:
    return dataset.assign_coords({name: dataset[name].where(~cells) for name in dataset.variables})
