"""Climatologies of climate models on their native grids: window means, one mask, one datum."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path

import numpy as np
import xarray as xr

from thor.core.arrays import IntArray
from thor.core.checkpoint import Checkpoint
from thor.core.errors import DataError, GridError, listed
from thor.core.fingerprint import fingerprint
from thor.core.variables import STRESS, variable
from thor.core.warn import warn_once
from thor.ocean.stress import AXES_ATTRIBUTES
from thor.reading import steps
from thor.reading.checks import check_physics
from thor.reading.fields import read_field
from thor.reading.means import WindowMeans, first_month, window_means
from thor.reading.orders import reordered, storage_order
from thor.reading.positions import meshed, read_positions, same_positions
from thor.reading.run_files import FIXED_FIELDS
from thor.reading.run_plan import RunPlan
from thor.reading.senses import in_common_sense, sense
from thor.reading.series import Series
from thor.reading.steps import Context, rows_and_columns_ascending, shape_text, with_stress_points
from thor.reading.windows import ClimatologySettings, Window

log = logging.getLogger(__name__)

CLIMATOLOGY_STEPS = (
    steps.add_sea_area,
    steps.add_cell_area,
    steps.add_stress_convention,
    steps.mask_land,
    steps.require_areas_on_earth,
    steps.suggest_stress_points,
    steps.mask_land_stress,
    steps.mask_basins,
    steps.restore_ice_depression,
    steps.remove_mean_sea_level,
    steps.mask_depressed_cells,
)
"""The steps applied to every run, in this order."""


def climatology(plan: RunPlan, settings: ClimatologySettings, checkpoint: Checkpoint) -> xr.Dataset:
    """Return the climatology of one run.

    Parameters
    ----------
    plan : RunPlan
    settings : ClimatologySettings
    checkpoint : Checkpoint
        Sums of an earlier, interrupted call are continued.

    Returns
    -------
    xarray.Dataset, dims (window, y, x), or (window, lat, lon) on a regular grid
        `zos` [m], minus its ocean mean; `tauuo`, `tauvo` [N m-2] as published, on the points that attribute
        `stress_convention` names (positions in `lat_u`, `lon_u`, `lat_v`, `lon_v`); `deptho` [m], `areacello` [m2],
        `sftof` [%] without window; those of `REGIME_FIELDS` that the run has, NaN in windows for which it has none.
        Coordinates of the window: `window_start`, `window_end` (years), `months`,
        `removed_mean` [m] of zos, `baseline_window` of the parent run. Attribute `files` of each variable lists what
        went in: name, tracking id, checksum, steps. Attribute `checks_failed` holds the physical checks that were not
        passed (`thor.reading.checks`).

    Raises
    ------
    DataError, GridError, UnitsError
        When a file cannot be read, or fields do not fit together.

    Notes
    -----
    All steps are linear in time, so they act on means as on every month: the mean over a window of zos minus its ocean
    mean is the window's zos minus the ocean mean of the window, over one mask.
    """
    means = {name: window_means(part, plan.windows, checkpoint=checkpoint) for name, part in plan.series.items()}
    ocean, context = _assembled(plan, settings, means, plan.windows)
    for name, series in plan.regime_fields.items():
        ocean = _add_regime_field(ocean, name, series, plan, checkpoint)
    ocean = _checked(ocean, context, means, strict=settings.strict)
    return rows_and_columns_ascending(_describe_run(ocean, plan, settings))


def climatology_marks(plans: Iterable[RunPlan], settings: ClimatologySettings) -> dict[str, str]:
    """Return the fingerprint of each climatology by the key of its run, from headers and checksums of fixed fields."""
    return {plan.run.key: fingerprint(plan.identity, settings.of_fields) for plan in plans}


def first_month_of(plan: RunPlan, settings: ClimatologySettings) -> xr.Dataset:
    """Return the first month of a run, processed as by `climatology`: a test in seconds whether the run can be read.

    Parameters
    ----------
    plan : RunPlan
    settings : ClimatologySettings

    Raises
    ------
    DataError, GridError, UnitsError
        As from `climatology`.
    """
    months = {name: first_month(part) for name, part in plan.series.items()}
    return _checked(*_assembled(plan, settings, months, plan.windows[:1]), months, strict=settings.strict)


def _assembled(
    plan: RunPlan, settings: ClimatologySettings, means: Mapping[str, WindowMeans], windows: Sequence[Window]
) -> tuple[xr.Dataset, Context]:
    where = plan.run.key
    model = plan.run.source_id
    places = {name: read_positions(_first_file(plan, name), name, where=model) for name in means}
    ocean = with_stress_points(places["zos"], {name: places[name] for name in STRESS}, where)
    orders = {name: _order(place, places["zos"], name, model) for name, place in places.items()}
    context = Context(where, ocean, plan.quirks, settings.masked_basins, settings.reference_density)
    ocean = _add_fixed_fields(_add_means(ocean, plan, means, orders, windows, context), plan, context)
    return reduce(lambda ocean, step: step(ocean, context), CLIMATOLOGY_STEPS, ocean), context


def _checked(ocean: xr.Dataset, context: Context, means: Mapping[str, WindowMeans], *, strict: bool) -> xr.Dataset:
    """Return the ocean with the outcome of all checks, and the doubts about its means, in its attributes."""
    ocean = check_physics(ocean, context.grid, where=context.where, strict=strict)
    doubts = [f"{name}: {doubt}" for name, mean in means.items() for doubt in mean.doubts]
    return ocean.assign_attrs(checks_failed=" | ".join(filter(None, (ocean.attrs["checks_failed"], *doubts))))


def _order(place: xr.Dataset, of_zos: xr.Dataset, name: str, model: str) -> dict[str, IntArray]:
    """Return the order of rows and columns in which a variable lies beside sea level, with a warning if not its own."""
    order = storage_order(place, of_zos)
    if order:
        warn_once(model, f"{name} is stored in another order of rows or columns than zos; put into that of zos")
    return order


def _add_means(
    ocean: xr.Dataset,
    plan: RunPlan,
    means: Mapping[str, WindowMeans],
    orders: Mapping[str, dict[str, IntArray]],
    windows: Sequence[Window],
    context: Context,
) -> xr.Dataset:
    """Add the means, in the order of sea level, and the windows they are over."""
    out = ocean.copy()
    for name, mean in means.items():
        attrs = variable(name).attrs | {"files": "\n".join(mean.sources)}
        if name in STRESS:
            # the words of the file, not those of the table, distinguish true east from the axis of the grid
            file = plan.series[name].files[0]
            turned = sense(name, file.field_attrs, str(file.path)) < 0
            words = in_common_sense(file.field_attrs) if turned else file.field_attrs
            attrs = {key: value for key, value in attrs.items() if key not in AXES_ATTRIBUTES}
            attrs |= {key: str(words[key]) for key in AXES_ATTRIBUTES if key in words}
        out[name] = (("window", *context.grid.dims), reordered(mean.values, orders[name]), attrs)
    years = np.array([[window.first_year, window.last_year] for window in windows])
    baselines = [str(plan.baselines.get(window, "")) for window in windows]
    return out.assign_coords(
        window=("window", [str(window) for window in windows]),
        window_start=("window", years[:, 0], {"long_name": "First year of the window", "units": "1"}),
        window_end=("window", years[:, 1], {"long_name": "Last year of the window", "units": "1"}),
        months=("window", [w.n_months for w in windows], {"long_name": "Months in the mean", "units": "1"}),
        baseline_window=("window", baselines, {"long_name": "Window of the parent run to compare with; empty: none"}),
    )


def _add_fixed_fields(ocean: xr.Dataset, plan: RunPlan, context: Context) -> xr.Dataset:
    """Add depth, cell area and sea area that lie on the positions of sea level; only depth has to."""
    out = ocean.copy()
    for name in FIXED_FIELDS:
        shapes, state = [], f"does not lie on the cells of 'zos' ({shape_text(ocean)})"
        for path in plan.fixed[name]:
            try:
                stated = plan.quirks.stated(name)
                field = read_field(path, name, where=plan.run.source_id, stated=stated)
            except DataError as error:
                if _needed(name):
                    raise
                shapes.append(str(error))
                state = "cannot be read"
                continue
            field = field.isel(_order(field, ocean, name, plan.run.source_id))
            if same_positions(field, ocean):
                out[name] = (context.grid.dims, field[name].values, field[name].attrs | {"files": path.name})
                break
            shapes.append(f"{path.name}: {shape_text(field)}{_away(field, ocean)}{_total(name, field, context)}")
        else:
            _without_field(name, shapes, state, plan)
    return out


def _add_regime_field(
    ocean: xr.Dataset, variable_id: str, series: Series, plan: RunPlan, checkpoint: Checkpoint
) -> xr.Dataset:
    """Add the means of a field on which no regime depends; one that cannot be used is left out with a warning."""
    row = variable(variable_id)
    windows = [window for window in plan.windows if not series.missing(window)]
    lacking = [str(window) for window in plan.windows if window not in windows]
    if lacking:
        log.warning("%s: months of %s are missing in %s", plan.run.key, variable_id, listed(lacking, most=6))
    if not windows:
        return ocean
    dims = ocean["deptho"].dims
    values = np.full((len(plan.windows), *ocean["deptho"].shape), np.nan)
    try:
        place = read_positions(series.files[0].path, variable_id, where=plan.run.source_id)
        order = _order(place, ocean, variable_id, plan.run.source_id)
        if not same_positions(place.isel(order), ocean):
            raise GridError(f"'{variable_id}' does not lie on the cells of 'zos'. Get it on the native grid.")
        means = window_means(series, windows, checkpoint=checkpoint)
        values[[plan.windows.index(window) for window in windows]] = reordered(means.values, order)
        values[:, ocean["deptho"].isnull().values] = np.nan
        low, high = row.valid_range
        if ((values < low) | (values > high)).any():
            raise DataError(
                f"'{variable_id}' has means of {np.nanmin(values):g} to {np.nanmax(values):g} {row.units}; expected "
                f"{low:g} to {high:g}. Has the file other units than its attribute says?"
            )
    except DataError as error:
        log.warning("%s: %s is left out: %s", plan.run.key, variable_id, error)
        return ocean
    attrs = row.attrs | {"files": "\n".join(means.sources)}
    return ocean.assign({variable_id: (("window", *dims), values, attrs)})


def _away(field: xr.Dataset, ocean: xr.Dataset) -> str:
    """Return how far cells of as many rows and columns lie from those of sea level, for messages."""
    (lat, lon), (of_lat, of_lon) = meshed(field), meshed(ocean)
    if lat.shape != of_lat.shape:
        return ""
    turn = np.abs((lon - of_lon + 180) % 360 - 180) * np.cos(np.deg2rad(lat))
    return f", up to {np.nanmax(np.maximum(np.abs(lat - of_lat), turn)):.2g} degrees away"


def _total(name: str, field: xr.Dataset, context: Context) -> str:
    """Return how the total of published areas compares with that of the positions, for messages."""
    if name != "areacello":
        return ""
    theirs, ours = float(field[name].sum()), float(np.nansum(context.grid.area))
    return f", total {theirs:.4g} m2, {theirs / ours:.3g} times that of the positions"


def _without_field(name: str, shapes: Sequence[str], state: str, plan: RunPlan) -> None:
    """Warn of a fixed field that cannot be taken, or raise where nothing replaces it."""
    seen = f"'{name}' {state}: {'; '.join(shapes)}"
    if _needed(name):
        raise GridError(f"{plan.run.key}: {seen}. Get the file of this model's grid '{plan.grid_label}'.")
    instead = {"areacello": "cell areas follow from the positions", "sftof": "sea is where depth is positive"}[name]
    if shapes or name == "areacello":
        warn_once(plan.run.source_id, f"{seen if shapes else f'no {name} in the archive'}; {instead}")


def _needed(name: str) -> bool:
    source = variable(name).published
    return source is not None and source.needed


def _describe_run(ocean: xr.Dataset, plan: RunPlan, settings: ClimatologySettings) -> xr.Dataset:
    """Add the facets of the run and its baseline."""
    run, attrs = plan.run, plan.series["zos"].attrs
    facets: dict[str, str | float] = {
        **run.facets,
        "institution_id": str(attrs.get("institution_id", "")),
        "grid_label": plan.grid_label,
        "calendar": plan.series["zos"].calendar,
        "masked_basins": " ".join(settings.masked_basins),
        "quirks": plan.quirks.reason,
    }
    if plan.warming_level is not None:
        facets["warming_level"] = plan.warming_level
    if plan.begins is not None:
        facets["first_year"] = plan.begins
    if plan.parent:
        facets["parent"] = plan.parent.run.key
        facets["baseline"] = plan.parent.baseline_kind
        if plan.parent.year_in_child is not None:
            facets["branch_year"] = plan.parent.year_in_child
    return ocean.assign_attrs(facets)


def _first_file(plan: RunPlan, name: str) -> Path:
    return plan.series[name].files[0].path
