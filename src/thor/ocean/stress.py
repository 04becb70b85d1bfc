"""Surface stress as climate models publish it: points and axes of its components, and its curl at T points.

Models differ in both. On a C grid the two components are on different points, where vectors cannot be rotated. This
is not needed: the circulation around a vorticity cell needs the components along its edges. Where both components share
a point (corners of a B grid, T points) the vector is complete and can be rotated.

The convention of a file follows, in this order, from: what the quirk table declares, if the positions allow it; the
places of the components among the cell centres; `standard_name` (`..._x_stress` is along the grid,
`..._eastward_stress` is true); words in `long_name`, `description` or `comment`. Without any of these, a file is taken
to hold components along the grid's axes if they are staggered, true ones if they are on T points.

Along the grid's axes means: x along the columns, in the sense that is eastward in most of the grid, y to the left of x.
"""

import re

import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import GridError
from thor.core.variables import STRESS
from thor.ocean.circulation import along_grid, best_fit, curl_from_corners, curl_from_edges
from thor.ocean.grid import Grid
from thor.ocean.operators import curl
from thor.ocean.sphere import local_basis
from thor.ocean.stress_points import component_at, convention_of, grid_axes, offset_of, require_known

COASTAL_CURL = {
    "grid_axes_c_grid": "from the complete ones of four vorticity cells around the cell, about half a cell seaward",
    "grid_axes_corners": "from those of the neighbours with four wet corners, extrapolated to half a cell seaward",
    "grid_axes_t_points": "from one-sided differences, half a cell seaward",
}
"""Curl of a cell at the coast, by the points of the components. All three differ from the curl at the centre of
the cell by about the same: 6 to 8 % rms at 2.5 degrees, half that at 1.25, for stress of the scale of basins."""

AXES_ATTRIBUTES = ("standard_name", "long_name", "description", "comment")
"""Attributes whose words distinguish true components from those along the grid; the first that does counts."""

_TRUE = re.compile(r"(?:east|west|north|south)ward|true east|true north|zonal|meridional", re.IGNORECASE)
_ALONG_GRID = re.compile(
    r"_[xy]_stress|\b[xy][- ](?:stress|axis|direction|component)|(?:model|native) grid", re.IGNORECASE
)


def detect_convention(dataset: xr.Dataset, *, declared: str | None = None, grid: Grid | None = None) -> str:
    """Return which of `CONVENTIONS` the stress follows.

    Parameters
    ----------
    dataset : xarray.Dataset
        `tauuo`, `tauvo`; coordinates `lat`, `lon` of T points and, where the components sit elsewhere, `lat_u`,
        `lon_u`, `lat_v`, `lon_v` (2-D).
    declared : str, optional
        Convention in the quirk table.
    grid : Grid, optional
        The grid of the T points, made from the dataset if not given.

    Raises
    ------
    GridError
        When the positions fit no staggering or not the declared one, or the components contradict each other.
    """
    grid = grid or Grid.from_dataset(dataset)
    offsets = tuple(offset_of(dataset, point, grid) for point in "uv")
    placed = convention_of(offsets)
    where = "'tauuo' lies {} and 'tauvo' {} half cells (rows, columns) from the T points".format(*offsets)
    if declared is not None:
        require_known(declared)
        if declared not in (placed, "true_east_north"):
            raise GridError(
                f"The stress is declared as '{declared}', but {where}: {placed or 'no known arrangement'}. "
                "Correct the quirk table, or give lat_u, lon_u, lat_v, lon_v."
            )
        return declared
    if _says_true(dataset, staggered=any(map(any, offsets))):
        return "true_east_north"
    if placed is None:
        raise GridError(
            f"{where}; expected a C grid (edges), a B grid (one corner) or T points. Check lat_u, lon_u, lat_v, lon_v, "
            "or declare the convention in the quirk table."
        )
    return placed


def stress_curl(dataset: xr.Dataset, grid: Grid) -> Array:
    """Return the vertical component of the curl of the surface stress at T points, circulation over area.

    Parameters
    ----------
    dataset : xarray.Dataset
        `tauuo`, `tauvo` [N m-2] on the grid's rows and columns, NaN on land, with coordinates as in
        `detect_convention`; attribute `stress_convention`, without which they are true components. `deptho` [m], if it
        is there, separates sea from land in cells that no stress on corners touches.
    grid : Grid

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        [N m-3]; NaN on land and where no complete circulation touches the cell.

    Raises
    ------
    GridError
        When the convention is unknown or does not fit the positions.

    Notes
    -----
    C grid and corners: `circulation.curl_from_edges`, `circulation.curl_from_corners`; true components there are turned
    to the grid's axes, or make a vector as they are. On T points: `operators.curl`, one-sided at coasts. `COASTAL_CURL`
    describes the result in cells at coasts.
    """
    true = _is_true(dataset, grid)
    u, v = (component_at(dataset, point, grid) for point in "uv")
    placed = convention_of((u.offset, v.offset))
    if placed == "grid_axes_c_grid":
        return grid.fill_repeated(curl_from_edges(*(along_grid(u, v, grid) if true else (u, v)), grid))
    if placed == "grid_axes_corners":
        along_x, along_y = local_basis(u.lat, u.lon) if true else grid_axes(u, grid)
        sea = dataset["deptho"].notnull().values if "deptho" in dataset else None
        return grid.fill_repeated(curl_from_corners(u.values * along_x + v.values * along_y, u, grid, sea=sea))
    return curl(*stress_eastward_northward(dataset, grid), grid)


def coastal_curl(dataset: xr.Dataset, grid: Grid) -> str:
    """Return a description of the curl that `stress_curl` gives in cells at coasts; errors as there."""
    _is_true(dataset, grid)
    placed = convention_of(tuple(offset_of(dataset, point, grid) for point in "uv"))
    return COASTAL_CURL.get(placed or "", COASTAL_CURL["grid_axes_t_points"])


def stress_eastward_northward(dataset: xr.Dataset, grid: Grid) -> tuple[Array, Array]:
    """Return the true eastward and northward stress at T points.

    The vector at a T point is the one whose parts along the axes of the points around it fit their components best:
    where all axes are parallel, the mean of either component.

    Parameters
    ----------
    dataset : xarray.Dataset
        As in `stress_curl`.
    grid : Grid

    Returns
    -------
    eastward, northward : ndarray of shape (n_rows, n_columns)
        [N m-2]; NaN where either component has no point next to the cell.
    """
    true = _is_true(dataset, grid)
    u, v = (component_at(dataset, point, grid) for point in "uv")
    if true and u.offset == v.offset == (0, 0):
        return u.values, v.values
    along_x = (local_basis(u.lat, u.lon) if true else grid_axes(u, grid))[0]
    along_y = (local_basis(v.lat, v.lon) if true else grid_axes(v, grid))[1]
    eastward, northward = best_fit(((u, along_x), (v, along_y)), grid)
    return grid.fill_repeated(eastward), grid.fill_repeated(northward)


def _is_true(dataset: xr.Dataset, grid: Grid) -> bool:
    """Return whether the components are eastward and northward; raise GridError where the positions do not fit."""
    declared = dataset.attrs.get("stress_convention", "true_east_north")
    return detect_convention(dataset, declared=declared, grid=grid) == "true_east_north"


def _says_true(dataset: xr.Dataset, *, staggered: bool) -> bool:
    """Return whether the attributes name true east and north; by default T points do and others do not."""
    answers = {_axes_by_attributes(dataset[name]) for name in STRESS if name in dataset} - {None}
    if len(answers) > 1:
        raise GridError("Attributes of 'tauuo' and 'tauvo' contradict each other: one is true, one along the grid.")
    return bool(answers.pop()) if answers else not staggered


def _axes_by_attributes(stress: xr.DataArray) -> bool | None:
    """Return True for true components, False for those along the grid, None without such attributes."""
    for name in AXES_ATTRIBUTES:
        text = str(stress.attrs.get(name, ""))
        true, along_grid = bool(_TRUE.search(text)), bool(_ALONG_GRID.search(text))
        if true != along_grid:
            return true
    return None
