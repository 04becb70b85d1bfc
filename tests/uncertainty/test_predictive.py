from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from tests.uncertainty.made_networks import constant_networks, random_networks
from thor.core.errors import NetworkError
from thor.networks.prediction import member_probabilities
from thor.uncertainty import predictive
from thor.uncertainty.predictive import entropy, entropy_parts, published_interval_test

predictive_distribution = partial(predictive.predictive_distribution, credible_level=0.9)

ONE_CELL = np.zeros((1, 1), np.float32)


def cells(n: int, n_features: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, n_features)).astype(np.float32)


def test_entropy_is_in_bits():
    assert entropy(np.full((3, 8), 1 / 8)) == pytest.approx([3.0, 3.0, 3.0])
    assert entropy(np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx([0.0, 1.0])


def test_confident_networks_that_disagree_have_only_mutual_information():
    sure = np.array([[1 - 1e-9, 1e-9], [1e-9, 1 - 1e-9]])
    what = predictive_distribution(constant_networks(sure), ONE_CELL)
    assert what.predictive_entropy == pytest.approx(1.0)
    assert what.expected_entropy == pytest.approx(0.0, abs=1e-6)
    assert what.mutual_information == pytest.approx(1.0, abs=1e-6)


def test_networks_that_agree_have_no_mutual_information():
    what = predictive_distribution(constant_networks(np.tile([0.5, 0.3, 0.2], (7, 1))), ONE_CELL)
    assert what.mutual_information == pytest.approx(0.0, abs=1e-6)
    assert what.predictive_entropy == pytest.approx(-sum(p * np.log2(p) for p in (0.5, 0.3, 0.2)))
    assert what.lower == pytest.approx(what.upper)
    assert what.superiority == pytest.approx(1.0)


def test_one_network_does_not_disagree_with_itself():
    """Not even by the rounding of its probabilities."""
    found = predictive_distribution(random_networks((4, 3), n_networks=1, seed=5), cells(500, 4))
    assert (found.mutual_information == 0).all()
    np.testing.assert_array_equal(found.expected_entropy, found.predictive_entropy)


def test_superiority_pairs_the_probabilities_of_each_network():
    # Regime 0 has the higher mean, for one network's sake; three of four prefer regime 1.
    p = np.array([[0.97, 0.03], [0.4, 0.6], [0.4, 0.6], [0.4, 0.6]])
    assert predictive_distribution(constant_networks(p), ONE_CELL).superiority == pytest.approx(0.25)
    tied = np.array([[0.7, 0.3], [0.5, 0.5], [0.5, 0.5], [0.7, 0.3]])
    assert predictive_distribution(constant_networks(tied), ONE_CELL).superiority == pytest.approx(0.75)


def test_credible_interval_is_that_of_the_draws():
    p = np.linspace(0.1, 0.9, 101)
    what = predictive_distribution(constant_networks(np.stack([p, 1 - p], axis=1)), ONE_CELL, credible_level=0.8)
    assert what.lower[0] == pytest.approx([0.18, 0.18], abs=1e-6)
    assert what.upper[0] == pytest.approx([0.82, 0.82], abs=1e-6)
    assert what.credible_level == 0.8


def test_blocks_give_what_all_members_at_once_give():
    stack, inputs = random_networks((3, 5, 4), n_networks=40, seed=1), cells(20_000, 3)
    what = predictive_distribution(stack, inputs, temperature=1.7)
    members = member_probabilities(stack, inputs, temperature=1.7).astype(float)
    assert what.probability == pytest.approx(members.mean(axis=0), abs=1e-6)
    assert what.expected_entropy == pytest.approx(entropy(members).mean(axis=0), abs=1e-5)
    assert what.lower == pytest.approx(np.quantile(members, 0.05, axis=0), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n_networks=st.integers(1, 12), n_classes=st.integers(2, 7))
def test_entropies_keep_their_bounds(seed, n_networks, n_classes):
    what = predictive_distribution(random_networks((2, n_classes), n_networks=n_networks, seed=seed), cells(50, 2))
    assert (what.mutual_information >= 0).all()
    assert (what.predictive_entropy <= np.log2(n_classes) + 1e-6).all()
    difference = what.predictive_entropy - what.expected_entropy
    assert what.mutual_information == pytest.approx(difference, abs=1e-6)
    assert (what.lower <= what.upper).all()
    assert ((what.superiority >= 0) & (what.superiority <= 1)).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n_runs=st.integers(1, 4), n_of_each=st.integers(2, 4))
def test_entropy_parts_add_up(seed, n_runs, n_of_each):
    stack = random_networks((2, 5), n_networks=n_runs * n_of_each, seed=seed)
    parts = entropy_parts(stack, cells(50, 2), np.tile(np.arange(n_runs), n_of_each))
    what = predictive_distribution(stack, cells(50, 2))
    assert parts.label + parts.network + parts.residual == pytest.approx(what.predictive_entropy, abs=1e-6)
    assert parts.label + parts.network == pytest.approx(what.mutual_information, abs=1e-6)
    assert min(parts.label.min(), parts.network.min(), parts.residual.min()) >= 0


def test_entropy_parts_separate_labels_from_networks():
    first, second = [1 - 1e-9, 1e-9], [1e-9, 1 - 1e-9]
    stack = constant_networks(np.array([first, first, second, second]))
    of_labels = entropy_parts(stack, ONE_CELL, np.array([3, 3, 8, 8]))
    assert (of_labels.label[0], of_labels.network[0]) == pytest.approx((1.0, 0.0), abs=1e-6)
    of_networks = entropy_parts(stack, ONE_CELL, np.array([3, 8, 3, 8]))
    assert (of_networks.label[0], of_networks.network[0]) == pytest.approx((0.0, 1.0), abs=1e-6)
    of_one_run = entropy_parts(stack, ONE_CELL, np.zeros(4, int))
    assert (of_one_run.label[0], of_one_run.network[0]) == pytest.approx((0.0, 1.0), abs=1e-6)


def test_entropy_parts_refuse_inseparable_causes():
    stack = constant_networks(np.full((3, 2), 0.5))
    with pytest.raises(NetworkError, match="cannot be separated"):
        entropy_parts(stack, ONE_CELL, np.arange(3))
    with pytest.raises(NetworkError, match="label run of 3 networks"):
        entropy_parts(stack, ONE_CELL, np.arange(2))


def test_published_test_calls_everything_significant_with_draws_enough():
    rng = np.random.default_rng(0)
    p = np.clip(0.51 + 0.2 * rng.standard_normal(20_000), 0.01, 0.99)
    draws = np.stack([p, 1 - p], axis=1)
    assert not published_interval_test(constant_networks(draws[:50]), ONE_CELL)[0]
    assert published_interval_test(constant_networks(draws), ONE_CELL)[0]
    superiority = predictive_distribution(constant_networks(draws), ONE_CELL).superiority[0]
    assert 0.5 < superiority < 0.56


def test_published_test_compares_t_intervals_of_means():
    rng = np.random.default_rng(1)
    p = np.clip(0.55 + 0.1 * rng.standard_normal(30), 0.01, 0.99)
    stack = constant_networks(np.stack([p, 1 - p], axis=1))
    for level in (0.5, 0.8, 0.9, 0.99, 0.9999):
        # With two classes the intervals are mirror images: apart when the best one's ends above one half.
        low = ttest_1samp(p, 0.5).confidence_interval(level).low
        assert published_interval_test(stack, ONE_CELL, level=level)[0] == (low > 0.5)


def test_bad_levels_are_named():
    stack = constant_networks(np.full((1, 2), 0.5))
    with pytest.raises(NetworkError, match="credible_level"):
        predictive_distribution(stack, ONE_CELL, credible_level=1.0)
    with pytest.raises(NetworkError, match="two draws"):
        published_interval_test(stack, ONE_CELL)
