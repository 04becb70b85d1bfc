"""Files that are either the old one or the new one, never half of one."""

import errno
import os
import re
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from thor.core.errors import DataError

_HOST = sha256(socket.gethostname().encode()).hexdigest()[:8]
_DAY = 86_400.0
_ALMOST_FULL = 64 * 1024
_active: set[Path] = set()

_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
_IN_THE_WAY = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path`, and put it in its place when the block ends well.

    Parents are made. Whatever ends the block otherwise, an interrupt included, leaves the old file as it was and
    no temporary; one left by a killed process is swept at the next save of the same file.

    Parameters
    ----------
    path : Path or str
        The file to write.

    Yields
    ------
    Path
        Where to write: hidden, in the same folder, with the same suffix.

    Raises
    ------
    DataError
        When the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        _active.add(temporary)
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    except OSError as error:
        complaint = _complaint(path, error)
        if complaint is None:
            raise
        raise DataError(complaint) from error
    except RuntimeError as error:
        # The NetCDF library reports a full disk as "NetCDF: HDF error" only.
        if "HDF" not in str(error) or not _is_full(path.parent):
            raise
        raise DataError(_complaint(path, OSError(errno.ENOSPC, "full")) or str(error)) from error
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)
        _active.discard(temporary)


def require_writable(path: Path | str) -> None:
    """Return when a file can be written there: to be asked before long work.

    Parameters
    ----------
    path : Path or str
        The file that is to be written; what is there stays.

    Raises
    ------
    DataError
        When its folder cannot be made or written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        complaint = _complaint(path, error)
        if complaint is None:
            raise
        raise DataError(complaint) from error


@contextmanager
def replacing_folder(path: Path | str) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`, and put it in its place when the block ends well.

    Parameters
    ----------
    path : Path or str
        The folder to write.

    Raises
    ------
    DataError
        As `replacing`.
    """
    path = Path(path)
    temporary, old = (path.with_name(f".{path.name}.{_HOST}-{os.getpid()}.{kind}") for kind in ("tmp", "old"))
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
        _flush(path.parent)
    except OSError as error:
        complaint = _complaint(path, error)
        if complaint is None:
            raise
        raise DataError(complaint) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not path.exists() and old.exists():
            os.replace(old, path)
        shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _complaint(path: Path, error: OSError) -> str | None:
    if error.errno in _FULL:
        return (
            f"{show(path)} was not written: the disk is full. The file that was there is untouched; "
            "free some space, or set data_root in conf/local/globals.yml to another disk."
        )
    if error.errno in _UNWRITABLE:
        return (
            f"{show(path)} was not written: {os.strerror(error.errno)}. Make the folder writable, "
            "or set data_root in conf/local/globals.yml to one that is."
        )
    if error.errno in _IN_THE_WAY:
        return f"{show(path)} was not written: a file stands where a folder is needed, or a folder at its own place."
    return None


def _is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < _ALMOST_FULL


def _sweep(path: Path) -> None:
    pattern = re.compile(rf"\.{re.escape(path.stem)}\.(?P<host>\w+)-(?P<process>\d+)-\w+\.tmp{re.escape(path.suffix)}")
    for leftover in path.parent.iterdir():
        match = pattern.fullmatch(leftover.name)
        if match and leftover not in _active and _is_stale(leftover, match["host"], int(match["process"])):
            leftover.unlink(missing_ok=True)


def _is_stale(leftover: Path, host: str, process: int) -> bool:
    if host == _HOST:
        # Our own number without our own memory of it: an earlier process of this number, as in a restarted container.
        return process == os.getpid() or not _is_alive(process)
    try:
        return time.time() - leftover.stat().st_mtime > _DAY
    except FileNotFoundError:
        return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def show(path: Path | str) -> str:
    """Return the path as messages show it: relative to the working folder where it lies below."""
    path = Path(path)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
