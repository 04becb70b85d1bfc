"""Monthly time axes of the calendars that climate models use."""

from dataclasses import dataclass

import cftime
import numpy as np

from thor.core.arrays import Array
from thor.ocean.idealized.archive_settings import Calendar


@dataclass(frozen=True, eq=False)
class Months:
    """Consecutive whole months.

    Attributes
    ----------
    edges : ndarray of shape (n_months + 1,), [days since the first of January of `origin_year`]
    origin_year : int
    calendar : str
    """

    edges: Array
    origin_year: int
    calendar: Calendar

    @property
    def units(self) -> str:
        """CF units of the edges."""
        return f"days since {self.origin_year:04d}-01-01"

    @property
    def lengths(self) -> Array:
        """Lengths of the months [days]."""
        return np.diff(self.edges)


def months(calendar: Calendar, *, first_year: int, n_years: int, origin_year: int) -> Months:
    """Return the months of `n_years` years from January of `first_year` on.

    Parameters
    ----------
    calendar : {'noleap', '360_day', 'gregorian'}
    first_year, n_years : int
    origin_year : int
        Year whose first day is day zero.
    """
    dates = [
        cftime.datetime(first_year + month // 12, month % 12 + 1, 1, calendar=calendar)
        for month in range(12 * n_years + 1)
    ]
    edges = cftime.date2num(dates, f"days since {origin_year:04d}-01-01", calendar=calendar)
    return Months(edges=np.asarray(edges, dtype=float), origin_year=origin_year, calendar=calendar)
