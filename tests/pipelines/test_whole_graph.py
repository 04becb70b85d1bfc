"""The whole graph, tiny, as a user runs it: files, numbers, reproducibility, and what a failing run leaves behind."""

import functools
import http.server
import json
import re
import threading
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner
from kedro.framework.project import configure_project

from tests.browser import Page
from tests.core.test_compute import Cluster, n_workers_of
from tests.kedro_runs import PROJECT, files, kedro
from tests.metric_tables import find_metric, leaves
from tests.waiting import wait_until
from thor.app.archive import archive
from thor.core.metrics import metric_tables
from thor.core.variables import BUDGET_TERMS, FEATURES
from thor.reading.runs import is_at_level

GEOSTROPHIC = (
    *("geostrophic_planetary_advection", "geostrophic_pressure_torque", "geostrophic_residual"),
    *("geostrophic_viscous_torque", "geostrophic_nonlinear_torque"),
)


@pytest.fixture(scope="module")
def run(whole_run):
    return whole_run


def test_every_dataset_of_the_catalog_is_written(run):
    root, result = run
    layers = {path.parts[0] for path in files(root)}
    assert {layer[:2] for layer in layers} == {f"0{n}" for n in range(1, 9)}
    for path in files(root):
        if path.suffix == ".png":
            numbers = [path.with_suffix(suffix) for suffix in (".csv", ".nc")]
            assert any((root / file).is_file() for file in numbers), f"{path} has no numbers beside it"
    figures = sorted(path.name for path in files(root) if path.suffix == ".png")
    assert figures == [
        "data_engineering_features.png",
        "data_engineering_scenarios.png",
        "data_engineering_warming.png",
        "explainability_agreement.png",
        "explainability_beeswarm.png",
        "explainability_cell.png",
        "explainability_evaluation.png",
        "explainability_features.png",
        "explainability_lime_weights.png",
        "explainability_regimes.png",
        "explainability_relevance.png",
        "explainability_shapley_values.png",
        "explainability_signs.png",
        "idealized_ocean_state.png",
        "modelling_confusion.png",
        "modelling_input_sets.png",
        "modelling_learning_curves.png",
        "modelling_left_out.png",
        "modelling_skill.png",
        "regime_clustering_balances.png",
        "regime_clustering_regimes.png",
        "regime_clustering_selection.png",
        "regime_clustering_terms.png",
        "scenario_tracking_agreement.png",
        "scenario_tracking_amoc.png",
        "scenario_tracking_area_changes.png",
        "scenario_tracking_areas.png",
        "scenario_tracking_change.png",
        "scenario_tracking_input_sets.png",
        "scenario_tracking_overturning.png",
        "scenario_tracking_overturning_sigma2.png",
        "scenario_tracking_properties.png",
        "scenario_tracking_reasons.png",
        "scenario_tracking_regimes.png",
        "scenario_tracking_reliability.png",
        "scenario_tracking_transitions.png",
        "uncertainty_conformal.png",
        "uncertainty_maps.png",
        "uncertainty_reliability.png",
        "uncertainty_risk_coverage.png",
    ]
    assert "nodes in" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_programs_without_xarray_find_the_types_and_references_of_the_conventions(run):
    root, _ = run
    # those of the archive are the idealized climate models'
    written = [path for path in files(root) if path.suffix == ".nc" and not path.parts[1].startswith("archive")]
    assert len(written) > 40
    for path in written:
        with netCDF4.Dataset(root / path) as file:
            assert file.Conventions == "CF-1.11", path
            names = set(file.variables)
            for name, variable in file.variables.items():
                where = f"{path}: {name}"
                coordinates = getattr(variable, "coordinates", "").split()
                assert {*coordinates, getattr(variable, "bounds", name)} <= names, where
                assert variable.dtype != np.int64, where
                assert variable.dtype is not str or name not in file.dimensions, where
                for axis in ("lat", "lon"):
                    assert sum(each.startswith(axis) for each in coordinates) <= 1, where
                if name in file.dimensions:
                    assert "_FillValue" not in variable.ncattrs(), where


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
    with_transports = {"average_transport", "ensemble_transport", "gradient_boosting_transport"}
    assert set(skill) == expected | {"gradient_boosting", "average"} | with_transports
    assert set(bayesian) == {"bayesian", "laplace"}
    for predictor, regions in (skill | bayesian).items():
        oceans, left_out = (
            {region for region in regions if re.fullmatch(f"{kind}_.*_ocean", region)} for kind in ("test", "left_out")
        )
        assert set(regions) - oceans - left_out == {"train", "select", "test"}
        everywhere = {"ensemble", "average", "majority", "stress_curl_tree", "gradient_boosting"}
        assert bool(oceans) == (predictor in everywhere)
        assert bool(left_out) == (predictor in everywhere | with_transports)
        assert sum(regions[ocean]["n_cells"] for ocean in oceans) in (0, regions["test"]["n_cells"])
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


def test_roles_are_disjoint_and_test_is_the_atlantic(run):
    root, _ = run
    split = xr.open_dataset(root / "05_model_input" / "split.nc")
    meanings = split["role"].attrs["flag_meanings"].split()
    longitude = xr.broadcast(split["lon"], split["role"])[0].transpose(*split["role"].dims).values
    tested = split["role"].values == meanings.index("test")
    assert tested.any()
    assert ((longitude[tested] >= 280) | (longitude[tested] < 20)).all()


def test_the_documented_lines_read_regimes_and_votes(run, tmp_path, monkeypatch):
    root = run[0]
    (tmp_path / "data").symlink_to(root)
    monkeypatch.chdir(tmp_path)
    (lines,) = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/data.md").read_text(encoding="utf-8"), re.DOTALL)
    found: dict = {}
    exec(lines, found)
    regimes, votes, known = found["regimes"], found["votes"], found["labels"].notnull().values
    np.testing.assert_array_equal(found["labels"].values[known], regimes["regime"].values[known])
    assert (known == (regimes["analysis_mask"].values == 1)).all() and not known.all()
    for number, name in enumerate(found["names"]):
        np.testing.assert_array_equal(votes.sel(regime=name), regimes["regime_votes"][number])
    assert 0 < float(found["share"]) < 1


def test_coverage_is_that_of_the_sets_in_the_file(run):
    root, _ = run
    table = json.loads((root / "08_reporting" / "calibration_metrics.json").read_text())
    fields = xr.open_dataset(root / "07_model_output" / "regime_uncertainty.nc")
    regime = xr.open_dataset(root / "05_model_input" / "regimes.nc")["regime"].values
    split = xr.open_dataset(root / "05_model_input" / "split.nc")["role"]
    tested = split.values == split.attrs["flag_meanings"].split().index("test")
    tested &= (regime >= 0) & (fields["valid"].values == 1)
    for name, regions in table.items():
        sets = fields["regime_set"].sel(predictor=name).values[:, tested]
        given = (sets >= 0).all(axis=0)
        sets, label = sets[:, given], regime[tested][given]
        stated = regions["test"]["conformal"]
        assert stated["n_cells"] == len(label), name
        assert stated["coverage"] == pytest.approx(np.mean(sets[label, np.arange(len(label))] == 1), abs=1e-12), name
        assert stated["mean_set_size"] == pytest.approx((sets == 1).sum(axis=0).mean(), abs=1e-12), name


def test_calibration_is_reported_before_and_after(run):
    root, _ = run
    table = json.loads((root / "08_reporting" / "calibration_metrics.json").read_text())
    assert set(table) == {"average", "ensemble", "gradient_boosting", "bayesian", "laplace"}
    for regions in table.values():
        assert {"select", "test"} < set(regions)
        temperature, sets = (regions["test"][name] for name in ("temperature", "conformal"))
        assert temperature["applied"] in (1.0, temperature["fitted"])
        assert temperature["gain"] > temperature["gain_error"] or temperature["applied"] == 1.0
        for stage in ("before", "after"):
            scored = set(regions["test"][stage])
            assert {"expected_calibration_error", "negative_log_likelihood", "brier_score"} <= scored
        assert 0 <= sets["set_share"] <= 1
        assert sets["coverage"] is None or 0 <= sets["coverage"] <= 1
    assert table["ensemble"]["test"]["error_by_dissimilarity"]
    # one member has no spread to be significant against
    assert "significance" not in table.pop("gradient_boosting")["test"]
    for name in table:
        significance = table[name]["test"]["significance"]
        # the interval of a mean shrinks with every draw; the share of networks that agree does not
        assert set(significance) == {"published_interval_test", "superiority"}
        assert all(
            0 <= called["share_significant"] <= 1 and called["level"] == 0.99 for called in significance.values()
        )
    significance = table["bayesian"]["test"]["significance"]
    assert (
        significance["published_interval_test"]["share_significant"] > significance["superiority"]["share_significant"]
    )


def test_reliability_of_every_network_is_kept(run):
    root, _ = run
    networks = pd.read_csv(root / "08_reporting" / "network_metrics.csv").set_index(["predictor", "network"])
    bins = pd.read_csv(root / "08_reporting" / "network_reliability.csv")
    test = bins[bins["region"] == "test"].assign(gap=lambda rows: (rows["confidence"] - rows["accuracy"]).abs())
    for key, rows in test.groupby(["predictor", "network"]):
        error = np.average(rows["gap"], weights=rows["n_cells"])
        assert error == pytest.approx(networks.loc[key, "test.expected_calibration_error"], abs=1e-9), key
    assert set(pd.read_csv(root / "08_reporting" / "bayesian_network_reliability.csv")["predictor"]) == {
        "bayesian",
        "laplace",
    }


def test_uncertainty_has_its_parts(run):
    root, _ = run
    fields = xr.open_dataset(root / "07_model_output" / "regime_uncertainty.nc")
    valid = fields["valid"].values == 1
    predictors = ["average", "ensemble", "gradient_boosting", "bayesian", "laplace"]
    assert list(fields["predictor"].values) == predictors
    total, parts = fields["predictive_entropy"], fields["expected_entropy"] + fields["mutual_information"]
    np.testing.assert_allclose(total.values[:, valid], parts.values[:, valid], atol=1e-6)
    assert (fields["regime_probability_lower"] <= fields["regime_probability_upper"]).values[:, :, valid].all()
    assert set(np.unique(fields["applicable"].values[valid])) <= {0, 1}


def test_explanations_are_complete_and_add_up(run):
    root, _ = run
    metrics = json.loads((root / "08_reporting" / "explanation_metrics.json").read_text())
    assert set(metrics["methods"]) == {"relevance", "shapley_values", "lime_weights"}
    for name, predictors in metrics["methods"].items():
        fields = xr.open_dataset(root / "07_model_output" / f"{name}.nc")
        valid = fields["valid"].values == 1
        assert list(fields["feature"].values) == [*FEATURES, *GEOSTROPHIC]
        for predictor, entry in predictors.items():
            explained = fields.sel(predictor=predictor)
            assert entry["n_cells"] == valid.sum()
            assert entry["n_networks"] == {"ensemble": 4, "bayesian": 3}[predictor]
            assert np.isfinite(explained["attribution"].transpose("lat", "lon", "feature").values[valid]).all()
            shares = [
                share for share in ("expectation", "bias_share", "epsilon_share", "intercept") if share in explained
            ]
            parts = explained["attribution"].sum("feature") + sum(explained[share] for share in shares)
            left = (explained["explained_target"] - parts - explained["remainder"]).values[valid]
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


def test_every_number_is_described_and_within_its_range(run):
    """Every metric is in the documentation; a key without a description fails."""
    root, _ = run
    kept = {path.stem for path in (root / "08_reporting").glob("*.json")} - {"manifest"}
    assert kept < set(metric_tables())
    for name, metrics in metric_tables().items():
        if name == "cross_validation_metrics":  # on request
            continue
        (file,) = [*root.rglob(f"0[78]_*/{name}.json"), *root.rglob(f"0[78]_*/{name}.csv")]
        content = json.loads(file.read_text()) if file.suffix == ".json" else pd.read_csv(file).to_dict("records")
        meaning = functools.cache(functools.partial(find_metric, metrics=metrics))
        for path, value in leaves(content):
            metric = meaning(path[-4:])
            assert metric is not None, f"{file.name}: no table describes {'.'.join(path)}"
            if isinstance(value, float):
                low, high = metric.minimum, metric.maximum
                assert low is None or not value < low - 1e-9, f"{file.name}: {'.'.join(path)} = {value} < {low}"
                assert high is None or not value > high + 1e-9, f"{file.name}: {'.'.join(path)} = {value} > {high}"


def test_kedro_viz_shows_pipelines_layers_and_what_they_made(run, tmp_path):
    """The static site in a browser: a box for each pipeline that opens, layers, a figure, a table and numbers."""
    root, _ = run
    (tmp_path / "src").mkdir()
    (tmp_path / "src/thor").symlink_to(PROJECT / "src/thor")
    for name in ("conf", "pyproject.toml", ".telemetry"):
        (tmp_path / name).symlink_to(PROJECT / name)
    built = kedro(root, "viz", "build", "--include-previews", folder=tmp_path, KEDRO_ENV="test")
    assert built.returncode == 0, built.stdout + built.stderr
    main = json.loads((tmp_path / "build/api/main").read_text())
    layers = ["raw", "intermediate", "primary", "feature", "model_input", "models", "model_output", "reporting"]
    assert sorted(main["layers"]) == sorted(layers)
    boxes = set(main["modular_pipelines"]) - {"__root__"}
    assert len(boxes) == 8

    handler = functools.partial(Quiet, directory=tmp_path / "build")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = Page(width=1600, height=1000)
        site, drawn = f"http://127.0.0.1:{server.server_port}/index.html", "document.querySelector('.pipeline-node')"
        tutorial = (PROJECT / "docs/tutorial.md").read_text(encoding="utf-8")
        (query,) = re.findall(r"`http://127.0.0.1:4141/(\?\S+)`", tutorial)
        assert query.removeprefix("?") in (PROJECT / "Makefile").read_text(encoding="utf-8")
        try:
            # The address of the tutorial: the pipelines alone, from top to bottom as they run, large enough to read.
            page.open(site + query, ready=drawn)
            page.wait_for("document.querySelectorAll('.pipeline-node').length === 8")
            large = "(b => b.height > 25 && b.y > 0 && b.bottom < 1000)(e.getBoundingClientRect())"
            page.wait_for(f"[...document.querySelectorAll('.pipeline-node')].every(e => {large})")  # it zooms
            places = "[...document.querySelectorAll('.pipeline-node')].map(e => [e.textContent, {}])"
            box = "...(b => [b.y, b.height, b.x, b.width])(e.getBoundingClientRect())"
            opened = {name: numbers for name, *numbers in page.run(places.format(box))}
            order = ["idealized_ocean", "data_engineering", "regime_clustering", "modelling", "uncertainty"]
            order += ["scenario_tracking", "reporting"]
            assert set(opened) == boxes == {*order, "explainability"}
            assert [opened[name][0] for name in order] == sorted(opened[name][0] for name in order)
            for top, height, left, width in opened.values():
                assert height > 25 and 0 < top < 1000 - height and 0 < left < 1600 - width
            page.open(f"{site}?types=nodes,datasets", ready=drawn)
            named = "[...document.querySelectorAll('.pipeline-node--modularPipeline')].map(e => e.textContent)"
            assert set(page.run(named)) == boxes
            shown = page.run("[...document.querySelectorAll('.pipeline-layer-name')].map(e => e.textContent)")
            assert set(shown) <= set(layers) and len(shown) >= 7
            row = "[data-test='node-list-tree-item--row--{}']"
            page.run(f"document.querySelector(\"{row.format('modelling')}\").closest('.MuiTreeItem-content').click()")
            page.wait_for(
                "[...document.querySelectorAll('.pipeline-node--task')].some(e => e.textContent === 'train_ensemble')"
            )
            for dataset, preview in {
                "modelling_skill": "img",
                "regime_areas": "table",
                "skill_metrics": "[class*=json]",
            }.items():
                page.run(f'document.querySelector("{row.format(dataset)}").click()')
                title = "document.querySelector('.pipeline-metadata__title')?.textContent"
                page.wait_for(f"{title} === '{dataset}'")
                page.wait_for(f"document.querySelector('.pipeline-metadata').querySelector({preview!r})")
            # the site looks for fonts of the web and for a list of packages that builds do not have, and does without
            page.errors = [e for e in page.errors if "load resource" not in e and "metadata fetch" not in e]
            assert page.errors == []
        finally:
            page.close()
            server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_mlflow_has_a_run_with_every_network_below_it(run):
    from thor.app.mlflow_store import open_store

    root, _ = run
    client, experiment = open_store(root / "mlflow" / "mlflow.db")
    found = client.search_runs([experiment], max_results=500)
    (parent,) = (r for r in found if "mlflow.parentRunId" not in r.data.tags)
    assert parent.info.status == "FINISHED"
    assert parent.data.params["modelling.training.n_networks"] == "4"
    names = sorted(r.info.run_name for r in found if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id)
    scored = [f"bayesian {k}" for k in range(2)] + [f"ensemble {k}" for k in range(4)]
    networks = [*scored, *(f"final_{name.replace('bayesian', 'bayesian_network')}" for name in scored)]
    assert names == sorted([*networks, "gradient_boosting 0", "laplace 0", "majority 0", "stress_curl_tree 0"])
    figures = {artifact.path for artifact in client.list_artifacts(parent.info.run_id, "figures")}
    assert parent.data.tags["git"]
    settings = {r.info.run_name: r.data.params for r in found}
    assert (settings["ensemble 3"]["batch_size"], settings["ensemble 3"]["epochs"]) == ("64", "30")
    assert settings["bayesian 1"]["estimator"] == "local_reparametrisation"
    assert settings["laplace 0"]["structure"] == "full"
    assert {"figures/modelling_skill.png", "figures/scenario_tracking_change.png"} <= figures
    tables = {artifact.path for artifact in client.list_artifacts(parent.info.run_id, "tables")}
    assert {"tables/regime_areas.csv", "tables/tracking_metrics.json", "tables/skill_metrics.json"} <= tables
    logged = parent.data.metrics
    assert 20 <= len(logged) <= 40
    assert 0 < logged["skill_metrics.ensemble.test.accuracy"] <= 1
    assert logged["tracking_metrics.agreement.abrupt-4xCO2.average.mean_change_probability"] > 0
    one = {r.info.run_name: r.info.run_id for r in found}
    for name, kept in {
        "ensemble 3": {"reliability.png", "network"},
        "bayesian 1": {"reliability.png", "network"},
        "laplace 0": {"reliability.png", "network"},
        "final_ensemble 3": {"network"},
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
def test_climate_models_are_unchanged_by_the_archive(run, model, convention, correlation):
    """The curl read from published stress on any points is that which drove the ocean, in every window and run."""
    root, _ = run
    files = sorted((root / "04_feature" / "scenario_features" / model).rglob("*.nc"))
    files = [file for file in files if not is_at_level(file.parts[-2])]
    assert len(files) == 6
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


def test_scenarios_name_their_baseline(run):
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


def test_every_run_is_tracked_through_its_windows(run):
    root, _ = run
    features, tracked = (root / "04_feature/scenario_features", root / "07_model_output/scenario_regimes")
    keys = {path.relative_to(features) for path in features.rglob("*.nc")}
    assert keys == {path.relative_to(tracked) for path in tracked.rglob("*.nc")} and len(keys) == 22
    metrics = json.loads((root / "08_reporting/tracking_metrics.json").read_text())
    areas = pd.read_csv(root / "08_reporting/regime_areas.csv", keep_default_na=False)
    transitions = pd.read_csv(root / "08_reporting/regime_transitions.csv")
    for key in keys:
        fields = xr.open_dataset(tracked / key)
        name = str(key.with_suffix(""))
        entries = metrics["runs"][name]
        assert list(entries) == [str(label) for label in fields["window"].values]
        valid = fields["valid"].values == 1
        for place, (label, entry) in enumerate(entries.items()):
            assert entry["n_months"] == 24 and entry["n_cells"] == valid.sum()
            for predictor in ("average", "bayesian"):
                total = sum(area["expected_m2"] for area in entry[predictor]["regime_area"].values())
                assert total == pytest.approx(entry["area_m2"], rel=1e-5)
                rows = areas[(areas["window"] == label) & (areas["predictor"] == predictor)]
                rows = rows[rows["basin"] == "global"]
                rows = rows[rows["source_id"] + "/" + rows["experiment_id"] + "/" + rows["variant_label"] == name]
                assert rows["expected_area_m2"].astype(float).sum() == pytest.approx(entry["area_m2"], rel=1e-5)
                change = fields["change_probability"].sel(predictor=predictor).isel(window=place).values
                assert np.isfinite(change[valid]).all() == ("change" in entry[predictor])
        if "piControl" in name:
            assert set(metrics["control"][name]) == {"average", "bayesian", "average_transport"}
    moved = transitions.query("source_id == 'IDEAL-REG' and experiment_id == 'abrupt-4xCO2'")
    moved = moved[moved["predictor"] == "average"]
    last = moved[moved["window_start"] == moved["window_start"].max()]
    after = metrics["runs"]["IDEAL-REG/abrupt-4xCO2/r1i1p1f1"][last["window"].iloc[0]]["average"]["regime_area"]
    for regime, rows in last.groupby("regime"):
        assert rows["area_m2"].sum() == pytest.approx(after[regime]["expected_m2"], rel=1e-4)


def test_runs_with_transports_are_tracked_with_them_too_and_compared_with_the_surface(run):
    root, _ = run
    tracked = root / "07_model_output/input_set_regimes"
    keys = {str(path.relative_to(tracked).with_suffix("")) for path in tracked.rglob("*.nc")}
    expected = {
        f"IDEAL-{model}/{name}/r1i1p1f1" for model in ("REG", "POLE", "LAND") for name in ("piControl", "abrupt-4xCO2")
    }
    assert {key for key in keys if "-gwl" not in key} == expected  # and runs of warming levels made from them
    metrics = json.loads((root / "08_reporting/tracking_metrics.json").read_text())
    assert set(metrics["disagreement"]) == keys
    areas = pd.read_csv(root / "08_reporting/regime_areas.csv")
    for key in keys:
        fields = xr.open_dataset(tracked / f"{key}.nc")
        assert list(fields["predictor"].values) == ["average_transport"]
        assert {"average", "bayesian", "average_transport"} == set(metrics["summary"][key])
        assert metrics["runs"][key].keys() == metrics["disagreement"][key].keys()
        for entry in metrics["disagreement"][key].values():
            numbers = entry["average_transport"]
            assert 0 < numbers["different_share"] < 1 and numbers["n_cells"] <= (fields["valid"] == 1).sum()
            assert sum(numbers["right"].values()) == pytest.approx(1)
    rows = areas[areas["predictor"] == "average_transport"]
    assert set(rows["source_id"] + "/" + rows["experiment_id"] + "/" + rows["variant_label"]) == keys
    for predictors in metrics["input_sets"].values():
        surface, with_transports = predictors["average"], predictors["average_transport"]
        assert surface["n_cells"] == with_transports["n_cells"]
        assert surface.get("base_rate") == with_transports.get("base_rate")
    summary = json.loads((root / "08_reporting/summary.json").read_text())
    assert len(summary["input_sets"]["runs"]) == len(keys)
    assert any("transport data" in line for line in summary["sentences"]["scenarios"])


def test_truth_is_known_in_every_run_of_the_idealized_archive(run):
    root, _ = run
    metrics = json.loads((root / "08_reporting/tracking_metrics.json").read_text())
    skill = metrics["perfect_model"]
    assert skill["without_truth"] == [] and set(skill["runs"]) == set(metrics["runs"])
    of_levels = {"abrupt-4xCO2-gwl1.5", "ssp585-gwl1.5"}
    assert set(skill["pooled"]) == {"piControl", "historical", "ssp585", "abrupt-4xCO2", *of_levels}
    entry = skill["pooled"]["abrupt-4xCO2"]["all"]["average"]
    assert {"predictor", "persistence", "predicted_persistence", "stress_curl_tree"} <= set(entry)
    assert 0.3 < entry["predictor"]["balanced_accuracy"] < 1
    assert 0 < entry["change"]["base_rate"] < 0.5
    assert sum(row["area"] for row in entry["change"]["reliability"]) == pytest.approx(entry["area_m2"])
    assert set(metrics["agreement"]) == {"historical", "ssp585", "abrupt-4xCO2", *of_levels}
    # the control runs are shorter than historical, whose last window has no baseline
    windows = {name: metrics["agreement"][name]["window"] for name in ("historical", "ssp585-gwl1.5")}
    assert windows == {"historical": "1856-1857", "ssp585-gwl1.5": "1.5 K"}
    assert metrics["agreement"]["abrupt-4xCO2"]["models"] == ["IDEAL-LAND", "IDEAL-POLE", "IDEAL-REG"]


def test_overturning_is_the_true_one_and_shared_among_regimes(run):
    """Lines of latitude are rows of the regular model; its transports are rounded in the archive."""
    file = "IDEAL-REG/abrupt-4xCO2/r1i1p1f1.nc"
    found, true, features = (
        xr.load_dataset(run[0] / folder / file)
        for folder in ("07_model_output/overturning", "01_raw/true_budgets", "04_feature/scenario_features")
    )
    whole = found["overturning"].sel(basin="global").transpose("window", "lev", "lat").values
    row = np.searchsorted(features["lat"].values, found["lat"].values) - 1
    inside = (row >= 0) & (row < features.sizes["lat"] - 1)
    expected = true["true_overturning"].sel(overturning_basin="global").transpose("window", "level_edge", "row")
    expected = expected.values[:, 1:, row[inside]]
    assert np.abs(expected).max() > 20
    np.testing.assert_allclose(whole[..., inside], expected, atol=1e-3 * np.abs(expected).max())
    parts = found["overturning_by_regime"].sum("regime", skipna=False).sel(basin="global")
    np.testing.assert_allclose(parts.transpose("window", "lev", "lat"), whole, atol=1e-4)
    assert (found["amoc_change"] < 0).all()


def test_overturning_in_density_classes_has_the_net_transport_of_the_levels(run):
    """Of the model that publishes temperature and salinity, in the windows of the overturning in depth."""
    files = {
        name: sorted((run[0] / "07_model_output" / name).rglob("*.nc"))
        for name in ("overturning", "overturning_sigma2")
    }
    assert (
        {path.parts[-3] for path in files["overturning_sigma2"]}
        == {"IDEAL-REG"}
        < {path.parts[-3] for path in files["overturning"]}
    )
    metrics = json.loads((run[0] / "08_reporting/tracking_metrics.json").read_text())
    for path in files["overturning_sigma2"]:
        found = xr.load_dataset(path)
        in_depth = xr.load_dataset(Path(str(path).replace("overturning_sigma2", "overturning")))
        np.testing.assert_array_equal(found["window"], in_depth["window"])
        windows = metrics["amoc_sigma2"]["/".join(path.with_suffix("").parts[-3:])].values()
        np.testing.assert_allclose([window["amoc_sv"] for window in windows], found["amoc"])
        for name in ("net_transport", "net_transport_by_regime"):
            np.testing.assert_allclose(found[name], in_depth[name], atol=2e-4)
        whole, parts = found["overturning"], found["overturning_by_regime"].sum("regime", skipna=False)
        np.testing.assert_allclose(parts.transpose(*whole.dims), whole, atol=2e-4)
        assert float(abs(whole.sel(basin="global")).max()) > 20 and (found["amoc_change"] < 0).any()
        assert found["sigma2"].attrs["units"] == "kg m-3" and found["amoc_level"].attrs["units"] == "kg m-3"


def test_a_finished_run_leaves_nothing_of_the_archive_to_read(run, monkeypatch):
    monkeypatch.setenv("THOR_TEST_ROOT", str(run[0]))
    configure_project("thor")
    result = CliRunner().invoke(archive, ["check", "--env", "test", "--headers-only"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    counts = re.findall(r"(\d+) of (\d+) (?:climatologies|windows)", result.output.splitlines()[-1])
    assert len(counts) == 3 and all(done == there != "0" for done, there in counts)
    assert result.output.endswith(" windows.\n")


def test_heat_of_regimes_is_that_of_the_climate_model_and_near_that_of_the_true_regimes(run):
    for file in ("IDEAL-REG/abrupt-4xCO2/r1i1p1f1.nc", "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1.nc"):
        found, means, true = (
            xr.load_dataset(run[0] / folder / file)
            for folder in (
                "07_model_output/regime_properties",
                "02_intermediate/climatologies",
                "05_model_input/true_regimes",
            )
        )
        heat = means["hfds"] * means["areacello"] * means["sftof"] / 100 / 1e15
        grid = heat.dims[1:]
        of_regimes = found["heat_uptake"].sel(basin="global")
        np.testing.assert_allclose(of_regimes.sum("regime"), heat.sum(grid), rtol=1e-5)
        # the deep sea lags behind: in control runs the ocean mean is zero
        np.testing.assert_allclose(
            found["heat_uptake_change"].sel(basin="global").sum("regime"), heat.sum(grid), atol=2e-3
        )
        codes = true["true_regime"].attrs
        names = dict(zip(codes["flag_meanings"].split(), codes["flag_values"], strict=True))
        truth = [heat.where(true["true_regime"] == code).sum(grid) for code in names.values()]
        pair = np.corrcoef(
            np.ravel(truth), of_regimes.sel(regime=list(names)).transpose("regime", "window").values.ravel()
        )
        assert pair[0, 1] > 0.8


def test_changes_are_explained_by_what_can_change(run):
    root, _ = run
    table = pd.read_csv(root / "07_model_output/change_attribution.csv")
    assert set(table["predictor"]) == {"average", "bayesian"} and "piControl" not in set(table["experiment_id"])
    fixed = table["feature"].str.startswith("deptho") | (table["feature"] == "coriolis_parameter")
    assert (table.loc[fixed, "can_change"] == 0).all() and (table.loc[fixed, "attribution"] == 0).all()
    by = ["source_id", "experiment_id", "variant_label", "predictor", "regime_before", "regime"]
    for _, rows in table.groupby(by):
        assert len(rows) == 13
        whole = rows["explained_change"].iloc[0]
        assert rows["attribution"].sum() == pytest.approx(whole, rel=1e-3, abs=1e-3)
        # the regime after gained on the one before
        assert rows["n_cells"].iloc[0] < 3 or whole > 0


def test_metrics_hold_the_required_keys(run):
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


@pytest.fixture(scope="module")
def on_cluster(tmp_path_factory):
    """A second run from nothing: its data, output and address of the scheduler, whose two workers are processes."""
    root = tmp_path_factory.mktemp("on_cluster")
    (root / "cluster").mkdir()
    cluster = Cluster(root / "cluster")
    try:
        for _ in range(2):
            cluster.worker()
        wait_until(lambda: n_workers_of(cluster.address) == 2)
        result = kedro(root / "data", "run", "--env", "test", DASK_SCHEDULER_ADDRESS=cluster.address)
    finally:
        cluster.close()
    assert result.returncode == 0, result.stdout + result.stderr
    return root / "data", result.stdout, cluster.address


def test_two_workers_of_a_cluster_are_used(on_cluster):
    _, out, address = on_cluster
    assert f"{address} has 2 workers with 2 threads" in out
    assert "scenario_regimes: 22 files written" in out


def test_the_same_seed_gives_the_same_files_on_threads_and_on_a_cluster(run, on_cluster):
    """All but the manifest, which holds times, and its section of the report."""
    first, second = files(run[0]), files(on_cluster[0])
    assert first.keys() == second.keys()
    differing = {str(name) for name in first if first[name] != second[name]}
    assert differing <= {"08_reporting/manifest.json", "08_reporting/report.html"}
    pages = [made[Path("08_reporting/report.html")] for made in (first, second)]
    sections = [re.search(rb'<section id="manifest">.*?</section>', page, re.S).group() for page in pages]
    assert b"SHA-256" in sections[0]
    assert pages[0].replace(sections[0], b"") == pages[1].replace(sections[1], b"")
    prints = [json.loads(made[Path("08_reporting/manifest.json")])["datasets"] for made in (first, second)]
    assert {n: e["sha256"] for n, e in prints[0].items()} == {n: e["sha256"] for n, e in prints[1].items()}
