"""Hooks around a run: inputs are checked first, each node is logged, and a run record is kept."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io.core import is_parameter

from thor.app.configuration import program_name, run_record, same_options
from thor.app.inputs import described_path, given_datasets, require_available
from thor.core.atomic import show
from thor.core.errors import counted, listed
from thor.core.memory import MemoryWatch
from thor.core.mixing import mixed_results
from thor.core.progress import SHORT_S, time_text
from thor.core.run_log import RunLog, describe_run
from thor.core.run_record import RunRecord

log = logging.getLogger("thor")

_RECORD_NAME, _REPORT = "run_record", "report"


@dataclass
class RunningNode:
    """What a node does at the moment, and the outputs that it has not saved."""

    unsaved: set[str]
    action: str = ""
    dataset: str | None = None
    started: float = field(default_factory=time.perf_counter)
    measured: tuple[float, float] | None = None

    def doing(self) -> str:
        """Return the action for messages, with the dataset; empty while the node's function runs."""
        return "" if self.action == "running" else f" while {self.action} '{self.dataset}'"


class RunHooks:
    """Records one run for the console, the log and the report of a failure.

    Attributes
    ----------
    running : dict of str to RunningNode
        The nodes that run, in the order of their start.
    failed : str or None
        The node of them that has failed, where that is known.
    finished : list of str
        Nodes whose outputs are all saved.
    log : RunLog or None
        The run's log, once it is open.
    """

    def __init__(self) -> None:
        self._context: Any = None
        self.reset()

    def reset(self) -> None:
        """Forget the last run."""
        self.running: dict[str, RunningNode] = {}
        self.failed: str | None = None
        self.finished: list[str] = []
        self.log: RunLog | None = None
        self.data_root = ""
        self.n_nodes = 0
        self._started = 0.0
        self._pipeline: Any = None
        self._bar: Any = None
        self._catalog: Any = None
        self._record: RunRecord | None = None
        self._memory: MemoryWatch | None = None
        self._report: Path | None = None

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember where this environment keeps its data."""
        self._context = context
        self.data_root = str(context.config_loader["globals"].get("data_root", "data"))

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        """Open log and record, and raise DataError when an input that no node of this run makes is not there."""
        context, data_root = self._context, self.data_root
        self.close()  # an interrupt in a notebook, which has called no hook, leaves them open
        self.reset()
        self.data_root, self._catalog, self._pipeline = data_root, catalog, pipeline
        self._started = time.perf_counter()
        self.n_nodes = len(pipeline.nodes)
        project = Path(context.project_path)
        about = describe_run(project=project, parameters=context.config_loader["parameters"], run=run_params)
        about["seed"] = context.config_loader["globals"].get("seed")
        self.log = RunLog(project / data_root / "logs")
        self.log.header(about)
        self._record = run_record(project / data_root)
        self._record.start_run(self.log.path.stem, about)
        require_available(given_datasets(pipeline, catalog), catalog, context.config_loader)
        self._record.refresh()
        self._warn_of_mixed(pipeline.inputs(), without=pipeline.all_outputs())
        self._memory = MemoryWatch()
        from tqdm import tqdm

        self._bar = tqdm(total=self.n_nodes, unit="node", leave=False, disable=None)

    @hook_impl
    def before_dataset_loaded(self, dataset_name: str, node: Any) -> None:
        """Note that `node` loads its inputs."""
        self._note(node, "loading", dataset_name)
        place = self._place(dataset_name)
        if self._record is not None and place is not None and dataset_name != _RECORD_NAME:
            self._record.loaded(dataset_name, place, compared=self._is_compared(dataset_name))

    @hook_impl
    def before_node_run(self, node: Any) -> None:
        """Note that `node` computes."""
        self._note(node, "running")

    @hook_impl
    def after_node_measured(self, node: Any, seconds: float, peak_memory_mb: float) -> None:
        """Note what the process of a node has measured; a hook of `thor.app.runner`."""
        self.running[node.name].measured = (seconds, peak_memory_mb)

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        """Finish a node without outputs."""
        if not node.outputs:
            self._finish(node)

    @hook_impl
    def on_node_error(self, node: Any) -> None:
        """Note which node has failed."""
        self.failed = node.name
        self.running.setdefault(node.name, RunningNode(set(node.outputs), "running"))

    @hook_impl
    def before_dataset_saved(self, dataset_name: str, node: Any) -> None:
        """Note which dataset is saved."""
        self._note(node, "saving", dataset_name)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Any) -> None:
        """Finish the node with its last output."""
        unsaved = self.running[node.name].unsaved
        unsaved.discard(dataset_name)
        place = self._place(dataset_name)
        if dataset_name == _REPORT:
            self._report = place
        if self._record is not None and place is not None:
            compared = self._is_compared(dataset_name)
            if getattr(self._catalog.get(dataset_name), "given", False):
                self._record.loaded(dataset_name, place, compared=compared)
            else:
                name = _plain_name(node)
                self._record.saved(dataset_name, place, node=name, inputs=node.inputs, compared=compared)
                for file in getattr(self._catalog.get(dataset_name), "beside", ()):
                    self._record.saved(f"{dataset_name}{file.suffix}", file, node=name, compared=False)
        if not unsaved:
            self._finish(node)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Print the time it took and the path of the report, and close the log."""
        n_nodes = counted(len(self.finished), "node")
        log.info("%s in %s; results in %s/", n_nodes, time_text(time.perf_counter() - self._started), self.data_root)
        if self._report is not None:
            log.info("Open %s in a browser; figures and numbers are beside it.", show(self._report))
        self._warn_of_mixed()
        self.close()

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Write the full traceback to the log."""
        self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """Close bar and log, with the traceback of `error` in the log."""
        for part in (self._bar, self._memory):
            if part is not None:
                part.close()
        self._bar = self._memory = None
        if self.log is not None:
            if error is not None:
                stopped = [f"{name}{node.doing()}" for name, node in self.stopped().items()]
                self.log.write(f"stopped in {', '.join(stopped) or 'no node'}", error=error)
            self.log.close()

    def stopped(self) -> dict[str, RunningNode]:
        """Return the node that has failed, or else all that run."""
        return {self.failed: self.running[self.failed]} if self.failed in self.running else dict(self.running)

    def inputs_of_other_code(self) -> str:
        """Return a sentence on those inputs of the failed node that another state of the code has made; or nothing."""
        inputs = [name for node in self._pipeline.nodes if node.name == self.failed for name in node.inputs]
        made = self._record.of_other_code(inputs) if self._record is not None else {}
        if not made:
            return ""
        pipelines = ",".join(dict.fromkeys(filter(None, made.values())))
        again = f" with `{program_name()} run{same_options()} --pipelines {pipelines}`" if pipelines else ""
        return f"Made by another version of the code: {listed(list(made))}. If they do not fit, make them again{again}."

    def unfinished(self) -> list[str]:
        """Return the nodes to go on from: those that are not finished and need none that is not."""
        if self._pipeline is None:
            return []
        needs = self._pipeline.node_dependencies
        left = {node for node in needs if node.name not in self.finished}
        return [_plain_name(node) for node in self._pipeline.nodes if node in left and not needs[node] & left]

    def describe_running(self) -> str:
        """Return how long the running nodes have taken so far, and the last time; empty where all have just started."""
        record = self._record.content["nodes"] if self._record is not None else {}
        sentences = []
        for name, node in list(self.running.items()):
            if (seconds := time.perf_counter() - node.started) >= SHORT_S:
                known = record.get(name.rpartition(".")[2], {}).get("seconds")
                before = f", {known:.0f} s in the last run" if known else ""
                sentences.append(f"{name}: {seconds:.0f} s so far{before}")
        return "; ".join(sentences)

    def _note(self, node: Any, action: str, dataset: str | None = None) -> None:
        if node.name not in self.running:
            self.running[node.name] = RunningNode(set(node.outputs))
            if self._memory is not None:
                self._memory.reset()
            if self._bar is not None:
                self._bar.set_description(", ".join(self.running))
            log.info("[%d/%d] %s", len(self.finished) + len(self.running), self.n_nodes, node.name)
        self.running[node.name].action, self.running[node.name].dataset = action, dataset

    def _finish(self, node: Any) -> None:
        done = self.running.pop(node.name)
        self.finished.append(node.name)
        seconds, peak = done.measured or (time.perf_counter() - done.started, None)
        if self._record is not None and self._memory is not None:
            peak, pipeline = self._memory.peak_mb() if peak is None else peak, ", ".join(sorted(node.tags))
            self._record.node(_plain_name(node), pipeline=pipeline, seconds=seconds, peak_memory_mb=peak)
            self._record.write()
        if self._bar is not None:
            self._bar.update()
        if seconds >= SHORT_S:
            log.info("%s: done in %s", node.name, time_text(seconds))

    def _warn_of_mixed(self, names: Iterable[str] | None = None, *, without: Iterable[str] = ()) -> None:
        """Log which of these results, or of all, do not belong together."""
        if self._record is None:
            return
        command = f"{program_name()} run{same_options()}"
        if lines := mixed_results(self._record.content, names, command=command, without=set(without)):
            log.warning("%s", "\n".join(lines))

    def _is_compared(self, dataset_name: str) -> bool:
        """Return whether a dataset has a checksum of content; an archive may be too large, and has its plan instead."""
        return not hasattr(self._catalog.get(dataset_name), "setting")

    def _place(self, dataset_name: str) -> Path | None:
        """Return the file or folder of a dataset; None for parameters."""
        if is_parameter(dataset_name):
            return None
        dataset = self._catalog.get(dataset_name) if self._catalog is not None else None
        place = described_path(dataset) if dataset is not None else None
        return Path(self._context.project_path) / place if place else None


def _plain_name(node: Any) -> str:
    """Return the name of a node without that of its pipeline, which the record has beside it."""
    return node.name.rpartition(".")[2]
