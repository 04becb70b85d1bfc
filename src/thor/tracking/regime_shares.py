"""Quantities of cells divided among regimes by probability, summed over groups of cells for each network.

Probabilities come in blocks of cells, so that those of all networks are never in memory at once. Cells without a
regime, such as shallow ones, form the last entry of dim `regime`, so that the parts add up to the whole.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from thor.core.arrays import AnyArray, Array, IntArray
from thor.core.errors import DataError
from thor.ocean.basins import NO_BASIN
from thor.ocean.grid import Grid
from thor.tracking.cells import Cells, WindowInputs
from thor.tracking.tools import TrackingTools

NO_REGIME = "no_regime"
"""Entry of dim `regime` for cells without one."""

OTHER_BASINS = "other"
"""Entry of dim `basin` for cells of no named basin."""

CELLS_AT_ONCE = 65_536


class ProbabilityBlock(NamedTuple):
    """Regimes of some cells.

    Attributes
    ----------
    cells : ndarray of int, shape (n_cells,)
        Flat indices in the grid.
    probability : ndarray of shape (n_networks, n_cells, n_regimes)
    """

    cells: IntArray
    probability: AnyArray


class Spread(NamedTuple):
    """Mean over networks, and the ends of the interval: equal for one network."""

    mean: Array
    lower: Array
    upper: Array

    def named(self, name: str) -> dict[str, Array]:
        """Return the three as `name`, `<name>_lower` and `<name>_upper`."""
        return {name: self.mean, f"{name}_lower": self.lower, f"{name}_upper": self.upper}


def probabilities_by_network(
    run: xr.Dataset, window: int, tools: TrackingTools, predictor: str
) -> Iterator[ProbabilityBlock]:
    """Yield the probabilities of every network of a predictor in one window of a run, block by block.

    Parameters
    ----------
    run : xarray.Dataset
        Features, as for `thor.tracking.track.track_run`.
    window : int
    tools : TrackingTools
    predictor : str
    """
    cells = Cells.of(run)
    inputs = WindowInputs.of(run, window, cells, tools.scaler)
    index = cells.index[inputs.known]
    for part, (probability,) in tools.probabilities(predictor, [inputs.scaled(inputs.known)]):
        yield ProbabilityBlock(index[part], probability)


def probabilities_on_grid(probability: xr.DataArray, grid: Grid) -> Iterator[ProbabilityBlock]:
    """Yield probabilities given as a field with dims `regime`, those of the grid and, optional, `network`.

    Cells with a missing probability have no regime and are left out.

    Raises
    ------
    GridError
        When the field is on another grid.
    """
    field = probability if "network" in probability.dims else probability.expand_dims("network")
    field = grid.on_cells(field).transpose("network", *grid.dims, "regime")
    n_rows, n_columns = grid.shape
    rows = max(1, CELLS_AT_ONCE // n_columns)
    for start in range(0, n_rows, rows):
        block = field[:, start : start + rows].values
        block = block.reshape(block.shape[0], -1, block.shape[-1])
        known = np.isfinite(block).all(axis=(0, 2))
        yield ProbabilityBlock(start * n_columns + np.flatnonzero(known), block[:, known])


def basin_numbers(basin: xr.DataArray, names: Iterable[str] | None = None) -> tuple[IntArray, tuple[str, ...]]:
    """Return the number of the basin of each cell of the flattened grid, and the names in that order.

    Parameters
    ----------
    basin : xarray.DataArray
        CF flags, as from `thor.ocean.basins.basin_codes`.
    names : iterable of str, optional
        Basins to keep; all that have a cell by default. The last entry is always `other`, for all other cells.

    Raises
    ------
    DataError
        When a name is no flag of `basin`.
    """
    flags = dict(zip(str(basin.attrs["flag_meanings"]).split(), np.atleast_1d(basin.attrs["flag_values"]), strict=True))
    present = set(np.unique(basin.values).tolist()) - {NO_BASIN}
    chosen = [name for name, code in flags.items() if code in present] if names is None else list(names)
    if unknown := sorted(set(chosen) - set(flags)):
        raise DataError(f"There is no basin {', '.join(unknown)}; 'basin' has {', '.join(flags)}.")
    number = np.full(basin.size, len(chosen))
    for place, name in enumerate(chosen):
        number[basin.values.ravel() == flags[name]] = place
    return number, (*chosen, OTHER_BASINS)


def regime_sums(
    blocks: Iterable[ProbabilityBlock], cell: IntArray, group: IntArray, values: Array, *, n_groups: int
) -> Array:
    """Return sums over entries of values times probability, by network, group and regime.

    Parameters
    ----------
    blocks : iterable of ProbabilityBlock
        Every cell at most once; probabilities of a cell add up to 1 but for rounding and are normalised.
    cell, group : ndarray of int, shape (n_entries,)
        Flat index of the cell, and group, of each entry.
    values : ndarray of shape (n_entries, n_columns)
    n_groups : int

    Returns
    -------
    ndarray of shape (n_networks, n_groups, n_regimes + 1, n_columns)
        The last regime is that of cells in no block.

    Raises
    ------
    DataError
        When there is no block, or a cell is in two.

    Notes
    -----
    In memory are one block, its part of the values and the result (8 bytes each).
    """
    place = np.full(int(cell.max(initial=-1)) + 1, -1)
    remaining, sums = np.ones(cell.size, dtype=bool), None
    for cells, probability in blocks:
        if sums is None:
            sums = np.zeros((probability.shape[0], n_groups, probability.shape[2] + 1, values.shape[1]))
        inside = cells < place.size
        place[cells[inside]] = np.flatnonzero(inside)
        entries = np.flatnonzero(place[cell] >= 0)
        if not remaining[entries].all():
            raise DataError("Probabilities of a cell come in two blocks; each cell must come once.")
        remaining[entries] = False
        entries = entries[np.argsort(group[entries], kind="stable")]
        _add_block(sums[:, :, :-1], probability, place[cell[entries]], group[entries], values[entries])
        place[cells[inside]] = -1
    if sums is None:
        raise DataError("There are no probabilities of regimes.")
    left = np.flatnonzero(remaining)
    for start in range(0, left.size, CELLS_AT_ONCE):
        part = left[start : start + CELLS_AT_ONCE]
        sums[:, :, -1] += group_sums(group[part], values[part], n_groups)
    return sums


def group_sums(group: IntArray, values: Array, n_groups: int) -> Array:
    """Return the sums of values (n_entries, n_columns) over the entries of each group, (n_groups, n_columns)."""
    entries = np.arange(group.size)
    return csr_array((np.ones(group.size), (group, entries)), shape=(n_groups, group.size)) @ values


def spread_over_networks(values: Array, level: float, *, axis: int = 0) -> Spread:
    """Return the mean over the axis of networks, and the ends of the central interval of that level."""
    lower, upper = np.quantile(values, (0.5 * (1 - level), 0.5 * (1 + level)), axis=axis)
    return Spread(values.mean(axis=axis), lower, upper)


def _add_block(sums: Array, probability: AnyArray, place: IntArray, group: IntArray, values: Array) -> None:
    """Add to sums (n_networks, n_groups, n_regimes, n_columns) the entries of one block, sorted by group."""
    share = probability.astype(np.float64).transpose(0, 2, 1)
    share /= share.sum(axis=1, keepdims=True)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    n_networks, n_regimes, _ = share.shape
    for start, stop in pairwise([*starts, group.size]):
        weights = share[:, :, place[start:stop]].reshape(n_networks * n_regimes, -1)
        sums[:, group[start]] += (weights @ values[start:stop]).reshape(n_networks, n_regimes, -1)
