"""Month lengths of the three calendars, counted as CF has it."""

import numpy as np
import pytest

from thor.ocean.idealized.calendars import months

COMMON = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


@pytest.mark.parametrize(
    ("calendar", "year", "lengths"),
    [
        ("noleap", 1904, COMMON),
        ("360_day", 1904, [30] * 12),
        ("gregorian", 1904, [31, 29, *COMMON[2:]]),
        ("gregorian", 1900, COMMON),
        ("gregorian", 2000, [31, 29, *COMMON[2:]]),
    ],
)
def test_month_lengths(calendar, year, lengths):
    np.testing.assert_array_equal(months(calendar, first_year=year, n_years=1, origin_year=1850).lengths, lengths)


@pytest.mark.parametrize(("calendar", "days"), [("noleap", 3650), ("360_day", 3600), ("gregorian", 3652)])
def test_days_count_from_the_origin(calendar, days):
    axis = months(calendar, first_year=1860, n_years=2, origin_year=1850)
    assert axis.edges[0] == days
    assert axis.edges.size == 25
    assert axis.units == "days since 1850-01-01"
    assert months(calendar, first_year=1, n_years=1, origin_year=1).units == "days since 0001-01-01"
