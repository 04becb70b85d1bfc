"""Terms that balance in each regime: area-weighted statistics and the dominant balance, with bootstrap intervals."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import xarray as xr

from thor.core.variables import BUDGET_TERMS
from thor.ocean.cells import on_same_grid
from thor.ocean.sphere import sphere_blocks
from thor.regimes.clustering import budget_points, cell_areas
from thor.regimes.naming import regime_meanings, regime_names
from thor.regimes.settings import BalanceSettings

PERCENTILES = (5.0, 50.0, 95.0)

_OUTPUTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "mean": (("term",), "m s-2", "Mean of the term by area"),
    "standard_deviation": (("term",), "m s-2", "Standard deviation of the term by area"),
    "mean_magnitude": (("term",), "m s-2", "Mean magnitude of the term by area"),
    "percentiles": (("term", "percentile"), "m s-2", "Percentiles of the term by area"),
    "mean_interval": (("term", "bound"), "m s-2", "Interval of the mean over resamples of blocks"),
    "m_score": (("subset",), "1", "M score of each set of terms"),
    "best_m_score": ((), "1", "M score of the dominant balance"),
    "best_m_score_interval": (("bound",), "1", "Interval of this score over resamples of blocks"),
    "best_subset_frequency": ((), "1", "Share of the resamples with the same dominant balance"),
}
"""Dims of each statistic beside the regime, units and long name."""


@dataclass(frozen=True)
class Balance:
    """Best-scoring set of terms: `terms` (indices) and its M-score."""

    terms: tuple[int, ...]
    score: float


def regime_balances(budget: xr.Dataset, regimes: xr.Dataset, *, settings: BalanceSettings, seed: int) -> xr.Dataset:
    """Return the mean terms of each regime and its dominant balance.

    Intervals are from a spatial block bootstrap: blocks of similar area, with sides of at least
    `settings.block_degrees`, are drawn with replacement, because neighbouring cells are not independent. The regimes
    are kept fixed.

    Parameters
    ----------
    budget : xarray.Dataset
        The five terms [m s-2], `analysis_mask`, `areacello` [m2], coordinates `lat`, `lon`.
    regimes : xarray.Dataset
        `regime` with flag_meanings, on the same grid.
    settings : BalanceSettings
    seed : int

    Returns
    -------
    xarray.Dataset
        dims (regime_name, term, percentile, bound, subset), coordinate `regime_long_name`: `mean`,
        `mean_interval`, `standard_deviation`, `percentiles`, `mean_magnitude` [m s-2], all area-weighted; `m_score` of
        every subset, `best_m_score`, `best_m_score_interval`, `best_subset` (names joined by " + "),
        `best_subset_frequency` (share of resamples with the same best set), `area_fraction`, `n_cells`; attribute
        `global_m_score` (area-weighted mean of the best scores). A regime without cells holds NaN.

    Raises
    ------
    DataError
        When a term, the mask or an area is missing.
    GridError
        When budget and regimes are on different grids.

    Notes
    -----
    Dominant-balance score of Kaiser et al. 2022, doi:10.1016/j.engappai.2022.105496; see `m_score`.
    """
    points, mask = budget_points(budget)
    names = regime_names(regimes)
    regime = on_same_grid(budget["analysis_mask"], regimes, "regime")[mask].astype(int)
    area = cell_areas(budget)[mask]
    blocks = block_numbers(budget, settings.block_degrees)
    subsets = term_subsets(len(BUDGET_TERMS))
    area_sums, sums, magnitude_sums = _block_sums(points, regime, area, blocks, len(names))
    rng = np.random.default_rng(seed)
    n_blocks = len(area_sums)
    draws = rng.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), size=settings.n_bootstrap).astype(float)
    resampled_area = np.einsum("db,br->dr", draws, area_sums)
    # A resample without any cell of a regime does not count for it.
    resampled_area[resampled_area == 0] = np.nan
    resampled_means = np.einsum("db,brt->drt", draws, sums) / resampled_area[..., None]
    resampled_magnitudes = np.einsum("db,brt->drt", draws, magnitude_sums) / resampled_area[..., None]

    tail = 50.0 * (1.0 - settings.confidence_level)
    bounds = [tail, 100.0 - tail]
    coords = {
        "regime_name": list(names),
        "term": list(BUDGET_TERMS),
        "percentile": ("percentile", list(PERCENTILES), {"units": "%", "long_name": "Percentile by area"}),
        "bound": ("bound", bounds, {"units": "%", "long_name": "Percentile of the resamples"}),
        "subset": [_joined(subset) or "none" for subset in subsets],
    }
    balances = xr.Dataset(coords=coords)
    for name, (dims, units, long_name) in _OUTPUTS.items():
        shape = [balances.sizes[dim] for dim in ("regime_name", *dims)]
        balances[name] = (("regime_name", *dims), np.full(shape, np.nan), {"units": units, "long_name": long_name})
    out = {name: balances[name].values for name in _OUTPUTS}
    best_subset = np.full(len(names), "", dtype=object)
    for number in range(len(names)):
        cells = regime == number
        if not cells.any():
            continue
        values, weights = points[cells], area[cells]
        mean = np.average(values, axis=0, weights=weights)
        magnitudes = np.average(np.abs(values), axis=0, weights=weights)
        best = dominant_balance(magnitudes)
        found = [dominant_balance(row) for row in resampled_magnitudes[:, number] if np.isfinite(row).all()]
        best_subset[number] = _joined(best.terms)
        out["mean"][number] = mean
        out["standard_deviation"][number] = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
        out["mean_magnitude"][number] = magnitudes
        out["percentiles"][number] = [_weighted_percentiles(column, weights) for column in values.T]
        out["mean_interval"][number] = np.nanpercentile(resampled_means[:, number], bounds, axis=0).T
        out["m_score"][number] = [m_score(magnitudes, subset) for subset in subsets]
        out["best_m_score"][number] = best.score
        out["best_m_score_interval"][number] = np.percentile([other.score for other in found], bounds)
        out["best_subset_frequency"][number] = np.mean([other.terms == best.terms for other in found])
    fractions = area_sums.sum(axis=0) / area_sums.sum()
    counts = np.bincount(regime[regime >= 0], minlength=len(names))
    balances.coords["regime_long_name"] = ("regime_name", list(regime_meanings(regimes).values()))
    balances["best_subset"] = ("regime_name", best_subset.astype(str))
    balances["area_fraction"] = ("regime_name", fractions, {"units": "1", "long_name": "Share of the area"})
    balances["n_cells"] = ("regime_name", counts, {"units": "1", "long_name": "Cells of the regime"})
    return balances.assign_attrs(
        weighting="area",
        n_blocks=n_blocks,
        global_m_score=float(np.nansum(fractions * out["best_m_score"])),
        references="doi:10.1016/j.engappai.2022.105496",
    )


def _joined(terms: tuple[int, ...]) -> str:
    return " + ".join(BUDGET_TERMS[term] for term in terms)


def m_score(magnitudes: np.ndarray, selected: tuple[int, ...]) -> float:
    """Return how well the selected terms alone dominate: 0 not at all, towards 1 when they are equal and far above.

    Parameters
    ----------
    magnitudes : ndarray of shape (n_terms,)
        Mean magnitudes of the terms, in one unit.
    selected : tuple of int
        Indices of the selected terms.

    Notes
    -----
    With magnitudes in units of the smallest, s those selected, r the rest: G = max(0, ln(s_min - r_max) /
    ln(s_min + r_max)) when s_min > r_max and 0 otherwise, P = log10(s_max / s_min), M = G / (1 + P); M = 0
    for the full and the empty set. r_max is at least 1, so the lower logarithm is positive and M lies in [0,
    1). A term that vanishes counts as 1e-12 of the largest. Kaiser et al. 2022,
    doi:10.1016/j.engappai.2022.105496.
    """
    if len(selected) in (0, len(magnitudes)) or magnitudes.max() == 0:
        return 0.0
    floored = np.maximum(magnitudes, 1e-12 * magnitudes.max())
    normalised = floored / floored.min()
    chosen = np.zeros(len(normalised), dtype=bool)
    chosen[list(selected)] = True
    smallest, largest_rest = normalised[chosen].min(), normalised[~chosen].max()
    # A gap of at most one unit has a logarithm of at most zero: no dominance.
    if smallest - largest_rest <= 1.0:
        return 0.0
    gap = np.log(smallest - largest_rest) / np.log(smallest + largest_rest)
    spread = np.log10(normalised[chosen].max() / smallest)
    return float(gap / (1.0 + spread))


def dominant_balance(magnitudes: np.ndarray) -> Balance:
    """Return the best-scoring set of terms.

    A set that scores holds every term above its smallest, so only the largest one, two, ... terms can win.
    When none scores, the balance is the full set, of score 0: no term can be neglected.
    """
    order = np.argsort(-magnitudes, kind="stable")
    best = Balance(tuple(range(len(magnitudes))), 0.0)
    for number in range(1, len(magnitudes)):
        subset = tuple(sorted(int(term) for term in order[:number]))
        score = m_score(magnitudes, subset)
        if score > best.score:
            best = Balance(subset, score)
    return best


def term_subsets(n_terms: int) -> list[tuple[int, ...]]:
    """Return all 2^n sets of term indices, smaller ones first, the empty one included."""
    return [subset for size in range(n_terms + 1) for subset in combinations(range(n_terms), size)]


def block_numbers(budget: xr.Dataset, block_degrees: float) -> np.ndarray:
    """Return the number of the block of `thor.ocean.sphere.sphere_blocks` of every cell of the analysis mask."""
    mask = budget["analysis_mask"]
    here = mask.values == 1
    lat, lon = (budget[axis].broadcast_like(mask).transpose(*mask.dims).values[here] for axis in ("lat", "lon"))
    return sphere_blocks(lat, lon, degrees=block_degrees)


def _block_sums(
    points: np.ndarray, regime: np.ndarray, area: np.ndarray, blocks: np.ndarray, n_regimes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sums of area, area x term and area x |term| by block (only those with cells) and regime."""
    labelled = regime >= 0
    place = (blocks * n_regimes + regime)[labelled]
    shape = (int(blocks.max()) + 1, n_regimes)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(place, values, minlength=shape[0] * n_regimes).reshape(shape)

    terms = (points[labelled] * area[labelled, None]).T
    sums, magnitudes = (np.stack([total(term) for term in table], axis=-1) for table in (terms, np.abs(terms)))
    return total(area[labelled]), sums, magnitudes


def _weighted_percentiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    middle = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.interp(np.array(PERCENTILES) / 100.0, middle / weights.sum(), values[order])
