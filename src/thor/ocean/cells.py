"""Fields as cells: where they lie, which are valid, and whether two fields share a grid."""

from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr

from thor.core.errors import DataError, GridError
from thor.core.fingerprint import fingerprint
from thor.ocean.areas import bounds_of, corner_area, usable_vertices
from thor.ocean.edges import regular_edges
from thor.ocean.grid import Grid


def valid_cells(features: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return latitude, longitude [degrees] and validity of every cell, each in the shape of `valid`.

    Raises
    ------
    DataError
        When no cell is valid.
    """
    valid, flag = valid_mask(features), features["valid"]
    lat, lon = (features[name].broadcast_like(flag).transpose(*flag.dims).values for name in ("lat", "lon"))
    return lat, lon, valid


def valid_mask(features: xr.Dataset) -> np.ndarray:
    """Return the validity of every cell, as `valid_cells`, whose errors are the same."""
    valid = features["valid"].values == 1
    if not valid.any():
        raise DataError(f"All {valid.size} cells are masked (valid is 1 nowhere): no cell has all features.")
    return np.asarray(valid)


def cell_coordinates(ocean: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Return `lat` and `lon` of a dataset, and their bounds unless its grid is made from the centres all the same."""
    out = xr.Dataset(coords={name: ocean[name].variable for name in ("lat", "lon")})
    # Variables: as coordinates they would bring the positions of staggered stress.
    bounds = {name: ocean[name].variable for name in ("lat_bnds", "lon_bnds") if name in ocean.coords}
    if len(bounds) == 2 and _bounds_are_taken(ocean, grid):
        return out.assign_coords(bounds)
    for name in ("lat", "lon"):
        out[name].attrs.pop("bounds", None)
    return out


def _bounds_are_taken(ocean: xr.Dataset, grid: Grid) -> bool:
    """Return whether the cells of the grid have the bounds of the dataset."""
    lat_bnds, lon_bnds = (bounds_of(ocean, axis) for axis in ("lat", "lon"))
    if ocean["lat"].ndim == 1:
        south, north, west, east = regular_edges(ocean)
        rows = np.clip(np.sort(lat_bnds), -90, 90)
        return np.allclose(rows.T, (south, north)) and np.allclose(lon_bnds.T, (west, east))
    area = corner_area(usable_vertices(lat_bnds, lon_bnds, grid.centres))
    known = np.isfinite(area)
    return bool(known.any()) and np.array_equal(area[known], grid.area[known])


def grid_dims(dataset: xr.Dataset) -> tuple[str, str]:
    """Return the dims of rows and columns of a dataset with coordinates `lat` and `lon`, 1-D or 2-D.

    Raises
    ------
    GridError
        When there are no such coordinates.
    """
    dims = list(dict.fromkeys(dim for axis in ("lat", "lon") if axis in dataset for dim in dataset[axis].dims))
    if len(dims) != 2:
        found = ", ".join(f"{name} {array.dims}" for name, array in dataset.coords.items())
        raise GridError(f"Coordinates 'lat' and 'lon' with the dims of rows and columns are needed; got {found}.")
    return str(dims[0]), str(dims[1])


def on_one_grid(first: xr.Dataset, *others: xr.Dataset) -> tuple[xr.Dataset, ...]:
    """Return datasets with the rows and columns of the first as their last dims: their arrays match cell by cell.

    Raises
    ------
    GridError
        When another dataset has other dims or positions than the first.
    """
    dims = grid_dims(first)
    for other in others:
        if set(grid_dims(other)) != set(dims) or not _same_positions(first.variables, other.variables):
            names = [", ".join(map(str, list(each.data_vars)[:2])) for each in (first, other)]
            raise GridError(
                f"The datasets of {names[0]}, ... and of {names[1]}, ... are on different grids: {_grid_text(first)} "
                f"and {_grid_text(other)}. They need the same cells in the same order: make both from one ocean."
            )
    return tuple(each.transpose(..., *dims) for each in (first, *others))


def on_same_grid(like: xr.DataArray, other: xr.Dataset, name: str) -> np.ndarray:
    """Return the field `name` of `other` in the dims order of `like`, which has coordinates `lat` and `lon`.

    Raises
    ------
    GridError
        When it is missing or its grid is another one.
    """
    if name not in other or set(other.variables[name].dims) != set(like.dims):
        found = f"dims {other[name].dims}" if name in other else f"only {', '.join(map(str, other.data_vars))}"
        raise GridError(f"'{name}' with dims {like.dims} is needed beside '{like.name}'; got {found}.")
    # Variables, because making an xarray.DataArray of each takes most of the time of a small field.
    field = other.variables[name].transpose(*like.dims)
    if not _same_positions(like.coords.variables, other.variables) or field.shape != like.shape:
        raise GridError(
            f"'{name}' and '{like.name}' are on different grids: {dict(other[name].sizes)} and {dict(like.sizes)}. "
            "Make both from the same training ocean."
        )
    return field.values


def _same_positions(here: Mapping[Hashable, xr.Variable], there: Mapping[Hashable, xr.Variable]) -> bool:
    """Return whether `lat` and `lon` are the same in both; curvilinear grids may have none on land."""
    return all(
        here[axis] is there[axis]
        or np.array_equal(here[axis].values, there[axis].transpose(*here[axis].dims).values, equal_nan=True)
        for axis in ("lat", "lon")
    )


def _grid_text(dataset: xr.Dataset) -> str:
    sizes = " x ".join(f"{dataset.sizes[dim]} {dim}" for dim in grid_dims(dataset))
    start, end = ({axis: float(dataset[axis].values.flat[k]) for axis in ("lat", "lon")} for k in (0, -1))
    return f"{sizes} from {start['lat']:g}, {start['lon']:g} to {end['lat']:g}, {end['lon']:g}"


def grid_mark(run: xr.Dataset) -> str:
    """Return a fingerprint of the grid of a dataset with `valid`: its dims and the positions of its cells."""
    return fingerprint(
        run["valid"].dims, run["valid"].shape, *(run[axis].values.astype(float) for axis in ("lat", "lon"))
    )
