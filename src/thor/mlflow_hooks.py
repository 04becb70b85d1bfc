"""MLflow: one run for each `kedro run` with networks, one nested run for each of these; nodes know nothing of it."""

import logging
import os
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from thor.errors import ConfigError
from thor.figures.uncertainty import network_reliability
from thor.run_log import git_state, package_versions

log = logging.getLogger("thor")

TRACKED: dict[str, dict[str, str]] = {
    "network_metrics": {"history": "training_history", "reliability": "network_reliability"},
    "bayesian_network_metrics": {
        "history": "bayesian_training_history",
        "reliability": "bayesian_network_reliability",
    },
    "search_trials": {},
}
"""Tables with a row for each network, and those that go with them; all have the columns predictor and network."""

NETWORKS = {"ensemble": "ensemble", "bayesian_network": "bayesian", "laplace_network": "laplace"}
"""Datasets of networks, and their predictor in the tables."""

METRICS = (
    "skill_metrics",
    "bayesian_skill_metrics",
    "calibration_metrics",
    "cross_validation_metrics",
    "explanation_metrics",
    "tracking_metrics",
)
PARTS = {"tracking_metrics": ("summary", "control", "agreement")}
"""Of these metrics only what is named is kept as numbers: the whole has tens of thousands, and goes as a file."""

TABLES = ("tracking_metrics", "regime_areas", "regime_transitions", "change_attribution")
"""Datasets whose file is kept."""

PIPELINES = ("modelling", "uncertainty", "network_search", "cross_validation", "explainability", "scenario_tracking")

EXPERIMENT = "thor"
_BATCH = {"metrics": 1000, "params": 100}
_LONGEST_PARAMETER = 500


class MlflowHooks:
    """Keeps what is trained in an SQLite store, `mlflow_store` of globals.yml; null there: nothing is kept.

    Attributes
    ----------
    run_id : str or None
        The open run.
    """

    def __init__(self) -> None:
        self._context: Any = None
        self._store: Path | None = None
        self._client: Any = None
        self._catalog: Any = None
        self._tables: dict[str, Any] = {}
        self._networks: dict[str, Any] = {}
        self.run_id: str | None = None

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember where the store is."""
        self._context = context
        place = context.config_loader["globals"].get("mlflow_store")
        self._store = Path(context.project_path) / place if place else None

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        """Open the store and a run where something is trained.

        Raises
        ------
        ConfigError
            When the store cannot be written: before training, not after.
        """
        self._tables, self._networks, self.run_id, self._catalog = {}, {}, None, catalog
        tags = {tag for node in pipeline.nodes for tag in node.tags}
        if self._store is None or not tags & set(PIPELINES):
            return
        require_writable(self._store)
        self._client, experiment = open_store(self._store)
        close_dead_runs(self._client, experiment)
        parameters = self._context.config_loader["parameters"]
        named = {name: value for name, value in parameters.items() if name in PIPELINES or name == "data_engineering"}
        self.run_id = self._client.create_run(
            experiment,
            run_name=", ".join(run_params.get("pipeline_names") or ["all pipelines"]),
            tags={
                "git": git_state(Path(self._context.project_path)),
                "environment": str(run_params.get("env") or "base"),
                "host": socket.gethostname(),
                "process": str(os.getpid()),
            }
            | {f"version.{name}": text for name, text in package_versions().items()},
        ).info.run_id
        self._log(self.run_id, params=dict(flattened(named)))

    @hook_impl
    def after_node_run(self, outputs: dict[str, Any]) -> None:
        """Keep the tables of networks and the metrics that a node made."""
        if self.run_id is None:
            return
        for name, value in outputs.items():
            if name in METRICS:
                kept = {part: value[part] for part in PARTS.get(name, value)}
                self._log(self.run_id, metrics=dict(numbers(kept, prefix=name)))
            if name in NETWORKS:
                self._networks[NETWORKS[name]] = value
            if name in TRACKED or any(name in others.values() for others in TRACKED.values()):
                self._tables[name] = value
        for metrics, others in TRACKED.items():
            if metrics in self._tables and set(others.values()) <= set(self._tables):
                found = {kind: self._tables.pop(name) for kind, name in others.items()}
                self._log_networks(self._tables.pop(metrics), **found)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Any) -> None:
        """Keep the figures, networks and tables of these pipelines."""
        if self.run_id is None or not set(node.tags) & set(PIPELINES):
            return
        path = Path(str(self._catalog.get(dataset_name)._describe().get("filepath", "")))
        if path.suffix == ".png":
            self._client.log_artifact(self.run_id, str(path), "figures")
        elif dataset_name in TABLES:
            self._client.log_artifact(self.run_id, str(path), "tables")
        elif dataset_name in NETWORKS and path.is_dir():
            self._client.log_artifacts(self.run_id, str(path), f"networks/{dataset_name}")

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Close the run as finished."""
        self.close()

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Close the run as failed."""
        self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """Close the run, as failed where there is an error, an interrupt included."""
        if self.run_id is None:
            return
        if error is not None:
            self._client.set_tag(self.run_id, "error", f"{type(error).__name__}: {error}"[:5000])
        self._client.set_terminated(self.run_id, "FAILED" if error is not None else "FINISHED")
        self.run_id = None

    def _log_networks(self, metrics: Any, history: Any = None, reliability: Any = None) -> None:
        """Make a nested run for each network: settings, scores, learning curve, reliability and weights."""
        started = time.perf_counter()
        assert self.run_id is not None
        experiment = self._client.get_run(self.run_id).info.experiment_id
        curves, bins = (
            {} if table is None else dict(list(table.groupby(["predictor", "network"])))
            for table in (history, reliability)
        )
        for row in metrics.to_dict(orient="records"):
            predictor, network = str(row.pop("predictor")), row.pop("network")
            run = self._client.create_run(
                experiment,
                run_name=f"{predictor} {network}",
                tags={"mlflow.parentRunId": self.run_id, "predictor": predictor, "network": str(network)},
            ).info.run_id
            words = {name: value for name, value in row.items() if isinstance(value, str)}
            curve = curves.get((predictor, network))
            self._log(
                run,
                params=words,
                metrics=dict(numbers(row, prefix="")),
                steps=[] if curve is None else curve.drop(columns=["predictor", "network"]).to_dict(orient="records"),
            )
            with tempfile.TemporaryDirectory() as folder:
                if (predictor, network) in bins:
                    title = f"{predictor.replace('_', ' ')} {network}"
                    network_reliability(bins[predictor, network], title).savefig(Path(folder) / "reliability.png")
                if predictor in self._networks:
                    _one_of(self._networks[predictor], network, Path(folder) / "network")
                self._client.log_artifacts(run, folder)
            self._client.set_terminated(run)
        log.info("MLflow: %d networks in %.1f s", len(metrics), time.perf_counter() - started)

    def _log(
        self,
        run_id: str,
        *,
        params: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        steps: list[dict[str, Any]] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        rows = [Metric(name, value, now, 0) for name, value in (metrics or {}).items()]
        for step in steps or []:
            epoch = int(step.pop("epoch"))
            rows += [Metric(name, value, now, epoch) for name, value in numbers(step, prefix="curve")]
        texts = [Param(name, value) for name, value in (params or {}).items()]
        for start in range(0, len(rows), _BATCH["metrics"]):
            self._client.log_batch(run_id, metrics=rows[start : start + _BATCH["metrics"]])
        for start in range(0, len(texts), _BATCH["params"]):
            self._client.log_batch(run_id, params=texts[start : start + _BATCH["params"]])


def _one_of(networks: Any, network: int, folder: Path) -> None:
    """Write one member of a stack, one start of a Bayesian network, or a network that is one only."""
    from thor.networks.stack import NetworkStack, save_stack

    if isinstance(networks, NetworkStack):
        save_stack(networks.select([network]), folder)
    else:
        (networks.one_start(network) if hasattr(networks, "one_start") else networks).save(folder)


def require_writable(store: Path) -> None:
    """Raise ConfigError when there can be no SQLite database at this place."""
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(store, timeout=10) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"The MLflow store {store} cannot be written: {error}. Nothing was trained. Set mlflow_store in "
            "conf/local/globals.yml to a folder that can be written, or to null."
        ) from error


def open_store(store: Path) -> tuple[Any, str]:
    """Return a client of the store and the id of THOR's experiment, both made where they are not there yet."""
    # MLflow reports to nobody and draws no banner
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{store.resolve()}")
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return client, found.experiment_id
    artifacts = (store.resolve().parent / "mlartifacts").as_uri()
    return client, client.create_experiment(EXPERIMENT, artifact_location=artifacts)


def close_dead_runs(client: Any, experiment: str) -> None:
    """Mark runs as failed that a killed process of this machine has left open."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        tags = run.data.tags
        parent = tags.get("mlflow.parentRunId")
        if parent is None and tags.get("host") == socket.gethostname() and not _is_alive(tags.get("process", "")):
            client.set_tag(run.info.run_id, "error", "killed")
            client.set_terminated(run.info.run_id, "FAILED")
            log.info("MLflow: run %s was left open by a process that is gone; marked as failed", run.info.run_name)


def flattened(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every parameter as ``group.part.key`` and text."""
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{key}.")
        else:
            yield key, str(value)[:_LONGEST_PARAMETER]


def numbers(tree: Any, *, prefix: str) -> Iterator[tuple[str, float]]:
    """Yield every finite number below a mapping as ``part.key``; texts, lists and gaps are left out."""
    for name, value in tree.items():
        key = f"{prefix}.{name}".lstrip(".")
        if isinstance(value, Mapping):
            yield from numbers(value, prefix=key)
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf"):
            yield key, float(value)


def _is_alive(process: str) -> bool:
    if not process.isdigit() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
