r"""The advection of planetary vorticity from depth-integrated transports through the faces of cells, on any C grid.

Transports are those through the face on the side of the next column (u) and of the next row (v) of each T cell,
positive in the direction of increasing index. With f at the corners of the cells and the Coriolis force on the faces,
the circulation around a corner is

.. math:: -\nabla\cdot(f U) = -\beta V - f\,\nabla\cdot U

as in an ocean model's vorticity budget (averages after Sadourny 1975,
doi:10.1175/1520-0469(1975)032<0680:TDOFDM>2.0.CO;2). On coarse C grids, beside rough topography, averages of velocities
level by level leave f div U, which exceeds beta V and is balanced by a spurious pressure torque (Waldman & Giordani
2023 and Khatri et al. 2024, both in JAMES). Transports through faces have little divergence, so that both forms here
agree but for the averages.
"""

from typing import TypeVar

import numpy as np
import xarray as xr

from thor.core.arrays import Array, IntArray, Mask
from thor.core.errors import DataError, GridError
from thor.ocean.areas import points_beside
from thor.ocean.circulation import circulation_over_area, edge_from
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION
from thor.ocean.grid import NEIGHBOURS, Grid
from thor.ocean.stress_points import Offset, senses, stored_at
from thor.ocean.topology import joined_pieces

Field = TypeVar("Field", Array, xr.DataArray)

CORNERS = ((1, 1), (1, -1), (-1, -1), (-1, 1))

LARGEST_CUT_SHARE = 0.01
"""Share of the faces between sea cells that may lack the streamfunction at one of their ends: masks differ in a few
cells. Coasts without a value are more, also on a grid of a quarter degree."""


def outflows(u: Array, v: Array, grid: Grid) -> dict[Offset, Array]:
    """Return the transport out of each T cell through each of its four faces, zero through closed ones.

    Parameters
    ----------
    u, v : ndarray of shape (n_rows, n_columns)
        Through the face towards the next column and row, positive towards it; NaN where a face is closed. [m3 s-1], or
        any unit, which is that of the result.
    grid : Grid

    Returns
    -------
    dict of (int, int) to ndarray of shape (n_rows, n_columns)
        By the step (rows, columns) to the neighbour beyond the face. A face at the end of the grid is closed.
    """
    out = {(0, 1): np.nan_to_num(u), (1, 0): np.nan_to_num(v)}
    for step in ((0, 1), (1, 0)):
        back = (-step[0], -step[1])
        out[back] = -np.nan_to_num(stored_at(out[step], back, grid))
    return out


def net_outflow(u: Array, v: Array, grid: Grid) -> Array:
    """Return the transport out of each T cell through all its faces together; parameters as for `outflows`."""
    return sum(outflows(u, v, grid).values(), np.zeros(grid.shape))


def planetary_flux_convergence(u: Array, v: Array, grid: Grid, *, sea: Mask) -> Array:
    """Return the convergence of the flux of planetary vorticity, -div(f U), at T points.

    The Coriolis force on the open faces, its circulation around each corner with four sea cells, and the sum of those
    around a T cell over the sum of their areas.

    Parameters
    ----------
    u, v : ndarray of shape (n_rows, n_columns), [m3 s-1]
        Depth-integrated volume transports, as for `outflows`.
    grid : Grid
    sea : ndarray of bool, shape (n_rows, n_columns)
        T cells with sea.

    Returns
    -------
    ndarray of shape (n_rows, n_columns), [m s-2]
        NaN where no corner of the cell has four sea cells.
    """
    out = outflows(u, v, grid)
    # at the corners half a step from the centres
    coriolis = {step: 2 * EARTH_ROTATION * points_beside(grid.centres, grid.topology, step)[2] for step in CORNERS}
    beside = {step: grid.neighbour(sea.astype(float), step) == 1 for step in NEIGHBOURS}
    open_to = {step: sea & there & ~_over_pole(step, grid) for step, there in beside.items()}
    turn = np.prod(senses(grid))
    edges = {}
    for step in NEIGHBOURS:
        along_columns = step[0] == 0
        work = np.zeros(grid.shape)
        for side in (1, -1):
            across, corner = ((side, 0), (side, step[1])) if along_columns else ((0, side), (step[0], side))
            flux = (out[across] + edge_from(step, across, out, grid)) / 2
            work += np.where(flux == 0, 0.0, side * coriolis[corner] * flux) / 2
        # -f k x U = (f V, -f U) where rows lie to the left of columns
        edges[step] = np.where(open_to[step], turn * sum(step) * (1 if along_columns else -1) * work, np.nan)
    return grid.fill_repeated(circulation_over_area(edges, grid))


def transport_vector(u: Array, v: Array, grid: Grid) -> tuple[Array, Array]:
    """Return the eastward and northward transport per metre at T points, from both components on any grid.

    Parameters
    ----------
    u, v : ndarray of shape (n_rows, n_columns), [m3 s-1]
        As for `outflows`.
    grid : Grid

    Returns
    -------
    eastward, northward : ndarray of shape (n_rows, n_columns), [m2 s-1]

    Notes
    -----
    The sum over the faces of the outflow times the displacement of the face from the centre, over the area: exact for
    a uniform flow without divergence, whatever the angle of the grid (Perot 2000, doi:10.1006/jcph.2000.6424).
    """
    total = np.zeros((2, *grid.shape))
    for step, outflow in outflows(u, v, grid).items():
        total += np.where(outflow == 0, 0.0, outflow * grid.displacements[step] / 2)
    eastward, northward = grid.fill_repeated(total / grid.area)
    return eastward, northward


def beta_advection(northward: Field, lat: Field) -> Field:
    """Return the advection of planetary vorticity by the northward transport, -beta V.

    Parameters
    ----------
    northward : ndarray or xarray.DataArray, [m2 s-1]
        Depth-integrated northward transport per metre, as from `transport_vector`.
    lat : ndarray or xarray.DataArray, [degrees_north]

    Returns
    -------
    ndarray or xarray.DataArray, [m s-2]
    """
    return northward * (-2 * EARTH_ROTATION * np.cos(np.deg2rad(lat)) / EARTH_RADIUS)


def faces_from_streamfunction(
    streamfunction: Array, grid: Grid, *, sea: Mask, offset: Offset = (0, 0)
) -> tuple[Array, Array]:
    """Return the transports u and v whose streamfunction this is; a constant in it has no effect.

    Parameters
    ----------
    streamfunction : ndarray of shape (n_rows, n_columns), [m3 s-1]
        With U = -d(psi)/dy, V = d(psi)/dx, as CMIP defines it; NaN where unknown.
    grid : Grid
    sea : ndarray of bool, shape (n_rows, n_columns)
        T cells with sea: the other faces are closed.
    offset : (int, int)
        Points of the streamfunction in half cells (rows, columns) from T points: (0, 0), or a corner.

    Returns
    -------
    u, v : ndarray of shape (n_rows, n_columns), [m3 s-1]
        As for `outflows`; NaN on closed faces. From T points the streamfunction is averaged to the corners first, over
        the T points at sea around them. It is constant along a coast: corners there without a value have the mean of
        those with one.

    Raises
    ------
    GridError
        When the points are neither T points nor corners.
    DataError
        When the streamfunction on corners is missing at one end of more than `LARGEST_CUT_SHARE` of the open faces.
    """
    closed = {step: ~(sea & (grid.neighbour(sea.astype(float), step) == 1)) for step in ((0, 1), (1, 0))}
    if offset == (0, 0):
        corner = _averaged_to_corners(np.where(sea, streamfunction, np.nan), grid)
    else:
        corner = _stored_on_corners(streamfunction, grid, closed, offset)
    turn = np.prod(senses(grid))
    below, left = corner[-1, 1], corner[1, -1]
    u, v = -turn * (corner[1, 1] - below), turn * (corner[1, 1] - left)
    return np.where(closed[0, 1], np.nan, u), np.where(closed[1, 0], np.nan, v)


def to_next_faces(values: Array, point: str, offset: Offset, grid: Grid) -> Array:
    """Return transports stored on any face of the T cell of their index on the face towards the next index.

    Parameters
    ----------
    values : ndarray of shape (..., n_rows, n_columns)
        Positive eastward (u), northward (v), in the sense of most of the grid.
    point : {'u', 'v'}
    offset : (int, int)
        Where they are stored: half cells (rows, columns) from the T points.
    grid : Grid

    Returns
    -------
    ndarray of the same shape
        Positive in the direction of increasing index; NaN on faces that no cell stores.

    Raises
    ------
    GridError
        When these are no faces of that component.
    """
    ahead = (0, 1) if point == "u" else (1, 0)
    sense = senses(grid)["uv".index(point)]
    if offset == ahead:
        return sense * values if sense < 0 else values
    if offset != (-ahead[0], -ahead[1]):
        raise GridError(
            f"'{point}mo' lies {offset} half cells (rows, columns) from the T points; expected the faces between "
            f"two cells, {ahead} or {(-ahead[0], -ahead[1])}. Transports on T points or corners are interpolated and "
            "do not conserve mass: get them on the native grid."
        )
    return sense * stored_at(values, ahead, grid)


def _over_pole(step: Offset, grid: Grid) -> Mask:
    """Return where a step leads over a pole, through which there is no face."""
    located = grid.topology.locate(step)
    return (located.row_sign < 0) & (located.column_sign > 0)


_ENDS: dict[Offset, Offset] = {(0, 1): (-1, 1), (1, 0): (1, -1)}
"""Of the face towards the next column and row: one end is the corner (1, 1) of its T cell, the other one is this."""


def _averaged_to_corners(known: Array, grid: Grid) -> dict[Offset, Array]:
    """Return a field on T points, averaged over those with a value, at all corners of each T cell but one."""
    out = {}
    for step in ((1, 1), *_ENDS.values()):
        around = [known, *(grid.neighbour(known, part) for part in ((step[0], 0), (0, step[1]), step))]
        present = [np.isfinite(part) for part in around]
        count = np.sum(present, axis=0)
        total = np.sum([np.where(there, part, 0.0) for there, part in zip(present, around, strict=True)], axis=0)
        out[step] = np.divide(total, count, out=np.full(grid.shape, np.nan), where=count > 0)
    return out


def _stored_on_corners(values: Array, grid: Grid, closed: dict[Offset, Mask], offset: Offset) -> dict[Offset, Array]:
    """Return a streamfunction on corners at all corners of each T cell but one; NaN where no cell stores it."""
    if 0 in offset:
        raise GridError(
            f"'msftbarot' lies {offset} half cells (rows, columns) from the T points; expected T points or corners."
        )
    # cells on land store corners of coasts, with a position or without
    topology = grid.topology.with_positions_everywhere()
    stored = {}
    for rows, columns in ((1, 1), *_ENDS.values()):
        # the cell whose stored corner this is lies so many rows and columns away
        away = (rows - offset[0]) // 2, (columns - offset[1]) // 2
        cell, row_sign, column_sign = topology.locate(away)
        itself = np.arange(cell.size).reshape(cell.shape)
        stored[rows, columns] = itself if away == (0, 0) else np.where((row_sign > 0) & (column_sign > 0), cell, -1)
    faces = {step: (stored[1, 1] >= 0) & (stored[end] >= 0) for step, end in _ENDS.items()}
    coasts = [(stored[1, 1][at], stored[end][at]) for step, end in _ENDS.items() for at in [faces[step] & closed[step]]]
    here, there = np.hstack(coasts)
    filled = _constant_along(here, there, values.ravel())
    out = {step: np.where(cell >= 0, filled[cell], np.nan) for step, cell in stored.items()}
    passes = {step: faces[step] & ~closed[step] for step in _ENDS}
    cut = [passes[step] & (np.isfinite(out[1, 1]) != np.isfinite(out[end])) for step, end in _ENDS.items()]
    n_cut, n_open = np.sum(cut), np.sum(list(passes.values()))
    if n_cut > LARGEST_CUT_SHARE * n_open:
        raise DataError(
            f"'msftbarot' is missing at one of the two corners of {n_cut} of {n_open} faces between sea cells "
            f"({n_cut / n_open:.1%}); expected at most {LARGEST_CUT_SHARE:.0%}. The flow along coasts is then unknown: "
            "get a file with values at the corners on coasts, or 'umo' and 'vmo'."
        )
    return out


def _constant_along(here: IntArray, there: IntArray, values: Array) -> Array:
    """Return values with missing ones replaced by the mean over all points with which links here-there join them."""
    piece = joined_pieces(here, there, values.size)
    known = np.isfinite(values)
    count, total = (np.bincount(piece, weights=part) for part in (known, np.where(known, values, 0.0)))
    mean = np.divide(total, count, out=np.full(count.size, np.nan), where=count > 0)
    return np.where(known, values, mean[piece])
