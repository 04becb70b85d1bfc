"""A small archive in ESGF layout whose means are known, for tests that read it, spoil it or measure it."""

from pathlib import Path

import cftime
import numpy as np
import pandas as pd
import xarray as xr

from thor.reading.grids import grid_groups
from thor.reading.warming_levels import LEVEL_COLUMNS

N_ROWS, N_COLUMNS = 9, 16
NO_LEVELS = pd.DataFrame([], columns=list(LEVEL_COLUMNS))
STANDARD_NAMES = {
    "zos": "sea_surface_height_above_geoid",
    "tauuo": "surface_downward_eastward_stress",
    "tauvo": "surface_downward_northward_stress",
    "tas": "air_temperature",
    "hfds": "surface_downward_heat_flux_in_sea_water",
    "mlotst": "ocean_mixed_layer_thickness_defined_by_sigma_t",
}
UNITS = {
    "zos": "m",
    "tauuo": "N m-2",
    "tauvo": "N m-2",
    "tas": "K",
    "hfds": "W m-2",
    "mlotst": "m",
    "deptho": "m",
    "areacello": "m2",
    "sftof": "%",
}


def centres():
    return np.linspace(-80.0, 80.0, N_ROWS), np.arange(N_COLUMNS) * 360.0 / N_COLUMNS + 2.0


def land():
    mask = np.zeros((N_ROWS, N_COLUMNS), bool)
    mask[0], mask[3, 4:7] = True, True
    return mask


def field(variable_id, months, seed=0):
    """Return what the archive holds: a pattern that grows with time, and noise; shape (n_months, n_rows, n_columns)."""
    lat, lon = np.deg2rad(np.meshgrid(*centres(), indexing="ij"))
    pattern = {"zos": np.cos(lat) * np.sin(lon), "tauuo": 0.1 * np.cos(3 * lat), "tauvo": 0.02 * np.sin(2 * lon)}[
        variable_id
    ]
    noise = np.random.default_rng([seed, len(variable_id)]).normal(size=(2400, N_ROWS, N_COLUMNS))
    months = np.asarray(months)
    values = pattern * (1 + 1e-3 * (months - 12 * 1850))[:, None, None] + 0.05 * noise[months % 2400]
    values = values + (0.3 if variable_id == "zos" else 0.0)
    return np.where(land(), np.nan, values).astype("float32")


def fixed_field(variable_id):
    lat = np.deg2rad(np.meshgrid(*centres(), indexing="ij")[0])
    values = {
        "deptho": 4000.0 + 500.0 * np.sin(lat),
        "areacello": 6.371e6**2 * np.cos(lat) * np.deg2rad(20.0) * np.deg2rad(360.0 / N_COLUMNS),
        "sftof": np.full((N_ROWS, N_COLUMNS), 100.0),
    }[variable_id]
    return np.where(land(), 0.0 if variable_id == "sftof" else np.nan, values)


def folder(
    root, variable_id, *, source_id, experiment_id, variant_label, table_id="Omon", grid_label="gn", version="v20200101"
):
    path = root / "CMIP6" / "CMIP" / "THOR" / source_id / experiment_id / variant_label / table_id / variable_id
    return Path(path / grid_label / version)


def write_series(
    root,
    variable_id,
    months,
    *,
    source_id="MADE-1",
    experiment_id="historical",
    variant_label="r1i1p1f1",
    calendar="noleap",
    n_files=2,
    values=None,
    attrs=None,
    seed=0,
    **place,
):
    """Write one series in so many files of consecutive months and return their paths."""
    facets = {"source_id": source_id, "experiment_id": experiment_id, "variant_label": variant_label}
    target = folder(root, variable_id, **facets, **place)
    target.mkdir(parents=True, exist_ok=True)
    months = np.asarray(months)
    values = field(variable_id, months, seed) if values is None else values
    paths = []
    for part in np.array_split(np.arange(months.size), n_files):
        first, last = (f"{m // 12:04d}{m % 12 + 1:02d}" for m in (months[part].min(), months[part].max()))
        name = f"{variable_id}_Omon_{source_id}_{experiment_id}_{variant_label}_gn_{first}-{last}.nc"
        dataset = series_dataset(variable_id, months[part], values[part], calendar)
        dataset.attrs = facets | {
            "variable_id": variable_id,
            "institution_id": "THOR",
            "tracking_id": f"hdl:21.14100/{name}",
            "parent_experiment_id": "no parent",
        }
        dataset.attrs |= attrs or {}
        dataset.to_netcdf(target / name, unlimited_dims=["time"])
        paths.append(target / name)
    return paths


def series_dataset(variable_id, months, values, calendar):
    edges = [[cftime.datetime(m // 12, m % 12 + 1, 1, calendar=calendar) for m in (k, k + 1)] for k in months]
    bounds = cftime.date2num(edges, "days since 1850-01-01", calendar=calendar).astype(float)
    time_attrs = {"units": "days since 1850-01-01", "calendar": calendar, "bounds": "time_bnds", "axis": "T"}
    lat, lon = centres()
    return xr.Dataset(
        {
            variable_id: (
                ("time", "lat", "lon"),
                values,
                {"units": UNITS[variable_id], "standard_name": STANDARD_NAMES[variable_id]},
            ),
            "time_bnds": (("time", "bnds"), bounds),
        },
        coords={
            # stamped at the end of the month, as some models do: the bounds give the month
            "time": ("time", bounds[:, 1], time_attrs),
            "lat": ("lat", lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": ("lon", lon, {"standard_name": "longitude", "units": "degrees_east"}),
        },
    )


def write_fixed(
    root,
    variable_id,
    *,
    source_id="MADE-1",
    experiment_id="historical",
    variant_label="r1i1p1f1",
    values=None,
    dims=("lat", "lon"),
    units=None,
):
    target = folder(
        root, variable_id, source_id=source_id, experiment_id=experiment_id, variant_label=variant_label, table_id="Ofx"
    )
    target.mkdir(parents=True, exist_ok=True)
    values = fixed_field(variable_id) if values is None else values
    lat, lon = centres()
    dataset = xr.Dataset(
        {variable_id: (dims, values, {"units": units or UNITS[variable_id]})},
        coords={
            "lat": ("lat", lat, {"standard_name": "latitude"}),
            "lon": ("lon", lon, {"standard_name": "longitude"}),
        },
        attrs={"source_id": source_id},
    )
    path = target / f"{variable_id}_Ofx_{source_id}_{experiment_id}_{variant_label}_gn.nc"
    dataset.to_netcdf(path)
    return path


def month(year, number=1):
    return 12 * year + number - 1


def years(first, last):
    return np.arange(month(first), month(last + 1))


def write_run(root, *, first=1850, last=1853, fixed=True, **options):
    """Write a run with all it needs."""
    for k, variable_id in enumerate(("zos", "tauuo", "tauvo")):
        write_series(root, variable_id, years(first, last), seed=k, **options)
    facets = {k: v for k, v in options.items() if k in ("source_id", "experiment_id", "variant_label")}
    if fixed:
        for variable_id in ("deptho", "areacello", "sftof"):
            write_fixed(root, variable_id, **facets)


def grid_group(archive, run, names):
    """The files of these variables on the grid that is tried first: the native one where there is a choice."""
    return grid_groups(archive, run, names)[0][0]
