"""Parts of the whole graph, tiny, as a user runs them: interrupted, on a cluster, handed over, with inputs missing."""

import json
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.core.test_compute import Cluster, n_workers_of
from tests.kedro_runs import files, kedro, started
from tests.metric_tables import find_metric, leaves
from tests.waiting import wait_until
from thor.core.metrics import metric_tables


@pytest.fixture(scope="module")
def run(whole_run):
    return whole_run


def test_interrupted_trainings_leave_the_earlier_networks_and_start_afresh(run, tmp_path):
    """Ctrl-C in the ensemble's training, a kill in the Bayesian network's: the next run gives the same files."""
    from thor.app.mlflow_store import open_store

    ensemble, bayesian = "train_ensemble", "train_bayesian_network"
    endless = "modelling.training.epochs=100000,uncertainty.bayesian.epochs=100000"
    for layer in ("03_primary", "04_feature", "05_model_input", "06_models", "08_reporting"):
        shutil.copytree(run[0] / layer, tmp_path / layer)
    before = files(tmp_path)

    def interrupt(node, log_line, number):
        process = started(tmp_path, "run", "--env", "test", "--nodes", node, "--params", endless)
        found = any(log_line in line for line in process.stdout)
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
        assert found, out + err
        assert files(tmp_path) == before, "the networks of the earlier run are still there, whole"
        return process.returncode, out + err

    code, text = interrupt(ensemble, "training 4 networks", signal.SIGINT)
    assert (code, "Interrupted in node 'modelling.train_ensemble'" in text) == (130, True), text
    code, text = interrupt(bayesian, "training the Bayesian network", signal.SIGKILL)
    assert code == -signal.SIGKILL, text
    made = {path: (tmp_path / path).stat().st_mtime_ns for path in before}
    result = kedro(tmp_path, "run", "--env", "test", "--nodes", f"{ensemble},{bayesian}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert files(tmp_path) == before
    written = {path for path in before if (tmp_path / path).stat().st_mtime_ns != made[path]}
    expected = {"ensemble/weights.npz", "training_history.csv", "bayesian_network/posterior.npz"}
    assert set(map(Path, expected)) < {path.relative_to(path.parts[0]) for path in written}
    client, experiment = open_store(tmp_path / "mlflow" / "mlflow.db")
    ended = client.search_runs([experiment], order_by=["attributes.start_time"])
    assert [entry.info.status for entry in ended] == ["FAILED", "FAILED", "FINISHED"]
    assert [entry.data.tags.get("error", "")[:17] for entry in ended] == ["KeyboardInterrupt", "killed", ""]


def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_the_earlier_networks(run, tmp_path):
    for layer in ("03_primary", "04_feature", "05_model_input", "06_models"):
        shutil.copytree(run[0] / layer, tmp_path / layer)
    before = files(tmp_path)
    parameters = "modelling.training.learning_rate=1.0e+38"
    result = kedro(tmp_path, "run", "--env", "test", "--nodes", "train_ensemble", "--params", parameters)
    assert result.returncode == 1
    text = " ".join((result.stdout + result.stderr).split())
    assert "of 4 networks is not finite in epoch 0 (counted from 0): network 0" in text
    assert "Lower the learning rate (1e+38)" in text
    assert files(tmp_path) == before


def test_a_killed_worker_of_a_cluster_changes_no_bit(run, tmp_path):
    """A real scheduler and two workers as separate processes; the address comes from the environment."""
    root, _ = run
    (tmp_path / "cluster").mkdir()
    copied = tmp_path / "data"
    shutil.copytree(root, copied, ignore=shutil.ignore_patterns("archive", "mlartifacts", "logs"))
    tracked = copied / "07_model_output/scenario_regimes"
    shutil.rmtree(tracked)
    cluster = Cluster(tmp_path / "cluster")
    ended = []

    def kill_in_the_middle(worker):
        wait_until(lambda: any(tracked.rglob("*.nc")), timeout=120)
        worker.kill()
        ended.append(len(list(tracked.rglob("*.nc"))))

    try:
        victim, _ = cluster.worker(), cluster.worker()
        wait_until(lambda: n_workers_of(cluster.address) == 2)
        threading.Thread(target=kill_in_the_middle, args=[victim], daemon=True).start()
        options = ["--env", "test", "--nodes", "track_regimes"]
        result = kedro(copied, "run", *options, DASK_SCHEDULER_ADDRESS=cluster.address)
    finally:
        cluster.close()
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{cluster.address} has 2 workers with 2 threads" in result.stdout
    assert "22 files written" in result.stdout
    assert ended and all(n_files < 22 for n_files in ended)
    before, after = files(root), files(copied)
    expected = {name: content for name, content in before.items() if "archive" not in name.parts}
    assert expected.keys() == after.keys()
    assert [str(name) for name in expected if expected[name] != after[name]] == []


def test_pipelines_on_request_run_when_they_are_named(run, tmp_path):
    for layer in ("01_raw", "04_feature", "05_model_input"):
        shutil.copytree(run[0] / layer, tmp_path / layer, ignore=shutil.ignore_patterns("archive", "true_budgets"))
    parameters = "cross_validation.training.n_networks=1,cross_validation.training.epochs=2"
    options = ["--pipelines", "network_search,cross_validation", "--params", parameters]
    result = kedro(tmp_path, "run", "--env", "test", *options)
    assert result.returncode == 0, result.stdout + result.stderr
    skill = json.loads((tmp_path / "08_reporting/cross_validation_metrics.json").read_text())
    for path, _ in leaves(skill):
        assert find_metric(path, metric_tables()["cross_validation_metrics"]), path
    groups = pd.read_csv(tmp_path / "07_model_output/feature_group_worth.csv")
    assert set(groups["predictor"]) == {"ensemble", "gradient_boosting", "average"}
    assert len(pd.read_csv(tmp_path / "07_model_output/search_trials.csv")) == 2


def test_a_pipeline_runs_alone_from_the_archive_that_another_team_handed_over(run, tmp_path):
    root, _ = run
    archive, there = tmp_path / "stage.tar", tmp_path / "there"
    packed = kedro(root, "stage", "pack", "data_engineering", "--env", "test", "--output", str(archive))
    assert packed.returncode == 0, packed.stdout + packed.stderr
    assert "Note" not in packed.stderr
    missing = kedro(there, "run", "--env", "test", "--pipeline", "regime_clustering")
    assert missing.returncode == 1
    message = " ".join(missing.stderr.split())
    assert "03_primary/vorticity_budget.nc does not exist" in message
    assert "Make it with `kedro run --env test --pipelines data_engineering`" in message
    unpacked = kedro(there, "stage", "unpack", str(archive), "--env", "test")
    assert unpacked.returncode == 0, unpacked.stdout + unpacked.stderr
    result = kedro(there, "run", "--env", "test", "--pipeline", "regime_clustering")
    assert result.returncode == 0, result.stdout
    assert "make_training_ocean" not in result.stdout
    before, after = files(root), files(there)
    assert "05_model_input/regimes.nc" in {str(path) for path in after}
    assert {path: before[path] for path in after} == after


def test_explanations_run_alone_with_players_in_groups_against_a_climate_model(run, tmp_path):
    root = shutil.copytree(run[0], tmp_path / "run")
    changed = {"shapley.groups": "physical", "shapley.method": "exact", "reference.source": "run"}
    changed |= {"reference.name": "IDEAL-REG/piControl/r1i1p1f1"}
    parameters = ",".join(f"explainability.{key}={value}" for key, value in changed.items())
    result = kedro(root, "run", "--env", "test", "--pipeline", "explainability", "--params", parameters)
    assert result.returncode == 0, result.stdout + result.stderr
    shapley = xr.open_dataset(root / "07_model_output" / "shapley_values.nc")
    assert list(shapley["feature"].values) == ["wind", "height", "bathymetry", "planetary", "geostrophic terms"]
    parts = shapley["attribution"].sum("feature", skipna=False) + shapley["expectation"]
    assert float(np.abs(parts - shapley["explained_target"]).max()) < 1e-4
    agreement = xr.open_dataset(root / "07_model_output" / "explanation_agreement.nc")
    assert np.isfinite(agreement["sign_agreement"].values).any()


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
def test_errors_are_short_and_no_file_is_incomplete(run, tmp_path, parameters, words):
    root = shutil.copytree(run[0], tmp_path / "run", ignore=shutil.ignore_patterns("archive", "mlartifacts", "logs"))
    before = files(root)
    result = kedro(root, "run", "--env", "test", "--params", parameters, "--pipelines", "regime_clustering")
    assert result.returncode == 1
    lines = (result.stdout + result.stderr).strip().splitlines()
    assert words in " ".join(lines)
    assert len(lines) <= 12
    assert files(root) == before


def test_published_labels_on_ecco(tmp_path, data_mirror):
    """The ecco environment end to end with few runs: published labels, dropped ones counted."""
    few = {"runs.n_runs": 1, "runs.n_consensus": 2, "runs.n_breaths": 2, "n_bootstrap": 20, "labels": "published"}
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
