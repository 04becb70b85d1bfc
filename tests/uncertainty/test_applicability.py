import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from tests.uncertainty.made_networks import constant_networks, random_networks
from thor.core.errors import NetworkError
from thor.uncertainty.applicability import Applicability, error_by_dissimilarity, feature_importance, spread_cells
from thor.uncertainty.settings import ApplicabilitySettings

ALL_KEPT = ApplicabilitySettings(n_reference=100_000)


@pytest.fixture(scope="module")
def stack():
    """Networks that use the first feature much, the second less, the third not at all."""
    networks = random_networks((3, 4, 3), n_networks=5, seed=0)
    networks.kernels[0][:, 1] *= 0.2
    networks.kernels[0][:, 2] = 0.0
    return networks


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(1)
    basin = rng.integers(3, size=900)
    return (rng.standard_normal((900, 3)) + 0.3 * basin[:, None]).astype(np.float32), basin


@pytest.fixture(scope="module")
def fitted(stack, cells):
    return Applicability.fit(stack, *cells, settings=ALL_KEPT, seed=0)


def test_importance_follows_what_networks_use(stack, cells):
    importance = feature_importance(stack, cells[0], n_permutations=2, rng=np.random.default_rng(0))
    assert importance.sum() == pytest.approx(1.0)
    assert importance[0] > 2 * importance[1] > 0.0
    assert importance[2] == 0.0


def test_dissimilarity_is_the_nearest_distance_over_the_mean_one(fitted, cells):
    inputs, _ = cells
    assert fitted.mean_distance == pytest.approx(pdist(inputs * fitted.importance).mean(), rel=0.01)
    new = np.array([[0.3, -0.2, 9.0], [4.0, 0.0, 0.0], [50.0, 0.0, 0.0]])
    expected = cdist(new * fitted.importance, inputs * fitted.importance).min(axis=1) / fitted.mean_distance
    assert fitted.dissimilarity(new) == pytest.approx(expected, abs=1e-3)
    assert fitted.dissimilarity(inputs).max() < 1e-3
    assert (fitted.dissimilarity(new) <= fitted.threshold).tolist() == [True, False, False]


def test_threshold_is_that_of_leaving_out_a_basin(fitted, cells):
    inputs, basin = cells
    distances = cdist(inputs * fitted.importance, inputs * fitted.importance)
    distances[basin[:, None] == basin] = np.inf
    low, high = np.quantile(distances.min(axis=1) / fitted.mean_distance, [0.25, 0.75])
    assert fitted.threshold == pytest.approx(high + 1.5 * (high - low), rel=1e-3)


def test_reference_cells_that_are_not_among_given_cells_are_left_out(fitted, cells):
    inputs, basin = cells
    known = inputs[:, 0] < 0.5
    part = fitted.from_cells(inputs[known])
    assert (part.threshold, part.mean_distance) == (fitted.threshold, fitted.mean_distance)
    np.testing.assert_array_equal(part.reference_basin, basin[known])
    distances = cdist(inputs * part.importance, inputs[known] * part.importance) / part.mean_distance
    assert part.dissimilarity(inputs) == pytest.approx(distances.min(axis=1), abs=1e-3)
    assert fitted.dissimilarity(inputs[~known]).max() < 1e-3 < 0.2 * part.dissimilarity(inputs[~known]).mean()
    with pytest.raises(NetworkError, match=r"the 900 reference cells, those \d+ .* lie in fewer than two basins"):
        fitted.from_cells(inputs[basin == 1])


def test_features_that_networks_ignore_make_no_cell_dissimilar(fitted, cells):
    moved = cells[0] + np.array([0, 0, 1000.0])
    assert (fitted.dissimilarity(moved) <= fitted.threshold).all()


def test_spread_cells_cover_better_than_random_ones(cells):
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.standard_normal((2000, 2)), rng.uniform(-8, 8, (30, 2))])
    basin = np.repeat([0, 1], 1015)
    chosen = spread_cells(points, basin, 100)
    assert len(np.unique(chosen)) == len(chosen) <= 100
    assert abs((basin[chosen] == 0).sum() - 50) <= 1
    random = rng.choice(len(points), 100, replace=False)
    radius = [cdist(points, points[some]).min(axis=1).max() for some in (chosen, random)]
    assert radius[0] < 0.6 * radius[1]


def test_a_bounded_reference_changes_little(stack, cells, fitted):
    few = Applicability.fit(stack, *cells, settings=ApplicabilitySettings(n_reference=500), seed=0)
    new = np.random.default_rng(3).standard_normal((500, 3)) * 2
    assert len(few.reference) <= 500
    assert few.threshold == pytest.approx(fitted.threshold, rel=0.2)
    assert np.corrcoef(few.dissimilarity(new), fitted.dissimilarity(new))[0, 1] > 0.95


def test_same_seed_same_numbers_and_json_gives_them_back(stack, cells):
    settings = ApplicabilitySettings(n_reference=200)
    one, two = (Applicability.fit(stack, *cells, settings=settings, seed=5).to_dict() for _ in range(2))
    assert one == two
    text = json.dumps(one, allow_nan=False)
    again = Applicability.from_dict(json.loads(text))
    new = np.random.default_rng(3).standard_normal((500, 3))
    assert (again.dissimilarity(new) == Applicability.from_dict(one).dissimilarity(new)).all()
    assert again.to_dict() == one
    assert len(text) < 200 * 3 * 12


def test_error_table_sorts_cells_by_dissimilarity():
    dissimilarity = np.linspace(0.0, 1.0, 101)
    table = error_by_dissimilarity(dissimilarity, dissimilarity > 0.45, threshold=0.8, n_bins=4)
    assert table["inside"].tolist() == [True] * 4 + [False]
    assert table["n_cells"].tolist() == [21, 20, 20, 20, 20]
    assert table["error_rate"].tolist() == pytest.approx([0.0, 0.0, 0.75, 1.0, 1.0])
    assert table["mean_dissimilarity"].is_monotonic_increasing
    assert error_by_dissimilarity(dissimilarity, dissimilarity > 2, threshold=2.0)["inside"].all()


def test_bad_input_is_named(stack, cells, fitted):
    inputs, basin = cells
    with pytest.raises(NetworkError, match="all training cells lie in one"):
        Applicability.fit(stack, inputs, np.zeros_like(basin), settings=ALL_KEPT, seed=0)
    with pytest.raises(NetworkError, match="no feature is used"):
        Applicability.fit(constant_networks(np.full((2, 2), 0.5)), inputs[:, :1], basin, settings=ALL_KEPT, seed=0)
    with pytest.raises(NetworkError, match=r"shape \(n, 3\)"):
        fitted.dissimilarity(inputs[:, :2])
    with pytest.raises(NetworkError, match="3 values that are not finite"):
        fitted.dissimilarity(np.full((1, 3), np.nan))
    content = fitted.to_dict()
    with pytest.raises(NetworkError, match="3 features needs"):
        Applicability.from_dict(content | {"importance": [1.0]})
    del content["threshold"]
    with pytest.raises(NetworkError, match="holds features, importance"):
        Applicability.from_dict(content)
