"""The MLflow store: an SQLite database with a folder of artifacts beside it, for several runs at one time."""

import logging
import os
import random
import socket
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from thor.core.atomic import is_running, replacing
from thor.core.errors import ConfigError

log = logging.getLogger("thor")

EXPERIMENT = "thor"
ARTIFACTS = "mlartifacts"
"""Folder beside the store with figures and weights."""

_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""The page of the experiment opens on its runs, and not on traces of language models."""

PATIENCE_S = 60.0
"""Seconds to wait for other processes; one write takes milliseconds, and making the store less than ten seconds."""


def require_store(store: Path) -> None:
    """Raise ConfigError when there can be no SQLite database at this place, or no artifacts beside it."""
    try:
        (store.parent / ARTIFACTS).mkdir(parents=True, exist_ok=True)
        for folder in (store.parent, store.parent / ARTIFACTS):
            tempfile.TemporaryFile(dir=folder).close()
        if store.exists():
            # SQLite opens a file that cannot be written without an error.
            store.open("r+b").close()
            with closing(sqlite3.connect(store, timeout=PATIENCE_S)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
    except (OSError, sqlite3.Error) as error:
        raise _unusable(store, "cannot be written", error) from error


def open_store(store: Path) -> tuple[Any, str]:
    """Return a client of the store and the id of THOR's experiment, both made where they are not there yet.

    One process at a time does this; the operating system frees the lock of a process that was killed.

    Raises
    ------
    ConfigError
        When it cannot be opened: it is damaged, of another version of MLflow, or locked by another process for long.
    """
    # No telemetry and no banner of MLflow; its tracebacks are left to the caller.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # A connection kept open would write to a store that was removed or replaced.
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    from filelock import FileLock
    from mlflow import MlflowClient

    store = store.resolve()
    try:
        with FileLock(store.with_name(f".{store.name}.lock"), timeout=PATIENCE_S):
            if not store.exists() or not store.stat().st_size:
                _make(store)
            _correct_locations(store)
            client = MlflowClient(tracking_uri=f"sqlite:///{store}")
            return client, _experiment(client, store)
    except Exception as error:  # whatever MLflow, SQLite, the migration or the lock raises: it is not usable
        raise _unusable(store, "cannot be opened", error) from error


def patiently(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return what a call of the client returns; called again, for a minute, while others lock the database.

    SQLite itself waits, but gives up at once where two processes that read both want to write.
    """
    until, pause = time.monotonic() + PATIENCE_S, 0.05
    while True:
        try:
            return call(*args, **kwargs)
        except Exception as error:
            if "database is locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, 2.0)


def cause(error: BaseException) -> str:
    """Return the first line of the innermost error of MLflow, which repeats the failed statement."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def close_dead_runs(client: Any, experiment: str) -> None:
    """Mark runs as failed that a killed process of this machine has left open, and what is open below them."""
    left = client.search_runs([experiment], "attributes.status = 'RUNNING'")
    dead = {run.info.run_id for run in left if _is_dead(run.data.tags)}
    # Looked up again: a run seen as open may have ended well before its process was seen as dead.
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'") if dead else ():
        if run.info.run_id in dead or run.data.tags.get("mlflow.parentRunId") in dead:
            patiently(client.set_tag, run.info.run_id, "error", "killed")
            patiently(client.set_terminated, run.info.run_id, "FAILED")
        if run.info.run_id in dead:
            log.info("MLflow: run %s was left open by a process that has ended; marked as failed", run.info.run_name)


def may_run(host: str, process: str) -> bool:
    """Return whether a process may still run; on another machine this is unknown."""
    return host != socket.gethostname() or (process.isdigit() and is_running(int(process)))


def _make(store: Path) -> None:
    """Make the tables under another name first: a process killed meanwhile leaves no half-made database."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with replacing(store) as temporary, warnings.catch_warnings():
        # The migrations of MLflow, of which Alembic warns several times.
        warnings.filterwarnings("ignore", category=UserWarning, module="alembic")
        SqlAlchemyStore(f"sqlite:///{temporary}", str(store.parent / ARTIFACTS)).engine.dispose()


def _experiment(client: Any, store: Path) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        place = (store.parent / ARTIFACTS).as_uri()
        return patiently(client.create_experiment, EXPERIMENT, artifact_location=place, tags=_KIND)
    if found.lifecycle_stage != "active":
        raise ConfigError(f"its experiment '{EXPERIMENT}' was deleted; restore it, or remove it with `mlflow gc`")
    for name, value in _KIND.items():
        if name not in found.tags:
            patiently(client.set_experiment_tag, found.experiment_id, name, value)
    return str(found.experiment_id)


def _correct_locations(store: Path) -> None:
    """Correct the locations of the artifacts of a store that was moved or copied.

    MLflow knows absolute locations only: a relative one is resolved in the working folder when the experiment is made.
    Runs whose artifacts stayed where they were still point there.
    """
    ours = (store.parent / ARTIFACTS).as_uri()
    with closing(sqlite3.connect(store, timeout=PATIENCE_S)) as connection, connection:
        query = "SELECT experiment_id, artifact_location FROM experiments WHERE name = ?"
        found = connection.execute(query, (EXPERIMENT,)).fetchone()
        if found is None or found[1] == ours or _path(found[1]).name != ARTIFACTS:
            return
        experiment, before = found
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (ours, experiment))
        runs = connection.execute("SELECT run_uuid, artifact_uri FROM runs WHERE experiment_id = ?", (experiment,))
        inside = [(run, old) for run, old in runs.fetchall() if old.startswith(f"{before}/")]
        places = [(ours + old.removeprefix(before), old, run) for run, old in inside]
        moved = [(new, run) for new, old, run in places if _path(new).exists() or not _path(old).exists()]
        connection.executemany("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", moved)
    log.info("MLflow: the store was moved or copied; its artifacts are now below %s", store.parent / ARTIFACTS)


def _path(uri: str) -> Path:
    """Return the path of a file URI, or an empty path for any other URI."""
    return Path(url2pathname(urlparse(uri).path)) if uri.startswith("file:") else Path()


def _is_dead(tags: dict[str, str]) -> bool:
    return "mlflow.parentRunId" not in tags and not may_run(tags.get("host", ""), tags.get("process", ""))


def _unusable(store: Path, what: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"The MLflow store {store} {what}: {cause(error)}. Nothing was trained. Move it away, or set "
        "mlflow_store in conf/local/globals.yml to a place that can be written, or to null."
    )
