"""Points of the components of surface stress: T points, or the edges or corners of the cells of a grid."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from thor.core.arrays import Array, Mask
from thor.core.errors import GridError, did_you_mean
from thor.ocean.areas import points_beside
from thor.ocean.grid import Grid
from thor.ocean.sphere import displacement, normalised, unit_vectors

CONVENTIONS = ("grid_axes_c_grid", "grid_axes_corners", "grid_axes_t_points", "true_east_north")
"""Components along the grid's axes on u and v points, on shared corners or on T points; or true ones on any of them."""

SIDES = {"north_east": (1, 1), "north_west": (1, -1), "south_east": (-1, 1), "south_west": (-1, -1)}
"""Sides of the T points of the same index on which staggered points may lie, in half cells (northward, eastward)."""

MAX_UNLIKE = 0.1
"""Points are suggested where the land of the stress differs from theirs in at most this share of cells at coasts, and
in a quarter at most of those in which it differs from that of T points. Measured: 0 % and 26 % in MPI-ESM1-2-LR."""

LARGEST_MISFIT = 0.15
"""Largest distance of the median point from an edge, a corner or a centre, in cells."""

MAX_FAR = 0.1
"""Largest share of points that lie more than a cell from where the median point lies, such as at the poles."""

Offset = tuple[int, int]


class Component(NamedTuple):
    """One component of stress: its values, and its points in half cells (rows, columns) from T points."""

    values: Array
    lat: Array
    lon: Array
    offset: Offset


class Suggestion(NamedTuple):
    """The points on which stress with the positions of T points probably is.

    Attributes
    ----------
    convention, side : str
        To be declared: one of `CONVENTIONS`, one of `SIDES`.
    unlike, unlike_on_t_points : float
        Shares of cells at coasts in which a component is missing although it should exist there, or the reverse.
    sentence : str
        For a warning.
    """

    convention: str
    side: str
    unlike: float
    unlike_on_t_points: float
    sentence: str


def stress_on_assumed_points(
    dataset: xr.Dataset, grid: Grid, *, convention: str | None, side: str = "north_east"
) -> xr.Dataset:
    """Return the stress on staggered points where files give its components the positions of T points.

    Parameters
    ----------
    dataset : xarray.Dataset
        As in `detect_convention`.
    grid : Grid
    convention : str or None
        Convention of the model, if known. Where it is `grid_axes_c_grid` or `grid_axes_corners` and a component has the
        positions of the T points, they are replaced by points half a cell away, made from the grid itself, across its
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
        require_known(convention)
    if convention not in ("grid_axes_c_grid", "grid_axes_corners"):
        return dataset
    out = dataset
    for point, step in staggered_steps(convention, side, grid).items():
        if any(offset_of(dataset, point, grid)):
            continue
        x, y, z = points_beside(grid.centres, grid.topology, step)
        lat, lon = np.rad2deg(np.arcsin(np.clip(z, -1, 1))), np.rad2deg(np.arctan2(y, x)) % 360
        out = out.assign_coords({f"lat_{point}": (grid.dims, lat), f"lon_{point}": (grid.dims, lon)})
    return out


def mask_stress_on_land(dataset: xr.Dataset, grid: Grid, sea: Mask) -> xr.Dataset:
    """Return the stress with NaN where an ocean model has none: at points that touch land.

    A component on an edge needs sea in both T cells beside it, one on a corner in all four around it, across seam and
    fold too; one on a T point needs sea there. Beyond the end of the grid there may be sea; a cell without position is
    land.

    Parameters
    ----------
    dataset : xarray.Dataset
        As in `detect_convention`; `tauuo`, `tauvo` may have further dims.
    grid : Grid
    sea : ndarray of bool, shape (n_rows, n_columns)
        T cells with sea.
    """
    out = dataset.copy()
    for point in "uv":
        field = dataset[f"tau{point}o"]
        wet = xr.DataArray(_wet_points(sea, offset_of(dataset, point, grid), grid), dims=grid.dims)
        out[field.name] = field.where(wet).transpose(*field.dims)
    return out


def suggest_points(dataset: xr.Dataset, grid: Grid, sea: Mask) -> Suggestion | None:
    """Return the points on which stress with the positions of T points probably is, or None; its land shows it.

    Ocean models have no stress at points that touch land. So the cells at coasts in which a component is missing, or
    exactly zero, differ between T points, C grids and corners, and between the sides of the T points.

    Parameters
    ----------
    dataset : xarray.Dataset
        As in `detect_convention`; `tauuo`, `tauvo` may have further dims.
    grid : Grid
    sea : ndarray of bool, shape (n_rows, n_columns)
        T cells with sea, from sea level and depth.

    Returns
    -------
    Suggestion or None
        None where the stress has other positions than T points, is there on land too, or fits T points, or no other
        points in all but `MAX_UNLIKE` of the cells at coasts.

    Notes
    -----
    The smoothness of the curl does not distinguish them: with the points of T, C grid or corners, the curl of the same
    stress is rough by the same amount within 3 % (median difference of neighbours) wherever it was sampled, since half
    a cell only displaces the two components against one another.
    """
    if any(any(offset_of(dataset, point, grid)) for point in "uv"):
        return None
    coast = sea & ~grid.topology.surrounded(sea) & ~grid.duplicate
    present = {}
    for point in "uv":
        field = dataset[f"tau{point}o"]
        there = (field.notnull() & (field != 0)).any([dim for dim in field.dims if dim not in grid.dims])
        present[point] = there.transpose(*grid.dims).values
    land = ~sea & ~grid.duplicate
    if not coast.any() or any(there[land].mean() > MAX_UNLIKE for there in present.values() if land.any()):
        return None

    def unlike(steps: dict[str, Offset]) -> float:
        wet = {point: _wet_points(sea, step, grid) for point, step in steps.items()}
        return float(np.mean([(wet[point] != present[point])[coast].mean() for point in "uv"]))

    found = {
        (convention, side): unlike(staggered_steps(convention, side, grid))
        for convention in ("grid_axes_c_grid", "grid_axes_corners")
        for side in SIDES
    }
    best, on_t = min(found, key=found.__getitem__), unlike({"u": (0, 0), "v": (0, 0)})
    if on_t <= MAX_UNLIKE or found[best] > MAX_UNLIKE or found[best] > 0.25 * on_t:
        return None
    sentence = (
        f"the stress has the positions of T points, but its land is that of {best[0]}, {best[1]} of them (unlike in "
        f"{found[best]:.1%} of the cells at coasts, {on_t:.1%} for T points): if so, declare "
        f"stress_convention: {best[0]} and stress_side: {best[1]}"
    )
    return Suggestion(*best, found[best], on_t, sentence)


def _wet_points(sea: Mask, offset: Offset, grid: Grid) -> Mask:
    """Return where all T cells that a point touches are sea, or beyond the end of the grid."""
    everywhere = grid.topology.with_positions_everywhere()
    wet = sea.copy()
    for step in steps_within(offset):
        wet &= (grid.neighbour(sea.astype(float), step) == 1) | (everywhere.locate(step).cell < 0)
    return wet


def steps_within(offset: Offset) -> set[Offset]:
    """Return the steps from a T point to all T points that a point at this offset touches."""
    rows, columns = offset
    return {(row, column) for row in {0, rows} for column in {0, columns}}


def staggered_steps(convention: str, side: str, grid: Grid) -> dict[str, Offset]:
    """Return where staggered components on a side of the T points lie from these, in half cells (rows, columns)."""
    eastward, northward = senses(grid)
    rows, columns = int(northward) * SIDES[side][0], int(eastward) * SIDES[side][1]
    corner = convention == "grid_axes_corners"
    return {"u": (rows if corner else 0, columns), "v": (rows, columns if corner else 0)}


def stored_at(values: Array, step: Offset, grid: Grid) -> Array:
    """Return the value stored with the cell `step` away; NaN where its axes run in the opposite sense."""
    located = grid.topology.locate(step)
    return np.where((located.row_sign > 0) & (located.column_sign > 0), grid.neighbour(values, step), np.nan)


def grid_axes(component: Component, grid: Grid) -> tuple[Array, Array]:
    """Return unit vectors along the grid's axes x and y at a component's points, each of shape (3, ...)."""
    place = unit_vectors(component.lat, component.lon)
    ahead, behind = stored_at(place, (0, 1), grid) - place, place - stored_at(place, (0, -1), grid)
    along = np.where(np.isnan(ahead), behind, np.where(np.isnan(behind), ahead, ahead + behind))
    x = senses(grid)[0] * normalised(along - (along * place).sum(axis=0) * place)
    return x, np.cross(place, x, axis=0)


def senses(grid: Grid) -> tuple[float, float]:
    """Return 1 where the grid's columns run eastward, its rows northward, in the median cell; else -1."""
    eastward, northward = grid.displacements[0, 1][0], grid.displacements[1, 0][1]
    return float(np.sign(np.nanmedian(eastward))), float(np.sign(np.nanmedian(northward)))


def component_at(dataset: xr.Dataset, point: str, grid: Grid) -> Component:
    """Return the component `tauuo` (`point` u) or `tauvo` (v) with its positions, those of T points by default."""
    name = f"tau{point}o"
    if name not in dataset:
        raise GridError(f"The stress needs '{name}'; the dataset has {', '.join(map(str, dataset.data_vars))}.")
    values = grid.values(dataset[name])
    if values.shape != grid.shape:
        raise GridError(f"'{name}' has shape {values.shape}, the grid {grid.shape}; take one time step or mean of it.")
    lat, lon = _positions(dataset, point, grid)
    return Component(values, lat, lon, offset_of(dataset, point, grid))


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


def offset_of(dataset: xr.Dataset, point: str, grid: Grid, *, name: str | None = None) -> Offset:
    """Return where a component's points lie from the T points of the same index, in half cells (rows, columns).

    `name` is the variable in messages, by default that of the stress.
    """
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
    known = np.isfinite(rows) & np.isfinite(columns)
    far = float((np.hypot(rows - cells[0], columns - cells[1])[known] > 1).mean())
    if np.abs(half).max() > 1 or np.abs(cells - half / 2).max() > LARGEST_MISFIT or far > MAX_FAR:
        raise GridError(
            f"The points of '{name or f'tau{point}o'}' lie {cells[0]:.2f} rows and {cells[1]:.2f} columns from the T "
            f"points in the median, {far:.0%} more than a cell from there; expected 0 or 0.5, and {MAX_FAR:.0%}. Are "
            "they of another grid, or stored in another order of rows or columns?"
        )
    return int(half[0]), int(half[1])


def convention_of(offsets: tuple[Offset, ...]) -> str | None:
    """Return the convention of components along the grid whose points have these offsets; None for no known one."""
    u, v = offsets
    if u == v == (0, 0):
        return "grid_axes_t_points"
    if u == v and all(u):
        return "grid_axes_corners"
    if u[0] == 0 and u[1] and v[0] and v[1] == 0:
        return "grid_axes_c_grid"
    return None


def require_known(convention: str) -> None:
    """Raise GridError unless there is a convention of this name."""
    if convention not in CONVENTIONS:
        raise GridError(f"'{convention}' is no convention of stress.{did_you_mean(convention, CONVENTIONS)}")
