"""Rounded values keep their digits and lose the bits beyond."""

import numpy as np
import pytest

from thor.ocean.idealized.bit_rounding import bit_round


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(0)
    return (10.0 ** rng.uniform(-30, 30, size=100_000) * rng.choice([-1, 1], 100_000)).astype(np.float32)


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5, 6])
def test_error_is_at_most_half_a_unit_of_the_last_digit(values, digits):
    exact = values.astype(float)
    unit = 10.0 ** (np.floor(np.log10(np.abs(exact))) + 1 - digits)
    assert np.max(np.abs(bit_round(values, digits=digits) - exact) / unit) <= 0.5


def test_bits_beyond_four_digits_are_zero(values):
    assert np.all(bit_round(values, digits=4).view(np.uint32) % 2**9 == 0)
    # numbers that begin with 1 need fewer bits than those that begin with 9
    ones = bit_round(np.linspace(1, 2, 5000, dtype=np.float32), digits=4)
    assert np.unique(ones).size == 1025


def test_rounding_is_unbiased_and_needed_once(values):
    rounded = bit_round(values, digits=4)
    np.testing.assert_array_equal(bit_round(rounded, digits=4), rounded)
    np.testing.assert_array_equal(bit_round(-values, digits=4), -rounded)
    assert abs(np.mean((rounded - values.astype(float)) / values)) < 1e-6


def test_what_is_no_number_stays():
    special = np.array([np.nan, np.inf, -np.inf, 0.0], dtype=np.float32)
    np.testing.assert_array_equal(bit_round(special, digits=4), special)
