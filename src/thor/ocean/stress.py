"""Surface stress as climate models publish it: where its components sit, along which axes, and its curl at T points.

Models differ in both. On a C grid the two components sit on different points, so that nothing can be turned there; but
nothing has to be: a component along the edge of a vorticity cell is what the circulation around that cell needs. Where
both components share a point (corners of a B grid, T points) the vector is complete, and directions matter no more.

Which convention a file follows is believed in this order: what the quirk table declares, if the positions allow it;
where the components' positions lie among the cell centres; `standard_name` (`..._x_stress` is along the grid,
`..._eastward_stress` is true); words in `long_name`, `description` or `comment`. A file that says nothing is taken to
hold components along the grid's axes if they are staggered, true ones if they sit on T points.

Along the grid's axes means: x along the columns, in the sense that is eastward in most of the grid, y to the left of x.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.errors import GridError, did_you_mean
from thor.ocean.areas import points_beside
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import Array, Grid
from thor.ocean.operators import curl
from thor.ocean.sphere import displacement, local_basis, normalised, quadrilateral_area, unit_vectors

CONVENTIONS = ("grid_axes_c_grid", "grid_axes_corners", "grid_axes_t_points", "true_east_north")
"""Components along the grid's axes on u and v points, on shared corners or on T points; or true ones on any of them."""

SIDES = {"north_east": (1, 1), "north_west": (1, -1), "south_east": (-1, 1), "south_west": (-1, -1)}
"""Where staggered points may lie from the T points of the same index, as half cells (northward, eastward)."""

LARGEST_MISFIT = 0.15
"""How far from an edge, a corner or a centre the median point may lie, in cells."""

_TRUE = re.compile(r"eastward|northward|true east|true north|zonal|meridional", re.IGNORECASE)
_ALONG_GRID = re.compile(
    r"_[xy]_stress|\b[xy][- ](?:stress|axis|direction|component)|(?:model|native) grid", re.IGNORECASE
)

Offset = tuple[int, int]


class _Component(NamedTuple):
    """One component of stress: its values, and its points in half cells (rows, columns) from T points."""

    values: Array
    lat: Array
    lon: Array
    offset: Offset


def detect_convention(dataset: xr.Dataset, *, declared: str | None = None, grid: Grid | None = None) -> str:
    """Return which of `CONVENTIONS` the stress follows.

    Parameters
    ----------
    dataset : xarray.Dataset
        `tauuo`, `tauvo`; coordinates `lat`, `lon` of T points and, where the components sit elsewhere, `lat_u`,
        `lon_u`, `lat_v`, `lon_v` (2-D).
    declared : str, optional
        What the quirk table says.
    grid : Grid, optional
        The grid of the T points, made from the dataset if not given.

    Raises
    ------
    GridError
        When the positions fit no staggering or not the declared one, or the components contradict each other.
    """
    grid = grid or Grid.from_dataset(dataset)
    offsets = tuple(_offset(dataset, point, grid) for point in "uv")
    placed = _convention_of(offsets)
    where = "'tauuo' lies {} and 'tauvo' {} half cells (rows, columns) from the T points".format(*offsets)
    if declared is not None:
        _require_known(declared)
        if declared not in (placed, "true_east_north"):
            raise GridError(
                f"The stress is declared as '{declared}', but {where}: {placed or 'no known arrangement'}. "
                "Mend the quirk table, or give lat_u, lon_u, lat_v, lon_v."
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


def stress_on_assumed_points(
    dataset: xr.Dataset, grid: Grid, *, convention: str | None, side: str = "north_east"
) -> xr.Dataset:
    """Return the stress with positions of its own where files give staggered components the positions of T points.

    Parameters
    ----------
    dataset : xarray.Dataset
        As in `detect_convention`.
    grid : Grid
    convention : str or None
        What is known of the model. Where it is `grid_axes_c_grid` or `grid_axes_corners` and a component's positions
        are those of the T points, they are replaced by points half a cell away, made from the grid itself, across its
        seam and fold too.
    side : {'north_east', 'north_west', 'south_east', 'south_west'}
        On which side of the T points of the same index they lie: u east or west, v north or south, corners both. East
        and north are the sides that are so in most of the grid.

    Returns
    -------
    xarray.Dataset
        With `lat_u`, `lon_u` and `lat_v`, `lon_v` of the components placed so; the dataset itself where none is.

    Raises
    ------
    GridError
        When the side or the convention is unknown, or positions fit no staggering.
    """
    if side not in SIDES:
        raise GridError(f"'{side}' is no side of T points.{did_you_mean(side, SIDES)}")
    if convention is not None:
        _require_known(convention)
    if convention not in ("grid_axes_c_grid", "grid_axes_corners"):
        return dataset
    eastward, northward = _senses(grid)
    rows, columns = int(northward) * SIDES[side][0], int(eastward) * SIDES[side][1]
    corner = convention == "grid_axes_corners"
    steps = {"u": (rows if corner else 0, columns), "v": (rows, columns if corner else 0)}
    out = dataset
    for point, step in steps.items():
        if any(_offset(dataset, point, grid)):
            continue
        x, y, z = points_beside(grid.centres, grid.topology, step)
        lat, lon = np.rad2deg(np.arcsin(np.clip(z, -1, 1))), np.rad2deg(np.arctan2(y, x)) % 360
        out = out.assign_coords({f"lat_{point}": (grid.dims, lat), f"lon_{point}": (grid.dims, lon)})
    return out


def mask_stress_on_land(dataset: xr.Dataset, grid: Grid, sea: NDArray[np.bool_]) -> xr.Dataset:
    """Return the stress with NaN where an ocean model has none: at points that touch land.

    A component on an edge needs sea in both T cells beside it, one on a corner in all four around it, across seam and
    fold too; on T points in its own. What lies beyond the end of the grid is not known to be land; a cell without
    position is land.

    Parameters
    ----------
    dataset : xarray.Dataset
        As in `detect_convention`; `tauuo`, `tauvo` may have further dims.
    grid : Grid
    sea : ndarray of bool, shape (n_rows, n_columns)
        T cells with sea.
    """
    everywhere, out = grid.topology.with_positions_everywhere(), dataset.copy()
    for point in "uv":
        rows, columns = _offset(dataset, point, grid)
        wet = sea.copy()
        for step in {(row, column) for row in {0, rows} for column in {0, columns}}:
            wet &= (grid.neighbour(sea.astype(float), step) == 1) | (everywhere.locate(step).cell < 0)
        field = dataset[f"tau{point}o"]
        out[field.name] = field.where(xr.DataArray(wet, dims=grid.dims)).transpose(*field.dims)
    return out


def stress_curl(dataset: xr.Dataset, grid: Grid) -> Array:
    """Return the vertical component of the curl of the surface stress at T points, circulation over area.

    Parameters
    ----------
    dataset : xarray.Dataset
        `tauuo`, `tauvo` [N m-2] on the grid's rows and columns, NaN on land, with coordinates as in
        `detect_convention`; attribute `stress_convention`, without which they are true components.
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
    C grid: each vorticity cell has the centres of four T cells as corners, and its circulation needs the four
    components on its edges. A T cell takes the sum of the circulations of the complete ones among its four vorticity
    cells over the sum of their areas: at a coast fewer count, but none by halves. Corners: the circulation around the
    T cell needs all four. True components and T points: `operators.curl`, one-sided at coasts.
    """
    convention = _require_fit(dataset, grid)
    if convention == "grid_axes_c_grid":
        return grid.fill_repeated(_curl_from_edges(dataset, grid))
    if convention == "grid_axes_corners":
        return grid.fill_repeated(_curl_from_corners(dataset, grid))
    return curl(*stress_eastward_northward(dataset, grid), grid)


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
    convention = _require_fit(dataset, grid)
    u, v = (_component(dataset, point, grid) for point in "uv")
    if convention == "true_east_north" and u.offset == v.offset == (0, 0):
        return u.values, v.values
    true = convention == "true_east_north"
    along_x = (local_basis(u.lat, u.lon) if true else _axes(u, grid))[0]
    along_y = (local_basis(v.lat, v.lon) if true else _axes(v, grid))[1]
    eastward, northward = _best_fit(((u, along_x), (v, along_y)), grid)
    return grid.fill_repeated(eastward), grid.fill_repeated(northward)


def _best_fit(components: Sequence[tuple[_Component, Array]], grid: Grid) -> tuple[Array, Array]:
    """Return the vectors at T points whose parts along the axes of the points around them fit best."""
    basis = local_basis(grid.lat, grid.lon)
    squares, products = np.zeros((2, 2, *grid.shape)), np.zeros((2, *grid.shape))
    for component, axis in components:
        rows, columns = component.offset
        for step in {(-row, -column) for row in {0, rows} for column in {0, columns}}:
            around = _stored_at(axis, step, grid)
            direction = np.stack([(around * unit).sum(axis=0) for unit in basis])
            value = _stored_at(component.values, step, grid)
            present = np.isfinite(value) & np.isfinite(direction).all(axis=0)
            squares += np.where(present, direction[:, None] * direction, 0.0)
            products += np.where(present, direction * value, 0.0)
    determinant = squares[0, 0] * squares[1, 1] - squares[0, 1] ** 2
    # Components along one direction only say nothing about the other.
    told = determinant > 0.01 * (squares[0, 0] + squares[1, 1]) ** 2
    determinant = np.where(told, determinant, np.nan)
    return (
        (squares[1, 1] * products[0] - squares[0, 1] * products[1]) / determinant,
        (squares[0, 0] * products[1] - squares[0, 1] * products[0]) / determinant,
    )


def _curl_from_edges(dataset: xr.Dataset, grid: Grid) -> Array:
    """Circulation around the vorticity cells of a C grid, brought to T points."""
    edges = _work_along_edges(dataset, grid)
    circulation, area = np.zeros(grid.shape), np.zeros(grid.shape)
    for rows, columns in ((1, 1), (1, -1), (-1, -1), (-1, 1)):
        row, column = (rows, 0), (0, columns)
        around = (
            edges[column] + _edge_from(column, row, edges, grid) - _edge_from(row, column, edges, grid) - edges[row]
        )
        corners = [grid.centres, *(grid.neighbour(grid.centres, step) for step in (column, (rows, columns), row))]
        signed_area = EARTH_RADIUS**2 * quadrilateral_area(np.stack(corners, axis=-1))
        complete = np.isfinite(around) & np.isfinite(signed_area)
        circulation += np.where(complete, np.sign(signed_area) * around, 0.0)
        area += np.where(complete, np.abs(signed_area), 0.0)
    return np.divide(circulation, area, out=np.full(grid.shape, np.nan), where=area > 0)


def _work_along_edges(dataset: xr.Dataset, grid: Grid) -> dict[Offset, Array]:
    """Stress times distance [N m-1] from each T point to its four neighbours."""
    edges = {}
    for point, sense in zip("uv", _senses(grid), strict=True):
        component = _component(dataset, point, grid)
        step, back = component.offset, (-component.offset[0], -component.offset[1])
        length = np.hypot(*grid.displacements[step])
        edges[step] = sense * sum(step) * component.values * length
        edges[back] = -_stored_at(edges[step], back, grid)
    return edges


def _edge_from(at: Offset, step: Offset, edges: dict[Offset, Array], grid: Grid) -> Array:
    """Return the edge that leaves the neighbour `at` by `step`, in the sense rows and columns have at the cell."""
    located = grid.topology.locate(at)
    runs_on = (located.row_sign if step[0] else located.column_sign) > 0
    back = (-step[0], -step[1])
    return np.where(runs_on, grid.neighbour(edges[step], at), grid.neighbour(edges[back], at))


def _curl_from_corners(dataset: xr.Dataset, grid: Grid) -> Array:
    """Circulation around the T cells of a B grid, whose corners hold both components."""
    u, v = (_component(dataset, point, grid) for point in "uv")
    along_x, along_y = _axes(u, grid)
    stress, place = u.values * along_x + v.values * along_y, unit_vectors(u.lat, u.lon)
    rows, columns = u.offset
    around = ((0, 0), (0, -columns), (-rows, -columns), (-rows, 0))
    stresses = [_stored_at(stress, step, grid) for step in around]
    places = [_stored_at(place, step, grid) for step in around]
    circulation = sum(((stresses[i] + stresses[i - 1]) / 2 * (places[i] - places[i - 1])).sum(axis=0) for i in range(4))
    return circulation / (EARTH_RADIUS * quadrilateral_area(np.stack(places, axis=-1)))


def _stored_at(values: Array, step: Offset, grid: Grid) -> Array:
    """Return what is stored with the cell `step` away; NaN where its axes run the other way: its points lie beyond."""
    located = grid.topology.locate(step)
    return np.where((located.row_sign > 0) & (located.column_sign > 0), grid.neighbour(values, step), np.nan)


def _axes(component: _Component, grid: Grid) -> tuple[Array, Array]:
    """Return unit vectors along the grid's axes x and y at a component's points, each of shape (3, ...)."""
    place = unit_vectors(component.lat, component.lon)
    ahead, behind = _stored_at(place, (0, 1), grid) - place, place - _stored_at(place, (0, -1), grid)
    along = np.where(np.isnan(ahead), behind, np.where(np.isnan(behind), ahead, ahead + behind))
    x = _senses(grid)[0] * normalised(along - (along * place).sum(axis=0) * place)
    return x, np.cross(place, x, axis=0)


def _senses(grid: Grid) -> tuple[float, float]:
    """1 where the grid's columns run eastward, its rows northward, in the median cell; else -1."""
    eastward, northward = grid.displacements[0, 1][0], grid.displacements[1, 0][1]
    return float(np.sign(np.nanmedian(eastward))), float(np.sign(np.nanmedian(northward)))


def _component(dataset: xr.Dataset, point: str, grid: Grid) -> _Component:
    name = f"tau{point}o"
    if name not in dataset:
        raise GridError(f"The stress needs '{name}'; the dataset has {', '.join(map(str, dataset.data_vars))}.")
    values = dataset[name].values.astype(float)
    if values.shape != grid.shape:
        raise GridError(f"'{name}' has shape {values.shape}, the grid {grid.shape}; take one time step or mean of it.")
    lat, lon = _positions(dataset, point, grid)
    return _Component(values, lat, lon, _offset(dataset, point, grid))


def _positions(dataset: xr.Dataset, point: str, grid: Grid) -> tuple[Array, Array]:
    names = (f"lat_{point}", f"lon_{point}")
    present = [name for name in names if name in dataset.variables]
    if not present:
        return grid.lat, grid.lon
    if len(present) == 1:
        raise GridError(f"Of {names[0]} and {names[1]} only {present[0]} is there; give both or none.")
    lat, lon = (dataset[name].values.astype(float) for name in names)
    if lat.shape != grid.shape or lon.shape != grid.shape:
        raise GridError(f"{names[0]} and {names[1]} have shapes {lat.shape}, {lon.shape}; expected {grid.shape}.")
    return lat, lon


def _offset(dataset: xr.Dataset, point: str, grid: Grid) -> Offset:
    """Where a component's points lie from the T points of the same index, in half cells (rows, columns)."""
    lat, lon = _positions(dataset, point, grid)
    if lat is grid.lat:
        return 0, 0
    away = displacement(grid.lat, grid.lon, unit_vectors(lat, lon))
    ahead = grid.displacements
    with np.errstate(invalid="ignore", divide="ignore"):
        column, row = (ahead[0, 1] - ahead[0, -1]) / 2, (ahead[1, 0] - ahead[-1, 0]) / 2
        determinant = column[0] * row[1] - column[1] * row[0]
        rows = (column[0] * away[1] - column[1] * away[0]) / determinant
        columns = (away[0] * row[1] - away[1] * row[0]) / determinant
    cells = np.array([np.nanmedian(rows), np.nanmedian(columns)])
    half = np.round(2 * cells).astype(int)
    if np.abs(half).max() > 1 or np.abs(cells - half / 2).max() > LARGEST_MISFIT:
        raise GridError(
            f"The points of 'tau{point}o' lie {cells[0]:.2f} rows and {cells[1]:.2f} columns from the T points; "
            f"expected 0 or 0.5 in the median. Are lat_{point}, lon_{point} of another grid?"
        )
    return int(half[0]), int(half[1])


def _convention_of(offsets: tuple[Offset, ...]) -> str | None:
    u, v = offsets
    if u == v == (0, 0):
        return "grid_axes_t_points"
    if u == v and all(u):
        return "grid_axes_corners"
    if u[0] == 0 and u[1] and v[0] and v[1] == 0:
        return "grid_axes_c_grid"
    return None


def _require_fit(dataset: xr.Dataset, grid: Grid) -> str:
    convention = dataset.attrs.get("stress_convention", "true_east_north")
    return detect_convention(dataset, declared=convention, grid=grid)


def _require_known(convention: str) -> None:
    if convention not in CONVENTIONS:
        raise GridError(f"'{convention}' is no convention of stress.{did_you_mean(convention, CONVENTIONS)}")


def _says_true(dataset: xr.Dataset, *, staggered: bool) -> bool:
    """Whether the attributes speak of true east and north; where they are silent, T points do and others do not."""
    said = [_axes_by_attributes(dataset[name]) for name in ("tauuo", "tauvo") if name in dataset]
    answers = {answer for answer in said if answer is not None}
    if len(answers) > 1:
        raise GridError("Attributes of 'tauuo' and 'tauvo' contradict each other: one is true, one along the grid.")
    return answers.pop() if answers else not staggered


def _axes_by_attributes(stress: xr.DataArray) -> bool | None:
    """Return True for true components, False for those along the grid, None if nothing is said."""
    for name in ("standard_name", "long_name", "description", "comment"):
        text = str(stress.attrs.get(name, ""))
        true, along_grid = bool(_TRUE.search(text)), bool(_ALONG_GRID.search(text))
        if true != along_grid:
            return true
    return None
