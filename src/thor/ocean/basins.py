"""Ocean basins of the cells of any grid, offline, from polygons in the package (`basins.json`)."""

import json
from functools import cache
from importlib.resources import files

import numpy as np
import xarray as xr

from thor.core.errors import DataError, did_you_mean
from thor.core.variables import variable
from thor.ocean.grid import Grid

NO_BASIN = -1


@cache
def basin_names() -> dict[int, str]:
    """Return the name of each basin by its code, the five oceans first, then the marginal seas."""
    return dict(sorted((basin["code"], basin["name"]) for basin in _table()))


def basin_codes(grid: Grid, *, ocean: np.ndarray) -> xr.DataArray:
    """Return the basin of each cell.

    Parameters
    ----------
    grid : Grid
    ocean : ndarray of bool, shape (n_rows, n_columns)

    Returns
    -------
    xarray.DataArray of int8
        CF flags; -1 on land and in inland waters outside every polygon.
    """
    import shapely

    codes = np.full(grid.shape, NO_BASIN, dtype="int8")
    lon = grid.lon % 360
    for basin in _table():
        shape = shapely.Polygon(basin["polygon"])
        shapely.prepare(shape)
        inside = np.zeros(grid.shape, dtype=bool)
        # Polygons are unrolled: some run west of Greenwich, some beyond the date line.
        for turn in (-360, 0):
            inside |= shapely.intersects_xy(shape, lon + turn, grid.lat)
        codes[inside & ocean & (codes == NO_BASIN)] = basin["code"]
    names = basin_names()
    return grid.wrap(codes, "basin").assign_attrs(
        variable("basin").attrs
        | {"flag_values": np.array(list(names), dtype="int8"), "flag_meanings": " ".join(names.values())}
    )


def in_basin(basin: xr.DataArray, name: str) -> xr.DataArray:
    """Return where `basin` is the basin called `name`.

    Raises
    ------
    DataError
        When there is no basin of that name.
    """
    codes = {known: code for code, known in basin_names().items()}
    if name not in codes:
        raise DataError(f"There is no basin '{name}'.{did_you_mean(name, codes)}")
    return basin == codes[name]


@cache
def _table() -> tuple[dict, ...]:
    text = files("thor.ocean").joinpath("basins.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["basins"])
