"""True regimes of runs whose budget is known, window by window."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

from tests.ocean.idealized.conftest import ARCHIVE, SEED
from thor.core.errors import GridError
from thor.core.variables import BUDGET_TERMS
from thor.ocean.idealized.scenarios import pattern_strengths, runs_of
from thor.ocean.idealized.true_budgets import idealized_true_budgets
from thor.tracking.true_regimes import budget_in_windows, true_regime_plans

LAT, LON = np.arange(-60.0, 61, 30), np.arange(0.0, 360, 60)
FACETS = {"source_id": "MADE", "experiment_id": "4x", "variant_label": "r1"}


@dataclass(frozen=True)
class BySign:
    """Regime 1 where the curl is positive, 0 elsewhere, -1 outside the mask."""

    names: tuple[str, ...] = ("A", "B")
    long_names: tuple[str, ...] = ("negative", "positive")

    def predict(self, budget):
        positive = (budget["wind_stress_curl"] > 0).astype(np.int8)
        return xr.Dataset({"regime": positive.where(budget["analysis_mask"] == 1, -1).astype(np.int8)})


def budget(windows, lat=LAT):
    curl = np.random.default_rng(0).normal(size=(len(windows), lat.size, LON.size))
    mask = np.ones((lat.size, LON.size), dtype=np.int8)
    mask[0] = 0
    return xr.Dataset(
        dict.fromkeys(BUDGET_TERMS, (("window", "lat", "lon"), curl)) | {"analysis_mask": (("lat", "lon"), mask)},
        {"window": windows, "lat": lat, "lon": LON},
    )


@pytest.fixture
def run():
    valid = np.ones((LAT.size, LON.size), dtype=np.int8)
    return xr.Dataset(
        {"valid": (("lat", "lon"), valid)}, {"window": ["1-2", "3-4", "5-6"], "lat": LAT, "lon": LON}, FACETS
    )


def test_windows_have_the_regimes_of_their_budget_and_others_none(run):
    truth = budget(["5-6", "1-2"])
    runs = {"MADE/4x/r1": lambda: run, "MADE/other/r1": lambda: run}
    plans = true_regime_plans(runs, {"MADE/4x/r1": lambda: truth}, BySign())
    assert list(plans) == ["MADE/4x/r1"], "no budget, no truth"
    found = plans["MADE/4x/r1"][1]()
    labels = found["true_regime"]
    for place, of_budget in ((0, 1), (2, 0)):
        np.testing.assert_array_equal(labels[place, 1:], truth["wind_stress_curl"][of_budget, 1:] > 0)
    assert (labels[1] == -1).all() and (labels[:, 0] == -1).all()
    assert labels.attrs["flag_meanings"] == "A B" and labels.dtype == np.int8
    assert found.attrs == FACETS and list(found["window"].values) == ["1-2", "3-4", "5-6"]


def test_the_fingerprint_follows_run_budget_and_model(run):
    def mark(**changes):
        known = {"run": run, "truth": budget(["1-2"]), "model": BySign()} | changes
        return true_regime_plans({"r": lambda: known["run"]}, {"r": lambda: known["truth"]}, known["model"])["r"][0]

    others = [mark(run=run.assign_attrs(a=1)), mark(truth=budget(["3-4"])), mark(model=BySign(names=("C", "D")))]
    assert mark() == mark() and len({mark(), *others}) == 4


def test_a_budget_on_another_grid_is_an_error(run):
    plans = true_regime_plans({"r": lambda: run}, {"r": lambda: budget(["1-2"], lat=LAT[:-1])}, BySign())
    with pytest.raises(GridError, match="on another grid"):
        plans["r"][1]()


LAND = ARCHIVE.models[2]  # with leap years
ONE = ARCHIVE.replace(models=(LAND,))


@pytest.fixture(scope="module")
def budgets():
    made = {key: make() for key, (_, make) in idealized_true_budgets(ONE, seed=SEED).items()}
    return {key: lambda budget=budget: budget for key, budget in made.items()}


@pytest.fixture(scope="module")
def runs():
    return {run.key: run for run in runs_of(ONE, LAND, seed=SEED)}


def test_a_window_across_historical_and_scenario_is_the_mean_of_its_months(budgets, runs):
    past, scenario = runs["IDEAL-LAND/historical/r2i1p1f1"], runs["IDEAL-LAND/ssp585/r2i1p1f1"]
    # 1856 to 1859: two years of either
    strengths = np.concatenate([pattern_strengths(past)[-24:], pattern_strengths(scenario)[:24]])
    days = np.concatenate([past.months(6, 8).lengths, scenario.months(0, 2).lengths])
    model = past.solved_model()
    factors = np.average(model.weights(strengths), axis=0, weights=days)
    found = budget_in_windows(budgets, scenario.key, ["1856-1859"])
    assert found["window"].values.tolist() == ["1856-1859"]
    sea = model.cell_mask
    for name in BUDGET_TERMS:
        expected = np.tensordot(factors, model.terms[name], axes=1)
        np.testing.assert_allclose(found[name].values[0][sea], expected[sea], rtol=1e-9, atol=1e-20)
    total = sum(found[name].values[0][sea] for name in BUDGET_TERMS)
    assert np.sqrt((total**2).mean()) < 1e-6 * np.sqrt((found["wind_stress_curl"].values[0][sea] ** 2).mean())


def test_windows_that_are_stored_agree_with_those_made_from_years(budgets):
    key = "IDEAL-LAND/piControl/r1i1p1f1"
    stored = budgets[key]()
    labels = stored["window"].values.tolist()
    made = budgets | {key: lambda: stored.isel(window=slice(0))}
    found = budget_in_windows(made, key, labels)
    for name in BUDGET_TERMS:
        np.testing.assert_allclose(found[name].values, stored[name].values, rtol=1e-9, atol=1e-20)


def test_windows_come_in_the_order_asked_and_without_those_outside_the_years(budgets):
    key = "IDEAL-LAND/ssp585/r1i1p1f1"
    asked = ["1860-1862", "1858-1860", "1849-1850", "1850-1851", "1861-1863"]
    assert budget_in_windows(budgets, key, asked)["window"].values.tolist() == ["1860-1862", "1858-1860", "1850-1851"]
    # historical ends with 1857, and knows nothing of its scenarios
    past = budget_in_windows(budgets, "IDEAL-LAND/historical/r1i1p1f1", ["1856-1857", "1857-1858"])
    assert past["window"].values.tolist() == ["1856-1857"]


def test_a_truth_without_yearly_factors_has_its_windows_only(budgets):
    key = "IDEAL-LAND/abrupt-4xCO2/r1i1p1f1"
    plain = {key: lambda: budgets[key]().drop_vars(["response_weights", "year", "year_days"])}
    assert budget_in_windows(plain, key, ["1851-1853", "1853-1855"])["window"].values.tolist() == ["1853-1855"]
