"""What is to be read of each run, settled from the files' headers before any field is read."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from thor.errors import DataError, IncompleteWindowError
from thor.reading.archive import Archive, Run
from thor.reading.baselines import Parent, parent_of
from thor.reading.quirks import Quirks, quirks_of
from thor.reading.series import Series, read_series
from thor.reading.windows import Window, WindowSettings

log = logging.getLogger(__name__)

SURFACE = ("zos", "tauuo", "tauvo")
FIXED = ("deptho", "areacello", "sftof")
ICE_MASS = ("simass", "sisnmass")


@dataclass(frozen=True, eq=False)
class RunPlan:
    """One run: its files and windows.

    Attributes
    ----------
    run : Run
    grid_label : str
    series : dict of str to Series
        `zos`, `tauuo`, `tauvo`; the masses of sea ice and snow on it where they are needed and there.
    fixed : dict of str to Path or None
        Files of `deptho`, `areacello`, `sftof`.
    windows : tuple of Window
        In the order of time; they may overlap where other runs are compared with this one.
    parent : Parent or None
    baselines : dict of Window to Window
        The parent's window with which each of this run's is compared, as far as the parent has it.
    quirks : Quirks
    """

    run: Run
    grid_label: str
    series: dict[str, Series]
    fixed: dict[str, Path | None]
    windows: tuple[Window, ...]
    parent: Parent | None
    quirks: Quirks
    baselines: dict[Window, Window] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, Any]:
        """All that a climatology of this plan depends on, settings aside."""
        return {
            "run": self.run.key,
            "series": {name: [file.identity for file in series.files] for name, series in self.series.items()},
            "fixed": {name: [path.name, path.stat().st_size] for name, path in self.fixed.items() if path},
            "windows": [str(window) for window in self.windows],
            "baselines": {str(window): str(other) for window, other in self.baselines.items()},
            "parent": self.parent,
            "quirks": self.quirks,
        }


def plan_runs(
    archive: Archive, runs: Sequence[Run], settings: WindowSettings, *, quirks: Mapping[str, Quirks] | None = None
) -> list[RunPlan]:
    """Return a plan for each run, and for each run that one of them branches off.

    Parameters
    ----------
    archive : Archive
    runs : sequence of Run
    settings : WindowSettings
    quirks : mapping of str to Quirks, optional
        Those of models that `quirks.yml` does not know, or knows wrongly.

    Returns
    -------
    list of RunPlan
        In the order of the runs' keys. A parent that the archive does not have is warned of.

    Raises
    ------
    IncompleteWindowError
        When a window lacks months, unless such windows are to be skipped.
    DataError
        When a variable is missing, or a series is not one.
    """
    own = quirks or {}
    plans: dict[Run, RunPlan] = {}
    waiting = list(runs)
    with tqdm(total=len(runs), desc="reading headers", unit="run", leave=False, disable=None) as bar:
        while waiting:
            run = waiting.pop(0)
            if run in plans:
                continue
            plan = _plan(archive, run, settings, own.get(run.source_id, quirks_of(run.source_id)))
            plans[run] = plan
            if plan.parent and plan.parent.run in archive:
                waiting.append(plan.parent.run)
            elif plan.parent:
                log.warning("%s: its parent %s is not in the archive; no baseline", run.key, plan.parent.run.key)
            bar.update()
    _require_used(list(plans.values()), settings)
    for run, origin in [(run, plan.parent) for run, plan in plans.items()]:
        if origin and origin.run in plans:
            _add_baselines(plans, run, origin, settings)
    return [plans[run] for run in sorted(plans) if plans[run].windows]


def _plan(archive: Archive, run: Run, settings: WindowSettings, quirks: Quirks) -> RunPlan:
    label = archive.grid_label(run, SURFACE)
    series = {name: read_series(archive.files(run, name, grid_label=label), name, where=run.key) for name in SURFACE}
    if quirks.sea_ice_depression == "left_in" and all(archive.has(run, name, label, "SImon") for name in ICE_MASS):
        series |= {
            name: read_series(archive.files(run, name, grid_label=label, table_id="SImon"), name, where=run.key)
            for name in ICE_MASS
        }
    _require_own_facets(run, series)
    first = max(part.whole_years[0] for part in series.values())
    last = min(part.whole_years[1] for part in series.values())
    windows = _complete(settings.of_run(first, last), series, archive, settings)
    fixed = {name: archive.fixed(run, name, grid_label=label) for name in FIXED}
    if fixed["deptho"] is None:
        raise DataError(
            f"{run.source_id} has no 'deptho' (Ofx, {label}) in any run of {archive.where}. "
            "Depth is an input of the networks: fetch it for one experiment of this model."
        )
    parent = parent_of(run, series["zos"], branch_year=quirks.branch_years.get(run.experiment_id))
    return RunPlan(run, label, series, fixed, tuple(windows), parent, quirks)


def _require_own_facets(run: Run, series: Mapping[str, Series]) -> None:
    for name, part in series.items():
        for facet in ("source_id", "experiment_id", "variant_label"):
            got, expected = part.attrs.get(facet), getattr(run, facet)
            if got is not None and got != expected:
                raise DataError(
                    f"{part.files[0].path}: {facet} is '{got}', but the file lies in the folder of '{expected}' "
                    f"({name} of {run.key}). Put it where it belongs."
                )


def _complete(
    windows: Sequence[Window], series: Mapping[str, Series], archive: Archive, settings: WindowSettings
) -> list[Window]:
    """Return the windows with all their months; the others are an error or, where so set, left out."""
    complete = []
    for window in windows:
        lacking = [part for part in series.values() if part.missing(window)]
        if not lacking:
            complete.append(window)
            continue
        older = archive.older_versions([file.path for file in lacking[0].files])
        hint = f" Older versions lie beside the newest: {', '.join(older)}." if older else ""
        if settings.incomplete == "error":
            lacking[0].require(window, hint=hint)
        missing = lacking[0].missing(window)
        log.warning(
            "%s: the window %s lacks %d months and is left out.%s", lacking[0].where, window, len(missing), hint
        )
    return complete


def _require_used(plans: Sequence[RunPlan], settings: WindowSettings) -> None:
    """Raise IncompleteWindowError for a run without any window, or a given window that no run has."""
    unused = [Window(*years) for years in settings.years]
    unused = [window for window in unused if not any(window in plan.windows for plan in plans)]
    empty = [plan for plan in plans if not plan.windows and not settings.years]
    if unused:
        spans = sorted({"{:04d} to {:04d}".format(*plan.series["zos"].whole_years) for plan in plans})
        complaint = f"The window {unused[0]} lies outside the data of every run: whole years are {', '.join(spans)}."
    elif empty:
        span = "{:04d} to {:04d}".format(*empty[0].series["zos"].whole_years)
        complaint = f"{empty[0].run.key} has whole years {span} only: no window of {settings.length_years} years fits."
    else:
        return
    if settings.incomplete == "error":
        raise IncompleteWindowError(f"{complaint} Mend data_engineering.windows.")
    log.warning(complaint)


def _add_baselines(plans: dict[Run, RunPlan], run: Run, origin: Parent, settings: WindowSettings) -> None:
    plan = plans[run]
    parent = plans[origin.run]
    wanted = {window: origin.baseline(window, settings) for window in plan.windows}
    there = {w: b for w, b in wanted.items() if not any(part.missing(b) for part in parent.series.values())}
    if len(there) < len(wanted):
        log.warning("%s: %s covers %d of its %d windows", run.key, parent.run.key, len(there), len(wanted))
    plans[run] = replace(plan, baselines=there)
    plans[parent.run] = replace(parent, windows=tuple(sorted({*parent.windows, *there.values()})))
