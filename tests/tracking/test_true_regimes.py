"""True regimes of runs whose budget is known, window by window."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

from thor.core.errors import GridError
from thor.core.variables import BUDGET_TERMS
from thor.tracking.true_regimes import true_regime_plans

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
