import numpy as np
import pytest

from thor.core.errors import ConfigError, DataError
from thor.core.variables import BUDGET_TERMS
from thor.regimes.clustering import budget_points, cluster_runs, run_labels, run_seeds
from thor.regimes.settings import ClusteringSettings


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((800, 5)) ** 3


@pytest.mark.parametrize("algorithm", ["breathing", "kmeans"])
def test_runs_do_not_depend_on_the_number_of_processes(points, settings, algorithm):
    alone, shared = (
        cluster_runs(points, settings=settings.replace(algorithm=algorithm, n_jobs=n), seed=5, n_runs=3, progress=False)
        for n in (1, 2)
    )
    assert alone.centroids.tobytes() == shared.centroids.tobytes()
    assert alone.inertia.tobytes() == shared.inertia.tobytes()


def test_runs_differ_and_seeds_are_kept(points, settings):
    runs = cluster_runs(points, settings=settings, seed=5, n_runs=3, progress=False)
    assert runs.centroids.shape == (3, 30, 5)
    assert len(set(runs.inertia)) == 3
    np.testing.assert_array_equal(runs.seeds, run_seeds(5, 3))
    assert not set(run_seeds(5, 30)) & set(run_seeds(6, 30))


def test_breathing_is_lower_than_plain(points, settings):
    breathing = cluster_runs(points, settings=settings, seed=5, n_runs=3, progress=False)
    plain = cluster_runs(points, settings=settings.replace(algorithm="kmeans"), seed=5, n_runs=3, progress=False)
    assert breathing.inertia.mean() < plain.inertia.mean()


def test_labels_are_nearest_centroids_in_any_block_size(points):
    centroids = points[np.arange(24)].reshape(2, 12, 5)
    direct = ((points[None, :, None] - centroids[:, None]) ** 2).sum(axis=-1).argmin(axis=-1)
    np.testing.assert_array_equal(run_labels(points, centroids, block=77), direct)


def test_more_clusters_than_points_is_refused(settings):
    with pytest.raises(ConfigError, match="30 but the budget has only 11 cells"):
        cluster_runs(np.ones((11, 5)), settings=settings, seed=0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"algorithm": "breathng"}, "Did you mean 'breathing'"),
        ({"n_regimes": 1}, "'n_regimes' must be a whole number from 2 to 128"),
        ({"n_clusters": 200, "n_regimes": 129}, "'n_regimes' must be a whole number from 2 to 128"),
        ({"n_clusters": 5}, "at least n_regimes"),
        ({"group_agreement": 1.0}, "'group_agreement' must be a number > 0 and < 1"),
        ({"n_jobs": 0}, "processes"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, text):
    with pytest.raises(ConfigError, match=text):
        ClusteringSettings(**change)


def test_points_are_the_terms_inside_the_mask(made_budget):
    points, mask = budget_points(made_budget)
    assert points.shape == (int(made_budget["analysis_mask"].sum()), 5)
    np.testing.assert_array_equal(points[:, 2], made_budget["bottom_pressure_torque"].values[mask])
    turned, _ = budget_points(made_budget.transpose("lon", "lat", ...))
    np.testing.assert_array_equal(np.sort(turned, axis=0), np.sort(points, axis=0))


def test_bad_budgets_are_refused(made_budget):
    with pytest.raises(DataError, match="no variable 'viscous_torque'"):
        budget_points(made_budget.drop_vars("viscous_torque"))
    with pytest.raises(DataError, match="nothing to cluster"):
        budget_points(made_budget.assign(analysis_mask=made_budget["analysis_mask"] * 0))
    holed = made_budget.assign({BUDGET_TERMS[0]: made_budget[BUDGET_TERMS[0]].where(made_budget["lon"] > 2)})
    with pytest.raises(DataError, match="'wind_stress_curl' is not finite"):
        budget_points(holed)
