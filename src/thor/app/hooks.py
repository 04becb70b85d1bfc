"""Hooks around a run: inputs are checked first, each node is logged, and a run record is kept."""

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import AbstractDataset

from thor.app.configuration import program_name, same_options
from thor.core.atomic import show
from thor.core.errors import ConfigError, DataError, counted
from thor.core.mixing import mixed_results
from thor.core.progress import SHORT_S, time_text
from thor.core.run_log import RunLog, describe_run
from thor.core.run_record import MemoryWatch, RunRecord

log = logging.getLogger("thor")

RECORD = "run_record.json"
"""Name of the run record in the folder of logs; see `thor.core.run_record`."""

_RECORD_NAME, _REPORT = "run_record", "report"


class RunHooks:
    """Records one run for the console, the log and the report of a failure.

    Attributes
    ----------
    node, dataset : str or None
        The node that runs, and the dataset that it loads or saves.
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
        self.node: str | None = None
        self.dataset: str | None = None
        self.action = ""
        self.finished: list[str] = []
        self.log: RunLog | None = None
        self.data_root = ""
        self.n_nodes = 0
        self._started = 0.0
        self._node_started = 0.0
        self._unsaved: set[str] = set()
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
        self.reset()
        self.data_root, self._catalog = data_root, catalog
        self._started = time.perf_counter()
        self.n_nodes = len(pipeline.nodes)
        project = Path(context.project_path)
        about = describe_run(project=project, parameters=context.config_loader["parameters"], run=run_params)
        about["seed"] = context.config_loader["globals"].get("seed")
        self.log = RunLog(project / data_root / "logs")
        self.log.header(about)
        self._record = RunRecord(project / data_root / "logs" / RECORD, data_root=project / data_root)
        self._record.start_run(self.log.path.stem, about)
        require_available(_given(pipeline, catalog), catalog, context.config_loader)
        self._record.refresh()
        self._warn_of_mixed(pipeline.inputs(), without=pipeline.all_outputs())
        self._memory = MemoryWatch()
        from tqdm import tqdm

        self._bar = tqdm(total=self.n_nodes, unit="node", leave=False, disable=None)

    @hook_impl
    def before_dataset_loaded(self, dataset_name: str, node: Any) -> None:
        """Note that `node` loads its inputs."""
        self._begin(node)
        self.action, self.dataset = "loading", dataset_name
        place = self._place(dataset_name)
        if self._record is not None and place is not None and dataset_name != _RECORD_NAME:
            self._record.loaded(dataset_name, place, compared=self._is_compared(dataset_name))

    @hook_impl
    def before_node_run(self, node: Any) -> None:
        """Note that `node` computes."""
        self._begin(node)
        self.action, self.dataset = "running", None

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        """Finish a node without outputs."""
        if not node.outputs:
            self._finish(node)

    @hook_impl
    def before_dataset_saved(self, dataset_name: str) -> None:
        """Note which dataset is saved."""
        self.action, self.dataset = "saving", dataset_name

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Any) -> None:
        """Finish the node with its last output."""
        self._unsaved.discard(dataset_name)
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
        if not self._unsaved:
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
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._memory is not None:
            self._memory.close()
            self._memory = None
        if self.log is not None:
            if error is not None:
                self.log.write(f"stopped while {self.action} in node {self.node}", error=error)
            self.log.close()

    def running(self) -> str:
        """Return how long the running node has taken so far, and the last time; empty for a short time or no node."""
        name, seconds = self.node, time.perf_counter() - self._node_started
        if name is None or seconds < SHORT_S:
            return ""
        record = self._record.content["nodes"] if self._record is not None else {}
        known = record.get(name.rpartition(".")[2], {}).get("seconds")
        return f"{name}: {seconds:.0f} s so far" + (f", {known:.0f} s in the last run" if known else "")

    def _begin(self, node: Any) -> None:
        if self.node == node.name:
            return
        self.node, self._unsaved, self._node_started = node.name, set(node.outputs), time.perf_counter()
        if self._memory is not None:
            self._memory.reset()
        if self._bar is not None:
            self._bar.set_description(node.name)
        log.info("[%d/%d] %s", len(self.finished) + 1, self.n_nodes, node.name)

    def _finish(self, node: Any) -> None:
        self.finished.append(node.name)
        self.node, seconds = None, time.perf_counter() - self._node_started
        if self._record is not None and self._memory is not None:
            self._record.node(
                _plain_name(node),
                pipeline=", ".join(sorted(node.tags)),
                seconds=seconds,
                peak_memory_mb=self._memory.peak_mb(),
            )
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
        if dataset_name == "parameters" or dataset_name.startswith("params:"):
            return None
        dataset = self._catalog.get(dataset_name) if self._catalog is not None else None
        place = _filepath(dataset) if dataset is not None else None
        return Path(self._context.project_path) / place if place else None


def _plain_name(node: Any) -> str:
    """Return the name of a node without that of its pipeline, which the record has beside it."""
    return node.name.rpartition(".")[2]


def _filepath(dataset: Any) -> str | None:
    """Return the file or folder in the description of a dataset."""
    described = dataset._describe()
    return described.get("filepath") or described.get("path")


def _given(pipeline: Any, catalog: Any) -> Iterator[str]:
    """Yield the datasets that no node of a run makes, and those whose place a setting gives."""
    for name in sorted(pipeline.inputs() | pipeline.all_outputs()):
        if name == "parameters" or name.startswith("params:"):
            continue
        if name in pipeline.inputs() or getattr(catalog.get(name), "setting", None):
            yield name


def require_available(names: Iterable[str], catalog: Any, loader: Any) -> None:
    """Raise DataError when one of these datasets does not exist, ConfigError when it is in no catalog file."""
    missing = []
    for name in names:
        dataset = catalog.get(name)
        if dataset is None:
            raise ConfigError(f"Dataset '{name}' is in no catalog file. Give it an entry in conf/base/catalog_*.yml.")
        # Whether a dataset without `_exists` exists shows when it is loaded.
        if type(dataset)._exists is not AbstractDataset._exists and not dataset.exists():
            missing.append((name, dataset))
    if not missing:
        return
    name, dataset = missing[0]
    place = _filepath(dataset) or type(dataset).__name__
    if setting := getattr(dataset, "setting", None):
        raise DataError(
            f"{show(place)} does not exist; {loader.find('globals', (setting,))} names it as {setting}. "
            "Correct it there, or mount the disk."
        )
    makers = [key for key, pipeline in pipelines.items() if name in pipeline.outputs() | pipeline.all_outputs()]
    makers = [key for key in makers if key not in ("__default__", "study")]
    command = f"{program_name()} run{same_options()} --pipelines"
    advice = f"Make it with `{command} {makers[0]}`" if makers else "No pipeline makes it: put it there"
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    raise DataError(
        f"Input '{name}'{others} is missing: {show(place)} does not exist. "
        f"{advice}, or check the data_root of {loader.find('globals', ('data_root',))}."
    )
