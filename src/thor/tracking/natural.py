"""Internal variability: null distributions of P(change), from pairs of windows of the control run.

Two window means differ without any forcing. The pairs of control windows that are equally far apart show by how much:
they give the null distribution of P(change). It is pooled over cells of similar local variability, the mean P(change)
of a cell between the other windows of the control run: pooled over all cells, it would be too narrow where the ocean
varies much and too wide where it varies little.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.errors import DataError
from thor.tracking.cells import Cells, ControlPairs
from thor.tracking.settings import TrackingSettings

NULLS_AT_ONCE = 2
"""Null distributions that are fitted together, not one for each core: each takes as much memory as its pairs."""


@dataclass(frozen=True, eq=False)
class Null:
    """Distribution of P(change) without forcing, for each class of local variability.

    Attributes
    ----------
    edges : ndarray of shape (n_strata - 1,)
        Values of the local variability, or of the certainty, that separate the classes.
    values : tuple of ndarray, each of shape (n_values,)
        P(change) of each class, ascending.
    area_from : tuple of ndarray, each of shape (n_values + 1,), [m2]
        Area of each value and of all larger ones.
    separation : int
        Distance of the pairs in windows.
    n_pairs : int
    variability : ndarray of shape (n_cells,), optional
        Mean P(change) in each cell of the control run; None: classes of baseline certainty.
    """

    edges: AnyArray
    values: tuple[AnyArray, ...]
    area_from: tuple[AnyArray, ...]
    separation: int
    n_pairs: int
    variability: AnyArray | None = None

    @classmethod
    def fit(
        cls,
        change: AnyArray,
        key: AnyArray,
        area: AnyArray,
        *,
        n_strata: int,
        separation: int = 1,
        n_pairs: int = 1,
        variability: AnyArray | None = None,
    ) -> "Null":
        """Return the null distribution of values, each array of shape (n_values,), in classes of the key."""
        edges = np.quantile(key, np.linspace(0, 1, n_strata + 1)[1:-1])
        stratum = np.searchsorted(edges, key, side="right")
        values, area_from = [], []
        for k in range(n_strata):
            members = np.flatnonzero(stratum == k)
            members = members[np.argsort(change[members])]
            values.append(change[members])
            area_from.append(np.append(np.cumsum(area[members][::-1], dtype=np.float64)[::-1], 0.0))
        return cls(edges, tuple(values), tuple(area_from), separation, n_pairs, variability)

    def p_value(
        self, change: AnyArray, certainty: AnyArray, area: AnyArray, *, places: NDArray[np.int64] | None = None
    ) -> AnyArray:
        """Return the share of the null's area at or above each change, including the cell itself.

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
        p_value, key = np.ones(change.shape), certainty
        if self.variability is not None:
            # Cells outside the control run, NaN, sort last: into the class with the largest variability.
            key = self.variability if places is None else np.append(self.variability, np.nan)[places]
        stratum = np.searchsorted(self.edges, key, side="right")
        for k, (values, area_from) in enumerate(zip(self.values, self.area_from, strict=True)):
            cells = stratum == k
            above = area_from[np.searchsorted(values, change[cells], side="left")]
            p_value[cells] = (above + area[cells]) / (area_from[0] + area[cells])
        return p_value


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
        key = self._mean_change(others) if local else self.certainty[self.pairs.states[chosen, 0]]
        return Null.fit(
            self.change[chosen].ravel(),
            key.ravel(),
            np.tile(self.cells.area, chosen.size),
            n_strata=settings.n_strata,
            separation=separation,
            n_pairs=chosen.size,
            variability=self._mean_change(kept[None])[0] if local else None,
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

    def _pairs_without(self, windows: Collection[int]) -> NDArray[np.bool_]:
        """Return which pairs share no month with the windows."""
        touched = np.asarray(self.pairs.overlap[list(windows)].any(axis=0))
        return ~np.asarray(touched[self.pairs.states].any(axis=1))

    def _mean_change(self, chosen: NDArray[np.bool_]) -> AnyArray:
        """Return mean P(change) of each cell over sets of pairs, (n_sets, n_pairs): shape (n_sets, n_cells)."""
        weights = chosen / chosen.sum(axis=1, keepdims=True)
        return weights.astype(np.float32) @ self.change
