"""Plans of all runs, made from the headers of files before any field is read."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from thor.core.errors import ConfigError, DataError, IncompleteWindowError
from thor.core.progress import progress_bar
from thor.reading.archive import Archive
from thor.reading.baselines import with_parents
from thor.reading.plan_windows import with_windows
from thor.reading.quirks import Quirks, quirks_of
from thor.reading.run_plan import Missing, RunPlan, plan_run
from thor.reading.runs import Run, Wanted
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
        span = "{:04d} to {:04d}".format(*plan.years)
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
    if left_out:
        log.warning("%d of %d runs are left out", len(left_out), len(usable) + len(left_out))
