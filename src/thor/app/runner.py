"""Nodes side by side: each in a process of its own, as soon as its inputs are there; the hooks stay in this process."""

import logging
import os
import pickle
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner, SequentialRunner

from thor.app import node_process
from thor.app.failures import TERMINATED
from thor.core.errors import ThorError
from thor.core.memory import memory_limit
from thor.core.parallel import number_of_processes

log = logging.getLogger("thor")

_TRAINING = frozenset({"modelling", "uncertainty", "network_search", "cross_validation"})
"""Pipelines whose nodes need TensorFlow."""

_MEMORY_OF_NODE = 8 * 2**30
"""Memory [bytes] for each node that runs: twice what the largest one on ECCO takes."""

_SECONDS_TO_END = 10.0


@dataclass
class _Running:
    """One node that runs: its process, and where its messages arrive."""

    node: Node
    process: BaseProcess
    messages: Connection


class ProcessRunner(AbstractRunner):
    """Runs nodes that do not need each other side by side, the longest chain of nodes first.

    Each node has a new process, which returns its memory when it ends: datasets are not passed through memory. All
    hooks are called here, one at a time; those that take data or inputs get None or {}, but tables.

    Parameters
    ----------
    max_workers : int, optional
        Number of nodes that run at one time; by default one for each core and each 8 GB of memory, and at most four.
    is_async : False
        An option of Kedro's: datasets are not read and written in threads, which the NetCDF library does not allow.

    Raises
    ------
    ConfigError
        For a number below 1.
    """

    def __init__(self, max_workers: int | None = None, is_async: Literal[False] = False) -> None:
        super().__init__(is_async=is_async)
        self._max_workers = number_of_processes(max_workers, "n_processes")
        if max_workers is None:
            self._max_workers = max(1, min(self._max_workers, memory_limit() // _MEMORY_OF_NODE))

    @property
    def _logger(self) -> logging.Logger:
        # Kedro's own lines, of which the configuration of logging shows the errors only.
        return logging.getLogger("kedro.runner")

    def _get_executor(self, max_workers: int) -> None:
        return None

    def n_workers(self, pipeline: Pipeline) -> int:
        """Return how many nodes of a pipeline run at one time, at most."""
        return min(self._max_workers, len(pipeline.nodes) - len(pipeline.grouped_nodes) + 1)

    def _run(self, pipeline: Pipeline, catalog: Any, hook_manager: Any = None, run_id: str | None = None) -> None:
        """Run all nodes; a failing one ends the others and raises its error."""
        n_workers = self.n_workers(pipeline)
        if n_workers > 1 and (in_memory := _in_memory(pipeline, catalog)):
            log.info("Dataset '%s' has no file that processes could share: all nodes run in this one.", in_memory[0])
            n_workers = 1
        if n_workers <= 1:
            SequentialRunner()._run(pipeline, catalog, hook_manager, run_id)
            return
        start_server(pipeline)
        needs, todo = pipeline.node_dependencies, _longest_chain_first(pipeline)
        done: set[Node] = set()
        with _ended_on_exit() as running:
            while todo or running:
                for node in [node for node in todo if needs[node] <= done][: n_workers - len(running)]:
                    todo.remove(node)
                    datasets = {name: catalog.get(name) for name in (*node.inputs, *node.outputs)}
                    running.append(_start(node, datasets, run_id))
                for messages in wait([one.messages for one in running]):
                    one = next(one for one in running if one.messages is messages)
                    kind, content = _receive(one)
                    if kind == "log":
                        logging.getLogger(content.name).handle(content)
                        continue
                    known = {"node": one.node, "catalog": catalog, "inputs": {}, "outputs": {}, "run_id": run_id}
                    known["is_async"] = False
                    if kind == "hook":
                        name, arguments = content
                        _call(hook_manager, name, known | arguments)
                    elif kind == "error":
                        _call(hook_manager, "on_node_error", known | {"error": content})
                        raise content
                    else:
                        running.remove(one)
                        _end(one)
                        done.add(one.node)


def _in_memory(pipeline: Pipeline, catalog: Any) -> list[str]:
    """Return the datasets that pass from node to node in memory."""
    return [name for name in sorted(pipeline.all_outputs()) if getattr(catalog.get(name), "_EPHEMERAL", False)]


def start_server(pipeline: Pipeline) -> None:
    """Start the process from which those of nodes are forked, which imports what most of them need; only once."""
    tags = {tag for node in pipeline.nodes for tag in node.tags}
    own = sorted({node.func.__module__ for node in pipeline.nodes})
    more = ["thor.app.preload"] if any(name.startswith("thor.") for name in own) else []
    more += ["thor.app.preload_tensorflow"] if tags & _TRAINING else []
    forkserver.set_forkserver_preload([node_process.__name__, *own, *more])
    resource_tracker.ensure_running()  # before the mask, which its start removes
    # Inherited: the server ignores Ctrl-C only after its imports, which would end with a traceback.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _longest_chain_first(pipeline: Pipeline) -> list[Node]:
    """Return the nodes by the number of nodes in the longest chain that begins with each, then in Kedro's order."""
    needs = pipeline.node_dependencies
    length = dict.fromkeys(pipeline.nodes, 1)
    for node in reversed(pipeline.nodes):
        for needed in needs[node]:
            length[needed] = max(length[needed], length[node] + 1)
    return sorted(pipeline.nodes, key=lambda node: -length[node])


def _start(node: Node, datasets: dict[str, Any], *options: Any) -> _Running:
    """Start the process of a node, which has the node's name."""
    context = get_context("forkserver")
    here, there = context.Pipe(duplex=False)
    sent = there, pickle.dumps(node), datasets, dict(os.environ), *options
    # Not a daemon: those cannot have processes of their own.
    process = context.Process(target=node_process.run_node, args=sent, name=node.name, daemon=False)
    process.start()
    there.close()
    return _Running(node, process, here)


def _receive(one: _Running) -> tuple[str, Any]:
    """Return the next message of a node's process.

    Raises
    ------
    ThorError
        When the process has ended without its last message.
    """
    try:
        return one.messages.recv()  # type: ignore[no-any-return]
    except (EOFError, OSError):  # the second one: within a message
        one.process.join(_SECONDS_TO_END)
        code = one.process.exitcode
        number = signal.SIGTERM if code == TERMINATED else -(code or 0)
        ended = f"was ended by signal {number:d}" if number > 0 else f"ended with code {code}"
        error = ThorError(
            f"The process of node '{one.node.name}' {ended}, without a message. Signals 9 and 15 come from outside, 9 "
            "also where memory is short: then free some, or set n_processes: 1 in conf/local/globals.yml. Go on "
            "afterwards."
        )
        return "error", error


def _call(hook_manager: Any, name: str, known: Mapping[str, Any]) -> None:
    """Call a hook with the arguments that its specification names; one of ours, which Kedro has not, with all."""
    if hook := getattr(hook_manager.hook, name, None):
        hook(**{name: known[name] for name in (hook.spec.argnames if hook.spec else known)})


@contextmanager
def _ended_on_exit() -> Iterator[list[_Running]]:
    """Give a list for what runs; what is in it at the end, as after an error or Ctrl-C, is ended."""
    running: list[_Running] = []
    try:
        yield running
    finally:
        for one in running:
            one.process.terminate()
        for one in running:
            _end(one)


def _end(one: _Running) -> None:
    """Wait for a process that ends, and end it where it does not."""
    one.messages.close()
    one.process.join(_SECONDS_TO_END)
    if one.process.is_alive():
        one.process.kill()
        one.process.join()
    one.process.close()
