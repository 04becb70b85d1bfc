"""Nodes side by side, in a small project of two branches as a user starts it."""

import json
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from logging.handlers import QueueHandler
from multiprocessing import Pipe
from pathlib import Path
from unittest.mock import Mock

import pytest
from kedro.pipeline import Node, Pipeline

from tests.app.test_cli import FILES, run, start, write_project
from thor.app.configuration import default_configuration
from thor.app.node_process import _Sender
from thor.app.runner import ProcessRunner, _longest_chain_first, _receive, _Running
from thor.core.errors import ConfigError, ThorError
from thor.pipeline_registry import register_pipelines

BRANCHES = FILES | {
    "src/mini/nodes.py": """
        import logging
        import os
        import time
        import joblib
        import numpy as np
        import pandas as pd

        log = logging.getLogger("thor.mini")

        def make_table(parameters):
            return pd.DataFrame({"value": np.arange(parameters["n_cells"])})

        def _meet(name):
            # Each branch waits until the other one runs too, as two nodes in one process never would.
            open(f"{name}.started", "w").write(str(os.getpid()))
            until = time.monotonic() + 60
            while not all(os.path.exists(f"{name}.started") for name in ("left", "right")):
                if time.monotonic() > until:
                    raise TimeoutError("the other branch did not start")
                time.sleep(0.05)

        def left(table, parameters):
            if parameters["behaviour"] != "alone":
                _meet("left")
            log.info("left has met right")
            if parameters["behaviour"] == "fail":
                raise ValueError("the sea\\n" * 50)
            if parameters["behaviour"].isdigit():
                os.kill(os.getpid(), int(parameters["behaviour"]))
                time.sleep(100)
            return {"total": table["value"].sum() / (0.0 if parameters["behaviour"] == "infinite" else 1.0)}

        def right(table, parameters):
            if parameters["behaviour"] != "alone":
                _meet("right")
            if parameters["behaviour"] not in ("work", "alone"):
                print("waiting", flush=True)
                time.sleep(100)
            return {"mean": table["value"].mean()}

        def both(left, right):
            workers = joblib.Parallel(n_jobs=2)(joblib.delayed(os.getpid)() for _ in range(4))
            open("workers", "w").write(" ".join(map(str, set(workers))))
            return left | right
        """,
    "src/mini/pipeline_registry.py": """
        from kedro.pipeline import Node, Pipeline
        from mini import nodes

        def register_pipelines():
            return {
                "__default__": Pipeline([
                    Node(nodes.make_table, "params:mini", "table", name="make_table"),
                    Node(nodes.left, ["table", "params:mini"], "left", name="left"),
                    Node(nodes.right, ["table", "params:mini"], "right", name="right"),
                    Node(nodes.both, ["left", "right"], "both", name="both"),
                ])
            }
        """,
    "conf/base/globals.yml": "data_root: data\ndefault_pipeline: null\nn_processes: 2\n",
    "conf/base/catalog.yml": """
        table:
          type: thor.datasets.TableDataset
          filepath: ${globals:data_root}/table.csv
        "{metrics}":
          type: thor.datasets.MetricsDataset
          filepath: ${globals:data_root}/{metrics}.json
        """,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose pipeline has two branches that can run side by side."""
    return write_project(tmp_path, BRANCHES)


def results(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "data").iterdir() if path.is_file()}


def run_ended(project: Path) -> bool:
    """Whether the processes of both branches have ended."""
    pids = [int((project / f"{name}.started").read_text()) for name in ("left", "right")]
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.1)
    return False


def test_branches_run_side_by_side_and_make_the_files_of_one_process(project):
    code, out, err = run(project)
    assert code == 0, err
    assert "left has met right" in out
    starts = re.findall(r"\[(\d)/4\] (\w+)", out)
    assert starts[0] == ("1", "make_table")
    assert {number for number, _ in starts} == set("1234")
    assert starts[3] == ("4", "both")
    assert "4 nodes in" in out
    record = (project / "data/logs/run_record.json").read_text()
    assert record.count('"peak_memory_mb"') == 4
    workers = (project / "workers").read_text().split()
    assert workers and not any(Path(f"/proc/{pid}").exists() for pid in workers), "joblib's workers outlive the run"
    made = results(project)
    code, out, err = run(project, "--params", "mini.behaviour=alone", "--runner", "SequentialRunner")
    assert code == 0, err
    assert results(project) == made
    log = max((project / "data/logs").glob("run_*.log")).read_text()
    assert "left has met right" in log


def test_one_process_is_a_setting_and_parallel_runner_means_side_by_side(project):
    (project / "conf/local/globals.yml").write_text("n_processes: 1\n")
    code, _, err = run(project, "--params", "mini.behaviour=alone")
    assert code == 0, err
    (project / "conf/local/globals.yml").write_text("n_processes: 2\n")
    assert run(project, "--runner", "ParallelRunner")[0] == 0
    for options in (["--async"], ["--runner-params", "is_async=True"], ["--runner", "SequentialRunner", "--async"]):
        code, _, err = run(project, *options)
        assert (code, "Datasets cannot be read and written in threads" in err) == (1, True)
    assert run(project, "--runner-params", "is_async=False")[0] == 0
    (project / "conf/local/globals.yml").write_text("n_processes: many\n")
    code, _, err = run(project)
    assert (code, "n_processes of globals.yml must be a whole number" in err) == (1, True)
    code, _, err = run(project, "--runner", "ThreadRunner")
    assert (code, "Nodes cannot run in threads" in err) == (1, True)


def test_a_dataset_without_a_file_is_handed_on_in_one_process(project):
    catalog = project / "conf/base/catalog.yml"
    catalog.write_text(
        catalog.read_text()
        .replace("thor.datasets.TableDataset", "MemoryDataset")
        .replace("  filepath: ${globals:data_root}/table.csv\n", "")
    )
    code, out, err = run(project, "--params", "mini.behaviour=alone")
    assert (code, set(results(project))) == (0, {"left.json", "right.json", "both.json"}), err
    assert "Dataset 'table' has no file" in out


@pytest.mark.parametrize(("gigabytes", "n_nodes"), [(4, 1), (16, 2), (1000, 4)])
def test_without_a_setting_each_node_has_eight_gigabytes(monkeypatch, gigabytes, n_nodes):
    monkeypatch.setattr("thor.core.parallel.n_cores", lambda: 64)
    monkeypatch.setattr("thor.app.runner.memory_limit", lambda: gigabytes * 2**30)
    nodes = Pipeline([Node(len, f"input {number}", f"output {number}") for number in range(8)])
    assert ProcessRunner().n_workers(nodes) == n_nodes
    assert ProcessRunner(max_workers=6).n_workers(nodes) == 6


def test_a_failing_node_ends_the_others_and_is_reported_in_twelve_lines(project):
    code, _, err = run(project, "--params", "mini.behaviour=fail")
    lines = err.strip().splitlines()
    assert code == 1
    assert len(lines) <= 12
    assert lines[0] == "Failed in node 'left'."
    assert lines[1].startswith("ValueError: the sea")
    assert "Go on with: kedro run --params mini.behaviour=fail --from-nodes left,right" in err
    assert run_ended(project)
    assert set(results(project)) == {"table.csv"}
    log = next((project / "data/logs").glob("run_*.log")).read_text()
    assert "raise ValueError" in log
    code, _, err = run(project, "--from-nodes", "left,right")
    assert code == 0, err
    assert set(results(project)) == {"table.csv", "left.json", "right.json", "both.json"}


def test_a_failing_save_names_node_and_dataset(project):
    code, _, err = run(project, "--params", "mini.behaviour=infinite")
    assert code == 1
    assert "Failed in node 'left' while saving 'left'.\nDataError: data/left.json: 'total' is infinite" in err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ended_from_outside_is_an_error_with_a_remedy(project, number):
    code, _, err = run(project, "--params", f"mini.behaviour='{int(number)}'")
    assert code == 1
    assert "Failed in node 'left'." in err
    assert f"was ended by signal {int(number)}, without a message" in err
    assert "n_processes: 1" in err
    assert run_ended(project)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_every_process(project, number, code):
    process = start(project, "--params", "mini.behaviour=wait")
    assert process.stdout is not None
    record = project / "data/logs/run_record.json"
    # until the left node has ended: its file is there earlier
    while not (record.exists() and "left" in json.loads(record.read_text())["nodes"]):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert run_ended(project)
    assert f"{'Interrupted' if number == signal.SIGINT else 'Terminated'} in node 'right'." in err


def test_a_process_killed_within_a_message_is_an_error_with_a_remedy():
    here, there = Pipe(duplex=False)
    os.write(there.fileno(), b"\0\0\1\0half of a message")
    there.close()
    running = _Running(Node(len, "a", "b", name="count"), Mock(exitcode=-signal.SIGKILL), here)
    kind, error = _receive(running)
    assert (kind, type(error)) == ("error", ThorError)
    assert "process of node 'count' was ended by signal 9" in str(error)


def test_a_log_that_is_no_longer_read_is_no_error(capsys, monkeypatch):
    monkeypatch.setattr("thor.app.node_process.MemoryWatch", Mock)  # its thread would outlive the test
    here, there = Pipe(duplex=False)
    here.close()
    handler = QueueHandler(_Sender(there))
    handler.emit(logging.makeLogRecord({"msg": "still at work"}))
    assert capsys.readouterr().err == ""


CTRL_C_AT_THE_START = """
import os
import signal
from multiprocessing import forkserver, get_context
from kedro.pipeline import Node, Pipeline
from thor.app.runner import start_server

start_server(Pipeline([Node(len, "a", "b", name="count")]))
os.kill(forkserver._forkserver._forkserver_pid, signal.SIGINT)
process = get_context("forkserver").Process(target=print, args=("it runs",))
process.start()
process.join()
"""


def test_ctrl_c_during_the_imports_of_the_server_is_left_to_the_first_process():
    done = subprocess.run([sys.executable, "-c", CTRL_C_AT_THE_START], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("it runs\n", "", 0)


def test_the_longest_chain_comes_first():
    def function(value):
        return value

    nodes = [Node(function, "a", "short", name="short"), Node(function, "a", "b", name="one")]
    nodes += [Node(function, "b", "c", name="two"), Node(function, "c", "d", name="three")]
    assert [node.name for node in _longest_chain_first(Pipeline(nodes))] == ["one", "two", "short", "three"]
    assert ProcessRunner(max_workers=4).n_workers(Pipeline(nodes)) == 2


def test_a_number_of_processes_is_refused():
    with pytest.raises(ConfigError, match="n_processes"):
        ProcessRunner(max_workers=0)


def test_every_node_and_dataset_can_be_sent_to_another_process():
    from kedro.io import DataCatalog

    catalog = DataCatalog.from_config(default_configuration("test")["catalog"])
    pipeline = sum(register_pipelines().values(), Pipeline([]))
    for node in pipeline.nodes:
        assert pickle.loads(pickle.dumps(node)).name == node.name
    for name in pipeline.datasets() - {"parameters"}:
        if not name.startswith("params:"):
            assert pickle.loads(pickle.dumps(catalog.get(name)))._describe() == catalog.get(name)._describe()
