import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thor.regimes.naming import REGIMES, default_names, name_regimes

# Medians on ECCO [m s-2] in the order of the regime numbers.
CURLS = 1e-10 * np.array([-0.11, 0.59, -0.90, 1.37, -2.29])


@given(st.permutations(range(5)))
def test_names_do_not_depend_on_the_order_of_classes(order):
    classes = np.repeat(np.arange(6), 3)
    curl = np.repeat([*CURLS[list(order)], 3e-10], 3)
    naming = name_regimes(classes, curl, n_classes=6)
    np.testing.assert_array_equal(naming.regime_of_class, [*order, 5])
    assert naming.names == REGIMES
    assert naming.rule == "signature"


def test_six_regimes_without_the_signs_are_named_by_rank():
    classes = np.repeat(np.arange(6), 3)
    naming = name_regimes(classes, np.repeat(1e-10 * np.array([1, 2, 3, 4, 5, 0.0]), 3), n_classes=6)
    # Falling curl: classes 4, 3, 2, 1, 0 are TR, S-SV, MD, N-SV, SO.
    assert [REGIMES[number] for number in naming.regime_of_class] == ["SO", "N-SV", "MD", "S-SV", "TR", "NL"]
    assert naming.rule == "rank"


def test_another_number_is_numbered_by_falling_curl():
    naming = name_regimes(np.array([0, 1, 2, 3]), np.array([1.0, 3.0, 2.0, 9.0]), n_classes=4)
    np.testing.assert_array_equal(naming.regime_of_class, [2, 0, 1, 3])
    assert naming.names == ("R1", "R2", "R3", "merged")
    assert naming.rule == "generic"


def test_the_median_decides_not_the_mean():
    curl = np.array([1.0, 1.0, 1.0, 2.0, 2.0, -90.0, 0.0])
    naming = name_regimes(np.array([0, 0, 0, 1, 1, 1, 2]), curl, n_classes=3)
    np.testing.assert_array_equal(naming.regime_of_class, [1, 0, 2])


@pytest.mark.parametrize("n_regimes", [2, 5, 6, 9])
def test_names_are_distinct(n_regimes):
    assert len(set(default_names(n_regimes))) == n_regimes
