"""Climatological windows, whole years given one by one or consecutive, and the settings of climatologies."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from thor.core.errors import did_you_mean
from thor.core.settings import Count, Settings
from thor.ocean.basins import basin_names


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


def _ascending(years: tuple[int, int]) -> tuple[int, int]:
    if years[1] < years[0]:
        raise ValueError(f"the window {list(years)} ends before it begins.")
    return years


Years = Annotated[tuple[int, int], AfterValidator(_ascending)]


class WindowSettings(Settings):
    """Which climatological windows each run has."""

    years: tuple[Years, ...] = ()
    """First and last year of each window, for the runs that cover them; empty: consecutive windows, which control runs
    always have. A window may begin in historical and end in a scenario, one of whose windows it is."""
    first_year: int | None = None
    """First year of consecutive windows; null: that of each run."""
    last_year: int | None = None
    """Last year of consecutive windows, null: that of each run; an incomplete window is omitted."""
    length_years: Count = 20
    """Length of consecutive windows [years]."""
    reference_years: Years = (1995, 2014)
    """Window of historical that is the baseline of the scenarios that continue it."""
    warming_levels: tuple[Annotated[float, Field(gt=0, le=20)], ...] = (2.0,)
    """Levels of global warming [K]: each run that reaches one has one more experiment, such as ssp585-gwl2.0, with the
    first window of `length_years` that is as warm (`thor.reading.warming_levels`)."""
    warming_reference_years: Years = (1850, 1900)
    """Years of historical over which warming is given."""
    warming_level_table: str | None = None
    """CSV table that gives the central year of the windows, in place of the air temperature of the archive."""

    @field_validator("years")
    @classmethod
    def _require_no_overlap(cls, years: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        for (first, last), (later, end) in pairwise(sorted(years)):
            if later <= last:
                raise ValueError(
                    f"the windows [{first}, {last}] and [{later}, {end}] overlap; expected years that follow one "
                    "another."
                )
        return years

    @field_validator("warming_levels")
    @classmethod
    def _require_separate_levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        for lower, higher in pairwise(levels):
            if higher - lower < 0.1 - 1e-9:
                raise ValueError(
                    f"the levels {lower:g} and {higher:g} K are not ascending or less than 0.1 K apart; their windows "
                    "would be the same, or overlap."
                )
        return levels

    @model_validator(mode="after")
    def _require_one_window(self) -> Self:
        first, last, length = self.first_year, self.last_year, self.length_years
        if first is not None and last is not None and last - first + 1 < length:
            raise ValueError(
                f"no window of length_years ({length}) fits between first_year ({first}) and last_year ({last})."
            )
        return self

    def of_run(
        self,
        first_year: int,
        last_year: int,
        *,
        constant_forcing: bool = False,
        is_continued: bool = False,
        begins: int | None = None,
    ) -> list[Window]:
        """Return the windows of a run with data from the first to the last year.

        Parameters
        ----------
        first_year, last_year : int
            Whole years of the run itself.
        constant_forcing : bool
            Whether it is a control run, whose windows are always consecutive: its years are not those of the others.
        is_continued : bool
            Whether another run continues it: a given window that ends after this run is one of that other run.
        begins : int, optional
            Year before the first from which consecutive windows follow one another, if one of them fits: those of other
            members, where the first files of this one are missing.

        Returns
        -------
        list of Window
            Given windows are those that touch these years; they may begin in the run that this one continues.
            Consecutive ones start at the first whole year.
        """
        if self.years and not constant_forcing:
            windows = [Window(first, last) for first, last in sorted(self.years)]
            touching = [w for w in windows if w.first_year <= last_year and w.last_year >= first_year]
            return [w for w in touching if w.last_year <= last_year or not is_continued]
        start = first_year if self.first_year is None else self.first_year
        stop = last_year if self.last_year is None else self.last_year
        if begins is not None and self.first_year is None:
            later = start + (begins - start) % self.length_years
            start = later if later + self.length_years - 1 <= stop else start
        starts = range(start, stop - self.length_years + 2, self.length_years)
        return [Window(year, year + self.length_years - 1) for year in starts]


class ClimatologySettings(Settings):
    """How climatologies are made."""

    windows: WindowSettings = WindowSettings()
    """Climatological windows of each run."""
    masked_basins: tuple[str, ...] = ("caspian_sea",)
    """Enclosed seas of climate models treated as land, by name (`thor.ocean.basins.basin_names`): their sea level has a
    separate datum."""
    reference_density: float = Field(1029.0, gt=900, lt=1200)
    """Density of sea water, also that converts sea ice to a height [kg m-3]."""
    strict: bool = False
    """Whether a failed physical check is an error instead of a warning."""

    @field_validator("masked_basins")
    @classmethod
    def _require_known_basins(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = basin_names().values()
        for name in names:
            if name not in known:
                raise ValueError(
                    f"must name basins of thor/ocean/basins.json; got '{name}'.{did_you_mean(name, known)}"
                )
        return names

    @property
    def of_fields(self) -> dict[str, Any]:
        """All but the windows, which the plan of a run has."""
        return self.model_dump(exclude={"windows"})
