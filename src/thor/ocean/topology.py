"""Neighbours of the cells of a structured grid, found from the positions of their centres alone.

Inside a grid the neighbours are the next columns and rows. At its edge they follow from the positions of the centres:

* the last column meets the first (periodic), perhaps after columns that repeat the first ones;
* beyond an end row the grid continues over a pole, half a turn away, or through a tripolar fold, mirrored, by one
  rule: row r stands for row `row_sum` - r, column c for column `column_shift` +- c. It holds for rows that are stored
  twice as for those beyond the end, so folds with and without repeated rows, about T points or about F points, are
  one case;
* where neither fits, the grid ends.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from thor.core.arrays import Array, IntArray, Mask

MAX_REPEATED = 4
"""Columns or rows that a halo may repeat."""

COINCIDENT_CENTRES = 0.1
"""Centres nearer than this share of the spacing are the same place."""


class Continuation(NamedTuple):
    """Rows beyond an end: row r stands for `row_sum` - r, column c for `column_shift` + `column_sign` c.

    The sign of the columns is 1 over a pole and -1 through a fold.
    """

    row_sum: int
    column_shift: int
    column_sign: int


class Located(NamedTuple):
    """The cells found by a step, each array of shape (n_rows, n_columns).

    Attributes
    ----------
    cell : ndarray of int
        Flat index; -1 where the grid ends or a position is unknown.
    row_sign, column_sign : ndarray of int
        -1 where rows, columns at the cell found run against those at the cell the step was taken from.
    """

    cell: IntArray
    row_sign: IntArray
    column_sign: IntArray


@dataclass(frozen=True, eq=False)
class Topology:
    """Neighbours of the cells of a structured grid.

    Attributes
    ----------
    known : ndarray of bool, shape (n_rows, n_columns)
        Whether a cell has a position.
    period : int or None
        Columns once around the globe; None where the last column does not meet the first.
    beyond : tuple of (Continuation or None)
        Continuation beyond the first and the last row.
    places : ndarray of int, shape (n_columns,), optional
        Position of each column in the direction of the columns, where that is not the order in which they are stored;
        columns at one place repeat each other, and a place without a column is a gap. `period` and `beyond` count
        places.
    """

    known: Mask
    period: int | None = None
    beyond: tuple[Continuation | None, Continuation | None] = (None, None)
    places: IntArray | None = None
    _located: dict[tuple[int, int], Located] = field(default_factory=dict, repr=False)

    @property
    def periodic(self) -> bool:
        """Whether the last column neighbours the first."""
        return self.period is not None

    @property
    def over_pole(self) -> tuple[bool, bool]:
        """Whether the first and the last row end at a pole."""
        first, last = (end is not None and end.column_sign == 1 for end in self.beyond)
        return first, last

    @property
    def duplicate(self) -> Mask:
        """Cells that repeat another, with or without position, shape (n_rows, n_columns); leave them out of sums."""
        index = np.arange(self.known.size).reshape(self.known.shape)
        return self.with_positions_everywhere().locate((0, 0)).cell != index

    def with_positions_everywhere(self) -> "Topology":
        """Return the same topology as if every cell had a position: -1 is then the end of the grid only."""
        return replace(self, known=np.ones_like(self.known), _located={})

    def locate(self, step: tuple[int, int]) -> Located:
        """Return the cells `step` = (rows, columns), each -1, 0 or 1, away; never a repeated one."""
        if step not in self._located:
            n_rows, n_columns = self.known.shape
            places = np.arange(n_columns) if self.places is None else self.places
            rows, columns = np.meshgrid(np.arange(n_rows) + step[0], places + step[1], indexing="ij")
            self._located[step] = self._stored(rows, columns)
        return self._located[step]

    def values_at(self, step: tuple[int, int], values: Array) -> Array:
        """Return for each cell the value (..., n_rows, n_columns) of the one `step` away; NaN where there is none."""
        index = self.locate(step).cell
        return np.where(index >= 0, values.reshape(*values.shape[:-2], -1)[..., index], np.nan)

    def surrounded(self, where: Mask) -> Mask:
        """Return the cells at which, and at all eight neighbours of which, `where` (n_rows, n_columns) is true."""
        steps = [(rows, columns) for rows in (-1, 0, 1) for columns in (-1, 0, 1)]
        return np.logical_and.reduce([self.values_at(step, where.astype(float)) == 1 for step in steps])

    def _stored(self, rows: IntArray, columns: IntArray) -> Located:
        n_rows, n_columns = self.known.shape
        columns = self._wrapped(columns)
        row_sign, column_sign = np.ones_like(rows), np.ones_like(columns)
        for end, side in zip(self.beyond, (-1, 1), strict=True):
            if end is None:
                continue
            mirrored = self._wrapped(end.column_shift + end.column_sign * columns)
            past = side * (2 * rows - end.row_sum)
            through = (past > 0) | ((past == 0) & (columns > mirrored))
            rows, columns = np.where(through, end.row_sum - rows, rows), np.where(through, mirrored, columns)
            row_sign = np.where(through, -1, row_sign)
            column_sign = np.where(through, end.column_sign, column_sign)
        inside = (rows >= 0) & (rows < n_rows) & (columns >= 0) & (columns < self._column_at.size)
        columns = np.where(inside, self._column_at[np.where(inside, columns, 0)], -1)
        inside &= columns >= 0
        index = np.where(inside, rows * n_columns + columns, 0)
        inside &= self.known & self.known.ravel()[index]
        return Located(np.where(inside, index, -1), row_sign, column_sign)

    @cached_property
    def _column_at(self) -> IntArray:
        """The column stored for each place; -1 for none."""
        n_columns = self.known.shape[1]
        if self.places is None:
            return np.arange(n_columns)
        # Of repeated columns the inner ones are used: the outer ones are a model's halo.
        inwards = np.argsort(-np.abs(2 * np.arange(n_columns) + 1 - n_columns), kind="stable")
        column_at = np.full(self.places.max() + 1, -1)
        column_at[self.places[inwards]] = inwards
        return column_at

    def _wrapped(self, columns: IntArray) -> IntArray:
        if self.period is None:
            return columns
        # Of repeated columns the inner ones are used here too.
        first = (self._column_at.size - self.period) // 2
        return first + (columns - first) % self.period


def find_topology(centres: Array) -> Topology:
    """Return the topology of a grid.

    Parameters
    ----------
    centres : ndarray of shape (3, n_rows, n_columns)
        Unit vectors of the cell centres; NaN where unknown.
    """
    known = np.asarray(np.isfinite(centres).all(axis=0))
    repeated = repeated_columns(centres)
    if not (repeated or _seam_closes(centres)):
        return Topology(known)
    n_rows, period, first = known.shape[0], known.shape[1] - repeated, repeated // 2
    ring = centres[:, :, first : first + period]
    last, upside_down = _beyond_last_row(ring, first), _beyond_last_row(ring[:, ::-1], first)
    # Counted from the other end, r is n_rows - 1 - r.
    start = upside_down and upside_down._replace(row_sum=2 * (n_rows - 1) - upside_down.row_sum)
    return Topology(known, period, (start, last))


def repeated_columns(centres: Array) -> int:
    """Return how many of the last columns lie where the first do, for centres of shape (3, n_rows, n_columns)."""
    n_columns = centres.shape[2]
    spacing = _median_length(np.diff(centres, axis=2))
    for count in range(min(MAX_REPEATED, n_columns // 2), 0, -1):
        if _median_length(centres[:, :, -count:] - centres[:, :, :count]) < COINCIDENT_CENTRES * spacing:
            return count
    return 0


def _seam_closes(centres: Array) -> bool:
    # The gap between the last and the first column must be no wider than the widest step inside the grid.
    seam = _median_length(centres[:, :, -1] - centres[:, :, 0])
    return bool(seam <= 1.5 * _median_length(np.diff(centres, axis=2)))


def _beyond_last_row(ring: Array, first: int) -> Continuation | None:
    """Return the continuation of columns `first`, ... of a periodic grid beyond the last row."""
    end, period = ring.shape[1] - 1, ring.shape[2]
    last = ring[:, end]
    spacing = _median_length(np.diff(last, axis=1))
    for behind in range(min(MAX_REPEATED, end)):
        shift = _best_mirror(last, ring[:, end - behind])
        if _median_length(last - _mirrored(ring[:, end - behind], shift)) < COINCIDENT_CENTRES * spacing:
            return Continuation(2 * end - behind, shift + 2 * first, -1)
    opposite = np.roll(last, period // 2, axis=1)
    if period % 2 == 0 and _continues_evenly(ring[:, end - 1], last, opposite):
        return Continuation(2 * end + 1, period // 2, 1)
    shift = _best_mirror(last, last)
    if _continues_evenly(ring[:, end - 1], last, _mirrored(last, shift)):
        return Continuation(2 * end + 1, shift + 2 * first, -1)
    return None


def _best_mirror(row: Array, other: Array) -> int:
    """Return the shift s for which column s - c of `other` lies nearest to column c of `row`, each (3, n_columns)."""
    # The sum over c of row[c] . other[s - c] is a convolution, and largest where distances are smallest.
    spectra = np.fft.rfft(np.nan_to_num(row)) * np.fft.rfft(np.nan_to_num(other))
    return int(np.argmax(np.fft.irfft(spectra.sum(axis=0), row.shape[1])))


def _mirrored(row: Array, shift: int) -> Array:
    n_columns = row.shape[1]
    return row[:, (shift - np.arange(n_columns)) % n_columns]


def _continues_evenly(before: Array, last: Array, beyond: Array) -> bool:
    """Return whether rows continue evenly: the second difference is small beside the first."""
    return _median_length(before + beyond - 2 * last) < 0.5 * _median_length(beyond - before)


def _median_length(vectors: Array) -> float:
    length = np.linalg.norm(vectors, axis=0)
    length = length[np.isfinite(length)]
    return float(np.median(length)) if length.size else np.nan


def joined_pieces(here: IntArray, there: IntArray, n_points: int) -> IntArray:
    """Return the number of the piece that each of so many points is part of, joined by the links here-there."""
    from scipy.sparse import coo_array  # here, because every start of a run would import it
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(here.size, dtype=np.int8), (here, there)), shape=(n_points, n_points))
    pieces: IntArray = connected_components(links, directed=False)[1]
    return pieces
