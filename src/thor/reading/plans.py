"""Plans of all runs, made from the headers of files before any field is read, with their windows and baselines."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from thor.core.errors import ConfigError, DataError, IncompleteWindowError
from thor.core.progress import progress_bar
from thor.reading.archive import Archive
from thor.reading.baselines import Parent, with_parents
from thor.reading.beginnings import begins_with_others, with_beginnings
from thor.reading.quirks import Quirks, quirks_of
from thor.reading.run_plan import Missing, RunPlan, plan_run
from thor.reading.runs import Run, Wanted, is_control
from thor.reading.windows import Window, WindowSettings

log = logging.getLogger(__name__)


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
    levels: Mapping[Run, Mapping[float, Window]] | None = None,
) -> Plans:
    """Return a plan for each run that can be read, and for each run that one of them branches off.

    Parameters
    ----------
    archive : Archive
    runs : sequence of Run
    settings : WindowSettings
    quirks : mapping of str to Quirks, optional
        Those of models that `quirks.yml` does not know, or knows wrongly.
    levels : mapping of Run to mapping, optional
        The window in which a run reaches each level of warming [K] (`thor.reading.warming_levels.level_windows`).
    missing : {'skip', 'error'}
        Whether a run without a variable, a window without a month, or a run that cannot be read for another reason is
        left out with one warning, or is an error.

    Raises
    ------
    DataError
        Under ``error``: when something is missing, or a series is not one.
    """
    left_out: dict[Run, str] = {}

    def plan(run: Run) -> RunPlan | None:
        bar.update()
        try:
            return plan_run(archive, run, quirks_of(run.source_id, quirks), missing)
        except (DataError, ConfigError) as error:
            if missing == "error":
                raise
            left_out[run] = str(error)
            log.warning("%s is left out: %s", run.key, error)
            return None

    with progress_bar(total=len(runs), label="reading headers", unit="run") as bar:
        plans = with_parents(archive, runs, plan)
    plans = with_windows(plans, settings, missing, levels or {})
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


def _without_window(plans: Mapping[Run, RunPlan], settings: WindowSettings) -> dict[Run, str]:
    """Return the reason for each run that has no window."""
    reasons = {}
    for run, plan in plans.items():
        if plan.windows:
            continue
        first, last = plan.years
        if first > last:
            spans = "; ".join(f"{name} {part.span}" for name, part in plan.series.items())
            reasons[run] = f"{run.key} has no year of which all its variables have every month: {spans}."
            continue
        span = f"{first:04d} to {last:04d}"
        wanted = (
            f"its window at {plan.warming_level:g} K is not whole in them"
            if plan.warming_level is not None
            else f"none of the windows {', '.join(str(Window(*years)) for years in settings.years)} is whole in them"
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
        spans = sorted({"{:04d} to {:04d}".format(*plan.years) for plan in usable})
        complaint = f"The window {unused[0]} lies outside the data of every run: whole years are {', '.join(spans)}."
        if missing == "error":
            raise IncompleteWindowError(f"{complaint} Correct data_engineering.windows.")
        log.warning(complaint)
    compared = [window for plan in usable for pair in plan.baselines.items() for window in pair]
    lengths = {window.n_months // 12 for window in compared}
    if compared and any(is_control(plan.run.experiment_id) for plan in usable):
        lengths.add(settings.length_years)  # of internal variability
    if len(lengths) > 1:
        log.warning(
            "Windows of %s years are compared, of which longer ones vary less: make length_years, reference_years and "
            "years of data_engineering.windows equally long.",
            " and ".join(map(str, sorted(lengths))),
        )
    if left_out:
        log.warning("%d of %d runs are left out", len(left_out), len(usable) + len(left_out))


# -- windows and baselines -------------------------------------------------------------------------------------------
def with_windows(
    plans: Mapping[Run, RunPlan],
    settings: WindowSettings,
    missing: Missing,
    levels: Mapping[Run, Mapping[float, Window]],
) -> dict[Run, RunPlan]:
    """Return the plans with their windows and baselines; parent runs also have the baseline windows of others.

    Parameters
    ----------
    plans : mapping of Run to RunPlan
    settings : WindowSettings
    levels : mapping of Run to mapping
        The window in which a run reaches each level of warming: one more plan for each that does not end before it.
    missing : {'skip', 'error'}
        Whether a window without a month is left out with a warning, or is an error.

    Raises
    ------
    IncompleteWindowError
        Under ``error``.
    """
    plans = with_beginnings(plans)
    continued = {plan.parent.run for plan in plans.values() if plan.parent and not plan.parent.is_control}
    out = {}
    for run, plan in plans.items():
        windows = settings.of_run(
            *plan.years,
            constant_forcing=is_control(run.experiment_id),
            is_continued=run in continued,
            begins=begins_with_others(plan, plans),
        )
        out[run] = _with_own_windows(plans, run, windows, missing)
        for level, window in levels.get(run, {}).items():
            if window.last_year < plan.years[0]:
                early = f"the window {window} at {level:g} K ends before {plan.years[0]:04d}, where the run begins"
                out[run] = replace(out[run], warnings=(*out[run].warnings, early))
                continue
            at_level = _with_own_windows(plans, run, [window], missing)
            warnings = at_level.warnings[len(plan.warnings) :]  # those of the run are given once
            name = run.at_level(level)
            out[name] = replace(at_level, run=name, warming_level=level, warnings=warnings)
    for run, plan in out.items():
        if plan.parent:
            out[run] = replace(plan, parent=_compared_with(plan.parent, plans, settings))
    # Scenarios first: the window of historical with which they are compared has its own baseline in the control run.
    of_control = {run for run, plan in out.items() if plan.parent is None or plan.parent.is_control}
    for run in sorted(out, key=of_control.__contains__):
        plan = out[run]
        if plan.parent and plan.parent.run in out:
            _add_baselines(out, run, plan.parent, settings)
        if out[run].warnings:
            log.warning("%s: %s", run.key, "; ".join(out[run].warnings))
    return out


def _continued(plans: Mapping[Run, RunPlan], run: Run) -> RunPlan:
    """Return the plan of a run whose every series has the files of the runs that it continues before its own."""
    plan = plans[run]
    before = plans.get(plan.parent.run) if plan.parent and not plan.parent.is_control else None
    if before is None or before.years[0] >= plan.years[0]:
        return plan
    return plan.continuing(_continued(plans, before.run))


def _with_own_windows(plans: Mapping[Run, RunPlan], run: Run, windows: Sequence[Window], missing: Missing) -> RunPlan:
    """Return a plan with those of the windows that have all their months, and a warning on each of the others."""
    plan = plans[run]
    if any(window.first_year < plan.years[0] for window in windows):
        plan = _continued(plans, run)
    complete, warnings = [], list(plan.warnings)
    for window in windows:
        lacking = next((part for part in plan.series.values() if part.missing(window)), None)
        if lacking is None:
            complete.append(window)
            continue
        if missing == "error":
            lacking.require(window)
        months = f"{len(lacking.missing(window))} months of {lacking.variable_id}"
        warnings.append(f"the window {window} is left out, since {months} are missing.{lacking.hint_on(window)}")
    return replace(plan, windows=tuple(complete), warnings=tuple(warnings))


def _compared_with(parent: Parent, plans: Mapping[Run, RunPlan], settings: WindowSettings) -> Parent:
    """Return the parent, or the run before it in which the reference years lie."""
    first, _ = settings.reference_years
    while not parent.is_control and parent.run in plans and first < plans[parent.run].years[0]:
        before = plans[parent.run].parent
        if before is None or before.is_control:
            break
        if before.run in plans and plans[before.run].years[0] >= plans[parent.run].years[0]:
            break  # attributes that name one another as parents have no beginning
        parent = before
    return parent


def _add_baselines(plans: dict[Run, RunPlan], run: Run, origin: Parent, settings: WindowSettings) -> None:
    plan, parent = plans[run], plans[origin.run]
    wanted = {window: origin.baseline(window, settings) for window in plan.windows}
    there = {w: b for w, b in wanted.items() if not any(part.missing(b) for part in parent.series.values())}
    warnings = list(plan.warnings)
    if origin.is_control and not origin.branches_within(parent.years) and plan.warming_level is None:
        first, last = parent.years
        warnings.append(
            f"it branches off in year {origin.branch_year} of {parent.run.key}, which has the years {first} to {last}: "
            "wrong branch time, or years that are not in the archive? branch_years of the model's quirks can correct it"
        )
    elif len(there) < len(wanted):
        n_outside = len(wanted) - len(there)
        warnings.append(f"the baselines of {n_outside} of the {len(wanted)} windows lie outside {parent.run.key}")
    plans[run] = replace(plan, baselines=there, warnings=tuple(warnings))
    # windows that the parent has as the child of another run stay
    windows: set[Window] = {*parent.windows, *there.values()}
    plans[parent.run] = replace(plans[parent.run], windows=tuple(sorted(windows)))
