"""Climatological windows: whole years, given one by one or as first, last, every so many."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from thor.core.errors import ConfigError


@dataclass(frozen=True, order=True)
class Window:
    """Whole years from January of the first to December of the last."""

    first_year: int
    last_year: int

    def __str__(self) -> str:
        return f"{self.first_year:04d}-{self.last_year:04d}"

    @property
    def n_months(self) -> int:
        """Number of months."""
        return 12 * (self.last_year - self.first_year + 1)

    @property
    def months(self) -> range:
        """Months counted from January of year zero."""
        return range(12 * self.first_year, 12 * (self.last_year + 1))

    def shifted(self, years: int) -> "Window":
        """Return the window so many years later."""
        return Window(self.first_year + years, self.last_year + years)


@dataclass(frozen=True, kw_only=True)
class WindowSettings:
    """Which windows are taken of each run; no defaults.

    Attributes
    ----------
    years : sequence of (int, int)
        First and last year of each window; a run gives those it has. Empty: consecutive windows.
    first_year, last_year : int or None
        Of the consecutive windows; None: those of each run. What remains at the end and fills no window is left out.
    length_years : int
        Of the consecutive windows.
    reference_years : (int, int)
        The window of historical that is the baseline of scenarios that go on from it.

    Raises
    ------
    ConfigError
        When years run backwards or windows overlap.
    """

    years: Sequence[tuple[int, int]]
    first_year: int | None
    last_year: int | None
    length_years: int
    reference_years: tuple[int, int]

    def __post_init__(self) -> None:
        """Check that windows follow one another."""
        if self.length_years < 1:
            raise ConfigError(f"'length_years' of the windows must be at least 1. Got {self.length_years}.")
        for first, last in (*self.years, self.reference_years):
            if last < first:
                raise ConfigError(
                    f"The window [{first}, {last}] ends before it begins. Correct data_engineering.windows."
                )
        ordered = sorted(map(tuple, self.years))
        for (first, last), (later, end) in pairwise(ordered):
            if later <= last:
                raise ConfigError(
                    f"The windows [{first}, {last}] and [{later}, {end}] overlap; expected years that follow one "
                    "another. Correct data_engineering.windows.years."
                )

    def of_run(self, first_year: int, last_year: int) -> list[Window]:
        """Return the windows of a run with data from the first to the last year.

        Given windows are those that touch these years. Consecutive ones start at the first whole year.
        """
        if self.years:
            windows = [Window(first, last) for first, last in sorted(self.years)]
            return [w for w in windows if w.first_year <= last_year and w.last_year >= first_year]
        start = first_year if self.first_year is None else self.first_year
        stop = last_year if self.last_year is None else self.last_year
        starts = range(start, stop - self.length_years + 2, self.length_years)
        return [Window(year, year + self.length_years - 1) for year in starts]
