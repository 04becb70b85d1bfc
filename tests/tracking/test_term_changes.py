"""Predicted terms of the budget: changes inside each network, their intervals, transitions and skill."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from tests.made_samples import make_samples
from tests.tracking.conftest import NAMES, make_stack, make_tools
from thor.core.errors import NetworkError
from thor.core.variables import BUDGET_TERMS
from thor.networks.terms import TermsHead
from thor.tracking.cells import Cells, WindowInputs
from thor.tracking.term_changes import TERM_COLUMNS, term_changes, term_skill, terms_to_draw
from thor.tracking.track import track_run
from thor.uncertainty.term_spread import normal_width, term_spread_factors

CONTROL, SCENARIO = "MADE/piControl/r1i1p1f1", "MADE/abrupt-4xCO2/r1i1p1f1"
SPREAD = dict(zip(BUDGET_TERMS, (1.0, 2.0, 3.0, 4.0, 5.0), strict=True))


@pytest.fixture(scope="module")
def networks():
    """Five networks whose scaled terms are multiples of the scaled stress curl, the last the largest."""
    stack, rng = make_stack(), np.random.default_rng(3)
    kernel = np.zeros((5, len(NAMES), 10))
    kernel[:, 0, :5] = np.array([0.2, 0.3, 0.4, 0.5, 0.9]) * rng.uniform(0.9, 1.1, (5, 1))
    kernel[:, 1, 5:] = 0.5
    head = TermsHead(kernel.astype("float32"), np.zeros((5, 10), "float32"), BUDGET_TERMS, (1e-11,) * 5)
    return replace(stack, terms_head=head)


@pytest.fixture(scope="module")
def tools(made, networks):
    return make_tools(made, term_networks=networks, term_spread=SPREAD)


@pytest.fixture(scope="module")
def run(made, tools):
    return track_run(made.scenario, made.control, None, tools)


def test_changes_are_those_inside_each_network_with_calibrated_intervals(run, made, networks):
    cells = Cells.of(made.scenario)
    states = [WindowInputs.of(state, 6, cells, made.scaler).scaled() for state in (made.control, made.scenario)]
    (value_before, spread_before), (value, spread) = map(networks.terms, states)
    change, deviation = (
        value - value_before,
        np.sqrt((value - value_before).var(axis=0) + ((spread - spread_before) ** 2).mean(axis=0)),
    )
    last = run.isel(window=-1)
    half = normal_width(0.9) * np.array([*SPREAD.values()]) * deviation
    for name, expected in (("term_change", 0), ("term_change_lower", -half), ("term_change_upper", half)):
        found = last[name].transpose(..., "term").values.reshape(-1, 5)[cells.index]
        np.testing.assert_allclose(found, change.mean(axis=0) + expected, rtol=1e-4, atol=1e-16)
    mean = last["predicted_term"].transpose(..., "term").values.reshape(-1, 5)[cells.index]
    np.testing.assert_allclose(mean, value.mean(axis=0), rtol=1e-4, atol=1e-16)
    assert set(np.unique(last["most_changed_term"])) == {-1, 4}
    assert last["most_changed_term"].attrs["flag_meanings"].split()[4] == "viscous_torque"


def test_identical_inputs_change_no_term_and_runs_without_a_baseline_have_no_change(made, tools):
    same = made.control.assign_attrs(made.scenario.attrs).assign_coords(
        baseline_window=("window", made.control["window"].values)
    )
    calm = track_run(same, made.control, None, tools)
    for name in ("term_change", "term_change_lower", "term_change_upper"):
        assert float(np.abs(calm[name]).max()) == 0
    alone = track_run(made.control, None, None, tools)
    assert alone["term_change"].isnull().all() and (alone["most_changed_term"] == -1).all()
    assert int(alone["predicted_term"].notnull().sum()) > 0


def test_without_a_head_there_are_no_terms_and_blocks_do_not_matter(made, tools, run):
    assert not {"predicted_term", "term", "most_changed_term"} & {
        *track_run(made.control, None, None, make_tools(made)).variables
    }
    small = make_tools(
        made,
        term_networks=tools.term_networks,
        # as from a file, whose keys are sorted
        term_spread=dict(sorted(SPREAD.items())),
        settings=tools.settings.replace(block_cells=101),
    )
    again = track_run(made.scenario, made.control, None, small)
    np.testing.assert_allclose(again["term_change_upper"], run["term_change_upper"], rtol=1e-4, atol=1e-16)
    with pytest.raises(NetworkError, match="calibration model was made without"):
        make_tools(made, term_networks=tools.term_networks)


def test_transitions_average_over_cells_inside_each_network(made, networks, run):
    runs, features = ({CONTROL: lambda: made.control}, {CONTROL: lambda: made.control, SCENARIO: lambda: made.scenario})
    runs = {SCENARIO: lambda: run}
    given = {"scaler": made.scaler, "term_spread": SPREAD, "predictor": "ensemble"}
    table = term_changes(runs, features, networks, **given)
    assert tuple(table.columns) == TERM_COLUMNS
    last = run.isel(window=-1).sel(predictor="ensemble")
    row = table.iloc[2]
    names = list(run.attrs["regimes"].split())
    chosen = (last["baseline_regime"] == names.index(row["regime_before"])) & (
        last["regime"] == names.index(row["regime"])
    )
    area = last["areacello"].where(chosen, 0)
    expected = last["term_change"].sel(term=row["term"]).fillna(0).weighted(area).mean()
    assert row["change"] == pytest.approx(float(expected), rel=1e-4) and row["n_cells"] == int(chosen.sum())
    assert (table["lower"] < table["change"]).all() and (table["change"] < table["upper"]).all()
    transition = f"{row['regime_before']} to {row['regime']}"
    drawn = terms_to_draw(table, SCENARIO, predictor="ensemble", transitions=["a to b", transition])
    assert list(drawn["transition"].values) == [transition]
    assert float(drawn["mean"].sel(term=row["term"])[0]) == row["change"]
    without = term_changes(runs, features, make_stack(), **given | {"term_spread": None})
    assert without.empty and tuple(without.columns) == TERM_COLUMNS
    assert terms_to_draw(without, None, predictor="ensemble", transitions=[]).sizes["transition"] == 0


def test_skill_is_perfect_for_true_predictions_and_counts_what_intervals_miss(run):
    dims = run["valid"].dims
    truth = xr.Dataset(
        {name: run["term_change"].sel(term=name, drop=True) for name in BUDGET_TERMS}, {"window": run["window"]}
    )
    start = xr.zeros_like(truth).assign_coords(window=run["baseline_window"].values)
    known = {SCENARIO: lambda: run}
    found = term_skill(known, {SCENARIO: lambda: truth, CONTROL: lambda: start})["abrupt-4xCO2"]
    for term in BUDGET_TERMS:
        assert found[term]["rms_error"] == 0 and found[term]["coverage"] == 1 and found[term]["level"] == 0.9
        assert found[term]["correlation"] == pytest.approx(1)
    assert found["viscous_torque"]["most_changed_share"] == found["viscous_torque"]["most_changed_found"] == 1
    beyond = run["term_change_upper"].sel(term="viscous_torque", drop=True) + 1e-12
    north = run["lat"] > 0
    truth["viscous_torque"] = truth["viscous_torque"].where(~north, beyond.transpose("window", *dims))
    found = term_skill(known, {SCENARIO: lambda: truth, CONTROL: lambda: start})["abrupt-4xCO2"]["viscous_torque"]
    area = run["areacello"].where(run["valid"] == 1)
    assert found["coverage"] == pytest.approx(float(area.where(~north).sum() / area.sum()), rel=1e-3)
    assert term_skill(known, {SCENARIO: lambda: truth}) == {}


def test_the_spread_is_calibrated_on_differences_of_neighbours(networks):
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(300, 3)).astype("float32")
    budget = xr.Dataset(coords={"lat": ("y", np.linspace(-60, 60, 15)), "lon": ("x", np.arange(20.0))})
    value, spread = networks.terms(inputs)
    true = value.mean(axis=0) + 2e-11 * rng.normal(size=(300, 5))
    for k, name in enumerate(BUDGET_TERMS):
        budget[name] = ("y", "x"), true[:, k].reshape(15, 20)
    lat, lon = (place.ravel() for place in np.meshgrid(budget["lat"], budget["lon"], indexing="ij"))
    cells = make_samples(np.zeros(300, int), lat=lat, lon=lon, area=rng.uniform(1, 2, 300))
    samples = replace(cells, features=NAMES)
    basin = SimpleNamespace(samples=samples, inputs=inputs, predictors={"ensemble": networks})
    factors = term_spread_factors({"made": basin}, budget)
    first = np.concatenate([np.arange(300).reshape(15, 20)[:, :-1].ravel(), np.arange(280)])
    second = np.concatenate([np.arange(300).reshape(15, 20)[:, 1:].ravel(), np.arange(20, 300)])
    change, both = value[:, second] - value[:, first], spread[:, second] - spread[:, first]
    half = normal_width(0.9) * np.sqrt(change.var(axis=0) + (both**2).mean(axis=0)) * np.array([*factors.values()])
    inside = np.abs(change.mean(axis=0) - (true[second] - true[first])) <= half * (1 + 1e-9)
    np.testing.assert_allclose(np.average(inside, axis=0, weights=samples.area[first]), 0.9, atol=0.005)
    bare = SimpleNamespace(samples=samples, inputs=inputs, predictors={"ensemble": make_stack()})
    assert term_spread_factors({"made": bare}, budget) is None
