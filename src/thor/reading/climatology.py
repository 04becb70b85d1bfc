"""The climatology of one run: its means over windows on its native grid, with one mask and one sea-level datum."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import xarray as xr

from thor.checkpoint import Checkpoint
from thor.errors import DataError, GridError
from thor.ocean.areas import check_area
from thor.ocean.basins import basin_codes, in_basin
from thor.ocean.grid import Grid
from thor.ocean.stress import detect_convention, stress_on_assumed_points
from thor.reading.means import WindowMeans, window_means
from thor.reading.plans import FIXED, ICE_MASS, RunPlan
from thor.reading.series import unreadable
from thor.reading.steps import read_field, read_positions, same_positions
from thor.reading.windows import WindowSettings
from thor.variables import variable

log = logging.getLogger(__name__)

DEPRESSED = -2.5
"""Sea level [m] relative to its ocean mean below which the weight of sea ice is suspected."""


@dataclass(frozen=True, kw_only=True)
class ClimatologySettings:
    """How climatologies are made; no defaults.

    Attributes
    ----------
    windows : WindowSettings
    masked_basins : sequence of str
        Basins taken as land (`thor.ocean.basins.basin_names`): enclosed seas, whose sea level is of its own.
    reference_density : float
        Of sea water [kg m-3], to turn the mass of sea ice into a height.
    """

    windows: WindowSettings
    masked_basins: Sequence[str]
    reference_density: float


def climatology(plan: RunPlan, settings: ClimatologySettings, checkpoint: Checkpoint) -> xr.Dataset:
    """Return the climatology of one run.

    Parameters
    ----------
    plan : RunPlan
    settings : ClimatologySettings
    checkpoint : Checkpoint
        What an earlier try has summed is gone on with.

    Returns
    -------
    xarray.Dataset, dims (window, y, x), or (window, lat, lon) on a regular grid
        `zos` [m], less its ocean mean; `tauuo`, `tauvo` [N m-2] as published, on their own points where attribute
        `stress_convention` says so (positions in `lat_u`, `lon_u`, `lat_v`, `lon_v`); `deptho` [m], `areacello` [m2],
        `sftof` [%] without window. Coordinates of the window: `window_start`, `window_end` (years), `months`,
        `removed_mean` [m] of zos, `baseline_window` of the parent run. Attribute `files` of each variable lists what
        went in: name, tracking id, checksum, steps.

    Raises
    ------
    DataError, GridError, UnitsError
        When a file cannot be read, or fields do not fit together.

    Notes
    -----
    All steps are linear in time, so they act on means as on every month: the mean over a window of zos less its ocean
    mean is the window's zos less the ocean mean of the window, over one mask.
    """
    means = {name: window_means(part, plan.windows, checkpoint=checkpoint) for name, part in plan.series.items()}
    places = stress_on_its_points(read_positions(_first_file(plan, "zos"), "zos", source_id=plan.run.source_id), plan)
    context = Context(plan, settings, Grid.from_dataset(places))
    steps = (
        add_fixed_fields,
        add_stress_convention,
        mask_land,
        mask_basins,
        restore_ice_depression,
        remove_mean_sea_level,
        mask_depressed_cells,
        describe_run,
        rows_and_columns_ascending,
    )
    return reduce(lambda ocean, step: step(ocean, context), steps, add_means(places, means, context))


@dataclass(frozen=True, eq=False)
class Context:
    """What the steps need beside the fields: the plan, the settings, and the grid, which is found once."""

    plan: RunPlan
    settings: ClimatologySettings
    grid: Grid


# -- steps ---------------------------------------------------------------------------------------------------------
def stress_on_its_points(ocean: xr.Dataset, plan: RunPlan) -> xr.Dataset:
    """Add the positions of the stress as `lat_u`, `lon_u`, `lat_v`, `lon_v`, where they are not those of zos."""
    places = {
        name: read_positions(_first_file(plan, name), name, source_id=plan.run.source_id) for name in ("tauuo", "tauvo")
    }
    for name, place in places.items():
        if _shape(place) != _shape(ocean):
            raise GridError(
                f"{plan.run.key}: '{name}' has {_shape(place)}, 'zos' {_shape(ocean)}; expected one grid "
                f"({plan.grid_label}). Fetch both on the native grid, or leave this model out."
            )
    if all(same_positions(place, ocean) for place in places.values()):
        return ocean
    out = _meshed(ocean)
    for suffix, place in zip("uv", map(_meshed, places.values()), strict=True):
        coords = {f"{name}_{suffix}": (("y", "x"), place[name].values, place[name].attrs) for name in ("lat", "lon")}
        out = out.assign_coords(coords)
    return out


def add_means(ocean: xr.Dataset, means: dict[str, WindowMeans], context: Context) -> xr.Dataset:
    """Add the means and say which windows they are over."""
    plan, out = context.plan, ocean.copy()
    for name, mean in means.items():
        attrs = variable(name).attrs | {"files": "\n".join(mean.sources)}
        out[name] = (("window", *context.grid.dims), mean.values, attrs)
    years = np.array([[window.first_year, window.last_year] for window in plan.windows])
    baselines = [str(plan.baselines.get(window, "")) for window in plan.windows]
    return out.assign_coords(
        window=("window", [str(window) for window in plan.windows]),
        window_start=("window", years[:, 0], {"long_name": "First year of the window", "units": "1"}),
        window_end=("window", years[:, 1], {"long_name": "Last year of the window", "units": "1"}),
        months=("window", [w.n_months for w in plan.windows], {"long_name": "Months in the mean", "units": "1"}),
        baseline_window=("window", baselines, {"long_name": "Window of the parent run to compare with; empty: none"}),
    )


def add_fixed_fields(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Add depth, cell area and sea area, which have to lie on the positions of zos, or follow where not published."""
    out, plan = ocean.copy(), context.plan
    for name in FIXED:
        path = plan.fixed[name]
        if path is None:
            continue
        field = read_field(path, name, source_id=plan.run.source_id)
        if not same_positions(field, ocean):
            raise GridError(
                f"{path}: '{name}' ({_shape(field)}) does not lie on the cells of 'zos' ({_shape(ocean)}) of "
                f"{plan.run.key}. Fetch the file of this model's grid '{plan.grid_label}'."
            )
        out[name] = (context.grid.dims, field[name].values, field[name].attrs | {"files": path.name})
    if "sftof" not in out:
        wet = (out["deptho"] > 0).astype(float) * 100
        out["sftof"] = wet.assign_attrs(variable("sftof").attrs)
    return _with_area(out, context)


def _with_area(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    grid, plan = context.grid, context.plan
    if "areacello" not in ocean:
        log.warning("%s: no areacello in the archive; cell areas are those of the positions", plan.run.source_id)
        return ocean.assign(areacello=grid.wrap(grid.area, "areacello", **variable("areacello").attrs))
    check = check_area(grid, ocean["areacello"].values)
    if check.verdict != "usable":
        log.warning("%s: %s; cell areas are those of the positions", plan.run.source_id, check.sentence)
        return ocean.assign(areacello=grid.wrap(grid.area, "areacello", **variable("areacello").attrs))
    return ocean


def add_stress_convention(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Say by which convention the stress is given, and turn its sign where the quirk table says so."""
    plan, out = context.plan, ocean.copy()
    for name in ("tauuo", "tauvo"):
        attrs = out[name].attrs | {"standard_name": _standard_name(plan, name)}
        out[name] = (plan.quirks.stress_sign * out[name]).assign_attrs(attrs)
    declared, side = plan.quirks.stress_convention, plan.quirks.stress_side
    try:
        placed = stress_on_assumed_points(out, context.grid, convention=declared, side=side)
        if placed is not out:
            log.warning(
                "%s: files give the stress (%s) the positions of T points; its points are taken half a cell to the %s",
                plan.run.source_id,
                declared,
                side.replace("_", "-"),
            )
            out = placed.assign_attrs(stress_side=side)
        convention = detect_convention(out, declared=declared, grid=context.grid)
    except GridError as error:
        raise GridError(f"{plan.run.key}: {error}") from error
    source = "quirk table" if declared else "positions and attributes"
    return out.assign_attrs(stress_convention=convention, stress_convention_from=source)


def mask_land(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Give sea level and depth one mask: cells with a position, sea, depth, and a sea level in every window."""
    place = ocean["lat"].notnull() & ocean["lon"].notnull()
    sea = (ocean["sftof"] > 0) & (ocean["deptho"] > 0) & place
    known = ocean["zos"].notnull()
    partly = int((known.any("window") & ~known.all("window") & sea).sum())
    if partly:
        log.warning("%s: %d cells have a sea level in some windows only and are left out", context.plan.run.key, partly)
    sea = (sea & known.all("window")).transpose(*ocean["deptho"].dims)
    if not bool(sea.any()):
        raise DataError(
            f"{context.plan.run.key}: no cell has sea level, depth and sea area at once. Do the masks belong together?"
        )
    return _masked(ocean, sea)


def mask_basins(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Take the basins named in the settings as land."""
    names = context.settings.masked_basins
    if not names:
        return ocean
    basin = basin_codes(context.grid, ocean=ocean["deptho"].notnull().values)
    enclosed = np.logical_or.reduce([in_basin(basin, name).values for name in names])
    return _masked(ocean, ~xr.DataArray(enclosed, dims=basin.dims))


def restore_ice_depression(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Add the height of the water that sea ice displaces, where the model left it out of zos and publishes its mass."""
    if not set(ICE_MASS) <= set(ocean.data_vars):
        return ocean
    height = (ocean["simass"].fillna(0) + ocean["sisnmass"].fillna(0)) / context.settings.reference_density
    restored = (ocean["zos"] + height).assign_attrs(ocean["zos"].attrs | {"sea_ice": "height of its mass added"})
    files = {f"files_{name}": ocean[name].attrs["files"] for name in ICE_MASS}
    return ocean.assign(zos=restored).assign_attrs(files).drop_vars(ICE_MASS)


def remove_mean_sea_level(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Subtract the area-weighted ocean mean of zos in each window and keep it; repeated cells count once."""
    area = ocean["areacello"].where(~context.grid.duplicate, 0.0).fillna(0.0)
    mean = ocean["zos"].weighted(area).mean(ocean["deptho"].dims)
    before = ocean["removed_mean"] if "removed_mean" in ocean.coords else 0.0
    zos = (ocean["zos"] - mean).assign_attrs(ocean["zos"].attrs)
    attrs = {"long_name": "Ocean mean removed from zos", "units": "m"}
    return ocean.assign(zos=zos).assign_coords(removed_mean=(mean + before).assign_attrs(attrs))


def mask_depressed_cells(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Mask cells that sea ice weighs down where the quirk table says the model left that in; else say so."""
    low = (ocean["zos"] < DEPRESSED).any("window")
    n_cells = int(low.sum())
    if not n_cells:
        return ocean
    plan = context.plan
    if plan.quirks.sea_ice_depression != "left_in" or "sea_ice" in ocean["zos"].attrs:
        log.warning(
            "%s: zos lies below %g m in %d cells: does it hold the weight of sea ice? If so, set sea_ice_depression of "
            "this model in data_engineering.quirks",
            plan.run.key,
            DEPRESSED,
            n_cells,
        )
        return ocean
    log.warning("%s: %d cells below %g m under sea ice are masked", plan.run.key, n_cells, DEPRESSED)
    masked = _masked(ocean, ~low).assign_attrs(cells_masked_under_sea_ice=n_cells)
    return remove_mean_sea_level(masked, context)


def describe_run(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Say whose climatology this is and what it is to be compared with."""
    plan = context.plan
    run, attrs = plan.run, plan.series["zos"].attrs
    facets = {
        "source_id": run.source_id,
        "experiment_id": run.experiment_id,
        "variant_label": run.variant_label,
        "institution_id": str(attrs.get("institution_id", "")),
        "grid_label": plan.grid_label,
        "calendar": plan.series["zos"].calendar,
        "masked_basins": " ".join(context.settings.masked_basins),
        "quirks": plan.quirks.reason,
    }
    if plan.parent:
        facets["parent"] = plan.parent.run.key
        facets["baseline"] = "parallel segment" if plan.parent.is_control else "reference window"
    return ocean.assign_attrs(facets)


def rows_and_columns_ascending(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Store a regular grid from south to north and from 0 to 360 degrees; other grids as they are."""
    return ocean.sortby(["lat", "lon"]) if ocean["lat"].ndim == 1 else ocean


# -- parts ---------------------------------------------------------------------------------------------------------
def _masked(ocean: xr.Dataset, keep: xr.DataArray) -> xr.Dataset:
    fields = {name: ocean[name].where(keep) for name in ("zos", "deptho")}
    return ocean.assign(fields | {"sftof": ocean["sftof"].where(keep, 0.0).fillna(0.0)})


def _meshed(ocean: xr.Dataset) -> xr.Dataset:
    """Return a dataset on a regular grid with 2-D coordinates, dims (y, x); bounds are dropped."""
    if ocean["lat"].ndim == 2:
        return ocean
    lat, lon = xr.broadcast(ocean["lat"], ocean["lon"])
    attrs = {name: {k: v for k, v in ocean[name].attrs.items() if k != "bounds"} for name in ("lat", "lon")}
    plain = ocean.drop_vars([n for n in ("lat", "lon", "lat_bnds", "lon_bnds") if n in ocean.variables])
    plain = plain.rename({"lat": "y", "lon": "x"}) if {"lat", "lon"} <= set(plain.dims) else plain
    return plain.assign_coords(
        lat=(("y", "x"), lat.transpose("lat", "lon").values, attrs["lat"]),
        lon=(("y", "x"), lon.transpose("lat", "lon").values, attrs["lon"]),
    )


def _standard_name(plan: RunPlan, name: str) -> str:
    """Return the standard name in the model's file: it tells true east from the grid's axis."""
    path = _first_file(plan, name)
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_times=False) as dataset:
            return str(dataset[name].attrs.get("standard_name", variable(name).standard_name))
    except (OSError, RuntimeError, ValueError) as error:
        raise unreadable(path, error) from error


def _first_file(plan: RunPlan, name: str) -> Path:
    return plan.series[name].files[0].path


def _shape(positions: xr.Dataset) -> str:
    shape = positions["lat"].shape if positions["lat"].ndim == 2 else (positions["lat"].size, positions["lon"].size)
    return f"{shape[0]} rows, {shape[1]} columns"
