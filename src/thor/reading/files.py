"""One file of an archive: opened with errors that name it."""

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import xarray as xr
from xarray.backends import NetCDF4DataStore

from thor.core.checksums import file_sha256
from thor.core.errors import DataError, GridError, kept_from_reading
from thor.reading.classic_format import require_whole

log = logging.getLogger(__name__)

WHOLE_BYTES = 2**29
"""Of a file that is read into memory as a whole for its checksum and its fields; a larger one is read for each."""

ALL_PARTS = ".complete"
"""Name of a file beside the parts of a store from the cloud, once all of them are there."""

_WHILE_READING = (OSError, RuntimeError)
"""What netCDF4 raises for values that cannot be read; other errors of who reads them are no fault of the file."""

_WHILE_OPENING = (*_WHILE_READING, ValueError, KeyError, TypeError, AttributeError)
"""What netCDF4 and xarray raise for headers that cannot be read."""

_FIRST_BYTES, _PIECE_BYTES, _N_PIECES = 2**16, 2**12, 32

_CHECKSUMS: dict[tuple[Path, int, int], str] = {}
"""Checksums of files of this size, last changed then: transports of each window are added up from the same files."""


def read_file(path: Path, variable_id: str, *, first: bool = False) -> xr.Dataset:
    """Return what a file holds as it is stored, fill values as NaN, times not decoded.

    Parameters
    ----------
    path : Path
    variable_id : str
        Variable that the file has to hold.
    first : bool
        Whether to read the first time step and level only: the last two dims are those of the grid.

    Raises
    ------
    GridError
        When the file does not hold the variable.
    DataError
        When the file cannot be read.
    """
    with opened(path) as dataset:
        _require_variable(dataset, variable_id, path)
        return dataset.isel(dict.fromkeys(dataset[variable_id].dims[:-2] if first else (), 0)).load()


def attributes(path: Path, variable_id: str | None = None) -> dict[str, object]:
    """Return the global attributes of a file, or those of one of its variables; errors as for `read_file`."""
    with opened(path) as dataset:
        if variable_id is not None:
            _require_variable(dataset, variable_id, path)
        return dict(dataset.attrs if variable_id is None else dataset[variable_id].attrs)


def stored_attributes(item: netCDF4.Dataset | netCDF4.Variable) -> dict[str, Any]:
    """Return the attributes of an open file or variable, text without blanks around it.

    OSError where netCDF4 raises AttributeError for damage.
    """
    try:
        found = {name: item.getncattr(name) for name in item.ncattrs()}
        return {name: value.strip() if isinstance(value, str) else value for name, value in found.items()}
    except AttributeError as error:
        raise OSError(str(error)) from error


def _require_variable(dataset: xr.Dataset, variable_id: str, path: Path) -> None:
    if variable_id not in dataset:
        raise GridError(f"{path} has no variable '{variable_id}'; it has {', '.join(map(str, dataset.data_vars))}.")
    if dataset[variable_id].dtype.kind not in "fiub":  # b: a mask that xarray wrote
        got = dataset[variable_id].dtype
        raise GridError(f"{path}: '{variable_id}' is of type {got}; expected numbers. Fetch the file again.")


@contextmanager
def opened(path: Path) -> Iterator[xr.Dataset]:
    """Give the open file, times not decoded; DataError when it cannot be read."""
    with _readable(path):
        require_whole(path)
        dataset = _open(path, engine="netcdf4")
    with _readable(path, _WHILE_READING), dataset:
        _require_scales(dataset, path)
        yield dataset


@contextmanager
def opened_with_checksum(path: Path) -> Iterator[tuple[xr.Dataset, str]]:
    """Give the open file, times not decoded, and its SHA-256 (hex); DataError when it cannot be read.

    A file of up to `WHOLE_BYTES` is read once for both, from beginning to end. Later calls know the checksum, and read
    only the fields that are asked for.
    """
    with _readable(path):
        state = _state(path)
    if state in _CHECKSUMS or state[1] > WHOLE_BYTES:
        checksum = checksum_of(path)
        with opened(path) as dataset:
            yield dataset, checksum
        return
    with _readable(path):
        content = path.read_bytes()
        _CHECKSUMS[state] = hashlib.sha256(content).hexdigest()
        dataset = _open(NetCDF4DataStore(netCDF4.Dataset(path.name, memory=content)))
    with _readable(path, _WHILE_READING), dataset:
        _require_scales(dataset, path)
        yield dataset, _CHECKSUMS[state]


def _require_scales(dataset: xr.Dataset, path: Path) -> None:
    """Raise DataError where a number that values are packed with is text; reading them would end with TypeError."""
    for name, field in dataset.variables.items():
        for key in ("scale_factor", "add_offset"):
            if isinstance(text := field.encoding.get(key), str):
                raise DataError(
                    f"{path}: {key} of '{name}' is the text {text!r}; expected a number. Correct it in a copy of the "
                    f"file: ncatted -a {key},{name},o,d,{text}."
                )


def _open(source: Path | NetCDF4DataStore, **options: Any) -> xr.Dataset:
    with warnings.catch_warnings():
        # each of them is taken as missing
        warnings.filterwarnings("ignore", message="variable .* has multiple fill values")
        return xr.open_dataset(source, decode_times=False, cache=False, **options)


@contextmanager
def _readable(path: Path, kinds: tuple[type[Exception], ...] = _WHILE_OPENING) -> Iterator[None]:
    """Turn these errors into the DataError that names the file."""
    try:
        yield
    except kinds as error:
        raise unreadable(path, error) from error


def checksum_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, computed once as long as it does not change; DataError when it is gone."""
    with _readable(path):
        state = _state(path)
        if state not in _CHECKSUMS:
            _CHECKSUMS[state] = file_sha256(path)
        return _CHECKSUMS[state]


def sampled_checksum(path: Path) -> str:
    """Return the SHA-256 (hex) of the first 64 kB and of 32 pieces of 4 kB all over a file, up to its end.

    A copy has the same, a file edited in place another one if its header or a whole variable changes; whether the
    change of a few time steps is seen depends on where they lie.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_FIRST_BYTES))
        last = max(0, path.stat().st_size - _PIECE_BYTES)
        for number in range(1, _N_PIECES + 1):
            file.seek(last * number // _N_PIECES)
            digest.update(file.read(_PIECE_BYTES))
    return digest.hexdigest()


def content_mark(path: Path) -> str:
    """Return the checksum of a file, or why it has none: only who reads its fields raises an error."""
    try:
        return checksum_of(path)
    except DataError as error:
        return str(error)


def _state(path: Path) -> tuple[Path, int, int]:
    about = path.stat()
    return path, about.st_size, about.st_mtime_ns


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error for a file of the archive that cannot be read, with the reason."""
    if reason := kept_from_reading(error):
        return DataError(f"{path} cannot be read: {reason} What was finished is kept.")
    if not path.parent.is_dir():
        return DataError(
            f"{path}: its folder is gone. Is the archive still mounted? What was finished is kept; run again."
        )
    if path.is_symlink() and not path.exists():
        return DataError(
            f"{path} is a link to {path.readlink()}, which is not there. Fetch the file, or correct the link."
        )
    if not path.is_file():
        return DataError(f"{path} is gone since the archive was listed. Put it back, and run again.")
    return DataError(
        f"{path} ({path.stat().st_size} bytes) cannot be read as NetCDF: {str(error).splitlines()[0]}. It is damaged "
        "or truncated: fetch this file again. The others are untouched, and what was finished is kept."
    )


@contextmanager
def naming(place: Path | str) -> Iterator[None]:
    """Put the name of a file or run before the errors of what is done inside."""
    try:
        yield
    except DataError as error:
        if str(error).startswith(str(place)):
            raise
        raise type(error)(f"{place}: {error}") from error
