"""Coordinates of the idealized archive's files, in three of the forms in which CMIP6 models publish theirs."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.ocean.idealized.archive_settings import GridKind
from thor.ocean.idealized.c_grid import Points, regular_c_grid
from thor.ocean.idealized.climate_models import PointKind, SolvedModel
from thor.ocean.idealized.displaced_pole import displaced_position


@dataclass(frozen=True)
class CoordinateNames:
    """Names of the horizontal coordinates of a model: rows and columns, centres, bounds and their dimension."""

    dims: tuple[str, str]
    lat: str
    lon: str
    lat_bounds: str
    lon_bounds: str
    vertex: str


NAMES: dict[GridKind, CoordinateNames] = {
    "regular": CoordinateNames(("lat", "lon"), "lat", "lon", "lat_bnds", "lon_bnds", "bnds"),
    # as CMOR writes them, for MPI-ESM1-2-LR among others
    "displaced_pole": CoordinateNames(
        ("j", "i"), "latitude", "longitude", "vertices_latitude", "vertices_longitude", "vertices"
    ),
    # as XIOS writes them, for IPSL-CM6A-LR
    "regular_land_suppressed": CoordinateNames(
        ("y", "x"), "nav_lat", "nav_lon", "bounds_nav_lat", "bounds_nav_lon", "nvertex"
    ),
}

AROUND = ((-1, -1), (-1, 1), (1, 1), (1, -1))
"""The vertices of a cell from the south-west anticlockwise, as steps of half a cell (rows, columns)."""


def published_coordinates(model: SolvedModel, kind: PointKind) -> xr.Dataset:
    """Return the coordinates that a model's files carry for one kind of points.

    Parameters
    ----------
    model : SolvedModel
    kind : {'t', 'u', 'v', 'q'}

    Returns
    -------
    xarray.Dataset
        Latitude and longitude [degrees] as coordinates, their bounds as variables; 1-D on the regular grid, otherwise
        2-D with four vertices a cell. On suppressed land all of them are zero, undeclared.
    """
    if model.settings.grid == "regular":
        return regular_coordinates(getattr(model.grid, kind), model.settings.ocean.resolution_degrees)
    names, points = NAMES[model.settings.grid], getattr(model.grid, kind)
    fields = [points.lat, points.lon, *_vertices(model, kind)]
    if model.settings.grid == "regular_land_suppressed":
        sea = model.masks[kind]
        fields = [np.where(sea if field.ndim == 2 else sea[..., None], field, 0.0) for field in fields]
    out = _coordinates(names, (names.dims, names.dims), *fields)
    out[names.lat_bounds].attrs["units"], out[names.lon_bounds].attrs["units"] = "degrees_north", "degrees_east"
    return out


def true_coordinates(model: SolvedModel) -> xr.Dataset:
    """Return `lat` and `lon` of the T points [degrees], land included, dims (lat, lon) if regular, otherwise (y, x)."""
    if model.settings.grid == "regular":
        return regular_coordinates(model.grid.t, model.settings.ocean.resolution_degrees)[["lat", "lon"]].drop_attrs()
    points = model.grid.t
    return xr.Dataset(coords={"lat": (("y", "x"), points.lat), "lon": (("y", "x"), points.lon)})


def regular_coordinates(points: Points, spacing: float) -> xr.Dataset:
    """Return 1-D coordinates and their bounds for one kind of points of a regular grid with this spacing [degrees]."""
    names = NAMES["regular"]
    # eastern faces end at 0E, which has to come after 358E here
    lat, lon = points.lat[:, 0], np.unwrap(points.lon[0], period=360)
    half = np.array([-spacing / 2, spacing / 2])
    bounds = np.clip(lat[:, None] + half, -90, 90), lon[:, None] + half
    return _coordinates(names, ((names.lat,), (names.lon,)), lat, lon, *bounds)


def _coordinates(
    names: CoordinateNames, dims: tuple[tuple[str, ...], tuple[str, ...]], lat: Array, lon: Array, *bounds: Array
) -> xr.Dataset:
    out = xr.Dataset()
    for bound, on, values in zip((names.lat_bounds, names.lon_bounds), dims, bounds, strict=True):
        out[bound] = ((*on, names.vertex), values)
    lat_attrs = {"standard_name": "latitude", "units": "degrees_north", "bounds": names.lat_bounds}
    lon_attrs = {"standard_name": "longitude", "units": "degrees_east", "bounds": names.lon_bounds}
    return out.assign_coords({names.lat: (dims[0], lat, lat_attrs), names.lon: (dims[1], lon, lon_attrs)})


def _vertices(model: SolvedModel, kind: PointKind) -> tuple[Array, Array]:
    """Return latitude and longitude of the vertices around each point, shape (nj, ni, 4)."""
    spacing = model.settings.ocean.resolution_degrees
    middle = getattr(regular_c_grid(spacing), kind)
    lat = np.stack([np.clip(middle.lat + row * spacing / 2, -90, 90) for row, _ in AROUND], axis=-1)
    lon = np.stack([(middle.lon + column * spacing / 2) % 360 for _, column in AROUND], axis=-1)
    return displaced_position(lat, lon) if model.settings.grid == "displaced_pole" else (lat, lon)
