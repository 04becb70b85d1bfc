"""Folders of NetCDF files, one per key, that are resumed: what has not changed is not computed again."""

import logging
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

import xarray as xr
from cachetools import LRUCache
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from thor.core.atomic import remove_leftovers, require_writable, show
from thor.core.checkpoint import Resumable
from thor.core.contracts import check, find_contract
from thor.core.errors import DataError, LeftOutError, counted
from thor.core.fingerprint import ATTRIBUTE
from thor.core.parallel import in_processes, number_of_processes
from thor.core.progress import progress_bar
from thor.datasets.checkpoints import FileCheckpoint, stored_mark
from thor.datasets.files import MAKE_IT
from thor.datasets.netcdf import is_netcdf, read, write
from thor.datasets.saves import Saves

log = logging.getLogger(__name__)

_State = tuple[str, str, int, int, int]

_KEPT: set[_State] = set()
"""States of files that passed their contract in this process: several nodes read the same ones."""

_READ: LRUCache[_State, xr.Dataset] = LRUCache(512e6, getsizeof=lambda dataset: dataset.nbytes)
"""Content of the files read last, of at most 512 MB: a baseline is read with each run that is compared with it."""

_READING = Lock()

Maker = Callable[[], xr.Dataset]

_NEW, _CHANGED, _DAMAGED = "new", "whose inputs changed", "that could not be read"
NOT_MADE = "not made yet"
_LEFT = {_NEW: NOT_MADE, _CHANGED: "its inputs, the settings or THOR changed", _DAMAGED: "its file cannot be read"}
"""Why a file has to be written: in the log of a save, and before it."""


class Fields(dict[str, Maker]):
    """Functions that read the files of a collection, by key.

    Attributes
    ----------
    left_out : dict of str to str
        Reason for each key that could not be made when the collection was saved.
    headers : mapping of str to callable
        Read the coordinates and attributes of each file alone.
    """

    def __init__(self, readers: Mapping[str, Maker], left_out: Mapping[str, str], headers: Mapping[str, Maker]) -> None:
        super().__init__(readers)
        self.left_out, self.headers = dict(left_out), headers


class FieldCollection(AbstractDataset[Mapping[str, tuple[str, Maker]], Fields]):
    """A folder of NetCDF files ``<key>.nc``; a key may hold ``/`` for subfolders.

    Loading gives ``{key: function that reads the file}``. Saving takes ``{key: (fingerprint, function that makes the
    dataset)}`` and calls the function only where the file's stored fingerprint differs
    (`thor.core.fingerprint.fingerprint`); keys no longer produced are removed. A function that is a
    `thor.core.checkpoint.Resumable` receives a checkpoint, which is kept beside the file until the file is complete. A
    function that raises `thor.core.errors.LeftOutError` leaves its key out, with a warning, and stops no other. A
    mapping that is a context manager is entered first: what its functions share, such as workers, ends with the save.
    One run saves at a time. A folder in which a save has stopped between two settings cannot be loaded.

    Parameters
    ----------
    path : str
        The folder.
    contract : str, optional
        Stage whose contract each file keeps, on save and on load.
    chunks : dict or str, optional
        Open the files lazily with these dask chunks.
    may_be_empty : bool, optional
        Whether no key at all is a result too: where no archive is configured there are no scenarios.
    may_be_left_out : bool, optional
        Whether all keys may be left out, since what reads the collection does without.
    n_processes : int or None, optional
        Processes that make and write the files, to which the functions are sent; None: one for each core, at most four.
    metadata : dict, optional
        For kedro-viz.
    """

    def __init__(
        self,
        *,
        path: str,
        contract: str | None = None,
        chunks: dict[str, int] | str | None = None,
        may_be_empty: bool = False,
        may_be_left_out: bool = False,
        n_processes: int | None = 1,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._path = Path(path)
        self._saves = Saves(self._path)
        self._may_be_empty = may_be_empty
        self._may_be_left_out = may_be_left_out
        self.n_processes = number_of_processes(n_processes, "archive_processes")
        # By name: the rules of a contract are closures, and a dataset is sent to the process of a node.
        self._contract = find_contract(contract).name if contract else None
        self._chunks = chunks
        self.metadata = metadata

    def load(self) -> Fields:
        """Return a reading function for each key, in the order of the keys.

        Raises
        ------
        DataError
            When the folder is missing, holds no file or is not finished; when called, for a file that breaks its
            contract.
        """
        self._saves.require_end()
        keys = self._keys()
        if not keys and not self._may_be_empty:
            state = "holds no NetCDF file" if self._path.is_dir() else "does not exist"
            raise DataError(f"{show(self._path)}/ {state}. {MAKE_IT}")
        headers = {key: partial(read, self._file(key), header=True) for key in keys}
        return Fields({key: self._reader(key) for key in keys}, self._saves.left_out(), headers)

    def left(self, marks: Mapping[str, str]) -> dict[str, str]:
        """Return which of the keys with these fingerprints a save would make, and why; it makes none."""
        left_out, reasons = self._saves.left_out(), {}
        for key, mark in marks.items():
            try:
                reason = self._why(key, mark)
            except DataError as error:
                reasons[key] = str(error)
                continue
            if reason and key in left_out:
                reasons[key] = f"left out last time: {left_out[key]}"
            elif reason:
                begun = FileCheckpoint(self._file(key), mark).begun()
                reasons[key] = "begun" if begun else _LEFT[reason]
        return reasons

    def save(self, data: Mapping[str, tuple[str, Maker]]) -> None:
        """Write what changed, keep what did not, remove what is no longer produced.

        Raises
        ------
        DataError
            When nothing is to be saved, another run saves, a key is no relative path, a file that THOR did not write
            lies in its place, or a dataset breaks its contract. Files written before that stay and are not made again.
        """
        if not data and not self._may_be_empty:
            raise DataError(f"{show(self._path)}/ was given no key to save; the files there are untouched.")
        with self._saves.alone():
            self._update(data)

    def _update(self, data: Mapping[str, tuple[str, Maker]]) -> None:
        reasons = {key: reason for key, (mark, _) in data.items() if (reason := self._why(key, mark))}
        # beside a new file lie those that are to be replaced or removed, until the end
        mixed = not set(self._keys()) <= set(data) - set(reasons)
        written: Counter[str] = Counter()
        left_out: dict[str, str] = {}
        shared = data if isinstance(data, AbstractContextManager) else nullcontext()
        with shared, closing(self._make_all({key: data[key] for key in reasons}, mixed)) as done:
            bar = progress_bar(done, total=len(reasons), label=self._path.name, unit="file")
            for (key, reason), fault in zip(reasons.items(), bar, strict=True):
                if fault:
                    left_out[key] = fault
                    log.warning("%s is left out: %s", key, fault)
                else:
                    written[reason] += 1
                    log.debug("%s: %s written: %s", self._path.name, key, reason)
        if left_out and len(left_out) == len(data) and not self._may_be_left_out:
            key, reason = next(iter(left_out.items()))
            raise DataError(f"{show(self._path)}/: none of {len(data)} files could be made. The first, {key}: {reason}")
        n_removed = self._remove(set(data) - set(left_out))
        self._saves.end(left_out)
        n_kept = len(data) - written.total() - len(left_out)
        why = "; ".join(f"{number} {reason}" for reason, number in written.items())
        counts = [f"{counted(written.total(), 'file')} written" + (f" ({why})" if why else "")]
        rest = {"kept": n_kept, "removed": n_removed, "left out": len(left_out)}
        counts += [f"{number} {what}" for what, number in rest.items() if number]
        log.info("%s: %s", self._path.name, ", ".join(counts))

    def _make_all(self, data: Mapping[str, tuple[str, Maker]], mixed: bool) -> Generator[str | None, None, None]:
        """Yield what `_make` returns for each key; processes that are ended leave no temporary file."""
        parts = ((key, mark, make, mixed) for key, (mark, make) in data.items())
        try:
            yield from in_processes(self._make, parts, n_processes=self.n_processes if len(data) > 1 else 1)
        except BaseException:
            for key in data:
                remove_leftovers(self._file(key))
            raise

    def _make(self, key: str, mark: str, make: Maker, mixed: bool) -> str | None:
        """Make and write one file, and return why it is left out, or None."""
        file = self._file(key)
        require_writable(file)
        checkpoint = FileCheckpoint(file, mark)
        try:
            dataset = make(checkpoint) if isinstance(make, Resumable) else make()
        except LeftOutError as error:
            return str(error)
        if mixed:
            self._saves.begin()
        self._write(key, dataset.assign_attrs({ATTRIBUTE: mark}))
        checkpoint.clear()
        return None

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)} | ({"contract": self._contract} if self._contract else {})

    def _exists(self) -> bool:
        return self._may_be_empty or bool(self._keys())

    def preview(self, nrows: int = 50) -> TablePreview:
        """Return the keys with their sizes, for kedro-viz."""
        keys = self._keys()[:nrows]
        rows = [[key, f"{self._file(key).stat().st_size / 1e6:.2f}"] for key in keys]
        return TablePreview({"index": list(range(len(rows))), "columns": ["key", "MB"], "data": rows})

    def _keys(self) -> list[str]:
        files = (file for file in self._path.rglob("*.nc") if not file.name.startswith("."))
        return sorted(file.relative_to(self._path).with_suffix("").as_posix() for file in files)

    def _file(self, key: str) -> Path:
        path = PurePosixPath(key)
        if not key or path.is_absolute() or any(part.startswith(".") for part in path.parts):
            raise DataError(f"{show(self._path)}/: '{key}' cannot name a file; expected words separated by '/'.")
        return self._path / f"{key}.nc"

    def _reader(self, key: str) -> Callable[[], xr.Dataset]:
        def load() -> xr.Dataset:
            file = self._file(key)
            state = self._state(file)
            with _READING:
                known = _READ.get(state)
            if known is not None:
                return known.copy()
            dataset = read(file, chunks=self._chunks)
            if self._contract and state not in _KEPT:
                check(dataset, self._contract, where=show(file))
                _KEPT.add(state)
            if self._chunks is None and dataset.nbytes <= _READ.maxsize:
                for variable in dataset.variables.values():
                    variable.values.flags.writeable = False  # the next reader gets the same arrays
                with _READING:
                    _READ[state] = dataset
                return dataset.copy()
            return dataset

        return load

    def _write(self, key: str, dataset: xr.Dataset) -> None:
        if self._contract:
            check(dataset, self._contract, where=show(self._file(key)))
        write(dataset, self._file(key))
        if self._contract:
            _KEPT.add(self._state(self._file(key)))

    def _state(self, file: Path) -> _State:
        """Return what changes whenever the file does, and the name of its contract."""
        about = file.stat()
        return str(file.resolve()), self._contract or "", about.st_ino, about.st_size, about.st_mtime_ns

    def _why(self, key: str, mark: str) -> str | None:
        """Return why the file of `key` has to be written, or None."""
        file = self._file(key)
        if not file.is_file():
            return _NEW
        stored = stored_mark(file)
        if stored == mark:
            return None
        if stored is None and is_netcdf(file):
            raise DataError(f"{show(file)} was not written by THOR and is not replaced. Move it away, and run again.")
        return _CHANGED if stored else _DAMAGED

    def _remove(self, keys: set[str]) -> int:
        removed = 0
        for key in self._keys():
            file = self._file(key)
            if key in keys:
                continue
            if stored_mark(file) is None:
                log.warning("%s is not one of THOR's files and was left in place", show(file))
                continue
            file.unlink()
            removed += 1
            log.info("%s/%s removed: no longer produced", self._path.name, key)
            for folder in file.relative_to(self._path).parents:
                if folder != Path(".") and not any((self._path / folder).iterdir()):
                    (self._path / folder).rmdir()
        return removed
