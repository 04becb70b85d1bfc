"""Areas: expected ones keep what argmax loses, tables are complete."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.tracking.conftest import CLASSES, make_run, make_stack, make_tools
from tests.tracking.test_perfect_model import true_cells
from thor.core.errors import DataError
from thor.tracking.areas import (
    area_errors,
    area_intervals,
    first_variants,
    regime_areas,
    regime_transitions,
    with_common_start,
)
from thor.tracking.track import track_run


def track(made, run, parent=None, predictors=None):
    return track_run(run, parent, None, make_tools(made, predictors=predictors or made.predictors))


@pytest.fixture(scope="module")
def scenario(made):
    return track(made, made.scenario, made.control)


@pytest.fixture(scope="module")
def areas(scenario):
    return regime_areas([scenario])


def test_expected_areas_keep_a_regime_that_argmax_loses(made):
    """Where the middle regime is rarer by e^-2.4 it is never the most probable one, but it is there."""
    stack = make_stack(spread=0.0)
    rare = replace(stack, biases=(stack.biases[0] - np.array([0, 2.4, 0], np.float32),))
    run = track(made, make_run("piControl", n_windows=1, shape=(90, 180)), predictors={"ensemble": rare})
    probability = run["regime_probability"].values[0, 0].reshape(3, -1).T
    valid = run["valid"].values.ravel() == 1
    cumulative = probability[valid].cumsum(axis=1)
    truth = (np.random.default_rng(0).random(valid.sum())[:, None] > cumulative).sum(axis=1)
    true_area = np.bincount(truth, run["areacello"].values.ravel()[valid], minlength=3)
    table = regime_areas([run]).query("basin == 'global'").set_index("regime")
    assert true_area[1] > 0.05 * true_area.sum()
    np.testing.assert_allclose(table.loc[[*CLASSES], "expected_area_m2"], true_area, rtol=0.03)
    assert table.loc["middle", "argmax_area_m2"] == 0


def test_the_first_variant_stands_for_an_experiment():
    rows = [("A", "historical", "r2"), ("A", "historical", "r1"), ("A", "ssp585", "r2"), ("B", "historical", "r3")]
    table = pd.DataFrame(rows, columns=["source_id", "experiment_id", "variant_label"])
    assert list(first_variants(table).index) == [1, 2, 3]
    assert first_variants(table.iloc[:0]).empty


def test_runs_that_number_their_years_differently_begin_in_one_year():
    """Of experiments whose years count from the start; those of a scenario are those of the calendar."""
    rows = [
        (model, experiment, start)
        for experiment in ("abrupt-4xCO2", "ssp585")
        for model, first in (("A", 1850), ("B", 1), ("C", 1870))
        for start in (first, first + 20)
    ]
    table = pd.DataFrame(rows, columns=["source_id", "experiment_id", "window_start"])
    table = table.assign(variant_label="r1i1p1f1", window_end=table["window_start"] + 19)
    starts = {f"{model}/abrupt-4xCO2/r1i1p1f1": first for model, first in (("A", 1850), ("B", 1), ("C", 1870))}
    out = with_common_start(table, starts)
    assert [*out["window_start"]] == [1870, 1890] * 3 + [1850, 1870, 1, 21, 1870, 1890]
    assert (out["window_end"] - out["window_start"] == 19).all()
    # the first window of C is there only from the year 21 on
    out = with_common_start(table, starts | {"C/abrupt-4xCO2/r1i1p1f1": 1850})
    assert [*out["window_start"]] == [1850, 1870] * 2 + [1870, 1890] + [1850, 1870, 1, 21, 1870, 1890]


def test_one_row_for_each_window_predictor_basin_and_regime(areas, made, scenario):
    assert len(areas) == 7 * 2 * 3 * 3
    assert not areas.duplicated(["window", "predictor", "basin", "regime"]).any()
    row = areas[
        (areas["window"] == "1870-1889")
        & (areas["predictor"] == "bayesian")
        & (areas["basin"] == "global")
        & (areas["regime"] == "south")
    ].iloc[0]
    assert row["source_id"] == "MADE" and row["experiment_id"] == "abrupt-4xCO2" and row["variant_label"] == "r1i1p1f1"
    assert (row["window_start"], row["window_end"], row["n_months"]) == (1870, 1889, 240)
    assert row["baseline_window"] == made.control["window"].values[1]
    assert row["lower"] < row["expected_area_m2"] < row["upper"]
    probability = scenario["regime_probability"].values[1, 1, 2]
    expected = np.nansum(probability * scenario["areacello"].values)
    assert row["expected_area_m2"] == pytest.approx(expected, rel=1e-5)
    before = row["expected_area_m2"] - row["change_m2"]
    assert row["change_percent"] == pytest.approx(100 * row["change_m2"] / before)


def test_basins_add_up_and_regimes_fill_the_ocean(areas, scenario):
    kinds = ["expected_area_m2", "argmax_area_m2"]
    total = scenario["areacello"].values[scenario["valid"].values == 1].sum()
    per_regime = areas.groupby(["window", "predictor", "regime", areas["basin"] == "global"])[kinds].sum().unstack()
    for kind in kinds:
        np.testing.assert_allclose(per_regime[kind][False], per_regime[kind][True], rtol=1e-5)
    filled = areas[areas["basin"] == "global"].groupby(["window", "predictor"])[kinds].sum()
    np.testing.assert_allclose(filled, total, rtol=1e-5)


def test_the_southern_regime_follows_its_stress_curl(areas, made):
    """Positive curl defines the southern regime; paired inside each network, the sign of its change is certain."""
    curl = made.scenario["wind_stress_curl"].sel(lat=slice(-60, -30)).mean(["lat", "lon"])
    sign = np.sign(float(curl[-1] - curl[0]))
    south = areas.query("regime == 'south' and basin == 'global' and predictor == 'ensemble'")
    assert (sign * south[["change_lower", "change_upper"]].to_numpy()[1:] > 0).all()
    assert sign * south["change_m2"].iloc[-1] > 2 * sign * south["change_m2"].iloc[0] > 0


def test_runs_without_a_baseline_have_areas_but_no_change_and_no_transitions(made):
    control = track(made, made.control)
    table = regime_areas([control])
    assert table["expected_area_m2"].notna().all()
    assert table[["change_m2", "change_lower", "change_upper", "change_percent"]].isna().all(axis=None)
    assert regime_transitions([control]).empty


def test_transitions_add_up_to_the_areas_before_and_after(areas, scenario):
    moved = regime_transitions([scenario])
    assert len(moved) == 7 * 2 * 3 * 3
    assert (moved["lower"] <= moved["area_m2"] + 1).all() and (moved["area_m2"] <= moved["upper"] + 1).all()
    here = areas[areas["basin"] == "global"].set_index(["window", "predictor", "regime"])
    after = moved.groupby(["window", "predictor", "regime"])["area_m2"].sum()
    np.testing.assert_allclose(after, here["expected_area_m2"].reindex(after.index), rtol=1e-4)
    before = moved.groupby(["window", "predictor", "regime_before"])["area_m2"].sum()
    was = (here["expected_area_m2"] - here["change_m2"]).reindex(before.index)
    np.testing.assert_allclose(before, was, rtol=1e-4)


def test_files_give_the_same_tables(scenario, areas, tmp_path):
    import xarray as xr

    scenario.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as stored:
        pd.testing.assert_frame_equal(regime_areas([stored]), areas, check_dtype=False)


def test_without_runs_there_are_columns_all_the_same(areas):
    assert [*regime_areas([]).columns] == [*areas.columns]
    assert "area_m2" in regime_transitions([])


def test_errors_name_what_does_not_fit(scenario):
    with pytest.raises(DataError, match="needs 'argmax_area'"):
        regime_areas([scenario.drop_vars("argmax_area")])
    with pytest.raises(DataError, match="names 0 regimes"):
        regime_transitions([scenario.assign_attrs(regimes="")])


def table_of(errors, kind="change", experiment="ssp585"):
    """Errors by model, one for each regime and window."""
    same = {"kind": kind, "experiment": experiment, "predictor": "ensemble"}
    parts = [pd.DataFrame({"error": np.ravel(values), "model": model} | same) for model, values in errors.items()]
    return pd.concat(parts)


def test_errors_calculated_by_hand():
    """Four cells, the last twice as large; probabilities are 0.8 of the predicted regime and 0.1 of the others."""
    cells = true_cells([0, 1, 1, 2], [0, 1, 0, 2], [0, 0, 1, 0], [0, 0, 0, 2], [0.0, 0.9, 0.7, 0.2], area=[1, 1, 1, 2])
    transition = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 3.0]])
    errors = area_errors(cells, transition).groupby("kind", sort=False)["error"].agg(list)
    expected = np.array([0.1 * 5 + 0.7 * 2, 0.1 * 5 + 0.7, 0.1 * 5 + 0.7 * 2]) / 5
    before = np.array([0.1 * 5 + 0.7 * 3, 0.1 * 5, 0.1 * 5 + 0.7 * 2]) / 5
    true, true_before = np.array([1, 2, 2]) / 5, np.array([4, 1, 0]) / 5
    np.testing.assert_allclose(errors["regime_area"], np.abs(expected - true))
    np.testing.assert_allclose(errors["change"], np.abs(expected - before - (true - true_before)))
    # 0 to 1 changes in a cell of size 1, 0 to 2 in that of size 2
    stated = np.array([0.1, 0.0, 0.1, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(errors["transition"], np.abs(stated - np.array([0.2, 0.4, 0.0, 0.0, 0.0, 0.0])))


def test_without_a_baseline_there_are_areas_only():
    cells = true_cells([0, 1], [0, 1], [-1, -1], [-1, -1], [np.nan, np.nan])
    assert set(area_errors(cells)["kind"]) == {"regime_area"}
    nothing = area_errors(cells.take(np.zeros(2, bool)))
    assert nothing.empty
    assert pd.concat([nothing, area_errors(cells)])["error"].dtype == float


def test_half_width_and_coverage_calculated_by_hand():
    errors = {"A": np.full((4, 5), 0.01), "B": np.full((3, 5), 0.04)}
    found = area_intervals(table_of(errors))["ensemble"]["change"]
    assert found["half_width_share"] == pytest.approx(0.04)
    # B's interval contains all of A, A's nothing of B
    assert found["coverage"] == pytest.approx(0.5)
    assert (found["n_models"], found["level"]) == (2, 0.9)


def test_windows_without_much_forcing_do_not_narrow_the_interval_of_those_with_it():
    """Ten times as many windows of historical, whose changes are small, as of abrupt-4xCO2."""
    strong, weak = {"A": np.full((2, 5), 0.03), "B": np.full((2, 5), 0.02)}, {"A": np.zeros((20, 5))}
    table = pd.concat([table_of(strong, experiment="abrupt-4xCO2"), table_of(weak | {"B": weak["A"]})])
    found = area_intervals(table)["ensemble"]["change"]
    assert found["half_width_share"] == pytest.approx(0.03)
    # A is outside B's interval where its changes are large, and B inside A's everywhere
    assert found["coverage"] == pytest.approx(0.5)


def test_models_with_one_kind_of_bias_cover_one_another():
    rng = np.random.default_rng(0)
    coverage = []
    for _ in range(50):
        bias = rng.normal(size=(6, 1, 5))
        errors = {f"M{k}": np.abs(bias[k] + 0.1 * rng.normal(size=(4, 5))) for k in range(6)}
        coverage.append(area_intervals(table_of(errors))["ensemble"]["change"]["coverage"])
    assert 0.9 <= np.mean(coverage) <= 1


def test_one_model_gives_no_interval():
    assert area_intervals(table_of({"A": np.ones((2, 3))})) == {}
