"""The header of a file on a data node, from its first bytes."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from thor.reading.esgf_files import TIMEOUT, RemoteFile, session
from thor.reading.series import Series

_BUFFER = 2**18  # bytes read at a time


def read_remote_header(file: RemoteFile, *, first_year: int, folder: Path | None) -> Series:
    """Return what `thor.reading.baselines.parent_of` uses of a series: attributes, calendar, time units, first month.

    Parameters
    ----------
    file : RemoteFile
        Any file of the run.
    first_year : int
        Of the run, of which this may be a later file.
    folder : Path or None
        That of the activities; a file that is there is read there.

    Raises
    ------
    OSError
        When no data node gives parts of the file, or it is no NetCDF-4.
    """
    import h5py

    here = folder / file.path if folder else None
    sources: list[Any] = [here] if here and here.is_file() else [*file.replicas]
    failure: Exception = OSError("no data node has it")
    for source in sources:
        try:
            place = source if isinstance(source, Path) else io.BufferedReader(_RemoteFile(source.url), _BUFFER)
            with h5py.File(place, "r") as content:
                attrs = {name: _plain(value) for name, value in content.attrs.items()}
                time = content["time"].attrs if "time" in content else {}
                return cast(
                    Series,
                    SimpleNamespace(
                        attrs=attrs,
                        months=[12 * first_year],
                        calendar=_plain(time.get("calendar", "standard")).lower(),
                        files=[SimpleNamespace(time_units=_plain(time.get("units", "")))],
                    ),
                )
        except (OSError, RuntimeError) as error:
            failure = error
    raise OSError(str(failure).splitlines()[0]) from failure


def _plain(value: Any) -> Any:
    """Return an attribute as netCDF4 gives it."""
    value = value[0] if getattr(value, "size", 0) == 1 and getattr(value, "ndim", 0) else value
    return value.decode() if isinstance(value, bytes) else value


class _RemoteFile(io.RawIOBase):
    """A file on a data node, read piece by piece (HTTP Range)."""

    def __init__(self, url: str) -> None:
        self._url, self._position, self._session = url, 0, session()
        with self._get(0, 1) as answer:
            size = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if not size.isdigit():
            raise OSError(f"{url.split('/')[2]} does not give the size of files")
        self._size = int(size)

    def _get(self, start: int, stop: int) -> Any:
        import requests

        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        try:
            answer = self._session.get(self._url, headers=headers, stream=True, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise OSError(f"no connection to {self._url.split('/')[2]}") from error
        if answer.status_code != requests.codes.partial_content:
            answer.close()
            raise OSError(f"{self._url.split('/')[2]} gives no parts of files (HTTP {answer.status_code})")
        return answer

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        stop = min(self._position + len(buffer), self._size)
        if stop <= self._position:
            return 0
        with self._get(self._position, stop) as answer:
            content = answer.content
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
