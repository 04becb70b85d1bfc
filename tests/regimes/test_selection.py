import numpy as np
import pandas as pd
import pytest

from thor.core.errors import ConfigError
from thor.core.variables import BUDGET_TERMS
from thor.regimes.selection import cluster_selection
from thor.regimes.settings import ClusterSelection

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
    return cluster_selection(budget, selection, settings=settings, seed=2, block_degrees=10.0, progress=False)


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


def test_impossible_sweeps_are_refused(blob_budget, settings):
    with pytest.raises(ConfigError, match="n_clusters is 100000"):
        sweep(blob_budget, settings, n_clusters=[5, 100_000])
    with pytest.raises(ConfigError, match="at least n_regimes"):
        sweep(blob_budget, settings, n_clusters=[2])
    with pytest.raises(ConfigError, match="n_repeats"):
        sweep(blob_budget, settings, n_repeats=0)
