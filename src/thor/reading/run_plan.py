"""The plan of one run: its files and windows, from the headers of files before any field is read."""

import logging
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from thor.core.errors import DataError, GridError
from thor.core.variables import REGIME_FIELDS, TRACERS, TRANSPORTS
from thor.reading.archive import Archive
from thor.reading.baselines import Parent, parent_of
from thor.reading.files import content_mark
from thor.reading.grids import Group, grid_groups, label_of
from thor.reading.quirks import Quirks
from thor.reading.run_files import files_of_run, require_facets, series_of
from thor.reading.runs import Run
from thor.reading.series import Series
from thor.reading.windows import Window

log = logging.getLogger(__name__)

Missing = Literal["skip", "error"]


@dataclass(frozen=True, eq=False)
class RunPlan:
    """One run: its files and windows.

    Attributes
    ----------
    run : Run
    grid_label : str
        Several, separated by blanks, where T, u and v points have different labels.
    version : str
        That of sea level.
    series : dict of str to Series
        `zos`, `tauuo`, `tauvo`; the masses of sea ice and snow on it where they are needed and there. Where a window
        begins before the run, with the files of the run that it continues.
    fixed : dict of str to tuple of Path
        Files that may hold `deptho`, `areacello`, `sftof` on this grid, the likeliest first.
    years : tuple of int
        First and last whole year of the run itself.
    windows : tuple of Window
        In the order of time; they may overlap where other runs are compared with this one.
    warming_level : float or None
        Level of global warming in the only window [K]; the experiment of `run` is named after it (`at_level`).
    parent : Parent or None
    baselines : dict of Window to Window
        The parent's window with which each of this run's is compared, as far as the parent has it.
    quirks : Quirks
    transports : dict of str to Series
        `umo` and `vmo`, and `msftbarot`, as far as the run has them; empty for a run without.
    tracers : dict of str to Series
        `thetao` and `so` beside `umo` and `vmo`, for density classes; empty for a run without; windows may lack them.
    regime_fields : dict of str to Series
        Those of `REGIME_FIELDS` that the run has on this grid; windows may lack them.
    begins : int or None
        Year in which the run begins, also where its first files are missing; None where that is unknown.
    warnings : tuple of str
        Defects that do not keep the run from being read.
    """

    run: Run
    grid_label: str
    version: str
    series: dict[str, Series]
    fixed: dict[str, tuple[Path, ...]]
    years: tuple[int, int]
    parent: Parent | None
    quirks: Quirks
    windows: tuple[Window, ...] = ()
    warming_level: float | None = None
    baselines: dict[Window, Window] = field(default_factory=dict)
    transports: dict[str, Series] = field(default_factory=dict)
    tracers: dict[str, Series] = field(default_factory=dict)
    regime_fields: dict[str, Series] = field(default_factory=dict)
    begins: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """All that a climatology of this plan depends on, settings aside."""
        return {
            "run": self.run.key,
            "series": {name: series.identity for name, series in (self.series | self.regime_fields).items()},
            "fixed": {name: [[path.name, content_mark(path)] for path in paths] for name, paths in self.fixed.items()},
            "windows": [str(window) for window in self.windows],
            "baselines": {str(window): str(other) for window, other in self.baselines.items()},
            "parent": self.parent,
            "begins": self.begins,
            "quirks": self.quirks,
        }

    @property
    def size(self) -> int:
        """Bytes of the files that hold a month of a window."""
        spans = [window.months for window in self.windows]
        return sum(
            file.size
            for series in self.series.values()
            for file in series.files
            if any(file.months.min() < span.stop and file.months.max() >= span.start for span in spans)
        )

    def continuing(self, before: "RunPlan") -> "RunPlan":
        """Return the plan with the files of an earlier run before its own in every series."""
        kinds = ("series", "transports", "tracers", "regime_fields")
        own, earlier = ({kind: getattr(plan, kind) for kind in kinds} for plan in (self, before))
        joined: dict[str, Any] = {
            kind: {name: part.continuing(earlier[kind].get(name)) for name, part in own[kind].items()} for kind in kinds
        }
        return replace(self, **joined)


def plan_run(archive: Archive, run: Run, quirks: Quirks, missing: Missing) -> RunPlan:
    """Return the plan of one run, yet without windows; parameters and errors as for `thor.reading.plans.plan_runs`."""
    group, series, fixed, warnings = files_of_run(archive, run, quirks)
    first = max(part.whole_years[0] for part in series.values())
    last = min(part.whole_years[1] for part in series.values())
    try:
        parent = parent_of(run, series["zos"], branch_year=quirks.branch_years.get(run.experiment_id))
    except DataError as error:
        if missing == "error":
            raise
        parent = None
        warnings.append(f"no baseline: {error}")
    if first <= last and any(part.whole_years != (first, last) for part in series.values()):
        spans = "; ".join(f"{name} {part.span}" for name, part in series.items())
        hints = "".join(dict.fromkeys(part.hint for part in series.values()))
        warnings.append(f"the years {first:04d} to {last:04d} are read, which all variables have: {spans}.{hints}")
    for name, stored in group.items():
        if stored.newer:
            warnings.append(f"the newest version of {name}, {stored.newer[0]}, holds no file: {stored.version} is read")
        if stored.fuller:
            fuller = f"{stored.fuller[0]} of {name} has more months than {stored.version}, which is read"
            warnings.append(f"{fuller}; `versions` can choose it")
    optional: dict[str, Any] = {}
    fields = {name: partial(_regime_field, name=name) for name in REGIME_FIELDS}
    others = {"transports": _transports, "msftbarot": _streamfunction, "tracers": _tracers}
    for what, find in (others | fields).items():
        try:
            optional[what] = find(archive, run, group, quirks)
        except DataError as error:
            spare = what == "msftbarot" and bool(optional.get("transports"))
            if spare and isinstance(error, GridError):
                continue
            if missing == "error" and not spare:
                raise
            subject = f"its {what} are" if what in ("transports", "tracers") else f"{what} is"
            warnings.append(f"{subject} left out: {error}")
    if len(alone := [name for name in TRANSPORTS if archive.stored(run, name)]) == 1:
        warnings.append(f"it has {alone[0]} alone: its transports need both {' and '.join(TRANSPORTS)}")
    if parent and parent.run not in archive:
        warnings.append(f"its parent {parent.run.key} is not in the archive; no baseline")
    optional["transports"] = optional.get("transports", {}) | optional.pop("msftbarot", {})
    regime_fields = {name: series for what in fields for name, series in optional.pop(what, {}).items()}
    about = (run, label_of(group), group["zos"].version, series, fixed, (first, last), parent, quirks)
    return RunPlan(*about, warnings=tuple(warnings), regime_fields=regime_fields, **optional)


def _transports(archive: Archive, run: Run, group: Group, quirks: Quirks) -> dict[str, Series]:
    """Return the mass transports on the grid of sea level, where the run has both."""
    there = all(archive.stored(run, name) for name in TRANSPORTS)
    return _on_grid(archive, run, group, TRANSPORTS, quirks) if there else {}


def _streamfunction(archive: Archive, run: Run, group: Group, quirks: Quirks) -> dict[str, Series]:
    """Return the streamfunction on the grid of sea level, for windows in which the transports cannot be used."""
    return _on_grid(archive, run, group, ("msftbarot",), quirks) if archive.stored(run, "msftbarot") else {}


def _tracers(archive: Archive, run: Run, group: Group, quirks: Quirks) -> dict[str, Series]:
    """Return temperature and salinity on the grid of sea level, where the run has both beside the transports."""
    names = (*TRACERS, *TRANSPORTS)
    if not all(archive.stored(run, name) for name in names):
        return {}
    series = _on_grid(archive, run, group, names, quirks)
    return {name: series[name] for name in TRACERS}


def _on_grid(archive: Archive, run: Run, group: Group, names: tuple[str, ...], quirks: Quirks) -> dict[str, Series]:
    """Return the series of these variables, which have to be there, on the grid of sea level."""
    groups, label = grid_groups(archive, run, ("zos", *names))[0], group["zos"].grid_label
    there = next((other for other in groups if other["zos"].grid_label == label), None)
    if there is None:
        labels = ", ".join(f"{name} on {groups[0][name].grid_label}" for name in names)
        raise GridError(
            f"{run.key}: {labels}, but sea level is read on {label}; expected one grid. "
            "Get them on it, or choose theirs in grid_labels."
        )
    series = {name: series_of(run, name, there[name], quirks) for name in names}
    require_facets(run, series)
    return series


def _regime_field(archive: Archive, run: Run, group: Group, quirks: Quirks, name: str) -> dict[str, Series]:
    """Return the series of a field under the grid label of sea level; empty for a run without the field."""
    label, there = group["zos"].grid_label, archive.stored(run, name)
    if there and label not in there:
        raise DataError(
            f"{run.key}: {name} on {', '.join(sorted(there))}, but sea level is read on {label}; expected one grid. "
            f"Get it on {label}, or choose its label in grid_labels."
        )
    series = {name: series_of(run, name, there[label], quirks)} if there else {}
    require_facets(run, series)
    return series
