"""Mass transports of climate models in classes of potential density: every time step is binned, then averaged.

Means of binned steps differ from binned means: these lack the transport of seasons and eddies, in which density and
velocity vary together.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from thor.core.checkpoint import Checkpoint
from thor.core.errors import DataError, GridError
from thor.core.fingerprint import fingerprint
from thor.core.variables import TRACERS, TRANSPORTS, variable
from thor.ocean.density import SIGMA2_EDGES, class_coordinates
from thor.ocean.faces import FACE_STEPS
from thor.ocean.transport_checks import check_transports
from thor.reading.files import checksum_of, naming
from thor.reading.means import source_line, steps_in
from thor.reading.positions import same_positions
from thor.reading.run_plan import Missing
from thor.reading.series import Series, SeriesFile
from thor.reading.sigma2_sums import BinnedOcean, TimeStep, sums_by_class
from thor.reading.transport_points import face_offset, sea_cells, shared_levels, stored_positions, t_points
from thor.reading.transports import FACES, TransportPlan, is_complete
from thor.reading.windows import ClimatologySettings


def with_tracers(parts: Iterable[TransportPlan], *, missing: Missing) -> Iterator[TransportPlan]:
    """Yield those windows with transports in which the run has temperature and salinity.

    Raises
    ------
    IncompleteWindowError
        Under ``error``: when a month is missing; otherwise that window has no density classes, with a warning.
    """
    for part in parts:
        tracers = part.plan.tracers if TRANSPORTS in part.sources else {}
        if tracers and is_complete(tracers, part.window, missing, without="density classes"):
            yield part


def sigma2_marks(parts: Iterable[TransportPlan], settings: ClimatologySettings) -> dict[str, str]:
    """Return the fingerprint of the binned transports of each window, from headers and checksums of fixed fields."""
    return {part.key: fingerprint(_identity(part), settings.of_fields) for part in parts}


def transports_sigma2(transports: TransportPlan, settings: ClimatologySettings, checkpoint: Checkpoint) -> xr.Dataset:
    """Return the mean transports of one run in one window in classes of sigma_2.

    Parameters
    ----------
    transports : TransportPlan
        Of a run with `thetao` and `so`, as from `with_tracers`.
    settings : ClimatologySettings
        `reference_density`.
    checkpoint : Checkpoint
        Sums of an earlier, interrupted call are continued.

    Returns
    -------
    xarray.Dataset
        `umo`, `vmo` [kg s-1], float32, dims (sigma2, y, x) or (sigma2, lat, lon): means over the window of the
        transports that each time step has in each class, through the faces and in the sense of
        `thor.reading.transports.FACES`, NaN away from the sea; their sums over the classes are the depth sums. `sigma2`
        [kg m-3], `sigma2_bnds`, and coordinates and attributes as from `transport_climatology`.

    Raises
    ------
    GridError
        When temperature or salinity does not lie on the T points of sea level.
    DataError
        When levels or time steps of the four variables differ, values are out of range, water without a density is
        transported, a file cannot be read, or the checks of the transports fail.

    Notes
    -----
    A face has the mean density of its two cells (`thor.ocean.density.FaceClasses`); transports are on the next faces
    before that. Cells with a salinity of zero are land. Time steps are read one by one, a few levels at a time
    (`thor.reading.sigma2_sums.LEVELS_AT_ONCE`). Memory [bytes]: 16 n_classes n_faces for both sums, n_faces being the
    cells at sea and their neighbours; 450 for each cell of the grid, and 15 for each of its levels that are read
    together. For 1440 x 1080 cells, 70 % of them sea, 73 classes and 25 levels: 1.3 + 0.7 + 0.6 GB.
    """
    plan = transports.plan
    with naming(transports.key):
        steps = _time_steps(transports)
        ocean = _ocean_of(transports)
        total = sums_by_class(ocean, steps, mark=fingerprint(_identity(transports)), checkpoint=checkpoint)
        sources = _sources(steps)
    n_days = sum(step.days for step in steps)
    places = ocean.points.places
    out = class_coordinates().assign_coords(
        {name: array for name, array in places.coords.items() if not str(name).endswith("_bnds")}
    )
    for name in TRANSPORTS:
        values = np.full((SIGMA2_EDGES.size - 1, ocean.points.grid.lat.size), np.nan, dtype=np.float32)
        total[name] /= n_days
        values[:, ocean.faces[name]] = total.pop(name)
        dims = ("sigma2", *ocean.points.grid.dims)
        out[name] = (dims, values.reshape(-1, *ocean.points.grid.shape), variable(name).attrs)
    columns = (out[name].astype(float).sum("sigma2", min_count=1) for name in TRANSPORTS)
    u, v = (column.values / settings.reference_density for column in columns)
    sea = sea_cells(plan, ocean.points)
    check_transports(u, v, ocean.points.grid, sea=sea, where=transports.key, strict=settings.strict)
    return out.assign_attrs(
        plan.run.facets
        | sources
        | {
            "window": str(transports.window),
            "faces": FACES,
            "reference_density": settings.reference_density,
            "binned": f"{len(steps)} time steps of {steps[0].n_months} months each, then averaged",
        }
    )


def _series(transports: TransportPlan) -> dict[str, Series]:
    return {name: transports.plan.transports[name] for name in TRANSPORTS} | transports.plan.tracers


def _identity(transports: TransportPlan) -> dict[str, Any]:
    tracers = {name: series.identity for name, series in transports.plan.tracers.items()}
    return transports.identity | {"tracers": tracers, "edges": SIGMA2_EDGES.tolist()}


def _time_steps(transports: TransportPlan) -> list[TimeStep]:
    """Return the time steps of the window, which the four variables have to share."""
    places: dict[str, dict[int, tuple[SeriesFile, int]]] = {
        name: {
            int(file.months[step * file.step_months]): (file, int(step))
            for file in series.files
            for step in steps_in(file, transports.window)
        }
        for name, series in _series(transports).items()
    }
    spans = {name: {month: file.step_months for month, (file, _) in of.items()} for name, of in places.items()}
    for name, span in spans.items():
        if span != spans["umo"]:
            lengths = [", ".join(map(str, sorted(set(of.values())))) for of in (span, spans["umo"])]
            raise DataError(
                f"'{name}' has {len(span)} time steps of {lengths[0]} months, 'umo' {len(spans['umo'])} of "
                f"{lengths[1]}; density classes need all four variables at the same times. Get them of one frequency."
            )
    found = []
    for month in sorted(places["umo"]):
        file, step = places["umo"][month]
        days = file.days.reshape(-1, file.step_months)[step].sum()
        found.append(TimeStep({name: of[month] for name, of in places.items()}, float(days), file.step_months))
    return found


def _ocean_of(transports: TransportPlan) -> BinnedOcean:
    """Return the points, levels and faces that the four variables have to share."""
    plan, points = transports.plan, t_points(transports.plan)
    files = {name: series.files[0] for name, series in _series(transports).items()}
    levels = shared_levels(_series(transports), transports.window)
    for name in TRACERS:
        if not same_positions(stored_positions(files[name], name, plan.run.source_id), points.stored):
            raise GridError(f"'{name}' does not lie on the cells of 'zos'. Get it on the native grid.")
    sea = sea_cells(plan, points)
    return BinnedOcean(
        points=points,
        depths=levels.mean(axis=1),
        offsets={name: face_offset(plan, name, points) for name in TRANSPORTS},
        faces={
            name: np.flatnonzero(sea | (points.grid.neighbour(sea.astype(float), step) > 0))
            for name, step in FACE_STEPS.items()
        },
    )


def _sources(steps: list[TimeStep]) -> dict[str, str]:
    """Return by variable the files that went in, a line for each."""
    out = {}
    for name in steps[0].places:
        files = [step.places[name][0] for step in steps]
        lines = [source_line(name, file, checksum_of(file.path), files.count(file)) for file in dict.fromkeys(files)]
        out[f"files_{name}"] = "\n".join(lines)
    return out
