"""Years in which climate models pass levels of global warming, found in the air temperature or given as a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.arrays import Array, IntArray
from thor.core.errors import ConfigError
from thor.reading.global_temperature import TEMPERATURE
from thor.reading.runs import Run, is_control
from thor.reading.windows import Window, WindowSettings

LEVEL_COLUMNS = {
    "source_id": "climate model",
    "experiment_id": "experiment",
    "variant_label": "variant",
    "level": "warming over the reference [K]",
    "status": "one of `LEVEL_STATUS`",
    "first_year": "first year of the window; empty without one",
    "last_year": "last year of the window",
    "warming": "mean warming in the window, or the largest of any window [K]",
    "reference": "years of historical, or the control run, over which warming is given",
    "reason": "why there is no temperature; where no window is found, the years that tas has",
}
"""Columns of the table of warming levels and their meaning."""

LEVEL_STATUS = {
    "reached": "the window ends in this run",
    "reached before": "the window ends in the run that this one continues",
    "above at the start": "the first window is already warmer than the level",
    "not reached": "no window is as warm",
    "no reference": "neither reference years nor a control run are known",
    "no temperature": "the run has no tas, or it cannot be read",
    "not in the table": "the table that was given has no such row",
}

_GIVEN = ("source_id", "experiment_id", "variant_label", "level", "year")
_RUN = ["source_id", "experiment_id", "variant_label"]


def find_levels(
    temperatures: Mapping[str, Callable[[], xr.Dataset]], without: Mapping[str, str], settings: WindowSettings
) -> pd.DataFrame:
    """Return in which window each run passes each level of warming.

    Parameters
    ----------
    temperatures : mapping of str to callable
        Reads the annual means of each run, as from `thor.reading.global_temperature.global_temperature`.
    without : mapping of str to str
        Reason for each run without temperature.
    settings : WindowSettings
        `warming_levels`, `warming_reference_years` and `length_years`.

    Returns
    -------
    pandas.DataFrame
        Columns as in `LEVEL_COLUMNS`, a row for each run that is not a control run and each level.

    Notes
    -----
    A window of `length_years` passes a level if it is the first whose mean warming is at least the level; windows begin
    in every year of the run or of the run that it continues. Warming is over the mean of the reference years, of
    historical or of the historical run that a scenario continues. Experiments that do not descend from historical, such
    as 1pctCO2, have years of their own; their warming is over the mean of the whole control run. The window belongs to
    the run in which it ends.
    """
    runs, length = warming_of_runs(temperatures, settings), settings.length_years
    others = {key for key in without if not is_control(key.split("/")[1])}
    rows: list[dict[str, Any]] = []
    for key in sorted({*runs, *others}):
        for level in settings.warming_levels:
            none = {"status": "no temperature", "reason": without.get(key, "")}
            found = _passing(runs[key], level, length) if key in runs else none
            rows.append(dict(zip(_RUN, key.split("/"), strict=True)) | {"level": level} | found)
    return _table(rows)


def given_levels(path: Path, runs: list[Run], settings: WindowSettings) -> pd.DataFrame:
    """Return the table of warming levels from a file that gives the central year of each window.

    Parameters
    ----------
    path : Path
        CSV with the columns source_id, experiment_id, variant_label, level [K] and year; of a window of 20 years, the
        eleventh is central.
    runs : list of Run
        Rows of other runs are not used.
    settings : WindowSettings
        Rows of levels other than `warming_levels` are not used.

    Returns
    -------
    pandas.DataFrame
        As from `find_levels`; the reference is the name of the file.

    Raises
    ------
    ConfigError
        When there is no such table, columns are missing, a level or year is no number, a run has a level twice, or
        passes a higher level before a lower one.
    """
    given = _read_given(path).groupby(_RUN)
    years = {tuple(map(str, run)): dict(zip(rows["level"], rows["year"], strict=True)) for run, rows in given}
    rows: list[dict[str, Any]] = []
    for run in (run for run in runs if not is_control(run.experiment_id)):
        for level in settings.warming_levels:
            year = years.get(tuple(run.facets.values()), {}).get(level)
            found: dict[str, Any] = {"status": "not in the table"}
            if year is not None:
                first = int(year) - settings.length_years // 2
                found = {"status": "reached", "first_year": first, "last_year": first + settings.length_years - 1}
            rows.append(run.facets | {"level": level, "reference": path.name} | found)
    return _table(rows)


def level_windows(table: pd.DataFrame) -> dict[Run, dict[float, Window]]:
    """Return the window of each level that a run reaches."""
    out: dict[Run, dict[float, Window]] = {}
    for row in table[table["status"] == "reached"].to_dict("records"):
        run = Run(*(str(row[name]) for name in _RUN))
        out.setdefault(run, {})[float(row["level"])] = Window(int(row["first_year"]), int(row["last_year"]))
    return out


@dataclass(frozen=True, eq=False)
class Warming:
    """Global warming through the years of one run, after those of the runs that it continues.

    Attributes
    ----------
    years : ndarray of int, shape (n_years,)
    values : ndarray of shape (n_years,)
        Annual means over the reference [K]; NaN where the reference is unknown.
    first_own_year : int
        First year of the run itself.
    reference : str
        What warming is relative to, in words.
    """

    years: IntArray
    values: Array
    first_own_year: int
    reference: str

    def running_mean(self, length: int) -> Array:
        """Return the means over so many years, by their first year; empty for a shorter run."""
        kernel = np.full(length, 1 / length)
        return np.convolve(self.values, kernel, mode="valid") if self.years.size >= length else np.empty(0)


def warming_of_runs(
    temperatures: Mapping[str, Callable[[], xr.Dataset]], settings: WindowSettings
) -> dict[str, Warming]:
    """Return the warming of each run that is not a control run, by key; see `find_levels`."""
    series = {key: load() for key, load in temperatures.items()}
    return {key: _warming(key, series, settings) for key in sorted(series) if not is_control(key.split("/")[1])}


def _passing(run: Warming, level: float, length: int) -> dict[str, Any]:
    """Return status, window, warming and reference of one level in one run."""
    warming, out = run.running_mean(length), {"reference": run.reference}
    years = {"reason": f"tas has the years {run.years[0]:04d} to {run.years[-1]:04d}"}
    if not np.isfinite(run.values).all():
        return out | years | {"status": "no reference"}
    passed = np.flatnonzero(warming >= level)
    if not passed.size:
        return out | years | {"status": "not reached", "warming": float(warming.max()) if warming.size else np.nan}
    first = int(run.years[passed[0]])
    window = {"first_year": first, "last_year": first + length - 1, "warming": float(warming[passed[0]])}
    if passed[0] == 0:
        return out | years | window | {"status": "above at the start"}
    return out | window | {"status": "reached" if first + length > run.first_own_year else "reached before"}


def _warming(key: str, series: Mapping[str, xr.Dataset], settings: WindowSettings) -> Warming:
    """Return the warming of a run after that of the runs that it continues."""
    root, temperature = key, series[key][TEMPERATURE]
    first_own_year = int(temperature["year"][0])
    while (before := _continued(root, series)) is not None:
        root, first = before, int(temperature["year"][0])
        earlier = series[root][TEMPERATURE].sel(year=slice(None, first - 1))
        if earlier.size and int(earlier["year"][-1]) == first - 1:  # else there is a gap
            temperature = xr.concat([earlier, temperature], "year")
    reference, words = _reference(root, series, settings)
    return Warming(temperature["year"].values, temperature.values - reference, first_own_year, words)


def _continued(key: str, series: Mapping[str, xr.Dataset]) -> str | None:
    """Return the run that another continues, None where it is a control run, not there or begins no earlier."""
    parent = str(series[key].attrs["parent"])
    if parent not in series or is_control(parent.split("/")[1]):
        return None
    begins, continued = (int(series[name][TEMPERATURE]["year"][0]) for name in (key, parent))
    return parent if continued < begins else None


def _reference(root: str, series: Mapping[str, xr.Dataset], settings: WindowSettings) -> tuple[float, str]:
    """Return the temperature over which warming is given, NaN where it is unknown, and what it is the mean of."""
    first, last = settings.warming_reference_years
    if "hist" in root.split("/")[1]:
        chosen = series[root][TEMPERATURE].sel(year=slice(first, last))
        whole = chosen.size == last - first + 1
        return float(chosen.mean()) if whole else np.nan, f"{first:04d}-{last:04d} of {root}"
    control = str(series[root].attrs["parent"])
    return float(series[control][TEMPERATURE].mean()) if control in series else np.nan, control or "no parent"


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(LEVEL_COLUMNS))
    years = ["first_year", "last_year"]
    table[years] = table[years].astype("Int64")
    return table.sort_values([*_RUN, "level"], ignore_index=True)


def _read_given(path: Path) -> pd.DataFrame:
    where = f"The table of warming levels {path}"
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(_RUN, str), skipinitialspace=True)
    except FileNotFoundError as error:
        raise ConfigError(f"{where} does not exist. Correct data_engineering.windows.warming_level_table.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where} is not a CSV table: {error}") from error
    if missing := [name for name in _GIVEN if name not in table]:
        raise ConfigError(f"{where} has no column {', '.join(missing)}; expected {', '.join(_GIVEN)}.")
    for name in ("level", "year"):
        numbers = pd.to_numeric(table[name], errors="coerce")
        wrong = numbers.isna() | ((numbers % 1 != 0) & (name == "year"))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            what = "a whole year" if name == "year" else "a number of kelvin"
            raise ConfigError(f"{where}, line {row + 2}: {name} is {table[name][row]!r}; expected {what}.")
        table[name] = numbers
    for run, rows in table.sort_values("level", kind="stable").groupby(_RUN):
        key = "/".join(map(str, run))
        if rows["level"].duplicated().any():
            level = rows["level"][rows["level"].duplicated()].iloc[0]
            raise ConfigError(f"{where} has the level {level:g} K of {key} twice; expected one row for each.")
        if not rows["year"].is_monotonic_increasing:
            raise ConfigError(f"{where}: {key} passes a higher level before a lower one. Check level and year.")
    return table
