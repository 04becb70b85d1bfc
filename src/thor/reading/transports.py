"""Mass transports of climate models: window means on the faces of the T cells, level by level, and their depth sums.

Each window of each run is one dataset, so that memory does not grow with the number of windows.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import Array, IntArray, Mask
from thor.core.checkpoint import Checkpoint
from thor.core.errors import DataError, DiskError, IncompleteWindowError
from thor.core.fingerprint import fingerprint
from thor.core.variables import TRANSPORTS, variable
from thor.ocean.stress_points import Offset
from thor.ocean.transport_checks import TransportNumbers, check_transports
from thor.ocean.transports import faces_from_streamfunction, to_next_faces
from thor.reading.files import content_mark, naming
from thor.reading.means import window_means
from thor.reading.plans import Plans
from thor.reading.run_plan import Missing, RunPlan
from thor.reading.series import Series
from thor.reading.transport_points import TPoints, face_offset, point_offset, sea_cells, shared_levels, t_points
from thor.reading.windows import ClimatologySettings, Window

log = logging.getLogger(__name__)

FACES = "the face towards the next column (umo) and towards the next row (vmo) of each T cell, positive towards it"
"""Faces and senses of the transports in the datasets, whatever those in the files."""


SOURCES = (TRANSPORTS, ("msftbarot",))
"""Variables that give transports; the first that can be used do."""


@dataclass(frozen=True, eq=False)
class TransportPlan:
    """The transports of one run in one window.

    Attributes
    ----------
    plan : RunPlan
    window : Window
    sources : tuple of tuple of str
        Those of `SOURCES` that have every month of the window.
    """

    plan: RunPlan
    window: Window
    sources: tuple[tuple[str, ...], ...]

    @property
    def key(self) -> str:
        """``<source_id>/<experiment_id>/<variant_label>/<window>``."""
        return f"{self.plan.run.key}/{self.window}"

    @property
    def identity(self) -> dict[str, Any]:
        """All that the dataset depends on, settings aside."""
        return {
            "key": self.key,
            "series": {name: self.plan.transports[name].identity for names in self.sources for name in names},
            "positions": self.plan.series["zos"].files[0].identity,
            "deptho": [[path.name, content_mark(path)] for path in self.plan.fixed["deptho"]],
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
            if sources := _complete_sources(plan, window, missing):
                yield TransportPlan(plan, window, sources)


def _complete_sources(plan: RunPlan, window: Window, missing: Missing) -> tuple[tuple[str, ...], ...]:
    found: list[tuple[str, ...]] = []
    for names in SOURCES:
        parts = {name: plan.transports[name] for name in names if name in plan.transports}
        # missing months are no defect of series that may not be needed
        needed = not found or not any(series.missing(window) for series in parts.values())
        if len(parts) == len(names) and needed and is_complete(parts, window, missing, without=" and ".join(names)):
            found.append(names)
    return tuple(found)


def is_complete(parts: Mapping[str, Series], window: Window, missing: Missing, *, without: str) -> bool:
    """Return whether no series lacks a month of the window; log what it is without, or raise under ``error``."""
    try:
        for series in parts.values():
            series.require(window, skipping=missing == "skip")
    except IncompleteWindowError as error:
        if missing == "error":
            raise
        log.warning("no %s: %s", without, error)
        return False
    return True


def transport_marks(parts: Iterable[TransportPlan], settings: ClimatologySettings) -> dict[str, str]:
    """Return the fingerprint of the transports of each window, from headers and checksums of fixed fields."""
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
        Attributes: facets of the run, `window`, `source`, `reference_density`, files, the numbers of
        `thor.ocean.transport_checks`, and `not_used` where the streamfunction replaces `umo` and `vmo`: why.

    Raises
    ------
    As follows for the last of the sources; those before it are then not used, with a warning.
    GridError
        When the transports have another number of rows or columns than sea level, or do not lie on faces.
    DataError
        When levels have no bounds, a file cannot be read, or the checks of the transports fail.

    Notes
    -----
    Every file is read once for each window, in blocks of the size of a time step, and the components one after the
    other. Memory: a field of all levels in double precision, the finished component in single precision, and one block;
    for a 0.25-degree model (1440 x 1080) with 75 levels 0.93 + 0.47 + 0.47 GB.
    """
    plan, where = transports.plan, transports.key
    points, not_used = t_points(plan), ""
    sea = sea_cells(plan, points)
    for names in transports.sources:
        try:
            fields, numbers, made_from = _checked(transports, names, points, sea, settings, checkpoint)
            break
        except DiskError:
            raise
        except DataError as error:
            if names == transports.sources[-1]:
                raise
            not_used = str(error)
            log.warning("%s: msftbarot is read instead of %s: %s", where, " and ".join(names), not_used)
    places = points.places
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
        | made_from
        | ({"not_used": not_used} if not_used else {})
        | {"window": str(transports.window), "faces": FACES, "reference_density": settings.reference_density}
    )


FaceFields = dict[str, tuple[tuple[str, ...], NDArray[np.floating]]]


def _checked(
    transports: TransportPlan,
    names: tuple[str, ...],
    points: TPoints,
    sea: Mask,
    settings: ClimatologySettings,
    checkpoint: Checkpoint,
) -> tuple[FaceFields, TransportNumbers, dict[str, str]]:
    """Return the fields that these variables give, the numbers of their checks, and what they are made from."""
    where = transports.key
    with naming(where):
        if names == TRANSPORTS:
            fields, about = _components(transports, points, checkpoint)
        else:
            fields, about = _from_streamfunction(transports, points, sea, checkpoint)
    u, v = (fields[f"{name}_column"][1].astype(float) / settings.reference_density for name in TRANSPORTS)
    return fields, check_transports(u, v, points.grid, sea=sea, where=where, strict=settings.strict), about


def _components(
    transports: TransportPlan, points: TPoints, checkpoint: Checkpoint
) -> tuple[FaceFields, dict[str, str]]:
    """Return both components on their levels and summed over them, and what they are made from."""
    fields: FaceFields = {}
    sources = {"source": "umo, vmo"}
    window, parts = transports.window, {name: transports.plan.transports[name] for name in TRANSPORTS}
    bounds = shared_levels(parts, window)
    order = np.argsort(bounds[:, 0])
    for point, name in zip("uv", TRANSPORTS, strict=True):
        offset = face_offset(transports.plan, name, points)
        means = window_means(parts[name], [window], checkpoint=checkpoint)
        values, column = _on_faces(means.values[0], order, point, offset, points)
        dims = points.grid.dims
        fields[name], fields[f"{name}_column"] = (("lev", *dims), values), (dims, column)
        sources[f"files_{name}"] = "\n".join(means.sources)
    fields["lev_bnds"] = (("lev", "bnds"), bounds[order])
    return fields, sources


def _on_faces(
    means: Array, order: IntArray, point: str, offset: Offset, points: TPoints
) -> tuple[NDArray[np.float32], Array]:
    """Return transports of shape (n_levels, n_rows, n_columns) on the next faces, single precision, and their sum.

    Levels are put in this order, from the surface down.
    """
    shape = points.grid.shape
    values = np.empty((len(means), *shape), dtype=np.float32)
    column, any_open = np.zeros(shape), np.zeros(shape, dtype=bool)
    for level, stored in enumerate(order):
        on_face = to_next_faces(points.ordered(means[stored]), point, offset, points.grid)
        values[level] = on_face
        any_open |= np.isfinite(on_face)
        column += np.nan_to_num(on_face)
    return values, np.where(any_open, column, np.nan)


def _from_streamfunction(
    transports: TransportPlan, points: TPoints, sea: Mask, checkpoint: Checkpoint
) -> tuple[FaceFields, dict[str, str]]:
    """Return the depth sums that `msftbarot` gives, and what it is made from."""
    series = transports.plan.transports["msftbarot"]
    offset, grid = point_offset(transports.plan, "msftbarot", points), points.grid
    means = window_means(series, [transports.window], checkpoint=checkpoint)
    psi = transports.plan.quirks.streamfunction_sign * points.ordered(means.values[0])
    u, v = faces_from_streamfunction(psi, grid, sea=sea, offset=offset)
    fields: FaceFields = {"umo_column": (grid.dims, u), "vmo_column": (grid.dims, v)}
    return fields, {"source": "msftbarot", "files_msftbarot": "\n".join(means.sources)}
