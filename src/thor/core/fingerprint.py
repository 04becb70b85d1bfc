"""A fingerprint of everything a result depends on, so that what has not changed is not computed again."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import xarray as xr

from thor.core.netcdf_encoding import CF

ATTRIBUTE = "thor_fingerprint"
"""Global attribute under which a collection keeps the fingerprint of each file."""

CONTENT = "thor_content"
"""Global attribute under which a field that may also be the user's keeps the checksum of what THOR wrote."""

_OF_FILES = (ATTRIBUTE, CONTENT, *CF)
"""Global attributes that files have and what is written to them has not."""

_BLOCK_BYTES = 64 * 2**20
_NOT_CODE = (
    # How results are drawn, stored and handed over; their parameters are parts of their fingerprints.
    *("app", "conf", "datasets", "figures", "handover", "pipelines", "report"),
    *("__main__.py", "cli.py", "pipeline_registry.py", "settings.py"),
    *("core/checksums.py", "core/run_log.py", "core/run_record.py"),
)


def fingerprint(*parts: Any) -> str:
    """Return the SHA-256 (hex) of the parts' content and of THOR's library code.

    Parameters
    ----------
    *parts : Any
        What the result depends on: numbers, strings, dicts, lists, dataclasses, pydantic models, NumPy arrays,
        xarray objects (content, coordinates, attributes; dask-backed ones are read in blocks).

    Returns
    -------
    str
        64 hexadecimal digits. The order of keys and the chunking do not matter; everything else does.

    Raises
    ------
    TypeError
        For a part whose content cannot be hashed, such as a function.
    """
    digest = hashlib.sha256()
    digest.update(code_version().encode())
    for part in parts:
        digest.update(_hash(part))
    return digest.hexdigest()


def content_sha256(dataset: xr.Dataset) -> str:
    """Return the SHA-256 (hex) of a dataset's fields, coordinates and attributes, whatever made them."""
    return _hash(dataset).hex()


def marked_content(file: Path) -> str | None:
    """Return `content_sha256` of a NetCDF file with a fingerprint, which changes with the code; None for others."""
    if file.suffix != ".nc":
        return None
    with suppress(OSError, RuntimeError, ValueError), xr.open_dataset(file, engine="netcdf4", decode_cf=False) as data:
        return content_sha256(data) if ATTRIBUTE in data.attrs else None
    return None


@cache
def code_version() -> str:
    """Return the SHA-256 (hex) of the library's source; how results are drawn and stored does not count."""
    digest = hashlib.sha256()
    for name, content in sorted(_sources(files("thor"), "")):
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()


def _sources(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if name in _NOT_CODE or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            found += _sources(entry, f"{name}/")
        elif entry.name.endswith((".py", ".yml", ".json")):
            found.append((name, entry.read_bytes()))
    return found


def _hash(part: Any) -> bytes:
    """Return the SHA-256 of one part; its type is included, so that 1, 1.0, True and '1' differ."""
    digest = hashlib.sha256(type(part).__name__.encode() + b"\0")
    if isinstance(part, xr.Dataset):
        digest.update(_hash_attrs(part.attrs))
        for name in sorted(part.variables, key=str):
            digest.update(str(name).encode() + b"\0" + _hash(part.variables[name]))
    elif isinstance(part, xr.DataArray):
        digest.update(_hash(part.to_dataset(name=part.name or "_unnamed")))
    elif isinstance(part, xr.Variable):
        digest.update(json.dumps([str(dim) for dim in part.dims]).encode() + _hash_attrs(part.attrs))
        _update_with_array(digest, part)
    elif isinstance(part, np.ndarray):
        _update_with_array(digest, xr.Variable([f"d{axis}" for axis in range(part.ndim)], part))
    elif isinstance(part, Mapping):
        for key in sorted(part, key=str):
            digest.update(_hash(str(key)) + _hash(part[key]))
    elif isinstance(part, (list, tuple)):
        for item in part:
            digest.update(_hash(item))
    elif dataclasses.is_dataclass(part) and not isinstance(part, type):
        digest.update(_hash({entry.name: getattr(part, entry.name) for entry in dataclasses.fields(part)}))
    elif hasattr(part, "model_dump"):
        digest.update(_hash(part.model_dump()))
    elif isinstance(part, bytes):
        digest.update(part)
    elif part is None or isinstance(part, (str, bool, int, float, np.generic, PurePath, Enum)):
        digest.update(repr(part).encode())
    else:
        raise TypeError(f"A {type(part).__name__} has no fingerprint; pass the parameters and fields it stands for.")
    return digest.digest()


def _hash_attrs(attrs: Mapping[Any, Any]) -> bytes:
    # Attributes come back from a file as other kinds of numbers (1 as numpy.int64), so only their text counts.
    text = {str(key): str(np.asarray(value).tolist()) for key, value in attrs.items() if key not in _OF_FILES}
    return _hash(json.dumps(text, sort_keys=True))


def _update_with_array(digest: Any, array: xr.Variable) -> None:
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    if array.dtype.kind in "OUST":
        digest.update(json.dumps([str(value) for value in array.values.ravel()]).encode())
        return
    if array.ndim == 0:
        digest.update(array.values.tobytes())
        return
    # Rows of the first dimension are contiguous in C order: block by block gives the bytes of the whole.
    rows = max(1, _BLOCK_BYTES // max(1, array.dtype.itemsize * int(np.prod(array.shape[1:]))))
    for start in range(0, array.shape[0], rows):
        digest.update(np.ascontiguousarray(array[start : start + rows].values).tobytes())
