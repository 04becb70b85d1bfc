"""Tables for readers: numbers calculated by hand, a unit in every heading, no table without content."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.made_fields import LAND, make_vorticity_budget
from thor.core.errors import GridError
from thor.core.variables import BUDGET_TERMS
from thor.regimes.balances import regime_balances
from thor.regimes.settings import BalanceSettings
from thor.report.cell_tables import attribution_table, method_agreement_table, probability_table, trust_table
from thor.report.tables import (
    area_table,
    calibration_error_table,
    forced_table,
    likelihood_table,
    regime_table,
    score_table,
    term_table,
)

PLACE = (1, 2)
NAMES = ["MD", "S-SV"]
GRID = ("lat", "lon")
POSITIONS = {axis: make_vorticity_budget()[axis] for axis in GRID}


def units_everywhere(table, *, but=()):
    """Every heading of numbers ends with units."""
    assert [name for name in table.columns if name not in but and not re.search(r"\(.+\)$", name)] == []
    return table


@pytest.fixture
def budget():
    return make_vorticity_budget()


@pytest.fixture
def regimes(budget):
    label = np.where(LAND, -1, 0).astype("int8")
    label[5:] = 1
    attrs = {"flag_values": np.arange(2, dtype="int8"), "flag_meanings": "MD S-SV"}
    confidence = np.where(LAND, np.nan, 0.75)
    votes = np.stack([np.where(label == 0, 0.75, 0.25), np.where(label == 1, 0.75, 0.25)])
    return budget[["areacello", "analysis_mask"]].assign(
        regime=(GRID, label, attrs), regime_confidence=(GRID, confidence), regime_votes=(("regime", *GRID), votes)
    )


@pytest.fixture
def uncertainty(budget):
    def everywhere(*values):
        return ("predictor", "regime", *GRID), np.broadcast_to(
            np.array(values)[None, :, None, None], (1, 2, *LAND.shape)
        )

    def one(value):
        return ("predictor", *GRID), np.full((1, *LAND.shape), value)

    return xr.Dataset(
        {
            "regime_probability": everywhere(0.1, 0.9),
            "regime_probability_lower": everywhere(0.05, 0.8),
            "regime_probability_upper": everywhere(0.2, 0.95),
            "regime_set": everywhere(0, 1),
            "predictive_entropy": one(0.5),
            "mutual_information": one(0.1),
            "superiority": one(0.98),
            "dissimilarity_index": (GRID, np.full(LAND.shape, 0.2)),
            "valid": (GRID, (~LAND).astype("int8")),
        },
        coords={"predictor": ["ensemble"], **budget.coords},
        attrs={"regimes": "MD S-SV", "credible_level": 0.9, "applicability_threshold": 0.6},
    )


def test_terms_are_measured_inside_the_mask_and_sum_to_nothing(budget):
    table = units_everywhere(term_table(budget))
    used = budget["analysis_mask"].values == 1
    expected = 1e11 * np.sqrt(np.mean(budget[BUDGET_TERMS[0]].values[used] ** 2))
    assert table.loc["Wind stress curl", "rms (1e-11 m s-2)"] == pytest.approx(expected)
    assert table.loc["Sum"].abs().max() < 1e-12


def test_regimes_cover_the_area_and_name_their_balance(budget, regimes):
    balances = regime_balances(budget, regimes, settings=BalanceSettings(n_bootstrap=10), seed=1)
    words = ("meaning", "terms that balance")
    table = units_everywhere(regime_table(regimes, balances), but=words)
    n_first = int((regimes["regime"] == 0).sum())
    assert table.loc["MD", "area (million km2)"] == pytest.approx(n_first * 1e10 / 1e12)
    assert table["share of the area (%)"].sum() == pytest.approx(100)
    assert table["runs that agree (%)"].tolist() == pytest.approx([75, 75])
    assert table["meaning"].tolist() == ["momentum driven", "southern Sverdrupian"]
    named = str(balances["best_subset"].sel(regime_name="MD").values).replace("_", " ").split(" + ")
    assert table.loc["MD", "terms that balance"] == ", ".join(named)


def test_skill_has_intervals_units_and_orientation():
    entry = {"accuracy": 0.781, "brier_score": 0.3, "intervals": {"accuracy": {"low": 0.75, "high": 0.814}}}
    skill = {"majority": {"test": entry}, "member_min": {"test": entry}, "ensemble": {"test": entry}}
    table = score_table(skill, metrics=("accuracy", "brier_score"))
    assert list(table.index) == ["ensemble", "most common regime everywhere"]
    assert table.loc["ensemble", "Accuracy (%, higher is better)"] == "78 (75 to 81)"
    assert table.loc["ensemble", "Brier score (1, lower is better)"] == "0.30"


def test_calibration_error_before_and_after_and_coverage_of_sets():
    sets = {"confidence_level": 0.9, "set_share": 0.97, "coverage": 0.84, "mean_set_size": 1.15}
    stages = {stage: {"expected_calibration_error": e} for stage, e in (("before", 0.04), ("after", 0.03))}
    table = units_everywhere(calibration_error_table({"ensemble": {"test": stages | {"conformal": sets}}}))
    assert table.loc["ensemble"].tolist() == [pytest.approx(4), pytest.approx(3), 90, 97, 84, 1.15]


def test_probabilities_of_a_cell_stand_beside_the_votes(uncertainty, regimes):
    table = probability_table(uncertainty, regimes, PLACE)
    assert list(table.index) == NAMES
    assert table["probability (%)"].tolist() == pytest.approx([10, 90])
    assert table["upper end, 90 % of networks (%)"].tolist() == pytest.approx([20, 95])
    assert table["in the conformal set"].tolist() == ["no", "yes"]
    assert table["clustering runs that vote for it (%)"].tolist() == pytest.approx([75, 25])
    with pytest.raises(GridError, match="different grids"):
        probability_table(uncertainty, regimes.roll(lon=1, roll_coords=True), PLACE)


def test_reliability_of_a_cell_names_both_regimes_and_the_uncertainty(uncertainty, regimes):
    table = trust_table(uncertainty, regimes, PLACE)
    assert table.loc["Regime of the budget", "value"] == "MD"
    assert table.loc["Most probable regime of the networks", "value"] == "S-SV"
    assert table.loc["Share of the uncertainty from disagreement between networks"].tolist() == ["20", "%"]
    assert table.loc["Largest possible uncertainty with 2 regimes"].tolist() == ["1", "bit"]
    assert table.loc["Regimes in the conformal set", "value"] == "1"
    pd.testing.assert_frame_equal(trust_table(uncertainty.transpose(..., "lon", "lat"), regimes, PLACE), table)
    with pytest.raises(GridError, match="different grids"):
        trust_table(uncertainty, regimes.isel(lat=slice(None, None, -1)), PLACE)
    outside = trust_table(uncertainty, regimes, (0, 0))
    assert outside.loc["Regime of the budget", "value"] == "no budget in this cell"
    assert outside.loc["Clustering runs that agree with the budget's regime", "value"] == "unknown"


def attributions(**more):
    fields = {"attribution": 1.234, "attribution_lower_quartile": -0.5, "attribution_upper_quartile": 2.0} | more
    shape = (1, 1, *LAND.shape)
    return xr.Dataset(
        {name: (("predictor", "feature", *GRID), np.full(shape, value)) for name, value in fields.items()}
        | {"valid": (GRID, (~LAND).astype("int8"))},
        coords={"predictor": ["ensemble"], "feature": ["zos"]} | POSITIONS,
    )


def test_attributions_have_an_error_only_where_the_method_samples():
    methods = {
        "relevance": attributions(attribution_standard_error=0.0),
        "shapley_values": attributions(attribution_standard_error=0.11),
        "lime_weights": attributions().drop_vars(["attribution_lower_quartile", "attribution_upper_quartile"]),
    }
    (row,) = units_everywhere(attribution_table(methods, PLACE)).to_numpy()
    assert list(row) == ["+1.23 (-0.50 to +2.00)", "+1.23 ± 0.11 (-0.50 to +2.00)", "+1.23"]


def test_agreement_of_methods_by_pair():
    fields = {"rank_correlation": 0.5, "sign_agreement": 0.9, "top_overlap": 2 / 3}
    agreement = xr.Dataset(
        {name: (("pair", "predictor", *GRID), np.full((1, 1, *LAND.shape), v)) for name, v in fields.items()}
        | {"valid": (GRID, (~LAND).astype("int8"))},
        coords={"pair": ["relevance and lime_weights"], "predictor": ["ensemble"]} | POSITIONS,
    )
    table = units_everywhere(method_agreement_table(agreement, PLACE))
    assert list(table.index) == ["Relevance and LIME"]
    assert table.iloc[0].tolist() == pytest.approx([0.5, 90, 200 / 3])


@pytest.fixture
def window():
    likelihood = {
        "1-10 %": {"area_m2": 3e12, "word": "very_unlikely"},
        "< 1 %": {"area_m2": 1e12, "word": None},
        "> 99 %": {"area_m2": 0.0, "word": None},
    }
    change = {"compared_m2": 4e12, "expected_m2": 0.5e12, "judged_m2": 3e12}
    change |= {"forced_m2": 0.2e12, "shift_m2": 1e12, "expected_false_m2": 0.1e12, "likelihood": likelihood}
    return {"window_start": 1970, "area_m2": 4e12, "bayesian": {"regime_area": {}}, "ensemble": {"change": change}}


def test_classes_of_likelihood_rise_and_have_words_only_where_supported(window):
    table = units_everywhere(likelihood_table(window), but=("word",))
    assert table.index.get_level_values(1).tolist() == ["< 1 %", "1-10 %", "> 99 %"]
    assert table["word"].tolist() == ["not supported", "very unlikely", "not supported"]
    assert table["share of the compared area (%)"].tolist() == [25, 75, 0]


def test_forced_change_has_an_upper_bound_of_false_discoveries(window):
    table = units_everywhere(forced_table(window))
    assert list(table.index) == ["ensemble"], "predictors without a baseline are left out"
    assert table.iloc[0].tolist() == pytest.approx([3, 0.2, 1, 0.1, 4, 0.5])


def test_areas_are_those_of_the_last_window_in_million_square_kilometres():
    columns = ("expected_area_m2", "lower", "upper", "change_m2", "change_lower", "change_upper")
    rows = [
        {"predictor": "ensemble", "basin": basin, "regime": "MD", "window_start": start}
        | dict(zip(columns, factor * np.array([4e13, 3e13, 5e13, 1e12, -1e12, 2e12]), strict=True))
        for basin, start, factor in (("global", 1950, 2), ("global", 1970, 1), ("atlantic_ocean", 1970, 3))
    ]
    table = units_everywhere(area_table(pd.DataFrame(rows)))
    assert table.loc["MD"].tolist() == [40, 30, 50, 1, -1, 2]
    # later windows without a baseline have no change; where none has one, areas are those of the last
    later = rows[1] | {"window_start": 1990, "change_m2": np.nan, "change_lower": np.nan, "change_upper": np.nan}
    assert area_table(pd.DataFrame([*rows, later])).equals(table)
    assert area_table(pd.DataFrame([rows[0] | {"change_m2": np.nan}, later])).loc["MD"].tolist()[:3] == [40, 30, 50]
