"""A tiny archive in ESGF layout with analytic fields, one variable a call, so that any part of it can be odd."""

from pathlib import Path

import cftime
import numpy as np
import xarray as xr

from thor.ocean.constants import EARTH_RADIUS

STANDARD_NAMES = {
    "zos": "sea_surface_height_above_geoid",
    "tauuo": "downward_x_stress_at_sea_water_surface",
    "tauvo": "downward_y_stress_at_sea_water_surface",
    "deptho": "sea_floor_depth_below_geoid",
    "areacello": "cell_area",
}
UNITS = {"zos": "m", "tauuo": "N m-2", "tauvo": "N m-2", "deptho": "m", "areacello": "m2"}
FIXED = ("deptho", "areacello", "sftof")


def centres(n_rows=36, n_columns=72, west=2.5):
    return -90 + 180 / n_rows * (np.arange(n_rows) + 0.5), west + 360 / n_columns * np.arange(n_columns)


def radians(lat, lon):
    return np.deg2rad(np.meshgrid(lat, lon, indexing="ij") if np.ndim(lat) == 1 else [lat, lon])


def sea(lat, lon):
    """No land but Antarctica and a continent of 40 degrees from 40S to 70N."""
    lat, lon = np.meshgrid(lat, np.asarray(lon) % 360, indexing="ij") if np.ndim(lat) == 1 else (lat, lon % 360)
    return ~((lat < -70) | ((lon > 60) & (lon < 100) & (lat > -40) & (lat < 70)))


def zos(lat, lon):
    phi, lam = radians(lat, lon)
    return 0.5 * np.sin(phi) + 0.2 * np.cos(phi) * np.cos(lam)


def tauuo(lat, lon):
    """Trades and westerlies, eastward."""
    phi, _ = radians(lat, lon)
    return -0.1 * np.cos(3 * np.abs(phi)) * np.cos(phi)


def tauvo(lat, lon):
    phi, lam = radians(lat, lon)
    return 0.02 * np.cos(phi) * np.sin(lam)


def deptho(lat, lon):
    phi, lam = radians(lat, lon)
    return 4000 + 500 * np.cos(phi) * np.cos(lam)


FIELDS = {"zos": zos, "tauuo": tauuo, "tauvo": tauvo, "deptho": deptho}


def areas(lat, n_columns):
    half = np.deg2rad(abs(lat[1] - lat[0]) / 2)
    row = EARTH_RADIUS**2 * 2 * np.sin(half) * np.cos(np.deg2rad(lat)) * 2 * np.pi / n_columns
    return np.repeat(row[:, None], n_columns, axis=1)


def write(
    root,
    name,
    values,
    lat,
    lon,
    *,
    source_id="TINY",
    experiment_id="historical",
    variant_label="r1i1p1f1",
    grid_label="gn",
    version="v1",
    years=(1995, 1996),
    calendar="noleap",
    fill=1e20,
    bounds=True,
    units=None,
    attrs=None,
):
    """Write one variable, the same in every month, and return the file."""
    fixed = name in FIXED
    table_id = "Ofx" if fixed else "Omon"
    run = (source_id, experiment_id, variant_label)
    folder = Path(root, "CMIP6", "CMIP", "INST", *run, table_id, name, grid_label, version)
    folder.mkdir(parents=True, exist_ok=True)
    span = "" if fixed else f"_{years[0]}01-{years[1]}12"
    path = folder / f"{name}_{table_id}_{'_'.join(run)}_{grid_label}{span}.nc"
    dims = ("j", "i") if np.ndim(lat) == 2 else ("lat", "lon")
    of = (dims, dims) if np.ndim(lat) == 2 else (dims[:1], dims[1:])
    dataset = xr.Dataset(
        coords={
            "lat": (of[0], lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": (of[1], lon, {"standard_name": "longitude", "units": "degrees_east"}),
        }
    )
    if bounds and np.ndim(lat) == 1:
        for key, edge in (("lat", np.asarray(lat)), ("lon", np.asarray(lon))):
            half = abs(edge[1] - edge[0]) / 2
            dataset[f"{key}_bnds"] = ((key, "bnds"), np.stack([edge - half, edge + half], 1))
            dataset[key].attrs["bounds"] = f"{key}_bnds"
    field = np.asarray(values, "float32")
    if fill is None:
        field = np.nan_to_num(field)
    if not fixed:
        times = [
            cftime.datetime(y, m, 15, calendar=calendar) for y in range(years[0], years[1] + 1) for m in range(1, 13)
        ]
        number = cftime.date2num(times, "days since 1850-01-01", calendar=calendar)
        dataset["time"] = ("time", number.astype(float), {"units": "days since 1850-01-01", "calendar": calendar})
        field, dims = np.broadcast_to(field, (len(times), *field.shape)), ("time", *dims)
    dataset[name] = (dims, field, {"units": units or UNITS[name], "standard_name": STANDARD_NAMES[name]})
    dataset[name].encoding["_FillValue"] = None if fill is None else np.float32(fill)
    facets = {"source_id": source_id, "experiment_id": experiment_id, "variant_label": variant_label}
    dataset.attrs = facets | {"grid_label": grid_label, "variable_id": name, "parent_experiment_id": "no parent"}
    dataset.attrs |= attrs or {}
    dataset.to_netcdf(path)
    return path


def write_tiny(root, *, lat=None, lon=None, skip=(), **options):
    """Write a run with all it needs, and return its latitudes, longitudes and sea."""
    lat, lon = centres() if lat is None else (lat, lon)
    wet = sea(lat, lon)
    for name, field in FIELDS.items():
        if name not in skip:
            write(root, name, np.where(wet, field(lat, lon), np.nan), lat, lon, **options)
    return lat, lon, wet
