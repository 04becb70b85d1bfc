import numpy as np
import pandas as pd
import pytest

from thor.core.errors import ConfigError
from thor.core.variables import BUDGET_TERMS
from thor.ocean.budget import vorticity_budget
from thor.ocean.idealized.settings import OceanSettings
from thor.ocean.idealized.training import idealized_training_ocean
from thor.reading.training_ocean import harmonise
from thor.regimes.selection import cluster_selection, selected_number
from thor.regimes.settings import ClusteringSettings, ClusterSelection

TRUE_K = 6


@pytest.fixture(scope="module")
def blob_budget(made_budget):
    """Six equal Gaussian blobs in the space of the terms."""
    rng = np.random.default_rng(0)
    centres = 1e-10 * 8 * rng.standard_normal((TRUE_K, 4))
    blob = (np.indices(made_budget["areacello"].shape) // 5).sum(axis=0) % TRUE_K
    terms = [centres[blob, term] + 1e-10 * rng.standard_normal(blob.shape) for term in range(4)]
    fields = dict(zip(BUDGET_TERMS, [*terms, -sum(terms)], strict=True))
    return made_budget.assign({name: (("lat", "lon"), field) for name, field in fields.items()})


def sweep(budget, settings, **changes) -> pd.DataFrame:
    arguments = {"n_clusters": (4, TRUE_K, 10), "n_repeats": 3, "mixture_sample": 1500, "silhouette_sample": 800}
    selection = ClusterSelection(**(arguments | changes))
    return select(budget, selection, settings.replace(n_regimes=4))


def select(budget, selection, settings) -> pd.DataFrame:
    return cluster_selection(budget, selection, settings=settings, seed=2, block_degrees=10.0)


@pytest.fixture(scope="module")
def table(blob_budget, settings) -> pd.DataFrame:
    return sweep(blob_budget, settings)


def test_criteria_find_the_number_of_blobs(table):
    mean = table.groupby("n_clusters").mean()
    assert mean["bic"].idxmin() == TRUE_K
    assert mean["silhouette"].idxmax() == TRUE_K
    assert mean["inertia"].is_monotonic_decreasing


def test_one_row_for_each_k_and_repeat(table):
    assert list(zip(table["n_clusters"], table["repeat"], strict=True)) == [
        (k, repeat) for k in (4, TRUE_K, 10) for repeat in range(3)
    ]
    assert (table["mixture_cells"] == 1500).all()
    assert (table["silhouette_cells"] == 800).all()
    assert table.notna().all(axis=None)


def test_per_cell_criteria_are_the_totals_per_cell(table):
    np.testing.assert_allclose(table["bic_per_cell"] * table["mixture_cells"], table["bic"])
    assert (table["bic"] > table["aic"]).all()


def test_areas_fall_and_stay_below_one(table):
    areas = table[["area_1", "area_2", "area_3"]].to_numpy()
    assert (np.diff(areas, axis=1) <= 0).all()
    assert (areas.sum(axis=1) <= 1).all()


def test_known_regimes_are_stable_over_seeds_and_blocks(made_budget, settings):
    selection = ClusterSelection(n_clusters=(30,), n_repeats=2, mixture_sample=500, silhouette_sample=5_000)
    table = select(made_budget, selection, settings)
    assert (table["stability_seeds"] > 0.9).all()
    assert (table["stability_blocks"] > 0.9).all()


def test_the_same_seed_gives_the_same_table(blob_budget, settings):
    first, again = (sweep(blob_budget, settings.replace(n_jobs=n), n_clusters=[5], n_repeats=2) for n in (1, 2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_one_repeat_has_no_stability(blob_budget, settings):
    assert sweep(blob_budget, settings, n_clusters=[5], n_repeats=1)["stability_seeds"].isna().all()


@pytest.mark.parametrize(
    ("bic", "stability", "expected"),
    [
        ([1.8, 1.63, 1.62, 1.7], [0.99, 0.95, 0.95, 0.9], 20),
        ([1.8, 1.64, 1.62, 1.7], [0.99, 0.95, 0.95, 0.9], 30),
        ([1.8, 1.60, 1.62, 1.7], [0.99, 0.80, 0.95, 0.9], 30),
        ([1.8, 1.60, 1.62, 1.7], [0.80, 0.80, 0.80, 0.8], None),
        ([1.8, 1.60, 1.62, 1.7], [np.nan] * 4, None),
    ],
)
def test_the_smallest_stable_number_near_the_lowest_criterion_is_selected(bic, stability, expected):
    numbers = {"n_clusters": [10, 20, 30, 40], "bic_per_cell": bic, "stability_seeds": stability}
    # Two repeats that scatter around these means.
    table = pd.concat(
        [pd.DataFrame(numbers).assign(bic_per_cell=lambda t, d=d: t["bic_per_cell"] + d) for d in (-1, 1)]
    )
    assert selected_number(table, ClusterSelection(min_stability=0.85, bic_tolerance=0.015)) == expected


def test_blobs_are_counted_by_the_rule(table):
    assert selected_number(table, ClusterSelection()) == TRUE_K


def test_the_default_number_is_the_one_selected_for_the_default_ocean():
    ocean = harmonise(idealized_training_ocean(OceanSettings(), seed=42))
    budget = vorticity_budget(ocean, closure_tolerance=1e-3)
    settings = ClusteringSettings()
    selection = ClusterSelection(n_clusters=(15, 20, 25), n_repeats=2)
    table = cluster_selection(budget, selection, settings=settings, seed=42, block_degrees=10.0)
    assert selected_number(table, selection) == settings.n_clusters


def test_impossible_sweeps_are_refused(blob_budget, settings):
    with pytest.raises(ConfigError, match="n_clusters is 100000"):
        sweep(blob_budget, settings, n_clusters=[5, 100_000], mixture_sample=100_000)
    with pytest.raises(ConfigError, match="at least n_regimes"):
        sweep(blob_budget, settings, n_clusters=[2])
    with pytest.raises(ConfigError, match="n_repeats"):
        sweep(blob_budget, settings, n_repeats=0)
    with pytest.raises(ConfigError, match=r"mixture_sample \(9\) must be at least the largest of n_clusters \(\d+\)"):
        sweep(blob_budget, settings, mixture_sample=9)


@pytest.mark.parametrize(("n_cells", "has_score"), [(2, False), (800, True)])
def test_a_sample_with_a_cluster_for_each_cell_has_no_silhouette(blob_budget, settings, n_cells, has_score):
    table = sweep(blob_budget, settings, n_clusters=[10], silhouette_sample=n_cells)
    assert (table["silhouette_cells"] == n_cells).all()
    assert (table["silhouette"].notna() == has_score).all()
