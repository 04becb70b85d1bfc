"""MLflow is told everything by hooks: parameters, networks, learning curves, scores, and how a run ended."""

import os
import stat
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pandas as pd
import pytest

from thor.errors import ConfigError
from thor.mlflow_hooks import MlflowHooks, close_dead_runs, flattened, numbers, open_store
from thor.networks.settings import TrainingSettings
from thor.networks.stack import load_stack
from thor.networks.training import initial_stack
from thor.variables import FEATURES

N_NETWORKS, N_EPOCHS = 50, 60
PIPELINE = SimpleNamespace(nodes=[SimpleNamespace(tags={"modelling"})])
PARAMETERS = {"modelling": {"training": {"hidden": [24, 24], "epochs": 60}}, "regime_clustering": {"seed": 1}}


def tables(n_networks=N_NETWORKS, n_epochs=N_EPOCHS):
    network, epoch = (grid.ravel() for grid in np.meshgrid(np.arange(n_networks), np.arange(n_epochs), indexing="ij"))
    history = pd.DataFrame({"predictor": "ensemble", "network": network, "epoch": epoch, "loss": 1 / (1 + epoch)})
    history["select_loss"] = history["loss"] + 0.1
    history["select_accuracy"] = 0.8
    metrics = pd.DataFrame(
        {
            "predictor": "ensemble",
            "network": np.arange(n_networks),
            "best_epoch": 40,
            "test.accuracy": 0.8 + 0.001 * np.arange(n_networks),
            "hidden": "24 24",
        }
    )
    reliability = pd.DataFrame(
        {"predictor": "ensemble", "network": np.repeat(np.arange(n_networks), 4), "region": "test", "n_cells": 10}
    )
    reliability["confidence"] = np.tile([0.3, 0.5, 0.7, 0.9], n_networks)
    reliability["accuracy"] = reliability["confidence"] - 0.1
    return {"training_history": history, "network_metrics": metrics, "network_reliability": reliability}


@pytest.fixture
def hooks(tmp_path):
    hooks = MlflowHooks()
    loader = {"globals": {"mlflow_store": "mlflow.db"}, "parameters": PARAMETERS}
    hooks.after_context_created(SimpleNamespace(config_loader=loader, project_path=tmp_path))
    return hooks


def begin(hooks, pipeline=PIPELINE):
    hooks.before_pipeline_run({"env": "test", "pipeline_names": ["modelling"]}, pipeline, catalog={})
    return hooks.run_id


def runs(tmp_path):
    client, experiment = open_store(tmp_path / "mlflow.db")
    return client, client.search_runs([experiment], max_results=200)


def test_fifty_networks_are_nested_runs_with_learning_curves(hooks, tmp_path):
    parent = begin(hooks)
    stack = initial_stack(FEATURES, ("A", "B"), TrainingSettings(n_networks=N_NETWORKS), seed=0)
    started = time.process_time()
    hooks.after_node_run({"ensemble": stack})
    hooks.after_node_run(tables())
    spent = time.process_time() - started
    hooks.after_node_run({"skill_metrics": {"ensemble": {"test": {"accuracy": 0.85, "note": "text"}}}})
    hooks.after_pipeline_run()
    client, found = runs(tmp_path)
    nested = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent]
    assert len(nested) == N_NETWORKS
    one = next(run for run in nested if run.info.run_name == "ensemble 7")
    assert one.data.metrics["test.accuracy"] == pytest.approx(0.807)
    assert one.data.params["hidden"] == "24 24"
    curve = client.get_metric_history(one.info.run_id, "curve.loss")
    assert [point.value for point in sorted(curve, key=lambda point: point.step)] == pytest.approx(
        [1 / (1 + epoch) for epoch in range(N_EPOCHS)]
    )
    artifacts = Path(url2pathname(urlparse(one.info.artifact_uri).path))
    assert (artifacts / "reliability.png").read_bytes().startswith(b"\x89PNG")
    weights = load_stack(artifacts / "network")
    np.testing.assert_array_equal(weights.kernels[0], stack.kernels[0][[7]])
    whole = client.get_run(parent)
    assert whole.info.status == "FINISHED"
    assert whole.data.params["modelling.training.hidden"] == "[24, 24]"
    assert "regime_clustering.seed" not in whole.data.params
    assert whole.data.metrics["skill_metrics.ensemble.test.accuracy"] == 0.85
    assert whole.data.tags["version.numpy"] == np.__version__
    assert spent < 15


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_run_that_dies_is_marked_as_failed(hooks, tmp_path, error):
    begin(hooks)
    hooks.close(error)
    (run,) = runs(tmp_path)[1]
    assert run.info.status == "FAILED"
    assert type(error).__name__ in run.data.tags["error"]
    hooks.close()  # closing again, as after Kedro's own hook, changes nothing
    assert runs(tmp_path)[1][0].info.status == "FAILED"


def test_a_run_left_open_by_a_killed_process_is_swept_up_at_the_next_start(hooks, tmp_path):
    left = begin(hooks)
    client, experiment = open_store(tmp_path / "mlflow.db")
    close_dead_runs(client, experiment)
    # its number is our own, and we know nothing of another run of it: what is open was left by an earlier process
    assert client.get_run(left).info.status == "FAILED"
    alive = begin(hooks)
    client.set_tag(alive, "process", str(os.getppid()))
    close_dead_runs(client, experiment)
    assert client.get_run(alive).info.status == "RUNNING"


def test_pipelines_that_train_nothing_and_no_store_leave_no_run(hooks, tmp_path):
    assert begin(hooks, SimpleNamespace(nodes=[SimpleNamespace(tags={"data_engineering"})])) is None
    assert not (tmp_path / "mlflow.db").exists()
    hooks._store = None
    assert begin(hooks) is None
    hooks.after_node_run(tables(2, 2))
    hooks.after_pipeline_run()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_fails_before_training(hooks, tmp_path):
    tmp_path.chmod(stat.S_IREAD | stat.S_IEXEC)
    with pytest.raises(ConfigError, match="Nothing was trained"):
        begin(hooks)


def test_a_store_in_the_place_of_a_file_fails_before_training(hooks, tmp_path):
    (tmp_path / "file").write_text("")
    hooks._store = tmp_path / "file" / "mlflow.db"
    with pytest.raises(ConfigError, match="cannot be written.*Nothing was trained"):
        begin(hooks)
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked at as one")
    hooks._store = tmp_path / "text.db"
    with pytest.raises(ConfigError, match="cannot be written"):
        begin(hooks)


def test_parameters_are_flat_and_numbers_finite():
    assert dict(flattened({"a": {"b": 1, "c": {}}, "d": [1, 2]})) == {"a.b": "1", "a.c": "{}", "d": "[1, 2]"}
    tree = {"a": {"x": 1, "y": float("nan"), "z": "text"}, "b": True, "c": np.float64(2)}
    assert dict(numbers(tree, prefix="m")) == {"m.a.x": 1.0, "m.c": 2.0}


def test_of_the_tracking_the_summary_is_numbers_and_the_rest_a_file(hooks, tmp_path):
    """A collection, whose description has no file, is not taken for one."""
    file = tmp_path / "tracking_metrics.json"
    file.write_text("{}")
    catalog = {
        "tracking_metrics": SimpleNamespace(_describe=lambda: {"filepath": str(file)}),
        "scenario_regimes": SimpleNamespace(_describe=lambda: {"path": str(tmp_path)}),
    }
    node = SimpleNamespace(tags={"scenario_tracking"})
    hooks.before_pipeline_run({"env": "test"}, SimpleNamespace(nodes=[node]), catalog=catalog)
    run = hooks.run_id
    summary = {"A/b/r1": {"ensemble": {"changed_share": 0.1, "window": "1850-1869", "brier_skill": None}}}
    metrics = {"summary": summary, "control": {}, "agreement": {}, "runs": {"A/b/r1": {"x": 1.0}}}
    hooks.after_node_run({"tracking_metrics": metrics})
    for name in catalog:
        hooks.after_dataset_saved(name, node)
    hooks.after_pipeline_run()
    client, _ = runs(tmp_path)
    assert client.get_run(run).data.metrics == {"tracking_metrics.summary.A/b/r1.ensemble.changed_share": 0.1}
    assert [artifact.path for artifact in client.list_artifacts(run)] == ["tables"]
