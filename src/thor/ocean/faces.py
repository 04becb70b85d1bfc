"""Faces between the cells of a C grid, each counted once, what flows through them, and closed lines along parallels.

Files hold one u face (on the +x side) and one v face (on the +y side) of each cell. Faces on a halo or on a fold are
stored twice, there with the opposite sign; faces on land or where the grid ends lead nowhere.

The line of a latitude consists of the faces that separate cells with their centre at or north of it from cells south
of it: a zig-zag that is closed whatever the grid's axes do, across seam and fold too, so the transport through it is
the inflow into all cells north of it. On a regular grid it is a row of faces.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from thor.core.arrays import AnyArray, Array, IntArray
from thor.core.errors import ConfigError, DataError, GridError, UnitsError
from thor.ocean.grid import Grid

FACE_STEPS = {"umo": (0, 1), "vmo": (1, 0)}
"""Mass transports on faces, and the step (rows, columns) from a cell through its face."""

MASS_TRANSPORT_UNITS = "kg s-1"


@dataclass(frozen=True, eq=False)
class CellFaces:
    """Faces between two cells.

    Attributes
    ----------
    stored : ndarray of int, shape (n_faces,)
        Place in the flattened u faces, followed by the flattened v faces.
    behind, ahead : ndarray of int, shape (n_faces,)
        Flat index of the cell that a positive transport leaves, and of the one that it enters.
    """

    stored: IntArray
    behind: IntArray
    ahead: IntArray

    @classmethod
    def of(cls, grid: Grid) -> "CellFaces":
        """Return all faces between two cells of a grid, each once."""
        origin = grid.topology.locate((0, 0)).cell.ravel()
        n_cells, is_original = origin.size, origin == np.arange(origin.size)
        parts = []
        for number, step in enumerate(FACE_STEPS.values()):
            ahead = grid.topology.locate(step).cell.ravel()
            place = np.flatnonzero((origin >= 0) & (ahead >= 0) & (origin != ahead))
            # Values in a halo may be out of date, so a face of an original cell comes before its repetitions.
            place = place[np.argsort(~is_original[place], kind="stable")]
            pair = np.sort(np.stack([origin[place], ahead[place]]), axis=0)
            once = np.sort(np.unique(pair[0] * n_cells + pair[1], return_index=True)[1])
            place = place[once]
            parts.append((number * n_cells + place, origin[place], ahead[place]))
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def take(self, chosen: AnyArray) -> "CellFaces":
        """Return some of the faces, by index or mask."""
        return CellFaces(self.stored[chosen], self.behind[chosen], self.ahead[chosen])

    def values(self, u: AnyArray, v: AnyArray) -> AnyArray:
        """Return the values (n_faces,) of fields on u and v faces, each (n_rows, n_columns); NaN becomes 0."""
        return np.nan_to_num(np.concatenate([u.ravel(), v.ravel()])[self.stored], nan=0.0)


def require_transports(transports: xr.Dataset, grid: Grid) -> tuple[str, Array]:
    """Return the vertical dim of mass transports on faces and the bounds (n_levels, 2) of its levels or classes.

    Raises
    ------
    DataError
        When `umo` or `vmo` is missing, they differ in their dims, or bounds are missing or not increasing.
    GridError
        When they are not on this grid.
    UnitsError
        When units are not kg s-1.
    """
    for name in FACE_STEPS:
        if name not in transports:
            raise DataError(f"'{name}' is missing; got {', '.join(map(str, transports.data_vars))}.")
        units = transports[name].attrs.get("units")
        if units != MASS_TRANSPORT_UNITS:
            raise UnitsError(f"'{name}' has units {units!r}; expected '{MASS_TRANSPORT_UNITS}'. Convert it on reading.")
    dims = transports["umo"].dims
    vertical = [str(dim) for dim in dims if dim not in grid.dims]
    if len(vertical) != 1 or set(transports["vmo"].dims) != set(dims):
        raise DataError(
            f"'umo' and 'vmo' need the dims {', '.join(grid.dims)} and one of levels or density classes; got {dims} "
            f"and {transports['vmo'].dims}. Select one time mean."
        )
    shape = tuple(transports.sizes.get(dim) for dim in grid.dims)
    if shape != grid.shape:
        raise GridError(f"'umo' and 'vmo' have {shape} cells, the grid {grid.shape}. Read both from the same run.")
    name = transports[vertical[0]].attrs.get("bounds", f"{vertical[0]}_bnds")
    if name not in transports.variables:
        raise DataError(f"'{name}', the bounds of '{vertical[0]}', is missing: psi needs the edges of levels.")
    bounds = transports[name].values.astype(float)
    if not (np.isfinite(bounds).all() and (bounds[:, 1] > bounds[:, 0]).all() and (np.diff(bounds[:, 0]) > 0).all()):
        raise DataError(f"'{name}' must increase from level to level; got {bounds.tolist()}.")
    return vertical[0], bounds


def each_level(transports: xr.Dataset, vertical: str, grid: Grid) -> Iterator[tuple[AnyArray, AnyArray]]:
    """Yield the mass transports [kg s-1] of each level on u and v faces, each (n_rows, n_columns).

    Where they are backed by dask, the levels of one chunk are read together.
    """
    first = 0
    for size in transports["umo"].chunksizes.get(vertical, (transports.sizes[vertical],)):
        levels = {vertical: slice(first, first + size)}
        u, v = (transports[name].isel(levels).transpose(vertical, *grid.dims).values for name in FACE_STEPS)
        yield from zip(u, v, strict=True)
        first += size


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
