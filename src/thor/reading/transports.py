"""Mass transports of climate models: window means on the faces of the T cells, level by level, and their depth sums.

Each window of each run is one dataset, so that memory does not grow with the number of windows.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import Array
from thor.core.checkpoint import Checkpoint
from thor.core.errors import DataError, GridError, IncompleteWindowError, UnitsError
from thor.core.fingerprint import fingerprint
from thor.core.variables import TRANSPORTS, variable
from thor.core.warn import warn_once
from thor.ocean.grid import Grid
from thor.ocean.stress_points import Offset, offset_of, staggered_steps
from thor.ocean.transport_checks import check_transports
from thor.ocean.transports import faces_from_streamfunction, to_next_faces
from thor.reading.fields import read_field
from thor.reading.files import naming, opened, size_of
from thor.reading.means import window_means
from thor.reading.plans import Plans
from thor.reading.positions import meshed, read_positions, same_positions
from thor.reading.run_plan import Missing, RunPlan
from thor.reading.series import SeriesFile
from thor.reading.steps import shape_text
from thor.reading.windows import ClimatologySettings, Window

log = logging.getLogger(__name__)

FACES = "the face towards the next column (umo) and towards the next row (vmo) of each T cell, positive towards it"
"""Faces and senses of the transports in the datasets, whatever those in the files."""

_METRES = {"m": 1.0, "meters": 1.0, "metres": 1.0, "cm": 0.01, "centimeters": 0.01, "km": 1000.0}


@dataclass(frozen=True, eq=False)
class TransportPlan:
    """The transports of one run in one window."""

    plan: RunPlan
    window: Window

    @property
    def key(self) -> str:
        """``<source_id>/<experiment_id>/<variant_label>/<window>``."""
        return f"{self.plan.run.key}/{self.window}"

    @property
    def identity(self) -> dict[str, Any]:
        """All that the dataset depends on, settings aside."""
        return {
            "key": self.key,
            "series": {name: [file.identity for file in series.files] for name, series in self.plan.transports.items()},
            "positions": self.plan.series["zos"].files[0].identity,
            "deptho": [[path.name, size_of(path)] for path in self.plan.fixed["deptho"]],
            "quirks": self.plan.quirks,
        }


def plan_transports(plans: Plans, *, missing: Missing) -> Iterator[TransportPlan]:
    """Yield each window of each run that has transports; runs without are passed over.

    Raises
    ------
    IncompleteWindowError
        Under ``error``: when the transports of a run lack a month of one of its windows; otherwise that window has
        none, with a warning.
    """
    for plan in plans:
        for window in plan.windows if plan.transports else ():
            try:
                for series in plan.transports.values():
                    series.require(window)
            except IncompleteWindowError as error:
                if missing == "error":
                    raise
                log.warning("no transports: %s", error)
            else:
                yield TransportPlan(plan, window)


def transport_marks(parts: Iterable[TransportPlan], settings: ClimatologySettings) -> dict[str, str]:
    """Return the fingerprint of the transports of each window by its key, from the headers of files alone."""
    return {part.key: fingerprint(part.identity, settings.of_fields) for part in parts}


def transport_climatology(
    transports: TransportPlan, settings: ClimatologySettings, checkpoint: Checkpoint
) -> xr.Dataset:
    """Return the mean transports of one run in one window.

    Parameters
    ----------
    transports : TransportPlan
    settings : ClimatologySettings
        `reference_density` and `strict`.
    checkpoint : Checkpoint
        Sums of an earlier, interrupted call are continued.

    Returns
    -------
    xarray.Dataset
        `umo`, `vmo` [kg s-1], float32, dims (lev, y, x) or (lev, lat, lon), where the model publishes them, with `lev`
        [m, positive down] and `lev_bnds`; `umo_column`, `vmo_column` [kg s-1], their sums over depth, or those that the
        streamfunction gives. Through `FACES`; NaN on closed faces. Coordinates `lat`, `lon` of the T points.
        Attributes: facets of the run, `window`, `source`, `reference_density`, files, and the numbers of
        `thor.ocean.transport_checks`.

    Raises
    ------
    GridError
        When the transports have another number of rows or columns than sea level, or do not lie on faces.
    DataError
        When levels have no bounds, a file cannot be read, or the checks of the transports fail.

    Notes
    -----
    Every file is read once for each window, a time step at a time, and the components one after the other. Memory: a
    field of all levels in double precision, the finished component in single precision, and one time step of the file;
    for a 0.25-degree model (1440 x 1080) with 75 levels 0.93 + 0.47 + 0.47 GB.
    """
    plan, where = transports.plan, transports.key
    places = _positions(plan.series["zos"].files[0], "zos", plan.run.source_id)
    grid = _grid(plan.series["zos"].files[0], plan.run.source_id)
    sea = _sea(plan, places)
    with naming(where):
        if "umo" in plan.transports:
            fields, sources = _components(transports, places, grid, checkpoint)
        else:
            fields, sources = _from_streamfunction(transports, places, grid, sea, settings, checkpoint)
    u, v = (fields[f"{name}_column"][1].astype(float) / settings.reference_density for name in TRANSPORTS)
    numbers = check_transports(u, v, grid, sea=sea, where=where, strict=settings.strict)
    out = places.drop_vars([name for name in places.variables if str(name).endswith("_bnds")])
    for name, (dims, values) in fields.items():
        attrs = variable(name).attrs if name != "lev_bnds" else {}
        out[name] = (dims, values.astype(np.float32, copy=False) if name != "lev_bnds" else values, attrs)
    if "lev_bnds" in out:
        about = {"standard_name": "depth", "units": "m", "positive": "down", "axis": "Z", "bounds": "lev_bnds"}
        out = out.assign_coords(lev=("lev", out["lev_bnds"].values.mean(axis=1), about))
    measured = {name: value for name, value in numbers._asdict().items() if np.isfinite(value)}
    return out.assign_attrs(
        plan.run.facets
        | measured
        | sources
        | {"window": str(transports.window), "faces": FACES, "reference_density": settings.reference_density}
    )


FaceFields = dict[str, tuple[tuple[str, ...], NDArray[np.floating]]]


def _components(
    transports: TransportPlan, places: xr.Dataset, grid: Grid, checkpoint: Checkpoint
) -> tuple[FaceFields, dict[str, str]]:
    """Return both components on their levels and summed over them, and what they are made from."""
    fields: FaceFields = {}
    sources = {"source": "umo, vmo"}
    bounds = None
    for point, name in zip("uv", TRANSPORTS, strict=True):
        series = transports.plan.transports[name]
        path = series.files[0].path
        offset = _face_offset(transports.plan, name, places, grid)
        levels = _level_bounds(path, name)
        if bounds is not None and not np.array_equal(levels, bounds):
            raise DataError("'umo' and 'vmo' have other levels; expected the same. Get both from one version.")
        bounds = levels
        means = window_means(series, [transports.window], checkpoint=checkpoint)
        values, column = _on_faces(means.values[0], point, offset, grid)
        fields[name], fields[f"{name}_column"] = (("lev", *grid.dims), values), (grid.dims, column)
        sources[f"files_{name}"] = "\n".join(means.sources)
    fields["lev_bnds"] = (("lev", "bnds"), np.asarray(bounds))
    return fields, sources


def _on_faces(means: Array, point: str, offset: Offset, grid: Grid) -> tuple[NDArray[np.float32], Array]:
    """Return transports of shape (n_levels, n_rows, n_columns) on the next faces, single precision, and their sum."""
    values = np.empty(means.shape, dtype=np.float32)
    column, any_open = np.zeros(grid.shape), np.zeros(grid.shape, dtype=bool)
    for level, field in enumerate(means):
        on_face = to_next_faces(field, point, offset, grid)
        values[level] = on_face
        any_open |= np.isfinite(on_face)
        column += np.nan_to_num(on_face)
    return values, np.where(any_open, column, np.nan)


def _from_streamfunction(
    transports: TransportPlan,
    places: xr.Dataset,
    grid: Grid,
    sea: NDArray[np.bool_],
    settings: ClimatologySettings,
    checkpoint: Checkpoint,
) -> tuple[FaceFields, dict[str, str]]:
    """Return the depth sums that `msftbarot` gives, and what it is made from."""
    series = transports.plan.transports["msftbarot"]
    offset = _offset(transports.plan, "msftbarot", places, grid)
    means = window_means(series, [transports.window], checkpoint=checkpoint)
    psi = transports.plan.quirks.streamfunction_sign * means.values[0]
    u, v = faces_from_streamfunction(psi, grid, sea=sea, offset=offset)
    fields: FaceFields = {"umo_column": (grid.dims, u), "vmo_column": (grid.dims, v)}
    return fields, {"source": "msftbarot", "files_msftbarot": "\n".join(means.sources)}


def _face_offset(plan: RunPlan, name: str, places: xr.Dataset, grid: Grid) -> Offset:
    """Return on which face of the T cell of their index transports are stored, by the quirk table if need be."""
    offset = _offset(plan, name, places, grid)
    if offset != (0, 0):
        return offset
    side = plan.quirks.stress_side
    warn_once(
        plan.run.source_id,
        f"files give {name} the positions of T points; it is taken on the faces to the {side.replace('_', '-')}",
    )
    return staggered_steps("grid_axes_c_grid", side, grid)[name[0]]


@lru_cache(maxsize=8)
def _positions(file: SeriesFile, name: str, model: str) -> xr.Dataset:
    """Return the positions in a file, read once for all windows of a run."""
    return read_positions(file.path, name, where=model)


@lru_cache(maxsize=2)
def _grid(file: SeriesFile, model: str) -> Grid:
    return Grid.from_dataset(_positions(file, "zos", model))


def _offset(plan: RunPlan, name: str, places: xr.Dataset, grid: Grid) -> Offset:
    """Return where a variable lies from the T points of the same index, in half cells (rows, columns)."""
    point = "v" if name == "vmo" else "u"
    place = _positions(plan.transports[name].files[0], name, plan.run.source_id)
    if shape_text(place) != shape_text(places):
        raise GridError(
            f"'{name}' has {shape_text(place)}, 'zos' {shape_text(places)}; expected one grid. Get the transports on "
            "the native grid of sea level."
        )
    if same_positions(place, places):
        return 0, 0
    lat, lon = meshed(place)
    stored = {f"lat_{point}": (("y", "x"), lat), f"lon_{point}": (("y", "x"), lon)}
    return offset_of(xr.Dataset(coords=stored), point, grid, name=name)


def _sea(plan: RunPlan, places: xr.Dataset) -> NDArray[np.bool_]:
    for path in plan.fixed["deptho"]:
        field = read_field(path, "deptho", where=plan.run.source_id)
        if same_positions(field, places):
            return np.asarray(field["deptho"].values > 0)
    raise GridError(f"{plan.run.key}: no 'deptho' lies on the cells of 'zos'. Get that of this model's grid.")


def _level_bounds(path: Path, name: str) -> Array:
    """Return the upper and lower depths of the levels [m], shape (n_levels, 2), positive down.

    Raises
    ------
    DataError
        When the file has no bounds of its levels, or they are no depths in metres.
    """
    with opened(path), netCDF4.Dataset(path) as file:
        dim = file.variables[name].dimensions[1]
        axis = file.variables.get(dim)
        named = getattr(axis, "bounds", f"{dim}_bnds")
        bounds = next((b for b in (named, f"{dim}_bnds", f"{dim}_bounds") if b in file.variables), None)
        if axis is None or bounds is None:
            raise DataError(
                f"{path}: the levels '{dim}' of '{name}' have no bounds; expected a variable '{named}' of shape "
                f"({len(file.dimensions[dim])}, 2), the depths between which each transport flows. Add it, or get a "
                "file with it."
            )
        units = str(getattr(axis, "units", ""))
        if units not in _METRES:
            raise UnitsError(
                f"{path}: the levels '{dim}' have units '{units}'; expected depths in {', '.join(_METRES)}. Get the "
                "transports on levels of depth."
            )
        depths = _METRES[units] * np.abs(np.asarray(file.variables[bounds][:], dtype=float))
    depths = np.sort(depths, axis=1)
    if depths.shape[1] != 2 or (np.diff(depths, axis=1) <= 0).any():
        raise DataError(
            f"{path}: bounds '{bounds}' of the levels enclose no water; expected an upper and a lower depth."
        )
    return depths
