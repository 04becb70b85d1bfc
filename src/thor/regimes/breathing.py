"""Breathing k-means: local search over centroids on micro-cells, then Lloyd's iteration on every point.

Plain k-means stops in the first local optimum it meets. A breath leaves it again: a few centroids are added
where the error is large (breathing in), settled, and as many of the least useful are taken away (breathing
out); the result is kept when the inertia fell. The idea is Fritzke's (2020, arXiv:2006.15666); three things
differ here. Places and removals are drawn at random from one generator, so that the search does not repeat itself.
The search happens on some thousand weighted micro-cells instead of all points, where there are more of them: points of
a micro-cell lie so close together that partitions of micro-cells and of points rank alike; the final centroids come
from Lloyd's iteration on all points. And a breath whose inertia is not near the lowest one after a few iterations ends
there.
"""

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from thor.regimes.settings import ClusteringSettings

COARSE_CELLS = 64
SEARCH_BLOCK = 1000
SEARCH_TOLERANCE = 1e-4
FINAL_TOLERANCE = 1e-7
SETTLE_ITERATIONS = 4
PROBE_ITERATIONS = 4
PROMISING = 1.005
"""A breath goes on after its probe while its inertia is below this multiple of the lowest one."""
FREEZE_RADIUS = 1.1
REMOVAL_NOISE = 0.3


class Weighted(NamedTuple):
    """Points, shape (n, n_terms), and their weights, shape (n,)."""

    points: np.ndarray
    weights: np.ndarray


def breathing_kmeans(
    points: np.ndarray, settings: ClusteringSettings, seed: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Return the centroids and the inertia of one breathing k-means run.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_terms)
        Standardised points.
    settings : ClusteringSettings
        Of which `n_clusters`, `n_breaths`, `n_micro` and `max_depth` count. With no more points than micro-cells, or
        fewer micro-cells than clusters, the search uses the points themselves.
    seed : int
        The same seed gives the same centroids bit for bit: one thread is used, whatever the machine allows.
    weights : ndarray of shape (n_points,), optional
        Weight of each point, all positive.

    Returns
    -------
    centroids : ndarray of shape (n_clusters, n_terms)
    inertia : float
        Weighted sum of squared distances to the nearest centroid over all points.
    """
    rng = np.random.default_rng(seed)
    everything = Weighted(points, np.ones(len(points)) if weights is None else np.asarray(weights, dtype=float))
    with threadpool_limits(1), warnings.catch_warnings():
        # Duplicate points leave a centroid empty for a while; the next breath moves it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        cells = everything
        if len(points) > settings.n_micro > settings.n_clusters:
            cells = micro_cells(*everything, n_micro=settings.n_micro, rng=rng)
            if len(cells.points) < settings.n_clusters:
                cells = everything
        centroids = _search(cells, settings, rng)
        final = KMeans(settings.n_clusters, init=centroids, n_init=1, tol=FINAL_TOLERANCE, max_iter=300)
        final.fit(everything.points, sample_weight=everything.weights)
        return final.cluster_centers_, float(final.inertia_)


def micro_cells(points: np.ndarray, weights: np.ndarray, *, n_micro: int, rng: np.random.Generator) -> Weighted:
    """Return about `n_micro` weighted means of neighbouring points.

    A coarse k-means of some points splits all of them, a finer one splits each part; a part gets micro-cells in
    proportion to the geometric mean of its weight and its error, so that both crowded and far-flung parts are resolved.
    """
    drawn = rng.choice(len(points), size=min(n_micro, len(points)), replace=False)
    n_parts = min(COARSE_CELLS, len(drawn))
    coarse = KMeans(n_parts, n_init=1, max_iter=5, random_state=_draw(rng))
    labels = coarse.fit(points[drawn], sample_weight=weights[drawn]).predict(points)
    squared = weights * ((points - coarse.cluster_centers_[labels]) ** 2).sum(axis=1)
    errors = np.bincount(labels, squared, minlength=n_parts)
    shares = np.sqrt(np.bincount(labels, weights, minlength=n_parts) * errors)
    # No part has an error where all points of each are at one place.
    numbers = np.maximum(1, np.rint(n_micro * shares / (shares.sum() or 1.0))).astype(int)
    positions, masses = [], []
    for part, number in enumerate(numbers):
        members = np.flatnonzero(labels == part)
        number = min(number, len(members))
        if number == 0:
            continue
        fine = KMeans(number, init="random", n_init=1, max_iter=5, random_state=_draw(rng))
        fine_labels = fine.fit_predict(points[members], sample_weight=weights[members])
        position, mass = _means(points[members], weights[members], fine_labels, number)
        positions.append(position[mass > 0])
        masses.append(mass[mass > 0])
    return Weighted(np.concatenate(positions), np.concatenate(masses))


class _Cells:
    """Weighted points in single precision, in blocks that fit into the cache: Lloyd's iteration as matrix products."""

    def __init__(self, cells: Weighted) -> None:
        self.points, self.weights = cells
        rows = np.hstack([self.points, np.ones((len(self.points), 1))])
        weighted = (rows * self.weights[:, None]).astype(np.float32)
        parts = [slice(start, start + SEARCH_BLOCK) for start in range(0, len(rows), SEARCH_BLOCK)]
        self._blocks = [(rows[part].T.astype(np.float32, order="C"), weighted[part]) for part in parts]
        self._norms = (self.points**2).sum(axis=1)

    def iterate(self, centroids: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the means of the cells nearest to each centroid, and the inertia before the change.

        A cell at the same distance from two centroids counts for both; a centroid without cells remains in place.
        """
        sums, nearest = np.zeros((len(centroids), self.points.shape[1] + 1), np.float32), []
        for distances, weighted in self._distances(centroids):
            first = distances.min(axis=0)
            sums += (distances <= first).astype(np.float32) @ weighted
            nearest.append(first)
        mass = sums[:, -1:]
        means = np.divide(sums[:, :-1], mass, out=centroids.astype(np.float32), where=mass > 0)
        return means, float(self.weights @ (np.concatenate(nearest) + self._norms))

    def errors_and_utility(self, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return weighted squared distances to the nearest centroid, (n,), and the utility of each, (n_clusters,).

        The utility of a centroid is the rise of the inertia without it.
        """
        utility, nearest = np.zeros(len(centroids)), []
        for distances, weighted in self._distances(centroids):
            first = distances.min(axis=0)
            is_nearest = distances <= first
            distances[is_nearest] = np.inf
            utility += is_nearest @ (weighted[:, -1] * (distances.min(axis=0) - first))
            nearest.append(first)
        return self.weights * np.maximum(np.concatenate(nearest) + self._norms, 0.0), utility

    def _distances(self, centroids: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield for each block the squared distances, (n_clusters, n_block), minus the squared norm of each cell.

        With them come the weighted cells of the block and their weights, (n_block, n_terms + 1).
        """
        norms = (centroids**2).sum(axis=1, keepdims=True)
        columns = np.hstack([-2.0 * centroids, norms]).astype(np.float32)
        for rows, weighted in self._blocks:
            yield columns @ rows, weighted


def _search(cells: Weighted, settings: ClusteringSettings, rng: np.random.Generator) -> np.ndarray:
    """Return the best centroids of `settings.n_breaths` breaths from one k-means++ start."""
    n_clusters = settings.n_clusters
    start = KMeans(n_clusters, n_init=1, max_iter=100, random_state=_draw(rng))
    start.fit(cells.points, sample_weight=cells.weights)
    best, best_inertia = start.cluster_centers_, start.inertia_
    # Adding more than there are spare cells, or removing from one or two centroids, has no meaning.
    max_depth = min(settings.max_depth, n_clusters // 2, len(cells.points) - n_clusters)
    if settings.n_breaths == 0 or max_depth < 1:
        return best
    matrices = _Cells(cells)
    errors, _ = matrices.errors_and_utility(best)
    for _ in range(settings.n_breaths):
        depth = int(rng.integers(1, max_depth + 1))
        full = _breathe_in(matrices, best, errors, depth, rng)
        trial = _breathe_out(matrices, full, len(full) - n_clusters, rng)
        trial, inertia = _settle(matrices, trial, PROBE_ITERATIONS)
        if inertia < PROMISING * best_inertia:
            trial, inertia = _settle(matrices, trial, 100, tolerance=SEARCH_TOLERANCE)
        if inertia < best_inertia:
            best, best_inertia = trial, inertia
            errors, _ = matrices.errors_and_utility(best)
    return best.astype(float)


def _breathe_in(
    cells: _Cells, centroids: np.ndarray, errors: np.ndarray, depth: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the centroids and `depth` more, put where the error is, after a few Lloyd iterations."""
    # Duplicate cells can be met exactly: then there is nowhere to add.
    depth = min(depth, int(np.count_nonzero(errors)))
    if depth == 0:
        return centroids
    added = cells.points[rng.choice(len(errors), size=depth, replace=False, p=errors / errors.sum())]
    return _settle(cells, np.concatenate([centroids, added]), SETTLE_ITERATIONS)[0]


def _breathe_out(cells: _Cells, centroids: np.ndarray, depth: int, rng: np.random.Generator) -> np.ndarray:
    """Return the centroids without `depth` of the least useful ones.

    Close neighbours share their utility and must not be removed together, so removing one freezes the others near it
    while others are left.
    """
    _, utility = cells.errors_and_utility(centroids)
    order = np.argsort(utility * np.exp(REMOVAL_NOISE * rng.standard_normal(len(centroids))), kind="stable")
    distances = cdist(centroids, centroids)
    np.fill_diagonal(distances, np.inf)
    near = distances < FREEZE_RADIUS * distances.min(axis=1).mean()
    frozen = np.zeros(len(centroids), dtype=bool)
    removed: list[int] = []
    for candidate in order:
        if len(removed) < depth and not frozen[candidate]:
            removed.append(candidate)
            frozen |= near[candidate]
    spare = [candidate for candidate in order if candidate not in removed]
    removed += spare[: depth - len(removed)]
    return np.delete(centroids, removed, axis=0)


def _settle(
    cells: _Cells, centroids: np.ndarray, max_iter: int, *, tolerance: float = -np.inf
) -> tuple[np.ndarray, float]:
    """Return centroids and inertia after Lloyd iterations, until an iteration lowers it by less than `tolerance`.

    The inertia is that before the last change of the centroids, and so an upper bound.
    """
    before = np.inf
    for _ in range(max_iter):
        centroids, inertia = cells.iterate(centroids)
        if before - inertia < tolerance * inertia:
            break
        before = inertia
    return centroids, inertia


def _means(points: np.ndarray, weights: np.ndarray, labels: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    mass = np.bincount(labels, weights, minlength=number)
    sums = np.stack([np.bincount(labels, weights * column, minlength=number) for column in points.T], axis=1)
    return sums / np.where(mass > 0, mass, 1.0)[:, None], mass


def _draw(rng: np.random.Generator) -> int:
    """Return a seed for scikit-learn, which takes no Generator."""
    return int(rng.integers(2**31 - 1))
