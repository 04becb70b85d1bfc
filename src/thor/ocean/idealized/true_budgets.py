"""The true vorticity budgets of the idealized archive: exact window means, on the models' T points."""

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr

from thor.core.arrays import Array, IntArray
from thor.core.fingerprint import fingerprint
from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.idealized.archive_settings import CONTROL, HISTORICAL, ArchiveSettings
from thor.ocean.idealized.budget import CLOSURE_LIMIT, checked_closure
from thor.ocean.idealized.published_grid import true_coordinates
from thor.ocean.idealized.scenarios import CONTROL_VARIANT, IdealizedRun, pattern_strengths, runs_of
from thor.ocean.idealized.vertical import transport_factors, true_overturning


def idealized_true_budgets(settings: ArchiveSettings, *, seed: int) -> dict[str, tuple[str, Callable[[], xr.Dataset]]]:
    """Return the true budget of every model, experiment and variant: its fingerprint and a function that makes it.

    Parameters
    ----------
    settings : ArchiveSettings
    seed : int
        That of the archive.

    Returns
    -------
    dict of str to (str, callable)
        Keys ``<source_id>/<experiment_id>/<variant_label>``. The functions are `true_budget` with its run.
    """
    budgets: dict[str, tuple[str, Callable[[], xr.Dataset]]] = {}
    for model in settings.models:
        of_model = settings.replace(models=(model,))
        for run in runs_of(of_model, model, seed=seed):
            budgets[run.key] = (fingerprint("true budget", of_model, seed, run.key), partial(true_budget, run))
    return budgets


def true_budget(run: IdealizedRun) -> xr.Dataset:
    """Return the budget of each window of one run.

    Returns
    -------
    xarray.Dataset, dims (window, lat, lon) on a regular grid, otherwise (window, y, x)
        The five `BUDGET_TERMS` [m s-2], NaN outside `analysis_mask`; `analysis_mask` [1] and `areacello` [m2] without
        window; coordinates `window` ("1850-1869"), `window_start` and `window_end` [years], `lat` and `lon`. Windows
        are those of `window_starts`. For any other window `response_weights` (year, response) [1], annual means of all
        years of the run and of the historical run that a scenario continues, with `year_days` [d], and in piControl
        `budget_responses` (term, response, ...) [m s-2], whose sums weighted by these are the terms; the attribute
        `responses_of` names its run. The attribute `closure` is the rms of the sum over that of the largest term. Where
        the archive has transports, also `true_overturning` (`thor.ocean.idealized.vertical.true_overturning`).

    Raises
    ------
    DataError
        When a budget does not close: the circulation could not be solved with these settings.
    """
    model, weights = run.solved_model(), window_weights(run)
    years, days, annual = annual_weights(run)
    terms = {name: np.tensordot(weights, model.terms[name], axes=1) for name in BUDGET_TERMS}
    residual = checked_closure(run.key, terms, model.cell_mask)
    dataset = true_coordinates(model)
    dims = ("lat", "lon") if run.model.grid == "regular" else ("y", "x")
    for name, term in terms.items():
        dataset[name] = (("window", *dims), term, variable(name).attrs)
    dataset["analysis_mask"] = (dims, model.cell_mask.astype(np.int8), variable("analysis_mask").attrs)
    dataset["areacello"] = (dims, model.grid.t.area, variable("areacello").attrs)
    first = [run.first_year + start for start in window_starts(run)]
    last = [year + run.archive.window_years - 1 for year in first]
    names = [f"{a:04d}-{b:04d}" for a, b in zip(first, last, strict=True)]
    dataset["response_weights"] = (("year", "response"), annual, variable("response_weights").attrs)
    dataset = dataset.assign_coords(year=years, year_days=("year", days, {"units": "d"}))
    if run.experiment_id == CONTROL:
        responses = np.stack([model.terms[name] for name in BUDGET_TERMS])
        dataset["budget_responses"] = (("term", "response", *dims), responses, variable("budget_responses").attrs)
        dataset = dataset.assign_coords(term=list(BUDGET_TERMS))
    if run.archive.transports:
        dataset = dataset.merge(true_overturning(run, means_in_windows(run, transport_factors(run))))
    return dataset.assign_coords(
        window=names, window_start=("window", first), window_end=("window", last)
    ).assign_attrs(
        source_id=run.model.source_id,
        experiment_id=run.experiment_id,
        variant_label=run.variant_label,
        responses_of=f"{run.model.source_id}/{CONTROL}/{CONTROL_VARIANT}",
        closure=residual,
        closure_tolerance=CLOSURE_LIMIT,
    )


def window_weights(run: IdealizedRun) -> Array:
    """Return the mean factors of the model's responses in each window, shape (n_windows, n_responses)."""
    return means_in_windows(run, run.solved_model().weights(pattern_strengths(run)))


def annual_weights(run: IdealizedRun) -> tuple[IntArray, Array, Array]:
    """Return years, their lengths [days] and the annual mean factors of the model's responses.

    Returns
    -------
    years : ndarray of int, shape (n_years,)
        Those of the run, after those of the historical run that it continues.
    days : ndarray of shape (n_years,)
    weights : ndarray of shape (n_years, n_responses)
    """
    parent = run.parent
    before = annual_weights(parent) if parent is not None and parent.experiment_id == HISTORICAL else None
    days = run.months(0, run.n_years).lengths.reshape(-1, 12)
    annual = run.annual_means(run.solved_model().weights(pattern_strengths(run)))
    here = run.first_year + np.arange(run.n_years), days.sum(axis=1), annual
    if before is None:
        return here
    years, lengths, weights = (np.concatenate(pair) for pair in zip(before, here, strict=True))
    return years, lengths, weights


def means_in_windows(run: IdealizedRun, factors: Array) -> Array:
    """Return the means of factors in each window, months weighted by their lengths.

    Parameters
    ----------
    run : IdealizedRun
    factors : ndarray of shape (n_months, n_factors)

    Returns
    -------
    ndarray of shape (n_windows, n_factors)
    """
    days = run.months(0, run.n_years).lengths
    parts = [slice(12 * first, 12 * (first + run.archive.window_years)) for first in window_starts(run)]
    return np.stack([np.average(factors[part], axis=0, weights=days[part]) for part in parts])


def window_starts(run: IdealizedRun) -> list[int]:
    """Return the first year of each whole window, counted from the experiment's first as 0.

    One after another; piControl also has those parallel to the windows of each variant that branches off it, since
    these are what the variant is compared with.
    """
    last = run.n_years - run.archive.window_years
    starts = set(range(0, last + 1, run.archive.window_years))
    if run.experiment_id == CONTROL:
        others = runs_of(run.archive, run.model, seed=run.seed)
        branches = {0, *(other.branch_year for other in others if other.experiment.parent == CONTROL)}
        starts = {start + branch for start in starts for branch in branches}
    return sorted(start for start in starts if start <= last)
