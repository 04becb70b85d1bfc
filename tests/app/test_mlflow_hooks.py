"""Hooks log parameters, networks, curves, scores and the end of a run in MLflow, whose failures stop no run."""

import errno
import json
import logging
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from kedro.io import DataCatalog

from thor.app.mlflow_hooks import PENDING, MlflowHooks
from thor.app.mlflow_record import KeptRun, flattened, numbers
from thor.app.mlflow_store import close_dead_runs, open_store
from thor.core.errors import ConfigError
from thor.core.variables import FEATURES
from thor.datasets import MetricsDataset, NetworkDataset, TableDataset
from thor.datasets.reports import FigureDataset
from thor.networks.settings import TrainingSettings
from thor.networks.stack import NetworkStack
from thor.networks.training import initial_stack

N_NETWORKS, N_EPOCHS = 50, 60
NODE = SimpleNamespace(tags={"modelling"})
PIPELINE = SimpleNamespace(nodes=[NODE])
PNG = b"\x89PNG and more"
PARAMETERS = {"modelling": {"training": {"hidden": [24, 24], "epochs": 60}}, "regime_clustering": {"seed": 1}}


def tables(n_networks=N_NETWORKS, n_epochs=N_EPOCHS):
    network, epoch = (grid.ravel() for grid in np.meshgrid(np.arange(n_networks), np.arange(n_epochs), indexing="ij"))
    history = pd.DataFrame({"predictor": "ensemble", "network": network, "epoch": epoch, "loss": 1 / (1 + epoch)})
    history["select_loss"] = history["loss"] + 0.1
    history["select_accuracy"] = 0.8
    history["n_inputs"] = 8 - history["network"] % 2
    metrics = pd.DataFrame(
        {
            "predictor": "ensemble",
            "network": np.arange(n_networks),
            "best_epoch": 40,
            "test.accuracy": 0.8 + 0.001 * np.arange(n_networks),
            "settings": "trained",
        }
    )
    reliability = pd.DataFrame(
        {"predictor": "ensemble", "network": np.repeat(np.arange(n_networks), 4), "region": "test", "n_cells": 10}
    )
    reliability["confidence"] = np.tile([0.3, 0.5, 0.7, 0.9], n_networks)
    reliability["accuracy"] = reliability["confidence"] - 0.1
    return {"training_history": history, "network_metrics": metrics, "network_reliability": reliability}


def made_hooks(place):
    hooks = MlflowHooks()
    loader = {"globals": {"mlflow_store": "mlflow.db", "data_root": "data"}, "parameters": PARAMETERS}
    hooks.after_context_created(SimpleNamespace(config_loader=loader, project_path=place))
    return hooks


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A store without runs, to be copied: MLflow takes seconds to make its tables."""
    store = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_store(store)
    return store


@pytest.fixture
def hooks(tmp_path, empty_store):
    shutil.copy(empty_store, tmp_path)
    return made_hooks(tmp_path)


def made_catalog(place):
    files = place / "data"
    names = ("training_history", "network_metrics", "network_reliability", "regime_areas")
    return DataCatalog(
        {name: TableDataset(filepath=str(files / f"{name}.csv")) for name in names}
        | {name: MetricsDataset(filepath=str(files / f"{name}.json")) for name in ("skill_metrics", "tracking_metrics")}
        | {
            "ensemble": NetworkDataset(filepath=str(files / "ensemble")),
            "final_ensemble": NetworkDataset(filepath=str(files / "final_ensemble")),
            "modelling_skill": FigureDataset(filepath=str(files / "modelling_skill.png")),
        }
    )


def begin(hooks, pipeline=PIPELINE):
    catalog = made_catalog(hooks.project)
    hooks.before_pipeline_run({"env": "test", "pipeline_names": ["modelling"]}, pipeline, catalog=catalog)
    return hooks.run and hooks.run.run_id


def save(hooks, datasets):
    """Save as Kedro does, with the hook after each."""
    for name, value in datasets.items():
        hooks.catalog.save(name, value)
        hooks.after_dataset_saved(name, value, NODE)


def runs(tmp_path):
    client, experiment = open_store(tmp_path / "mlflow.db")
    return client, client.search_runs([experiment], max_results=200)


def test_final_networks_are_nested_runs_with_settings_and_weights(hooks, tmp_path):
    parent = begin(hooks)
    stack = initial_stack(FEATURES, ("A", "B"), TrainingSettings(n_networks=3), seed=0)
    save(hooks, {"final_ensemble": stack})
    hooks.after_pipeline_run()
    nested = [run for run in runs(tmp_path)[1] if run.data.tags.get("mlflow.parentRunId") == parent]
    assert sorted(run.info.run_name for run in nested) == [f"final_ensemble {network}" for network in range(3)]
    for run in nested:
        assert run.info.status == "FINISHED"
        assert run.data.params["hidden"] == "[24, 24]"
        artifacts = Path(url2pathname(urlparse(run.info.artifact_uri).path))
        one = NetworkStack.load(artifacts / "network").kernels[0]
        np.testing.assert_array_equal(one, stack.kernels[0][[int(run.data.tags["network"])]])


def test_fifty_networks_are_nested_runs_with_learning_curves(hooks, tmp_path):
    parent = begin(hooks)
    stack = initial_stack(FEATURES, ("A", "B"), TrainingSettings(n_networks=N_NETWORKS), seed=0)
    started = time.process_time()
    save(hooks, {"ensemble": stack} | tables())
    spent = time.process_time() - started
    save(hooks, {"skill_metrics": {"ensemble": {"test": {"accuracy": 0.85, "note": "text"}}}})
    hooks.after_pipeline_run()
    client, found = runs(tmp_path)
    nested = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent]
    assert len(nested) == N_NETWORKS
    one = next(run for run in nested if run.info.run_name == "ensemble 7")
    assert one.data.metrics["test.accuracy"] == pytest.approx(0.807)
    assert one.data.params["settings"] == "trained"
    assert one.data.params["n_inputs"] == "7"
    assert not any("n_inputs" in name for name in one.data.metrics)
    assert one.data.params["hidden"] == "[24, 24]"
    assert one.data.params["epochs"] == "60"
    curve = client.get_metric_history(one.info.run_id, "curve.loss")
    assert [point.value for point in sorted(curve, key=lambda point: point.step)] == pytest.approx(
        [1 / (1 + epoch) for epoch in range(N_EPOCHS)]
    )
    artifacts = Path(url2pathname(urlparse(one.info.artifact_uri).path))
    assert (artifacts / "reliability.png").read_bytes().startswith(b"\x89PNG")
    weights = NetworkStack.load(artifacts / "network")
    np.testing.assert_array_equal(weights.kernels[0], stack.kernels[0][[7]])
    whole = client.get_run(parent)
    assert whole.info.status == "FINISHED"
    assert whole.data.params["modelling.training.hidden"] == "[24, 24]"
    assert "regime_clustering.seed" not in whole.data.params
    assert whole.data.metrics["skill_metrics.ensemble.test.accuracy"] == 0.85
    assert whole.data.tags["version.numpy"] == np.__version__
    assert whole.data.tags["git"]
    assert spent < 15


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_run_that_dies_is_marked_as_failed(hooks, tmp_path, error):
    begin(hooks)
    hooks.close(error)
    (run,) = runs(tmp_path)[1]
    assert run.info.status == "FAILED"
    assert type(error).__name__ in run.data.tags["error"]
    hooks.close()  # closing again, as after the hook of Kedro, changes nothing
    assert runs(tmp_path)[1][0].info.status == "FAILED"


def test_a_run_left_open_by_a_killed_process_is_swept_up_at_the_next_start(hooks, tmp_path):
    left = begin(hooks)
    client, experiment = open_store(tmp_path / "mlflow.db")
    close_dead_runs(client, experiment)
    # it has the number of this process, which has no other run: an open run was left by an earlier process
    assert client.get_run(left).info.status == "FAILED"
    alive = begin(hooks)
    client.set_tag(alive, "process", str(os.getppid()))
    close_dead_runs(client, experiment)
    assert client.get_run(alive).info.status == "RUNNING"


def test_given_networks_are_not_logged_as_trained(hooks, tmp_path):
    parent = begin(hooks)
    given = tables(2, 2)
    given["training_history"] = given["training_history"][:0]
    save(hooks, given)
    nested = [run for run in runs(tmp_path)[1] if run.data.tags.get("mlflow.parentRunId") == parent]
    assert [run.data.params for run in nested] == [{"settings": "trained"}] * 2


def test_pipelines_that_train_nothing_and_no_store_leave_no_run(tmp_path):
    hooks = made_hooks(tmp_path)
    assert begin(hooks, SimpleNamespace(nodes=[SimpleNamespace(tags={"data_engineering"})])) is None
    assert not (tmp_path / "mlflow.db").exists()
    hooks.store = None
    assert begin(hooks) is None
    save(hooks, tables(2, 2))
    hooks.after_pipeline_run()
    assert not (tmp_path / "mlflow.db").exists()


@contextmanager
def ordinary_user():
    """Become a user without the rights of root, so that permissions apply."""
    if os.getuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(os.getuid())


@pytest.mark.parametrize("spoil", ["folder", "store", "artifacts"])
def test_a_store_that_cannot_be_written_fails_before_training(hooks, spoil):
    # not in tmp_path, whose parents only its owner may enter
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        hooks.store = folder / "mlflow.db"
        begin(hooks)
        hooks.close()
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777)
        {"folder": folder, "store": hooks.store, "artifacts": folder / "mlartifacts"}[spoil].chmod(0o555)
        with ordinary_user(), pytest.raises(ConfigError, match="cannot be written.*Nothing was trained.*mlflow_store"):
            begin(hooks)
        assert hooks.run is None
        folder.chmod(0o777)


def test_a_missing_folder_is_made(hooks, tmp_path):
    hooks.store = tmp_path / "new" / "one" / "mlflow.db"
    assert begin(hooks) is not None
    assert hooks.store.is_file()


def test_a_store_in_the_place_of_a_file_fails_before_training(hooks, tmp_path):
    (tmp_path / "file").write_text("")
    hooks.store = tmp_path / "file" / "mlflow.db"
    with pytest.raises(ConfigError, match="cannot be written.*Nothing was trained"):
        begin(hooks)
    (tmp_path / "text.db").write_text("no database, but long enough for its header")
    hooks.store = tmp_path / "text.db"
    with pytest.raises(ConfigError, match="cannot be written"):
        begin(hooks)


def test_parameters_are_flat_and_numbers_finite():
    assert dict(flattened({"a": {"b": 1, "c": {}}, "d": [1, 2]})) == {"a.b": "1", "a.c": "{}", "d": "[1, 2]"}
    tree = {"a": {"x": 1, "y": float("nan"), "z": "text"}, "b": True, "c": np.float64(2)}
    assert dict(numbers(tree, prefix="m")) == {"m.a.x": 1.0, "m.c": 2.0}


def test_headlines_are_logged_as_numbers_and_the_rest_as_a_file(hooks, tmp_path):
    """A collection, whose description has no file, is not logged."""
    run = begin(hooks)
    agreement = {"1pctCO2": {"average": {"mean_change_probability": 0.1, "area_m2": 1.0, "window": "1850-1869"}}}
    metrics = {"summary": {"A/b/r1": {"x": 1.0}}, "agreement": agreement}
    save(hooks, {"tracking_metrics": metrics})
    hooks.catalog["scenario_regimes"] = SimpleNamespace(_describe=lambda: {"path": str(tmp_path)})
    hooks.after_dataset_saved("scenario_regimes", {}, NODE)
    hooks.after_pipeline_run()
    client, _ = runs(tmp_path)
    assert client.get_run(run).data.metrics == {
        "tracking_metrics.agreement.1pctCO2.average.mean_change_probability": 0.1
    }
    assert [artifact.path for artifact in client.list_artifacts(run)] == ["tables"]


def test_the_experiment_opens_on_its_runs(hooks, tmp_path):
    begin(hooks)
    client, experiment = open_store(tmp_path / "mlflow.db")
    kind = {"mlflow.experimentKind": "custom_model_development"}
    assert client.get_experiment(experiment).tags.items() >= kind.items()
    client.delete_experiment_tag(experiment, "mlflow.experimentKind")  # a store of an earlier version
    client, experiment = open_store(tmp_path / "mlflow.db")
    assert client.get_experiment(experiment).tags.items() >= kind.items()


def test_datasets_of_other_pipelines_are_not_kept(hooks, tmp_path):
    run = begin(hooks)
    hooks.catalog.save("modelling_skill", PNG)
    hooks.after_dataset_saved("modelling_skill", PNG, SimpleNamespace(tags={"data_engineering"}))
    hooks.after_pipeline_run()
    assert runs(tmp_path)[0].list_artifacts(run) == []


# -- a store that fails during a run -----------------------------------------------------------------------------------
def remove_store(hooks):
    hooks.store.unlink()


def swap_store(hooks):
    hooks.store.unlink()
    open_store(hooks.store)


def fill_disk(hooks):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    hooks.run.client.log_artifacts = full


def overwrite_store(hooks):
    hooks.store.write_bytes(b"not a database " * 1000)


@pytest.mark.parametrize("fail", [remove_store, swap_store, fill_disk, overwrite_store])
def test_a_failing_store_stops_no_run_and_is_completed_at_the_next_start(tmp_path, caplog, fail):
    """All datasets are saved, with one warning, and the next start logs the run from its files."""
    stack = initial_stack(FEATURES, ("A", "B"), TrainingSettings(n_networks=2), seed=0)
    outputs = {"ensemble": stack} | tables(2, 3) | {"skill_metrics": {"ensemble": {"test": {"accuracy": 0.85}}}}
    outputs |= {"modelling_skill": PNG, "regime_areas": pd.DataFrame({"area": [1.0]})}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for place in (whole, broken):
        place.mkdir()
        hooks = made_hooks(place)
        started = begin(hooks)
        if place == broken:
            fail(hooks)
        with caplog.at_level(logging.WARNING, logger="thor"):
            save(hooks, outputs)
            hooks.after_pipeline_run()
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "Results are not affected" in warnings[0]
    (pending,) = (broken / "data/logs" / PENDING).glob("*.json")
    assert json.loads(pending.read_text())["status"] == "FINISHED"
    if fail is overwrite_store:  # the user has to move the file, as the error before training states
        with pytest.raises(ConfigError, match="not a database"):
            begin(made_hooks(broken))
        (broken / "mlflow.db").rename(broken / "damaged.db")

    again = made_hooks(broken)
    second = begin(again)
    again.after_pipeline_run()
    assert not pending.exists()
    client, found = runs(broken)
    found = [run for run in found if run.info.run_id != second]
    assert {run.info.status for run in found} == {"FINISHED"}
    assert started not in {run.info.run_id for run in found}  # what the store had of it is replaced

    def content(client, found):
        return {
            run.info.run_name: (
                run.data.params,
                run.data.metrics,
                sorted(artifact.path for artifact in client.list_artifacts(run.info.run_id)),
            )
            for run in found
        }

    assert content(client, found) == content(*runs(whole))
    late = next(run for run in found if run.info.run_name == "modelling")
    assert "logged_later" in late.data.tags
    assert "not_logged" not in late.data.tags


def test_overwritten_files_of_a_run_logged_later_are_named(hooks, tmp_path):
    """The run was also killed, so its file is incomplete."""
    begin(hooks)
    fill_disk(hooks)
    stack = initial_stack(FEATURES, ("A", "B"), TrainingSettings(n_networks=2), seed=0)
    save(hooks, {"ensemble": stack, "regime_areas": pd.DataFrame({"area": [1.0]}), "modelling_skill": PNG})
    hooks.catalog.save("regime_areas", pd.DataFrame({"area": [2.0]}))
    (tmp_path / "data/modelling_skill.png").unlink()
    again = made_hooks(tmp_path)
    second = begin(again)
    (late,) = (run for run in runs(tmp_path)[1] if run.info.run_id != second)
    assert late.info.status == "FAILED"
    assert late.data.tags["error"] == "killed"
    assert late.data.tags["not_logged"] == "overwritten since: regime_areas, modelling_skill"
    assert [artifact.path for artifact in runs(tmp_path)[0].list_artifacts(late.info.run_id)] == ["networks"]


def test_a_run_that_ends_well_while_it_is_looked_at_is_logged_as_finished(hooks, tmp_path, monkeypatch):
    begin(hooks)
    fill_disk(hooks)
    save(hooks, {"ensemble": initial_stack(FEATURES, ("A", "B"), TrainingSettings(n_networks=2), seed=0)})

    def may_run(*_):
        hooks.after_pipeline_run()
        return False

    monkeypatch.setattr("thor.app.mlflow_hooks.may_run", may_run)
    second = begin(made_hooks(tmp_path))
    (late,) = (run for run in runs(tmp_path)[1] if run.info.run_id != second)
    assert (late.info.status, late.data.tags.get("error")) == ("FINISHED", None)
    assert "logged_later" in late.data.tags


def test_a_run_that_starts_elsewhere_does_not_close_one_that_is_logged_later(hooks, tmp_path, monkeypatch):
    begin(hooks)
    fill_disk(hooks)
    save(hooks, {"ensemble": initial_stack(FEATURES, ("A", "B"), TrainingSettings(n_networks=2), seed=0)})
    hooks.after_pipeline_run()
    (pending,) = (tmp_path / "data/logs" / PENDING).glob("*.json")
    about = json.loads(pending.read_text())
    about["tags"]["process"] = "of old"
    pending.write_text(json.dumps(about))
    monkeypatch.setattr("thor.app.mlflow_store.may_run", lambda _, process: process == str(os.getpid()))
    keep = KeptRun.keep

    def keep_while_another_starts(run, *arguments):
        close_dead_runs(*open_store(hooks.store))
        keep(run, *arguments)

    monkeypatch.setattr(KeptRun, "keep", keep_while_another_starts)
    second = begin(made_hooks(tmp_path))
    (late,) = (run for run in runs(tmp_path)[1] if run.info.run_id != second)
    assert (late.info.status, late.data.tags.get("error")) == ("FINISHED", None)
    assert late.data.tags["process"] == "of old"


def test_a_run_that_cannot_be_logged_later_either_does_not_stop_the_next_one(hooks, tmp_path, caplog):
    pending = tmp_path / "data/logs" / PENDING / "1-1.json"
    pending.parent.mkdir(parents=True)
    pending.write_text("{")
    with caplog.at_level(logging.WARNING, logger="thor"):
        run = begin(hooks)
        save(hooks, {"skill_metrics": {"ensemble": {"test": {"accuracy": 0.85}}}})
        hooks.after_pipeline_run()
    assert f"{pending} could not be logged" in caplog.text
    assert pending.exists()
    assert runs(tmp_path)[0].get_run(run).data.metrics == {"skill_metrics.ensemble.test.accuracy": 0.85}


@pytest.mark.parametrize("held", [True, False])
def test_a_lock_that_cannot_be_had_leaves_earlier_runs_for_later(hooks, tmp_path, caplog, monkeypatch, held):
    monkeypatch.setattr("thor.app.mlflow_hooks.PATIENCE_S", 0, raising=False)
    pending = tmp_path / "data/logs" / PENDING / "1-1.json"
    pending.parent.mkdir(parents=True)
    pending.write_text("{")
    lock = pending.with_name(".lock")
    if not held:
        lock.mkdir()
    with FileLock(lock) if held else nullcontext(), caplog.at_level(logging.WARNING, logger="thor"):
        assert begin(hooks)
    assert f"{pending.parent}/ are logged at another start: " in caplog.text
    assert pending.read_text() == "{"


def test_a_run_continues_where_the_record_cannot_be_kept_for_later(hooks, tmp_path, caplog):
    begin(hooks)
    remove_store(hooks)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/logs").write_text("in the way")
    with caplog.at_level(logging.WARNING, logger="thor"):
        save(hooks, {"skill_metrics": {"ensemble": {"test": {"accuracy": 0.85}}}})
        hooks.after_pipeline_run()
    assert "cannot be logged later either" in caplog.text
    assert (tmp_path / "data/skill_metrics.json").is_file()
