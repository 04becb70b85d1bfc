"""Criteria for the number of clusters, one row for each k and repeat, and the number that they select."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from thor.core.parallel import in_processes
from thor.core.progress import progress_bar
from thor.regimes.balances import block_numbers
from thor.regimes.clustering import (
    budget_points,
    cell_areas,
    nearest_centroid,
    one_run,
    require_enough_points,
    run_seeds,
)
from thor.regimes.consensus import merge_small_clusters, pairwise_agreement
from thor.regimes.regime_model import fit_term_scaler
from thor.regimes.settings import ClusteringSettings, ClusterSelection


class _Row(NamedTuple):
    """Result of one task: numbers of the row, and the maps of classes whose agreement is computed later."""

    numbers: dict[str, float]
    seed_map: np.ndarray
    block_map: np.ndarray


def cluster_selection(
    budget: xr.Dataset,
    selection: ClusterSelection,
    *,
    settings: ClusteringSettings,
    seed: int,
    block_degrees: float,
) -> pd.DataFrame:
    """Return criteria for the number of clusters, one row for each k and repeat.

    Parameters
    ----------
    budget : xarray.Dataset
        The five terms [m s-2], `analysis_mask`, `areacello` [m2], `lat`, `lon`.
    selection : ClusterSelection
        Values of k, repeats and samples. Cells are drawn without replacement, all if there are no more; the
        samples of one repeat are the same for every k.
    settings : ClusteringSettings
        Algorithm, trials and classes, as for the regimes; its `n_clusters`, `n_runs` and `n_consensus` are not used.
    seed : int
    block_degrees : float
        Side of a bootstrap block.

    Returns
    -------
    pandas.DataFrame
        `n_clusters`, `repeat`, `inertia`; `aic`, `bic` of a Gaussian mixture (full covariances, started from
        the k-means centroids) on `mixture_cells` cells and per cell; `silhouette` on `silhouette_cells`
        cells (nan where they are all in one cluster, or each in a different one); `area_1` ... the area share of
        each large cluster by falling size; `stability_seeds` and `stability_blocks`, the mean adjusted Rand index
        of this repeat's classes (large clusters and the rest merged) with those of the other repeats of the same
        k, over seeds and over block bootstraps (nan for one repeat).

    Raises
    ------
    ConfigError
        When a k is larger than the number of cells, or smaller than the number of classes.
    """
    points, mask = budget_points(budget)
    require_enough_points(len(points), max(selection.n_clusters))
    each = {k: settings.replace(n_clusters=k) for k in selection.n_clusters}
    standardised = fit_term_scaler(points).transform(points)
    area = cell_areas(budget)[mask]
    blocks = block_numbers(budget, block_degrees)
    seeds = run_seeds(seed, selection.n_repeats)
    # Large k first: the tasks that take longest must not be the last ones.
    keys = [(k, repeat) for k in sorted(each, reverse=True) for repeat in range(selection.n_repeats)]
    parts = ((standardised, area, blocks, each[k], int(seeds[repeat]), selection) for k, repeat in keys)
    done = in_processes(_row, parts, n_processes=settings.n_jobs)
    bar = progress_bar(done, total=len(keys), label="number of clusters", unit="run")
    rows = dict(zip(keys, bar, strict=True))
    return _table(rows, selection, settings.n_regimes)


def selected_number(table: pd.DataFrame, selection: ClusterSelection) -> int | None:
    """Return the smallest stable number of clusters whose information criterion is close to the lowest.

    Of the k whose single runs agree with a mean adjusted Rand index of at least `selection.min_stability`, it is the
    smallest one whose mean Bayesian information criterion (BIC) per cell is within `selection.bic_tolerance` [nat] of
    the lowest: fewer clusters describe the budget as well.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `cluster_selection`.
    selection : ClusterSelection

    Returns
    -------
    int or None
        None if no k is stable or there is one repeat only.
    """
    means = table.groupby("n_clusters")[["bic_per_cell", "stability_seeds"]].mean()
    bic = means["bic_per_cell"][means["stability_seeds"] >= selection.min_stability]
    return None if bic.empty else int(bic.index[bic <= bic.min() + selection.bic_tolerance].min())


def _row(
    points: np.ndarray,
    area: np.ndarray,
    blocks: np.ndarray,
    settings: ClusteringSettings,
    seed: int,
    selection: ClusterSelection,
) -> _Row:
    rng = np.random.default_rng(seed)
    mixture_cells = _sample(len(points), selection.mixture_sample, rng)
    silhouette_cells = _sample(len(points), selection.silhouette_sample, rng)
    block_weights = rng.multinomial(blocks.max() + 1, np.full(blocks.max() + 1, 1.0 / (blocks.max() + 1)))[blocks]
    centroids, inertia = one_run(points, settings, seed)
    with threadpool_limits(1):
        labels = nearest_centroid(points, centroids)
        numbers = {"inertia": inertia} | _mixture(points, mixture_cells, centroids, settings, seed)
        sampled = labels[silhouette_cells]
        distinct = 1 < len(np.unique(sampled)) < len(sampled)
        numbers["silhouette"] = float(silhouette_score(points[silhouette_cells], sampled)) if distinct else np.nan
        numbers["silhouette_cells"] = len(silhouette_cells)
        classes = _classes(labels, settings)
        shares = np.bincount(classes, area, minlength=settings.n_regimes) / area.sum()
        large = np.sort(shares[:-1])[::-1]
        numbers |= {f"area_{place}": float(share) for place, share in enumerate(large, start=1)}
        drawn = np.flatnonzero(block_weights)
        resampled, _ = one_run(points[drawn], settings, seed, weights=block_weights[drawn].astype(float))
        resampled_classes = _classes(nearest_centroid(points, resampled), settings)
    return _Row(numbers, classes, resampled_classes)


def _mixture(
    points: np.ndarray, cells: np.ndarray, centroids: np.ndarray, settings: ClusteringSettings, seed: int
) -> dict[str, float]:
    """Return AIC and BIC, total and per cell, of a Gaussian mixture on some cells.

    A budget that closes has one degree of freedom fewer than terms. Full covariances would be singular along
    the residual and the likelihood would measure round-off, so the mixture lives in the directions that vary.
    """
    basis = PCA().fit(points)
    varying = basis.explained_variance_ratio_ > 1e-6
    axes = basis.components_[varying]
    sample = (points[cells] - basis.mean_) @ axes.T
    mixture = GaussianMixture(
        settings.n_clusters,
        means_init=(centroids - basis.mean_) @ axes.T,
        # Responsibilities come from the given means; a quick start for the rest.
        init_params="random_from_data",
        reg_covar=1e-5,
        max_iter=100,
        tol=1e-3,
        random_state=seed % 2**31,
    ).fit(sample)
    scores = {"aic": float(mixture.aic(sample)), "bic": float(mixture.bic(sample))}
    per_cell = {f"{name}_per_cell": score / len(cells) for name, score in scores.items()}
    return scores | per_cell | {"mixture_cells": len(cells), "mixture_converged": float(mixture.converged_)}


def _classes(labels: np.ndarray, settings: ClusteringSettings) -> np.ndarray:
    merged = merge_small_clusters(labels, n_clusters=settings.n_clusters, n_classes=settings.n_regimes)
    return merged[labels]


def _sample(n_points: int, size: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(n_points, size=min(size, n_points), replace=False))


def _table(rows: dict[tuple[int, int], _Row], selection: ClusterSelection, n_classes: int) -> pd.DataFrame:
    records = []
    for k in selection.n_clusters:
        repeats = [rows[k, repeat] for repeat in range(selection.n_repeats)]
        seeds = _agreement_with_others(np.stack([row.seed_map for row in repeats]), n_classes)
        bootstraps = _agreement_with_others(np.stack([row.block_map for row in repeats]), n_classes)
        for repeat, row in enumerate(repeats):
            stability = {"stability_seeds": seeds[repeat], "stability_blocks": bootstraps[repeat]}
            records.append({"n_clusters": k, "repeat": repeat} | row.numbers | stability)
    return pd.DataFrame.from_records(records)


def _agreement_with_others(maps: np.ndarray, n_classes: int) -> np.ndarray:
    """Return each map's mean agreement with the others; their mean is the mean over pairs."""
    if len(maps) == 1:
        return np.array([np.nan])
    agreement = pairwise_agreement(maps, n_classes)
    return (agreement.sum(axis=1) - 1.0) / (len(maps) - 1)
