"""Windows of planned runs, across the runs that they continue, and the baselines with which these are compared."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from thor.reading.baselines import Parent
from thor.reading.run_plan import Missing, RunPlan
from thor.reading.runs import Run, is_control
from thor.reading.series import Series
from thor.reading.windows import Window, WindowSettings

log = logging.getLogger(__name__)


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
        The window in which a run reaches each level of warming: one more plan for each.
    missing : {'skip', 'error'}
        Whether a window without a month is left out with a warning, or is an error.

    Raises
    ------
    IncompleteWindowError
        Under ``error``.
    """
    continued = {plan.parent.run for plan in plans.values() if plan.parent and not plan.parent.is_control}
    out = {}
    for run, plan in plans.items():
        windows = settings.of_run(
            *plan.years, constant_forcing=is_control(run.experiment_id), is_continued=run in continued
        )
        out[run] = _with_own_windows(plans, run, windows, missing)
        for level, window in levels.get(run, {}).items():
            at_level = _with_own_windows(plans, run, [window], missing)
            warnings = at_level.warnings[len(plan.warnings) :]  # those of the run are given once
            out[run.at_level(level)] = replace(
                at_level, run=run.at_level(level), warming_level=level, warnings=warnings
            )
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
    before = _continued(plans, before.run)
    return replace(
        plan,
        series=_after(plan.series, before.series),
        transports=_after(plan.transports, before.transports),
        regime_fields=_after(plan.regime_fields, before.regime_fields),
    )


def _after(series: Mapping[str, Series], earlier: Mapping[str, Series]) -> dict[str, Series]:
    return {name: part.continuing(earlier.get(name)) for name, part in series.items()}


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
        warnings.append(f"the window {window} is left out, since {months} are missing.{lacking.hint}")
    return replace(plan, windows=tuple(complete), warnings=tuple(warnings))


def _compared_with(parent: Parent, plans: Mapping[Run, RunPlan], settings: WindowSettings) -> Parent:
    """Return the parent, or the run before it in which the reference years lie."""
    first, _ = settings.reference_years
    while not parent.is_control and parent.run in plans and first < plans[parent.run].years[0]:
        before = plans[parent.run].parent
        if before is None or before.is_control:
            break
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
        warnings.append(f"{parent.run.key} covers {len(there)} of its {len(wanted)} windows")
    plans[run] = replace(plan, baselines=there, warnings=tuple(warnings))
    # windows that the parent has as the child of another run stay
    windows: set[Window] = {*parent.windows, *there.values()}
    plans[parent.run] = replace(plans[parent.run], windows=tuple(sorted(windows)))
