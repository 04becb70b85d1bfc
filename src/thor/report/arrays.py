"""Arrays in a page: rounded to visible differences, compressed, as text that a browser unpacks."""

import base64
import zlib
from typing import Any

import numpy as np

from thor.core.arrays import AnyArray

MISSING = {"uint8": 255, "uint16": 65535, "uint32": 2**32 - 1, "int8": -1, "int16": -32768}
"""Missing value of each kind of integers."""


def packed(values: AnyArray) -> dict[str, Any]:
    """Return an array as `kind`, `shape` and `bytes` (zlib, base64), for `unpack` in report.js.

    Parameters
    ----------
    values : ndarray of uint8, int8, uint16, int16, uint32 or float32
        Larger kinds are for the caller to reduce.

    Raises
    ------
    TypeError
        For any other kind.
    """
    kind = values.dtype.name
    if kind not in (*MISSING, "float32"):
        raise TypeError(f"An array of {kind} cannot be packed; expected one of {', '.join(MISSING)} or float32.")
    # The page reads little-endian numbers, whatever this machine writes.
    content = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
    # A level of zlib gives the same bytes everywhere; higher ones take longer for less than a hundredth of the bytes.
    text = base64.b64encode(zlib.compress(content, 6)).decode("ascii")
    return {"kind": kind, "shape": list(values.shape), "bytes": text}


def packed_shares(values: AnyArray, *, steps: int = 250) -> dict[str, Any]:
    """Return shares in [0, 1] in equal steps of one byte; NaN is missing."""
    return packed_range(values, 0.0, 1.0, steps=steps)


def packed_range(values: AnyArray, low: float, high: float, *, steps: int = 250) -> dict[str, Any]:
    """Return numbers from `low` to `high` in equal steps of one byte, at most 254 of them; others are cut off."""
    values = np.asarray(values, dtype=np.float64)
    span = high - low or 1.0
    with np.errstate(invalid="ignore"):
        steps_of = np.clip(np.rint((values - low) / span * steps), 0, steps)
    whole = np.where(np.isfinite(values), steps_of, MISSING["uint8"]).astype(np.uint8)
    return packed(whole) | {"low": low, "step": span / steps}


def packed_numbers(values: AnyArray) -> dict[str, Any]:
    """Return signed numbers in two bytes, to three digits of the 99.9th percentile of their size; NaN is missing."""
    values = np.asarray(values, dtype=np.float64)
    finite = np.abs(values[np.isfinite(values)])
    size = float(np.quantile(finite, 0.999)) if finite.size else 0.0
    step = size / 1000.0 or 1.0
    # Values far above the percentile are cut off at the end of the range.
    steps_of = np.clip(np.rint(np.nan_to_num(values) / step), -32767, 32767)
    whole = np.where(np.isfinite(values), steps_of, MISSING["int16"]).astype(np.int16)
    return packed(whole) | {"low": 0.0, "step": step}


def packed_labels(values: AnyArray) -> dict[str, Any]:
    """Return labels as one byte each, -1 where there is none."""
    values = np.asarray(values)
    return packed(np.where(np.isfinite(values.astype(np.float64)), values, MISSING["int8"]).astype(np.int8))
