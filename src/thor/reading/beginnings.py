"""The year in which a run begins, also where its first files are missing: parallel segments and years count from it."""

import math
from collections.abc import Mapping
from dataclasses import replace

from thor.reading.baselines import Parent, branch_year_of_child, parent_of
from thor.reading.run_plan import RunPlan
from thor.reading.runs import Run, is_control
from thor.reading.series import Series

LONGEST_GAP = 170
"""Years between branch and first file beyond which a date in the first years of the calendar, that of the branch in the
control run, or any of a historical run is taken for a placeholder; hist-GHG has the years 1850 to 2020."""


def with_beginnings(plans: Mapping[Run, RunPlan]) -> dict[Run, RunPlan]:
    """Return plans in which each run that branches off a control run has the year in which it begins.

    It is the year of the branch where the files state it, else the first year of the files, of another member of the
    experiment if that begins earlier, their time axis does not begin with them, and the two do not number their years
    as the control run does. Where the run has no files from then on, or the year is not that which the files state,
    there is a warning; not for a control run whose own parent is not read, as no baseline depends on it.
    """
    plans = {run: _in_time_of_parent(plan, plans) for run, plan in plans.items()}
    return {run: _with_beginning(plan, plans) for run, plan in plans.items()}


def begins_with_others(plan: RunPlan, plans: Mapping[Run, RunPlan]) -> int | None:
    """Return the year in which a run begins if another member has files from then on: its windows are theirs too."""
    whole = {other.years[0] for other in _other_members(plan, plans)}
    return plan.begins if plan.begins in whole else None


def credible_branch(first: int, parent: Parent, series: Series, run: Run) -> int | None:
    """Return the year of a run at the branch as its files state it; None for no date, or one that cannot be right.

    Parameters
    ----------
    first : int
        First year of the run's files.
    parent : Parent
        A control run.
    series : Series
        Of the run.
    run : Run
    """
    branch = branch_year_of_child(series)
    longest = LONGEST_GAP if _is_historical(run) or branch in (0, 1, parent.branch_year) else math.inf
    # months after June are rounded up
    return branch if branch is not None and -1 <= first - branch <= longest else None


def counted_from(first: int, parent: Parent, series: Series, run: Run) -> Parent:
    """Return a control run from which years count, from the first year of the files where no branch is credible.

    Parameters as for `credible_branch`.
    """
    if parent.branch_year is None or credible_branch(first, parent, series, run) is not None:
        return parent
    return replace(parent, shift_years=parent.branch_year - first)


def _in_time_of_parent(plan: RunPlan, plans: Mapping[Run, RunPlan]) -> RunPlan:
    """Return a plan whose branch year is in the calendar and units of time of the parent, if that is read."""
    parent = plans.get(plan.parent.run) if plan.parent else None
    if parent is None:
        return plan
    branch_year = plan.quirks.branch_years.get(plan.run.experiment_id)
    parts = plan.series["zos"], parent.series["zos"]
    return replace(plan, parent=parent_of(plan.run, parts[0], branch_year=branch_year, of_parent=parts[1]))


def _with_beginning(plan: RunPlan, plans: Mapping[Run, RunPlan]) -> RunPlan:
    parent, zos = plan.parent, plan.series["zos"]
    if parent is None or not parent.is_control or parent.branch_year is None:
        return plan
    first, branch = _first_year(plan), branch_year_of_child(zos)
    matters = parent.run in plans or not is_control(plan.run.experiment_id)
    if branch is not None and branch == credible_branch(first, parent, zos, plan.run):
        later = min(int(part.months[0]) // 12 for part in plan.series.values()) > branch
        gap = f"its files begin in {first}, but it branches off in {branch}: its years count from the branch"
        warned = (gap,) if later and matters and not _is_historical(plan.run) else ()
        return replace(plan, begins=branch if later else first, warnings=(*plan.warnings, *warned))
    stated = "no date in branch_time_in_child" if branch is None else f"branch_time_in_child is in the year {branch}"
    # members with the shift of this one number their years as the control run does: each has a first year of its own
    others = {
        _first_year(other): other.run.key
        for other in _other_members(plan, plans)
        if other.parent is None or other.parent.shift_years != parent.shift_years
    }
    origin = zos.files[0].time_units.partition(" since ")[2].strip().partition("-")[0]
    axis_begins = origin.isdecimal() and int(origin) == first
    begins, whose = first, "its first year"
    if others and min(others) < first and not axis_begins:
        begins, whose = min(others), f"that of {others[min(others)]}"
    if branch is not None or begins < first:
        parent = replace(parent, shift_years=parent.branch_year - begins)
    as_in_cmip5 = "branch_time" in zos.attrs and axis_begins  # files of CMIP5 state the time in the parent alone
    warned = (f"{stated}: taken to branch off in {begins}, {whose}",) if matters and not as_in_cmip5 else ()
    return replace(plan, begins=begins, parent=parent, warnings=(*plan.warnings, *warned))


def _is_historical(run: Run) -> bool:
    """Return whether the years of a run are those of the calendar."""
    return "hist" in run.experiment_id


def _other_members(plan: RunPlan, plans: Mapping[Run, RunPlan]) -> list[RunPlan]:
    run = plan.run
    return [
        other
        for key, other in plans.items()
        if key != run and (key.source_id, key.experiment_id) == (run.source_id, run.experiment_id)
    ]


def _first_year(plan: RunPlan) -> int:
    """Return the first whole year of any variable of a run."""
    return min(part.whole_years[0] for part in plan.series.values())
