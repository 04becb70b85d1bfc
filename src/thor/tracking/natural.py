"""Internal variability: null distributions of P(change), from pairs of windows of the control run.

Two window means differ without any forcing. The pairs of control windows that are equally far apart show by how much:
they give the null distribution of P(change). It is pooled over cells of similar local variability, the mean P(change)
of a cell between the other windows of the control run: pooled over all cells, it would be too narrow where the ocean
varies much and too wide where it varies little.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray, Array
from thor.core.errors import DataError
from thor.tracking.cells import Cells, ControlPairs
from thor.tracking.settings import TrackingSettings

NULLS_AT_ONCE = 2
"""Null distributions that are fitted and tested together, not one for each core: a test sorts all cells."""

_MANTISSA_BITS = 10
"""P(change) is counted in bins whose width is 0.1 % of it, or less: the first bits of its floating-point number."""

_SHIFT = 23 - _MANTISSA_BITS

_LOWEST_BIN = (127 - 24) << _MANTISSA_BITS
"""The first bin holds 2^-24 and all that is smaller."""

_N_BINS = (127 << _MANTISSA_BITS) - _LOWEST_BIN + 1
"""The last bin is 1 alone."""

_VALUES_AT_ONCE = 250_000
"""Values of P(change) that are counted together: bounds the memory, whatever the number of cells and pairs."""

_VALUES_FOR_EDGES = 1_000_000
"""Values that the classes are formed from; of more, regularly spaced cells."""


@dataclass(frozen=True, eq=False)
class Null:
    """Distribution of P(change) without forcing, for each class of local variability.

    Attributes
    ----------
    edges : ndarray of shape (n_strata - 1,)
        Values of the local variability, or of the certainty, that separate the classes.
    area_from : ndarray of shape (n_strata, n_bins), [m2]
        Area with a P(change) in each bin and in all higher ones.
    separation : int
        Distance of the pairs in windows.
    n_pairs : int
    variability : ndarray of shape (n_cells,), optional
        Mean P(change) in each cell of the control run; None: classes of baseline certainty.
    """

    edges: AnyArray
    area_from: Array
    separation: int
    n_pairs: int
    variability: AnyArray | None = None

    @classmethod
    def fit(
        cls,
        of_cells: Callable[[slice], tuple[AnyArray, AnyArray]],
        area: AnyArray,
        *,
        n_strata: int,
        n_pairs: int = 1,
        separation: int = 1,
        variability: AnyArray | None = None,
    ) -> "Null":
        """Return the null distribution of P(change) in classes of a key.

        Parameters
        ----------
        of_cells : callable
            From a slice of cells to P(change) of all pairs there and to their keys, each of shape (n_pairs, n_block).
        area : ndarray of shape (n_cells,), [m2]
        n_strata, n_pairs, separation, variability
            Number of classes; attributes of the distribution.
        """
        some = slice(None, None, -(-n_pairs * len(area) // _VALUES_FOR_EDGES))
        edges = np.quantile(of_cells(some)[1], np.linspace(0, 1, n_strata + 1)[1:-1])
        area_of = np.zeros(n_strata * _N_BINS)
        n_block = max(1, _VALUES_AT_ONCE // n_pairs)
        for start in range(0, len(area), n_block):
            part = slice(start, start + n_block)
            change, key = of_cells(part)
            place = np.searchsorted(edges, key, side="right") * _N_BINS + _bins(change)
            of_each = np.broadcast_to(area[part], place.shape)
            area_of += np.bincount(place.ravel(), of_each.ravel(), minlength=area_of.size)
        area_from = area_of.reshape(n_strata, _N_BINS)[:, ::-1].cumsum(axis=1)[:, ::-1]
        return cls(edges, area_from, separation, n_pairs, variability)

    def p_value(
        self, change: AnyArray, certainty: AnyArray, area: AnyArray, *, places: NDArray[np.int64] | None = None
    ) -> AnyArray:
        """Return the share of the null's area in the bin of each change and above, including the cell itself.

        Parameters
        ----------
        change : ndarray of shape (n_cells,)
        certainty : ndarray of shape (n_cells,)
            Largest probability of a regime in the baseline.
        area : ndarray of shape (n_cells,), [m2]
        places : ndarray of int, shape (n_cells,), optional
            Numbers of the cells in the control run, -1 outside, as from `NaturalVariability.places`; by default the
            cells are those of the control run.

        Returns
        -------
        ndarray of shape (n_cells,)
            Above 0, because the cell itself is part of the null distribution; 1 in a class without values.
        """
        key = certainty
        if self.variability is not None:
            # Cells outside the control run, NaN, sort last: into the class with the largest variability.
            of_cells = self.variability if places is None else self.variability[places]
            key = of_cells if places is None else np.where(places < 0, np.nan, of_cells)
        stratum = np.searchsorted(self.edges, key, side="right")
        return np.asarray((self.area_from[stratum, _bins(change)] + area) / (self.area_from[stratum, 0] + area))


def _bins(change: AnyArray) -> NDArray[np.int32]:
    """Return the bin of each P(change)."""
    bits = np.ascontiguousarray(change, dtype=np.float32).view(np.int32)
    return np.clip((bits >> _SHIFT) - _LOWEST_BIN, 0, _N_BINS - 1)


@dataclass(frozen=True, eq=False)
class NaturalVariability:
    """P(change) between windows without forcing, or with the same forcing: the data of the null distributions.

    Attributes
    ----------
    change : ndarray of float32, shape (n_pairs, n_cells)
    certainty : ndarray of float32, shape (n_states, n_cells)
        Largest mean probability of a regime in each window.
    pairs : ControlPairs
    cells : Cells
        Of the control run, with `area` [m2].
    """

    change: AnyArray
    certainty: AnyArray
    pairs: ControlPairs
    cells: Cells

    def null(
        self, separation: int, settings: TrackingSettings, *, without: Collection[int] = (), local: bool = True
    ) -> Null:
        """Return the null distribution for one separation, or for the nearest with enough pairs.

        Parameters
        ----------
        separation : int
            In windows.
        settings : TrackingSettings
        without : collection of int
            Control windows to leave out, with all pairs that have months in common with them.
        local : bool
            Whether the classes are those of local variability; if not, or if any pair has months in common with all
            others, they are those of baseline certainty.

        Raises
        ------
        DataError
            When no pair remains.

        Notes
        -----
        The local variability of a pair in the null distribution is the mean P(change) of all pairs that share no month
        with it: otherwise a large value would raise the variability with which it is compared.
        """
        kept = self._pairs_without(without)
        apart = np.where(kept, self.pairs.separation, -1)
        found, counts = np.unique(apart[apart > 0], return_counts=True)
        variants = int((apart == 0).sum())
        if not found.size and not variants:
            raise DataError(
                "The control run has no pair of windows left to estimate internal variability from. Use a longer "
                "piControl or shorter windows (data_engineering.windows.length_years)."
            )
        if found.size:
            # Where no separation has enough pairs, the one with the most.
            many = found[counts + variants >= min(settings.min_pairs, counts.max() + variants)]
            separation = int(many[np.argmin(np.abs(many - separation))])
        chosen = np.flatnonzero((apart == separation) | (apart == 0))
        others = np.stack([self._pairs_without([*without, *self.pairs.states[k]]) for k in chosen])
        local = local and bool(others.any(axis=1).all())
        first = self.pairs.states[chosen, 0]

        def of_cells(part: slice) -> tuple[AnyArray, AnyArray]:
            key = self._mean_change(others, part) if local else self.certainty[first, part]
            return self.change[chosen, part], key

        return Null.fit(
            of_cells,
            self.cells.area,
            n_strata=settings.n_strata,
            n_pairs=chosen.size,
            separation=separation,
            variability=(self._mean_change(kept[None])[0] if len(without) else self._variability) if local else None,
        )

    def places(self, cells: Cells) -> NDArray[np.int64] | None:
        """Return the numbers of cells in the control run, -1 for those that it lacks; None on another grid."""
        grid, other = self.cells.like, cells.like
        if grid.dims != other.dims or grid.shape != other.shape:
            return None
        if not all(np.allclose(grid[axis], other[axis], atol=1e-4, equal_nan=True) for axis in ("lat", "lon")):
            return None
        index = self.cells.index
        place = np.minimum(np.searchsorted(index, cells.index), len(index) - 1)
        return np.where(index[place] == cells.index, place, -1)

    @cached_property
    def _variability(self) -> AnyArray:
        """Mean P(change) of each cell over all pairs: one array for the null distributions of all separations."""
        return np.asarray(self._mean_change(np.ones((1, len(self.change)), bool))[0])

    def _pairs_without(self, windows: Collection[int]) -> NDArray[np.bool_]:
        """Return which pairs share no month with the windows."""
        touched = np.asarray(self.pairs.overlap[list(windows)].any(axis=0))
        return ~np.asarray(touched[self.pairs.states].any(axis=1))

    def _mean_change(self, chosen: NDArray[np.bool_], part: slice = slice(None)) -> AnyArray:
        """Return mean P(change) of cells over sets of pairs, (n_sets, n_pairs): shape (n_sets, n_cells)."""
        weights = chosen / chosen.sum(axis=1, keepdims=True)
        return weights.astype(np.float32) @ self.change[:, part]
