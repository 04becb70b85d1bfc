"""The whole graph, tiny, as a user runs it: files, numbers, reproducibility, and what a failing run leaves behind."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from thor.variables import BUDGET_TERMS, FEATURES

PROJECT = Path(__file__).parents[2]


def kedro(root, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=PROJECT,
        env=os.environ | {"THOR_TEST_ROOT": str(root), "DO_NOT_TRACK": "true"} | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    result = kedro(root, "run", "--env", "test")
    assert result.returncode == 0, result.stdout + result.stderr
    return root, result


def files(root):
    """What a run leaves, but for what holds times: logs and MLflow."""
    found = (p for p in sorted(root.rglob("*")) if p.is_file() and not {"logs", "mlflow"} & set(p.parts))
    return {p.relative_to(root): p.read_bytes() for p in found}


def test_every_dataset_of_the_catalog_is_written(run):
    root, result = run
    layers = {path.parts[0] for path in files(root)}
    assert {layer[:2] for layer in layers} == {f"0{n}" for n in range(1, 9)}
    figures = sorted(path.name for path in files(root) if path.suffix == ".png")
    assert figures == [
        "data_engineering_features.png",
        "data_engineering_scenarios.png",
        "explainability_agreement.png",
        "explainability_beeswarm.png",
        "explainability_cell.png",
        "explainability_evaluation.png",
        "explainability_lime_weights.png",
        "explainability_regimes.png",
        "explainability_relevance.png",
        "explainability_shapley_values.png",
        "explainability_signs.png",
        "idealized_ocean_state.png",
        "modelling_confusion.png",
        "modelling_learning_curves.png",
        "modelling_skill.png",
        "regime_clustering_balances.png",
        "regime_clustering_regimes.png",
        "regime_clustering_selection.png",
        "regime_clustering_terms.png",
        "uncertainty_conformal.png",
        "uncertainty_maps.png",
        "uncertainty_reliability.png",
        "uncertainty_risk_coverage.png",
    ]
    assert "nodes in" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_budget_features_and_regimes_agree(run):
    root, _ = run
    budget = xr.open_dataset(root / "03_primary" / "vorticity_budget.nc")
    features = xr.open_dataset(root / "04_feature" / "features.nc")
    regimes = xr.open_dataset(root / "05_model_input" / "regimes.nc")
    used = budget.analysis_mask.values == 1
    total = sum(budget[term].values[used] for term in BUDGET_TERMS)
    largest = max(budget[term].values[used].std() for term in BUDGET_TERMS)
    assert np.sqrt((total**2).mean()) < 1e-9 * largest
    assert all(np.isfinite(features[name].values[features.valid.values == 1]).all() for name in FEATURES)
    assert ((regimes.regime.values >= 0) == used).all()
    np.testing.assert_allclose(regimes.regime_votes.sum("regime").values[used], 1, atol=1e-5)
    # The stress curl of the features is that of the budget, but for the bottom stress and the different stencil.
    both = used & (features.valid.values == 1)
    pair = np.corrcoef(features.wind_stress_curl.values[both], budget.wind_stress_curl.values[both])
    assert pair[0, 1] > 0.95


def test_every_predictor_is_scored_in_every_region(run):
    root, _ = run
    report = root / "08_reporting"
    skill = json.loads((report / "skill_metrics.json").read_text())
    bayesian = json.loads((report / "bayesian_skill_metrics.json").read_text())
    expected = {"ensemble", "member_mean", "member_min", "member_max", "majority", "stress_curl_tree"}
    assert set(skill) == expected | {"gradient_boosting"}
    assert set(bayesian) == {"bayesian", "laplace"}
    for predictor, regions in (skill | bayesian).items():
        assert set(regions) == {"train", "select", "calibrate", "test"}
        for entry in regions.values():
            assert 0 <= entry["accuracy"] <= 1
            assert entry["n_cells"] > 0
            assert entry["weighting"] == "cell"
            assert entry["area_weighted"]["weighting"] == "area"
            assert entry["negative_log_likelihood"] > 0, predictor
    test = skill["ensemble"]["test"]
    assert test["split"] == "regions"
    assert np.sum(test["confusion_matrix"]) == test["n_cells"]
    assert test["intervals"]["accuracy"]["low"] <= test["accuracy"] <= test["intervals"]["accuracy"]["high"]
    assert test["accuracy"] > skill["majority"]["test"]["accuracy"]
    assert skill["member_min"]["test"]["accuracy"] <= skill["member_mean"]["test"]["accuracy"]


def test_roles_are_apart_and_test_is_the_atlantic(run):
    root, _ = run
    split = xr.open_dataset(root / "05_model_input" / "split.nc")
    meanings = split["role"].attrs["flag_meanings"].split()
    longitude = xr.broadcast(split["lon"], split["role"])[0].transpose(*split["role"].dims).values
    tested = split["role"].values == meanings.index("test")
    assert tested.any()
    assert ((longitude[tested] >= 280) | (longitude[tested] < 20)).all()


def test_calibration_is_told_before_and_after(run):
    root, _ = run
    table = json.loads((root / "08_reporting" / "calibration_metrics.json").read_text())
    assert set(table) == {"ensemble", "bayesian", "laplace"}
    for regions in table.values():
        assert {"select", "calibrate", "test"} < set(regions)
        calibrate = regions["calibrate"]
        # the temperature was fitted on these cells
        before, after = (calibrate[stage]["negative_log_likelihood"] for stage in ("before", "after"))
        assert after <= before + 1e-6
        for stage in ("before", "after"):
            assert {"expected_calibration_error", "negative_log_likelihood", "brier_score"} <= set(calibrate[stage])
        assert 0 <= calibrate["conformal"]["coverage"] <= 1
    assert table["ensemble"]["test"]["error_by_dissimilarity"]
    for name in table:
        told = table[name]["test"]["significance"]
        # the interval of a mean shrinks with every draw; the share of networks that agree does not
        assert set(told) == {"published_interval_test", "superiority"}
        assert all(0 <= called["share_significant"] <= 1 and called["level"] == 0.99 for called in told.values())
    told = table["bayesian"]["test"]["significance"]
    assert told["published_interval_test"]["share_significant"] > told["superiority"]["share_significant"]


def test_reliability_of_every_network_is_kept(run):
    root, _ = run
    networks = pd.read_csv(root / "08_reporting" / "network_metrics.csv").set_index(["predictor", "network"])
    bins = pd.read_csv(root / "08_reporting" / "network_reliability.csv")
    test = bins[bins["region"] == "test"].assign(gap=lambda rows: (rows["confidence"] - rows["accuracy"]).abs())
    for key, own in test.groupby(["predictor", "network"]):
        error = np.average(own["gap"], weights=own["n_cells"])
        assert error == pytest.approx(networks.loc[key, "test.expected_calibration_error"], abs=1e-9), key
    assert set(pd.read_csv(root / "08_reporting" / "bayesian_network_reliability.csv")["predictor"]) == {
        "bayesian",
        "laplace",
    }


def test_uncertainty_has_its_parts(run):
    root, _ = run
    fields = xr.open_dataset(root / "07_model_output" / "regime_uncertainty.nc")
    valid = fields["valid"].values == 1
    assert list(fields["predictor"].values) == ["ensemble", "bayesian", "laplace"]
    total, parts = fields["predictive_entropy"], fields["expected_entropy"] + fields["mutual_information"]
    np.testing.assert_allclose(total.values[:, valid], parts.values[:, valid], atol=1e-6)
    assert (fields["regime_probability_lower"] <= fields["regime_probability_upper"]).values[:, :, valid].all()
    assert set(np.unique(fields["applicable"].values[valid])) <= {0, 1}


def test_explanations_are_whole_and_add_up(run):
    root, _ = run
    metrics = json.loads((root / "08_reporting" / "explanation_metrics.json").read_text())
    assert set(metrics["methods"]) == {"relevance", "shapley_values", "lime_weights"}
    for name, predictors in metrics["methods"].items():
        fields = xr.open_dataset(root / "07_model_output" / f"{name}.nc")
        valid = fields["valid"].values == 1
        assert list(fields["feature"].values) == list(FEATURES)
        for predictor, entry in predictors.items():
            own = fields.sel(predictor=predictor)
            assert entry["n_cells"] == valid.sum()
            assert entry["n_networks"] == {"ensemble": 4, "bayesian": 3}[predictor]
            assert np.isfinite(own["attribution"].transpose("lat", "lon", "feature").values[valid]).all()
            shares = [share for share in ("expectation", "bias_share", "epsilon_share", "intercept") if share in own]
            parts = own["attribution"].sum("feature") + sum(own[share] for share in shares)
            left = (own["explained_target"] - parts - own["remainder"]).values[valid]
            assert np.abs(left).max() < 1e-3 * np.abs(parts.values[valid]).max()
    assert metrics["methods"]["shapley_values"]["ensemble"]["additivity_error"]["largest"] < 1e-4
    relevance = metrics["methods"]["relevance"]["ensemble"]["conservation_error"]
    assert relevance["largest"] < 1e-3 * relevance["mean_absolute_target"]
    pairs = set(metrics["agreement"]["ensemble"]["global"]) - {"n_cells", "weighting"}
    assert pairs == {"relevance and shapley_values", "relevance and lime_weights", "shapley_values and lime_weights"}
    skill = {method: rows["faithfulness_correlation"]["skill"] for method, rows in metrics["evaluation"].items()}
    assert set(skill) == {*metrics["methods"], "integrated_gradients", "gradient_times_input"}
    assert skill["shapley_values"] > 0.2
    known = metrics["truth"]["additive"]
    assert known["shapley_values"]["correlation"] > known["gradient_times_input"]["correlation"]


def test_mlflow_has_a_run_with_every_network_below_it(run):
    from thor.mlflow_hooks import open_store

    root, _ = run
    client, experiment = open_store(root / "mlflow" / "mlflow.db")
    found = client.search_runs([experiment], max_results=500)
    (parent,) = (r for r in found if "mlflow.parentRunId" not in r.data.tags)
    assert parent.info.status == "FINISHED"
    assert parent.data.params["modelling.training.n_networks"] == "4"
    names = sorted(r.info.run_name for r in found if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id)
    networks = [f"bayesian {k}" for k in range(2)] + [f"ensemble {k}" for k in range(4)]
    assert names == sorted([*networks, "gradient_boosting 0", "laplace 0", "majority 0", "stress_curl_tree 0"])
    figures = {artifact.path for artifact in client.list_artifacts(parent.info.run_id, "figures")}
    assert "figures/modelling_skill.png" in figures
    one = {r.info.run_name: r.info.run_id for r in found}
    for name, kept in {
        "ensemble 3": {"reliability.png", "network"},
        "bayesian 1": {"reliability.png", "network"},
        "laplace 0": {"reliability.png", "network"},
        "gradient_boosting 0": {"reliability.png"},
    }.items():
        assert {artifact.path for artifact in client.list_artifacts(one[name])} == kept


@pytest.mark.parametrize(
    ("model", "convention", "correlation"),
    [
        ("IDEAL-REG", "true_east_north", 0.99),
        ("IDEAL-POLE", "grid_axes_c_grid", 0.99),
        ("IDEAL-LAND", "grid_axes_corners", 0.98),
    ],
)
def test_climate_models_come_through_the_archive_as_they_went_in(run, model, convention, correlation):
    """The curl read from published stress on any points is that which drove the ocean, in every window and run."""
    root, _ = run
    files = sorted((root / "04_feature" / "scenario_features" / model).rglob("*.nc"))
    assert len(files) == 5
    for file in files:
        features = xr.open_dataset(file)
        truth = xr.open_dataset(
            root / "01_raw" / "true_budgets" / file.relative_to(root / "04_feature/scenario_features")
        )
        assert features.attrs["stress_convention"] == convention
        assert set(truth["window"].values) <= set(features["window"].values)
        read = features["wind_stress_curl"].sel(window=truth["window"]).values
        true = truth["wind_stress_curl"].values
        both = np.isfinite(read) & np.isfinite(true) & (truth["analysis_mask"].values == 1)
        assert both.sum() > 0.99 * truth.sizes["window"] * truth["analysis_mask"].values.sum()
        assert np.corrcoef(read[both], true[both])[0, 1] > correlation


def test_scenarios_know_their_baseline(run):
    root, _ = run
    climatologies = root / "02_intermediate" / "climatologies" / "IDEAL-POLE"
    scenario = xr.open_dataset(climatologies / "abrupt-4xCO2" / "r1i1p1f1.nc")
    control = xr.open_dataset(climatologies / "piControl" / "r1i1p1f1.nc")
    assert scenario.attrs["parent"] == "IDEAL-POLE/piControl/r1i1p1f1"
    assert (scenario["baseline_window"].values != "").all()
    assert set(scenario["baseline_window"].values) <= set(control["window"].values)
    # two years of 360 days each, all months
    assert set(scenario["months"].values) == {24}
    assert abs(float(scenario["removed_mean"].mean()) - float(control["removed_mean"].mean())) < 0.1


def test_metrics_hold_what_they_must(run):
    root, _ = run
    metrics = json.loads((root / "08_reporting" / "clustering_metrics.json").read_text())
    assert metrics["n_cells"] == int(xr.open_dataset(root / "03_primary" / "vorticity_budget.nc").analysis_mask.sum())
    assert metrics["n_clusters"] == 20
    assert metrics["inertia"] > 0
    assert metrics["closure_rms"] < 1e-20
    assert 0 < metrics["stability_ari"] <= 1
    assert 0 < metrics["single_run_ari"] <= 1
    assert sum(metrics["area_fraction"].values()) == pytest.approx(1)
    assert sum(group["n_runs"] for group in metrics["groups"]) == metrics["n_runs"] == 8
    assert {"region", "weighting", "mean_confidence"} <= set(metrics)


def test_the_same_seed_gives_the_same_files(run, tmp_path):
    """All but the manifest, which tells times; the report but for its section."""
    root, _ = run
    result = kedro(tmp_path, "run", "--env", "test")
    assert result.returncode == 0, result.stdout
    first, second = files(root), files(tmp_path)
    assert first.keys() == second.keys()
    differing = {str(name) for name in first if first[name] != second[name]}
    assert differing <= {"08_reporting/manifest.json", "08_reporting/report.html"}
    pages = [own[Path("08_reporting/report.html")] for own in (first, second)]
    sections = [re.search(rb'<section id="manifest">.*?</section>', page, re.S).group() for page in pages]
    assert b"SHA-256" in sections[0]
    assert pages[0].replace(sections[0], b"") == pages[1].replace(sections[1], b"")
    prints = [json.loads(own[Path("08_reporting/manifest.json")])["datasets"] for own in (first, second)]
    assert {n: e["sha256"] for n, e in prints[0].items()} == {n: e["sha256"] for n, e in prints[1].items()}


def test_a_pipeline_runs_alone_from_what_another_handed_over(run):
    root, _ = run
    before = files(root)
    result = kedro(root, "run", "--env", "test", "--pipeline", "regime_clustering")
    assert result.returncode == 0, result.stdout
    assert "make_training_ocean" not in result.stdout
    assert files(root) == before


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("regime_clustering.runs.n_clusters=5000", "5000"),
        ("regime_clustering.labels=published", "no 'reference_regime'"),
        ("data_engineering.metrik=published", "Did you mean 'metric'"),
        ("idealized_ocean.training_ocean.resolution_degrees=7", "must divide 180"),
        ("data_engineering.stress_curl=both", "'surface' or 'released'"),
    ],
)
def test_what_is_wrong_is_said_shortly_and_nothing_is_half_written(run, tmp_path, parameters, words):
    root, _ = run
    before = files(root)
    result = kedro(root, "run", "--env", "test", "--params", parameters, "--pipelines", "regime_clustering")
    assert result.returncode == 1
    told = (result.stdout + result.stderr).strip().splitlines()
    assert words in " ".join(told)
    assert len(told) <= 12
    assert files(root) == before


def test_published_labels_on_ecco(tmp_path, data_mirror):
    """The ecco environment end to end with few runs: published labels, dropped ones counted."""
    few = {"runs.n_runs": 1, "runs.n_consensus": 2, "runs.n_breaths": 2, "n_bootstrap": 20, "labels": "published"}
    few |= {"selection.n_repeats": 1, "selection.n_breaths": 0}
    parameters = ",".join(f"regime_clustering.{key}={value}" for key, value in few.items())
    result = kedro(
        tmp_path,
        "run",
        "--env",
        "ecco",
        "--nodes",
        "harmonise_training_ocean,compute_vorticity_budget,fit_regime_model,label_regimes,measure_clustering",
        "--params",
        parameters,
        THOR_DATA_MIRROR=str(data_mirror),
        THOR_ECCO_ROOT=str(tmp_path),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    regimes = xr.open_dataset(tmp_path / "05_model_input" / "regimes.nc")
    assert int((regimes.regime >= 0).sum()) == 149_714 - 14
    metrics = json.loads((tmp_path / "08_reporting" / "clustering_metrics.json").read_text())
    assert metrics["n_labels_outside_analysis_mask"] == 25_692
    assert metrics["n_cells"] == 149_714
    assert metrics["area_fraction"]["MD"] == pytest.approx(0.314, abs=0.002)
