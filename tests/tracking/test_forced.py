"""Forced changes on made maps whose truth is known: few false ones, most true ones, and none in a control run."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.made_fields import made_cells
from thor.core.errors import ConfigError, DataError
from thor.tracking.cells import ControlPairs
from thor.tracking.change import ChangeCalibration
from thor.tracking.forced import (
    control_shares,
    discoveries,
    emergence,
    fill_forced,
    forced_changes,
    forced_shifts,
    published_mask,
)
from thor.tracking.natural import NaturalVariability, Null
from thor.tracking.settings import TrackingSettings

SETTINGS = TrackingSettings(min_pairs=3, block_cells=20_000)
N_CELLS = 3000


def made_control(n_windows=7, *, seed=0, n_cells=N_CELLS):
    """A control run in which cells change by chance, and the more the less certain they are; areas differ tenfold."""
    rng = np.random.default_rng(seed)
    certainty = np.tile(rng.uniform(0.4, 1.0, n_cells), (n_windows, 1)).astype("float32")
    pairs = np.array(list(combinations(range(n_windows), 2)))
    return NaturalVariability(
        change=natural_change(certainty[0], rng, len(pairs)),
        certainty=certainty,
        pairs=ControlPairs(pairs, pairs[:, 1] - pairs[:, 0], np.eye(n_windows, dtype=bool)),
        cells=made_cells(rng.uniform(1e9, 1e10, n_cells)),
    )


def natural_change(certainty, rng, n=1):
    """Change by chance: with mean 0.02 where certain, 0.2 where not."""
    mean = 0.02 + 0.3 * (1 - certainty)
    return rng.beta(1.0, 1 / mean - 1, size=(n, certainty.size)).astype("float32")


def test_false_discoveries_have_the_nominal_rate_and_true_changes_are_found():
    control = made_control()
    null = control.null(2, SETTINGS)
    rng = np.random.default_rng(1)
    false_shares, found_shares = [], []
    for _ in range(40):
        truth = rng.random(N_CELLS) < 0.2
        change = natural_change(control.certainty[0], rng)[0]
        change[truth] = rng.uniform(0.4, 1.0, truth.sum())
        p_value = null.p_value(change, control.certainty[0], control.cells.area)
        forced = forced_shifts(p_value, control.cells.area, SETTINGS) == 1
        false_shares.append(control.cells.area[forced & ~truth].sum() / control.cells.area[forced].sum())
        found_shares.append(control.cells.area[forced & truth].sum() / control.cells.area[truth].sum())
    # Benjamini and Hochberg bound it by the rate times the share of cells that did not change
    assert np.mean(false_shares) < 0.1
    assert np.mean(false_shares) == pytest.approx(0.1 * 0.8, abs=0.03)
    assert np.mean(found_shares) > 0.8


def test_variability_sets_the_threshold():
    """The same probability of change is stronger evidence where the control run changes less."""
    control = made_control()
    null = control.null(1, SETTINGS)
    places = np.argsort(null.variability)[[-1, 0]]
    varying, steady = null.p_value(np.full(2, 0.3), np.ones(2), np.full(2, 5e9), places=places)
    assert steady < 0.02 < 0.1 < varying
    # without a local variability the certainty of the networks stands for it
    unsure, sure = control.null(1, SETTINGS, local=False).p_value(
        np.full(2, 0.3), np.array([0.45, 0.98]), np.full(2, 5e9)
    )
    assert sure < 0.01 < 0.1 < unsure


def test_without_forcing_p_values_are_uniform_and_never_zero():
    control = made_control()
    null = control.null(1, SETTINGS)
    change = natural_change(control.certainty[0], np.random.default_rng(9))[0]
    p_value = null.p_value(change, control.certainty[0], control.cells.area)
    for level in (0.05, 0.3, 0.7):
        assert (p_value <= level).mean() == pytest.approx(level, abs=0.02)
    sure = null.p_value(np.ones(5), np.full(5, 0.9), np.full(5, 5e9), places=np.arange(5))
    assert (sure > 0).all()
    assert (sure < 1e-3).all()


def test_p_value_equals_values_calculated_by_hand():
    change = np.array([[0.3, 0.1, 0.2]])
    null = Null.fit(lambda part: (change[:, part], np.ones((1, 3))[:, part]), np.array([2.0, 1.0, 3.0]), n_strata=1)
    p_value = null.p_value(np.array([0.05, 0.2, 0.25, 0.4]), np.ones(4), np.ones(4))
    np.testing.assert_allclose(p_value, [7 / 7, 6 / 7, 3 / 7, 1 / 7])


@hypothesis_settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), power=st.sampled_from([1, 4, 12]))
def test_p_values_are_those_of_sorted_values_but_for_a_thousandth_of_the_change(seed, power):
    """In every class, down to a P(change) of 1e-7: the key of a cell says how often it changes."""
    rng = np.random.default_rng(seed)
    key = np.repeat(rng.integers(1, 4, 200), 3).reshape(200, 3).T / 4
    null, area = (rng.random((3, 200)) * key) ** power, rng.uniform(1, 10, 200)
    fitted = Null.fit(lambda part: (null[:, part], key[:, part]), area, n_strata=3, n_pairs=3)
    change, certainty = (rng.random(200) * key[0]) ** power, key[0]

    def by_sorting(threshold):
        stratum = np.searchsorted(fitted.edges, certainty, side="right")
        strata = np.searchsorted(fitted.edges, key, side="right")
        weight = np.broadcast_to(area, null.shape)
        above = [(weight * ((strata == s) & (null >= t))).sum() for s, t in zip(stratum, threshold, strict=True)]
        everywhere = [weight[strata == s].sum() for s in stratum]
        return (above + area) / (everywhere + area)

    p_value = fitted.p_value(change, certainty, area)
    assert (p_value >= by_sorting(change * (1 + 1e-6)) * (1 - 1e-9)).all()
    assert (p_value <= by_sorting(np.where(change < 1e-7, 0.0, change * (1 - 0.001))) * (1 + 1e-9)).all()


def test_discoveries_equal_values_calculated_by_hand():
    p_value = np.array([0.5, 0.01, 0.03, 0.02])
    # 0.01, 0.02 and 0.03 lie below 1/4, 2/4 and 3/4 of 0.05
    np.testing.assert_array_equal(discoveries(p_value, np.ones(4), rate=0.05), [False, True, True, True])
    # a large cell that did not change makes the map larger
    assert not discoveries(p_value, np.array([100.0, 1, 1, 1]), rate=0.05).any()
    # what would be believed alone is not where only the largest p decides
    np.testing.assert_array_equal(discoveries(np.array([0.04, 0.05]), np.ones(2), rate=0.05), [True, True])


@hypothesis_settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.integers(2, 5))
def test_a_cell_cut_into_pieces_counts_as_before(seed, factor):
    rng = np.random.default_rng(seed)
    p_value, area = rng.random(30) ** 3, rng.uniform(1, 10, 30)
    whole = discoveries(p_value, area, rate=0.1)
    pieces = discoveries(np.repeat(p_value, factor), np.repeat(area / factor, factor), rate=0.1)
    np.testing.assert_array_equal(pieces, np.repeat(whole, factor))


def test_left_out_control_windows_are_hardly_ever_called_forced():
    shares = [control_shares(made_control(seed=seed, n_cells=1000), SETTINGS) for seed in range(5)]
    assert np.mean([share["shift"] for share in shares]) < 0.005
    assert np.mean([share["forced"] for share in shares]) < 0.002
    assert np.mean([share["emergence"] for share in shares]) < 0.001
    # and without control of the false discovery rate by as much as the quantile lets through, or a little less, because
    # pairs with the same baseline remain
    lax = SETTINGS.replace(false_discovery_rate=0.999)
    share = control_shares(made_control(n_cells=1000), lax)
    assert 0.03 < share["shift"] < 0.06
    assert share["exceedance"] == pytest.approx(share["shift"], abs=0.005)
    assert share["exceedance"] < share["exceedance_high"] < 0.1


def test_the_false_rate_of_few_pairs_is_uncertain_where_variability_is_correlated_in_space():
    """All cells change together: single pairs exceed the quantile on much more of the map than the mean."""
    control = made_control(n_cells=1000)
    together = np.random.default_rng(5).uniform(0.2, 1.8, (len(control.change), 1))
    shares = control_shares(replace(control, change=(control.change * together).astype("float32")), SETTINGS)
    assert shares["exceedance_high"] > 2 * shares["exceedance"] > 0.05


def test_a_control_run_that_drifts_once_is_found():
    """One window that differs from all others is called where it is tested, not where it is the baseline."""
    control = made_control(n_cells=1000)
    odd = (control.pairs.states == 3).any(axis=1)
    change = control.change.copy()
    change[odd, :300] = 0.9
    share = control_shares(replace(control, change=change), SETTINGS)
    # in three of 21 pairs it is the later window
    assert share["forced"] == pytest.approx(0.3 * 3 / 21, abs=0.003)
    assert share["emergence"] == 0


def test_false_forced_changes_are_counted_by_the_recalibrated_probability():
    """A P(change) of 0.9 that means a frequency of 0.45 is no forced change in other runs either; the shift remains."""
    control = made_control(n_cells=1000)
    change = control.change.copy()
    change[(control.pairs.states == 3).any(axis=1), :300] = 0.9
    halved = ChangeCalibration(np.array([0.0, 1.0]), np.array([0.0, 0.5]))
    raw, recalibrated = (control_shares(replace(control, change=change), SETTINGS, by) for by in (None, halved))
    assert raw["forced"] > 0.03 and recalibrated["forced"] == 0
    assert recalibrated["shift"] == raw["shift"] > 0.03


def test_too_few_pairs_take_the_nearest_separation():
    control = made_control(7)
    assert control.null(1, SETTINGS).n_pairs == 6
    assert (control.null(4, SETTINGS).separation, control.null(4, SETTINGS).n_pairs) == (4, 3)
    # two windows six apart and nothing else: three pairs four apart are the nearest
    assert (control.null(6, SETTINGS).separation, control.null(12, SETTINGS).separation) == (4, 4)
    few = SETTINGS.replace(min_pairs=50)
    assert control.null(6, few).separation == 1
    # without window 0: only (1, 5) and (2, 6) are four apart, so three apart with three
    assert control.null(4, SETTINGS, without=(0,)).separation == 3
    with pytest.raises(DataError, match="no pair of windows"):
        control.null(1, SETTINGS, without=range(6))


def test_windows_with_common_months_are_left_out_together():
    control = made_control(7, n_cells=200)
    overlap = np.eye(7, dtype=bool)
    overlap[[2, 3], [3, 2]] = True
    overlapping = replace(control, pairs=replace(control.pairs, overlap=overlap))
    # without 0 and 2, pairs two apart are (1, 3), (3, 5) and (4, 6); 3 has months of 2
    assert control.null(2, SETTINGS.replace(min_pairs=1), without=(0, 2)).n_pairs == 3
    assert overlapping.null(2, SETTINGS.replace(min_pairs=1), without=(0, 2)).n_pairs == 1


def test_variants_join_every_separation():
    control = made_control(3, n_cells=200)
    pairs = ControlPairs(
        np.vstack([control.pairs.states, [[3, 4]]]), np.append(control.pairs.separation, 0), np.eye(5, dtype=bool)
    )
    joined = NaturalVariability(
        np.vstack([control.change, np.full((1, 200), 0.99, "float32")]),
        np.vstack([control.certainty, control.certainty[:2]]),
        pairs,
        control.cells,
    )
    settings = SETTINGS.replace(min_pairs=1)
    for separation in (1, 2):
        null = joined.null(separation, settings, local=False)
        assert null.n_pairs == control.null(separation, settings).n_pairs + 1
        assert null.separation == separation
        at = joined.certainty[0, :1], control.cells.area[:1]
        assert null.p_value(np.array([0.98]), *at) > 0.2
        assert control.null(separation, settings, local=False).p_value(np.array([0.98]), *at) < 0.1


def test_emergence_is_of_changes_that_stay_for_two_windows():
    forced = np.array(
        [
            [0, 1, 0, 0, 1, -1, 1],
            [1, 1, 0, 0, 1, 1, 1],
            [1, 1, 0, 1, -1, 1, 0],
            [1, 1, 1, 1, 1, 1, 1],
        ],
        dtype="int8",
    )
    years = emergence(forced, np.array([1850, 1870, 1890, 1910]))
    np.testing.assert_array_equal(years, [1870, 1850, np.nan, 1890, np.nan, 1870, np.nan])


def test_windows_with_common_months_count_once():
    """The last window of historical and its reference window."""
    starts = np.array([1950, 1970, 1990, 1995])
    run = xr.Dataset({"window_start": ("window", starts), "window_end": ("window", starts + 19)})

    def filled(compared, regime):
        shape = (4, 1, 1)
        fields = {
            "forced_shift": np.array([0, 0, 1, 1], np.int8).reshape(shape),
            "change_probability": np.ones(shape),
            "regime": np.array(regime).reshape(shape),
            "forced_change": np.full(shape, -1, np.int8),
            "forced_emergence": np.full((1, 1), np.nan),
            "natural_variability_mask": np.full((1, 1), -1, np.int8),
        }
        fields["forced_shift"][1] = compared[0] == 1
        fill_forced(fields, run, compared, SETTINGS)
        return fields["forced_emergence"].item(), fields["natural_variability_mask"].item()

    emerged, same = filled([0, 1, 2, 3], [0, 1, 1, 1])
    assert np.isnan(emerged) and same == 0
    # where the last window has no baseline, the reference window stands for it
    assert filled([1, 3], [1, 1, 1, 0]) == (1970, 1)


def test_the_published_mask_wants_one_regime_in_the_last_three_windows():
    regime = np.array([[1, 1, 2, -1], [2, 1, 2, -1], [2, 1, 2, -1], [2, 3, 2, -1]])
    np.testing.assert_array_equal(published_mask(regime), [1, 0, 1, -1])
    np.testing.assert_array_equal(published_mask(regime[:2]), [-1, -1, -1, -1])


def test_cells_without_a_p_value_are_no_tests():
    p_value, area = np.array([0.01, np.nan, 0.9]), np.ones(3)
    forced = forced_shifts(p_value, area, SETTINGS, tested=np.array([True, False, True]))
    np.testing.assert_array_equal(forced, [1, -1, 0])
    none = forced_shifts(p_value, area, SETTINGS, tested=np.zeros(3, bool))
    np.testing.assert_array_equal(none, [-1, -1, -1])


def test_a_change_within_the_quantile_is_not_forced_however_many_there_are():
    p_value = np.full(100, 0.08)
    assert discoveries(p_value, np.ones(100), rate=0.1).all()
    assert (forced_shifts(p_value, np.ones(100), SETTINGS) == 0).all()


def test_a_regime_change_is_forced_where_it_is_also_probable():
    shift, change = np.array([1, 1, 1, 0, -1], "int8"), np.array([0.02, 0.5, 0.9, 0.9, np.nan])
    np.testing.assert_array_equal(forced_changes(shift, change, SETTINGS), [0, 1, 1, 0, -1])
    strict = SETTINGS.replace(min_probability=0.6)
    np.testing.assert_array_equal(forced_changes(shift, change, strict), [0, 0, 1, 0, -1])


@pytest.mark.parametrize(
    ("setting", "value"), [("false_discovery_rate", 0.0), ("null_quantile", 1.0), ("n_strata", 0), ("max_variants", 0)]
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(ConfigError, match=setting):
        TrackingSettings(**{setting: value})
