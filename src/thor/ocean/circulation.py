"""Stress on edges or corners of the cells: its curl at T points, as circulation over area, and its vectors there.

True components on corners are complete vectors. On the edges of a C grid each is completed by those of the other
component around it, and then projected on the grid's axes.
"""

from collections.abc import Sequence

import numpy as np

from thor.core.arrays import Array, Mask
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import NEIGHBOURS, Grid
from thor.ocean.sphere import local_basis, quadrilateral_area, unit_vectors
from thor.ocean.stress_points import Component, Offset, grid_axes, senses, steps_within, stored_at

DIAGONALS = ((1, 1), (1, -1), (-1, 1), (-1, -1))

NEGLIGIBLE = 0.01
"""Share of a component across that a component along an edge may do without, where no point of the other is near."""


def curl_from_edges(u: Component, v: Component, grid: Grid) -> Array:
    """Return the curl [N m-3] of components along the grid's axes on u and v points, shape (n_rows, n_columns).

    Each vorticity cell has the centres of four T cells as corners, and its circulation needs the four components on its
    edges. A T cell takes the sum of the circulations of the complete ones among its four vorticity cells over the sum
    of their areas: at a coast fewer count, but none by halves.
    """
    return circulation_over_area(_work_along_edges(u, v, grid), grid)


def circulation_over_area(edges: dict[Offset, Array], grid: Grid) -> Array:
    """Return the curl at T points of what is given along the edges between them, shape (n_rows, n_columns).

    Parameters
    ----------
    edges : dict of (int, int) to ndarray of shape (n_rows, n_columns)
        Force times distance from each T point to the neighbour at each of the four `NEIGHBOURS`; NaN where there is
        none. The sum over the complete circulations around a T cell is divided by the sum of their areas.
    grid : Grid
    """
    circulation, area = np.zeros(grid.shape), np.zeros(grid.shape)
    for rows, columns in ((1, 1), (1, -1), (-1, -1), (-1, 1)):
        row, column = (rows, 0), (0, columns)
        around = edges[column] + edge_from(column, row, edges, grid) - edge_from(row, column, edges, grid) - edges[row]
        corners = [grid.centres, *(grid.neighbour(grid.centres, step) for step in (column, (rows, columns), row))]
        signed_area = EARTH_RADIUS**2 * quadrilateral_area(np.stack(corners, axis=-1))
        complete = np.isfinite(around) & np.isfinite(signed_area)
        circulation += np.where(complete, np.sign(signed_area) * around, 0.0)
        area += np.where(complete, np.abs(signed_area), 0.0)
    return np.divide(circulation, area, out=np.full(grid.shape, np.nan), where=area > 0)


def curl_from_corners(stress: Array, u: Component, grid: Grid, *, sea: Mask | None = None) -> Array:
    """Return the curl [N m-3] of a vector on the corners of T cells, shape (n_rows, n_columns).

    Circulation around the T cell over its area. A cell with a dry corner takes the mean over its neighbours of what
    their curls and those of the cells beyond extrapolate to at the edge between it and them: half a cell seaward, as on
    a C grid. Where no neighbour has all its corners, it takes the circulation around the triangle of three wet corners,
    else the mean of its neighbours. A cell without any wet corner has a curl only where `sea` is True.

    Parameters
    ----------
    stress : ndarray of shape (3, n_rows, n_columns)
        [N m-2]; NaN where a corner is dry.
    u : Component
        One of the two components, for the places of the corners.
    grid : Grid
    sea : ndarray of bool, shape (n_rows, n_columns), optional
        T cells with sea.
    """
    rows, columns = u.offset
    around = ((0, 0), (0, -columns), (-rows, -columns), (-rows, 0))
    place = unit_vectors(u.lat, u.lon)
    stresses, places = ([stored_at(vector, step, grid) for step in around] for vector in (stress, place))
    whole = _circulation_over_area(stresses, places)
    out = _first_known(whole, _from_cells_beside(whole, NEIGHBOURS, grid))
    for dry in range(4):
        # without one corner: it lies where the one before it does
        parts = [[corner[dry - 1] if k == dry else corner[k] for k in range(4)] for corner in (stresses, places)]
        out = _first_known(out, _circulation_over_area(*parts))
    out = _first_known(out, _from_cells_beside(out, NEIGHBOURS + DIAGONALS, grid))
    wet = np.logical_or.reduce([np.isfinite(corner).all(axis=0) for corner in stresses])
    return np.where(wet if sea is None else wet | sea, out, np.nan)


def _circulation_over_area(stresses: list[Array], places: list[Array]) -> Array:
    work = [((stresses[k] + stresses[k - 1]) / 2 * (places[k] - places[k - 1])).sum(axis=0) for k in range(4)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return sum(work) / (EARTH_RADIUS * quadrilateral_area(np.stack(places, axis=-1)))


def _from_cells_beside(curl: Array, steps: tuple[Offset, ...], grid: Grid) -> Array:
    """Return the mean of what the neighbours of each cell extrapolate to at the edge between it and them."""
    total, count = np.zeros(grid.shape), np.zeros(grid.shape)
    for step in steps:
        beside = grid.neighbour(curl, step)
        beyond = grid.neighbour(beside, step)
        value = np.where(np.isfinite(beyond), 1.5 * beside - 0.5 * beyond, beside)
        total += np.nan_to_num(value)
        count += np.isfinite(value)
    return np.divide(total, count, out=np.full(grid.shape, np.nan), where=count > 0)


def _first_known(first: Array, second: Array) -> Array:
    return np.where(np.isnan(first), second, first)


def along_grid(u: Component, v: Component, grid: Grid) -> tuple[Component, Component]:
    """Return true components on the u and v points of a C grid as components along the grid's axes there.

    A true component is one part of the vector at its point; the other part is the one that fits the other component
    best at the points of that around it. Where none of those is wet, and the part does not matter, it is left out.
    """
    directions = local_basis(u.lat, u.lon)[0], local_basis(v.lat, v.lon)[1]
    out = []
    for axis, (one, other) in enumerate(((u, v), (v, u))):
        along, across = directions[axis], local_basis(one.lat, one.lon)[1 - axis]
        rows, columns = one.offset[0] - other.offset[0], one.offset[1] - other.offset[1]
        squares, products = np.zeros(grid.shape), np.zeros(grid.shape)
        for step in steps_within((rows, columns)):
            direction, value = (stored_at(array, step, grid) for array in (directions[1 - axis], other.values))
            part = (direction * across).sum(axis=0)
            misfit = part * (value - one.values * (direction * along).sum(axis=0))
            present = np.isfinite(misfit)
            squares += np.where(present, part**2, 0.0)
            products += np.where(present, misfit, 0.0)
        second = np.divide(products, squares, out=np.full(grid.shape, np.nan), where=squares > 0.01)
        grid_axis = grid_axes(one, grid)[axis]
        share = (across * grid_axis).sum(axis=0)
        second = np.where(np.isnan(second) & (np.abs(share) < NEGLIGIBLE), 0.0, second)
        out.append(one._replace(values=one.values * (along * grid_axis).sum(axis=0) + second * share))
    return out[0], out[1]


def best_fit(components: Sequence[tuple[Component, Array]], grid: Grid) -> tuple[Array, Array]:
    """Return the vectors at T points, eastward and northward, that fit components around them best.

    Parameters
    ----------
    components : sequence of (Component, ndarray of shape (3, n_rows, n_columns))
        Each with the unit vectors along its axis at its points.
    grid : Grid
    """
    basis = local_basis(grid.lat, grid.lon)
    squares, products = np.zeros((2, 2, *grid.shape)), np.zeros((2, *grid.shape))
    for component, axis in components:
        rows, columns = component.offset
        for step in steps_within((-rows, -columns)):
            around = stored_at(axis, step, grid)
            direction = np.stack([(around * unit).sum(axis=0) for unit in basis])
            value = stored_at(component.values, step, grid)
            present = np.isfinite(value) & np.isfinite(direction).all(axis=0)
            squares += np.where(present, direction[:, None] * direction, 0.0)
            products += np.where(present, direction * value, 0.0)
    determinant = squares[0, 0] * squares[1, 1] - squares[0, 1] ** 2
    # Components along one direction only do not determine the other.
    independent = determinant > 0.01 * (squares[0, 0] + squares[1, 1]) ** 2
    determinant = np.where(independent, determinant, np.nan)
    return (
        (squares[1, 1] * products[0] - squares[0, 1] * products[1]) / determinant,
        (squares[0, 0] * products[1] - squares[0, 1] * products[0]) / determinant,
    )


def _work_along_edges(u: Component, v: Component, grid: Grid) -> dict[Offset, Array]:
    """Return stress times distance [N m-1] from each T point to its four neighbours."""
    edges = {}
    for component, sense in zip((u, v), senses(grid), strict=True):
        step, back = component.offset, (-component.offset[0], -component.offset[1])
        length = np.hypot(*grid.displacements[step])
        edges[step] = sense * sum(step) * component.values * length
        edges[back] = -stored_at(edges[step], back, grid)
    return edges


def edge_from(at: Offset, step: Offset, edges: dict[Offset, Array], grid: Grid) -> Array:
    """Return the edge that leaves the neighbour `at` by `step`, in the sense rows and columns have at the cell.

    Parameters
    ----------
    at, step : (int, int)
        Rows and columns, one of the four `NEIGHBOURS` each, along different axes.
    edges : dict of (int, int) to ndarray of shape (n_rows, n_columns)
        A value that leaves each cell in each of the four directions.
    grid : Grid
    """
    located = grid.topology.locate(at)
    runs_on = (located.row_sign if step[0] else located.column_sign) > 0
    back = (-step[0], -step[1])
    return np.where(runs_on, grid.neighbour(edges[step], at), grid.neighbour(edges[back], at))
