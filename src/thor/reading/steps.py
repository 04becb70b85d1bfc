"""From what one file of a climate model holds to common names: small steps named after what they mend."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, reduce
from pathlib import Path

import numpy as np
import xarray as xr

from thor.contracts.checks import FILL_THRESHOLD
from thor.errors import DataError, GridError, UnitsError
from thor.reading.series import unreadable
from thor.variables import variable

log = logging.getLogger(__name__)

_NAMES = {
    "lat": ("lat", "latitude", "nav_lat", "TLAT", "ULAT", "geolat", "geolat_u", "geolat_v"),
    "lon": ("lon", "longitude", "nav_lon", "TLONG", "ULONG", "geolon", "geolon_u", "geolon_v"),
}
_STANDARD_NAMES = {"lat": "latitude", "lon": "longitude"}


def read_positions(path: Path, variable_id: str, *, source_id: str) -> xr.Dataset:
    """Return where the cells of a variable lie: the coordinates lat and lon, and their bounds if there are any.

    Parameters
    ----------
    path : Path
        A file of a climate model.
    variable_id : str
        The variable whose cells are asked for.
    source_id : str
        The model, which is warned of once.

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
    dataset = _read(path, variable_id, time=0)
    with _naming(path):
        return positions(dataset, variable_id, where=source_id)


def read_field(path: Path, variable_id: str, *, source_id: str) -> xr.Dataset:
    """Return a field without time, in canonical units and on its positions; errors as in `read_positions`.

    Raises
    ------
    UnitsError
        When units are missing or unknown.
    """
    dataset = _read(path, variable_id)
    steps = (column_maximum, undeclared_fill_to_missing, canonical_units)
    with _naming(path):
        field = reduce(lambda field, step: step(field, source_id), steps, dataset[variable_id])
        out = positions(dataset, variable_id, where=source_id)
    dims = _grid_dims(out)
    return out.assign({variable_id: (dims, field.values.astype(float), variable(variable_id).attrs)})


def positions(dataset: xr.Dataset, variable_id: str, *, where: str) -> xr.Dataset:
    """Return the positions of a variable's cells under common names; see `read_positions`."""
    steps = (common_names, fill_to_missing_positions, zero_on_land_to_missing, longitudes_from_zero, describe)
    return reduce(lambda part, step: step(part, where), steps, _coordinates_of(dataset, variable_id, where))


# -- steps on positions --------------------------------------------------------------------------------------------
def common_names(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Rename dims to (y, x), or to (lat, lon) of 1-D coordinates, and the last dim of bounds to bnds or vertex."""
    if dataset["lat"].ndim == 1:
        if dataset["lon"].ndim != 1:
            raise GridError(
                f"{where}: latitude has 1 dim and longitude {dataset['lon'].ndim}; expected both 1 or both 2."
            )
        names = {dataset["lat"].dims[0]: "lat", dataset["lon"].dims[0]: "lon"}
    else:
        if dataset["lat"].dims != dataset["lon"].dims or dataset["lat"].ndim != 2:
            raise GridError(
                f"{where}: latitude has dims {dataset['lat'].dims}, longitude {dataset['lon'].dims}; expected one pair."
            )
        names = dict(zip(dataset["lat"].dims, ("y", "x"), strict=True))
    out = {}
    for name, array in dataset.variables.items():
        dims = [names.get(dim, dim) for dim in array.dims]
        if str(name).endswith("_bnds"):
            dims[-1] = "bnds" if dataset["lat"].ndim == 1 else "vertex"
        out[name] = (dims, array.values.astype(float))
    return xr.Dataset(coords=out)


def fill_to_missing_positions(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Take latitudes and longitudes that cannot be any as missing: fill values that are not declared."""
    wrong = (abs(dataset["lat"]) > 90.01) | (abs(dataset["lon"]) > 1080)
    if dataset["lat"].ndim == 2 and bool(wrong.any()):
        worst = float(np.abs(dataset["lat"]).max())
        _warn_once(where, f"{int(wrong.sum())} cells have no position but the undeclared fill value {worst:.4g}")
    elif bool(wrong.any()):
        raise GridError(
            f"{where}: latitudes or longitudes hold a fill value; a regular grid needs every row and column."
        )
    if dataset["lat"].ndim == 1:
        return dataset
    if "lat_bnds" in dataset:
        bad = (abs(dataset["lat_bnds"]) > 90.01) | (abs(dataset["lon_bnds"]) > 1080)
        bad = bad.any("vertex")
        dataset = dataset.assign_coords({name: dataset[name].where(~bad) for name in ("lat_bnds", "lon_bnds")})
    return _without_position(dataset, wrong)


def zero_on_land_to_missing(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Take latitude and longitude zero as missing where more than one cell has both: left out on land."""
    if dataset["lat"].ndim == 1:
        return dataset
    zero = (dataset["lat"] == 0) & (dataset["lon"] == 0)
    if int(zero.sum()) < 2:
        return dataset
    _warn_once(where, f"{int(zero.sum())} cells have latitude and longitude zero; taken as land without position")
    return _without_position(dataset, zero)


def longitudes_from_zero(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Express longitudes in [0, 360); rows and columns keep their order."""
    names = [name for name in ("lon", "lon_bnds") if name in dataset.variables]
    if "lon_bnds" not in names or dataset["lon"].ndim == 2:
        return dataset.assign_coords({name: dataset[name] % 360 for name in names})
    turned = dataset["lon"] % 360
    shift = turned - dataset["lon"].values
    return dataset.assign_coords(lon=turned, lon_bnds=dataset["lon_bnds"] + shift.variable)


def describe(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Give latitude and longitude their CF attributes."""
    out = dataset.copy()
    for name, units in (("lat", "degrees_north"), ("lon", "degrees_east")):
        out[name].attrs = {"standard_name": _STANDARD_NAMES[name], "units": units}
        if f"{name}_bnds" in out.coords:
            out[name].attrs["bounds"] = f"{name}_bnds"
    return out


# -- steps on fields -----------------------------------------------------------------------------------------------
def column_maximum(field: xr.DataArray, where: str) -> xr.DataArray:
    """Take the column's maximum where a depth is given for each level."""
    extra = [dim for dim in field.dims[:-2] if field.sizes[dim] > 1]
    if extra:
        _warn_once(where, f"'{field.name}' is given along {', '.join(map(str, extra))}; taken is the column's maximum")
    return field.max(field.dims[:-2], keep_attrs=True) if field.ndim > 2 else field


def undeclared_fill_to_missing(field: xr.DataArray, where: str) -> xr.DataArray:
    """Take values that no measurement reaches as missing."""
    wrong = np.abs(field) > FILL_THRESHOLD
    if not bool(wrong.any()):
        return field
    _warn_once(where, f"{int(wrong.sum())} cells of '{field.name}' hold an undeclared fill value; taken as missing")
    return field.where(~wrong)


def canonical_units(field: xr.DataArray, where: str) -> xr.DataArray:
    """Convert to the units of the table of variables."""
    row, units = variable(str(field.name)), field.attrs.get("units")
    if units == row.units:
        return field
    if units not in row.accept:
        valid = ", ".join(repr(unit) for unit in (row.units, *row.accept))
        raise UnitsError(
            f"{where}: '{field.name}' has {f'units {units!r}' if units else 'no units'}; expected one of {valid}. "
            "Mend the file's attribute, or declare the conversion in thor/variables.yml."
        )
    return (field * row.accept[units]).assign_attrs(field.attrs | {"units": row.units})


# -- finding -------------------------------------------------------------------------------------------------------
def same_positions(first: xr.Dataset, second: xr.Dataset, *, degrees: float = 1e-3) -> bool:
    """Say whether two sets of positions are the same to within so many degrees, wherever both have one."""
    if first["lat"].shape != second["lat"].shape or first["lon"].shape != second["lon"].shape:
        return False
    turn = (first["lon"].values - second["lon"].values + 180) % 360 - 180
    # meridians meet at the poles, where a longitude says nothing
    shrink = np.cos(np.deg2rad(first["lat"].values)) if first["lat"].ndim == 2 else 1.0
    apart = [np.abs(first["lat"].values - second["lat"].values), np.abs(turn * shrink)]
    return all(not (gap > degrees).any() for gap in apart)


def _coordinates_of(dataset: xr.Dataset, variable_id: str, where: str) -> xr.Dataset:
    grid = dataset[variable_id].dims[-2:]
    out = {}
    for short in ("lat", "lon"):
        found = _find(dataset, short, grid)
        if found is None:
            there = ", ".join(map(str, dataset.variables))
            raise GridError(
                f"{where}: no {_STANDARD_NAMES[short]} of '{variable_id}' among {there}. "
                "Give the coordinate its standard_name."
            )
        out[short] = dataset[found].variable
        bounds = out[short].attrs.get("bounds", out[short].encoding.get("bounds"))
        for candidate in (
            bounds,
            f"{found}_bnds",
            f"bounds_{found}",
            f"{found}_bounds",
            f"vertices_{_STANDARD_NAMES[short]}",
        ):
            if candidate in dataset.variables and dataset[candidate].dims[:-1] == out[short].dims:
                out[f"{short}_bnds"] = dataset[candidate].variable
                break
    if ("lat_bnds" in out) != ("lon_bnds" in out):
        out = {name: array for name, array in out.items() if not name.endswith("_bnds")}
    return xr.Dataset({name: (array.dims, array.values) for name, array in out.items()})


def _find(dataset: xr.Dataset, short: str, grid: tuple) -> str | None:
    """Return the coordinate of latitude or longitude with dims of the grid: by name, or by standard name."""
    fitting = [str(name) for name in dataset.variables if dataset[name].dims in (grid, grid[:1], grid[1:])]
    fitting = [name for name in fitting if not np.issubdtype(dataset[name].dtype, np.datetime64)]
    by_standard_name = [n for n in fitting if dataset[n].attrs.get("standard_name") == _STANDARD_NAMES[short]]
    by_name = [name for name in _NAMES[short] if name in fitting]
    # 2-D ones tell more than the nominal axes some models add
    candidates = sorted(
        {*by_standard_name, *by_name}, key=lambda name: (-dataset[name].ndim, name not in by_standard_name)
    )
    return candidates[0] if candidates else None


@cache
def _warn_once(where: str, what: str) -> None:
    log.warning("%s: %s", where, what)


def _without_position(dataset: xr.Dataset, cells: xr.DataArray) -> xr.Dataset:
    return dataset.assign_coords({name: dataset[name].where(~cells) for name in dataset.variables})


def _grid_dims(dataset: xr.Dataset) -> tuple[str, str]:
    return ("lat", "lon") if dataset["lat"].ndim == 1 else ("y", "x")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name before the errors of the steps."""
    try:
        yield
    except DataError as error:
        raise type(error)(f"{path}: {error}") from error


def _read(path: Path, variable_id: str, **index: int) -> xr.Dataset:
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_times=False) as dataset:
            if variable_id not in dataset:
                raise GridError(
                    f"{path} has no variable '{variable_id}'; it has {', '.join(map(str, dataset.data_vars))}."
                )
            return dataset.isel({dim: k for dim, k in index.items() if dim in dataset.dims}).load()
    except (OSError, RuntimeError, ValueError) as error:
        raise unreadable(path, error) from error
