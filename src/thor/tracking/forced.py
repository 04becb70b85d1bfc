"""Probability shifts beyond internal variability, forced regime changes among them, and their emergence.

A probability shift is a statistically significant P(change), however small. It is a forced regime change where the
change is also probable.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray, Array
from thor.core.errors import DataError
from thor.core.parallel import in_threads
from thor.tracking.cells import Cells
from thor.tracking.change import ChangeCalibration
from thor.tracking.natural import NULLS_AT_ONCE, NaturalVariability
from thor.tracking.settings import TrackingSettings

CONTROL_SHARES = ("shift", "forced", "emergence", "exceedance", "exceedance_high")
"""Kinds of false discoveries in a control run, as from `control_shares`."""

HIGH = 0.95
"""Quantile over pairs of control windows that states how uncertain the mean of few pairs is."""

PUBLISHED_WINDOWS = 3
"""Last windows that must agree for the published mask of internal variability."""


def forced_shifts(
    p_value: AnyArray, area: AnyArray, settings: TrackingSettings, *, tested: NDArray[np.bool_] | None = None
) -> NDArray[np.int8]:
    """Return where probabilities shifted beyond internal variability: 1 where they did, 0 where not, -1 not tested.

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
        The expected share of false discoveries in the area of shifts is at most `false_discovery_rate`.
    """
    tested = np.ones(p_value.shape, dtype=bool) if tested is None else tested
    called = discoveries(p_value[tested], area[tested], rate=settings.false_discovery_rate)
    shift = np.full(p_value.shape, -1, dtype=np.int8)
    # A value exceeds the q-quantile of the null where the share of the null at or above it is at most 1 - q.
    shift[tested] = called & (p_value[tested] <= 1 - settings.null_quantile)
    return shift


def find_shifts(fields: Mapping[str, AnyArray], cells: Cells, settings: TrackingSettings) -> Array:
    """Set `forced_shift` to 1 where probabilities shifted; return the expected false area [m2], (window, predictor).

    Parameters
    ----------
    fields : mapping of str to ndarray of shape (n_windows, n_predictors, n_grid)
        `change_p_value`, and `forced_shift`: 0 in cells to be tested, else -1.
    cells : Cells
    settings : TrackingSettings
    """
    shifts, p_values = fields["forced_shift"], fields["change_p_value"]
    false_area = np.full(shifts.shape[:2], np.nan)
    for at in np.ndindex(*shifts.shape[:2]):
        tested = shifts[at][cells.index] == 0
        if tested.any():
            shift = forced_shifts(p_values[at][cells.index], cells.area, settings, tested=tested)
            shifts[at][cells.index] = shift
            false_area[at] = settings.false_discovery_rate * cells.area[shift == 1].sum()
    return false_area


def fill_forced(
    fields: Mapping[str, AnyArray], run: xr.Dataset, compared: Sequence[int], settings: TrackingSettings
) -> None:
    """Fill in forced changes, their emergence and the published mask, from shifts, P(change) and regimes.

    Parameters
    ----------
    fields : mapping of str to ndarray
        By window, predictor and cell, those that are filled in among them.
    run : xarray.Dataset
        With `window_start` and `window_end`. Of windows with common months, such as the last one and the reference
        window of historical, only the first counts for emergence and mask.
    compared : sequence of int
        Windows that have a baseline.
    settings : TrackingSettings
    """
    forced = forced_changes(fields["forced_shift"], fields["change_probability"], settings)
    fields["forced_change"][...] = forced
    starts, ends = run["window_start"].values, run["window_end"].values

    def common(first: int, second: int) -> bool:
        return bool(starts[second] <= ends[first])

    if compared:
        used = _following(compared, common)
        fields["forced_emergence"][...] = emergence(forced[used], starts[used])
    apart = _following(range(len(starts)), common)
    for predictor, regime in enumerate(fields["regime"].swapaxes(0, 1)):
        fields["natural_variability_mask"][predictor] = published_mask(regime[apart])


def forced_changes(
    shift: NDArray[np.int8], change_probability: AnyArray, settings: TrackingSettings
) -> NDArray[np.int8]:
    """Return where the regime changed beyond internal variability: 1 forced, 0 not forced, -1 not tested.

    Parameters
    ----------
    shift : ndarray of int8, shape (n_cells,)
        As from `forced_shifts`.
    change_probability : ndarray of shape (n_cells,)
        At least `min_probability` where the regime changed.
    """
    return np.where(shift == 1, change_probability >= settings.min_probability, shift).astype(np.int8)


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
    allowed = np.cumsum(area[order], dtype=np.float64)
    allowed *= rate
    passed = np.flatnonzero(p_value[order] * area.sum(dtype=np.float64) <= allowed)
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


def control_shares(
    natural: NaturalVariability, settings: TrackingSettings, calibration: ChangeCalibration | None = None
) -> dict[str, float]:
    """Return the shares of the control run's area with a false probability shift, forced change and emergence.

    The second window of each pair of control windows is tested as if it were forced: null distribution and local
    variability exclude all windows that have months in common with it. For emergence each window is the baseline of the
    later windows, of which at least two must not overlap.

    Parameters
    ----------
    natural : NaturalVariability
    settings : TrackingSettings
    calibration : ChangeCalibration, optional
        Of P(change), which decides where a shift is a forced change, as in other runs.

    Returns
    -------
    dict of str to float
        `shift`, `forced` and `emergence` (of forced changes), means over pairs and baselines; `exceedance`, the mean
        share above the null quantile without control of the false discovery rate, nominally 1 - `null_quantile`, and
        `exceedance_high`, its 95th percentile over pairs: internal variability is correlated in space, so that some
        pairs exceed it on much more of the map. NaN where the control run has too few windows.
    """
    pairs = natural.pairs
    first, separation = pairs.states[:, 0], pairs.separation
    shares: dict[str, list[float]] = {kind: [] for kind in ("shift", "forced", "emergence", "exceedance")}
    for baseline in np.unique(first[separation > 0]):
        tests = np.flatnonzero((separation > 0) & (first == baseline)).tolist()
        tried = in_threads(partial(_control_test, natural, settings, calibration), tests, n_threads=NULLS_AT_ONCE)
        forced: dict[int, NDArray[np.int8]] = {}
        for k, found in zip(tests, tried, strict=True):
            if found is not None:
                forced[k], of_test = found
                for kind, value in of_test.items():
                    shares[kind].append(value)
        # the second windows of the pairs
        later = _following([*forced], lambda *two: bool(pairs.overlap[tuple(pairs.states[[*two], 1])]))
        if len(later) >= 2:
            years = emergence(np.stack([forced[k] for k in later]), np.arange(len(later)))
            shares["emergence"].append(_share(np.isfinite(years), natural.cells.area))
    means = {kind: float(np.mean(values)) if values else float("nan") for kind, values in shares.items()}
    exceeding = shares["exceedance"]
    return means | {"exceedance_high": float(np.quantile(exceeding, HIGH)) if exceeding else float("nan")}


def _following(numbers: Sequence[int], common: Callable[[int, int], bool]) -> list[int]:
    """Return the first of the numbers, and each later one that has no months in common with the last returned."""
    kept: list[int] = []
    for number in numbers:
        if not kept or not common(kept[-1], number):
            kept.append(number)
    return kept


def _control_test(
    natural: NaturalVariability, settings: TrackingSettings, calibration: ChangeCalibration | None, k: int
) -> tuple[NDArray[np.int8], dict[str, float]] | None:
    """Return forced changes of the second window of pair `k` against the first, and the shares of false discoveries.

    None without a null distribution.
    """
    first, second = natural.pairs.states[k]
    area, change = natural.cells.area, natural.change[k]
    try:
        null = natural.null(int(natural.pairs.separation[k]), settings, without=[second])
    except DataError:
        return None
    p_value = null.p_value(change, natural.certainty[first], area)
    shift = forced_shifts(p_value, area, settings)
    forced = forced_changes(shift, change if calibration is None else calibration(change), settings)
    masks = {"shift": shift == 1, "forced": forced == 1, "exceedance": p_value <= 1 - settings.null_quantile}
    return forced, {kind: _share(mask, area) for kind, mask in masks.items()}


def _share(mask: NDArray[np.bool_], area: AnyArray) -> float:
    return float(area[mask].sum() / area.sum())
