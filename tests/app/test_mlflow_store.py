"""The MLflow store is made once, written by several processes, and keeps its artifacts in the folder of the project."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest

from thor.app.mlflow_store import close_dead_runs, open_store, patiently, require_store
from thor.core.errors import ConfigError

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["mlflow.store.tracking.sqlalchemy_store"])  # takes longer than what they do with it
N_PROCESSES, N_RUNS, N_METRICS = 4, 5, 300


def open_and_log(store, gate, answers):
    """Open the store when all are ready, and log runs below one another as hooks do."""
    from mlflow.entities import Metric

    gate.wait()
    try:
        require_store(store)
        client, experiment = open_store(store)
        close_dead_runs(client, experiment)
        tags = {"host": os.uname().nodename, "process": str(os.getpid())}
        for _ in range(N_RUNS):
            run = patiently(client.create_run, experiment, tags=tags).info.run_id
            patiently(client.log_batch, run, metrics=[Metric(f"m{k}", k, 0, 0) for k in range(N_METRICS)])
            patiently(client.set_terminated, run)
        answers.put(experiment)
    except Exception as error:
        answers.put(repr(error))
        raise


def in_processes(store, n_processes):
    gate, answers = FORKED.Barrier(n_processes), FORKED.Queue()
    processes = [FORKED.Process(target=open_and_log, args=(store, gate, answers)) for _ in range(n_processes)]
    for process in processes:
        process.start()
    answered = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    return answered


@pytest.mark.parametrize("exists", [False, True])
def test_runs_started_at_once_share_one_store(tmp_path, exists):
    store = tmp_path / "mlflow.db"
    if exists:
        open_store(store)
    answered = in_processes(store, N_PROCESSES)
    client, experiment = open_store(store)
    assert answered == [experiment] * N_PROCESSES
    found = client.search_runs([experiment])
    assert len(found) == N_PROCESSES * N_RUNS
    assert {(run.info.status, len(run.data.metrics)) for run in found} == {("FINISHED", N_METRICS)}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".mlflow.db.lock",
        "mlartifacts",
        "mlflow.db",
    ]


def die_while_making(store):
    import thor.app.mlflow_store

    def half(url, _):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute("CREATE TABLE experiments (name TEXT)")
        connection.close()
        os.kill(os.getpid(), signal.SIGKILL)

    import mlflow.store.tracking.sqlalchemy_store as module

    module.SqlAlchemyStore = half
    thor.app.mlflow_store.open_store(store)


def test_a_process_killed_while_it_makes_the_store_blocks_no_other(tmp_path):
    store = tmp_path / "mlflow.db"
    process = FORKED.Process(target=die_while_making, args=(store,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert not store.exists()
    assert (tmp_path / ".mlflow.db.lock").exists()
    started = time.monotonic()
    client, experiment = open_store(store)
    assert time.monotonic() - started < 30
    assert client.get_experiment(experiment).name == "thor"
    assert list(tmp_path.glob(".mlflow.*.tmp.db")) == []


def test_a_store_that_is_being_made_for_too_long_is_an_error(tmp_path, monkeypatch):
    from filelock import FileLock

    monkeypatch.setattr("thor.app.mlflow_store.PATIENCE_S", 0.1)
    with (
        FileLock(tmp_path / ".mlflow.db.lock"),
        pytest.raises(ConfigError, match=r"cannot be opened: The file lock .* could not be acquired.*Nothing was"),
    ):
        open_store(tmp_path / "mlflow.db")


def test_an_empty_file_becomes_a_store(tmp_path):
    """SQLite leaves one where a connection was opened and nothing written."""
    (tmp_path / "mlflow.db").touch()
    require_store(tmp_path / "mlflow.db")
    client, experiment = open_store(tmp_path / "mlflow.db")
    assert client.get_experiment(experiment).artifact_location == (tmp_path / "mlartifacts").as_uri()


def test_a_half_made_database_of_another_program_is_an_error(tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    connection.close()
    with pytest.raises(ConfigError, match=r"cannot be opened: .*\. Nothing was trained\. Move it away"):
        open_store(tmp_path / "mlflow.db")


def test_a_deleted_experiment_is_an_error(tmp_path):
    client, experiment = open_store(tmp_path / "mlflow.db")
    client.delete_experiment(experiment)
    with pytest.raises(ConfigError, match=r"experiment 'thor' was deleted; restore it"):
        open_store(tmp_path / "mlflow.db")


def logged(client, experiment, text, folder):
    run = client.create_run(experiment).info.run_id
    file = folder / f"{text}.txt"
    file.write_text(text)
    client.log_artifact(run, str(file))
    file.unlink()
    client.set_terminated(run)
    return run


def place(client, run):
    return Path(url2pathname(urlparse(client.get_run(run).info.artifact_uri).path))


@pytest.mark.parametrize("move", ["copy", "move"])
def test_a_project_that_was_copied_or_moved_logs_into_itself(tmp_path, move):
    original, other = tmp_path / "project", tmp_path / "elsewhere" / "project two"
    original.mkdir()
    before = logged(*open_store(original / "mlflow.db"), "before", tmp_path)
    (shutil.copytree if move == "copy" else shutil.move)(original, other)
    untouched = sorted(original.rglob("*"))
    client, experiment = open_store(other / "mlflow.db")
    after = logged(client, experiment, "after", tmp_path)
    for run, text in ((before, "before"), (after, "after")):
        assert (other / "mlartifacts" / run / "artifacts" / f"{text}.txt").read_text() == text
        assert [artifact.path for artifact in client.list_artifacts(run)] == [f"{text}.txt"]
        assert Path(client.download_artifacts(run, f"{text}.txt")).read_text() == text
        assert place(client, run) == other / "mlartifacts" / run / "artifacts"
    assert sorted(original.rglob("*")) == untouched
    if move == "copy":
        client, _ = open_store(original / "mlflow.db")
        assert place(client, before).is_relative_to(original)


def test_earlier_artifacts_of_a_database_copied_alone_keep_their_location(tmp_path):
    original, other = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (original, other):
        folder.mkdir()
    before = logged(*open_store(original / "mlflow.db"), "before", tmp_path)
    shutil.copy(original / "mlflow.db", other)
    client, experiment = open_store(other / "mlflow.db")
    assert (place(client, before) / "before.txt").read_text() == "before"
    assert place(client, before).is_relative_to(original)
    after = logged(client, experiment, "after", tmp_path)
    assert place(client, after).is_relative_to(other)
    assert (place(client, after) / "after.txt").read_text() == "after"


def test_an_artifact_location_that_a_user_chose_is_kept(tmp_path):
    open_store(tmp_path / "mlflow.db")
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("UPDATE experiments SET artifact_location = 's3://bucket/mlartifacts' WHERE name = 'thor'")
    connection.close()
    client, experiment = open_store(tmp_path / "mlflow.db")
    assert client.get_experiment(experiment).artifact_location == "s3://bucket/mlartifacts"


def test_networks_of_a_killed_run_are_closed_with_it(tmp_path):
    client, experiment = open_store(tmp_path / "mlflow.db")
    process = FORKED.Process(target=int)
    process.start()
    process.join()
    host = os.uname().nodename
    dead = client.create_run(experiment, tags={"host": host, "process": str(process.pid)}).info.run_id
    below = client.create_run(experiment, tags={"mlflow.parentRunId": dead}).info.run_id
    alive = client.create_run(experiment, tags={"host": host, "process": str(os.getppid())}).info.run_id
    of_alive = client.create_run(experiment, tags={"mlflow.parentRunId": alive}).info.run_id
    elsewhere = client.create_run(experiment, tags={"host": "another", "process": str(process.pid)}).info.run_id
    close_dead_runs(client, experiment)
    status = {run.info.run_id: run.info.status for run in client.search_runs([experiment])}
    assert status == {dead: "FAILED", below: "FAILED", alive: "RUNNING", of_alive: "RUNNING", elsewhere: "RUNNING"}


def test_a_run_that_ends_well_while_it_is_looked_at_stays_finished(tmp_path, monkeypatch):
    """Its process ends between the search for open runs and the test whether it still runs."""
    client, experiment = open_store(tmp_path / "mlflow.db")
    ending, killed = (client.create_run(experiment).info.run_id for _ in range(2))

    def may_run(*_):
        client.set_terminated(ending)
        return False

    monkeypatch.setattr("thor.app.mlflow_store.may_run", may_run)
    close_dead_runs(client, experiment)
    found = {run.info.run_id: (run.info.status, run.data.tags.get("error")) for run in client.search_runs([experiment])}
    assert found == {ending: ("FINISHED", None), killed: ("FAILED", "killed")}


def test_a_database_locked_for_a_moment_is_written_later(monkeypatch):
    monkeypatch.setattr("thor.app.mlflow_store.time.sleep", lambda _: None)
    attempts = []

    def write(value):
        attempts.append(value)
        if len(attempts) < 4:
            raise sqlite3.OperationalError("database is locked")
        return value

    assert patiently(write, 5) == 5
    assert len(attempts) == 4
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        patiently(lambda: sqlite3.connect(":memory:").execute("SELECT * FROM none_such"))
    monkeypatch.setattr("thor.app.mlflow_store.PATIENCE_S", 0.0)
    attempts.clear()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        patiently(write, 5)
