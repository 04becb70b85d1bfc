"""Atomic writing: a file or folder is either the old or the new one, never incomplete; tests for running processes."""

import errno
import json
import os
import re
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil

from thor.core.errors import DiskError

_HOST = sha256(socket.gethostname().encode()).hexdigest()[:8]
_DAY = 86_400.0
_MORE = 64 * 1024  # bytes: more than a full disk has left
_active: set[Path] = set()

NO_SPACE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "files must not be as large (ulimit -f, or the disk)",
}
"""Errors of the system for a file that is too large for where it is written, in words."""

_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT)
_IN_THE_WAY = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY)
_ELSEWHERE = "set data_root in conf/local/globals.yml"


@contextmanager
def replacing(
    path: Path | str, *, make_folder: bool = True, elsewhere: str = _ELSEWHERE, durable: bool = True
) -> Iterator[Path]:
    """Give a temporary path beside `path`, and put it in its place when the block ends well.

    An error or interrupt leaves the old file as it was and no temporary one. What a killed process has left is removed
    at the next save of the same file. A folder replaces a folder; a process killed between the two renames of this has
    left none, and `remove_leftovers` puts the old one back.

    Parameters
    ----------
    path : Path or str
        The file to write.
    make_folder : bool, optional
        Whether folders above it are made where they are missing.
    elsewhere : str, optional
        Advice for the error message: how to choose another place.
    durable : bool
        Whether the file is on the disk itself at the end, whatever happens to the machine; a process that is killed
        leaves a whole file in either case.

    Yields
    ------
    Path
        The temporary file: hidden, in the same folder, with the same suffix.

    Raises
    ------
    DiskError
        When the disk is full or the folder cannot be written.
    """
    path = Path(path)
    name = f".{path.stem}.{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    temporary, old = (path.with_name(f"{name}.{kind}{path.suffix}") for kind in ("tmp", "old"))
    try:
        with _disk_errors(path, elsewhere, written=temporary):
            if make_folder:
                path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(path)
            _active.update((temporary, old))
            yield temporary
            if durable:
                flush(temporary)
            if temporary.is_dir() and path.is_dir():
                os.replace(path, old)
            os.replace(temporary, path)
            if durable:
                flush(path.parent)
    finally:
        if old.exists() and not path.exists():
            os.replace(old, path)
        for left in (temporary, old):
            _remove(left)
            _active.discard(left)


def require_writable(path: Path | str, *, elsewhere: str = _ELSEWHERE) -> None:
    """Raise DiskError, with the advice of `replacing`, unless the folder of this file can be made and written.

    Call before long work.
    """
    path = Path(path)
    with _disk_errors(path, elsewhere):
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()


@contextmanager
def replacing_folder(path: Path | str, *, elsewhere: str = _ELSEWHERE) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`, and put it in its place when the block ends well.

    Parameters
    ----------
    path : Path or str
        The folder to write.
    elsewhere : str, optional
        As for `replacing`.

    Raises
    ------
    DiskError
        As `replacing`.
    """
    with replacing(path, elsewhere=elsewhere) as temporary:
        temporary.mkdir()
        yield temporary


def _remove(path: Path) -> None:
    """Remove a file or folder; threads of an interrupted write may add files to a folder for a moment."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    for _ in range(40):
        if not path.is_dir():
            return
        shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.05 * path.exists())


def write_json(path: Path, content: Any, *, sort_keys: bool = True) -> None:
    """Write a JSON file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=sort_keys, default=str) + "\n", encoding="utf-8")


def flush(path: Path) -> None:
    """Write a file or the entries of a folder through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_running(process: int) -> bool:
    """Return whether another process of this number runs on this machine.

    False for the number of this process: a file with that number was left by an earlier process, as in a restarted
    container.
    """
    return process != os.getpid() and psutil.pid_exists(process)


@contextmanager
def _disk_errors(path: Path, elsewhere: str, *, written: Path | None = None) -> Iterator[None]:
    """Turn the errors of a full or unwritable disk into a DiskError that names the file and a remedy."""
    try:
        yield
    except OSError as error:
        complaint = _complaint(path, error, elsewhere)
        if complaint is None:
            raise
        raise DiskError(complaint) from error
    except RuntimeError as error:
        # The NetCDF library reports a full disk as "NetCDF: HDF error" only: it shows where more is written.
        if "HDF" in str(error) and written and written.is_file():
            with _disk_errors(path, elsewhere), written.open("ab") as file:
                file.write(bytes(_MORE))
        raise


def _complaint(path: Path, error: OSError, elsewhere: str) -> str | None:
    place = f"{show(path)} was not written:"
    if error.errno in NO_SPACE:
        return (
            f"{place} {NO_SPACE[error.errno]}. A file that was there is untouched; free some space, or {elsewhere} "
            "to use another disk."
        )
    if error.errno in _UNWRITABLE:
        return f"{place} {os.strerror(error.errno)}. Make the folder writable, or {elsewhere}."
    if error.errno in _IN_THE_WAY:
        return f"{place} a file stands where a folder is needed, or a folder at its place."
    return None


def remove_leftovers(path: Path) -> None:
    """Remove what processes that no longer run have left beside a file or folder; a folder they moved is put back."""
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    pattern = re.compile(rf"\.{stem}\.(?P<host>\w+)-(?P<process>\d+)-\w+\.(?P<kind>tmp|old){suffix}")
    for leftover in list(path.parent.iterdir()) if path.parent.is_dir() else ():
        match = pattern.fullmatch(leftover.name)
        if not match or leftover in _active or not _is_stale(leftover, match["host"], int(match["process"])):
            continue
        if match["kind"] == "tmp" or path.exists():
            _remove(leftover)
        elif match["host"] == _HOST:  # one of another machine may be about to put the new folder there
            with suppress(FileNotFoundError):  # another process has put it back
                os.replace(leftover, path)


def _is_stale(leftover: Path, host: str, process: int) -> bool:
    if host == _HOST:
        return not is_running(process)
    try:
        return time.time() - leftover.stat().st_mtime > _DAY
    except FileNotFoundError:
        return False


def show(path: Path | str) -> str:
    """Return the path for messages: relative to the working folder where it lies below."""
    path = Path(path)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
