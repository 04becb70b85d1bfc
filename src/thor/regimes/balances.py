"""Which terms balance in each regime: area-weighted statistics, the dominant balance, and how sure both are."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import xarray as xr

from thor.core.variables import BUDGET_TERMS
from thor.regimes.clustering import budget_points
from thor.regimes.metrics import cell_areas
from thor.regimes.naming import regime_names

PERCENTILES = (5.0, 50.0, 95.0)


@dataclass(frozen=True)
class Balance:
    """Best-scoring set of terms: `terms` (indices) and its M-score."""

    terms: tuple[int, ...]
    score: float


def regime_balances(
    budget: xr.Dataset,
    regimes: xr.Dataset,
    *,
    seed: int,
    n_bootstrap: int = 1000,
    block_degrees: float = 10.0,
    confidence_level: float = 0.9,
) -> xr.Dataset:
    """Return what the terms are in each regime and which of them balance.

    Intervals are from a spatial block bootstrap: longitude-latitude blocks of `block_degrees` are drawn with
    replacement, because neighbouring cells are not independent. The regimes themselves are held fixed.

    Parameters
    ----------
    budget : xarray.Dataset
        The five terms [m s-2], `analysis_mask`, `areacello` [m2], coordinates `lat`, `lon`.
    regimes : xarray.Dataset
        `regime` with flag_meanings, on the same grid.
    seed : int
    n_bootstrap : int
        Resamples.
    block_degrees : float
        Side of a block in degrees of latitude and of longitude.
    confidence_level : float
        Share of resamples inside an interval.

    Returns
    -------
    xarray.Dataset
        dims (regime_name, term, percentile, bound, subset): `mean`, `mean_interval`, `standard_deviation`,
        `percentiles`, `mean_magnitude` [m s-2], all area-weighted; `m_score` of every subset, `best_m_score`,
        `best_m_score_interval`, `best_subset` (names joined by " + "), `best_subset_frequency` (share of
        resamples with the same best set), `area_fraction`, `n_cells`; attribute `global_m_score`
        (area-weighted mean of the best scores). A regime without cells holds NaN.

    Notes
    -----
    Dominant-balance score of Kaiser et al. 2022, doi:10.1016/j.engappai.2022.105496; see `m_score`.
    """
    points, mask = budget_points(budget)
    dims = budget["analysis_mask"].dims
    names = regime_names(regimes)
    regime = regimes["regime"].transpose(*dims).values[mask].astype(int)
    area = cell_areas(budget)[mask]
    blocks = block_numbers(budget, block_degrees)[mask]
    subsets = term_subsets(len(BUDGET_TERMS))
    area_sums, sums, magnitude_sums = _block_sums(points, regime, area, blocks, len(names))
    draws = _bootstrap_counts(len(area_sums), n_bootstrap, np.random.default_rng(seed))
    resampled_area = np.einsum("db,br->dr", draws, area_sums)
    # A resample may miss a regime altogether; it then says nothing about it.
    resampled_area[resampled_area == 0] = np.nan
    resampled_means = np.einsum("db,brt->drt", draws, sums) / resampled_area[..., None]
    resampled_magnitudes = np.einsum("db,brt->drt", draws, magnitude_sums) / resampled_area[..., None]

    n_names, n_terms = len(names), len(BUDGET_TERMS)
    tail = 50.0 * (1.0 - confidence_level)
    bounds = (tail, 100.0 - tail)
    result = {
        "mean": np.full((n_names, n_terms), np.nan),
        "standard_deviation": np.full((n_names, n_terms), np.nan),
        "mean_magnitude": np.full((n_names, n_terms), np.nan),
        "percentiles": np.full((n_names, n_terms, len(PERCENTILES)), np.nan),
        "mean_interval": np.full((n_names, n_terms, 2), np.nan),
        "m_score": np.full((n_names, len(subsets)), np.nan),
        "best_m_score": np.full(n_names, np.nan),
        "best_m_score_interval": np.full((n_names, 2), np.nan),
        "best_subset_frequency": np.full(n_names, np.nan),
    }
    best_subset = np.full(n_names, "", dtype=object)
    for number in range(n_names):
        own = regime == number
        if not own.any():
            continue
        result["mean"][number] = np.average(points[own], axis=0, weights=area[own])
        deviations = points[own] - result["mean"][number]
        result["standard_deviation"][number] = np.sqrt(np.average(deviations**2, axis=0, weights=area[own]))
        result["percentiles"][number] = [_weighted_percentiles(column, area[own]) for column in points[own].T]
        result["mean_interval"][number] = np.nanpercentile(resampled_means[:, number], bounds, axis=0).T
        magnitudes = np.average(np.abs(points[own]), axis=0, weights=area[own])
        result["mean_magnitude"][number] = magnitudes
        result["m_score"][number] = [m_score(magnitudes, subset) for subset in subsets]
        best = dominant_balance(magnitudes)
        found = [dominant_balance(row) for row in resampled_magnitudes[:, number] if np.isfinite(row).all()]
        best_subset[number] = " + ".join(BUDGET_TERMS[term] for term in best.terms)
        result["best_m_score"][number] = best.score
        result["best_m_score_interval"][number] = np.percentile([other.score for other in found], bounds)
        result["best_subset_frequency"][number] = np.mean([other.terms == best.terms for other in found])
    fractions = area_sums.sum(axis=0) / area_sums.sum()
    return _balances_dataset(result, best_subset, fractions, regime, names, subsets, bounds, blocks)


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
    """Return the number of the longitude-latitude block of every cell, in the dims of `analysis_mask`."""
    mask = budget["analysis_mask"]
    lat = budget["lat"].broadcast_like(mask).transpose(*mask.dims).values
    lon = budget["lon"].broadcast_like(mask).transpose(*mask.dims).values
    columns = int(np.ceil(360.0 / block_degrees))
    row = np.floor((np.nan_to_num(lat) + 90.0) / block_degrees).astype(int)
    return row * columns + np.floor((np.nan_to_num(lon) % 360.0) / block_degrees).astype(int)


def _block_sums(
    points: np.ndarray, regime: np.ndarray, area: np.ndarray, blocks: np.ndarray, n_regimes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sums of area, area x term and area x |term| by block (only those with cells) and regime."""
    labelled = regime >= 0
    _, block = np.unique(blocks, return_inverse=True)
    place = (block * n_regimes + regime)[labelled]
    n_blocks = int(block.max()) + 1
    shape, size = (n_blocks, n_regimes), n_blocks * n_regimes
    area_sums = np.bincount(place, area[labelled], minlength=size).reshape(shape)
    values = points[labelled] * area[labelled, None]
    sums = [np.bincount(place, column, minlength=size).reshape(shape) for column in values.T]
    magnitudes = [np.bincount(place, np.abs(column), minlength=size).reshape(shape) for column in values.T]
    return area_sums, np.stack(sums, axis=-1), np.stack(magnitudes, axis=-1)


def _bootstrap_counts(n_blocks: int, n_bootstrap: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each block is drawn in each resample, shape (n_bootstrap, n_blocks)."""
    return rng.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), size=n_bootstrap).astype(float)


def _weighted_percentiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    middle = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.interp(np.array(PERCENTILES) / 100.0, middle / weights.sum(), values[order])


def _balances_dataset(
    result: dict[str, np.ndarray],
    best_subset: np.ndarray,
    fractions: np.ndarray,
    regime: np.ndarray,
    names: tuple[str, ...],
    subsets: list[tuple[int, ...]],
    bounds: tuple[float, float],
    blocks: np.ndarray,
) -> xr.Dataset:
    dims = {
        "mean": ("regime_name", "term"),
        "standard_deviation": ("regime_name", "term"),
        "mean_magnitude": ("regime_name", "term"),
        "percentiles": ("regime_name", "term", "percentile"),
        "mean_interval": ("regime_name", "term", "bound"),
        "m_score": ("regime_name", "subset"),
        "best_m_score": ("regime_name",),
        "best_m_score_interval": ("regime_name", "bound"),
        "best_subset_frequency": ("regime_name",),
    }
    balances = xr.Dataset(
        {name: (dims[name], values, {"units": _units(name)}) for name, values in result.items()},
        coords={
            "regime_name": list(names),
            "term": list(BUDGET_TERMS),
            "percentile": ("percentile", list(PERCENTILES), {"units": "%"}),
            "bound": ("bound", list(bounds), {"units": "%"}),
            "subset": [" + ".join(BUDGET_TERMS[term] for term in subset) or "none" for subset in subsets],
        },
        attrs={
            "weighting": "area",
            "n_blocks": len(np.unique(blocks)),
            "global_m_score": float(np.nansum(fractions * result["best_m_score"])),
            "references": "doi:10.1016/j.engappai.2022.105496",
        },
    )
    balances["best_subset"] = ("regime_name", best_subset.astype(str))
    balances["area_fraction"] = ("regime_name", fractions, {"units": "1"})
    balances["n_cells"] = (
        "regime_name",
        np.bincount(regime[regime >= 0], minlength=len(names)),
        {"units": "1"},
    )
    return balances


def _units(name: str) -> str:
    return "m s-2" if name.startswith(("mean", "standard", "percentiles")) else "1"
