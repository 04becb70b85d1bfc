"""Why regimes changed: the stress curl alone moves the made model, and what cannot change gets nothing."""

import numpy as np
import pytest

from tests.tracking.conftest import NAMES, make_run, make_stack, make_tools
from thor.core.errors import DataError
from thor.core.variables import variable
from thor.networks.scaler import FeatureScaler
from thor.networks.stack import logits
from thor.tracking.cells import Cells, WindowInputs
from thor.tracking.reasons import REASON_COLUMNS, change_reasons, transitions_to_draw
from thor.tracking.track import track_run

CONTROL, SCENARIO = "MADE/piControl/r1i1p1f1", "MADE/abrupt-4xCO2/r1i1p1f1"


@pytest.fixture(scope="module")
def runs(made):
    tools = make_tools(made)
    return {
        key: track_run(run, parent, None, tools)
        for key, run, parent in ((CONTROL, made.control, None), (SCENARIO, made.scenario, made.control))
    }


def opened(datasets):
    return {key: lambda run=run: run for key, run in datasets.items()}


@pytest.fixture(scope="module")
def reasons(made, runs):
    features = opened({CONTROL: made.control, SCENARIO: made.scenario})
    return change_reasons(opened(runs), features, made.predictors, scaler=made.scaler)


def test_what_moved_the_networks_is_found(reasons, runs):
    assert tuple(reasons.columns) == REASON_COLUMNS
    assert set(reasons["experiment_id"]) == {"abrupt-4xCO2"} and set(reasons["window"]) == {"1970-1989"}
    assert set(reasons["predictor"]) == {"ensemble", "bayesian"}
    curl = reasons[reasons["feature"] == "wind_stress_curl"]
    # all networks look at the stress curl only
    np.testing.assert_allclose(curl["attribution"], curl["explained_change"], rtol=1e-4)
    others = reasons[reasons["feature"] != "wind_stress_curl"]
    assert np.abs(others["attribution"]).max() < 1e-5
    assert set(reasons.loc[reasons["feature"] == "deptho", "can_change"]) == {0}
    assert (reasons["lower"] <= reasons["attribution"]).all() and (reasons["attribution"] <= reasons["upper"]).all()


def test_transitions_are_those_of_the_most_probable_regime(reasons, runs):
    last = runs[SCENARIO].isel(window=-1).sel(predictor="ensemble")
    moved = (last["regime"] != last["baseline_regime"]) & (last["regime"] >= 0)
    table = reasons[(reasons["predictor"] == "ensemble") & (reasons["feature"] == "zos")]
    assert table["n_cells"].sum() == int(moved.sum())
    assert table["area_m2"].sum() == pytest.approx(float(last["areacello"].where(moved).sum()))
    # without a control run nothing was called forced
    assert (table["forced_area_m2"] == 0).all()


def test_attributions_add_up_to_the_change_of_the_logits(reasons, made, runs):
    cells = Cells.of(made.scenario)
    now, then = (WindowInputs.of(run, 6, cells, made.scaler).scaled() for run in (made.scenario, made.control))
    stack = made.predictors["ensemble"]
    last = runs[SCENARIO].isel(window=-1).sel(predictor="ensemble")
    regime, old = (last[name].values.ravel()[cells.index].astype(int) for name in ("regime", "baseline_regime"))
    row = reasons[(reasons["predictor"] == "ensemble")].iloc[0]
    names = list(stack.classes)
    chosen = (old == names.index(row["regime_before"])) & (regime == names.index(row["regime"]))
    gain = (logits(stack, now[chosen]) - logits(stack, then[chosen])).mean(axis=0)
    change = gain[np.arange(chosen.sum()), regime[chosen]] - gain[np.arange(chosen.sum()), old[chosen]]
    expected = np.average(change, weights=cells.area[chosen])
    assert row["explained_change"] == pytest.approx(expected, rel=1e-4)


def test_features_can_be_taken_together(made, runs):
    groups = {"wind": ("wind_stress_curl",), "rest": ("zos", "deptho")}
    features = opened({CONTROL: made.control, SCENARIO: made.scenario})
    table = change_reasons(opened(runs), features, made.predictors, scaler=made.scaler, groups=groups)
    assert list(dict.fromkeys(table["feature"])) == ["wind", "rest"]


def test_without_a_change_or_a_run_there_are_columns_only(made, runs):
    same = {"CALM": runs[CONTROL]}
    for given in ({}, same):
        table = change_reasons(opened(given), {}, made.predictors, scaler=made.scaler)
        assert table.empty and tuple(table.columns) == REASON_COLUMNS
        drawn = transitions_to_draw(table, None, predictor="ensemble")
        assert drawn.sizes == {"transition": 0, "feature": 0}


def test_missing_features_are_named(made, runs):
    with pytest.raises(DataError, match=f"no features of {CONTROL}"):
        change_reasons(opened(runs), opened({SCENARIO: made.scenario}), made.predictors, scaler=made.scaler)


def test_the_largest_transitions_of_one_run_are_drawn(reasons):
    drawn = transitions_to_draw(reasons, SCENARIO, predictor="ensemble", most=2)
    assert drawn.sizes["transition"] <= 2 and list(drawn["feature"].values) == [*NAMES]
    assert (np.diff(drawn["area"].values) <= 0).all()
    assert drawn.attrs["run"] == SCENARIO and drawn.attrs["window"] == "1970-1989"
    label = str(drawn["transition"].values[0])
    before, after = label.split(" to ")
    row = reasons.query("predictor == 'ensemble' and feature == 'wind_stress_curl'")
    row = row[(row["regime_before"] == before) & (row["regime"] == after)].iloc[0]
    assert float(drawn["mean"].sel(transition=label, feature="wind_stress_curl")) == row["attribution"]


def test_more_features_than_exact_values_allow_are_attributed_in_physical_groups(runs, caplog):
    """As boosting on ECCO: the curl and its means are players together, with the same total."""
    around = tuple(f"wind_stress_curl_mean_{radius}km" for radius in range(100, 1300, 100))
    names = (*NAMES, *around)
    rng = np.random.default_rng(3)

    def with_means(run):
        noise = {
            name: run["wind_stress_curl"] + 1e-11 * rng.normal(size=run["wind_stress_curl"].shape) for name in around
        }
        return run.assign({name: field.assign_attrs(run["wind_stress_curl"].attrs) for name, field in noise.items()})

    made = {CONTROL: with_means(make_run("piControl", seed=1)), SCENARIO: None}
    made[SCENARIO] = with_means(
        make_run(
            "abrupt-4xCO2",
            first_year=1850,
            signal=-0.4,
            seed=2,
            parent=CONTROL,
            baseline=made[CONTROL]["window"].values,
        )
    )
    units = tuple(variable(name).units for name in names)
    scales = np.array([1e-10, 0.1, 1000.0, *[1e-10] * len(around)])
    scaler = FeatureScaler(names, units, np.array([0.0, 0.0, 4000.0, *[0.0] * len(around)]), scales)
    predictors = {"ensemble": make_stack(names=names), "bayesian": make_stack(names=names, seed=1)}
    table = change_reasons(opened(runs), opened(made), predictors, scaler=scaler)
    assert set(table["feature"]) == {"wind", "height", "bathymetry"}
    assert "14 features change, more than exact Shapley values allow (12)" in caplog.text
    wind = table[table["feature"] == "wind"]
    np.testing.assert_allclose(wind["attribution"], wind["explained_change"], rtol=1e-4)
