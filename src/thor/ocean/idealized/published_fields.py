"""The fields of the idealized archive, as CMIP6 models publish them: float32, monthly, on the model's coordinates."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import Array, Mask
from thor.core.variables import REGIME_FIELDS, STRESS, TRACERS, TRANSPORTS, published, variable
from thor.ocean.idealized.archive_settings import ClimateModelSettings
from thor.ocean.idealized.bit_rounding import bit_round
from thor.ocean.idealized.climate_models import STRESS_POINT_KINDS, PointKind, SolvedModel, solve_climate_model
from thor.ocean.idealized.published_grid import NAMES, published_coordinates
from thor.ocean.idealized.scenarios import IdealizedRun, Months, pattern_strengths, warming

MONTHLY = published(fixed=False, needed=True)

POINTS: tuple[PointKind, ...] = ("t", "u", "v", "q")
"""Kinds of points: centres, faces, corners."""

SIGNIFICANT_DIGITS = 4
"""Decimal digits to which monthly fields of the ocean are rounded, so that copies of the files compress."""

FILL_VALUE = np.float32(1e20)
MONTHS_PER_CHUNK = 12

_CELL_METHODS = {
    **dict.fromkeys(("zos", *REGIME_FIELDS, *TRACERS), "area: mean where sea time: mean"),
    **dict.fromkeys((*STRESS, *TRANSPORTS), "time: mean"),
    **dict.fromkeys(("areacello", "areacella"), "area: sum"),
    "deptho": "area: mean where sea",
    "sftof": "area: mean",
    "tas": "area: time: mean",
}


def monthly_field(run: IdealizedRun, variable_id: str, *, years: tuple[int, int]) -> xr.Dataset:
    """Return one monthly variable with its coordinates, and how to encode them in a file.

    Parameters
    ----------
    run : IdealizedRun
    variable_id : {'zos', 'tauuo', 'tauvo'}
    years : (int, int)
        First year and the one after the last, counted from the experiment's first as 0.

    Returns
    -------
    xarray.Dataset
        The variable (float32, rounded, NaN on land) with dims (time, rows, columns) as the model calls them, `time`
        (middle of the months) and `time_bnds` as numbers with CF units and calendar, and `published_coordinates`.
    """
    model, strengths = run.solved_model(), pattern_strengths(run)
    kind = points_of(variable_id, run.model)
    if variable_id == "zos":
        factors, patterns = _sea_level(run, model, strengths)
    else:
        factors, patterns = strengths, model.stress[STRESS.index(variable_id)]
    steps = slice(12 * years[0], 12 * years[1])
    dataset = published_coordinates(model, kind)
    field = combined(factors[steps], patterns, model.masks[kind])
    dims = ("time", *NAMES[run.model.grid].dims)
    dataset[variable_id] = (dims, field, published_attrs(variable_id, run.model))
    return with_times(dataset, variable_id, run.months(*years), months_per_step=1)


def with_times(dataset: xr.Dataset, variable_id: str, axis: Months, *, months_per_step: int) -> xr.Dataset:
    """Return a dataset with the time axis and bounds of steps of so many months, and the encoding of the variable."""
    edges = axis.edges[::months_per_step]
    attrs = {"standard_name": "time", "long_name": "time", "axis": "T", "bounds": "time_bnds"}
    attrs |= {"units": axis.units, "calendar": axis.calendar}
    dataset["time_bnds"] = (("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1))
    return encoded(dataset.assign_coords(time=("time", (edges[1:] + edges[:-1]) / 2, attrs)), variable_id)


def fixed_field(model_settings: ClimateModelSettings, variable_id: str, *, seed: int) -> xr.Dataset:
    """Return one variable without time, as `monthly_field` does.

    Parameters
    ----------
    model_settings : ClimateModelSettings
    variable_id : {'deptho', 'areacello', 'sftof'}
    seed : int
    """
    model = solve_climate_model(model_settings, seed=seed)
    sea = model.masks["t"]
    if variable_id == "deptho":
        field = np.where(sea, model.geography.depth, 0.0 if model_settings.zero_depth_on_land else np.nan)
    elif variable_id == "areacello":
        suppressed = model_settings.grid == "regular_land_suppressed"
        field = np.where(sea | (not suppressed), model.grid.t.area, np.nan)
    else:
        field = np.where(sea, 100.0, 0.0)
    dataset = published_coordinates(model, "t")
    attrs = published_attrs(variable_id, model_settings)
    dataset[variable_id] = (NAMES[model_settings.grid].dims, field.astype(np.float32), attrs)
    return encoded(dataset, variable_id)


def points_of(variable_id: str, settings: ClimateModelSettings) -> PointKind:
    """Return the kind of points on which a model publishes a variable."""
    if variable_id in TRANSPORTS:
        return "u" if variable_id == "umo" else "v"
    return STRESS_POINT_KINDS[settings.stress_points][STRESS.index(variable_id)] if variable_id in STRESS else "t"


def published_attrs(variable_id: str, settings: ClimateModelSettings) -> dict[str, str]:
    """Return the attributes of a variable; for a stress they name its axis."""
    attrs = variable(variable_id).attrs | {"cell_methods": _CELL_METHODS[variable_id]}
    if variable_id in STRESS:
        names = ("eastward", "northward") if settings.grid == "regular" else ("x", "y")
        axis = names[STRESS.index(variable_id)]
        attrs["standard_name"] = f"surface_downward_{axis}_stress"
        attrs["long_name"] = f"Surface Downward {axis.capitalize()} Stress"
    elif variable_id == "tas":
        attrs["cell_measures"] = "area: areacella"
    elif variable_id not in ("areacello", "areacella", *TRANSPORTS):
        attrs["cell_measures"] = "area: areacello"
    return attrs


def steric_pattern(model: SolvedModel) -> Array:
    """Return a height change without transport [1]: higher at 40S, lower at 55N 35W, zero mean over the ocean."""
    points, sea = model.grid.t, model.masks["t"]
    eastward = (points.lon - 325 + 180) % 360 - 180
    southern = np.exp(-(((points.lat + 40) / 12) ** 2))
    atlantic = np.exp(-(((points.lat - 55) / 10) ** 2) - (eastward / 25) ** 2)
    pattern = southern - atlantic
    return pattern - np.average(pattern[sea], weights=points.area[sea])


def _sea_level(run: IdealizedRun, model: SolvedModel, strengths: Array) -> tuple[Array, Array]:
    """Return factors of shape (n_months, n) and patterns of shape (n, nj, ni) [m] whose products sum up to zos."""
    steric = np.zeros(len(strengths))
    if run.experiment_id == run.archive.steric_experiment:
        steric = run.model.steric_amplitude * warming(run.archive, run.experiment_id)
    datum = np.full(len(strengths), run.model.zos_datum)
    factors = np.column_stack([model.weights(strengths), datum, steric])
    patterns = np.concatenate([model.zos, [np.ones(model.grid.shape)], [steric_pattern(model)]])
    return factors, patterns


def combined(factors: Array, patterns: Array, mask: Mask, *, digits: int = SIGNIFICANT_DIGITS) -> NDArray[np.float32]:
    """Return the rounded sums of patterns, shape (n_steps, nj, ni), NaN where the mask is False.

    Parameters
    ----------
    factors : ndarray of shape (n_steps, n_patterns)
    patterns : ndarray of shape (n_patterns, nj, ni)
    mask : ndarray of bool, shape (nj, ni)
    digits : int
        Decimal digits that are kept.
    """
    field = np.empty((len(factors), mask.size), dtype=np.float32)
    # NaN on land stays NaN through all of it, which takes less time than to move the cells at sea.
    at_sea = np.where(mask, patterns, np.nan).reshape(len(patterns), -1)
    for start in range(0, len(factors), MONTHS_PER_CHUNK):
        block = slice(start, start + MONTHS_PER_CHUNK)
        field[block] = bit_round((factors[block] @ at_sea).astype(np.float32), digits=digits)
    return field.reshape(len(factors), *mask.shape)


def encoded(dataset: xr.Dataset, variable_id: str) -> xr.Dataset:
    """Return the dataset with chunks and fill values in its encoding.

    Nothing is compressed: that would take as long as all else in making the archive.
    """
    for name in dataset.variables:
        dataset[name].encoding = {"_FillValue": None}
    field = dataset[variable_id]
    field.encoding |= {"_FillValue": FILL_VALUE, "missing_value": FILL_VALUE, "dtype": "float32"}
    if "time" in field.dims:
        n_months = field.sizes["time"]
        steps = 1 if "lev" in field.dims else MONTHS_PER_CHUNK
        field.encoding["chunksizes"] = (min(n_months, steps), *field.shape[1:])
        dataset["time"].encoding["chunksizes"] = (n_months,)
        dataset["time_bnds"].encoding["chunksizes"] = (n_months, 2)
        dataset.encoding["unlimited_dims"] = {"time"}
    return dataset
