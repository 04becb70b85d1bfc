"""What MLflow keeps of one `kedro run`: parameters, metrics, figures and tables, and a nested run for each network."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from thor.app.mlflow_store import patiently
from thor.core.errors import counted

log = logging.getLogger("thor")

TRACKED: dict[str, dict[str, str]] = {
    "network_metrics": {"history": "training_history", "reliability": "network_reliability"},
    "bayesian_network_metrics": {"history": "bayesian_training_history", "reliability": "bayesian_network_reliability"},
    "search_trials": {},
}
"""Tables with a row for each network, and tables related to them; all have the columns predictor and network."""

NETWORK_DATASETS = {"ensemble": "ensemble", "bayesian_network": "bayesian", "laplace_network": "laplace"}
"""Datasets of networks, and their predictor in the tables."""

FINAL_NETWORKS = {"final_ensemble": "ensemble", "final_bayesian_network": "bayesian"}
"""Datasets of networks trained on all cells, which have no scores, and the predictor that has the same settings."""

SETTINGS = {"ensemble": "modelling.training", "bayesian": "uncertainty.bayesian", "laplace": "uncertainty.laplace"}
"""Where the hyper-parameters of a predictor's networks are."""

METRICS = {
    "skill_metrics": (
        "*.test.accuracy",
        "average*.test.negative_log_likelihood",
        "ensemble.test.negative_log_likelihood",
    ),
    "bayesian_skill_metrics": ("*.test.accuracy", "*.test.negative_log_likelihood"),
    "calibration_metrics": ("*.test.after.expected_calibration_error", "*.test.conformal.coverage"),
    "cross_validation_metrics": ("*.*.accuracy",),
    "explanation_metrics": ("methods.*.ensemble.relative_standard_error",),
    "tracking_metrics": ("agreement.*.*.mean_change_probability",),
}
"""Patterns of the numbers that are kept of each file of metrics, some thirty in all, to compare runs by; a `*` is one
key. The whole file is kept as a table."""

TABLES = (*METRICS, "regime_areas", "regime_transitions", "change_attribution")
"""Datasets whose file is kept."""

_TABLES_OF_NETWORKS = {name for metrics, others in TRACKED.items() for name in (metrics, *others.values())}
_KEPT_NETWORKS = {*NETWORK_DATASETS, *FINAL_NETWORKS}
_KEY = ["predictor", "network"]
_BATCH = {"metrics": 1000, "params": 100}
_LONGEST_PARAMETER = 500


class KeptRun:
    """The run in MLflow of one `kedro run`; every method may raise whatever the store raises.

    Attributes
    ----------
    client : mlflow.MlflowClient
    about : mapping
        As it was prepared with.
    run_id : str or None
        Its id in MLflow, once it has begun.
    """

    def __init__(self, client: Any, experiment: str, about: Mapping[str, Any]) -> None:
        """Prepare a run: `about` has its `name`, `tags`, `params` (flat) and the time it `started` [ms]."""
        self.client = client
        self._experiment = experiment
        self.about = about
        self._tables: dict[str, Any] = {}
        self._networks: dict[str, Any] = {}
        self.run_id: str | None = None

    def begin(self) -> None:
        """Make the run, with its parameters."""
        about = self.about
        options = {"start_time": about["started"], "run_name": about["name"], "tags": about["tags"]}
        self.run_id = patiently(self.client.create_run, self._experiment, **options).info.run_id
        self._log(self.run_id, params=about["params"])

    def keep(self, name: str, path: Path, load: Callable[[], Any]) -> None:
        """Log one dataset: its numbers, which `load` gives, or its file."""
        if name in METRICS:
            kept = {f"{name}.{key}": value for key, value in headlines(load(), METRICS[name])}
            self._log(self.run_id, metrics=kept)
        if name in NETWORK_DATASETS:
            self._networks[NETWORK_DATASETS[name]] = load()
        if name in FINAL_NETWORKS:
            self._log_final(name, load())
        if name in _TABLES_OF_NETWORKS:
            self._tables[name] = load()
            self._log_networks()
        if path.suffix == ".png":
            self.client.log_artifact(self.run_id, str(path), "figures")
        elif name in TABLES:
            self.client.log_artifact(self.run_id, str(path), "tables")
        elif name in _KEPT_NETWORKS:
            self.client.log_artifacts(self.run_id, str(path), f"networks/{name}")

    def end(self, *, status: str, ended: int | None = None, tags: Mapping[str, str] | None = None) -> None:
        """End the run as FINISHED or FAILED, with more tags."""
        for name, text in (tags or {}).items():
            patiently(self.client.set_tag, self.run_id, name, text[:5000])
        patiently(self.client.set_terminated, self.run_id, status, ended)

    def _log_networks(self) -> None:
        """Make the nested runs of those networks whose tables are all there."""
        for metrics, others in TRACKED.items():
            if {metrics, *others.values()} <= set(self._tables):
                started, table = time.perf_counter(), self._tables.pop(metrics)
                parts = {kind: dict(list(self._tables.pop(name).groupby(_KEY))) for kind, name in others.items()}
                for row in table.to_dict(orient="records"):
                    self._log_network(row, **parts)
                log.info("MLflow: %s in %.1f s", counted(len(table), "network"), time.perf_counter() - started)

    def _log_network(self, row: dict[Any, Any], **parts: Mapping[Any, Any]) -> None:
        """Make the nested run of one network: settings, scores, learning curve, reliability and weights."""
        from thor.figures.uncertainty import network_reliability_curves

        predictor, network = str(row.pop("predictor")), row.pop("network")
        curve, bins = (parts.get(kind, {}).get((predictor, network)) for kind in ("history", "reliability"))
        words = {name: value for name, value in row.items() if isinstance(value, str)}
        # Given networks have no learning curve and no settings of this run.
        if predictor in SETTINGS and (predictor == "laplace" or curve is not None):
            words |= self._settings_of(predictor)
        if curve is not None and "n_inputs" in curve:
            words["n_inputs"] = str(curve.pop("n_inputs").iloc[0])
        steps = [] if curve is None else curve.drop(columns=_KEY).to_dict(orient="records")
        with self._nested(predictor, network) as (run, folder):
            self._log(run, params=words, metrics=dict(numbers(row, prefix="")), steps=steps)
            if bins is not None:
                title = f"{predictor.replace('_', ' ')} {network}"
                network_reliability_curves(bins, title).savefig(folder / "reliability.png")
            if predictor in self._networks:
                _save_one(self._networks[predictor], network, folder / "network")

    def _log_final(self, name: str, networks: Any) -> None:
        """Make the nested runs of networks without scores: settings and weights."""
        started, predictor = time.perf_counter(), FINAL_NETWORKS[name]
        given = predictor == "ensemble" and self.about["params"].get("modelling.networks") == "published"
        words = {} if given else self._settings_of(predictor)
        n_networks = networks.n_starts if hasattr(networks, "n_starts") else networks.n_networks
        for network in range(n_networks):
            with self._nested(name, network) as (run, folder):
                self._log(run, params=words)
                _save_one(networks, network, folder / "network")
        log.info("MLflow: %s of %s in %.1f s", counted(n_networks, "network"), name, time.perf_counter() - started)

    @contextmanager
    def _nested(self, predictor: str, network: Any) -> Iterator[tuple[str, Path]]:
        """Make a nested run, give its id and a folder for its artifacts, and end it."""
        tags = {"mlflow.parentRunId": self.run_id, "predictor": predictor, "network": str(network)}
        made = patiently(self.client.create_run, self._experiment, run_name=f"{predictor} {network}", tags=tags)
        with tempfile.TemporaryDirectory() as folder:
            yield str(made.info.run_id), Path(folder)
            self.client.log_artifacts(made.info.run_id, folder)
        patiently(self.client.set_terminated, made.info.run_id)

    def _settings_of(self, predictor: str) -> dict[str, str]:
        """Return the hyper-parameters of a predictor's networks."""
        group = f"{SETTINGS[predictor]}."
        return {key.removeprefix(group): text for key, text in self.about["params"].items() if key.startswith(group)}

    def _log(
        self,
        run_id: str | None,
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
        for kind, entries in (("metrics", rows), ("params", texts)):
            for start in range(0, len(entries), _BATCH[kind]):
                patiently(self.client.log_batch, run_id, **{kind: entries[start : start + _BATCH[kind]]})


def is_kept(name: str, path: Path) -> bool:
    """Return whether anything of a dataset is kept."""
    return path.suffix == ".png" or name in {*_KEPT_NETWORKS, *TABLES, *_TABLES_OF_NETWORKS}


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


def headlines(tree: Mapping[str, Any], patterns: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a file of metrics whose keys match one of the patterns."""
    steps = [pattern.split(".") for pattern in patterns]
    for key, value in numbers(tree, prefix=""):
        parts = key.split(".")
        if any(len(parts) == len(known) and all(map(fnmatchcase, parts, known)) for known in steps):
            yield key, value


def _save_one(networks: Any, network: int, folder: Path) -> None:
    """Write one member of a stack, one start of a Bayesian network, or a network that is one only."""
    from thor.networks.stack import NetworkStack

    if isinstance(networks, NetworkStack):
        networks.select([network]).save(folder)
    else:
        (networks.one_start(network) if hasattr(networks, "one_start") else networks).save(folder)
