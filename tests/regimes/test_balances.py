import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from thor.core.variables import BUDGET_TERMS
from thor.regimes.balances import block_numbers, dominant_balance, m_score, regime_balances, term_subsets
from thor.regimes.metrics import cell_areas
from thor.regimes.naming import REGIMES
from thor.regimes.settings import BalanceSettings


def test_m_score_equals_values_calculated_by_hand():
    magnitudes = np.array([100.0, 50.0, 4.0, 1.0])
    # Normalised by 1: s_min 50, r_max 4, s_max 100.
    expected = np.log(46.0) / np.log(54.0) / (1.0 + np.log10(2.0))
    assert m_score(magnitudes, (0, 1)) == pytest.approx(expected)
    assert m_score(1e-12 * magnitudes, (0, 1)) == pytest.approx(expected)
    # s_min 4, r_max 1: ln 3 / ln 5 over 1 + log10 25.
    assert m_score(magnitudes, (0, 1, 2)) == pytest.approx(np.log(3.0) / np.log(5.0) / (1.0 + np.log10(25.0)))


def test_m_score_is_zero_without_dominance():
    magnitudes = np.array([100.0, 50.0, 4.0, 1.0])
    assert m_score(magnitudes, ()) == 0.0
    assert m_score(magnitudes, (0, 1, 2, 3)) == 0.0
    assert m_score(magnitudes, (0, 2)) == 0.0  # leaves out a larger term than it holds
    assert m_score(np.array([2.0, 2.0, 1.0]), (0, 1)) == 0.0  # a gap of one unit: ln 1
    assert m_score(np.zeros(3), (0,)) == 0.0


def test_m_score_approaches_one_for_equal_terms_far_above_the_rest():
    assert m_score(np.array([1e8, 1e8, 1.0, 1.0]), (0, 1)) > 0.99
    assert m_score(np.array([1.0, 1.0, 0.0]), (0, 1)) > 0.99


@given(st.lists(st.floats(0.0, 1e3), min_size=2, max_size=5), st.integers(0, 31))
def test_m_score_lies_between_zero_and_one(magnitudes, code):
    selected = tuple(term for term in range(len(magnitudes)) if code >> term & 1)
    assert 0.0 <= m_score(np.array(magnitudes), selected) <= 1.0


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=5))
def test_dominant_balance_is_the_best_of_all_subsets(magnitudes):
    magnitudes = np.array(magnitudes)
    best = dominant_balance(magnitudes)
    assert best.score == max(m_score(magnitudes, subset) for subset in term_subsets(len(magnitudes)))
    assert m_score(magnitudes, best.terms) == best.score


def test_all_subsets_are_there():
    assert len(set(term_subsets(5))) == 32


@pytest.fixture(scope="module")
def balances(made_budget) -> xr.Dataset:
    return regime_balances(made_budget, true_regimes(made_budget), settings=BalanceSettings(n_bootstrap=200), seed=0)


def true_regimes(budget: xr.Dataset) -> xr.Dataset:
    regime = budget["reference_regime"].where(budget["analysis_mask"] == 1, -1)
    return xr.Dataset({"regime": regime.assign_attrs(flag_meanings=" ".join(REGIMES))})


def test_means_and_spread_are_area_weighted(made_budget, balances):
    inside = (made_budget["reference_regime"] == 1) & (made_budget["analysis_mask"] == 1)
    area = made_budget["areacello"].where(inside, 0.0)
    for term in BUDGET_TERMS:
        weighted = made_budget[term].weighted(area)
        found = balances.sel(regime_name="S-SV", term=term)
        assert float(found["mean"]) == pytest.approx(float(weighted.mean()))
        assert float(found["standard_deviation"]) == pytest.approx(float(weighted.std()))
    np.testing.assert_allclose(balances["area_fraction"].sum(), 1.0)


def test_every_number_has_units_and_a_long_name(balances):
    numbers = [name for name, field in balances.variables.items() if field.dtype.kind in "fi"]
    assert {"mean", "bound", "n_cells"} < set(numbers)
    assert [name for name in numbers if not {"units", "long_name"} <= set(balances[name].attrs)] == []


def test_percentiles_are_area_weighted(made_budget):
    # One regime, value = sine of latitude: equal areas between equal values, so percentiles are known.
    sine = 1e-10 * np.sin(np.deg2rad(made_budget["lat"])) + 0.0 * made_budget["areacello"]
    budget = made_budget.assign(dict.fromkeys(BUDGET_TERMS, sine))
    budget["analysis_mask"] = xr.ones_like(budget["analysis_mask"])
    regime = xr.zeros_like(budget["analysis_mask"]).assign_attrs(flag_meanings="all")
    found = regime_balances(budget, xr.Dataset({"regime": regime}), settings=BalanceSettings(n_bootstrap=10), seed=0)
    np.testing.assert_allclose(found["percentiles"][0, 0], [-0.9e-10, 0.0, 0.9e-10], atol=0.02e-10)


def test_the_known_balance_is_found(balances):
    best = balances["best_subset"].sel(regime_name=["S-SV", "N-SV", "SO"]).values
    assert all(set(name.split(" + ")) >= {"wind_stress_curl", "planetary_vorticity_advection"} for name in best)
    assert not any("bottom_pressure_torque" in name for name in best)
    assert (balances["best_subset_frequency"] >= 0).all()
    assert (balances["best_subset_frequency"].sel(regime_name=["S-SV", "N-SV", "SO"]) > 0.5).all()
    np.testing.assert_allclose(balances["m_score"].max("subset"), balances["best_m_score"])


def test_intervals_hold_the_estimate_and_widen_with_the_level(made_budget, balances):
    low, high = balances["mean_interval"].isel(bound=0), balances["mean_interval"].isel(bound=1)
    assert ((low <= balances["mean"]) & (balances["mean"] <= high)).mean() > 0.95
    settings = BalanceSettings(n_bootstrap=200, confidence_level=0.99)
    wide = regime_balances(made_budget, true_regimes(made_budget), settings=settings, seed=0)
    assert (wide["mean_interval"].isel(bound=1) >= high).all()
    assert ((low <= high) & (balances["best_m_score_interval"].isel(bound=0) <= balances["best_m_score"])).all()


def test_larger_blocks_give_wider_intervals(made_budget):
    # Parcels of 20 degrees share one regime, but values within are independent; give each parcel a different offset.
    lat, lon = xr.broadcast(made_budget["lat"], made_budget["lon"])
    offset = 1e-10 * np.sin(12.9898 * np.floor(lat / 20) + 78.233 * np.floor(lon / 20))
    budget = made_budget.assign({term: made_budget[term] + offset for term in BUDGET_TERMS})
    widths = []
    for degrees in (4.0, 20.0):
        settings = BalanceSettings(n_bootstrap=200, block_degrees=degrees)
        found = regime_balances(budget, true_regimes(budget), settings=settings, seed=0)
        widths.append(float(found["mean_interval"].diff("bound").sel(regime_name="MD", term=BUDGET_TERMS[2]).item()))
    assert widths[1] > 2 * widths[0]


def test_the_same_seed_gives_the_same_intervals(made_budget, balances):
    again = regime_balances(made_budget, true_regimes(made_budget), settings=BalanceSettings(n_bootstrap=200), seed=0)
    xr.testing.assert_identical(again, balances)


def test_an_empty_regime_is_nan_and_the_others_are_computed(made_budget):
    budget = made_budget.assign(reference_regime=made_budget["reference_regime"].where(lambda r: r != 4, 3))
    found = regime_balances(budget, true_regimes(budget), settings=BalanceSettings(n_bootstrap=20), seed=0)
    assert np.isnan(found["mean"].sel(regime_name="SO")).all()
    assert np.isfinite(found["mean"].sel(regime_name="TR")).all()
    assert np.isfinite(found.attrs["global_m_score"])


def test_blocks_meet_on_both_longitude_conventions(made_budget):
    other = made_budget.assign_coords(lon=(made_budget["lon"] + 180) % 360 - 180)
    np.testing.assert_array_equal(block_numbers(other, 10.0), block_numbers(made_budget, 10.0))


def test_blocks_have_similar_areas_at_all_latitudes(made_budget):
    """Boxes of 10 degrees of longitude would be eleven times smaller beside the poles than at the equator.

    A block has two or three cells of 4 degrees to each side, which alone makes areas differ by a factor of two.
    """
    everywhere = made_budget.assign(analysis_mask=xr.ones_like(made_budget["analysis_mask"]))
    area = np.bincount(block_numbers(everywhere, 10.0), cell_areas(everywhere).ravel())
    assert area.max() < 3 * area.min()
