"""Means and spreads over all cells within a great-circle radius, on any grid."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from thor.core.arrays import Array
from thor.core.progress import progress_bar
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import Grid
from thor.ocean.sphere import unit_vectors

NEIGHBOURHOOD_STATISTICS = ("mean", "spread")
"""Area-weighted mean and standard deviation."""

PAIRS_PER_BLOCK = 4_000_000
"""Neighbour pairs held at once: about 0.2 GB."""


def neighbourhood_statistics(
    fields: Mapping[str, Array],
    grid: Grid,
    mask: np.ndarray,
    *,
    radii_km: Sequence[float],
    statistics: Sequence[str] = NEIGHBOURHOOD_STATISTICS,
) -> dict[str, Array]:
    """Return area-weighted means and standard deviations of fields within each radius around each cell.

    Parameters
    ----------
    fields : mapping of str to ndarray of shape (n_rows, n_columns)
        Finite where `mask` is true.
    grid : Grid
    mask : ndarray of bool, shape (n_rows, n_columns)
        Cells that count, and for which the statistics are made.
    radii_km : sequence of float
        Great-circle radii [km]; the cell itself always counts.
    statistics : sequence of str
        Of `NEIGHBOURHOOD_STATISTICS`. Means within a radius larger than the spacing hardly depend on the grid; spreads
        do.

    Returns
    -------
    dict of str to ndarray of shape (n_rows, n_columns)
        `<name>_mean_<radius>km` and `<name>_spread_<radius>km`; NaN outside `mask`.
    """
    centres = unit_vectors(grid.lat[mask], grid.lon[mask]).T
    area = grid.area[mask]
    names = list(fields)
    # Centring first keeps the difference of squares accurate.
    table = np.stack([fields[name][mask] for name in names], axis=1)
    centre = table.mean(axis=0)
    table = table - centre
    weighted = np.column_stack([area, area[:, None] * table, area[:, None] * table**2])
    out = {}
    for radius in radii_km:
        total, first, second = np.split(_sums_within(centres, radius, weighted), [1, 1 + len(names)], axis=1)
        mean = first / total
        spread = np.sqrt(np.maximum(second / total - mean**2, 0.0))
        found = {"mean": mean + centre, "spread": spread}
        for column, name in enumerate(names):
            for statistic in statistics:
                out[f"{name}_{statistic}_{radius:g}km"] = on_grid = np.full(mask.shape, np.nan)
                on_grid[mask] = found[statistic][:, column]
    return out


def _sums_within(centres: Array, radius_km: float, table: Array) -> Array:
    """Sum the rows of `table` over all points within the radius of each point, in blocks of bounded memory."""
    # Here, because every start of a run would import them.
    from scipy.sparse import csr_array
    from scipy.spatial import cKDTree

    tree = cKDTree(centres)
    chord = 2 * np.sin(min(1e3 * radius_km / EARTH_RADIUS, np.pi) / 2)
    counts = tree.query_ball_point(centres, chord, return_length=True, workers=-1)
    blocks = np.searchsorted(np.cumsum(counts), np.arange(PAIRS_PER_BLOCK, counts.sum(), PAIRS_PER_BLOCK))
    out = np.empty((len(centres), table.shape[1]))
    starts = np.unique([0, *(blocks + 1), len(centres)])
    label = f"cells within {radius_km:g} km"
    for start, stop in progress_bar(list(pairwise(starts)), label=label, unit="block", hidden=len(starts) <= 8):
        pairs = cKDTree(centres[start:stop]).sparse_distance_matrix(tree, chord, output_type="ndarray")
        # Sorted pairs, so that sums are added in one order whatever the tree does.
        matrix = csr_array((np.ones(len(pairs)), (pairs["i"], pairs["j"])), shape=(int(stop - start), len(centres)))
        matrix.sum_duplicates()
        out[start:stop] = matrix @ table
    return out
