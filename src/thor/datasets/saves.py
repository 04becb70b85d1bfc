"""The saves of a folder of files: one at a time, why keys were left out, and whether the last one has ended."""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from thor.core.atomic import show, write_json
from thor.core.errors import DataError
from thor.datasets.files import read_json

log = logging.getLogger(__name__)


class Saves:
    """The saves of a folder.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left_out = folder / "left_out.json"
        self._unfinished = folder / "unfinished.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder while it is saved; the operating system frees that of a process that was killed.

        A disk without locks, or one that cannot be written, holds nothing.

        Raises
        ------
        DataError
            When another run holds it.
        """
        from filelock import FileLock, SoftFileLock, Timeout

        file = self._folder.with_name(f".{self._folder.name}.lock")
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise DataError(
                f"{show(self._folder)}/ is being saved by {_holder(file)}; the files there are left to it. Wait until "
                "it has ended and run again, or give each run its own data_root (conf/local/globals.yml)."
            ) from None
        except (OSError, NotImplementedError) as error:
            # Whatever is wrong with the folder is reported with its first file.
            log.debug("%s is not locked: %s", show(self._folder), error)
        native = lock.is_locked and not isinstance(lock, SoftFileLock)
        try:
            if native:
                file.write_text(f"{os.getpid()}\n{socket.gethostname()}\n", encoding="utf-8")
            yield
        finally:
            if native:
                file.unlink(missing_ok=True)
            lock.release()

    def begin(self) -> None:
        """Mark the folder as unfinished; call before a file is written beside files that are to be replaced."""
        if not self._unfinished.exists():
            write_json(self._unfinished, {"process": os.getpid(), "host": socket.gethostname()})

    def end(self, left_out: Mapping[str, str]) -> None:
        """Mark the folder as finished, with the reason for each key that is left out."""
        if left_out:
            write_json(self._left_out, left_out)
        else:
            self._left_out.unlink(missing_ok=True)
        self._unfinished.unlink(missing_ok=True)

    def left_out(self) -> dict[str, str]:
        """Return the reason for each key that was left out by the last save that has ended."""
        return read_json(self._left_out) if self._left_out.is_file() else {}

    def require_end(self) -> None:
        """Raise DataError when the last save has not ended: files of two settings lie side by side."""
        if self._unfinished.exists():
            raise DataError(
                f"{show(self._folder)}/ is not finished: its last save was interrupted, or goes on, and some files "
                "follow from other inputs, settings or code than the rest. Run the pipeline that writes it again "
                "(`kedro registry list` names them); it keeps what is finished."
            )


def _holder(lock: Path) -> str:
    try:
        process, host, *_ = lock.read_text(encoding="utf-8").split()
    except (OSError, ValueError):  # it has just ended or begun
        return "another run"
    return f"another run (process {process} on {host})"
