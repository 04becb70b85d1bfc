"""MLflow: one run for each `kedro run` with networks, one nested run for each of these; nodes do not use MLflow.

A store that fails during a run costs that run's record, not its results: what the run saved is listed in a small file
beside the logs, and the next start logs it from these files.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from thor.app.mlflow_record import KeptRun, flattened, is_kept
from thor.app.mlflow_store import PATIENCE_S, cause, close_dead_runs, may_run, open_store, patiently, require_store
from thor.core.atomic import show, write_json
from thor.core.checksums import sha256
from thor.core.errors import ThorError
from thor.core.run_log import git_state, package_versions

log = logging.getLogger("thor")

PIPELINES = ("modelling", "uncertainty", "network_search", "cross_validation", "explainability", "scenario_tracking")

PENDING = "mlflow_pending"
"""Folder beside the logs with a file for each run that is not in the store yet."""


class MlflowHooks:
    """Keeps what is trained in an SQLite store, `mlflow_store` of globals.yml; null there: nothing is kept.

    Attributes
    ----------
    project : Path
    store : Path or None
    catalog : kedro.io.CatalogProtocol
        Of the last run.
    run : KeptRun or None
        The current run, where it is logged.
    """

    def __init__(self) -> None:
        self.project = self._pending = Path()
        self.store: Path | None = None
        self.catalog: Any = None
        self._loader: Any = None
        self._forget()

    def _forget(self) -> None:
        self.run: KeptRun | None = None
        self._saved: dict[str, str] = {}
        self._failure = ""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember where the store is."""
        self._loader, self.project = context.config_loader, Path(context.project_path)
        settings = self._loader["globals"]
        place = settings.get("mlflow_store")
        self.store = self.project / place if place else None
        self._pending = self.project / settings.get("data_root", "data") / "logs" / PENDING

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        """Open the store and a run where something is trained, and log earlier runs that could not be logged.

        Raises
        ------
        ConfigError
            When the store cannot be written or opened: before training, not after.
        """
        self._forget()
        self.catalog = catalog
        tags = {tag for node in pipeline.nodes for tag in node.tags}
        if self.store is None or not tags & set(PIPELINES):
            return
        require_store(self.store)
        client, experiment = open_store(self.store)
        about = self._describe(run_params)
        self._log_pending(client, experiment)
        self.run = KeptRun(client, experiment, about)
        self._guarded(close_dead_runs, client, experiment)
        self._guarded(self.run.begin)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Any) -> None:
        """Keep the numbers, networks, figures and tables of these pipelines."""
        if self.run is None or not set(node.tags) & set(PIPELINES):
            return
        path = self._path(dataset_name)
        if not is_kept(dataset_name, path):
            return
        self._saved[dataset_name] = ""
        # The process of a node sends tables only (`thor.app.node_process`).
        load = self.catalog.get(dataset_name).load if data is None else lambda: data
        self._guarded(self.run.keep, dataset_name, path, load)
        if self._failure:
            self._write_pending(self.run, status="RUNNING")

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
        if self.run is None:
            return
        status = "FAILED" if error is not None else "FINISHED"
        tags = {} if error is None else {"error": f"{type(error).__name__}: {error}"}
        self._guarded(self.run.end, status=status, tags=tags)
        if self._failure:
            self._write_pending(self.run, status=status, tags=tags)
        self._forget()

    def _guarded(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what a call that reaches the store returns; None when it fails or an earlier one has failed."""
        if self._failure:
            return None
        try:
            return call(*args, **kwargs)
        except Exception as error:  # whatever MLflow raises: results are more important than their record
            self._failure = cause(error)
            log.warning(
                "MLflow: the store %s failed (%s). Results are not affected; this run will be logged from its files "
                "at the next start.",
                *(self.store, self._failure),
            )
            log.debug("The store failed", exc_info=error)
            return None

    # -- runs that are not in the store yet ----------------------------------------------------------------------------
    def _describe(self, run_params: dict[str, Any]) -> dict[str, Any]:
        parameters = self._loader["parameters"]
        named = {name: value for name, value in parameters.items() if name in PIPELINES or name == "data_engineering"}
        tags = {"git": git_state(self.project), "environment": str(run_params.get("env") or "base")}
        return {
            "name": ", ".join(run_params.get("pipeline_names") or ["all pipelines"]),
            "tags": tags | _this_process() | {f"version.{name}": text for name, text in package_versions().items()},
            "params": dict(flattened(named)),
            "started": int(time.time() * 1000),
        }

    def _write_pending(self, run: KeptRun, *, status: str, tags: dict[str, str] | None = None) -> None:
        """Write the description of the run and the checksums of its files, which may be overwritten later."""
        try:
            self._saved = {name: known or sha256(self._path(name)) for name, known in self._saved.items()}
            ended = {"status": status, "ended": int(time.time() * 1000), "tags": run.about["tags"] | (tags or {})}
            incomplete = [run.run_id] if run.run_id else []
            left = {"store_failed": self._failure, "incomplete": incomplete, "datasets": self._saved}
            file = self._pending / f"{run.about['started']}-{os.getpid()}.json"
            write_json(file, {**run.about, **ended, **left}, sort_keys=False)
        except (OSError, ThorError) as error:  # the same disk may be full: again only the record is lost
            log.warning("MLflow: this run cannot be logged later either: %s", error)

    def _log_pending(self, client: Any, experiment: str) -> None:
        """Log the runs that the store did not take, one process at a time."""
        if not any(self._pending.glob("*.json")):
            return
        from filelock import FileLock

        lock = FileLock(self._pending / ".lock")
        try:
            lock.acquire(timeout=PATIENCE_S)
        except (OSError, NotImplementedError) as error:  # held by a process that hangs, of another user, on such a disk
            log.warning("MLflow: the runs of %s/ are logged at another start: %s.", show(self._pending), cause(error))
            return
        try:
            for file in sorted(self._pending.glob("*.json")):
                self._try_later(file, client, experiment)
        finally:
            lock.release()

    def _try_later(self, file: Path, client: Any, experiment: str) -> None:
        try:
            self._log_later(file, client, experiment)
        except Exception as error:  # noqa: BLE001 (whatever MLflow raises: it stays pending)
            log.warning(
                "MLflow: the run of %s could not be logged: %s. It is tried again at the next start; "
                "delete the file to give it up.",
                *(show(file), cause(error)),
            )

    def _log_later(self, file: Path, client: Any, experiment: str) -> None:
        """Log one run from its files, replacing its incomplete entry in the store."""
        about = json.loads(file.read_text(encoding="utf-8"))
        if about["status"] == "RUNNING":
            if may_run(about["tags"]["host"], about["tags"]["process"]):
                return
            # Read again: a run read as open may have ended well before its process was seen as dead.
            about = json.loads(file.read_text(encoding="utf-8"))
        killed = about["status"] == "RUNNING"
        # As a run of this process meanwhile: one that starts beside it closes those of processes that have ended.
        run = KeptRun(client, experiment, about | {"tags": about["tags"] | _this_process()})
        run.begin()
        stale = about["incomplete"]
        write_json(file, about | {"incomplete": [*stale, run.run_id]}, sort_keys=False)
        lost = []
        for name, checksum in about["datasets"].items():
            path = self._path(name)
            if path.exists() and sha256(path) == checksum:
                run.keep(name, path, self.catalog.get(name).load)
            else:
                lost.append(name)
        tags = {"logged_later": f"{datetime.now().astimezone():%Y-%m-%d %H:%M}; {about['store_failed']}"}
        tags |= {"error": "killed"} if killed else {}
        tags |= {"not_logged": f"overwritten since: {', '.join(lost)}"} if lost else {}
        run.end(status="FAILED" if killed else about["status"], ended=about["ended"], tags=tags)
        for name in _this_process():
            patiently(client.set_tag, run.run_id, name, about["tags"][name])
        for run_id in stale:
            _delete_run(client, experiment, run_id)
        file.unlink()
        log.info(
            "MLflow: the run '%s', which could not be stored, is now logged from its files%s",
            *(about["name"], f", without {', '.join(lost)}, overwritten since" if lost else ""),
        )

    def _path(self, dataset_name: str) -> Path:
        dataset = self.catalog.get(dataset_name)
        place = dataset._describe().get("filepath") if dataset is not None else None
        return self.project / (place or dataset_name)


def _this_process() -> dict[str, str]:
    return {"host": socket.gethostname(), "process": str(os.getpid())}


def _delete_run(client: Any, experiment: str, run_id: str) -> None:
    """Delete a run and its nested runs, if the store still has it."""
    for condition in (f"attributes.run_id = '{run_id}'", f"tags.mlflow.parentRunId = '{run_id}'"):
        for run in client.search_runs([experiment], condition):
            client.delete_run(run.info.run_id)
