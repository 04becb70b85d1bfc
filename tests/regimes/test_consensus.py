import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from thor.regimes.consensus import (
    adjusted_rand_index,
    assign_by_vote,
    build_consensus,
    contingency,
    group_runs,
    match_classes,
    mean_of_pairs,
    merge_small_clusters,
    pairwise_agreement,
    votes,
)
from thor.regimes.settings import ClusteringSettings

# Sizes 5, 4, 3, 2, 1 and 1: three classes keep the two largest.
LABELS = np.repeat([2, 0, 5, 1, 3, 4], [5, 4, 3, 2, 1, 1])


def test_largest_clusters_are_kept_and_the_rest_merged():
    classes = merge_small_clusters(LABELS, n_clusters=6, n_classes=3)
    np.testing.assert_array_equal(classes, [1, 2, 0, 2, 2, 2])


def test_equal_sizes_are_ordered_by_number():
    np.testing.assert_array_equal(merge_small_clusters(np.arange(4), n_clusters=4, n_classes=3), [0, 1, 2, 2])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60))
def test_adjusted_rand_index_is_scikit_learns(pairs):
    first, second = np.array(pairs).T
    expected = adjusted_rand_score(first, second)
    assert adjusted_rand_index(contingency(first, second, 4)) == pytest.approx(expected, abs=1e-12)


@given(st.permutations(range(5)), st.integers(0, 2**16))
def test_alignment_undoes_any_renumbering(order, seed):
    reference = np.random.default_rng(seed).integers(0, 6, 400)
    renumbered = np.array([*order, 5])[reference]
    matched = match_classes(contingency(renumbered, reference, 6), keep_last=True)
    np.testing.assert_array_equal(matched[renumbered], reference)


def test_the_merged_class_stays_merged_only_on_request():
    # The last class overlaps class 0 most.
    table = np.array([[1, 0, 9], [0, 9, 0], [9, 0, 1]])
    np.testing.assert_array_equal(match_classes(table, keep_last=True), [0, 1, 2])
    np.testing.assert_array_equal(match_classes(table, keep_last=False), [2, 1, 0])


def test_alignment_is_optimal_not_greedy():
    # Greedy takes 10 + 1; the optimum is 9 + 8.
    table = np.array([[10, 9], [8, 1]])
    np.testing.assert_array_equal(match_classes(table, keep_last=False), [1, 0])


def test_groups_split_by_agreement_and_start_with_the_lowest_inertia():
    agreement = np.full((5, 5), 0.6)
    for group in ([0, 1, 3], [2, 4]):
        agreement[np.ix_(group, group)] = 0.95
    np.fill_diagonal(agreement, 1.0)
    inertia = np.array([10.0, 11.0, 9.0, 12.0, 30.0])
    np.testing.assert_array_equal(group_runs(agreement, inertia, threshold=0.9, tie=0.0), [1, 1, 0, 1, 0])
    np.testing.assert_array_equal(group_runs(agreement, inertia, threshold=0.5, tie=0.0), 0)


def test_a_tie_of_inertia_is_decided_by_the_number_of_runs():
    agreement = np.kron(np.eye(2), np.ones((3, 3)))[1:, 1:]
    inertia = np.array([100.0, 101.0, 100.5, 102.0, 103.0])
    np.testing.assert_array_equal(group_runs(agreement, inertia, threshold=0.9, tie=0.004), [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(group_runs(agreement, inertia, threshold=0.9, tie=0.006), [1, 1, 0, 0, 0])


def test_a_chain_of_agreement_is_no_group():
    # Neighbours agree, the ends do not: connected components would join all.
    places = np.arange(6)
    agreement = 1.0 - 0.08 * np.abs(places[:, None] - places)
    assert group_runs(agreement, np.arange(6.0), threshold=0.9, tie=0.0).max() > 0


def test_the_group_of_lowest_inertia_assigns_against_a_majority():
    rng = np.random.default_rng(0)
    best, common = rng.integers(0, 3, 500), rng.integers(0, 3, 500)
    shift = lambda labels, by: np.r_[labels[:-10], (labels[-10:] + by) % 3]  # noqa: E731
    labels = np.stack([best, shift(best, 1), *(shift(common, n % 3) for n in range(5))])
    inertia = np.array([1.0, 1.1, *np.linspace(1.05, 1.5, 5)])
    consensus = build_consensus(labels, inertia, ClusteringSettings(n_clusters=3, n_regimes=3, inertia_tie=1e-3))
    np.testing.assert_array_equal(consensus.group, [0, 0, 1, 1, 1, 1, 1])
    assert consensus.representative == 0
    classes = np.take_along_axis(consensus.class_of_cluster, labels, axis=1)
    assigned = consensus.assign(labels)
    assert adjusted_rand_score(assigned, best) == 1.0
    shares = votes(classes, 3)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    # Only two of seven runs vote for the assigned class where the groups differ.
    share = np.take_along_axis(shares, assigned[None].astype(int), axis=0)[0]
    assert share.min() < 0.3


def test_the_representative_decides_between_equal_votes():
    classes = np.array([[0, 1], [1, 0]])
    for representative, expected in ((0, [0, 1]), (1, [1, 0])):
        np.testing.assert_array_equal(
            assign_by_vote(classes, np.zeros(2), representative=representative, n_classes=2), expected
        )


def test_mean_of_pairs_leaves_the_diagonal_out():
    maps = np.array([[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]])
    agreement = pairwise_agreement(maps, 2)
    expected = np.mean([1.0, *(adjusted_rand_score(maps[0], maps[2]),) * 2])
    assert mean_of_pairs(agreement) == pytest.approx(expected)
    assert np.isnan(mean_of_pairs(np.eye(1)))


def test_without_small_clusters_all_classes_are_aligned():
    # One partition, whose halves have 51 and 49 cells in one run, 49 and 51 in the other.
    first = np.repeat([0, 1], [51, 49])
    second = np.repeat([0, 1], [49, 51])
    settings = ClusteringSettings(n_clusters=2, n_regimes=2, n_runs=2, n_consensus=1)
    found = build_consensus(np.stack([first, second]), np.array([1.0, 1.0]), settings)
    classes = np.take_along_axis(found.class_of_cluster, np.stack([first, second]), axis=1)
    assert (classes[0] == classes[1]).mean() == 0.98
