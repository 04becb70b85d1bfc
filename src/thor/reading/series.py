"""Monthly series made of many files: which months, which calendar, which units, before any field is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from thor.core.arrays import IntArray
from thor.core.errors import DataError, IncompleteWindowError, listed
from thor.core.warn import warn_once
from thor.reading.classic_format import require_whole
from thor.reading.dims import single_dims
from thor.reading.files import sampled_checksum, stored_attributes, unreadable
from thor.reading.time_axis import CALENDARS, month_text, read_time_axis, within_name
from thor.reading.windows import Window

_REFORM = 12 * 1582 + 10
"""Month from which on the standard and the proleptic Gregorian calendar are one: November 1582."""


@dataclass(frozen=True, eq=False)
class SeriesFile:
    """The header of one file of a series.

    Attributes
    ----------
    path : Path
    months : ndarray of int, shape (n_steps * step_months,)
        Months of the time steps, counted from January of year zero.
    days : ndarray of int, shape (n_steps * step_months,)
        Lengths of these months in the file's calendar.
    calendar, time_units : str
        Of the time axis.
    field_attrs : dict
        Attributes of the variable.
    shape : tuple of int
        Rows and columns, after levels if there are any.
    chunk_steps : int
        Time steps stored in one piece.
    attrs : dict
        Global attributes.
    size : int
        [bytes].
    modified : int
        Time of the last change [ns since 1970].
    sample : str
        Checksum of parts of its content.
    step_months : int
        Months in a time step: 12 for means over calendar years.
    single_dims : tuple of str
        Dims of one entry beside time and the grid.
    """

    path: Path
    months: IntArray
    days: IntArray
    calendar: str
    time_units: str
    field_attrs: dict[str, Any]
    shape: tuple[int, ...]
    chunk_steps: int
    attrs: dict[str, Any]
    size: int
    modified: int
    sample: str
    step_months: int = 1
    single_dims: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """Name, size, a sample of its bytes, and tracking id, or the time of the last change where it has none."""
        mark = str(self.attrs.get("tracking_id", "")) or self.modified
        return {"name": self.path.name, "tracking_id": mark, "size": self.size, "sample": self.sample}


@dataclass(frozen=True, eq=False)
class Series:
    """One variable of one run: its files in the order of time.

    Attributes
    ----------
    variable_id : str
    where : str
        Name of the series in messages.
    files : tuple of SeriesFile
    hint : str
        A sentence for the error that months are missing: where else they may be.
    interrupted : str
        Why the files of the run that this one continues are no beginning of the series; empty where they are.
    """

    variable_id: str
    where: str
    files: tuple[SeriesFile, ...]
    hint: str = ""
    interrupted: str = ""

    @property
    def identity(self) -> list[dict[str, Any]]:
        """That of each file."""
        return [file.identity for file in self.files]

    @property
    def months(self) -> IntArray:
        """All months, ascending."""
        return np.sort(np.concatenate([file.months for file in self.files]))

    @property
    def whole_years(self) -> tuple[int, int]:
        """First and last year that start in January and end in December."""
        months = self.months
        return int(-(-months[0] // 12)), int((months[-1] + 1) // 12 - 1)

    @property
    def span(self) -> str:
        """First and last month, as ``1850-01 to 1850-12``."""
        months = self.months
        return f"{month_text(months[0])} to {month_text(months[-1])}"

    @property
    def calendar(self) -> str:
        """The calendar of all files."""
        return self.files[0].calendar

    @property
    def attrs(self) -> dict[str, Any]:
        """Global attributes of the first file that names its climate model, or of the first."""
        return next((file.attrs for file in self.files if file.attrs.get("source_id")), self.files[0].attrs)

    def missing(self, window: Window) -> list[str]:
        """Return the months the window lacks, as ``1850-03``."""
        return [month_text(month) for month in np.setdiff1d(np.asarray(window.months), self.months)]

    def continuing(self, earlier: "Series | None") -> "Series":
        """Return this series after the files of another that end where it begins; `interrupted` where they do not.

        Both have to have the same calendar and numbers of levels, rows and columns.
        """
        if earlier is None:
            return self
        before = tuple(file for file in earlier.files if file.months.max() < self.months[0])
        reason = self._break_after(before, earlier.where)
        return replace(self, interrupted=reason) if reason else replace(self, files=(*before, *self.files))

    def _break_after(self, before: tuple[SeriesFile, ...], where: str) -> str:
        """Return why earlier files of another series are no beginning of this one; empty where they are."""
        if not before or before[-1].months.max() + 1 != self.months[0]:
            last = f"ends in {month_text(before[-1].months.max())}" if before else "has no file that ends"
            return f"{where} {last} before {month_text(self.months[0])}, in which this begins"
        for file in before:
            for what, of_one, of_other in (
                ("calendar", _calendar(file), _calendar(self.files[0])),
                ("number of levels, rows and columns", file.shape, self.files[0].shape),
            ):
                if of_one != of_other:
                    return f"{where} has {what} {of_one!r}, this has {of_other!r}"
        return ""

    def hint_on(self, window: Window) -> str:
        """Return sentences, each after a blank, on why a window may lack months."""
        begins_before = window.months.start < self.months[0]
        return f" {self.interrupted}.{self.hint}" if self.interrupted and begins_before else self.hint

    def require(self, window: Window, *, skipping: bool = False) -> None:
        """Raise IncompleteWindowError when a month of a window is not there; `skipping`: whether it is then skipped."""
        missing = self.missing(window)
        if not missing:
            return
        state = f"lacks {len(missing)} of {window.n_months} months: {listed(missing, most=6)}."
        if len(missing) == window.n_months:
            state = f"lies outside the data, {self.span}."
        skip = "" if skipping else ", or set data_engineering.missing: skip"
        raise IncompleteWindowError(
            f"{self.where}: the window {window} {state}{self.hint_on(window)} Get the missing files or choose other "
            f"windows{skip}."
        )


def read_series(files: Sequence[Path], variable_id: str, *, where: str, hint: str = "") -> Series:
    """Return the series that these files make.

    Parameters
    ----------
    files : sequence of Path
    variable_id : str
    where : str
        Name of the series in messages: ``source/experiment/variant``.
    hint : str, optional
        That of the series.

    Raises
    ------
    DataError
        When a file cannot be read or is of another variable or run, two calendars or grids meet, or months are doubled.
    """
    headers = [read_header(path, variable_id) for path in files]
    calendars = {header.calendar for header in headers}
    if len(calendars) == 2 and calendars <= set(CALENDARS):
        # without a calendar, a file that has no leap day fits in each; one beside it need not
        other = next(name for name in CALENDARS if name in calendars - {CALENDARS[0]})
        headers = [read_header(path, variable_id, calendar=other) for path in files]
    headers.sort(key=lambda header: header.months.min())
    first = headers[0]
    for header in headers[1:]:
        _require_same(where, "calendar", first, header, _calendar(first), _calendar(header))
        _require_same(where, "number of levels, rows and columns", first, header, first.shape, header.shape)
    for facet in ("source_id", "experiment_id", "variant_label", "grid_label"):
        named, *others = [header for header in headers if header.attrs.get(facet)] or headers[:1]
        for header in others:
            _require_same(where, facet, named, header, named.attrs[facet], header.attrs[facet])
    _require_single_months(headers, where)
    _warn_of_names(headers, f"{where} {variable_id}")
    return Series(variable_id=variable_id, where=f"{where} {variable_id}", files=tuple(headers), hint=hint)


def read_header(path: Path, variable_id: str, *, calendar: str = "") -> SeriesFile:
    """Return the header of one file; `calendar` is that of times without one.

    Raises
    ------
    DataError
        When the file is gone, damaged, or lacks the variable or its time axis.
    """
    try:
        about = path.stat()
        require_whole(path)
        with netCDF4.Dataset(path) as file:
            file.set_auto_mask(False)
            if variable_id not in file.variables:
                there = listed([*file.variables, *(f"group {name}" for name in file.groups)], most=12) or "none"
                raise DataError(
                    f"{path} has no variable '{variable_id}'; it has {there}. Name it so "
                    f"(ncrename -v OLD,{variable_id}), or take out the file."
                )
            field = file.variables[variable_id]
            single = single_dims(file, variable_id, path)
            dim, *grid = [dim for dim in field.dimensions if dim not in single]
            chunks = field.chunking()
            return SeriesFile(
                path=path,
                field_attrs=stored_attributes(field),
                shape=tuple(len(file.dimensions[each]) for each in grid),
                single_dims=single,
                chunk_steps=1 if chunks in (None, "contiguous") else int(chunks[field.dimensions.index(dim)]),
                attrs=stored_attributes(file),
                size=about.st_size,
                modified=about.st_mtime_ns,
                sample=sampled_checksum(path),
                **read_time_axis(file, dim, path, calendar=calendar)._asdict(),
            )
    except (OSError, RuntimeError) as error:
        raise unreadable(path, error) from error


def _calendar(header: SeriesFile) -> str:
    """Return the name by which calendars of a series are compared."""
    gregorian = header.calendar in ("standard", "proleptic_gregorian") and header.months.min() >= _REFORM
    return "standard" if gregorian else header.calendar


def _require_same(where: str, what: str, first: SeriesFile, other: SeriesFile, expected: Any, got: Any) -> None:
    if expected != got:
        raise DataError(
            f"{where}: {other.path.name} has {what} {got!r}, {first.path.name} has {expected!r}; "
            f"expected one in a series. One of them does not belong in {other.path.parent}: take it out, "
            "or fetch it again."
        )


def _require_single_months(headers: Sequence[SeriesFile], where: str) -> None:
    months = np.concatenate([header.months for header in headers])
    owner = np.repeat(np.arange(len(headers)), [header.months.size for header in headers])
    order = np.argsort(months, kind="stable")
    doubled = np.flatnonzero(np.diff(months[order]) == 0)
    if not doubled.size:
        return
    first, second = (headers[owner[order[doubled[0] + k]]].path.name for k in range(2))
    files, remedy = f"in {first} and in {second}", "Two versions or overlapping files in one folder: keep one."
    if first == second:
        files = f"twice in {first}"
        remedy = f"Take out steps that are repeated, or correct its calendar, {headers[0].calendar}."
    month = month_text(months[order[doubled[0]]])
    raise DataError(f"{where}: {month} is there {files}; {doubled.size} months are doubled. {remedy}")


def _warn_of_names(headers: Sequence[SeriesFile], where: str) -> None:
    """Warn of files with months outside those in their names: their calendar may be another one."""
    spans = [(header.months.min(), header.months.max()) for header in headers]
    odd = [k for k, header in enumerate(headers) if not within_name(header.path, *spans[k])]
    if odd:
        first, last = map(month_text, spans[odd[0]])
        warn_once(
            f"{where}: {len(odd)} of {len(headers)} files have other months by their time axis, which counts, than by "
            f"their name: {first} to {last} in {headers[odd[0]].path.name}. Is calendar {headers[0].calendar} right?"
        )
