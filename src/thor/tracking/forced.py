"""Which changes natural variability does not explain: null distributions, false discoveries, emergence, and words.

A probability of change speaks of two window means, and those differ without any forcing. The control run shows by how
much: its pairs of windows that are as far apart give the null distribution of P(change), pooled over cells whose regime
the networks are about as sure of, because where they are unsure little suffices to change it.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.errors import DataError
from thor.tracking.cells import ControlPairs
from thor.tracking.settings import TrackingSettings

LIKELIHOOD = {
    "exceptionally_unlikely": (0.0, 0.01),
    "very_unlikely": (0.0, 0.10),
    "unlikely": (0.0, 0.33),
    "about_as_likely_as_not": (0.33, 0.66),
    "likely": (0.66, 1.0),
    "very_likely": (0.90, 1.0),
    "virtually_certain": (0.99, 1.0),
}
"""The likelihood scale of Mastrandrea et al. (2010), the IPCC's guidance note on uncertainties: ranges of probability.

The ranges are nested; a probability is called by the narrowest that holds it.
"""

PUBLISHED_WINDOWS = 3
"""Last windows that must agree for the published mask of natural variability."""


# -- null distribution -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Null:
    """Distribution of P(change) without forcing, for each class of certainty of the baseline.

    Attributes
    ----------
    edges : ndarray of shape (n_strata - 1,)
        Certainties that part the classes.
    values : tuple of ndarray, each of shape (n_values,)
        P(change) of each class, ascending.
    area_from : tuple of ndarray, each of shape (n_values + 1,), [m2]
        Area of the values from each on.
    separation : int
        How many windows the pairs are apart.
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
        """Return the null distribution of values, each array of shape (n_values,), in classes of equally many."""
        edges = np.quantile(certainty, np.linspace(0, 1, n_strata + 1)[1:-1])
        stratum = np.searchsorted(edges, certainty, side="right")
        values, area_from = [], []
        for k in range(n_strata):
            own = np.flatnonzero(stratum == k)
            own = own[np.argsort(change[own])]
            values.append(change[own])
            area_from.append(np.append(np.cumsum(area[own][::-1], dtype=np.float64)[::-1], 0.0))
        return cls(edges, tuple(values), tuple(area_from), separation, n_pairs)

    def p_value(self, change: AnyArray, certainty: AnyArray, area: AnyArray) -> AnyArray:
        """Return the share of the null's area at or above each change, the cell itself counted, shape (n_cells,).

        Parameters
        ----------
        change : ndarray of shape (n_cells,)
        certainty : ndarray of shape (n_cells,)
            Largest probability of a regime in the baseline.
        area : ndarray of shape (n_cells,), [m2]

        Returns
        -------
        ndarray of shape (n_cells,)
            Above 0, because the cell belongs to the null itself where the null holds; 1 in a class without values.
        """
        p_value = np.ones(change.shape)
        stratum = np.searchsorted(self.edges, certainty, side="right")
        for k, (values, area_from) in enumerate(zip(self.values, self.area_from, strict=True)):
            own = np.flatnonzero(stratum == k)
            above = area_from[np.searchsorted(values, change[own], side="left")]
            p_value[own] = (above + area[own]) / (area_from[0] + area[own])
        return p_value


@dataclass(frozen=True, eq=False)
class NaturalVariability:
    """P(change) between windows that have no forcing, or the same: what null distributions are made of.

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
        """Return the null distribution for windows so far apart, or as nearly as there are pairs enough.

        Parameters
        ----------
        separation : int
            In windows.
        settings : TrackingSettings
        without : collection of int
            Windows with which no pair may have months in common.

        Raises
        ------
        DataError
            When no pair is left.
        """
        touched = np.asarray(self.pairs.overlap[list(without)].any(axis=0))
        apart = np.where(touched[self.pairs.states].any(axis=1), -1, self.pairs.separation)
        found, counts = np.unique(apart[apart > 0], return_counts=True)
        variants = int((apart == 0).sum())
        if not found.size and not variants:
            raise DataError(
                "The control run has no pair of windows left to learn natural variability from. Use a longer "
                "piControl or shorter windows (data_engineering.windows.length_years)."
            )
        if found.size:
            # Where no separation has pairs enough, that with the most.
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


# -- calling changes ---------------------------------------------------------------------------------------------------
def forced_changes(
    p_value: AnyArray, area: AnyArray, settings: TrackingSettings, *, judged: NDArray[np.bool_] | None = None
) -> NDArray[np.int8]:
    """Return which cells of a map changed by more than natural variability: 1 forced, 0 not, -1 not judged.

    Parameters
    ----------
    p_value : ndarray of shape (n_cells,)
    area : ndarray of shape (n_cells,), [m2]
    settings : TrackingSettings
    judged : ndarray of bool, shape (n_cells,), optional
        Cells that count as tests; all by default.

    Returns
    -------
    ndarray of int8, shape (n_cells,)
        Of the area called forced, at most the share `false_discovery_rate` is expected to be called falsely.
    """
    judged = np.ones(p_value.shape, dtype=bool) if judged is None else judged
    called = discoveries(p_value[judged], area[judged], rate=settings.false_discovery_rate)
    forced = np.full(p_value.shape, -1, dtype=np.int8)
    # A share of the null at or above the value of at most 1 - q is what exceeding its q-quantile means.
    forced[judged] = called & (p_value[judged] <= 1 - settings.null_quantile)
    return forced


def discoveries(p_value: AnyArray, area: AnyArray, *, rate: float) -> NDArray[np.bool_]:
    r"""Return which tests to believe so that falsely believed area is expected to be at most `rate` of that believed.

    Parameters
    ----------
    p_value : ndarray of shape (n_cells,)
    area : ndarray of shape (n_cells,)
        Weight of each test.
    rate : float

    Notes
    -----
    Benjamini & Hochberg (1995) with weights (1997, doi:10.1111/1467-9469.00072), as Wilks (2016,
    doi:10.1175/BAMS-D-15-00267.1) recommends for maps: the largest p with :math:`p A \le \alpha A(p)`, where A is the
    area of the map and A(p) that of the cells up to p. Correlation between cells makes it the more cautious.
    """
    order = np.argsort(p_value, kind="stable")
    believed = np.cumsum(area[order], dtype=np.float64)
    passed = np.flatnonzero(p_value[order] * area.sum(dtype=np.float64) <= rate * believed)
    if not passed.size:
        return np.zeros(p_value.shape, dtype=bool)
    return np.asarray(p_value <= p_value[order[passed[-1]]])


def emergence(forced: NDArray[np.int8], years: NDArray[np.integer]) -> AnyArray:
    """Return the year from which a forced change stays, NaN where none does.

    Parameters
    ----------
    forced : ndarray of int8, shape (n_windows, n_cells)
        1 where the change is forced; what is not judged is taken as not forced.
    years : ndarray of int, shape (n_windows,)
        First year of each window, ascending.

    Returns
    -------
    ndarray of shape (n_cells,)
        First year of the first window from which on all windows are forced changes, itself included; they are two at
        least, so that the last window alone is no emergence.
    """
    stays = np.logical_and.accumulate(forced[::-1] == 1).sum(axis=0)
    start = np.append(np.asarray(years, dtype=float)[::-1], np.nan)[np.maximum(stays - 1, 0)]
    return np.where(stays >= 2, start, np.nan)


def published_mask(regime: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return 1 where the last three windows have one regime, 0 where not, -1 off valid cells or with fewer windows.

    The published rule (Sonnewald & Lguensat 2021, doi:10.1029/2021MS002496); regime of shape (n_windows, n_cells).
    """
    if len(regime) < PUBLISHED_WINDOWS:
        return np.full(regime.shape[1:], -1, dtype=np.int8)
    last = regime[-PUBLISHED_WINDOWS:]
    return np.where((last >= 0).all(axis=0), (last == last[0]).all(axis=0), -1).astype(np.int8)


def control_shares(natural: NaturalVariability, settings: TrackingSettings) -> dict[str, float]:
    """Return which share of the control run's area would be called a forced change, and emergence, where none is.

    Each pair of control windows is judged by a null distribution of windows that have no month in common with either;
    for emergence, each window is the baseline of those that follow it one after another, if they are two at least.

    Returns
    -------
    dict of str to float
        `forced` and `emergence`, means over pairs and baselines; NaN where the control run has too few windows.
    """
    tests = [k for k, apart in enumerate(natural.pairs.separation) if apart > 0]
    forced = [_control_forced(natural, settings, k, without=natural.pairs.states[k]) for k in tests]
    emerged = []
    for baseline in np.unique(natural.pairs.states[tests, 0]):
        later = [
            _control_forced(natural, settings, k, without=[baseline])
            for k in _following(natural.pairs, [k for k in tests if natural.pairs.states[k, 0] == baseline])
        ]
        judged = [found for found in later if found is not None]
        if len(judged) >= 2:
            emerged.append(np.isfinite(emergence(np.stack(judged), np.arange(len(judged)))))
    return {
        "forced": _mean_share([found == 1 for found in forced if found is not None], natural.area),
        "emergence": _mean_share(emerged, natural.area),
    }


def _following(pairs: ControlPairs, tests: list[int]) -> list[int]:
    """Return those pairs of one baseline whose second windows follow one another without common months."""
    kept: list[int] = []
    for k in tests:
        if not kept or not pairs.overlap[pairs.states[kept[-1], 1], pairs.states[k, 1]]:
            kept.append(k)
    return kept


def _control_forced(
    natural: NaturalVariability, settings: TrackingSettings, k: int, *, without: Collection[int]
) -> NDArray[np.int8] | None:
    """Return what is called forced between the windows of pair `k`, None where no pair is left to compare with."""
    try:
        null = natural.null(int(natural.pairs.separation[k]), settings, without=without)
    except DataError:
        return None
    certainty = natural.certainty[natural.pairs.states[k, 0]]
    return forced_changes(null.p_value(natural.change[k], certainty, natural.area), natural.area, settings)


def _mean_share(masks: list[NDArray[np.bool_]], area: AnyArray) -> float:
    return float(np.mean([area[mask].sum() for mask in masks]) / area.sum()) if masks else float("nan")


# -- words -------------------------------------------------------------------------------------------------------------
def likelihood_class(probability: AnyArray) -> NDArray[np.int8]:
    """Return for each probability the number of its word in `LIKELIHOOD`, -1 where it is NaN.

    The narrowest range is taken: above 0.99 virtually certain, above 0.90 very likely, above 0.66 likely, from 0.33 to
    0.66 about as likely as not, below 0.33 unlikely, below 0.10 very unlikely, below 0.01 exceptionally unlikely.
    """
    probability = np.asarray(probability)
    number = np.searchsorted([0.01, 0.10, 0.33], probability, side="right")
    number += np.searchsorted([0.66, 0.90, 0.99], probability, side="left")
    return np.where(np.isnan(probability), -1, number).astype(np.int8)


def likelihood_word(probability: float) -> str:
    """Return what a probability is called on the likelihood scale, `unknown` for NaN."""
    number = int(likelihood_class(np.asarray(probability)))
    return "unknown" if number < 0 else list(LIKELIHOOD)[number]


def supported_words(reliability: pd.DataFrame) -> tuple[str, ...]:
    """Return the words that a test with known truth supports, from unlikely to certain.

    Parameters
    ----------
    reliability : pandas.DataFrame
        One row for each class of cells: `mean_probability` of a change, `observed_frequency` of true changes, `area`
        [m2], and, if known, the interval `low` to `high` of the frequency. Rows whose mean probability has one word
        are taken together, by area.

    Returns
    -------
    tuple of str
        Words of `LIKELIHOOD` whose range holds the observed frequency, and all of its interval where that is known. A
        word for which there is no row is not supported.

    Raises
    ------
    DataError
        When a column is missing.
    """
    missing = {"mean_probability", "observed_frequency", "area"} - set(reliability.columns)
    if missing:
        raise DataError(
            f"A reliability table needs mean_probability, observed_frequency and area; missing "
            f"{', '.join(sorted(missing))}, got {', '.join(map(str, reliability.columns))}."
        )
    table = reliability[(reliability["area"] > 0) & reliability["observed_frequency"].notna()]
    bounds = [table.get(name, table["observed_frequency"]) for name in ("low", "high")]
    low, high = (bound.fillna(table["observed_frequency"]) for bound in bounds)
    number = likelihood_class(table["mean_probability"].to_numpy(dtype=float))
    supported = []
    for k, (word, (least, most)) in enumerate(LIKELIHOOD.items()):
        own = number == k
        if not own.any():
            continue
        lowest, highest = (float(np.average(bound[own], weights=table["area"][own])) for bound in (low, high))
        if least <= lowest and highest <= most:
            supported.append(word)
    return tuple(supported)
