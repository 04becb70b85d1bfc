"""The run record: what made each file, when, in how much time and memory, and the checksum of what it made.

One JSON file beside the logs is kept up to date by every run, so that a pipeline that runs alone changes only
its entries. Times, hosts and versions live here and not in results.
"""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from thor.core.atomic import write_json
from thor.core.checksums import combined_sha256, file_sha256, files_of, signature

_SECONDS_BETWEEN_SAMPLES = 0.2


class RunRecord:
    """The record of all runs into one folder of data.

    Attributes
    ----------
    content : dict
        `runs`: by run, what it was (command, versions, git state, parameters); `nodes`: by node, its last run, seconds
        and peak memory; `datasets`: by name, path below the data, bytes, checksum, and which node and run wrote it;
        `files`: by name, the checksum of each file below that path (``.`` is the path itself). Runs that nothing refers
        to any more are dropped.
    """

    def __init__(self, path: Path, *, data_root: Path) -> None:
        self.path = path
        self._root = data_root.resolve()
        self._run = ""
        self.content: dict[str, dict[str, Any]] = {"runs": {}, "nodes": {}, "datasets": {}, "files": {}}
        if path.is_file():
            with suppress(json.JSONDecodeError, UnicodeDecodeError):
                self.content |= json.loads(path.read_text(encoding="utf-8"))

    def start_run(self, name: str, about: Mapping[str, Any]) -> None:
        """Begin a run; what follows is recorded as part of it."""
        self._run = name
        self.content["runs"][name] = dict(about)
        self.write()

    def node(self, name: str, *, pipeline: str, seconds: float, peak_memory_mb: float) -> None:
        """Record a finished node."""
        self.content["nodes"][name] = {
            "run": self._run,
            "pipeline": pipeline,
            "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "peak_memory_mb": round(peak_memory_mb, 1),
        }

    def saved(self, name: str, place: Path, *, node: str) -> None:
        """Record what a node has written."""
        self._dataset(name, place, {"node": node, "run": self._run})

    def loaded(self, name: str, place: Path) -> None:
        """Record what a run has read, where it differs from what was last recorded."""
        known = self.content["datasets"].get(name)
        if known is None or any(known.get(key) != value for key, value in signature(place).items()):
            self._dataset(name, place, {"node": None, "run": None})

    def received(self, name: str, place: Path, *, checksum: str, made_by: Mapping[str, Any] | None) -> None:
        """Record what another project handed over: where it is, and the node and run there that made it."""
        self.content["datasets"][name] = {
            "path": place.relative_to(self._root).as_posix(),
            **signature(place),
            "sha256": checksum,
            "node": None,
            "run": None,
            "made_by": dict(made_by) if made_by else None,
        }

    def write(self) -> None:
        """Write the record, atomically.

        Raises
        ------
        DataError
            When it cannot be written.
        """
        entries = [*self.content["nodes"].values(), *self.content["datasets"].values()]
        used = {entry["run"] for entry in entries} | {self._run}
        self.content["runs"] = {name: run for name, run in self.content["runs"].items() if name in used}
        write_json(self.path, self.content)

    def _dataset(self, name: str, place: Path, maker: Mapping[str, Any]) -> None:
        place = place.resolve()
        # An archive elsewhere may be terabytes: only files below `data_root` are read for a checksum.
        if not place.is_relative_to(self._root) or not place.exists():
            return
        files = {file.relative_to(place).as_posix(): file_sha256(file) for file in files_of(place)}
        self.content["files"][name] = files
        self.content["datasets"][name] = {
            "path": place.relative_to(self._root).as_posix(),
            **signature(place),
            "sha256": files["."] if place.is_file() else combined_sha256(files),
            **maker,
        }


class MemoryWatch:
    """Samples the memory of this process and its children, five times a second, in a separate thread."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._peak = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory watch", daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Forget the peak so far."""
        self._peak = self._now()

    def peak_mb(self) -> float:
        """Return the largest resident memory since the last reset [MB]."""
        self._peak = max(self._peak, self._now())
        return self._peak / 1e6

    def close(self) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join(timeout=2)

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_SAMPLES):
            self._peak = max(self._peak, self._now())

    def _now(self) -> float:
        total = 0.0
        with suppress(psutil.Error):
            total = float(self._process.memory_info().rss)
            for child in self._process.children(recursive=True):
                with suppress(psutil.Error):
                    total += child.memory_info().rss
        return total
