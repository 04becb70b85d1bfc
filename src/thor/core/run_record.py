"""The run record: what made each file, when, in how much time and memory, and the checksum of what it made.

One JSON file beside the logs is kept up to date by every run, so that a pipeline that runs alone changes only
its entries, also beside another run. Times, hosts and versions live here and not in results.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from thor.core.atomic import require_writable, show, write_json
from thor.core.checksums import combined_sha256, file_checksums, signature
from thor.core.warn import warn_once

_OF_DATASETS = ("datasets", "files", "contents")
_TABLES = ("runs", "nodes", *_OF_DATASETS)
_LONGEST_WAIT = 60
"""Seconds for which a process waits for another one that writes the record."""
_QUICK_BYTES = 2 * 10**9
"""Datasets up to this size are read again when nothing but the time of their files has changed."""


class RunRecord:
    """The record of all runs into one folder of data.

    Attributes
    ----------
    content : dict
        `runs`: by run, what it was (command, versions, git state, parameters); `nodes`: by node, its last run, seconds
        and peak memory; `datasets`: by name, path below the data, bytes, checksum, which node and run wrote it,
        `content` (checksum without the fingerprints of `thor.core.fingerprint`, which change with the code) and
        `made_from` (that of each input when it was made); `files` and `contents`: by name, both checksums of each file
        below that path (``.`` is the path itself). Runs that nothing refers to any more are dropped.
    lock : Path
        The file beside the record that a process locks to write it.
    """

    def __init__(self, path: Path, *, data_root: Path) -> None:
        self.path, self.lock = path, path.with_name(f".{path.name}.lock")
        self._root = data_root.resolve()
        self._run = ""
        self.content = self._read()
        self._stored = _copy(self.content)

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

    def saved(self, name: str, place: Path, *, node: str, inputs: Iterable[str] = (), compared: bool = True) -> None:
        """Record what a node has written, and from which of its inputs; see `loaded`."""
        known = self.content["datasets"]
        made_from = {source: known[source]["content"] for source in inputs if "content" in known.get(source, {})}
        self._dataset(name, place, {"node": node, "run": self._run, "made_from": made_from}, compared)

    def loaded(self, name: str, place: Path, *, compared: bool = True) -> None:
        """Record what a run has read, where it differs from what was last recorded.

        With `compared` also the content, by which results and inputs are compared (`thor.core.mixing`).
        """
        known = self.content["datasets"].get(name, {})
        unread = compared and "content" not in known
        with suppress(FileNotFoundError):  # gone since it was listed: whoever writes there records it
            if unread or any(known.get(key) != value for key, value in signature(place).items()):
                self._dataset(name, place, None, compared)

    def refresh(self) -> None:
        """Record which files are gone or were changed since; folders beyond some gigabytes are compared when loaded."""
        for name, entry in list(self.content["datasets"].items()):
            place = self._root / entry["path"]
            if not place.exists():
                for table in _OF_DATASETS:
                    self.content[table].pop(name, None)
            elif "content" in entry and entry["bytes"] <= _QUICK_BYTES:
                self.loaded(name, place)

    def received(
        self,
        name: str,
        place: Path,
        *,
        made_by: Mapping[str, Any] | None,
        made_from: Mapping[str, str] | None = None,
        compared: bool = True,
    ) -> None:
        """Record what another project handed over: the node and run there that made it, and from which inputs."""
        origin = {"made_by": dict(made_by) if made_by else None, "made_from": dict(made_from or {})}
        self._dataset(name, place, {"node": None, "run": None} | origin, compared)

    def of_other_code(self, names: Iterable[str]) -> dict[str, str]:
        """Return the pipeline of each of these datasets that another version or state of the code has made."""
        found, runs = {}, self.content["runs"]
        for name in names:
            entry = self.content["datasets"].get(name, {})
            origin = entry.get("made_by") or {}
            run = origin.get("run") or runs.get(entry.get("run"))
            if run and _code(run) != _code(runs[self._run]):
                made_in = self.content["nodes"].get(entry.get("node"), {})
                found[name] = origin.get("pipeline") or made_in.get("pipeline", "")
        return found

    def write(self) -> None:
        """Write what this process has recorded over what others have written since, atomically.

        Raises
        ------
        DataError
            When it cannot be written.
        """
        from filelock import FileLock

        require_writable(self.path)
        lock = FileLock(self.lock)
        with suppress(OSError, NotImplementedError):  # a disk without locks, or one whose lock is never released
            lock.acquire(timeout=_LONGEST_WAIT)
        try:
            self._merge(self._read())
            entries = [*self.content["nodes"].values(), *self.content["datasets"].values()]
            used = {entry["run"] for entry in entries} | {self._run}
            self.content["runs"] = {name: run for name, run in self.content["runs"].items() if name in used}
            write_json(self.path, self.content)
        finally:
            lock.release()
        self._stored = _copy(self.content)

    def _read(self) -> dict[str, dict[str, Any]]:
        empty: dict[str, dict[str, Any]] = {name: {} for name in _TABLES}
        return empty | _tables_of(self.path) if self.path.is_file() else empty

    def _merge(self, others: dict[str, dict[str, Any]]) -> None:
        """Put the entries that this process has changed over those of `others`."""
        ours, before = self.content["datasets"], self._stored["datasets"]
        made = {name for name, entry in ours.items() if entry["run"] == self._run or entry.get("made_by")}
        # Whoever made a file knows more about it than a process that has only read it.
        newer = {name for name, entry in others["datasets"].items() if entry != before.get(name)} - made
        for table in _TABLES:
            ours, before = self.content[table], self._stored[table]
            theirs = newer if table in _OF_DATASETS else set()
            for name in before.keys() - ours.keys() - theirs:
                others[table].pop(name, None)
            changed = (name for name, entry in ours.items() if entry != before.get(name))
            others[table] |= {name: ours[name] for name in changed if name not in theirs}
        if self._run:  # other runs drop one that has made nothing so far
            others["runs"][self._run] = self.content["runs"][self._run]
        self.content = others

    def _dataset(self, name: str, place: Path, origin: Mapping[str, Any] | None, compared: bool) -> None:
        """Record a dataset; without `origin` that of the same content is kept."""
        place = place.resolve()
        # An archive elsewhere may be terabytes: only files below `data_root` are read for a checksum.
        if not place.is_relative_to(self._root) or not place.exists():
            return
        # First: a file that is replaced while it is read then differs from it, and is read again.
        seen = signature(place)
        files = file_checksums(place)
        entry = {"path": place.relative_to(self._root).as_posix(), **seen, "sha256": combined_sha256(files)}
        if compared:
            contents = self._contents(name, place, files)
            entry["content"] = combined_sha256({file: contents[file] or checksum for file, checksum in files.items()})
            self.content["contents"][name] = contents
        if origin is None:
            known = self.content["datasets"].get(name, {})
            same = known.get("sha256") == entry["sha256"]
            kept = {key: known[key] for key in ("node", "run", "made_by", "made_from") if key in known}
            origin = kept if same else {"node": None, "run": None}
        self.content["files"][name] = files
        self.content["datasets"][name] = entry | dict(origin)

    def _contents(self, name: str, place: Path, files: Mapping[str, str]) -> dict[str, str | None]:
        """Return the checksum of the content of each file with a fingerprint; unchanged files are not read again."""
        from thor.core.fingerprint import marked_content

        old, known = self.content["files"].get(name, {}), self.content["contents"].get(name, {})
        return {
            file: known[file] if old.get(file) == checksum and file in known else marked_content(place / file)
            for file, checksum in files.items()
        }


def _copy(content: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the tables with the same entries, which are replaced and never changed."""
    return {table: dict(entries) for table, entries in content.items()}


def _code(run: Mapping[str, Any]) -> tuple[Any, Any]:
    return run.get("git"), run.get("versions", {}).get("thor")


def _tables_of(path: Path) -> dict[str, dict[str, Any]]:
    """Return the content of a record; nothing, with a warning, where the file holds no record."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(content.get(name, {}), dict) for name in _TABLES):
            return dict(content)
        reason = "it holds other tables"
    except (ValueError, AttributeError) as error:
        reason = str(error)
    warn_once(show(path), f"the record of earlier runs cannot be read ({reason}) and is begun anew")
    return {}
