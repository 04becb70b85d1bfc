"""What is to be read of each run, settled from the files' headers before any field is read."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from thor.core.errors import ConfigError, DataError, IncompleteWindowError
from thor.core.variables import published
from thor.reading.archive import Archive, Run, Stored, Wanted
from thor.reading.baselines import Parent, parent_of
from thor.reading.grids import Group, grid_group
from thor.reading.quirks import Quirks, quirks_of
from thor.reading.series import Series, read_series
from thor.reading.steps import ICE_MASS
from thor.reading.windows import Window, WindowSettings

log = logging.getLogger(__name__)

Missing = Literal["skip", "error"]

SURFACE = published(fixed=False, needed=True)
FIXED = published(fixed=True)


@dataclass(frozen=True, eq=False)
class RunPlan:
    """One run: its files and windows.

    Attributes
    ----------
    run : Run
    grid_label : str
        Several, separated by blanks, where points have labels of their own.
    version : str
        That of sea level.
    series : dict of str to Series
        `zos`, `tauuo`, `tauvo`; the masses of sea ice and snow on it where they are needed and there.
    fixed : dict of str to tuple of Path
        Files that may hold `deptho`, `areacello`, `sftof` on this grid, the likeliest first.
    windows : tuple of Window
        In the order of time; they may overlap where other runs are compared with this one.
    parent : Parent or None
    baselines : dict of Window to Window
        The parent's window with which each of this run's is compared, as far as the parent has it.
    quirks : Quirks
    warnings : tuple of str
        What is odd about the run, although it is read.
    """

    run: Run
    grid_label: str
    version: str
    series: dict[str, Series]
    fixed: dict[str, tuple[Path, ...]]
    windows: tuple[Window, ...]
    parent: Parent | None
    quirks: Quirks
    baselines: dict[Window, Window] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """All that a climatology of this plan depends on, settings aside."""
        return {
            "run": self.run.key,
            "series": {name: [file.identity for file in series.files] for name, series in self.series.items()},
            "fixed": {name: [[path.name, path.stat().st_size] for path in paths] for name, paths in self.fixed.items()},
            "windows": [str(window) for window in self.windows],
            "baselines": {str(window): str(other) for window, other in self.baselines.items()},
            "parent": self.parent,
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


@dataclass(frozen=True)
class Plans:
    """The runs that can be read, and why the others cannot.

    Attributes
    ----------
    usable : tuple of RunPlan
        In the order of the runs' keys; runs from which others branch off are among them.
    left_out : dict of Run to str
        Reason for each run that cannot be read.
    """

    usable: tuple[RunPlan, ...]
    left_out: Mapping[Run, str]

    def __iter__(self) -> Iterator[RunPlan]:
        """Iterate over the usable plans."""
        return iter(self.usable)

    def __len__(self) -> int:
        """Return the number of usable plans."""
        return len(self.usable)


def plan_runs(
    archive: Archive,
    runs: Sequence[Run],
    settings: WindowSettings,
    *,
    missing: Missing,
    quirks: Mapping[str, Quirks] | None = None,
) -> Plans:
    """Return a plan for each run that can be read, and for each run that one of them branches off.

    Parameters
    ----------
    archive : Archive
    runs : sequence of Run
    settings : WindowSettings
    quirks : mapping of str to Quirks, optional
        Those of models that `quirks.yml` does not know, or knows wrongly.
    missing : {'skip', 'error'}
        Whether a run without a variable, a window without a month, or a run that cannot be read for another reason is
        left out with one warning, or is an error.

    Raises
    ------
    DataError
        Under ``error``: when something is missing, or a series is not one.
    """
    given = quirks or {}
    plans: dict[Run, RunPlan] = {}
    left_out: dict[Run, str] = {}
    waiting = list(runs)
    with tqdm(total=len(runs), desc="reading headers", unit="run", leave=False, disable=None) as bar:
        while waiting:
            run = waiting.pop(0)
            if run in plans or run in left_out:
                continue
            try:
                plan = _plan(archive, run, settings, given.get(run.source_id, quirks_of(run.source_id)), missing)
            except (DataError, ConfigError) as error:
                if missing == "error":
                    raise
                left_out[run] = str(error)
                log.warning("%s is left out: %s", run.key, error)
            else:
                plans[run] = plan
                if plan.parent and plan.parent.run in archive:
                    waiting.append(plan.parent.run)
            bar.update()
    for run, plan in list(plans.items()):
        if plan.parent:
            _add_baselines(plans, run, plan.parent, settings)
    for run, reason in _without_window(plans, settings).items():
        if missing == "error":
            raise IncompleteWindowError(f"{reason} Correct data_engineering.windows.")
        log.warning("%s is left out: %s", run.key, reason)
        left_out[run] = reason
    usable = tuple(plans[run] for run in sorted(plans) if plans[run].windows)
    _report(usable, left_out, settings, missing)
    return Plans(usable, left_out)


def require_usable(
    plans: Plans, archive: Archive, *, source_ids: Wanted, experiment_ids: Wanted, variant_labels: Wanted
) -> None:
    """Raise DataError unless every model, experiment and variant named has a usable run, and there is one at all.

    Raises
    ------
    DataError
        With the places that were searched and what is there, or the reason of a run that cannot be read.
    """
    if not archive.roots:
        return
    wanted = {"source_id": source_ids, "experiment_id": experiment_ids, "variant_label": variant_labels}
    for facet, names in wanted.items():
        got = {getattr(plan.run, facet) for plan in plans}
        for name in names if names != "all" else ():
            if name not in got:
                reasons = [reason for run, reason in plans.left_out.items() if getattr(run, facet) == name]
                raise DataError(
                    f"No run of {facet} '{name}' can be read. {reasons[0] if reasons else ''} "
                    f"Get what is missing, or take '{name}' out of {facet}s."
                )
    if plans.usable:
        return
    if plans.left_out:
        reason = next(iter(plans.left_out.values()))
        raise DataError(f"None of {len(plans.left_out)} runs of {archive.where} can be read. The first: {reason}")
    raise DataError(
        f"The archive holds no run. {archive.searched()} Set archive_root in conf/local/globals.yml, or the "
        "environment variable THOR_ARCHIVE_ROOT."
    )


def _plan(archive: Archive, run: Run, settings: WindowSettings, quirks: Quirks, missing: Missing) -> RunPlan:
    group = grid_group(archive, run, SURFACE)
    series = {name: read_series(stored.files(), name, where=run.key) for name, stored in group.stored.items()}
    if quirks.sea_ice_depression == "left_in":
        series |= _ice_mass(archive, run, group)
    _require_facets(run, series)
    first = max(part.whole_years[0] for part in series.values())
    last = min(part.whole_years[1] for part in series.values())
    windows, warnings = _complete(settings.of_run(first, last), series, group, missing)
    fixed = {name: _fixed_files(archive, run, name, group) for name in FIXED}
    if not fixed["deptho"]:
        raise DataError(
            f"{run.source_id} has no 'deptho' in any run of {archive.where}. "
            "Depth is an input of the networks: get it for one experiment of this model."
        )
    try:
        parent = parent_of(run, series["zos"], branch_year=quirks.branch_years.get(run.experiment_id))
        if parent and parent.is_control and "branch_time_in_child" not in series["zos"].attrs:
            warnings.append(
                f"no branch_time_in_child: taken to branch off in {series['zos'].months[0] // 12}, its first year"
            )
    except DataError as error:
        if missing == "error":
            raise
        parent = None
        warnings.append(f"no baseline: {error}")
    for name, stored in group.stored.items():
        if stored.newer:
            warnings.append(f"the newest version of {name}, {stored.newer[0]}, holds no file: {stored.version} is read")
    if parent and parent.run not in archive:
        warnings.append(f"its parent {parent.run.key} is not in the archive; no baseline")
    if warnings:
        log.warning("%s: %s", run.key, "; ".join(warnings))
    version = group.stored["zos"].version
    return RunPlan(run, group.label, version, series, fixed, tuple(windows), parent, quirks, warnings=tuple(warnings))


def _ice_mass(archive: Archive, run: Run, group: Group) -> dict[str, Series]:
    """Return the masses of sea ice and snow on the grid of sea level, where both are there."""
    label = group.stored["zos"].grid_label
    there = {name: archive.stored(run, name).get(label) for name in ICE_MASS}
    found = {name: stored for name, stored in there.items() if stored is not None}
    if len(found) < len(ICE_MASS):
        return {}
    return {name: read_series(stored.files(), name, where=run.key) for name, stored in found.items()}


def _fixed_files(archive: Archive, run: Run, variable_id: str, group: Group) -> tuple[Path, ...]:
    """Return the files that may hold a fixed field on this grid, those under its label first.

    Only where no file has the label of sea level, those under others are candidates: their positions decide.
    """
    label = group.stored["zos"].grid_label
    others: dict[str, Path] = {}
    for _, stored in archive.fixed(run, variable_id):
        if stored.grid_label == label:
            return (stored.files()[-1],)
        others.setdefault(stored.grid_label, stored.files()[-1])
    return tuple(others.values())


def _require_facets(run: Run, series: Mapping[str, Series]) -> None:
    for name, part in series.items():
        for facet in ("source_id", "experiment_id", "variant_label"):
            got, expected = part.attrs.get(facet), getattr(run, facet)
            if got is not None and got != expected:
                raise DataError(
                    f"{part.files[0].path}: {facet} is '{got}', but the file lies in the folder of '{expected}' "
                    f"({name} of {run.key}). Put it where it belongs."
                )


def _complete(
    windows: Sequence[Window], series: Mapping[str, Series], group: Group, missing: Missing
) -> tuple[list[Window], list[str]]:
    """Return the windows with all their months, and a sentence on the others; these are an error where so set."""
    complete, lacking = [], []
    for window in windows:
        incomplete = [name for name, part in series.items() if part.missing(window)]
        if not incomplete:
            complete.append(window)
            continue
        name = incomplete[0]
        hint = _older_versions(group.stored.get(name))
        if missing == "error":
            series[name].require(window, hint=hint)
        n_months = len(series[name].missing(window))
        lacking.append(f"the window {window} is left out, since {n_months} months of {name} are missing.{hint}")
    return complete, lacking


def _older_versions(stored: Stored | None) -> str:
    if stored is None or not stored.older:
        return ""
    return f" Older versions lie beside {stored.version}: {', '.join(stored.older)}; `versions` can choose one."


def _without_window(plans: Mapping[Run, RunPlan], settings: WindowSettings) -> dict[Run, str]:
    """Return the reason for each run that has no window."""
    reasons = {}
    for run, plan in plans.items():
        if plan.windows:
            continue
        span = "{:04d} to {:04d}".format(*plan.series["zos"].whole_years)
        wanted = (
            f"none of the windows {', '.join(str(Window(*years)) for years in settings.years)} is whole in them"
            if settings.years
            else f"no window of {settings.length_years} years fits"
        )
        reasons[run] = "; ".join((f"{run.key} has the whole years {span}: {wanted}.", *plan.warnings))
    return reasons


def _report(usable: Sequence[RunPlan], left_out: Mapping[Run, str], settings: WindowSettings, missing: Missing) -> None:
    """Log how many runs are left out; raise or warn where no run has a window that is given."""
    unused = [Window(*years) for years in settings.years]
    unused = [window for window in unused if not any(window in plan.windows for plan in usable)]
    if unused and usable:
        spans = sorted({"{:04d} to {:04d}".format(*plan.series["zos"].whole_years) for plan in usable})
        complaint = f"The window {unused[0]} lies outside the data of every run: whole years are {', '.join(spans)}."
        if missing == "error":
            raise IncompleteWindowError(f"{complaint} Correct data_engineering.windows.")
        log.warning(complaint)
    if left_out:
        log.warning("%d of %d runs are left out", len(left_out), len(usable) + len(left_out))


def _add_baselines(plans: dict[Run, RunPlan], run: Run, origin: Parent, settings: WindowSettings) -> None:
    plan, parent = plans[run], plans.get(origin.run)
    if parent is None:
        return
    wanted = {window: origin.baseline(window, settings) for window in plan.windows}
    there = {w: b for w, b in wanted.items() if not any(part.missing(b) for part in parent.series.values())}
    warnings = list(plan.warnings)
    if origin.is_control and not origin.branches_within(parent.series["zos"]):
        first, last = parent.series["zos"].whole_years
        warnings.append(
            f"it branches off in year {origin.branch_year} of {parent.run.key}, which has the years {first} to {last}: "
            "wrong branch time, or years that are not in the archive? branch_years of the model's quirks can correct it"
        )
    elif len(there) < len(wanted):
        warnings.append(f"{parent.run.key} covers {len(there)} of its {len(wanted)} windows")
    if warnings != list(plan.warnings):
        log.warning("%s: %s", run.key, warnings[-1])
    plans[run] = replace(plan, baselines=there, warnings=tuple(warnings))
    # what was added to the parent as a child of its own stays
    plans[parent.run] = replace(plans[parent.run], windows=tuple(sorted({*parent.windows, *there.values()})))
