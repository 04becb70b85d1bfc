"""Where the transports of a climate model lie: T points in the order of climatologies, faces, levels."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import netCDF4
import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray, Array, IntArray, Mask
from thor.core.errors import DataError, GridError, UnitsError
from thor.core.units import spelling
from thor.core.variables import STRESS, variable
from thor.core.warn import warn_once
from thor.ocean.grid import Grid
from thor.ocean.stress_points import Offset, offset_of, staggered_steps
from thor.reading.fields import read_field
from thor.reading.files import opened
from thor.reading.means import steps_in
from thor.reading.orders import ascending_order, reordered, storage_order
from thor.reading.positions import meshed, read_positions, same_positions
from thor.reading.run_plan import RunPlan
from thor.reading.series import Series, SeriesFile
from thor.reading.steps import shape_text, with_stress_points
from thor.reading.windows import Window

_METRES = {"m": 1.0, "cm": 0.01, "km": 1000.0}
_LEVEL_SLACK = 1e-3
"""Share of its depth by which a level may lie outside its bounds: rounding."""

_PART_SLACK, _PART_OF_LEVEL = 0.02, 0.2
"""Shares of the thinner of two levels that may lie between them or in both: rounding, and bounds made of centres."""


@dataclass(frozen=True, eq=False)
class TPoints:
    """The T points of a model as its files store them, and in the order in which climatologies have them.

    Attributes
    ----------
    stored : xarray.Dataset
        Coordinates `lat`, `lon`, as from `thor.reading.positions.read_positions`.
    """

    stored: xr.Dataset

    @cached_property
    def _order(self) -> dict[str, IntArray]:
        return ascending_order(self.stored)

    @cached_property
    def places(self) -> xr.Dataset:
        """The positions in the order of climatologies."""
        return self.stored.isel(self._order)

    @cached_property
    def grid(self) -> Grid:
        """Their grid."""
        return Grid.from_dataset(self.places)

    def ordered(self, values: AnyArray) -> AnyArray:
        """Return values (..., n_rows, n_columns) of the files in the order of `places`, each beside its T point."""
        return reordered(values, self._order)


def face_offset(plan: RunPlan, name: str, points: TPoints) -> Offset:
    """Return on which face of the T cell of their index transports are stored, by the quirk table if need be."""
    offset = point_offset(plan, name, points)
    if offset != (0, 0):
        return offset
    side = plan.quirks.stress_side
    warn_once(
        plan.run.source_id,
        f"files give {name} the positions of T points; it is taken on the faces to the {side.replace('_', '-')}",
    )
    return staggered_steps("grid_axes_c_grid", side, points.grid)[name[0]]


@lru_cache(maxsize=16)
def stored_positions(file: SeriesFile, name: str, model: str) -> xr.Dataset:
    """Return the positions in a file, read once for all windows of a run."""
    return read_positions(file.path, name, where=model)


def t_points(plan: RunPlan) -> TPoints:
    """Return the T points of a run, read once for all its windows."""
    return _t_points(tuple(plan.series[name].files[0] for name in ("zos", *STRESS)), plan.run.source_id)


@lru_cache(maxsize=2)
def _t_points(files: tuple[SeriesFile, ...], model: str) -> TPoints:
    zos, *stress = (stored_positions(file, name, model) for file, name in zip(files, ("zos", *STRESS), strict=True))
    # 2-D, and not put in order, where the stress has other points: as climatologies are
    ocean = with_stress_points(zos, dict(zip(STRESS, stress, strict=True)), model)
    return TPoints(ocean.drop_vars([name for name in ocean.coords if str(name).endswith(("_u", "_v"))]))


def point_offset(plan: RunPlan, name: str, points: TPoints) -> Offset:
    """Return where a variable lies from the T points of the same index, in half cells (rows, columns).

    Raises
    ------
    GridError
        When it has another number of rows or columns than sea level.
    """
    places = points.stored
    point = "v" if name == "vmo" else "u"
    place = stored_positions(plan.transports[name].files[0], name, plan.run.source_id)
    if shape_text(place) != shape_text(places):
        raise GridError(
            f"'{name}' has {shape_text(place)}, 'zos' {shape_text(places)}; expected one grid. Get the transports on "
            "the native grid of sea level."
        )
    if same_positions(place, places):
        return 0, 0
    lat, lon = map(points.ordered, meshed(place))
    stored = {f"lat_{point}": (("y", "x"), lat), f"lon_{point}": (("y", "x"), lon)}
    return offset_of(xr.Dataset(coords=stored), point, points.grid, name=name)


def sea_cells(plan: RunPlan, points: TPoints) -> Mask:
    """Return which T points have a depth.

    Raises
    ------
    GridError
        When no file of depths lies on them.
    """
    for path in plan.fixed["deptho"]:
        stated = plan.quirks.stated("deptho")
        field = read_field(path, "deptho", where=plan.run.source_id, stated=stated)
        field = field.isel(storage_order(field, points.stored))
        if same_positions(field, points.stored):
            return points.ordered(field["deptho"].values > 0)
    raise GridError(f"{plan.run.key}: no 'deptho' lies on the cells of 'zos'. Get that of this model's grid.")


def shared_levels(parts: Mapping[str, Series], window: Window) -> Array:
    """Return the levels that all files of these variables have in a window, as from `stored_levels`.

    They are those of the first file of the run but for rounding, so that all its windows have the same numbers.

    Raises
    ------
    DataError
        When two files have other levels, or in another order.
    """
    files = [(file, name) for name, series in parts.items() for file in series.files if steps_in(file, window).size]
    first, expected = files[0][0], stored_levels(*files[0])
    for file, name in files:
        levels = stored_levels(file, name)
        if not _alike(levels, expected):
            of_file, of_first = (
                f"{len(each)} levels from {each[0].mean():g} to {each[-1].mean():g} m" for each in (levels, expected)
            )
            raise DataError(
                f"{file.path.name} has {of_file}, {first.path.name} {of_first}, or others between; expected the same "
                "in one order. Get all from one version of the run, or store them alike."
            )
    of_run = stored_levels(parts[files[0][1]].files[0], files[0][1])
    return of_run if _alike(of_run, expected) else expected


def _alike(levels: Array, others: Array) -> bool:
    return levels.shape == others.shape and np.allclose(levels, others)


@lru_cache(maxsize=16)
def stored_levels(file: SeriesFile, name: str) -> Array:
    """Return the upper and lower depths of the levels [m], shape (n_levels, 2), positive down, read once.

    Raises
    ------
    DataError
        When the file has no bounds of its levels, they are no depths, or the levels do not lie between them.
    """
    path = file.path
    with opened(path), netCDF4.Dataset(path) as dataset:
        dims = dataset.variables[name].dimensions
        dim = next((d for d in dims if hasattr(dataset.variables.get(d), "positive")), dims[1])
        if dim != dims[1]:
            wanted = ",".join((dims[0], dim, *(d for d in dims[1:] if d != dim)))
            raise DataError(
                f"{path}: '{name}' is stored as ({', '.join(dims)}); expected levels after time. Reorder its dims: "
                f"ncpdq -a {wanted} in.nc out.nc."
            )
        axis = dataset.variables.get(dim)
        named, shape = getattr(axis, "bounds", f"{dim}_bnds"), (len(dataset.dimensions[dim]), 2)
        there = [b for b in (named, f"{dim}_bnds", f"{dim}_bounds") if b in dataset.variables]
        bounds = next((b for b in there if dataset.variables[b].shape == shape), None)
        if axis is None or bounds is None:
            got = f"bounds '{there[0]}' of shape {dataset.variables[there[0]].shape}" if there else "no bounds"
            got = "no coordinate" if axis is None else got
            raise DataError(
                f"{path}: the levels '{dim}' of '{name}' have {got}; expected '{dim}', and '{named}' of shape {shape}, "
                "the depths between which each transport flows. Add them, or get a file with them."
            )
        units = str(getattr(axis, "units", ""))
        metres = _METRES.get(spelling(units))
        if metres is None:
            raise UnitsError(
                f"{path}: the levels '{dim}' have units '{units}'; expected depths in {', '.join(_METRES)}. Get the "
                "transports on levels of depth."
            )
        middle = metres * np.abs(np.asarray(axis[:], dtype=float))
        edges = np.sort(np.abs(np.asarray(dataset.variables[bounds][:], dtype=float)), axis=1)
        stated = str(getattr(dataset.variables[bounds], "units", "")) or units
    if (np.diff(edges, axis=1) <= 0).any():
        raise DataError(
            f"{path}: bounds '{bounds}' of the levels enclose no water; expected an upper and a lower depth."
        )
    what = f"{path}: bounds '{bounds}'"
    depths = _around(middle, edges, (stated, units, "m"), what)
    deepest = variable("deptho").valid_range[1]
    if depths[:, 0].max() > deepest:
        raise DataError(
            f"{what} reach down to {depths.max():g} m; expected levels that begin above {deepest:g} m. Are they in cm, "
            "with units of m? Correct the units of levels and bounds."
        )
    _require_contiguous(depths, what)
    return depths


def _require_contiguous(depths: Array, what: str) -> None:
    """Raise DataError where levels, with the surface above them, leave out or share a fifth of one; warn of less."""
    upper, lower = np.sort(depths, axis=0).T
    above = np.append(0.0, lower[:-1])
    step, thickness = upper - above, lower - upper
    part = np.abs(step) / np.minimum(thickness, np.append(thickness[0], thickness[:-1]))
    k = int(np.argmax(part))
    if part[k] <= _PART_SLACK:
        return
    fault = "leave a gap from {1:g} to {0:g} m" if step[k] > 0 else "overlap from {0:g} to {1:g} m"
    sentence = f"{what} of the levels {fault.format(upper[k], above[k])}"
    if part[k] > _PART_OF_LEVEL:
        raise DataError(
            f"{sentence}; expected each to begin where the one above ends, at 0 m first: transports of a level are "
            "missing or there twice. Get all levels once, or correct the bounds."
        )
    warn_once(sentence, "transports are those of the levels all the same")


def _around(middle: Array, edges: Array, units: tuple[str, ...], what: str) -> Array:
    """Return the bounds of levels [m], in the first of these units in which the levels [m] lie between them."""
    for unit in units:
        depths = _METRES.get(spelling(unit), np.nan) * edges
        slack = _LEVEL_SLACK * depths[:, 1]
        if ((depths[:, 0] - slack <= middle) & (middle <= depths[:, 1] + slack)).all():
            if unit != units[0]:
                warn_once(what, f"taken in '{unit}'; in '{units[0]}' the levels do not lie between them")
            return depths
    raise DataError(
        f"{what} do not have the levels between them: these run from {middle.min():g} to {middle.max():g} m, the "
        f"bounds from {edges.min():g} to {edges.max():g} '{units[0]}'. Correct units or values of levels and bounds."
    )
