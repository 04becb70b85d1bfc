"""Global mean near-surface air temperature of climate models, year by year, from which warming levels follow."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.checkpoint import NoCheckpoint
from thor.core.errors import DataError, DiskError
from thor.core.variables import variable
from thor.ocean.area_checks import EARTH_AREA
from thor.ocean.grid import Grid
from thor.reading.archive import Archive
from thor.reading.baselines import Parent, parent_of, with_parents
from thor.reading.grids import NATIVE
from thor.reading.means import window_means
from thor.reading.positions import read_positions
from thor.reading.quirks import Quirks, quirks_of
from thor.reading.run_files import series_of
from thor.reading.runs import Run
from thor.reading.series import Series
from thor.reading.windows import Window

log = logging.getLogger(__name__)

TEMPERATURE = "tas"

_WHOLE_EARTH = 0.95
"""Share of the Earth that the cells have to cover."""

_REMEDY = (
    "Get the file again, or give the years of warming levels in a table (data_engineering.windows.warming_level_table)."
)

SUMS_BYTES = 2**28
"""Of the annual means in memory, in double precision: they are made for as many years at once as fit."""


@dataclass(frozen=True, eq=False)
class TemperaturePlan:
    """The air temperature of one run.

    Attributes
    ----------
    run : Run
    series : Series or None
        None where it cannot be read; `reason` gives why.
    parent : Parent or None
    reason : str
    """

    run: Run
    series: Series | None
    parent: Parent | None
    reason: str

    @property
    def identity(self) -> dict[str, Any]:
        """All that the annual means depend on."""
        files = self.series.identity if self.series else []
        return {"run": self.run.key, "files": files, "parent": self.parent, "reason": self.reason}


def plan_temperatures(
    archive: Archive, runs: Sequence[Run], *, quirks: Mapping[str, Quirks] | None = None
) -> list[TemperaturePlan]:
    """Return the plan of each run that has temperature, and of the runs from which these branch off, from headers.

    Parameters
    ----------
    archive : Archive
    runs : sequence of Run
    quirks : mapping of str to Quirks, optional
        As for `thor.reading.plans.plan_runs`; branch years are read from them.
    """
    plans = with_parents(archive, runs, lambda run: _plan(archive, run, quirks_of(run.source_id, quirks)))
    return list(plans.values())


def _plan(archive: Archive, run: Run, quirks: Quirks) -> TemperaturePlan | None:
    stored, reason = archive.stored(run, TEMPERATURE), ""
    for label in sorted(stored, key=lambda label: (label != NATIVE, label)):
        try:
            series = series_of(run, TEMPERATURE, stored[label], quirks)
        except DiskError:
            raise
        except DataError as error:
            reason = reason or str(error)
            continue
        if reason:
            log.warning("%s: %s is read on grid '%s'. %s", run.key, TEMPERATURE, label, reason)
        try:
            parent = parent_of(run, series, branch_year=quirks.branch_years.get(run.experiment_id))
        except DataError:  # warming is over the whole control run, whatever the year of the branch
            parent = parent_of(run, series, branch_year=0)
        return TemperaturePlan(run, series, parent, "")
    return TemperaturePlan(run, None, None, reason) if stored else None


def global_temperature(plan: TemperaturePlan) -> xr.Dataset:
    """Return the annual global mean air temperature of one run, months weighted by their lengths.

    Parameters
    ----------
    plan : TemperaturePlan

    Returns
    -------
    xarray.Dataset, dim (year)
        `tas` [K] of the whole years of the run, weighted by the areas of the cells, which follow from their positions.
        Attributes: facets of the run, `parent` (its key, or empty), `baseline` as in climatologies, `files`.

    Raises
    ------
    DataError, GridError, UnitsError
        When a file cannot be read, a month or a cell is missing, or units are unknown or not those of the values.
    """
    series = plan.series
    if series is None:
        raise DataError(plan.reason)
    first, last = series.whole_years
    grid = Grid.from_dataset(read_positions(series.files[0].path, TEMPERATURE, where=plan.run.source_id))
    area = np.where(grid.duplicate, 0.0, grid.area)
    covered = float(area.sum() / EARTH_AREA)
    if covered < _WHOLE_EARTH:
        raise DataError(f"{series.where}: its cells cover {covered:.0%} of the Earth; expected all of it. {_REMEDY}")
    length = max(1, SUMS_BYTES // (8 * area.size))
    means: list[Array] = []
    sources: dict[str, None] = {}
    for start in range(first, last + 1, length):
        years = [Window(year, year) for year in range(start, min(start + length, last + 1))]
        for window in years:
            series.require(window, skipping=True)
        annual = window_means(series, years, checkpoint=NoCheckpoint())
        means.append(np.average(annual.values.reshape(len(years), -1), axis=1, weights=area.ravel()))
        sources |= dict.fromkeys(line.rpartition(" sha256:")[0] for line in annual.sources)
    values = np.concatenate(means) if means else np.empty(0)
    if not values.size or not np.isfinite(values).all():
        raise DataError(
            f"{series.where}: {'cells are missing' if values.size else 'there is no whole year'}, so it has no global "
            f"mean. {_REMEDY}"
        )
    low, high = variable(TEMPERATURE).valid_range
    if values.min() < low or values.max() > high:
        raise DataError(
            f"{series.where}: global means run from {values.min():g} to {values.max():g} K; expected {low:g} to "
            f"{high:g}. Has the file other units, such as degC, than its attribute says? {_REMEDY}"
        )
    parent = plan.parent
    attrs = plan.run.facets | {"parent": parent.run.key if parent else "", "files": "\n".join(sources)}
    if parent:
        attrs["baseline"] = parent.baseline_kind
    dataset = xr.Dataset({TEMPERATURE: ("year", values, variable(TEMPERATURE).attrs)}, attrs=attrs)
    dataset[TEMPERATURE].attrs["cell_methods"] = "area: time: mean"
    year = ("year", np.arange(first, last + 1), {"long_name": "Calendar year", "units": "1"})
    return dataset.assign_coords(year=year)
