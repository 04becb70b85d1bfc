"""Forced changes: those that exceed natural variability, with the false discovery rate controlled, and emergence."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.errors import DataError
from thor.tracking.cells import ControlPairs
from thor.tracking.natural import NaturalVariability
from thor.tracking.settings import TrackingSettings

PUBLISHED_WINDOWS = 3
"""Last windows that must agree for the published mask of natural variability."""


def forced_changes(
    p_value: AnyArray, area: AnyArray, settings: TrackingSettings, *, tested: NDArray[np.bool_] | None = None
) -> NDArray[np.int8]:
    """Return which cells of a map changed by more than natural variability: 1 forced, 0 not forced, -1 not tested.

    Parameters
    ----------
    p_value : ndarray of shape (n_cells,)
    area : ndarray of shape (n_cells,), [m2]
    settings : TrackingSettings
    tested : ndarray of bool, shape (n_cells,), optional
        Cells to test; all by default.

    Returns
    -------
    ndarray of int8, shape (n_cells,)
        The expected share of false discoveries in the area called forced is at most `false_discovery_rate`.
    """
    tested = np.ones(p_value.shape, dtype=bool) if tested is None else tested
    called = discoveries(p_value[tested], area[tested], rate=settings.false_discovery_rate)
    forced = np.full(p_value.shape, -1, dtype=np.int8)
    # A value exceeds the q-quantile of the null where the share of the null at or above it is at most 1 - q.
    forced[tested] = called & (p_value[tested] <= 1 - settings.null_quantile)
    return forced


def discoveries(p_value: AnyArray, area: AnyArray, *, rate: float) -> NDArray[np.bool_]:
    r"""Return which tests to reject so that the expected share of false discoveries, by area, is at most `rate`.

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
    area of the map and A(p) that of the cells up to p. Correlation between cells makes the procedure more conservative.
    """
    order = np.argsort(p_value, kind="stable")
    discovered = np.cumsum(area[order], dtype=np.float64)
    passed = np.flatnonzero(p_value[order] * area.sum(dtype=np.float64) <= rate * discovered)
    if not passed.size:
        return np.zeros(p_value.shape, dtype=bool)
    return np.asarray(p_value <= p_value[order[passed[-1]]])


def emergence(forced: NDArray[np.int8], years: NDArray[np.integer]) -> AnyArray:
    """Return the year from which a forced change persists, NaN where none does.

    Parameters
    ----------
    forced : ndarray of int8, shape (n_windows, n_cells)
        1 where the change is forced; -1, not tested, counts as not forced.
    years : ndarray of int, shape (n_windows,)
        First year of each window, ascending.

    Returns
    -------
    ndarray of shape (n_cells,)
        First year of the first window from which all windows, at least two, are forced changes: the last window
        alone is not an emergence.
    """
    persists = np.logical_and.accumulate(forced[::-1] == 1).sum(axis=0)
    start = np.append(np.asarray(years, dtype=float)[::-1], np.nan)[np.maximum(persists - 1, 0)]
    return np.where(persists >= 2, start, np.nan)


def published_mask(regime: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return 1 where the last three windows have one regime, 0 where not, -1 off valid cells or with fewer windows.

    The published rule (Sonnewald & Lguensat 2021, doi:10.1029/2021MS002496); regime of shape (n_windows, n_cells).
    """
    if len(regime) < PUBLISHED_WINDOWS:
        return np.full(regime.shape[1:], -1, dtype=np.int8)
    last = regime[-PUBLISHED_WINDOWS:]
    return np.where((last >= 0).all(axis=0), (last == last[0]).all(axis=0), -1).astype(np.int8)


def control_shares(natural: NaturalVariability, settings: TrackingSettings) -> dict[str, float]:
    """Return the shares of the control run's area falsely called a forced change and emergence.

    The null distribution of each pair of control windows excludes windows that have months in common with either. For
    emergence each window is the baseline of the later windows, of which at least two must not overlap.

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
        tested = [found for found in later if found is not None]
        if len(tested) >= 2:
            emerged.append(np.isfinite(emergence(np.stack(tested), np.arange(len(tested)))))
    return {
        "forced": _mean_share([found == 1 for found in forced if found is not None], natural.area),
        "emergence": _mean_share(emerged, natural.area),
    }


def _following(pairs: ControlPairs, tests: list[int]) -> list[int]:
    """Return the pairs of one baseline whose second windows follow one another without months in common."""
    kept: list[int] = []
    for k in tests:
        if not kept or not pairs.overlap[pairs.states[kept[-1], 1], pairs.states[k, 1]]:
            kept.append(k)
    return kept


def _control_forced(
    natural: NaturalVariability, settings: TrackingSettings, k: int, *, without: Collection[int]
) -> NDArray[np.int8] | None:
    """Return the changes called forced between the windows of pair `k`; None without a null distribution."""
    try:
        null = natural.null(int(natural.pairs.separation[k]), settings, without=without)
    except DataError:
        return None
    certainty = natural.certainty[natural.pairs.states[k, 0]]
    return forced_changes(null.p_value(natural.change[k], certainty, natural.area), natural.area, settings)


def _mean_share(masks: list[NDArray[np.bool_]], area: AnyArray) -> float:
    return float(np.mean([area[mask].sum() for mask in masks]) / area.sum()) if masks else float("nan")
