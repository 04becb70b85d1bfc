"""Cell areas on any grid: from bounds, else from centres, and their comparison with published ones."""

import logging
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.errors import GridError
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.sphere import Array, distance, normalised, quadrilateral_area, unit_vectors
from thor.ocean.topology import Topology

if TYPE_CHECKING:
    from thor.ocean.grid import Grid

log = logging.getLogger(__name__)

ODD_BOUNDS, MAX_ODD_BOUNDS = 0.1, 0.01
"""Bounds are odd where their area is off that from the centres by this share, and unusable if so many are."""


EARTH_AREA = 4 * np.pi * EARTH_RADIUS**2
"""[m2]"""

LARGEST_TOTAL = 1.01
"""Largest total area of distinct cells over that of the Earth; an Earth with a radius of 6378 km has 1.0022."""

LARGEST_CELL = 20.0
"""Largest cell over the median one: 1.4 on a regular grid, 6.1 in MPI-ESM1-2-LR, at most 3 in other native grids."""

LARGEST_SEA = 0.95
"""Largest share of a sphere covered by sea: 0.71 on Earth; more than this is an ocean without its land."""

LARGEST_FACTOR, ODD_AREA, MAX_ODD_AREAS = 0.05, 0.1, 0.3
"""Published areas are off by a factor where their median ratio to ours is off one by more than the first of these, and
of another grid where more than the last share of cells is off the median ratio by more than the second: on a coarse
grid that many may be coastal, with areas of their wet part only."""


class AreaCheck(NamedTuple):
    """How far our cell areas are from published ones, and what follows for the published ones.

    Attributes
    ----------
    deviation : ndarray of shape (n_rows, n_columns)
        Ours over theirs, minus one; NaN where either is missing or theirs is zero, and everywhere for another shape.
    median, quantile_99 : float
        Median of the deviation, 99th percentile of its magnitude; NaN where no cell can be compared.
    total : float
        Sum of ours over sum of theirs, minus one; each cell counted once.
    n_cells : int
        Cells compared.
    ratio : float
        Median of theirs over ours.
    odd : float
        Share of the cells whose ratio differs from the median one by more than 10 %.
    verdict : {'usable', 'constant factor', 'other grid'}
        Whether the published areas are those of the grid, or those times a factor, or neither.
    sentence : str
        The verdict with its numbers, for a warning.
    """

    deviation: Array
    median: float
    quantile_99: float
    total: float
    n_cells: int
    ratio: float
    odd: float
    verdict: Literal["usable", "constant factor", "other grid"]
    sentence: str


def check_area(grid: "Grid", areacello: Array) -> AreaCheck:
    """Return how far the grid's cell areas are from published ones, and whether those are usable.

    Parameters
    ----------
    grid : Grid
    areacello : ndarray
        Published cell areas [m2]; zero or NaN on land. Where a model publishes the ocean part of coastal cells only,
        those deviate.
    """
    nowhere = np.full(grid.shape, np.nan)
    if areacello.shape != grid.shape:
        sentence = f"'areacello' has shape {areacello.shape}, the grid {grid.shape}: areas of another grid"
        return AreaCheck(nowhere, np.nan, np.nan, np.nan, 0, np.nan, np.nan, "other grid", sentence)
    known = (areacello > 0) & np.isfinite(areacello) & np.isfinite(grid.area) & ~grid.duplicate
    if not known.any():
        sentence = "'areacello' is empty: no cell has both a position and a published area"
        return AreaCheck(nowhere, np.nan, np.nan, np.nan, 0, np.nan, np.nan, "other grid", sentence)
    ours, theirs = grid.area[known], areacello[known]
    deviation = nowhere
    deviation[known] = ours / theirs - 1
    ratio = float(np.median(theirs / ours))
    odd = float(np.mean(np.abs(theirs / ours / ratio - 1) > ODD_AREA))
    numbers = f"'areacello' is {ratio:.4g} times the areas of the positions in the median cell"
    verdict: Literal["usable", "constant factor", "other grid"] = "usable"
    sentence = f"{numbers}, and within {ODD_AREA:.0%} of that ratio in {1 - odd:.0%} of {known.sum()} cells"
    if odd > MAX_ODD_AREAS:
        verdict = "other grid"
        sentence = (
            f"{numbers}, but off that ratio by more than {ODD_AREA:.0%} in {odd:.0%} of cells: areas of another grid"
        )
    elif abs(ratio - 1) > LARGEST_FACTOR:
        verdict = "constant factor"
        sentence = f"{numbers}, alike in all: {'km2 called m2' if ratio < 1e-5 else 'areas times a factor'}"
    return AreaCheck(
        deviation,
        float(np.median(deviation[known])),
        float(np.quantile(np.abs(deviation[known]), 0.99)),
        float(ours.sum() / theirs.sum() - 1),
        int(known.sum()),
        ratio,
        odd,
        verdict,
        sentence,
    )


def check_areas(grid: "Grid", area: Array | None = None, *, sea: NDArray[np.bool_] | None = None) -> None:
    """Raise GridError when areas cannot be those of cells on the Earth; repeated cells count once.

    Parameters
    ----------
    grid : Grid
    area : ndarray of shape (n_rows, n_columns), optional
        Cell areas [m2], for example published ones; those of the grid by default. NaN and zero are land.
    sea : ndarray of bool, shape (n_rows, n_columns), optional
        Where there is sea; without it the share of land is not looked at.

    Raises
    ------
    GridError
        When the distinct cells together exceed the Earth by more than `LARGEST_TOTAL`, one of them exceeds the median
        cell by more than `LARGEST_CELL`, or sea covers more than `LARGEST_SEA` of the Earth.
    """
    area = grid.area if area is None else area
    counted = np.where(np.isfinite(area) & ~grid.duplicate, area, 0.0)
    advice = "Check longitudes and bounds in the file, or 'areacello' and its units, and remove what is wrong."
    total = counted.sum()
    if total > LARGEST_TOTAL * EARTH_AREA:
        raise GridError(
            f"{np.count_nonzero(counted)} distinct cells cover {total:.4g} m2, {total / EARTH_AREA:.3g} times the "
            f"Earth's {EARTH_AREA:.4g} m2; expected at most {LARGEST_TOTAL:g} times. {advice}"
        )
    if total > 0 and counted.max() > LARGEST_CELL * np.median(counted[counted > 0]):
        row, column = np.unravel_index(np.argmax(counted), counted.shape)
        raise GridError(
            f"The cell at row {row}, column {column} (lat {grid.lat[row, column]:g}, lon {grid.lon[row, column]:g}) "
            f"covers {counted.max():.4g} m2, {counted.max() / np.median(counted[counted > 0]):.3g} times the median "
            f"cell; expected at most {LARGEST_CELL:g} times. {advice}"
        )
    if sea is not None and (share := counted[sea].sum() / EARTH_AREA) > LARGEST_SEA:
        raise GridError(
            f"Sea covers {share:.1%} of the Earth; expected about 71 % and at most {LARGEST_SEA:.0%}. Is land missing "
            "in the mask (zero or a value without _FillValue in place of missing)? Set land to NaN."
        )


def parallel_area(south: Array, north: Array, west: Array, east: Array) -> Array:
    """Return the areas [m2] of cells between parallels and meridians [degrees], shape (n_rows, n_columns).

    Raises
    ------
    GridError
        When an area is not positive.
    """
    height = np.abs(np.sin(np.deg2rad(north)) - np.sin(np.deg2rad(south)))
    width = np.deg2rad(np.abs((east - west + 180) % 360 - 180))
    area = EARTH_RADIUS**2 * height[:, None] * width[None, :]
    if not (area[np.isfinite(area)] > 0).all():
        raise GridError("Some cell areas are zero or negative; check the bounds of 'lat' and 'lon'.")
    return area


def curvilinear_area(dataset: xr.Dataset, centres: Array, topology: Topology) -> Array:
    """Return the areas [m2] of cells with 2-D coordinates; NaN where nothing tells them.

    From the vertices of the bounds, else from the centres, else from `areacello`. Bounds that disagree with the
    centres in more than `MAX_ODD_BOUNDS` of the cells are left aside with a warning: in EC-Earth3-Veg, for example,
    they run along parallels and meridians where the cells do not.

    Parameters
    ----------
    dataset : xarray.Dataset
        May hold `lat_bnds`, `lon_bnds` with four vertices per cell, and `areacello` [m2].
    centres : ndarray of shape (3, n_rows, n_columns)
        Unit vectors of the cell centres; NaN where unknown.
    topology : Topology
    """
    area = area_from_centres(centres, topology)
    if "lat_bnds" in dataset.variables and "lon_bnds" in dataset.variables:
        from_vertices = area_from_vertices(dataset["lat_bnds"].values, dataset["lon_bnds"].values, centres)
        both = np.isfinite(area) & np.isfinite(from_vertices) & _has_all_neighbours(centres, topology)
        odd = np.mean(np.abs(from_vertices[both] / area[both] - 1) > ODD_BOUNDS) if both.any() else 1.0
        if odd > MAX_ODD_BOUNDS:
            warn_once(f"Cell areas are taken from the centres: bounds contradict them in {odd:.0%} of cells.")
        else:
            area = np.where(np.isfinite(from_vertices), from_vertices, area)
    if "areacello" in dataset:
        published = dataset["areacello"].values.astype(float)
        area = np.where(np.isfinite(area), area, np.where(published > 0, published, np.nan))
    return area


def area_from_vertices(lat_bnds: Array, lon_bnds: Array, centres: Array) -> Array:
    """Return the areas [m2] of spherical quadrilaterals; NaN where the vertices are unusable (fill values on land).

    Parameters
    ----------
    lat_bnds, lon_bnds : ndarray of shape (n_rows, n_columns, 4)
        Vertices in order around each cell, either way [degrees].
    centres : ndarray of shape (3, n_rows, n_columns)
        Unit vectors; a cell whose centre is farther from the middle of its vertices than these are is not believed.

    Raises
    ------
    GridError
        When the shapes do not fit.
    """
    expected = (*centres.shape[1:], 4)
    if lat_bnds.shape != expected or lon_bnds.shape != expected:
        raise GridError(
            f"2-D bounds need shape {expected}; got {lat_bnds.shape} and {lon_bnds.shape}. "
            "Drop 'lat_bnds' and 'lon_bnds' to have areas from the centres."
        )
    lat, lon = np.asarray(lat_bnds, dtype=float), np.asarray(lon_bnds, dtype=float)
    sane = (np.abs(lat) <= 90.001) & (np.abs(lon) <= 1080)
    vertices = unit_vectors(np.where(sane, lat, np.nan), np.where(sane, lon, np.nan))
    area = EARTH_RADIUS**2 * np.abs(quadrilateral_area(vertices))
    middle = normalised(vertices.mean(axis=-1))
    reach = distance(vertices, middle[..., None]).max(axis=-1)
    return np.where((area > 0) & (distance(centres, middle) <= reach), area, np.nan)


def area_from_centres(centres: Array, topology: Topology) -> Array:
    """Return the areas [m2] of cells whose corners lie amid four centres, shape (n_rows, n_columns).

    Centres that are missing, beyond the end of the grid or on land without coordinates, are thought to lie as far away
    as those on the other side.
    """
    corners = [points_beside(centres, topology, step) for step in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    area = EARTH_RADIUS**2 * np.abs(quadrilateral_area(np.stack(corners, axis=-1)))
    return np.where(area > 0, area, np.nan)


def _has_all_neighbours(centres: Array, topology: Topology) -> NDArray[np.bool_]:
    """Return the cells whose corners lie amid stored centres; around a pole of the grid centres say too little."""
    steps = [(rows, columns) for rows in (-1, 0, 1) for columns in (-1, 0, 1)]
    complete = np.logical_and.reduce([np.isfinite(_stored(centres, topology, step)).all(axis=0) for step in steps])
    complete[[0, -1]] = False
    return complete


@cache
def warn_once(message: str) -> None:
    """Warn, of each thing once."""
    log.warning(message)


def points_beside(centres: Array, topology: Topology, step: tuple[int, int]) -> Array:
    """Return the points half a `step` = (rows, columns) from the centres: amid two or, at corners, four of them.

    Centres that are missing are thought to lie as far away as those on the other side.

    Parameters
    ----------
    centres : ndarray of shape (3, n_rows, n_columns)
        Unit vectors; NaN where unknown.
    topology : Topology
    step : (int, int)
        Each -1, 0 or 1, not both 0.

    Returns
    -------
    ndarray of shape (3, n_rows, n_columns)
        Unit vectors; NaN where nothing tells the point.
    """
    rows, columns = step
    if 0 in step:
        return normalised(centres + _next(centres, topology, step))
    along_row, along_column = _next(centres, topology, (rows, 0)), _next(centres, topology, (0, columns))
    diagonal = _stored(centres, topology, step)
    diagonal = np.where(np.isfinite(diagonal), diagonal, along_row + along_column - centres)
    return normalised(centres + along_row + along_column + diagonal)


def _next(centres: Array, topology: Topology, step: tuple[int, int]) -> Array:
    ahead, behind = _stored(centres, topology, step), _stored(centres, topology, (-step[0], -step[1]))
    return np.where(np.isfinite(ahead), ahead, 2 * centres - behind)


def _stored(centres: Array, topology: Topology, step: tuple[int, int]) -> Array:
    index = topology.locate(step).cell
    return np.where(index >= 0, centres.reshape(3, -1)[:, index], np.nan)
