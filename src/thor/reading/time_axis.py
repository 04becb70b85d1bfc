"""The time axis of a file of monthly or annual means: the months of its steps, in which calendar."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import cftime
import netCDF4
import numpy as np

from thor.core.arrays import Array, IntArray
from thor.core.errors import DataError
from thor.core.variables import UNDECLARED_FILL
from thor.core.warn import warn_once
from thor.reading.files import ALL_PARTS

_SAME_CALENDAR = {"gregorian": "standard", "365_day": "noleap", "366_day": "all_leap"}
UNREADABLE_DATE = (ValueError, TypeError, IndexError, OverflowError)
"""What cftime and numpy raise for numbers, units and calendars that give no date."""
_REMEDY = "Store its times in days: cdo setreftime,1850-01-01,00:00:00,days in.nc out.nc."
_DATE = re.compile(r"since\s+(-?\d+-\d+-\d+)(?:[-T\s]+(\d+)(?:[-:](\d+))?)?.*", re.IGNORECASE)
_YEAR = re.compile(r"(since\s+-?\d{1,4})\s*$", re.IGNORECASE)
CALENDARS = ("standard", "noleap", "360_day")
"""Calendars in which times without one are read: the first in which their months fit, else the first."""

_SPAN = re.compile(r"_(\d{4})(\d\d)?(?:\d\d)*-(\d{4})(\d\d)?(?:\d\d)*\.nc$")
_SINGLE = re.compile(r"[._]y?(\d{4})(?:[-._]?m?(0[1-9]|1[0-2]))?\.nc$")


class TimeAxis(NamedTuple):
    """Months of the time steps, as in `thor.reading.series.SeriesFile`."""

    months: IntArray
    days: IntArray
    calendar: str
    time_units: str
    step_months: int


def time_variable(file: netCDF4.Dataset, dim: str) -> netCDF4.Variable | None:
    """Return the times along a dim of an open file: its coordinate, or else `time`, or one of that standard name."""
    along = [item for item in file.variables.values() if item.dimensions == (dim,)]
    times = [item for item in along if "since" in str(getattr(item, "units", "")).lower()]
    names = [item.name for item in times if item.name in (dim, "time") or _standard_name(item) == "time"]
    return file.variables[min(names, key=lambda name: (name != dim, name != "time"))] if names else None


def _standard_name(item: netCDF4.Variable) -> str:
    return str(getattr(item, "standard_name", ""))


def read_time_axis(file: netCDF4.Dataset, dim: str, path: Path, *, calendar: str = "") -> TimeAxis:
    """Return the months of the time steps of an open file.

    The month of a time step is that of the middle of its bounds, where it has bounds: some models stamp the end.
    Without bounds, the first and last month in the file's name say whether midnight between two months is start or end.
    Bounds that do not lie around their steps count only where the file's name has their months. Times without calendar
    are in that in which bounds begin months, or steps lie in the months in the file's name; else in the standard one.

    Parameters
    ----------
    file : netCDF4.Dataset
        With values as they are stored.
    dim : str
        Name of the time axis.
    path : Path
        That of the file.
    calendar : str, optional
        That of times without one.

    Raises
    ------
    DataError
        When there is no time axis or no time step, a time is missing or cannot be read, steps are no months or
        calendar years, or the month of a step is ambiguous.
    """
    time = time_variable(file, dim)
    if time is None:
        got = getattr(file.variables.get(dim), "units", "none")
        raise DataError(
            f"{path}: '{dim}' is no time axis with units like 'days since 1850-01-01'; it has {got!r}. {_REMEDY}"
        )
    if not time.size:
        raise DataError(f"{path} has no time step. It is unfinished: fetch it again.")
    bounds = getattr(time, "bounds", getattr(time, "climatology", None))
    calendar = str(getattr(time, "calendar", calendar)).strip().lower()
    units = clean_units(str(time.units))
    model = str(getattr(file, "source_id", path.parent))
    step_months = 1
    try:
        stamps = np.asarray(time[:], dtype=float)
        edges = _times(file.variables[bounds], path) if bounds in file.variables else None
        if not calendar:
            calendar = _fitting_calendar(stamps if edges is None else edges, units, path)
            if calendar != CALENDARS[0]:
                warn_once(model, f"times have no calendar; their months fit in '{calendar}', which is taken")
        if edges is not None and not _around(stamps, edges) and not _named_after(edges, units, calendar, path):
            warn_once(model, "time bounds do not lie around their time steps; months are those of the steps")
            edges = None
        if edges is not None:
            values = edges.mean(axis=1)
            if years := _calendar_years(edges, units, calendar):
                # one day of each month stands for it
                step_months = 12
                dates = [cftime.datetime(year, m, 1, calendar=calendar) for year in years for m in range(1, 13)]
        else:
            values = _times(time, path)
        if step_months == 1:
            _require_months(values, edges, units, calendar, path)
            dates = cftime.num2date(values, units, calendar=calendar)
            if edges is None and _stamped_at_end(dates, path):
                warn_once(
                    model, "steps without bounds are stamped at the end of the month, by the months in file names"
                )
                dates = dates - timedelta(days=1)
    except UNREADABLE_DATE as error:
        raise DataError(
            f"{path}: time units '{time.units}', calendar '{calendar}' cannot be read: {error}. {_REMEDY}"
        ) from error
    months = np.array([12 * date.year + date.month - 1 for date in dates], dtype=np.int64)
    days = np.array([date.daysinmonth for date in dates], dtype=np.int64)
    return TimeAxis(months, days, _SAME_CALENDAR.get(calendar, calendar), str(time.units), step_months)


def clean_units(units: str) -> str:
    """Return time units with a date that cftime reads: files write 1850-01-01-00-00-00, a time zone, a year."""
    units = _YEAR.sub(r"\1-01-01", units)
    return _DATE.sub(lambda date: f"since {date[1]} {date[2] or 0}:{date[3] or 0}", units)


def named_months(path: Path) -> tuple[int, int] | None:
    """Return the first and last month at the end of a file's name, counted from January of year zero; None for none.

    A single month or year, as of one file a month, is both. Parts of a store in the cloud have numbers in their place.
    """
    if span := _SPAN.search(path.name):
        first, last = span.groups()[:2], span.groups()[2:]
    elif (span := _SINGLE.search(path.name)) and not _is_part(path):
        first = last = span.groups()
    else:
        return None
    return 12 * int(first[0]) + int(first[1] or 1) - 1, 12 * int(last[0]) + int(last[1] or 12) - 1


def within_name(path: Path, first: int, last: int) -> bool:
    """Return whether months are those in a file's name, if it has any; a single one may be the first of several."""
    named = named_months(path)
    return named is None or named[0] <= first <= last <= named[1] or named == (first, first)


def month_text(month: int) -> str:
    """Return a month counted from January of year zero as ``1850-03``."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def _is_part(path: Path) -> bool:
    """Return whether a file is a part of a store that was fetched from the cloud."""
    return (path.parent / ALL_PARTS).is_file()


def _times(variable: netCDF4.Variable, path: Path) -> Array:
    values = np.asarray(variable[:], dtype=float)
    missing = ~(np.abs(values) < UNDECLARED_FILL) | (values == getattr(variable, "_FillValue", np.nan))
    if missing.any():
        raise DataError(
            f"{path}: {int(missing.sum())} of {values.size} values of '{variable.name}' are missing; expected one for "
            "each time step. The file is damaged or unfinished: fetch it again, or correct its time axis."
        )
    return values


def _around(stamps: Array, edges: Array) -> bool:
    """Return whether bounds (n_steps, 2) lie around their time steps, in either order."""
    low, high = np.sort(edges, axis=1).T
    slack = 0.01 * (high - low)  # times in single precision
    return bool(((low < high) & (low - slack <= stamps) & (stamps <= high + slack)).all())


def _require_months(values: Array, edges: Array | None, units: str, calendar: str, path: Path) -> None:
    """Raise DataError where time steps are not those of months, by their bounds or else by the time between them."""
    lengths = np.abs(np.diff(values) if edges is None else edges[:, 1] - edges[:, 0])
    if not lengths.size:
        return
    start, *ends = cftime.num2date(np.array([0, lengths.min(), np.median(lengths), lengths.max()]), units, calendar)
    shortest, typical, longest = ((end - start) / timedelta(days=1) for end in ends)
    # without bounds months may be missing or doubled; FGOALS-f3-L and KACE-1-0-G have bounds ten days on either side,
    # and the middle of one that is too long is in its month up to twice the length of that
    if (longest < 20 or shortest > 80) if edges is None else not (15 <= typical <= 40 and longest <= 62):
        spans = f"{shortest:.3g}" if shortest == longest else f"{shortest:.3g} to {longest:.3g}"
        raise DataError(
            f"{path}: its time steps are {spans} days {'apart' if edges is None else 'long by their bounds'}; expected "
            "means over months or, with bounds, over calendar years. Get monthly means, or correct its time axis."
        )


def _fitting_calendar(times: Array, units: str, path: Path) -> str:
    """Return the calendar in which bounds (n_steps, 2) begin months, or steps (n_steps,) lie in the months named."""
    for calendar in CALENDARS:
        if times.ndim == 1:
            fits = _named_after(times, units, calendar, path)
        else:
            fits = all(date.day == 1 for date in cftime.num2date(times, units, calendar=calendar).ravel())
        if fits:
            return calendar
    return CALENDARS[0]


def _named_after(times: Array, units: str, calendar: str, path: Path) -> bool:
    """Return whether the first and last month, of steps or the middles of bounds, are those in the file's name."""
    middles = times if times.ndim == 1 else times.mean(axis=1)
    dates = (cftime.num2date(value, units, calendar) for value in (middles.min(), middles.max()))
    return tuple(12 * date.year + date.month - 1 for date in dates) == named_months(path)


def _stamped_at_end(dates: Any, path: Path) -> bool:
    """Return whether all steps are stamped at midnight at the end of their month, by the months in the file's name."""
    if any(date.replace(day=1, hour=0, minute=0, second=0, microsecond=0) != date for date in dates):
        return False
    first, last = (12 * date.year + date.month - 1 for date in (min(dates), max(dates)))
    if _is_part(path):
        warn_once(str(path.parent), "steps without bounds at midnight are taken for the start of their month")
        return False
    begins = ends = False
    if span := named_months(path):
        # a single month in a name is the first of the file
        begins, ends = first == span[0], (first if span[0] == span[1] else last) == span[1] + 1
    if begins == ends:
        raise DataError(
            f"{path}: its steps have no bounds around them and are stamped at midnight between months, {min(dates)} to "
            f"{max(dates)}: either may be meant; expected bounds, or the first and last month at the end of the "
            "file's name, such as _185001-185112.nc or _185001.nc. Add bounds, or rename the file."
        )
    return ends


def _calendar_years(edges: Array, units: str, calendar: str) -> list[int]:
    """Return the years of means over calendar years; none for other means, as the first step says in most files."""
    years: list[int] = []
    for rows in (edges[:1], edges):
        first, last = (cftime.num2date(rows[:, k], units, calendar=calendar) for k in (0, 1))
        if not all(a.dayofyr == b.dayofyr == 1 and b.year == a.year + 1 for a, b in zip(first, last, strict=True)):
            return []
        years = [date.year for date in first]
    return years
