"""From a raw training ocean to harmonised fields: small Dataset-to-Dataset steps, each named after what it mends."""

from functools import reduce

import numpy as np
import xarray as xr

from thor.errors import DataError, GridError, UnitsError
from thor.ocean.budget import has_all_terms
from thor.ocean.grid import cell_area
from thor.variables import is_known, table, variable


def harmonise(raw: xr.Dataset) -> xr.Dataset:
    """Return the training ocean with canonical units, longitudes in [0, 360), rows from south to north and one mask.

    Parameters
    ----------
    raw : xarray.Dataset, dims (lat, lon)
        `zos`, `deptho`, the five budget terms and, if there is one, `tauuo`, `tauvo`, `areacello`, `sftof`,
        `analysis_mask`, `reference_regime`, in any unit the table of variables accepts.

    Returns
    -------
    xarray.Dataset
        The same variables, land as NaN, with `areacello` [m2], `sftof` [%] and `analysis_mask` added where missing. The
        area-weighted mean of `zos` over the ocean is removed and kept in the attribute `removed_mean` of `zos`.

    Raises
    ------
    UnitsError, GridError, DataError
        When units are missing or unknown, coordinates unusable, or a field is upside down.
    """
    steps = (
        drop_unknown_variables,
        require_sane_coordinates,
        convert_units,
        require_positive_depth,
        longitudes_from_zero,
        rows_south_to_north,
        add_cell_geometry,
        mask_land,
        remove_mean_sea_level,
        add_analysis_mask,
        describe,
    )
    return reduce(lambda dataset, step: step(dataset), steps, raw)


def drop_unknown_variables(dataset: xr.Dataset) -> xr.Dataset:
    """Keep what the table of variables knows, and the bounds."""
    dataset = dataset.set_coords([name for name in ("lat_bnds", "lon_bnds") if name in dataset])
    return dataset[[str(name) for name in dataset.data_vars if is_known(str(name))]]


def require_sane_coordinates(dataset: xr.Dataset) -> xr.Dataset:
    """Raise GridError when latitudes or longitudes cannot be positions in one convention."""
    for name, limit in (("lat", 90.0), ("lon", 360.0)):
        values = dataset[name].values
        if not np.isfinite(values).all() or np.abs(values).max() > limit:
            raise GridError(
                f"'{name}' must lie within {-limit:g} and {limit:g} degrees; got {np.nanmin(values):g} to "
                f"{np.nanmax(values):g}. An undeclared fill value, or longitudes in two conventions?"
            )
    lat, lon = dataset["lat"].values, dataset["lon"].values
    for name, values in (("lat", lat), ("lon", lon)):
        if values.ndim == 1 and not (np.all(np.diff(values) > 0) or np.all(np.diff(values) < 0)):
            raise GridError(f"'{name}' is not monotonic; sort the file along '{name}' (one longitude convention).")
    if lon.max() - lon.min() >= 360:
        raise GridError(f"Longitudes span {lon.min():g} to {lon.max():g}: both conventions in one file; use one.")
    return dataset


def convert_units(dataset: xr.Dataset) -> xr.Dataset:
    """Convert every variable to the units of the table."""
    out = dataset.copy()
    for name in dataset.data_vars:
        row, units = variable(str(name)), dataset[name].attrs.get("units")
        if units == row.units:
            continue
        if units not in row.accept:
            got = "no units" if units is None else f"units '{units}'"
            known = ", ".join(f"'{u}'" for u in (row.units, *row.accept))
            raise UnitsError(f"'{name}' has {got}; expected one of {known}. Mend the file's attribute.")
        out[name] = (dataset[name] * row.accept[units]).assign_attrs(row.attrs)
    return out


def require_positive_depth(dataset: xr.Dataset) -> xr.Dataset:
    """Raise DataError when depth is counted upward."""
    depth = dataset["deptho"]
    if depth.attrs.get("positive") == "up" or float(depth.min()) < 0:
        raise DataError(
            f"'deptho' must be positive down; got {float(depth.min()):g} to {float(depth.max()):g} m. Change its sign."
        )
    return dataset


def longitudes_from_zero(dataset: xr.Dataset) -> xr.Dataset:
    """Express longitudes in [0, 360), in ascending order."""
    out = dataset.assign_coords(lon=(dataset["lon"] % 360).assign_attrs(dataset["lon"].attrs))
    if "lon_bnds" in out.coords:
        shift = out["lon"] - dataset["lon"].values
        out = out.assign_coords(lon_bnds=out["lon_bnds"] + shift.variable)
    return out.sortby("lon")


def rows_south_to_north(dataset: xr.Dataset) -> xr.Dataset:
    """Store fields as (lat, lon), rows from south to north."""
    return dataset.sortby("lat").transpose("lat", "lon", ...)


def add_cell_geometry(dataset: xr.Dataset) -> xr.Dataset:
    """Add `areacello` from the bounds and `sftof` from the depth where the data has none."""
    out = dataset.copy()
    if "areacello" not in out:
        out["areacello"] = (out["deptho"].dims, cell_area(out), variable("areacello").attrs)
    if "sftof" not in out:
        wet = (out["deptho"] > 0).astype(float) * 100
        out["sftof"] = wet.assign_attrs(variable("sftof").attrs)
    return out


def mask_land(dataset: xr.Dataset) -> xr.Dataset:
    """Give all surface fields one mask: ocean is where sea level, depth and stress (if any) are all there."""
    surface = [name for name in ("zos", "deptho", "tauuo", "tauvo") if name in dataset]
    ocean = (dataset["sftof"] > 0) & (dataset["deptho"] > 0)
    for name in surface:
        ocean &= np.isfinite(dataset[name])
    if not bool(ocean.any()):
        raise DataError(f"No ocean cell is left: {', '.join(surface)} are nowhere all finite with sftof > 0.")
    out = dataset.copy()
    for name in surface:
        out[name] = dataset[name].where(ocean)
    out["sftof"] = dataset["sftof"].where(ocean, 0.0)
    return out


def remove_mean_sea_level(dataset: xr.Dataset) -> xr.Dataset:
    """Subtract the area-weighted ocean mean of `zos`, whose datum differs between products."""
    mean = float(dataset["zos"].weighted(dataset["areacello"]).mean())
    attrs = dataset["zos"].attrs | {"removed_mean": mean, "removed_mean_units": "m"}
    return dataset.assign(zos=(dataset["zos"] - mean).assign_attrs(attrs))


def add_analysis_mask(dataset: xr.Dataset) -> xr.Dataset:
    """Use the budget wherever all terms are finite, unless the data says where."""
    if "analysis_mask" in dataset:
        return dataset
    return dataset.assign(analysis_mask=has_all_terms(dataset).astype("int8"))


def describe(dataset: xr.Dataset) -> xr.Dataset:
    """Give every variable the attributes of the table, keeping what it says of itself."""
    out = dataset.copy()
    for name in out.data_vars:
        if name in table():
            out[name].attrs = out[name].attrs | variable(str(name)).attrs
    return out
