"""Sums over time of mass transports in classes of potential density, one time step after the other."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray, Array, IntArray
from thor.core.checkpoint import Checkpoint
from thor.core.errors import DataError
from thor.core.progress import progress_bar
from thor.core.units import spelling
from thor.core.variables import TRACERS, TRANSPORTS, UNDECLARED_FILL, variable
from thor.core.warn import warn_once
from thor.ocean.density import SIGMA2_EDGES, FaceClasses, sigma2
from thor.ocean.stress_points import Offset
from thor.ocean.transports import to_next_faces
from thor.reading.fields import stored_factor
from thor.reading.files import opened
from thor.reading.means import DAMAGED, UNWRITTEN
from thor.reading.positions import meshed
from thor.reading.series import SeriesFile
from thor.reading.time_axis import month_text
from thor.reading.transport_points import TPoints

log = logging.getLogger(__name__)

KEPT_AFTER = 12
"""Time steps after which the sums are kept in the checkpoint: a year of months."""

LEVELS_AT_ONCE = 25
"""Levels that are read together; files that store more of them in one piece are read several times."""

FRESH = 1.0
"""No level of an ocean has a largest salinity [1e-3] below this, and every one has in kg kg-1."""

_PART = "sigma2"


@dataclass(frozen=True, eq=False)
class TimeStep:
    """One time step of the four variables.

    Attributes
    ----------
    places : dict of str to (SeriesFile, int)
        By variable, the file and the step in it.
    days : float
        Length of the step.
    n_months : int
        Months in it.
    """

    places: dict[str, tuple[SeriesFile, int]]
    days: float
    n_months: int

    @property
    def paths(self) -> dict[str, Path]:
        """The files by variable."""
        return {name: file.path for name, (file, _) in self.places.items()}


@dataclass(frozen=True, eq=False)
class BinnedOcean:
    """What is constant through the steps of a window.

    Attributes
    ----------
    points : TPoints
    depths : ndarray of shape (n_levels,), [m]
        Of the levels, in the order of the files.
    offsets : dict of str to (int, int)
        By component, where the files have its faces (`thor.reading.transport_points.face_offset`).
    faces : dict of str to ndarray of int
        By component, the flat indices of the cells whose face has sea beside it.
    """

    points: TPoints
    depths: Array
    offsets: dict[str, Offset]
    faces: dict[str, IntArray]

    def blocks(self, fields: Iterable[xr.DataArray]) -> list[IntArray]:
        """Return the levels from the surface down, in blocks of those that files store together as far as possible."""
        order = np.argsort(self.depths)
        together = max((field.encoding.get("chunksizes") or (1, 1))[1] for field in fields)
        return np.array_split(order, -(-order.size // min(together, LEVELS_AT_ONCE)))


def sums_by_class(
    ocean: BinnedOcean, steps: Sequence[TimeStep], *, mark: str, checkpoint: Checkpoint
) -> dict[str, Array]:
    """Return the sums over time of both components by class and face, each of shape (n_classes, n_faces).

    Parameters
    ----------
    ocean : BinnedOcean
    steps : sequence of TimeStep
    mark : str
        Identifies the steps: sums of the same ones in the checkpoint are continued.
    checkpoint : Checkpoint

    Returns
    -------
    dict of str to ndarray, [kg s-1 days]

    Raises
    ------
    DataError, UnitsError
        When a file cannot be read, a step has no transport, or values and units are not those of the table of
        variables.
    """
    n_done = 0
    sums = {name: np.zeros((SIGMA2_EDGES.size - 1, faces.size)) for name, faces in ocean.faces.items()}
    kept = checkpoint.load(_PART)
    if kept is not None and kept.attrs.get("identity") == mark:
        n_done = int(kept.attrs["n_steps"])
        sums = {name: kept[name].values.copy() for name in TRANSPORTS}
        log.info("%d of %d time steps were binned before and are not read again", n_done, len(steps))
    with progress_bar(total=len(steps) - n_done, label="density classes", unit="step") as bar:
        for _, group in groupby(steps[n_done:], key=lambda step: step.paths):
            these = list(group)
            with ExitStack() as stack:
                fields = {name: stack.enter_context(opened(path))[name] for name, path in these[0].paths.items()}
                for step in these:
                    _add(sums, step, fields, ocean)
                    n_done += 1
                    bar.update()
                    if n_done % KEPT_AFTER == 0 and n_done < len(steps):
                        parts = {name: (("sigma2", f"face_{name}"), values) for name, values in sums.items()}
                        checkpoint.save(_PART, xr.Dataset(parts, attrs={"identity": mark, "n_steps": n_done}))
    return sums


def _add(sums: dict[str, Array], step: TimeStep, fields: dict[str, xr.DataArray], ocean: BinnedOcean) -> None:
    """Add the transports of one time step, times its length, to the sums."""
    classes = {name: FaceClasses(name, faces, ocean.points.grid) for name, faces in ocean.faces.items()}
    still = set(TRANSPORTS)
    for levels in ocean.blocks(fields.values()):
        density = _densities(step, fields, levels, ocean)
        for point, name in zip("uv", TRANSPORTS, strict=True):
            block = _values(step, fields, name, levels)
            for level in block:
                level[np.abs(level) > UNDECLARED_FILL] = np.nan
            if (np.abs(block) > 0).any():
                still.discard(name)
            flows = to_next_faces(ocean.points.ordered(block), point, ocean.offsets[name], ocean.points.grid)
            for of_level, flow in zip(density, flows, strict=True):
                classes[name].add(sums[name], ocean.points.ordered(of_level), flow, weight=step.days)
    for name in sorted(still):
        file, number = step.places[name]
        month = month_text(int(file.months[number * file.step_months]))
        raise DataError(f"'{name}' is 0 or missing in all of {month}. {DAMAGED.format(file.path.name)}")


def _densities(
    step: TimeStep, fields: dict[str, xr.DataArray], levels: IntArray, ocean: BinnedOcean
) -> NDArray[np.float32]:
    """Return sigma_2 of some levels as stored, NaN where there is no water; in the memory of the temperature."""
    thetao, so = (_values(step, fields, name, levels) for name in TRACERS)
    all_lat, all_lon = meshed(ocean.points.stored)
    for k, level in enumerate(levels):
        water = (np.abs(thetao[k]) < UNDECLARED_FILL) & (so[k] > 0) & (so[k] < UNDECLARED_FILL)
        warmth, salt = thetao[k][water], _practical(so[k][water], step.places["so"][0])
        for name, values in zip(TRACERS, (warmth, salt), strict=True):
            _require_range(name, values)
        if np.count_nonzero(warmth == 0) > UNWRITTEN * warmth.size:
            what = f"'thetao' is exactly 0 in more than {UNWRITTEN:.0%} of the water of a level"
            warn_once(str(step.paths["thetao"]), f"{what}. {DAMAGED.format('it')}")
        thetao[k] = np.nan
        thetao[k][water] = sigma2(warmth, salt, depth=ocean.depths[level], lat=all_lat[water], lon=all_lon[water])
    return thetao


def _values(step: TimeStep, fields: dict[str, xr.DataArray], name: str, levels: IntArray) -> NDArray[np.float32]:
    """Return some levels of one step in canonical units, single precision."""
    file, number = step.places[name]
    factor = stored_factor(name, file.field_attrs, str(file.path))
    first = int(levels.min())
    block = fields[name][number, first : int(levels.max()) + 1].values.astype(np.float32, copy=False)
    if factor != 1:
        block = block * np.float32(factor)
    return block if levels[0] == first else block[levels - first]


def _practical(salinity: NDArray[np.float32], file: SeriesFile) -> NDArray[np.float32]:
    """Return salinities of one level in 1e-3: units of 1 stand for these, and for kg kg-1."""
    if not salinity.size or salinity.max() >= FRESH:
        return salinity
    units = str(file.field_attrs.get("units"))
    if spelling(units) != "1":
        raise DataError(
            f"'so' is at most {salinity.max():g} on a level, in '{units}'; expected about 35. Is it in kg kg-1, "
            "with units '1'?"
        )
    warn_once(str(file.path), "'so' with units '1' is below 1 everywhere: taken in kg kg-1")
    return salinity * np.float32(1000)


def _require_range(name: str, values: AnyArray) -> None:
    row = variable(name)
    low, high = row.valid_range
    if values.size and (values.min() < low or values.max() > high):
        raise DataError(
            f"'{name}' runs from {values.min():g} to {values.max():g} {row.units}; expected {low:g} to {high:g}. Has "
            "the file other units, such as K, than its attribute says?"
        )
