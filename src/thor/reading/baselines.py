"""Baselines of a run: the parallel segment of its control run, or a window of its historical run."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import cftime
import xarray as xr

from thor.core.errors import DataError
from thor.core.warn import warn_once
from thor.ocean.cells import grid_mark
from thor.reading.archive import Archive
from thor.reading.runs import Run, is_control
from thor.reading.series import Series
from thor.reading.time_axis import UNREADABLE_DATE, clean_units
from thor.reading.windows import Window, WindowSettings

_NONE = ("none", "N/A", "no parent")
"""What attributes say in place of a parent, beside nothing."""


@dataclass(frozen=True)
class Parent:
    """The run from which another branches off.

    Attributes
    ----------
    run : Run
    shift_years : int
        Year of the parent minus the simultaneous year of the child.
    is_control : bool
        Whether the parent's forcing is constant, so that a parallel segment of it is the baseline.
    branch_year : int or None
        Year of the parent at which the child branches off; None where it is unknown.
    """

    run: Run
    shift_years: int
    is_control: bool
    branch_year: int | None = None

    @property
    def baseline_kind(self) -> str:
        """What the run is compared with, in words."""
        return "parallel segment" if self.is_control else "reference window"

    @property
    def year_in_child(self) -> int | None:
        """Year of the child at which it branches off; None where it is unknown."""
        return None if self.branch_year is None else self.branch_year - self.shift_years

    def baseline(self, window: Window, settings: WindowSettings) -> Window:
        """Return the parent's window with which a window of the child is compared."""
        return window.shifted(self.shift_years) if self.is_control else Window(*settings.reference_years)

    def branches_within(self, years: tuple[int, int]) -> bool:
        """Return whether the branch lies in the parent's years, first and last, or at their end."""
        first, last = years
        return self.branch_year is None or first <= self.branch_year <= last + 1


class WithParent(Protocol):
    """What is planned of a run that may branch off another."""

    @property
    def parent(self) -> Parent | None:
        """The run from which it branches off."""


_Plan = TypeVar("_Plan", bound=WithParent)


def with_parents(archive: Archive, runs: Iterable[Run], plan: Callable[[Run], _Plan | None]) -> dict[Run, _Plan]:
    """Return the plan of each run, and of each run in the archive from which one of them branches off.

    Parameters
    ----------
    archive : Archive
    runs : iterable of Run
    plan : callable
        Returns the plan of a run, called once for each; None for a run without one.
    """
    plans: dict[Run, _Plan | None] = {}
    waiting = deque(runs)
    while waiting:
        run = waiting.popleft()
        if run in plans:
            continue
        plans[run] = found = plan(run)
        if found and found.parent and found.parent.run in archive:
            waiting.append(found.parent.run)
    return {run: found for run, found in plans.items() if found is not None}


def parent_of(
    run: Run, series: Series, *, branch_year: int | None = None, of_parent: Series | None = None
) -> Parent | None:
    """Return the parent named in the global attributes of a run, those of CMIP6 and CMIP7 or those of CMIP5, or None.

    Parameters
    ----------
    run : Run
    series : Series
        Any variable of the run.
    branch_year : int, optional
        The parent's year at which the run branches off, where the quirk table corrects the attributes.
    of_parent : Series, optional
        Any variable of the parent, where it is known: the branch is in its calendar, and in CMIP5 in its units of time.
        Else those of the run are taken.

    Raises
    ------
    DataError
        When the parent is a control run, and the attributes give no branch time.
    """
    attrs = series.attrs
    stated = (
        str(attrs.get(f"parent_{facet}", "")).strip() for facet in ("source_id", "experiment_id", "variant_label")
    )
    source, experiment, variant = ("" if name in _NONE else name for name in stated)
    variant = variant or str(attrs.get("parent_experiment_rip", "")).strip()
    if not experiment:
        return None
    parent = Run(source or run.source_id, experiment, variant or run.variant_label)
    if parent == run:
        warn_once(run.key, "its files name it as its own parent; taken as none")
        return None
    of_control = is_control(experiment)
    child_year, year = _branch_years(series, branch_year, of_parent or series)
    if of_control and year is None:
        names = ("branch_time_in_parent", "parent_time_units")
        given = " and ".join(f"{name} ({attrs.get(name, 'not there')})" for name in names)
        raise DataError(
            f"{run.key} branches off {parent.key}, but its attributes {given} do not say when. Give branch_years of "
            "this model in data_engineering.quirks."
        )
    return Parent(parent, (year or 0) - child_year, of_control, year)


def branch_year_of_child(series: Series) -> int | None:
    """Return the run's own year at the time of the branch; None where its attributes do not say."""
    time = series.attrs.get("branch_time_in_child")
    return _nearest_year(time, series.files[0].time_units, series.calendar)


def _branch_years(series: Series, branch_year: int | None, of_parent: Series) -> tuple[int, int | None]:
    """Return the years of child and parent at the time of the branch; the parent's is None where it is unknown."""
    attrs = series.attrs
    child = branch_year_of_child(series)
    if child is None:
        child = int(series.months[0]) // 12
    if branch_year is None:
        time, units = attrs.get("branch_time_in_parent"), str(attrs.get("parent_time_units", ""))
        if "branch_time" in attrs and time is None:
            time, units = attrs["branch_time"], of_parent.files[0].time_units
        branch_year = _nearest_year(time, units, of_parent.calendar)
    return child, branch_year


def _nearest_year(time: Any, units: str, calendar: str) -> int | None:
    """Return the year whose first day is nearest, as windows are whole years; None where that is no date."""
    if isinstance(time, str):  # Fortran and NCL write numbers of double precision as 1460.D0 and 1460.0D
        time = re.sub(r"[dD]([+-]?\d*)\s*$", lambda exponent: f"e{exponent[1] or 0}", time)
    try:
        date = cftime.num2date(float(time), clean_units(units), calendar=calendar)
        return round(date.year + (date.dayofyr - 1) / 365.25)
    except (*UNREADABLE_DATE, AttributeError):  # cftime gives a masked constant for NaN
        return None


def before_and_after(collection: Mapping[str, Callable[[], xr.Dataset]]) -> dict[str, tuple[xr.Dataset, xr.Dataset]]:
    """Return, for each climate model, the baseline and the last window of one run, the last by name that has both.

    Parameters
    ----------
    collection : mapping of str to callable
        Reads the features of each run, with dim `window`, coordinate `baseline_window` and attribute `parent`.

    Returns
    -------
    dict of str to (xarray.Dataset, xarray.Dataset)
        By a title that names run and windows; models without a baseline on the grid of the run compare
        the first window of a run with its last.
    """
    out: dict[str, tuple[xr.Dataset, xr.Dataset]] = {}
    for source_id in sorted({key.split("/")[0] for key in collection}):
        keys = [key for key in collection if key.split("/")[0] == source_id]
        # historical is what scenarios are compared with, so it comes last
        keys.sort(key=lambda key: (key.split("/")[1] != "historical", key), reverse=True)
        pairs = (_last_pair(collection[key](), collection) for key in keys)
        pair = next((pair for pair in pairs if pair), None)
        if pair is None:
            windows = collection[keys[0]]()
            pair = windows.isel(window=0), windows.isel(window=-1)
        before, after = (f"{part.attrs['experiment_id']} {part['window'].values}" for part in pair)
        out[f"{source_id}: {before} to {after}"] = pair
    return out


def _last_pair(
    run: xr.Dataset, collection: Mapping[str, Callable[[], xr.Dataset]]
) -> tuple[xr.Dataset, xr.Dataset] | None:
    """Return the last window of a run that has a baseline on the same grid, after that baseline."""
    compared = run.isel(window=run["baseline_window"].values != "")
    parent = str(run.attrs.get("parent"))
    if not compared.sizes["window"] or parent not in collection:
        return None
    before, after = collection[parent](), compared.isel(window=-1)
    if grid_mark(before) != grid_mark(run):
        return None
    return before.sel(window=str(after["baseline_window"].values)), after
