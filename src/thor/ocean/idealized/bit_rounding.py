"""Rounding in binary to so many decimal digits: the bits set to zero compress away."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

MANTISSA_BITS = 23


def bit_round(values: NDArray[np.float32], *, digits: int) -> NDArray[np.float32]:
    """Return the values with at least `digits` significant decimal digits and no further bits.

    Parameters
    ----------
    values : ndarray of float32, any shape
        NaN and infinity stay as they are.
    digits : int
        From 1 to 6. The error is at most half a unit of that digit.

    Returns
    -------
    ndarray of float32, same shape

    Notes
    -----
    Each power of two keeps as many mantissa bits as its smallest member needs, and is rounded to the nearest, ties
    to even. After Zender 2016, doi 10.5194/gmd-9-3199-2016, and Kouznetsov 2021, doi 10.5194/gmd-14-377-2021.
    """
    exponent = (np.ascontiguousarray(values, dtype=np.float32).view(np.uint32) >> MANTISSA_BITS) & 0xFF
    large = _large_numbers(digits).take(exponent)
    # a number so large that its last bit is the last one to keep: the processor rounds the sum to that bit
    return (values + large) - large


@cache
def _large_numbers(digits: int) -> NDArray[np.float32]:
    """Return for each of the 256 exponents the number to add and take away; zero where no bit may go."""
    power = np.arange(256) - 127
    decimal = np.floor(power * np.log10(2.0) + 1e-12)
    kept = np.ceil(power - (decimal + 1 - digits) * np.log2(10.0))
    # half as much again keeps the sum of either sign within one power of two
    large = 1.5 * 2.0 ** (power + MANTISSA_BITS - kept)
    rounds = (kept < MANTISSA_BITS) & (large < np.finfo(np.float32).max) & (power > -127)
    return np.where(rounds, large, 0.0).astype(np.float32)
