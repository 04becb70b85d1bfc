from itertools import pairwise

import numpy as np
import pytest
from sklearn.cluster import KMeans

from thor.regimes import breathing
from thor.regimes.breathing import micro_cells
from thor.regimes.settings import ClusteringSettings


def breathing_kmeans(points, *, seed, weights=None, **settings):
    return breathing.breathing_kmeans(points, ClusteringSettings.model_construct(**settings), seed, weights)


@pytest.fixture(scope="module")
def blobs() -> np.ndarray:
    """Forty-nine tight blobs on a lattice, 40 points each: k-means++ starts usually miss some."""
    rng = np.random.default_rng(0)
    centres = np.stack(np.meshgrid(np.arange(7.0), np.arange(7.0)), axis=-1).reshape(-1, 2)
    return (centres[:, None] + 0.03 * rng.standard_normal((49, 40, 2))).reshape(-1, 2)


def test_finds_every_blob(blobs):
    centroids, inertia = breathing_kmeans(blobs, n_clusters=49, seed=1, n_breaths=200)
    assert sorted(map(tuple, centroids.round().tolist())) == sorted((x, y) for x in range(7) for y in range(7))
    assert inertia == pytest.approx(2 * 0.03**2 * len(blobs), rel=0.1)


def test_is_lower_than_many_plain_starts(blobs):
    plain = KMeans(49, init="random", n_init=20, random_state=0).fit(blobs).inertia_
    assert breathing_kmeans(blobs, n_clusters=49, seed=1, n_breaths=200)[1] < 0.9 * plain


def test_breaths_never_raise_the_inertia():
    points = np.random.default_rng(5).standard_normal((1500, 3)) ** 3
    inertias = [breathing_kmeans(points, n_clusters=12, seed=2, n_breaths=n)[1] for n in (0, 10, 40, 160)]
    assert inertias[0] > inertias[-1]
    assert all(later <= earlier * (1 + 1e-3) for earlier, later in pairwise(inertias))


def test_search_on_micro_cells_comes_close_to_search_on_points():
    points = np.random.default_rng(5).standard_normal((6000, 3)) ** 3
    on_points = breathing_kmeans(points, n_clusters=12, seed=2, n_breaths=60, n_micro=10_000)[1]
    on_cells = breathing_kmeans(points, n_clusters=12, seed=2, n_breaths=60, n_micro=1000)[1]
    assert on_cells == pytest.approx(on_points, rel=0.01)


def test_inertia_is_that_of_the_centroids(blobs):
    centroids, inertia = breathing_kmeans(blobs, n_clusters=20, seed=1, n_breaths=10, n_micro=300)
    squared = ((blobs[:, None] - centroids) ** 2).sum(axis=-1).min(axis=1)
    assert inertia == pytest.approx(squared.sum(), rel=1e-6)


def test_same_seed_same_bits_and_other_seed_other_run():
    points = np.random.default_rng(5).standard_normal((3000, 4)) ** 3
    first, again, other = (
        breathing_kmeans(points, n_clusters=15, seed=s, n_breaths=15, n_micro=500)[0] for s in (7, 7, 8)
    )
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_micro_cells_keep_weight_and_centre_of_mass():
    rng = np.random.default_rng(1)
    points, weights = rng.standard_normal((5000, 3)), rng.uniform(1, 2, 5000)
    positions, masses = micro_cells(points, weights, n_micro=600, rng=rng)
    assert 450 < len(positions) < 750
    assert masses.sum() == pytest.approx(weights.sum())
    np.testing.assert_allclose(masses @ positions, weights @ points, atol=1e-9)


@pytest.mark.parametrize("n_micro", [13, 30, 63, 64])
def test_few_micro_cells_are_enough(n_micro):
    points = np.random.default_rng(5).standard_normal((1500, 3)) ** 3
    inertia = breathing_kmeans(points, n_clusters=12, seed=2, n_breaths=60, n_micro=n_micro)[1]
    assert inertia == pytest.approx(breathing_kmeans(points, n_clusters=12, seed=2, n_breaths=60)[1], rel=0.15)


@pytest.mark.parametrize(("n_clusters", "inertia"), [(5, 0.0), (7, 0.0), (4, 50.0)])
def test_fewer_places_than_micro_cells_work(n_clusters, inertia):
    points = np.repeat(np.arange(5.0)[:, None], 100, axis=0)
    found = breathing_kmeans(points, n_clusters=n_clusters, seed=0, n_breaths=5, n_micro=64)[1]
    assert found == pytest.approx(inertia)


def test_weights_count_as_repetition():
    points = np.array([[0.0], [1.0], [10.0]])
    centroids, _ = breathing_kmeans(points, n_clusters=2, seed=0, n_breaths=5, weights=np.array([3.0, 1.0, 1.0]))
    np.testing.assert_allclose(np.sort(centroids.ravel()), [0.25, 10.0])


@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_few_clusters_and_duplicates_work(n_clusters):
    points = np.repeat(np.arange(5.0)[:, None], 4, axis=0)
    centroids, inertia = breathing_kmeans(points, n_clusters=n_clusters, seed=0, n_breaths=5)
    assert centroids.shape == (n_clusters, 1)
    assert np.isfinite(centroids).all()
    assert (inertia < 1e-12) == (n_clusters == 5)
