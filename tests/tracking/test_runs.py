"""All runs of an archive: what each is compared with, when it is done again, and that the place of the work is free."""

from contextlib import contextmanager
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import thor.tracking.runs as module
from tests.tracking.conftest import make_run, make_stack, make_tools, training_ocean
from thor.core.compute import Compute, mapper
from thor.core.contracts import check
from thor.core.errors import ConfigError, NetworkError
from thor.core.warn import warn_once
from thor.datasets import FieldCollection
from thor.figures.change_reasons import change_attribution_bars
from thor.figures.tracking_curves import area_curves
from thor.figures.tracking_maps import change_likelihood_map, model_agreement_maps, regime_window_maps
from thor.figures.transitions import main_transitions
from thor.report.scenarios import change_table
from thor.tracking.areas import regime_areas, regime_transitions
from thor.tracking.metrics import tracking_metrics
from thor.tracking.multimodel import agreement_plans
from thor.tracking.reasons import change_reasons, transitions_to_draw
from thor.tracking.runs import TrackedRuns, compare_runs
from thor.tracking.settings import AgreementSettings, TrackingSettings
from thor.tracking.shared_window import LAST, compared_windows
from thor.tracking.shown_run import shown_run

CONTROL, SCENARIO = "MADE/piControl/r1i1p1f1", "MADE/abrupt-4xCO2/r1i1p1f1"
HISTORICAL = tuple(f"MADE/historical/r{n}i1p1f1" for n in (1, 2))
HERE = Compute(n_workers=1)
FUTURE = "MADE/ssp585/r1i1p1f1"


@pytest.fixture(scope="module")
def features(made):
    labels = made.control["window"].values
    runs = {CONTROL: made.control, SCENARIO: made.scenario}
    for number, key in enumerate(HISTORICAL, 1):
        run = make_run("historical", first_year=1850, seed=20 + number, parent=CONTROL, baseline=labels)
        runs[key] = run.assign_attrs(variant_label=f"r{number}i1p1f1")
    past = runs[HISTORICAL[0]]["window"].values[-1]
    future = make_run("ssp585", n_windows=2, first_year=2015, signal=-0.4, parent=HISTORICAL[0], baseline=[past] * 2)
    return {key: lambda run=run: run for key, run in (runs | {FUTURE: future}).items()}


@pytest.fixture(scope="module")
def tools(made):
    return make_tools(made, settings=TrackingSettings(min_pairs=3, block_cells=100))


def tracked(features, tools, *, compute=HERE, use_variants=True):
    return TrackedRuns(features, tools, compute, use_variants=use_variants)


def marks(features, tools, **options):
    runs = tracked(features, tools, **options)
    return {key: runs[key][0] for key in runs}


def test_every_run_has_its_parent_control_run_and_variants(features):
    comparisons = compare_runs(features, use_variants=True)[0]
    assert comparisons[CONTROL].parent is None and comparisons[CONTROL].control == CONTROL
    assert comparisons[SCENARIO].parent == comparisons[SCENARIO].control == CONTROL
    # a scenario that continues historical is compared with it, and tested with its control run
    assert comparisons[FUTURE].parent == HISTORICAL[0] and comparisons[FUTURE].control == CONTROL
    assert all(comparison.variants == HISTORICAL for comparison in comparisons.values())
    assert all(comparison.variants == () for comparison in compare_runs(features, use_variants=False)[0].values())


def test_members_of_scenarios_are_variants_too(features):
    future = features[FUTURE]().assign_attrs(variant_label="r2i1p1f1", parent=HISTORICAL[1])
    second = FUTURE.replace("r1i1", "r2i1")
    more = features | {second: lambda: future}
    comparisons = compare_runs(more, use_variants=True)[0]
    assert comparisons[SCENARIO].variants == (*HISTORICAL, FUTURE, second)
    levels = {
        name.replace("ssp585", "ssp585-gwl2.0"): lambda name=name: more[name]().assign_attrs(
            experiment_id="ssp585-gwl2.0"
        )
        for name in (FUTURE, second)
    }
    assert compare_runs(more | levels, use_variants=True)[0][SCENARIO].variants == (*HISTORICAL, FUTURE, second)


def test_members_of_another_forcing_are_tracked_but_no_variants(features, tools, caplog):
    """Before the others in the order of labels, but fewer."""
    warn_once.cache_clear()
    other = "MADE/historical/r0i1p1f2"
    run = features[HISTORICAL[0]]().assign_attrs(variant_label="r0i1p1f2")
    comparisons = compare_runs({other: lambda: run} | features, use_variants=True)[0]
    assert comparisons[other].parent == CONTROL
    assert all(comparison.variants == HISTORICAL for comparison in comparisons.values())
    assert "MADE/historical: its members have different physics or forcing" in caplog.text
    assert "are those of p1f1, without r0i1p1f2." in caplog.text
    assert other in tracked({other: lambda: run} | features, tools)


def test_one_historical_run_is_no_variant_and_a_model_without_control_run_is_not_tested(features, tools):
    without = {key: load for key, load in features.items() if key != HISTORICAL[1]}
    assert compare_runs(without, use_variants=True)[0][CONTROL].variants == ()
    first = features[HISTORICAL[0]]()
    orphan = first.assign_attrs(parent="").assign_coords(baseline_window=("window", [""] * first.sizes["window"]))
    alone = {FUTURE: features[FUTURE], HISTORICAL[0]: lambda: orphan}
    runs = tracked(alone, tools)
    assert compare_runs(alone, use_variants=True)[0][FUTURE].control is None
    out = runs[FUTURE][1]()
    assert out.attrs["not_judged"] == "there is no control run of MADE"
    assert (out["forced_change"].values == -1).all()
    assert np.isfinite(out["change_probability"].values).any()


def test_a_run_whose_parent_is_missing_is_tracked_without_a_baseline(features, tools, caplog):
    without = {key: load for key, load in features.items() if key != CONTROL}
    runs = tracked(without, tools)
    assert f"{SCENARIO}: its baseline windows are those of {CONTROL}, which is not among the runs" in caplog.text
    out = runs[SCENARIO][1]()
    assert out.attrs["not_compared"] == f"{CONTROL}, whose windows it is compared with, is not among the runs"
    assert "not_judged" not in out.attrs
    assert (out["baseline_window"] == "").all()
    assert out["change_probability"].isnull().all()
    assert out["expected_area"].notnull().all()
    # others continue as before, and the run is done again once its parent is there
    assert np.isfinite(runs[FUTURE][1]()["change_probability"].values).any()
    assert marks(features, tools)[SCENARIO] != runs[SCENARIO][0]


def on_other_grid(run):
    """The same run on a grid with its columns 3 degrees to the east."""
    return run.assign_coords(lon=run["lon"] + 3.0)


def test_a_run_on_another_grid_than_its_baseline_windows_has_no_baseline(features, tools, caplog):
    """As with the control run of a model on its native grid, and its other runs regridded."""
    other = "OTHER/historical/r1i1p1f1"
    load = features[HISTORICAL[0]]
    runs = {CONTROL: lambda: on_other_grid(features[CONTROL]())} | {key: features[key] for key in (*HISTORICAL, FUTURE)}
    first = tracked(runs | {other: lambda: load().assign_attrs(source_id="OTHER", parent="")}, tools)
    out = {key: first[key][1]() for key in first}
    for key in HISTORICAL:
        assert f"{key}: its baseline windows are those of {CONTROL}, which lies on another grid" in caplog.text
        assert out[key].attrs["not_compared"] == f"{CONTROL}, whose windows it is compared with, lies on another grid"
        assert out[key]["change_probability"].isnull().all() and out[key]["expected_area"].notnull().all()
    # a scenario is compared with historical on its grid, and tested with the control run by certainty
    assert "not_compared" not in out[FUTURE].attrs and "not_judged" not in out[FUTURE].attrs
    assert (out[FUTURE]["forced_change"] >= 0).any() and other in out
    expected = f"{CONTROL}: variants on another grid add nothing to internal variability: {', '.join(HISTORICAL)}."
    assert caplog.text.count(expected) == 1
    assert compare_runs(runs, use_variants=True)[0][FUTURE].variants == ()
    check(out[HISTORICAL[0]], "scenario_regimes", where=HISTORICAL[0])
    areas = regime_areas(out.values())
    assert areas.loc[areas["experiment_id"] == "historical", "change_m2"].isna().all()


def test_variants_on_the_grid_of_the_control_run_are_used_without_the_others(features, caplog):
    third = HISTORICAL[0].replace("r1i1", "r3i1")
    moved = on_other_grid(features[HISTORICAL[0]]()).assign_attrs(variant_label="r3i1p1f1")
    comparisons = compare_runs(features | {third: lambda: moved}, use_variants=True)[0]
    assert comparisons[SCENARIO].variants == HISTORICAL and comparisons[third].parent is None
    assert f"variants on another grid add nothing to internal variability: {third}." in caplog.text
    alone = {key: load for key, load in features.items() if key != HISTORICAL[1]} | {third: lambda: moved}
    assert compare_runs(alone, use_variants=True)[0][SCENARIO].variants == ()


SHORT = {
    "one window": lambda control: control.isel(window=[-1]),
    "overlapping windows": lambda control: control.isel(window=[5, 6]).assign_coords(
        window_start=("window", [101, 111]), window_end=("window", [120, 130])
    ),
}


@pytest.mark.parametrize("short", SHORT)
def test_a_control_run_too_short_for_natural_variability_costs_forced_changes_only(
    features, tools, made, caplog, short
):
    """Everything but what it is needed for is as with the whole control run, and all of it can be warned."""
    control = SHORT[short](made.control)
    only = {"baseline_window": ("window", [*control["window"].values, *[""] * (7 - control.sizes["window"])])}
    scenario = made.scenario.assign_coords(only)
    few = {CONTROL: lambda: control, SCENARIO: lambda: scenario}
    runs = tracked(few, tools, use_variants=False)
    with runs:
        out = {key: runs[key][1]() for key in runs}
    warned = [record.getMessage() for record in caplog.records if "internal variability" in record.getMessage()]
    assert len(warned) == 1, "once for the climate model, not for every run of it"
    assert warned[0].startswith(f"{CONTROL} has no two windows without common months")
    whole = tracked({CONTROL: features[CONTROL], SCENARIO: lambda: scenario}, tools, use_variants=False)[SCENARIO][1]()
    tested = ["change_p_value", "forced_shift", "forced_change", "forced_emergence", "expected_false_area"]
    tested += ["null_separation", "null_pairs"]
    alike = [name for name in whole.data_vars if name not in tested]
    xr.testing.assert_equal(out[SCENARIO][alike], whole[alike])
    assert np.isfinite(out[SCENARIO]["change_probability"].values).any()
    assert (out[SCENARIO]["forced_change"] == -1).all() and (whole["forced_change"] >= 0).any()
    assert out[SCENARIO]["change_p_value"].isnull().all() and out[SCENARIO]["forced_emergence"].isnull().all()
    assert (out[SCENARIO]["null_pairs"] == 0).all()
    assert out[SCENARIO].attrs["not_judged"] == f"{CONTROL} has no two windows without common months"
    assert "not_judged" not in whole.attrs and "not_judged" not in out[CONTROL].attrs
    assert "control_forced_share" not in out[CONTROL]

    check(out[SCENARIO], "scenario_regimes", where=SCENARIO)
    no_truth = {"runs": {}, "pooled": {}, "control": {}, "without_truth": []}
    reading = {key: lambda run=run: run for key, run in out.items()}
    metrics = tracking_metrics(reading, [], no_truth, training_ocean(out[CONTROL]))
    assert metrics["not_judged"] == {SCENARIO: f"{CONTROL} has no two windows without common months"}
    assert metrics["not_compared"] == {}
    assert metrics["summary"][SCENARIO]["ensemble"]["forced_share"] is None
    assert metrics["summary"][SCENARIO]["ensemble"]["shift_share"] is None
    assert metrics["summary"][SCENARIO]["ensemble"]["changed_share"] > 0
    (row, *_) = change_table(reading, windows_of(reading))
    assert row["forced_share"] is None and row["expected_changed_share"] > 0


def windows_of(runs):
    return {key: compared_windows(read(), LAST) for key, read in runs.items()}


def one_window(experiment, **more):
    return make_run(experiment, n_windows=1, first_year=1995, **more)


ALONE = {
    "one window of one run": {HISTORICAL[0]: one_window("historical")},
    "one window of a control run": {CONTROL: one_window("piControl")},
    "no baseline at all": {CONTROL: one_window("piControl"), HISTORICAL[0]: one_window("historical")},
    "no parent": {SCENARIO: make_run("abrupt-4xCO2", n_windows=2, parent=CONTROL, baseline=["0001-0020"] * 2)},
}


@pytest.mark.parametrize("case", ALONE)
def test_runs_without_comparison_pass_through_all_later_steps(tools, case):
    features = {key: lambda run=run: run for key, run in ALONE[case].items()}
    runs = tracked(features, tools)
    out = {key: runs[key][1]() for key in runs}
    reading = {key: lambda run=run: run for key, run in out.items()}
    areas, transitions = regime_areas(out.values()), regime_transitions(out.values())
    assert areas["expected_area_m2"].notna().all() and areas["change_m2"].isna().all()
    reasons = change_reasons(reading, features, tools.predictors, scaler=tools.scaler, groups=None)
    assert transitions.empty and reasons.empty and agreement_plans(reading, AgreementSettings()) == {}
    no_truth = {"runs": {}, "pooled": {}, "control": {}, "without_truth": []}
    metrics = tracking_metrics(reading, [], no_truth, training_ocean(next(iter(out.values()))))
    assert metrics["not_judged"] == {} and set(metrics["not_compared"]) == (
        {SCENARIO} if case == "no parent" else set()
    )
    assert shown_run(reading, metrics, None) is None and list(change_table(reading, windows_of(reading))) == []
    drawn = transitions_to_draw(reasons, None, predictor="ensemble")
    for figure in (
        regime_window_maps(None, predictor="ensemble"),
        change_likelihood_map(None, supported=()),
        area_curves(areas, predictor="ensemble"),
        area_curves(areas, predictor="ensemble", change=True),
        main_transitions(transitions, windows_of(reading), predictor="ensemble"),
        model_agreement_maps(None, predictor="ensemble"),
        change_attribution_bars(drawn, drawn),
    ):
        plt.close(figure)


def test_variants_alone_show_natural_variability_where_the_control_run_has_one_window(features, tools, made):
    control = made.control.isel(window=[0])
    labels = {"baseline_window": ("window", [control["window"].values[0], *[""] * 6])}
    runs = {key: lambda key=key: features[key]().assign_coords(labels) for key in (SCENARIO, *HISTORICAL)}
    out = tracked({CONTROL: lambda: control} | runs, tools)[SCENARIO][1]()
    assert (out["forced_change"].isel(window=0) >= 0).any()
    assert "not_judged" not in out.attrs


def test_fingerprints_depend_on_all_inputs_of_a_run_and_nothing_else(features, tools, made):
    before = marks(features, tools)
    assert len(set(before.values())) == len(features)
    assert marks(features, tools, compute=Compute(scheduler="local", n_workers=2)) == before
    louder = made.scenario.assign(zos=1.1 * made.scenario["zos"]).assign_attrs(made.scenario.attrs)
    changed = marks(features | {SCENARIO: lambda: louder}, tools)
    assert {key for key in before if changed[key] != before[key]} == {SCENARIO}
    # all runs are tested with the control run
    noisier = made.control.assign(zos=1.1 * made.control["zos"]).assign_attrs(made.control.attrs)
    assert not set(marks(features | {CONTROL: lambda: noisier}, tools).values()) & set(before.values())
    for other in (
        replace(tools, temperatures={"ensemble": 1.1, "bayesian": 1.3}),
        replace(tools, settings=tools.settings.replace(null_quantile=0.9)),
        replace(tools, predictors=made.predictors | {"ensemble": made.predictors["ensemble"].select([0, 1])}),
    ):
        assert not set(marks(features, other).values()) & set(before.values())
    # a predictor that is not applied has no influence
    unused = replace(tools, temperatures=tools.temperatures | {"laplace": 2.0})
    assert marks(features, unused) == before


def test_workers_are_shared_and_end_with_the_save(features, tools, monkeypatch):
    opened, closed = [], []

    @contextmanager
    def counted(settings):
        opened.append(settings)
        with mapper(settings) as mapped:
            yield mapped
        closed.append(settings)

    monkeypatch.setattr(module, "mapper", counted)
    runs = tracked(features, tools)
    with runs:
        assert not opened  # nothing to do yet
        first = runs[SCENARIO][1]()
        runs[FUTURE][1]()
        assert len(opened) == 1 and not closed
    assert len(closed) == 1
    alone = runs[SCENARIO][1]()
    assert len(opened) == len(closed) == 2
    xr.testing.assert_identical(first, alone)


def test_an_interrupted_collection_continues_where_it_stopped(features, tools, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", "thor")
    folder = FieldCollection(path=str(tmp_path / "scenario_regimes"), contract="scenario_regimes", may_be_empty=True)
    real, done = module.track_run, []

    def dies(run, *arguments, **options):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(run.attrs["experiment_id"])
        return real(run, *arguments, **options)

    monkeypatch.setattr(module, "track_run", dies)
    with pytest.raises(KeyboardInterrupt):
        folder.save(tracked(features, tools))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nc")}
    assert len(kept) == 2
    monkeypatch.setattr(module, "track_run", real)
    folder.save(tracked(features, tools))
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    assert "3 files written (3 new), 2 kept" in caplog.text
    # other temperatures: none of it is valid any more, and a message is logged
    caplog.clear()
    folder.save(tracked(features, replace(tools, temperatures={"ensemble": 1.1, "bayesian": 1.3})))
    assert "scenario_regimes: 5 files written (5 whose inputs changed)" in caplog.text


def test_what_does_not_belong_together_is_refused_before_any_run(tools):
    with pytest.raises(NetworkError, match="no temperature of bayesian; it has ensemble"):
        replace(tools, temperatures={"ensemble": 1.0})
    other = make_stack(names=("wind_stress_curl", "zos", "coriolis_parameter"))
    with pytest.raises(NetworkError, match=r"Predictor 'ensemble' needs coriolis_parameter, which the scaler lacks"):
        replace(tools, predictors={"ensemble": other})
    scaler = replace(tools.scaler, features=other.features, units=("m s-2", "m", "s-1"))
    with pytest.raises(NetworkError, match="area of applicability needs deptho, which the scaler lacks"):
        replace(tools, predictors={"ensemble": other}, scaler=scaler)


def test_a_scheduler_that_does_not_answer_ends_the_save_and_writes_nothing(features, tools, tmp_path):
    folder = FieldCollection(path=str(tmp_path / "scenario_regimes"), contract="scenario_regimes", may_be_empty=True)
    nobody = Compute(scheduler="tcp://127.0.0.1:9", timeout_s=0.5)
    with pytest.raises(Exception, match="No Dask scheduler answers at tcp://127.0.0.1:9") as caught:
        folder.save(tracked(features, tools, compute=nobody))
    assert isinstance(caught.value, ConfigError) or isinstance(caught.value.__cause__, ConfigError)
    assert not list(tmp_path.rglob("*.nc"))
