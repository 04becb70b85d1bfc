"""Internal variability: null distributions of P(change), from pairs of windows of the control run.

Two window means differ without any forcing. The pairs of control windows that are equally far apart show by how much:
they give the null distribution of P(change). It is pooled over cells of similar baseline certainty, because a smaller
difference suffices to change the regime where the networks are less certain.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from thor.core.arrays import AnyArray
from thor.core.errors import DataError
from thor.tracking.cells import ControlPairs
from thor.tracking.settings import TrackingSettings


@dataclass(frozen=True, eq=False)
class Null:
    """Distribution of P(change) without forcing, for each class of baseline certainty.

    Attributes
    ----------
    edges : ndarray of shape (n_strata - 1,)
        Certainties that separate the classes.
    values : tuple of ndarray, each of shape (n_values,)
        P(change) of each class, ascending.
    area_from : tuple of ndarray, each of shape (n_values + 1,), [m2]
        Area of each value and of all larger ones.
    separation : int
        Distance of the pairs in windows.
    n_pairs : int
    """

    edges: AnyArray
    values: tuple[AnyArray, ...]
    area_from: tuple[AnyArray, ...]
    separation: int
    n_pairs: int

    @classmethod
    def fit(
        cls,
        change: AnyArray,
        certainty: AnyArray,
        area: AnyArray,
        *,
        n_strata: int,
        separation: int = 1,
        n_pairs: int = 1,
    ) -> "Null":
        """Return the null distribution of values, each array of shape (n_values,), in classes of equal size."""
        edges = np.quantile(certainty, np.linspace(0, 1, n_strata + 1)[1:-1])
        stratum = np.searchsorted(edges, certainty, side="right")
        values, area_from = [], []
        for k in range(n_strata):
            members = np.flatnonzero(stratum == k)
            members = members[np.argsort(change[members])]
            values.append(change[members])
            area_from.append(np.append(np.cumsum(area[members][::-1], dtype=np.float64)[::-1], 0.0))
        return cls(edges, tuple(values), tuple(area_from), separation, n_pairs)

    def p_value(self, change: AnyArray, certainty: AnyArray, area: AnyArray) -> AnyArray:
        """Return the share of the null's area at or above each change, including the cell itself.

        Parameters
        ----------
        change : ndarray of shape (n_cells,)
        certainty : ndarray of shape (n_cells,)
            Largest probability of a regime in the baseline.
        area : ndarray of shape (n_cells,), [m2]

        Returns
        -------
        ndarray of shape (n_cells,)
            Above 0, because the cell itself is part of the null distribution; 1 in a class without values.
        """
        p_value = np.ones(change.shape)
        stratum = np.searchsorted(self.edges, certainty, side="right")
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
    area : ndarray of shape (n_cells,), [m2]
    """

    change: AnyArray
    certainty: AnyArray
    pairs: ControlPairs
    area: AnyArray

    def null(self, separation: int, settings: TrackingSettings, *, without: Collection[int] = ()) -> Null:
        """Return the null distribution for one separation, or for the nearest with enough pairs.

        Parameters
        ----------
        separation : int
            In windows.
        settings : TrackingSettings
        without : collection of int
            Control windows to leave out, with all pairs that have months in common with them.

        Raises
        ------
        DataError
            When no pair remains.
        """
        touched = np.asarray(self.pairs.overlap[list(without)].any(axis=0))
        apart = np.where(touched[self.pairs.states].any(axis=1), -1, self.pairs.separation)
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
        return Null.fit(
            self.change[chosen].ravel(),
            self.certainty[self.pairs.states[chosen, 0]].ravel(),
            np.tile(self.area, chosen.size),
            n_strata=settings.n_strata,
            separation=separation,
            n_pairs=chosen.size,
        )
