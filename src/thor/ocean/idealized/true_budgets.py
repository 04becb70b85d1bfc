"""The true vorticity budgets of the idealized archive: exact window means, on the models' T points."""

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.fingerprint import fingerprint
from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.idealized.archive_settings import CONTROL, ArchiveSettings, ClimateModelSettings
from thor.ocean.idealized.budget import CLOSURE_LIMIT, checked_closure
from thor.ocean.idealized.calendars import months
from thor.ocean.idealized.climate_models import SolvedModel, solve_climate_model
from thor.ocean.idealized.published_grid import true_coordinates
from thor.ocean.idealized.scenarios import branch_year, first_year, pattern_strengths, variant_labels


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
        Keys ``<source_id>/<experiment_id>/<variant_label>``. The functions are `true_budget` with its arguments.
    """
    budgets: dict[str, tuple[str, Callable[[], xr.Dataset]]] = {}
    for model in settings.models:
        of_model = settings.replace(models=(model,))
        for experiment_id in settings.experiments:
            for variant_label in variant_labels(experiment_id):
                key = f"{model.source_id}/{experiment_id}/{variant_label}"
                make = partial(true_budget, of_model, model, experiment_id, variant_label, seed=seed)
                budgets[key] = (fingerprint("true budget", of_model, seed, key), make)
    return budgets


def true_budget(
    settings: ArchiveSettings,
    model_settings: ClimateModelSettings,
    experiment_id: str,
    variant_label: str,
    *,
    seed: int,
) -> xr.Dataset:
    """Return the budget of each window of one run.

    Parameters
    ----------
    settings : ArchiveSettings
    model_settings : ClimateModelSettings
    experiment_id, variant_label : str
    seed : int

    Returns
    -------
    xarray.Dataset, dims (window, lat, lon) on a regular grid, otherwise (window, y, x)
        The five `BUDGET_TERMS` [m s-2], NaN outside `analysis_mask`; `analysis_mask` [1] and `areacello` [m2] without
        window; coordinates `window` ("1850-1869"), `window_start` and `window_end` [years], `lat` and `lon`. Windows
        are those of `window_starts`. The attribute `closure` is the rms of the sum over that of the largest term.

    Raises
    ------
    DataError
        When a budget does not close: the circulation could not be solved with these settings.
    """
    model = solve_climate_model(model_settings, seed=seed)
    weights = window_weights(settings, model, experiment_id, variant_label, seed=seed)
    terms = {name: np.tensordot(weights, model.terms[name], axes=1) for name in BUDGET_TERMS}
    ids = {"source_id": model_settings.source_id, "experiment_id": experiment_id, "variant_label": variant_label}
    residual = checked_closure("/".join(ids.values()), terms, model.cell_mask)
    dataset = true_coordinates(model)
    dims = ("lat", "lon") if model_settings.grid == "regular" else ("y", "x")
    for name, term in terms.items():
        dataset[name] = (("window", *dims), term, variable(name).attrs)
    dataset["analysis_mask"] = (dims, model.cell_mask.astype(np.int8), variable("analysis_mask").attrs)
    dataset["areacello"] = (dims, model.grid.t.area, variable("areacello").attrs)
    windows = _windows(settings, experiment_id, first_year(model_settings, experiment_id))
    return dataset.assign_coords(windows).assign_attrs(ids | {"closure": residual, "closure_tolerance": CLOSURE_LIMIT})


def window_weights(
    settings: ArchiveSettings, model: SolvedModel, experiment_id: str, variant_label: str, *, seed: int
) -> Array:
    """Return the mean factors of the model's responses in each window, months weighted by their lengths.

    Returns
    -------
    ndarray of shape (n_windows, n_responses)
    """
    factors = model.weights(pattern_strengths(settings, model.settings, experiment_id, variant_label, seed=seed))
    start = first_year(model.settings, experiment_id)
    axis = months(model.settings.calendar, first_year=start, n_years=settings.n_years, origin_year=start)
    n_months = 12 * settings.window_years
    parts = [slice(12 * first, 12 * first + n_months) for first in window_starts(settings, experiment_id)]
    return np.stack([np.average(factors[part], axis=0, weights=axis.lengths[part]) for part in parts])


def window_starts(settings: ArchiveSettings, experiment_id: str) -> list[int]:
    """Return the first year of each whole window, counted from the experiment's first as 0.

    One after another; piControl also has those parallel to the windows of each variant that branches off it, since
    these are what the variant is compared with.
    """
    last = settings.n_years - settings.window_years
    starts = set(range(0, last + 1, settings.window_years))
    if experiment_id == CONTROL:
        others = (name for name in settings.experiments if name != CONTROL)
        branches = {branch_year(settings, name, label) for name in others for label in variant_labels(name)}
        starts = {start + branch for start in starts for branch in (0, *branches)}
    return sorted(start for start in starts if start <= last)


def _windows(
    settings: ArchiveSettings, experiment_id: str, first_year: int
) -> dict[str, tuple[str, list[str] | list[int]]]:
    first = [first_year + start for start in window_starts(settings, experiment_id)]
    last = [year + settings.window_years - 1 for year in first]
    return {
        "window": ("window", [f"{a:04d}-{b:04d}" for a, b in zip(first, last, strict=True)]),
        "window_start": ("window", first),
        "window_end": ("window", last),
    }
