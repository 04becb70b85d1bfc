"""Closed zig-zag lines along parallels on any grid.

The line of a latitude consists of the faces that separate cells with their centre at or north of it from cells south
of it. It is closed whatever the grid's axes do, across seam and fold too, so the transport through it is the inflow
into all cells north of it. On a regular grid it is a row of faces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from thor.core.arrays import Array, IntArray
from thor.core.errors import ConfigError
from thor.ocean.faces import CellFaces
from thor.ocean.grid import Grid


@dataclass(frozen=True, eq=False)
class LatitudeLines:
    """The faces of each line, and the cells beside them.

    Attributes
    ----------
    latitudes : ndarray of shape (n_lines,)
        Increasing [degrees_north].
    faces : CellFaces
        All faces that belong to a line.
    crossing : csr_array of shape (n_lines, n_faces)
        1 where the face belongs to the line and a positive transport is northward, -1 where it is southward.
    cell, line : ndarray of int, shape (n_pairs,)
        Every cell beside a line, by flat index, and that line.
    halves : csr_array of shape (n_pairs, n_faces)
        Half of `crossing` for either cell of a face; sums of pairs by line are `crossing`.
    """

    latitudes: Array
    faces: CellFaces
    crossing: csr_array
    cell: IntArray
    line: IntArray
    halves: csr_array


def latitude_lines(grid: Grid, latitudes: Sequence[float] | Array) -> LatitudeLines:
    """Return the lines of the given latitudes.

    Parameters
    ----------
    grid : Grid
        Lines are closed where it covers the globe.
    latitudes : sequence of float
        Increasing [degrees_north].

    Raises
    ------
    ConfigError
        When latitudes do not increase or lie beyond a pole.
    """
    lines = np.asarray(latitudes, dtype=float)
    if not lines.size or (np.diff(lines) <= 0).any() or np.abs(lines).max() > 90:
        raise ConfigError(f"Latitudes of lines must increase between -90 and 90 degrees. Got {lines.tolist()}.")
    faces, lat = CellFaces.of(grid), grid.lat.ravel()
    # Lines up to a cell: a face belongs to those between its two cells.
    below, above = (np.searchsorted(lines, lat[cell], side="right") for cell in (faces.behind, faces.ahead))
    chosen = below != above
    faces, below, above = faces.take(chosen), below[chosen], above[chosen]
    n_faces, count = faces.stored.size, np.abs(above - below)
    face = np.repeat(np.arange(n_faces), count)
    within = np.arange(face.size) - np.repeat(np.cumsum(count) - count, count)
    line = np.minimum(below, above)[face] + within
    sign = np.where(above > below, 1.0, -1.0)[face]
    key = np.concatenate([faces.behind[face], faces.ahead[face]]) * lines.size + np.tile(line, 2)
    pairs, place = np.unique(key, return_inverse=True)
    halves = csr_array((np.tile(0.5 * sign, 2), (place, np.tile(face, 2))), shape=(pairs.size, n_faces))
    crossing = csr_array((sign, (line, face)), shape=(lines.size, n_faces))
    return LatitudeLines(lines, faces, crossing, pairs // lines.size, pairs % lines.size, halves)
