"""The process of one node: it loads, runs and saves, and sends what happens to the process of the hooks."""

import logging
import logging.handlers
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import pandas as pd
from kedro.io import DataCatalog
from kedro.pipeline.node import Node
from kedro.runner import Task

from thor.app.failures import root_error, terminate
from thor.core.memory import MemoryWatch, keep_freed_memory, search_garbage_rarely
from thor.core.parallel import end_with_parent, forked_workers, portable
from thor.core.progress import logged_progress


class _Sender:
    """Sends messages from all threads of this process; in the place of Kedro's hook manager, and of a queue of logs."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()
        self._started, self._memory = time.perf_counter(), MemoryWatch()
        self.hook = self

    def send(self, kind: str, content: Any = None) -> None:
        """Send one message."""
        with self._lock:
            self._connection.send((kind, content))

    def put_nowait(self, record: logging.LogRecord) -> None:
        """Send a record of the log; none where the first process reads no more, since another node has failed."""
        with suppress(BrokenPipeError):
            self.send("log", record)

    def __getattr__(self, name: str) -> Any:
        return partial(self._send_hook, name)

    def _send_hook(self, hook: str, /, **arguments: Any) -> None:
        if hook == "on_node_error":  # sent for every error, not only those of the function
            return
        sent = {name: value for name, value in arguments.items() if name == "dataset_name"}
        if "data" in arguments:
            # Tables only, of which Kedro-Viz counts the rows: fields may be larger than memory.
            data = arguments["data"]
            sent["data"] = data if isinstance(data, pd.DataFrame) else None
        if hook in ("after_node_run", "after_dataset_saved"):
            used = {"seconds": time.perf_counter() - self._started, "peak_memory_mb": self._memory.peak_mb()}
            self.send("hook", ("after_node_measured", used))
        self.send("hook", (hook, sent))


def run_node(
    connection: Connection,
    pickled: bytes,
    datasets: dict[str, Any],
    environment: Any,
    run_id: str | None,
) -> None:
    """Run one node with its datasets by name and the variables of the environment, and end its process.

    The node is pickled, because multiprocessing itself drops the names of partial functions.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal; the first one decides
    signal.signal(signal.SIGTERM, terminate)
    os.environ.update(environment)
    search_garbage_rarely()
    keep_freed_memory()
    node = pickle.loads(pickled)
    n_processes = max((getattr(datasets[name], "n_processes", 1) for name in node.outputs), default=1)
    with forked_workers(n_processes):
        _run(node, datasets, _Sender(connection), run_id)


def _run(node: Node, datasets: dict[str, Any], sender: _Sender, run_id: str | None) -> None:
    end_with_parent()
    logging.getLogger().handlers = [logging.handlers.QueueHandler(sender)]  # type: ignore[arg-type]
    try:
        with logged_progress(str):
            options: dict[str, Any] = {"is_async": False, "hook_manager": sender, "run_id": run_id}
            Task(node, DataCatalog(datasets), **options).execute()
    except Exception as error:  # noqa: BLE001 (whatever failed is raised where the hooks are)
        sender.send("error", _portable(error, node.name))
    else:
        sender.send("done")
    finally:
        _end_kept_workers()


def _end_kept_workers() -> None:
    """End the workers that joblib keeps for its next call; a process of multiprocessing has no exit functions."""
    kept = sys.modules.get("joblib.externals.loky.reusable_executor")
    if kept is not None and kept._executor is not None:
        kept._executor.terminate(kill_workers=True)  # also removes the arrays shared with them


def _portable(error: Exception, node: str) -> Exception:
    """Return the error at the root of `error` with the traceback as a note, as one that can be sent."""
    found = portable(root_error(error))  # type: ignore[arg-type]
    found.add_note(f"In the process of node {node}:\n{''.join(traceback.format_exception(error))}")
    return found
