"""Maximal coupling: values calculated by hand, its definition, and its bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thor.core.errors import NetworkError
from thor.tracking.change import (
    change_parts,
    change_probability,
    change_to_probability,
    independent_change_probability,
    transition_areas,
)


def some(seed, n_networks=3, n_cells=40, n_regimes=6, concentration=0.5):
    rng = np.random.default_rng(seed)
    return tuple(
        rng.dirichlet(np.full(n_regimes, concentration), size=(n_networks, n_cells)).astype("float32") for _ in range(2)
    )


def joint_probability(before, after):
    """The joint probability of the regimes before and after: the transition areas of each cell, of area 1."""
    cells = range(before.shape[1])
    return np.stack([transition_areas(before[:, [k]], after[:, [k]], np.ones(1)) for k in cells], axis=1)


def test_values_calculated_by_hand():
    before, after = np.array([[[0.7, 0.2, 0.1]]]), np.array([[[0.4, 0.2, 0.4]]])
    assert change_probability(before, after) == pytest.approx(0.3)
    np.testing.assert_allclose(change_to_probability(before, after)[0, 0], [0, 0, 0.3])
    assert independent_change_probability(before, after) == pytest.approx(1 - 0.28 - 0.04 - 0.04)
    np.testing.assert_allclose(
        joint_probability(before, after)[0, 0], [[0.4, 0, 0.3], [0, 0.2, 0], [0, 0, 0.1]], atol=1e-15
    )


def test_what_moves_is_shared_among_the_gainers():
    before, after = np.array([[[0.6, 0.4, 0.0, 0.0]]]), np.array([[[0.3, 0.3, 0.1, 0.3]]])
    joint = joint_probability(before, after)[0, 0]
    # 0.3 and 0.1 are lost, a quarter of it is gained by the third regime
    np.testing.assert_allclose(joint[0], [0.3, 0, 0.075, 0.225])
    np.testing.assert_allclose(joint[1], [0, 0.3, 0.025, 0.075])


def test_identical_windows_change_nothing_at_all():
    before, _ = some(0, concentration=1.0)
    assert (change_probability(before, before.copy()) == 0).all()
    assert (independent_change_probability(before, before) > 0.05).all()
    areas = transition_areas(before, before, np.ones(40, "float32"))
    assert (areas[:, ~np.eye(6, dtype=bool)] == 0).all()


def test_certain_and_different_regimes_change_for_sure():
    before, after = np.eye(6)[None, [0, 3]], np.eye(6)[None, [5, 3]]
    np.testing.assert_array_equal(change_probability(before, after), [[1, 0]])
    np.testing.assert_array_equal(independent_change_probability(before, after), [[1, 0]])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), concentration=st.floats(0.1, 5.0))
def test_the_joint_has_both_windows_as_its_marginals(seed, concentration):
    before, after = some(seed, concentration=concentration)
    joint = joint_probability(before, after)
    assert (joint >= 0).all()
    np.testing.assert_allclose(joint.sum(axis=-1), before, atol=1e-6)
    np.testing.assert_allclose(joint.sum(axis=-2), after, atol=1e-6)
    stays = np.trace(joint, axis1=-2, axis2=-1)
    np.testing.assert_allclose(1 - stays, change_probability(before, after), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), concentration=st.floats(0.1, 5.0))
def test_change_is_the_total_variation_and_never_more_than_by_chance(seed, concentration):
    before, after = some(seed, concentration=concentration)
    change = change_probability(before, after)
    np.testing.assert_allclose(change, 0.5 * np.abs(before - after).sum(axis=-1), atol=1e-6)
    np.testing.assert_allclose(change, change_probability(after, before), atol=1e-6)
    assert (change <= independent_change_probability(before, after) + 1e-6).all()


def test_names_of_regimes_do_not_matter():
    before, after = some(1)
    order = np.array([3, 1, 5, 0, 4, 2])
    np.testing.assert_allclose(
        change_probability(before[..., order], after[..., order]), change_probability(before, after), atol=1e-6
    )
    area = np.linspace(1, 2, 40, dtype="float32")
    areas = transition_areas(before, after, area)
    np.testing.assert_allclose(
        transition_areas(before[..., order], after[..., order], area), areas[:, order][:, :, order], rtol=1e-5
    )


def test_transition_areas_are_the_joint_summed_over_cells():
    before, after = some(2)
    area = np.random.default_rng(0).uniform(1e9, 1e10, 40).astype("float32")
    areas = transition_areas(before, after, area)
    stays = np.minimum(before, after)
    moves = (before - stays)[..., :, None] * (after - stays)[..., None, :] / (1 - stays.sum(-1))[..., None, None]
    expected = np.einsum("i,wikl->wkl", area, moves + stays[..., None] * np.eye(6))
    np.testing.assert_allclose(areas, expected, rtol=1e-4, atol=1e3)
    np.testing.assert_allclose(areas.sum(axis=2), np.einsum("i,wik->wk", area, before), rtol=1e-5)
    np.testing.assert_allclose(areas.sum(axis=1), np.einsum("i,wik->wk", area, after), rtol=1e-5)


def test_a_change_networks_agree_on_is_not_one_they_differ_by():
    """Pairing inside each network: networks that differ, each with the same answer in both windows, see no change."""
    differing = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert change_probability(differing, differing).mean() == 0
    assert independent_change_probability(differing.mean(axis=0), differing.mean(axis=0)) == pytest.approx(0.5)


def test_parts_add_up_and_find_their_cause():
    label_run = np.array([0, 0, 1, 1])
    taught = np.array([[0.0], [0.0], [1.0], [1.0]])
    differ = np.array([[0.0], [1.0], [0.0], [1.0]])
    unsure = np.full((4, 1), 0.5)
    for change, name in ((taught, "label"), (differ, "network"), (unsure, "residual")):
        parts = change_parts(change, label_run)
        found = {part: getattr(parts, part).item() for part in ("label", "network", "residual")}
        assert found == {part: 0.25 if part == name else 0.0 for part in found}
    change = np.random.default_rng(3).random((4, 50))
    parts = change_parts(change, label_run)
    mean = change.mean(axis=0)
    np.testing.assert_allclose(parts.label + parts.network + parts.residual, mean * (1 - mean), atol=1e-12)


def test_parts_of_a_recalibrated_change_keep_their_shares_and_add_up():
    label_run = np.array([0, 0, 1, 1])
    change = np.append(np.random.default_rng(3).random((4, 50)), [[0.0, 1.0]] * 4, axis=1)
    stated = np.sqrt(change.mean(axis=0))
    stated[-1] = 0.8
    before, after = (change_parts(change, label_run, stated=given) for given in (None, stated))
    np.testing.assert_allclose(after.label + after.network + after.residual, stated * (1 - stated), atol=1e-12)
    assert all((part >= 0).all() for part in vars(after).values())
    mean, recalibrated = change[:, :-2].mean(axis=0), stated[:-2]
    ratio = recalibrated * (1 - recalibrated) / (mean * (1 - mean))
    np.testing.assert_allclose(after.label[:-2], ratio * before.label[:-2])
    np.testing.assert_allclose(after.network[:-2], ratio * before.network[:-2])
    # nothing where no network sees a change; where all are certain of one, the recalibration leaves it uncertain
    np.testing.assert_allclose([vars(after)[part][-2:] for part in vars(after)], [[0, 0], [0, 0], [0, 0.16]])


def test_a_probability_above_one_by_rounding_has_no_negative_variance():
    parts = change_parts(np.full((4, 1), 1.0000001, np.float32), np.array([0, 0, 1, 1]))
    assert [part.item() for part in vars(parts).values()] == [0, 0, 0]


def test_parts_need_one_run_for_each_network():
    with pytest.raises(NetworkError, match="label run of 4 networks"):
        change_parts(np.zeros((4, 2)), np.zeros(3, int))
