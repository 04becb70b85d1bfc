"""Files from data nodes: verified, resumed after a cut, and under their names only when they are whole."""

import errno
import fcntl
import logging
import os
import shutil
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from thor.core.atomic import NO_SPACE
from thor.core.checksums import file_checksum
from thor.core.errors import DataError
from thor.core.progress import progress_bar
from thor.reading.esgf_files import TIMEOUT, RemoteFile, Replica, session, short_reason

log = logging.getLogger(__name__)

N_PARALLEL = 4
"""Files fetched at once unless asked otherwise: data nodes are shared by everyone."""

ROUNDS = 4
"""How often all data nodes of a file are tried without any of them giving more of it."""

PAUSE_S = 2.0
"""Seconds before the second round, doubled before each further one."""

PIECE_BYTES = 2**14
"""Written at a time: the most that is lost when a connection is cut."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_PASSING = (408, 425, 429)  # HTTP errors of a request that may work later


@dataclass(frozen=True)
class Fetched:
    """Result of a download.

    Attributes
    ----------
    n_fetched, n_present : int
        Files fetched, and files that were there already.
    n_bytes : int
        Size of those fetched [bytes].
    """

    n_fetched: int
    n_present: int
    n_bytes: int


class _BrokenError(Exception):
    """A data node sent something else than the whole file."""


class _UselessError(_BrokenError):
    """A data node would send the same again."""


class _StoppedError(Exception):
    """Another file cannot be written, or the user interrupts."""


def activities_folder(root: Path) -> Path:
    """Return the folder of an archive that holds, or is to hold, the activities: its ``CMIP6``, or itself."""
    below = root / "CMIP6"
    if not below.is_dir() and (root.name == "CMIP6" or any(path.is_dir() for path in root.glob("*MIP"))):
        return root
    return below


def download(files: Sequence[RemoteFile], folder: Path, *, n_parallel: int = N_PARALLEL) -> Fetched:
    """Fetch files into an archive.

    A file that is there with the right size and checksum is kept. Others are written under a hidden name beside their
    place, ``.<name>.<checksum>.part``, which stays when something fails: the next call continues it.

    Parameters
    ----------
    files : sequence of RemoteFile
    folder : Path
        That of the activities (`activities_folder`).
    n_parallel : int

    Raises
    ------
    DataError
        When the disk is full, another file of that name is there, or no data node gives a file with its checksum; the
        other files are fetched all the same.
    """
    _require_space(files, folder)
    failures: dict[RemoteFile, DataError] = {}
    done: list[tuple[RemoteFile, bool]] = []
    n_bytes = sum(file.size for file in files)
    bar = progress_bar(total=n_bytes, label="fetching", unit="B", scaled=True)
    transfer = _Transfer(folder, bar)
    pool = ThreadPoolExecutor(max_workers=n_parallel)
    try:
        waiting = {pool.submit(transfer.fetch, file): file for file in files}
        for future in as_completed(waiting):
            try:
                done.append((waiting[future], future.result()))
            except DataError as error:
                failures[waiting[future]] = error
            except OSError as error:
                raise _disk_error(folder / waiting[future].path, error) from error
    finally:
        transfer.stopped.set()
        pool.shutdown(cancel_futures=True)
        bar.close()
    if failures:
        first = next(iter(failures.values()))
        more = f" {len(failures) - 1} more of {len(files)} files failed." if len(failures) > 1 else ""
        raise DataError(f"{first}{more} What was fetched is kept; run again to go on.") from first
    fetched = [file for file, was_fetched in done if was_fetched]
    return Fetched(len(fetched), len(done) - len(fetched), sum((folder / file.path).stat().st_size for file in fetched))


class _Transfer:
    """The state shared by parallel downloads."""

    def __init__(self, folder: Path, bar: Any) -> None:
        self._folder, self._bar = folder, bar
        self._session = session()
        self._failed_hosts: Counter[str] = Counter()
        self._shown: dict[Path, int] = {}
        self.stopped = threading.Event()

    def fetch(self, file: RemoteFile) -> bool:
        """Return whether the file had to be fetched: False when it was there."""
        place = self._folder / file.path
        if place.exists():
            _require_same(place, file)
            self._show(place, file.size)
            return False
        place.parent.mkdir(parents=True, exist_ok=True)
        replicas, reasons = list(file.replicas), {}
        longest, idle = 0, 0
        while replicas and idle < ROUNDS:
            if idle and self.stopped.wait(PAUSE_S * 2 ** (idle - 1)):
                raise _StoppedError
            idle += 1
            # nodes that failed before come last
            for replica in sorted(replicas, key=lambda replica: self._failed_hosts[replica.host]):
                try:
                    self._get(replica, place)
                    return True
                except _BrokenError as error:
                    reasons[replica] = error
                    self._failed_hosts[replica.host] += 1
                    log.debug("%s: %s", replica.url, error)
                    if isinstance(error, _UselessError):
                        replicas.remove(replica)
                part = part_of(place, replica)
                size = part.stat().st_size if part.exists() else 0
                if size > longest:
                    longest, idle = size, 0
        failures = "; ".join(f"{replica.host}: {reason}" for replica, reason in list(reasons.items())[:3])
        raise DataError(f"{file.name} could not be fetched from any of {len(reasons)} data nodes: {failures}.")

    def _get(self, replica: Replica, place: Path) -> None:
        """Fetch what is missing of one file from one data node, and put it in its place."""
        part = part_of(place, replica)
        with part.open("ab") as stream:
            _require_alone(stream, place)
            start = stream.tell()
            if not replica.size or start < replica.size:
                start = self._receive(replica, stream, place)
            size = stream.tell()
            if size < replica.size:
                raise _BrokenError(f"the connection was cut after {size} of {replica.size} bytes")
            stream.flush()
            os.fsync(stream.fileno())
            got = file_checksum(part, replica.algorithm) if replica.algorithm else None
            if size != (replica.size or size) or got != replica.checksum:
                part.unlink()
                self._show(place, 0)
                raise (_BrokenError if start else _UselessError)(_difference(replica, size, got))
            part.replace(place)
        self._show(place, size)
        if got is None:
            log.warning("%s: the index gives no checksum, so only its size was verified", place.name)

    def _receive(self, replica: Replica, stream: BinaryIO, place: Path) -> int:
        """Append the rest of a file, or write all of it where the data node gives no parts; return where it began."""
        import requests

        start = stream.tell() if replica.checksum else 0  # what cannot be verified is not continued
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        try:
            with self._session.get(replica.url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
                answer.raise_for_status()
                if not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                    start = stream.seek(0)
                    stream.truncate()
                    if answer.status_code == requests.codes.partial_content:
                        raise _BrokenError("it gave another part than asked for")
                for piece in answer.iter_content(PIECE_BYTES):
                    if self.stopped.is_set():
                        raise _StoppedError
                    stream.write(piece)
                    self._show(place, stream.tell())
        except requests.HTTPError as error:
            status = answer.status_code
            if status == requests.codes.requested_range_not_satisfiable:
                stream.truncate(0)
            elif 400 <= status < 500 and status not in _PASSING:
                raise _UselessError(short_reason(error)) from error
            raise _BrokenError(short_reason(error)) from error
        except requests.RequestException as error:
            raise _BrokenError(short_reason(error)) from error
        return start

    def _show(self, place: Path, n_bytes: int) -> None:
        self._bar.update(n_bytes - self._shown.get(place, 0))
        self._shown[place] = n_bytes


def _require_alone(stream: BinaryIO, place: Path) -> None:
    """Raise DataError when another process writes this file; some file systems of clusters cannot say."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(f"{place} is being fetched by another process. Wait for it, and run again.") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _require_same(place: Path, file: RemoteFile) -> None:
    """Raise DataError unless the file at its place is the one that some data node has."""
    size = place.stat().st_size
    got: dict[str | None, str | None] = {None: None}
    for replica in file.replicas:
        if replica.size in (0, size):
            if replica.algorithm not in got:
                got[replica.algorithm] = file_checksum(place, str(replica.algorithm))
            if got[replica.algorithm] == replica.checksum:
                return
    known = file.replicas[0]
    raise DataError(
        f"{place} is there, but is not the file of ESGF: {_difference(known, size, got.get(known.algorithm))}. "
        "It is left as it is; remove it to have it fetched."
    )


def _difference(replica: Replica, size: int, got: str | None) -> str:
    if replica.size and size != replica.size:
        return f"expected {replica.size} bytes, got {size}"
    return f"expected {replica.algorithm} {replica.checksum}, got {got}"


def part_of(place: Path, replica: Replica) -> Path:
    """Return where a file is kept until it is whole."""
    return place.with_name(f".{place.name}.{(replica.checksum or 'unknown')[:12]}.part")


def _require_space(files: Sequence[RemoteFile], folder: Path) -> None:
    """Raise DataError when what is missing does not fit on the disk, or nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        needed = sum(_missing(folder / file.path, file) for file in files)
    except OSError as error:
        raise _disk_error(folder, error) from error
    if needed > free:
        raise DataError(
            f"{needed / 1e9:.1f} GB are to be fetched into {folder}, where {free / 1e9:.1f} GB are free. Ask for fewer "
            "runs or years, or for another --root."
        )


def _missing(place: Path, file: RemoteFile) -> int:
    if place.exists():
        return 0
    parts = [part.stat().st_size for replica in file.replicas if (part := part_of(place, replica)).exists()]
    return max(0, file.size - max(parts, default=0))


def _disk_error(place: Path, error: OSError) -> DataError:
    if error.errno in NO_SPACE:
        return DataError(f"{place} is not complete: {NO_SPACE[error.errno]}. Free some space, and run again to go on.")
    return DataError(f"{place} cannot be written: {error.strerror or error}. Correct that, or choose another --root.")
