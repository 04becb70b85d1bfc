"""Attribution of regime change: additivity, zeros by construction, all orders, and the summary by transition."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from tests.attribution.conftest import make_stack, values_of
from thor.attribution import change as blocks_of_cells
from thor.attribution.attributions import attribute
from thor.attribution.change import ChangeAttribution, transition_summary
from thor.core.errors import AttributionError
from thor.core.variables import FEATURES
from thor.networks.stack import logits

CHANGING = ("wind_stress_curl", "zos", "zos_gradient_eastward", "zos_gradient_northward")
COLUMNS = [FEATURES.index(name) for name in CHANGING]
FIXED = [column for column in range(8) if column not in COLUMNS]


@pytest.fixture(scope="module")
def before(inputs):
    earlier = inputs.copy()
    earlier[:, COLUMNS] += np.random.default_rng(3).normal(scale=0.7, size=(len(inputs), 4)).astype(np.float32)
    return earlier


@pytest.fixture(scope="module")
def regime_before():
    return np.random.default_rng(4).integers(0, 3, 200)


def difference(stack, state, new, old):
    z = logits(stack, state).astype(float)
    rows = np.arange(z.shape[1])
    return z[:, rows, new] - z[:, rows, old]


def test_values_are_the_mean_over_all_orders_of_what_each_feature_adds(stack, inputs, before, regime, regime_before):
    method = ChangeAttribution(before=before, regime_before=regime_before)
    values, _ = values_of(method, stack, inputs, regime)
    for sample in range(8):
        row = slice(sample, sample + 1)
        expected = np.zeros((stack.n_networks, 8))
        for order in permutations(COLUMNS):
            state = before[row].copy()
            for column in order:
                value = difference(stack, state, regime[row], regime_before[row])[:, 0]
                state[0, column] = inputs[sample, column]
                expected[:, column] += difference(stack, state, regime[row], regime_before[row])[:, 0] - value
        np.testing.assert_allclose(values[:, sample], expected / 24, atol=1e-5)


def test_values_add_up_to_the_change_and_what_cannot_change_has_zero(stack, inputs, before, regime, regime_before):
    method = ChangeAttribution(before=before, regime_before=regime_before)
    values, shares = values_of(method, stack, inputs, regime)
    change = difference(stack, inputs, regime, regime_before) - difference(stack, before, regime, regime_before)
    np.testing.assert_allclose(values.sum(axis=2), change, atol=1e-5)
    assert np.abs(shares["remainder"]).max() < 1e-12
    assert not values[..., FIXED].any()
    assert (np.abs(values[..., COLUMNS]).mean(axis=(0, 1)) > 0.01).all()
    same = regime == regime_before
    assert same.any() and not values[:, same].any()


def test_a_linear_network_gives_weight_times_change(inputs, before, regime, regime_before):
    linear = make_stack(sizes=(8, 3))
    values, _ = values_of(ChangeAttribution(before=before, regime_before=regime_before), linear, inputs, regime)
    kernel = np.swapaxes(linear.kernels[0], 1, 2)
    expected = (kernel[:, regime] - kernel[:, regime_before]) * (inputs - before)
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_the_reverse_change_has_the_opposite_sign(stack, inputs, before, regime):
    there, shares = values_of(ChangeAttribution(before=before), stack, inputs, regime)
    back, _ = values_of(ChangeAttribution(before=inputs), stack, before, regime)
    np.testing.assert_allclose(there, -back, atol=1e-6)
    centred = logits(stack, inputs)
    centred = centred[:, np.arange(len(regime)), regime] - centred.mean(axis=2)
    np.testing.assert_allclose(shares["target"], centred, atol=1e-5)
    nowhere, _ = values_of(ChangeAttribution(before=inputs), stack, inputs, regime)
    assert not nowhere.any()


def test_groups_are_players(stack, inputs, before, regime, regime_before):
    fixed = tuple(FEATURES[column] for column in FIXED)
    groups = {"stress": CHANGING[:1], "sea level": CHANGING[1:], "sea floor and rotation": fixed}
    method = ChangeAttribution(before=before, regime_before=regime_before, groups=groups)
    values, _ = values_of(method, stack, inputs, regime)
    only_stress, only_level = before.copy(), before.copy()
    only_stress[:, 0], only_level[:, COLUMNS[1:]] = inputs[:, 0], inputs[:, COLUMNS[1:]]
    v = [difference(stack, s, regime, regime_before) for s in (before, only_stress, only_level, inputs)]
    np.testing.assert_allclose(values[..., 0], (v[1] - v[0] + v[3] - v[2]) / 2, atol=1e-5)
    np.testing.assert_allclose(values[..., 1], (v[2] - v[0] + v[3] - v[1]) / 2, atol=1e-5)
    assert not values[..., 2].any()


def test_statistics_over_networks_come_from_the_common_interface(
    monkeypatch, stack, inputs, before, regime, regime_before
):
    method = ChangeAttribution(before=before, regime_before=regime_before)
    values, _ = values_of(method, stack, inputs, regime)
    monkeypatch.setattr(blocks_of_cells, "VALUE_BYTES", 8 * stack.n_networks * 2 ** len(CHANGING) * 32)
    assert len(list(method.explain(stack, inputs, regime))) == 7
    found = attribute(method, stack, inputs, regime, progress=False)
    np.testing.assert_allclose(found.mean, values.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.spread, values.std(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.upper_quartile, np.quantile(values, 0.75, axis=0), atol=1e-5)
    assert found.players == FEATURES
    assert found.largest_remainder < 1e-12


def test_transitions_are_summarised_by_area(inputs, before, regime, regime_before):
    stack = make_stack(n_networks=21)
    area = np.random.default_rng(5).uniform(1e9, 1e10, len(inputs))
    method = ChangeAttribution(before=before, regime_before=regime_before)
    summary = transition_summary(method, stack, inputs, regime, area)
    values, _ = values_of(method, stack, inputs, regime)
    assert summary.sizes == {"transition": 6, "feature": 8}
    assert (np.diff(summary["area"]) <= 0).all()
    assert float(summary["area"].sum()) == pytest.approx(area[regime != regime_before].sum())
    cells = (regime_before == 0) & (regime == 2)
    of_one = summary.sel(transition="MD to SO")
    assert (str(of_one["regime_before"].values), str(of_one["regime_after"].values)) == ("MD", "SO")
    assert int(of_one["n_cells"]) == cells.sum()
    means = np.average(values[:, cells], axis=1, weights=area[cells])
    np.testing.assert_allclose(of_one["attribution"], means.mean(axis=0), atol=1e-10)
    lower, upper = np.quantile(means, [0.05, 0.95], axis=0)
    np.testing.assert_allclose(of_one["attribution_lower"], lower, atol=1e-10)
    np.testing.assert_allclose(of_one["attribution_upper"], upper, atol=1e-10)
    np.testing.assert_allclose(summary["attribution"].sum("feature"), summary["explained_change"], atol=1e-10)
    assert list(summary["feature"].values[summary["can_change"] == 1]) == list(CHANGING)
    assert not summary["attribution"].sel(feature=[FEATURES[k] for k in FIXED]).any()


def test_states_and_groups_that_do_not_fit_are_refused(stack, inputs, before, regime, regime_before):
    wide = make_stack(sizes=(13, 5, 3), features=[f"feature_{k}" for k in range(13)])
    many = np.ones((4, 13), np.float32)
    method = ChangeAttribution(before=0 * many)
    with pytest.raises(AttributionError, match="13 features differ.*at most 12 players.*groups"):
        list(method.explain(wide, many, np.zeros(4, int)))
    groups = {"a": wide.features[:7], "b": wide.features[7:]}
    values, _ = values_of(replace(method, groups=groups), wide, many, np.zeros(4, int))
    assert values.shape == (3, 4, 2)
    with pytest.raises(AttributionError, match=r"shapes \(100, 8\) and \(200, 8\)"):
        list(ChangeAttribution(before=before[:100]).explain(stack, inputs, regime))
    with pytest.raises(AttributionError, match="not linear in the logits"):
        ChangeAttribution(before=before, target="probability")
    with pytest.raises(AttributionError, match="needs a regime from 0 to 2"):
        list(ChangeAttribution(before=before, regime_before=regime_before + 5).explain(stack, inputs, regime))
    with pytest.raises(AttributionError, match="in no group"):
        ChangeAttribution(before=before, groups={"a": ("zos",)}).players(stack)
    area = np.ones(len(inputs))
    with pytest.raises(AttributionError, match="give `regime_before`"):
        transition_summary(ChangeAttribution(before=before), stack, inputs, regime, area)
    with pytest.raises(AttributionError, match="None of the 200 cells changes its regime"):
        transition_summary(ChangeAttribution(before=before, regime_before=regime), stack, inputs, regime, area)
