"""Parts of unfinished work, kept beside the file that is being made."""

import logging
from pathlib import Path

import netCDF4
import xarray as xr

from thor.core.errors import DataError
from thor.core.fingerprint import ATTRIBUTE
from thor.datasets.netcdf import read, write

log = logging.getLogger(__name__)


class FileCheckpoint:
    """Parts of one unfinished file, each in a hidden NetCDF file beside it; see `thor.core.checkpoint`.

    Parameters
    ----------
    file : Path
        The file in the making.
    mark : str
        Its fingerprint: parts of another are not given back. Empty where the work itself identifies its parts.
    """

    def __init__(self, file: Path, mark: str = "") -> None:
        self._file = file
        self._mark = mark

    def load(self, name: str) -> xr.Dataset | None:
        """Return the part kept under this name for this fingerprint, or None, also where the machine lost it."""
        path = self._part(name)
        if not path.is_file() or stored_mark(path) != self._mark:
            return None
        try:
            return read(path)
        except DataError as error:
            log.warning("Unfinished work is begun again: %s", error)
            return None

    def save(self, name: str, part: xr.Dataset) -> None:
        """Keep a part, atomically; after a power failure it may be damaged, but the disk is not waited for."""
        write(part.assign_attrs({ATTRIBUTE: self._mark}), self._part(name), durable=False)

    def begun(self) -> bool:
        """Return whether a part is kept for this fingerprint."""
        return any(stored_mark(path) == self._mark for path in self._parts())

    def clear(self) -> None:
        """Forget all parts."""
        for path in self._parts():
            path.unlink()

    def _parts(self) -> list[Path]:
        return list(self._file.parent.glob(f".{self._file.stem}.*.part.nc"))

    def _part(self, name: str) -> Path:
        return self._file.with_name(f".{self._file.stem}.{name}.part.nc")


def stored_mark(file: Path) -> str | None:
    """Return the fingerprint that a file of THOR's holds, or None."""
    try:
        with netCDF4.Dataset(file) as dataset:
            return getattr(dataset, ATTRIBUTE, None)
    except (OSError, RuntimeError):
        return None
