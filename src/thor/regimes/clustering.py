"""Seeded k-means runs of a vorticity budget: table of points, runs in parallel, labels of any point."""

from dataclasses import dataclass

import joblib
import numpy as np
import xarray as xr
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from thor.core.errors import ConfigError, DataError
from thor.core.parallel import in_processes
from thor.core.progress import progress_bar
from thor.core.variables import BUDGET_TERMS
from thor.regimes.breathing import breathing_kmeans
from thor.regimes.settings import ClusteringSettings


@dataclass(frozen=True)
class ClusteringRuns:
    """Clustering runs in the order of their seeds.

    Attributes
    ----------
    centroids : ndarray of shape (n_runs, n_clusters, n_terms)
        In standard deviations of the terms.
    inertia : ndarray of shape (n_runs,)
    seeds : ndarray of shape (n_runs,)
    """

    centroids: np.ndarray
    inertia: np.ndarray
    seeds: np.ndarray


def cluster_runs(
    points: np.ndarray,
    *,
    settings: ClusteringSettings,
    seed: int,
    n_runs: int | None = None,
    progress: bool = True,
) -> ClusteringRuns:
    """Return seeded clustering runs of standardised points, made in `settings.n_jobs` processes.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_terms)
        Standardised terms.
    settings : ClusteringSettings
    seed : int
        The seeds of the runs are drawn from it; the runs do not depend on the number of processes.
    n_runs : int, optional
        How many; by default `settings.n_runs_total`.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ConfigError
        When there are more clusters than points.
    """
    require_enough_points(len(points), settings.n_clusters)
    number = settings.n_runs_total if n_runs is None else n_runs
    seeds = run_seeds(seed, number)
    parts = ((points, settings, int(run_seed)) for run_seed in seeds)
    done = in_processes(one_run, parts, n_processes=min(joblib.effective_n_jobs(settings.n_jobs), number))
    label = f"{settings.algorithm} k-means, k = {settings.n_clusters}"
    results = list(progress_bar(done, total=number, label=label, unit="run", hidden=not progress))
    return ClusteringRuns(
        centroids=np.stack([centroids for centroids, _ in results]),
        inertia=np.array([inertia for _, inertia in results]),
        seeds=seeds,
    )


def one_run(
    points: np.ndarray, settings: ClusteringSettings, seed: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Return centroids and inertia of one run of `settings.algorithm`, on one thread."""
    if settings.algorithm == "breathing":
        return breathing_kmeans(points, settings, seed, weights)
    # Sums over several threads come in any order, and the last bits with them.
    with threadpool_limits(1):
        start = KMeans(settings.n_clusters, n_init=settings.n_init, random_state=seed)
        fitted = start.fit(points, sample_weight=weights)
    return fitted.cluster_centers_, float(fitted.inertia_)


def run_seeds(seed: int, n_runs: int) -> np.ndarray:
    """Return one seed for each run, independent of each other."""
    children = np.random.SeedSequence(seed).spawn(n_runs)
    return np.array([child.generate_state(1)[0] for child in children], dtype=np.int64)


def nearest_centroid(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the index of the nearest centroid, shape (n_points,), of points (n_points, n_terms)."""
    # |x|^2 is the same for every centroid and is left out.
    squared = points @ (-2.0 * centroids.T)
    squared += (centroids**2).sum(axis=1)
    return squared.argmin(axis=1)


def run_labels(points: np.ndarray, centroids: np.ndarray, *, block: int = 50_000) -> np.ndarray:
    """Return the cluster of every point in every run, int16 of shape (n_runs, n_points), in blocks of points."""
    labels = np.empty((len(centroids), len(points)), dtype=np.int16)
    with threadpool_limits(1):
        for start in range(0, len(points), block):
            part = slice(start, start + block)
            for run, of_run in enumerate(centroids):
                labels[run, part] = nearest_centroid(points[part], of_run)
    return labels


def budget_points(budget: xr.Dataset, *, terms: tuple[str, ...] = BUDGET_TERMS) -> tuple[np.ndarray, np.ndarray]:
    """Return the table of terms at the cells of `analysis_mask`, and the mask.

    Parameters
    ----------
    budget : xarray.Dataset
        Budget terms [m s-2] and `analysis_mask`, dims (y, x) or (lat, lon), in any order of the dims.
    terms : tuple of str
        Columns of the table.

    Returns
    -------
    points : ndarray of shape (n_cells, n_terms), [m s-2]
        In C order of `analysis_mask`.
    mask : ndarray of bool, shape of `analysis_mask`

    Raises
    ------
    DataError
        When a term or the mask is missing, no cell is in the mask, or a term is not finite in it.
    """
    missing = [name for name in (*terms, "analysis_mask") if name not in budget]
    if missing:
        raise DataError(
            f"The vorticity budget has no variable {', '.join(map(repr, missing))}; got {sorted(map(str, budget))}."
        )
    mask = budget["analysis_mask"].values == 1
    if not mask.any():
        raise DataError("The vorticity budget has no cell with analysis_mask 1: nothing to cluster.")
    dims = budget["analysis_mask"].dims
    columns = []
    for name in terms:
        column = np.asarray(budget[name].transpose(*dims).values[mask], dtype=float)
        if not np.isfinite(column).all():
            raise DataError(
                f"'{name}' is not finite at {int((~np.isfinite(column)).sum())} of {column.size} analysis_mask cells. "
                "Take them out of analysis_mask or correct the field."
            )
        columns.append(column)
    return np.stack(columns, axis=1), mask


def cell_areas(budget: xr.Dataset) -> np.ndarray:
    """Return `areacello` [m2] in the dims order of `analysis_mask`; raise DataError when a cell of it has none."""
    if "areacello" not in budget:
        raise DataError("The vorticity budget has no 'areacello' [m2]: areas and means cannot be weighted.")
    area = np.asarray(budget["areacello"].transpose(*budget["analysis_mask"].dims).values, dtype=float)
    inside = area[budget["analysis_mask"].values == 1]
    if not (np.isfinite(inside).all() and (inside > 0).all()):
        raise DataError("'areacello' must be positive in every cell of analysis_mask [m2].")
    return area


def require_enough_points(n_points: int, n_clusters: int) -> None:
    """Raise ConfigError when there are more clusters than points."""
    if n_clusters > n_points:
        raise ConfigError(
            f"n_clusters is {n_clusters} but the budget has only {n_points} cells inside analysis_mask. "
            "Ask for fewer clusters or use a finer or larger budget."
        )
