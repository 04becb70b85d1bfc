"""Scores against known truth: values calculated by hand, calibrated probabilities, and missing truth."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.tree import DecisionTreeClassifier

from tests.tracking.conftest import CENTRES, CLASSES, NAMES, make_run, make_tools
from thor.core.errors import DataError, GridError
from thor.core.variables import BUDGET_TERMS
from thor.networks.baselines import Baselines
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.predictor import Boosting
from thor.networks.trees import BoostedTrees
from thor.regimes.regime_model import RegimeModel
from thor.regimes.settings import ClusteringSettings
from thor.tracking.likelihood import supported_words
from thor.tracking.metrics import expected_accuracy_errors
from thor.tracking.perfect_model import (
    ALL_WINDOWS,
    perfect_model_skill,
    words_by_predictor,
)
from thor.tracking.track import natural_variability, track_run
from thor.tracking.true_regimes import true_regime_plans
from thor.tracking.truth import TrueCells, together, truth_scores
from thor.uncertainty.set_calibration import ExpectedAccuracy

SETTINGS = BootstrapSettings(n_bootstrap=50)
EXPECTED = dict.fromkeys(("ensemble", "bayesian"), ExpectedAccuracy(np.arange(2.0), np.array([0.9, 0.5])))
CONTROL, SCENARIO, VARIANT = (
    f"MADE/{name}/r{n}i1p1f1" for name, n in (("piControl", 1), ("abrupt-4xCO2", 1), ("abrupt-4xCO2", 2))
)


def true_cells(
    truth, predicted, before, predicted_before, change, *, area=None, shift=None, forced=None, lat=None, lon=None
):
    n = len(truth)
    probability = np.full((n, 3), 0.1)
    probability[np.arange(n), predicted] = 0.8
    return TrueCells(
        lat=np.linspace(-60, 60, n) if lat is None else lat,
        lon=np.linspace(0, 350, n) if lon is None else lon,
        area=np.ones(n) if area is None else np.array(area, float),
        applicable=np.arange(n) != 0,
        truth=np.array(truth),
        predicted=np.array(predicted),
        tree=np.zeros(n, int),
        probability=probability,
        truth_before=np.array(before),
        predicted_before=np.array(predicted_before),
        probability_before=0.1 + 0.7 * np.eye(3)[predicted_before],
        change_probability=np.array(change, float),
        shift=np.zeros(n, int) if shift is None else np.array(shift),
        forced=np.zeros(n, int) if forced is None else np.array(forced),
    )


def scored(cells, n_bootstrap=50):
    return truth_scores(cells, classes=CLASSES, settings=BootstrapSettings(n_bootstrap=n_bootstrap), seed=0)


# -- values calculated by hand -----------------------------------------------------------------------------------------
@pytest.fixture
def known_scores():
    """Four cells, the last twice as large: two change truly; one of these is found, one stable cell is called too."""
    cells = true_cells(
        [0, 1, 1, 2],
        [0, 1, 0, 2],
        [0, 0, 1, 0],
        [0, 0, 0, 2],
        [0.0, 0.9, 0.7, 0.2],
        area=[1, 1, 1, 2],
        shift=[1, 1, 1, 0],
        forced=[0, 1, 1, -1],
    )
    return scored(cells)


def test_accuracy_and_persistence(known_scores):
    assert known_scores["n_cells"] == 4 and known_scores["area_m2"] == 5 and known_scores["weighting"] == "area"
    assert known_scores["region"] == "valid cells whose true regime is known in both windows"
    assert known_scores["predictor"] == {"accuracy": pytest.approx(4 / 5), "balanced_accuracy": pytest.approx(2.5 / 3)}
    # persistence of the truth: right in the first and third cell
    assert known_scores["persistence"] == {
        "accuracy": pytest.approx(2 / 5),
        "balanced_accuracy": pytest.approx(1.5 / 3),
    }
    assert known_scores["predicted_persistence"]["accuracy"] == pytest.approx(3 / 5)
    assert known_scores["stress_curl_tree"]["balanced_accuracy"] == pytest.approx(1 / 3)
    assert known_scores["error_removed"]["persistence"] == pytest.approx(1 - (0.5 / 3) / 0.5)


def test_change(known_scores):
    change = known_scores["change"]
    assert change["base_rate"] == pytest.approx(3 / 5)
    brier = (0.0 + 0.1**2 + 0.7**2 + 2 * 0.8**2) / 5
    assert change["brier_score"] == pytest.approx(brier)
    assert change["brier_skill"] == pytest.approx(1 - brier / (0.6 * 0.4))
    assert change["expected_calibration_error"] == pytest.approx((0.0 + 0.1 + 0.7 + 2 * 0.8) / 5)
    assert change["calibration_error_above_tenth"] == pytest.approx((0.1 + 0.7 + 2 * 0.8) / 4)
    # frequencies 0, 1, 0, 1 of areas 1, 2, 1, 1 about a base rate of 0.6
    assert change["resolution_share"] == pytest.approx((2 * 0.36 + 3 * 0.16) / 5 / (0.6 * 0.4))
    assert [(row["from"], row["n_cells"]) for row in change["reliability"]] == [(0.0, 1), (0.2, 1), (0.7, 1), (0.9, 1)]
    likely = change["likely_or_more"]
    assert (likely["area_share"], likely["changed"], likely["as_predicted"], likely["stayed"]) == (0.4, 0.5, 0.5, 0.5)
    # the untested last cell changed, too; tested, it would be missed
    assert change["forced"] == {"area_share": pytest.approx(2 / 3), "precision": 0.5, "recall": 1.0}
    shift = {name: pytest.approx(value) for name, value in change["shift"].items()}
    assert shift == {"area_share": 3 / 5, "precision": 1 / 3, "recall": 1 / 3}


def test_areas(known_scores):
    south, middle = known_scores["regime_area"]["south"], known_scores["regime_area"]["middle"]
    assert (south["true_m2"], south["argmax_m2"], south["expected_m2"]) == (2, 2, pytest.approx(0.3 + 2 * 0.8))
    assert middle["argmax_error_percent"] == pytest.approx(-50)
    assert middle["expected_error_percent"] == pytest.approx(100 * (0.1 * 4 + 0.8) / 2 - 100)


def test_cells_outside_the_area_of_applicability_are_left_out_beside(known_scores):
    inside = known_scores["applicable"]
    assert inside["n_cells"] == 3 and inside["area_m2"] == 4
    assert inside["region"].endswith("inside the area of applicability")
    assert inside["change"]["base_rate"] == pytest.approx(3 / 4)


def test_what_is_undefined_is_none_and_json_can_hold_it():
    entry = scored(true_cells([0, 0], [0, 0], [0, 0], [0, 0], [0.0, 0.0]))
    assert entry["change"]["brier_skill"] is None and entry["error_removed"]["persistence"] is None
    assert entry["regime_area"]["south"]["argmax_error_percent"] is None
    assert entry["change"]["likely_or_more"]["changed"] is None
    json.dumps(entry, allow_nan=False)
    nothing = scored(true_cells([0], [0], [0], [0], [0.0]))["applicable"]
    assert nothing["n_cells"] == 0 and "predictor" not in nothing


# -- chances -----------------------------------------------------------------------------------------------------------
def chances(stated, true, n=40_000, seed=0):
    """Cells that change with probability `true`, for which `stated` is predicted; positions all over the sphere."""
    rng = np.random.default_rng(seed)
    changed = rng.random(n) < true
    lat, lon = np.rad2deg(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(0, 360, n)
    return true_cells(changed * 1, changed * 1, np.zeros(n, int), np.zeros(n, int), stated, lat=lat, lon=lon)


def test_the_base_rate_everywhere_is_calibrated_but_resolves_nothing():
    true = np.random.default_rng(1).random(40_000) ** 4  # as in the ocean, most cells hardly ever change
    constant, informed = (scored(chances(p, true))["change"] for p in (np.full(40_000, true.mean()), true))
    assert constant["expected_calibration_error"] < 0.01 and constant["resolution_share"] == 0
    assert informed["expected_calibration_error"] < 0.01 and informed["resolution_share"] > 0.4
    # the error of the few cells that may change disappears in the mean over all
    shrunk = scored(chances(np.where(true > 0.2, true / 2, true), true))["change"]
    assert shrunk["calibration_error_above_tenth"] > 2 * shrunk["expected_calibration_error"]


def test_calibrated_chances_score_as_they_must():
    """Uniform chances that come true: Brier score E p(1-p) = 1/6, base rate 1/2, so a skill of 1/3."""
    chance = np.random.default_rng(1).random(40_000)
    change = scored(chances(chance, chance))["change"]
    assert change["brier_score"] == pytest.approx(1 / 6, abs=0.003)
    assert change["brier_skill"] == pytest.approx(1 / 3, abs=0.015)
    assert change["expected_calibration_error"] < 0.01
    inside = [row["low"] <= row["mean_probability"] <= row["high"] for row in change["reliability"]]
    assert len(inside) == 10 and sum(inside) >= 7
    assert change["likely_or_more"]["changed"] == pytest.approx(0.83, abs=0.01)
    words = supported_words(pd.DataFrame(change["likelihood"]))
    assert {"very_unlikely", "unlikely", "about_as_likely_as_not", "likely", "very_likely"} <= set(words)


def test_overconfident_probabilities_have_a_calibration_error():
    chance = np.random.default_rng(1).random(40_000)
    change = scored(chances(chance, 0.5 * chance))["change"]
    assert change["expected_calibration_error"] == pytest.approx(0.25, abs=0.01)
    assert change["mean_probability"] == pytest.approx(0.5, abs=0.01)
    assert "likely" not in supported_words(pd.DataFrame(change["likelihood"]))


def test_words_are_supported_by_all_experiments_together():
    """One experiment is calibrated, the other is not; half of the area each."""
    honest, hollow = (scored(chances(np.full(9000, 0.8), true, n=9000)) for true in (0.8, 0.3))
    for pooled, words in (({"a": honest}, ("likely",)), ({"b": hollow}, ()), ({"a": honest, "b": hollow}, ())):
        skill = {"pooled": {name: {ALL_WINDOWS: {"ensemble": entry}} for name, entry in pooled.items()}}
        assert words_by_predictor(skill) == {"ensemble": words}
    assert words_by_predictor({"pooled": {}}) == {}


def test_single_windows_have_no_intervals_but_the_same_numbers():
    chance = np.random.default_rng(1).random(2000)
    cells = chances(chance, chance, n=2000)
    with_them = scored(cells)
    plain = truth_scores(cells, classes=CLASSES, settings=None, seed=0)
    for row, other in zip(plain["change"]["reliability"], with_them["change"]["reliability"], strict=True):
        assert {"low", "high"} & set(row) == set() and other["low"] <= other["high"]
        assert row == pytest.approx({name: other[name] for name in row})
    assert plain["change"]["brier_score"] == with_them["change"]["brier_score"]


def test_cells_of_several_runs_count_together():
    first, second = true_cells([0], [0], [0], [0], [0.1]), true_cells([1], [0], [0], [0], [0.1], area=[3])
    both = scored(together([first, second]))
    assert both["predictor"]["accuracy"] == pytest.approx(1 / 4)
    alone = true_cells([1], [1], [-1], [-1], [np.nan])
    assert scored(together([first, second, alone]))["n_cells"] == 2
    assert "change" not in scored(alone)


# -- runs --------------------------------------------------------------------------------------------------------------
def budget_of(run):
    """The truth of a made run: its stress curl, balanced by planetary advection."""
    curl = run["wind_stress_curl"].fillna(0)
    terms = dict.fromkeys(BUDGET_TERMS, 0 * curl)
    terms |= {"wind_stress_curl": curl, "planetary_vorticity_advection": -curl}
    return xr.Dataset(terms | {"analysis_mask": run["valid"], "areacello": run["areacello"]}, attrs=run.attrs)


def regime_model(names=CLASSES):
    """Regimes by stress curl: the centres of the made networks' classes."""
    centroids = np.zeros((1, 3, 5))
    centroids[0, :, BUDGET_TERMS.index("wind_stress_curl")] = CENTRES
    centroids[0, :, BUDGET_TERMS.index("planetary_vorticity_advection")] = -CENTRES
    return RegimeModel(
        terms=BUDGET_TERMS,
        mean=np.zeros(5),
        scale=np.full(5, 1e-10),
        centroids=centroids,
        regime_of_cluster=np.arange(3, dtype=np.int8)[None],
        inertia=np.zeros(1),
        seeds=np.zeros(1, int),
        consensus_of_run=np.zeros(1, int),
        group=np.zeros(1, int),
        representative=0,
        names=names,
        long_names=names,
        naming="signature",
        settings=ClusteringSettings(n_clusters=3, n_regimes=3, n_runs=1),
    )


@pytest.fixture(scope="module")
def world(made):
    """The made control run and two variants of a scenario, tracked, with their truth; the tree has learned nonsense."""
    features = {CONTROL: made.control, SCENARIO: made.scenario}
    other = make_run("abrupt-4xCO2", first_year=1850, signal=0.4, seed=5, parent=CONTROL)
    features[VARIANT] = other.assign_coords(baseline_window=made.scenario["baseline_window"]).assign_attrs(
        variant_label="r2i1p1f1"
    )
    tools = make_tools(made)
    natural = natural_variability(made.control, tools)
    runs = {
        key: track_run(run, None if key == CONTROL else made.control, natural, tools) for key, run in features.items()
    }
    none = BoostedTrees((), (), (), np.zeros((0, 256), "float32"), np.zeros(3))
    boosting = Boosting(none, (0, 1, 2), NAMES, CLASSES)
    tree = DecisionTreeClassifier(max_leaf_nodes=2).fit(np.array([[-1.0], [1.0]]), [0, 2])
    return SimpleNamespace(
        runs=runs,
        features=features,
        budgets={key: budget_of(run) for key, run in features.items()},
        baselines=Baselines({"stress_curl_tree": tree}, boosting, made.scaler, CLASSES),
    )


def opened(datasets, *without):
    return {key: lambda run=run: run for key, run in datasets.items() if key not in without}


def skill_of(world, *, without=(), budgets=None, **changes):
    options = {"model": regime_model(), "baselines": world.baselines, "settings": SETTINGS, "seed": 0}
    options |= {"expected_accuracy": EXPECTED} | changes
    known = opened(budgets or world.budgets, *without)
    return perfect_model_skill(
        opened(world.runs), truth_of(world.features, known), opened(world.features), true_budgets=known, **options
    )


def truth_of(features, budgets):
    """Reads the true regimes of runs, as the pipeline stores them."""
    plans = true_regime_plans(opened(features), budgets, regime_model())
    return {key: make for key, (_, make) in plans.items()}


@pytest.fixture(scope="module")
def skill(world):
    return skill_of(world)


def test_networks_see_the_change_that_persistence_misses(skill):
    """The networks know the rule of the truth; the south changes, so that persistence fails and they do not."""
    last = skill["runs"][SCENARIO]["1970-1989"]
    for predictor in ("ensemble", "bayesian"):
        entry = last[predictor]
        assert entry["change"]["base_rate"] > 0.1
        assert entry["predictor"]["balanced_accuracy"] > 0.95
        assert entry["persistence"]["balanced_accuracy"] < 0.95
        assert entry["error_removed"]["persistence"] > 0.4
        assert entry["error_removed"]["predicted_persistence"] > 0.4
        # two leaves: the tree cannot know the regime in the middle
        assert entry["stress_curl_tree"]["balanced_accuracy"] < 0.7
        assert entry["change"]["brier_skill"] > 0.4


def test_control_runs_have_no_baseline_but_a_share_called_falsely(skill, made):
    control = skill["runs"][CONTROL]
    assert [*control] == [*made.control["window"].values]
    entry = control["0001-0020"]["ensemble"]
    assert entry["predictor"]["accuracy"] > 0.9
    assert "change" not in entry and "persistence" not in entry
    assert entry["region"] == "valid cells whose true regime is known"
    assert 0 <= skill["control"][CONTROL]["ensemble"]["forced"] < 0.1


def test_pooled_scores_are_of_all_cells(skill):
    pooled = skill["pooled"]["abrupt-4xCO2"]
    assert {*pooled} == {*skill["runs"][SCENARIO], ALL_WINDOWS}
    single = [skill["runs"][key]["1970-1989"]["ensemble"] for key in (SCENARIO, VARIANT)]
    both = pooled["1970-1989"]["ensemble"]
    assert both["n_cells"] == sum(entry["n_cells"] for entry in single)
    mean = np.mean([entry["change"]["brier_score"] for entry in single])
    assert both["change"]["brier_score"] == pytest.approx(mean)
    assert pooled[ALL_WINDOWS]["ensemble"]["n_cells"] == 7 * both["n_cells"]


def test_the_result_is_plain_numbers(skill):
    assert json.loads(json.dumps(skill, allow_nan=False)) == skill


def test_runs_without_truth_are_left_out_and_named(world, skill):
    got = skill_of(world, without=[VARIANT])
    assert got["without_truth"] == [VARIANT]
    assert got["runs"][SCENARIO] == skill["runs"][SCENARIO]
    # what is compared with the control run needs its truth too
    assert skill_of(world, without=[CONTROL])["without_truth"] == sorted(world.runs)


def test_truth_and_applicability_are_required_in_both_windows(world, skill):
    """The control run has truth in the south only; it is applicable in the east, the scenario west of 270E."""

    def applicable(key, where):
        run = world.runs[key]
        return run.assign(applicable=run["applicable"].where(where(run["lon"]), 0).transpose("window", "lat", "lon"))

    control = world.budgets[CONTROL]
    south = control.assign(analysis_mask=control["analysis_mask"] * (control["lat"] < 0))
    runs = {CONTROL: applicable(CONTROL, lambda lon: lon > 180), SCENARIO: applicable(SCENARIO, lambda lon: lon < 270)}
    here = SimpleNamespace(runs=runs, features=world.features, baselines=world.baselines)
    whole = skill["runs"][SCENARIO]["1850-1869"]["ensemble"]
    part = skill_of(here, budgets=world.budgets | {CONTROL: south})["runs"][SCENARIO]["1850-1869"]["ensemble"]
    # the first of 18 rows is land
    assert (whole["n_cells"], part["n_cells"]) == (17 * 36, 8 * 36)
    assert part["applicable"]["n_cells"] == 8 * 9


def test_the_expected_accuracy_is_that_of_the_cells_whose_truth_is_known(world):
    """The truth covers the east, where all cells resemble the training cells; the west is unlike them."""
    east = world.features[CONTROL]["lon"] >= 180
    run, budget = world.runs[CONTROL], world.budgets[CONTROL]
    distance = (0 * run["dissimilarity_index"]).where(east, 1.0).transpose(*run["dissimilarity_index"].dims)
    here = SimpleNamespace(
        runs={CONTROL: run.assign(dissimilarity_index=distance)}, features=world.features, baselines=world.baselines
    )
    known = budget.assign(analysis_mask=budget["analysis_mask"] * east)
    skill = skill_of(here, budgets=world.budgets | {CONTROL: known})["runs"]
    entry = skill[CONTROL]["0001-0020"]["ensemble"]
    assert entry["expected_accuracy"] == pytest.approx(0.9)
    errors = expected_accuracy_errors(skill)["ensemble"]
    true = [window["ensemble"]["predictor"]["accuracy"] for window in skill[CONTROL].values()]
    assert errors["bias"] == pytest.approx(0.9 - np.mean(true))


def test_real_models_have_no_truth_and_that_is_no_error(world):
    got = perfect_model_skill(
        opened(world.runs),
        {},
        opened(world.features),
        true_budgets={},
        model=regime_model(),
        baselines=world.baselines,
        expected_accuracy=EXPECTED,
        settings=SETTINGS,
        seed=0,
    )
    assert got == {"runs": {}, "pooled": {}, "control": {}, "area_interval": {}, "without_truth": sorted(world.runs)}


def test_positions_on_land_may_be_missing_in_one_file(world, made):
    """A land-suppressed grid has no positions on land; its truth has."""
    run = make_run("piControl", n_windows=1, seed=1, curvilinear=True)
    wet = run["valid"] == 1
    suppressed = run.assign_coords(lat=run["lat"].where(wet), lon=run["lon"].where(wet))
    tracked = track_run(suppressed, None, None, make_tools(made))
    here = SimpleNamespace(runs={CONTROL: tracked}, features={CONTROL: suppressed}, baselines=world.baselines)
    entry = skill_of(here, budgets={CONTROL: budget_of(run)})["runs"][CONTROL]["0001-0020"]["ensemble"]
    assert entry["n_cells"] == int(wet.sum()) and entry["predictor"]["accuracy"] > 0.9


def test_windows_without_a_true_budget_are_left_out_and_named(world):
    short = world.budgets[SCENARIO].isel(window=slice(3))
    skill = skill_of(world, budgets=world.budgets | {SCENARIO: short})
    assert list(skill["runs"][SCENARIO]) == [str(label) for label in short["window"].values]
    left = [str(label) for label in world.budgets[SCENARIO]["window"].values[3:]]
    assert [entry for entry in skill["without_truth"] if entry.startswith(SCENARIO)] == [
        f"{SCENARIO} {label}" for label in left
    ]


def test_errors_name_inputs_that_do_not_belong_together(world):
    with pytest.raises(DataError, match=r"regime model has a, b, c, but MADE/abrupt-4xCO2/r1i1p1f1 north"):
        skill_of(world, model=regime_model(("a", "b", "c")))
    moved = world.budgets[SCENARIO].assign_coords(lon=world.budgets[SCENARIO]["lon"] + 1.0)
    with pytest.raises(GridError, match="abrupt-4xCO2/r1i1p1f1 is on another grid"):
        skill_of(world, budgets=world.budgets | {SCENARIO: moved})
    with pytest.raises(DataError, match=f"no features of {SCENARIO}"):
        perfect_model_skill(
            opened(world.runs),
            truth_of(world.features, opened(world.budgets)),
            opened(world.features, SCENARIO),
            true_budgets=opened(world.budgets),
            model=regime_model(),
            baselines=world.baselines,
            expected_accuracy=EXPECTED,
            settings=SETTINGS,
            seed=0,
        )
