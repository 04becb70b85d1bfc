"""The window of one experiment in which climate models are compared: the same years, or one level of warming."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.errors import ConfigError, did_you_mean
from thor.reading.runs import is_at_level, is_control, level_words
from thor.tracking import RunDatasets

WindowYears = tuple[int, int]  # first and last year

_YEARS = ("window_start", "window_end")

LAST = "last"
"""Setting for the last window that most models have."""


def run_headers(runs: RunDatasets) -> RunDatasets:
    """Return functions that read only coordinates and attributes of the runs, where these are files that offer it."""
    headers: RunDatasets = getattr(runs, "headers", runs)
    return headers


def require_window(runs: RunDatasets, wanted: str) -> None:
    """Raise ConfigError unless a run has the window wanted, which may be `LAST`; those at a level of warming have one.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads a dataset with dim `window` for each run, `<source_id>/<experiment_id>/<variant_label>`.
    wanted : str
        As for `compared_windows`.
    """
    if wanted == LAST:
        return
    of_runs = [load()["window"].values for key, load in run_headers(runs).items() if not is_at_level(key.split("/")[1])]
    labels = {str(label) for windows in of_runs for label in windows}
    if labels and wanted not in labels:
        raise ConfigError(
            f"scenario_tracking.agreement.window is '{wanted}', which is no window of any run."
            f"{did_you_mean(wanted, [LAST, *labels])}"
        )


def compared_places(run: xr.Dataset) -> NDArray[np.intp]:
    """Return the places of the windows of a run that have a baseline."""
    return np.flatnonzero(run["baseline_window"].values != "")


def compared_windows(run: xr.Dataset, wanted: str) -> dict[WindowYears, str]:
    """Return the labels of those windows of a run with a baseline that can be compared with those of other models.

    Parameters
    ----------
    run : xarray.Dataset
        Regimes of a run, as from `thor.tracking.track.track_run`.
    wanted : str
        Label of a window, or `LAST` for all.

    Returns
    -------
    dict of (int, int) to str
        By years that are alike in all models. They count from the start of the run in an experiment that does not
        continue historical, such as abrupt-4xCO2: models number its years differently. The window at a level of
        warming and that with the label wanted have the years (0, 0).
    """
    labels = list(map(str, run["window"].values))
    compared = compared_places(run)
    if is_at_level(str(run.attrs["experiment_id"])):
        return {(0, 0): labels[compared[-1]]} if compared.size else {}
    if wanted != LAST:
        return {(0, 0): wanted} if wanted in [labels[place] for place in compared] else {}
    starts, ends = window_years(run)
    return {(int(starts[place]), int(ends[place])): labels[place] for place in compared}


def counts_from_start(run: xr.Dataset) -> bool:
    """Return whether years of a run count from its start: in control runs and others that do not continue historical.

    Not in the window at a level of warming, which models and members reach in different years.
    """
    experiment, parent = str(run.attrs["experiment_id"]), str(run.attrs.get("parent", "")).split("/")
    branched = len(parent) > 1 and is_control(parent[1]) and "hist" not in experiment
    return (branched or is_control(experiment)) and not is_at_level(experiment)


def window_years(run: xr.Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first and last year of the windows of a run, from its start where `counts_from_start` says so."""
    starts, ends = run["window_start"].values, run["window_end"].values
    before = start_year(run) - 1 if counts_from_start(run) else 0
    return starts - before, ends - before


def start_year(run: xr.Dataset) -> int:
    """Return the year in which a run begins: attribute `first_year`, or else the first of its windows."""
    first = int(run["window_start"].min())
    return min(first, int(run.attrs.get("first_year", first)))


def starts_of_runs(runs: RunDatasets) -> dict[str, int]:
    """Return the year in which each run begins, of the experiments of runs whose years count from their start."""
    found = {key: load() for key, load in run_headers(runs).items()}
    experiments = {key.split("/")[1] for key, run in found.items() if counts_from_start(run)}
    return {key: start_year(run) for key, run in found.items() if key.split("/")[1] in experiments}


def with_years_from_start(run: xr.Dataset) -> xr.Dataset:
    """Return a run with windows named by, and years of windows and emergence counted from, its start."""
    before = start_year(run) - 1
    counted = {name: run[name].copy(data=run[name].data - before) for name in (*_YEARS, "forced_emergence")}
    names = [years_from_start(*years) for years in zip(*(counted[name].values for name in _YEARS), strict=True)]
    return run.assign(counted).assign_coords(window=names)


def years_from_start(start: int, end: int) -> str:
    """Return the name of the window of these years since the start of an experiment, such as ``years 131-150``."""
    return f"years {start}-{end}"


def shared_window(runs: Mapping[str, Mapping[WindowYears, str]]) -> tuple[str, dict[str, str]] | None:
    """Return the last window that most climate models have: its name, and its label in each run that has it.

    Parameters
    ----------
    runs : mapping of str to mapping
        The windows of each run of one experiment, as from `compared_windows`.

    Returns
    -------
    (str, dict of str to str) or None
        The name is that of the level of warming, or the label; where models number the years differently, the years of
        the experiment. More than half of the models that have any window have this one; if there is no such window, as
        many as have any. None where no run has a window.
    """
    models: dict[WindowYears, set[str]] = {}
    for key, windows in runs.items():
        for years in windows:
            models.setdefault(years, set()).add(key.split("/")[0])
    if not models:
        return None
    least = min(len(set().union(*models.values())) // 2 + 1, max(map(len, models.values())))
    last = max((years for years in models if len(models[years]) >= least), key=lambda years: years[::-1])
    labels = {key: windows[last] for key, windows in runs.items() if last in windows}
    experiment, different = next(iter(labels)).split("/")[1], len(set(labels.values())) > 1
    if is_at_level(experiment):
        return level_words(experiment), labels
    return years_from_start(*last) if different else next(iter(labels.values())), labels


def shared_windows(
    runs: Mapping[str, Mapping[WindowYears, str]],
) -> dict[str, tuple[str, dict[str, str]]]:
    """Return `shared_window` of each experiment in which a run has any window; `runs` are those of all experiments."""
    found = {}
    for experiment in sorted({key.split("/")[1] for key in runs}):
        of_experiment = {key: windows for key, windows in runs.items() if key.split("/")[1] == experiment}
        if (shared := shared_window(of_experiment)) is not None:
            found[experiment] = shared
    return found
