"""Columns of a regular grid around the globe: their order and their edges, however the longitudes are stored."""

from typing import NamedTuple

import numpy as np

from thor.core.arrays import Array, IntArray

COINCIDENT_COLUMNS = 0.1
"""Columns nearer than this share of the median spacing are the same place."""

GAP_FACTOR = 1.5
"""A spacing wider than this times those on either side of it is a gap, where the grid ends and starts again."""


class Columns(NamedTuple):
    """The columns of a regular grid.

    Attributes
    ----------
    place : ndarray of int, shape (n_columns,)
        Position of each column in the order of longitude; equal for columns that repeat one another. A gap is a
        position without a column.
    closed : bool
        Whether the last place neighbours the first.
    west, east : ndarray of shape (n_columns,)
        Edges [degrees], midway between neighbouring columns; at a gap as far away as on the other side.
    """

    place: IntArray
    closed: bool
    west: Array
    east: Array


def columns_around(lon: Array) -> Columns:
    """Return the order and the edges of columns at 1-D longitudes [degrees] in any order and convention.

    Longitudes are taken as points on a circle, so that it does not matter where they start, at which multiple of 360
    they are cut, whether they were sorted after that, and whether the last column repeats the first.
    """
    order = np.argsort(lon % 360, kind="stable")
    steps = np.diff(lon[order] % 360, append=lon[order[0]] % 360 + 360)
    # the last of the columns at one place represents it
    distinct = np.flatnonzero(steps >= COINCIDENT_COLUMNS * np.median(steps))
    n_places = distinct.size
    centres = lon[order[distinct]] % 360
    ahead = np.diff(centres, append=centres[0] + 360)
    behind = np.roll(ahead, 1)
    gap = ahead > GAP_FACTOR * np.maximum(behind, np.roll(ahead, -1))
    gap_behind = np.roll(gap, 1)
    alone = gap & gap_behind
    east = np.where(alone, np.median(ahead), np.where(gap, behind, ahead)) / 2
    west = np.where(alone, np.median(ahead), np.where(gap_behind, ahead, behind)) / 2
    start = (int(np.argmax(np.where(gap, ahead, 0.0))) + 1) % n_places if gap.any() else 0
    number = np.roll(np.arange(n_places) + np.cumsum(np.roll(gap_behind, -start)), start)
    at = np.empty(lon.size, dtype=np.int64)
    at[order] = np.searchsorted(distinct, np.arange(lon.size)) % n_places
    place = number[at] - number.min()
    if np.median((np.diff(lon) + 180) % 360 - 180) < 0:
        place = place.max() - place
    return Columns(place, not gap.any(), lon - west[at], lon + east[at])
