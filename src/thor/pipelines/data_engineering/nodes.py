"""Nodes of `data_engineering`."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import DataEngineering
from thor.core.checkpoint import Resumable
from thor.core.errors import counted, left_out_on_error
from thor.core.fingerprint import fingerprint
from thor.core.variables import FEATURES
from thor.figures import maps
from thor.ocean import features as ocean_features
from thor.reading.archive import Archive

log = logging.getLogger(__name__)


def harmonise_training_ocean(raw_training_ocean: xr.Dataset, parameters: DataEngineering) -> xr.Dataset:
    """Return the training ocean with canonical names, units, longitudes, mask and sea-level datum."""
    from thor.reading.training_ocean import harmonise

    ocean = harmonise(raw_training_ocean, strict=parameters.strict)
    area = float(ocean["areacello"].where(ocean["sftof"] > 0).sum()) / 1e12
    removed = round(ocean["zos"].attrs["removed_mean"], 3) + 0.0  # no negative zero
    log.info("ocean of %.0f million km2; mean sea level of %.3f m removed", area, removed)
    return ocean


def compute_vorticity_budget(training_ocean: xr.Dataset, parameters: DataEngineering) -> xr.Dataset:
    """Return the terms of the vorticity budget in the analysis region."""
    from thor.ocean.budget import corrected_budget, vorticity_budget

    ocean = corrected_budget(training_ocean) if parameters.budget == "corrected" else training_ocean
    budget = vorticity_budget(ocean, closure_tolerance=parameters.closure_tolerance)
    n_cells, rest = int(budget["analysis_mask"].sum()), budget.attrs["closure_rms"]
    log.info("budget of %d cells; its terms sum to %.1g m s-2 (rms)", n_cells, rest)
    return budget


def compute_features(training_ocean: xr.Dataset, parameters: DataEngineering) -> xr.Dataset:
    """Return the features of every ocean cell."""
    options = _feature_options(parameters)
    result = ocean_features.features(
        training_ocean, stress_curl=parameters.stress_curl, metric=parameters.metric, **options
    )
    log.info("%d features on %d cells", len(ocean_features.feature_names(result)), int(result["valid"].sum()))
    return result


def compute_global_temperature(raw_archive: Archive, parameters: DataEngineering) -> dict[str, tuple[str, Any]]:
    """Return, for each run, the fingerprint of its annual global mean temperature and a maker; none without levels."""
    from thor.reading.global_temperature import global_temperature, plan_temperatures

    windows = parameters.windows
    if not windows.warming_levels or windows.warming_level_table is not None:
        return {}
    runs = raw_archive.runs(**parameters.archive.model_dump())
    work = left_out_on_error(global_temperature)
    plans = plan_temperatures(raw_archive, runs, quirks=parameters.quirks)
    log.info("air temperature: %d of %s", len({plan.run for plan in plans} & set(runs)), counted(len(runs), "run"))
    return {plan.run.key: (fingerprint(plan.identity), partial(work, plan)) for plan in plans}


def find_warming_levels(global_temperature: Any, raw_archive: Archive, parameters: DataEngineering) -> pd.DataFrame:
    """Return the table of the windows in which each run reaches each level of warming."""
    from thor.reading.warming_levels import find_levels, given_levels

    windows, runs = parameters.windows, raw_archive.runs(**parameters.archive.model_dump())
    if windows.warming_level_table is not None:
        return given_levels(Path(windows.warming_level_table), runs, windows)
    reasons = {run.key: global_temperature.left_out.get(run.key, "no tas in the archive") for run in runs}
    without = {key: reason for key, reason in reasons.items() if key not in global_temperature}
    table = find_levels(global_temperature, without, windows)
    for level, rows in table.groupby("level"):
        n_reached = int((rows["status"] == "reached").sum())
        log.info("%g K of warming: reached in %d of %s", level, n_reached, counted(len(rows), "run"))
    return table


def compute_climatologies(
    raw_archive: Archive, warming_levels: pd.DataFrame, parameters: DataEngineering
) -> dict[str, Any]:
    """Return the table of runs, and fingerprints and makers of climatologies and, by window, of both transports."""
    from thor.core.contracts import check
    from thor.reading.climatology import climatology, climatology_marks
    from thor.reading.inventory import inventory
    from thor.reading.plans import plan_runs, require_usable
    from thor.reading.transports import plan_transports, transport_climatology, transport_marks
    from thor.reading.transports_sigma2 import sigma2_marks, transports_sigma2, with_tracers
    from thor.reading.warming_levels import level_windows

    choice, settings = parameters.archive.model_dump(), parameters.climatology_settings()
    runs = raw_archive.runs(**choice)
    missing, levels = parameters.missing, level_windows(warming_levels)
    plans = plan_runs(raw_archive, runs, parameters.windows, quirks=parameters.quirks, missing=missing, levels=levels)
    require_usable(plans, raw_archive, **choice)
    n_windows = sum(len(plan.windows) for plan in plans)
    log.info("reading %s, %s in all", counted(len(plans), "run"), counted(n_windows, "window"))

    def makers(stage: str, read: Any, plans: dict[str, Any], marks: Any) -> dict[str, tuple[str, Any]]:
        def make(key: str, plan: Any, checkpoint: Any) -> xr.Dataset:
            return check(read(plan, settings, checkpoint), stage, where=key)

        work = left_out_on_error(make) if missing == "skip" else make
        return {key: (marks[key], Resumable(partial(work, key, plan))) for key, plan in plans.items()}

    parts = {part.key: part for part in plan_transports(plans, missing=missing)}
    binned = with_tracers(parts.values(), missing=missing) if parameters.density_classes else ()
    tracers = {part.key: part for part in binned}
    log.info("%d of these windows have transports, %d in density classes too", len(parts), len(tracers))
    of_runs = {plan.run.key: plan for plan in plans}, climatology_marks(plans, settings)
    of_windows = parts, transport_marks(parts.values(), settings)
    of_classes = tracers, sigma2_marks(tracers.values(), settings)
    return {
        "archive_plan": inventory(plans),
        "climatologies": makers("climatologies", climatology, *of_runs),
        "transport_climatologies": makers("transport_climatologies", transport_climatology, *of_windows),
        "transports_sigma2": makers("transports_sigma2", transports_sigma2, *of_classes),
    }


def list_archive(archive_plan: pd.DataFrame, climatologies: Any) -> pd.DataFrame:
    """Return the table of runs with the results of reading them."""
    from thor.reading.inventory import completed

    table = completed(archive_plan, {key: load().attrs for key, load in climatologies.items()}, climatologies.left_out)
    log.info("%d of %d runs of the archive are read", int(table["usable"].sum()), len(table))
    return table


def compute_scenario_features(
    climatologies: dict[str, Any], diagnosed_terms: dict[str, Any], parameters: DataEngineering
) -> dict[str, tuple[str, Any]]:
    """Return, for each run, the fingerprint of its features and a function that makes them."""
    from thor.core.contracts import check

    options = _feature_options(parameters)

    def terms_of(key: str) -> xr.Dataset | None:
        return diagnosed_terms[key]() if key in diagnosed_terms else None

    def make(key: str, load: Any) -> xr.Dataset:
        return check(ocean_features.window_features(load(), terms_of(key), **options), "scenario_features", where=key)

    work = left_out_on_error(make) if parameters.missing == "skip" else make
    return {
        key: (fingerprint(load(), terms_of(key), options), partial(work, key, load))
        for key, load in climatologies.items()
    }


def diagnose_terms(
    climatologies: dict[str, Any], transport_climatologies: dict[str, Any], parameters: DataEngineering
) -> dict[str, tuple[str, Any]]:
    """Return, for each run with transports, the fingerprint of the budget terms that they give, and a maker."""
    from thor.core.contracts import check
    from thor.ocean.diagnosed_terms import column_transports, diagnosed_terms

    density = parameters.reference_density
    columns = column_transports(climatologies, transport_climatologies)

    def make(key: str) -> xr.Dataset:
        terms = diagnosed_terms(climatologies[key](), columns[key], reference_density=density)
        return check(terms, "diagnosed_terms", where=key)

    work = left_out_on_error(make) if parameters.missing == "skip" else make
    return {
        key: (fingerprint(climatologies[key](), list(windows.values()), density), partial(work, key))
        for key, windows in columns.items()
    }


def draw_warming(global_temperature: Any, warming_levels: pd.DataFrame, parameters: DataEngineering) -> Any:
    """Draw the global mean warming of each run with the windows of its warming levels."""
    from thor.figures.warming import warming_curves
    from thor.reading.warming_levels import warming_of_runs

    windows = parameters.windows
    runs = warming_of_runs(global_temperature, windows)
    return warming_curves(runs, warming_levels, length_years=windows.length_years)


def draw_features(features: xr.Dataset) -> Any:
    """Draw the eight published features and the basins."""
    return maps.feature_maps(features, FEATURES)


def draw_scenarios(scenario_features: dict[str, Any]) -> Any:
    """Draw, for each climate model, the change from the baseline to the last window of its last experiment by name."""
    from thor.reading.baselines import before_and_after

    return maps.change_maps(before_and_after(scenario_features))


def _feature_options(parameters: DataEngineering) -> dict[str, Any]:
    return {
        "reference_density": parameters.reference_density,
        "extended": parameters.extended_features,
        "neighbourhood_radii_km": parameters.neighbourhood_radii_km,
        "neighbourhood_statistics": parameters.neighbourhood_statistics,
        "polar_filter": parameters.polar_filter,
    }
