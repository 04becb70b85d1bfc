"""Checks of cell areas: whether a grid of the Earth can have them, and whether published ones are those of the grid."""

from typing import Literal, NamedTuple, Protocol

import numpy as np

from thor.core.arrays import Array, Mask
from thor.core.errors import GridError
from thor.ocean.constants import EARTH_RADIUS

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


class GridAreas(Protocol):
    """The attributes of a `thor.ocean.grid.Grid` that the checks of its areas use."""

    @property
    def lat(self) -> Array: ...  # noqa: D102
    @property
    def lon(self) -> Array: ...  # noqa: D102
    @property
    def area(self) -> Array: ...  # noqa: D102
    @property
    def duplicate(self) -> Mask: ...  # noqa: D102


AreaVerdict = Literal["usable", "constant factor", "other grid"]


class AreaCheck(NamedTuple):
    """Comparison of the areas of a grid with published ones.

    Attributes
    ----------
    verdict : {'usable', 'constant factor', 'other grid'}
        Whether the published areas are those of the grid, or those times a factor, or neither.
    sentence : str
        The verdict with its numbers, for a warning.
    n_cells : int
        Cells compared.
    median, quantile_99 : float
        Median of the deviation, ours over theirs minus one, and 99th percentile of its magnitude; NaN where no cell can
        be compared.
    total : float
        Sum of ours over sum of theirs, minus one; each cell counted once.
    ratio : float
        Median of theirs over ours.
    odd : float
        Share of the cells whose ratio differs from the median one by more than 10 %.
    """

    verdict: AreaVerdict
    sentence: str
    n_cells: int = 0
    median: float = np.nan
    quantile_99: float = np.nan
    total: float = np.nan
    ratio: float = np.nan
    odd: float = np.nan


def compare_areas(grid: GridAreas, areacello: Array) -> AreaCheck:
    """Return the differences of published cell areas from those of the grid, and whether they are usable.

    Parameters
    ----------
    grid : Grid
    areacello : ndarray
        Published cell areas [m2]; zero or NaN on land. Where a model publishes the ocean part of coastal cells only,
        those deviate.
    """
    if areacello.shape != grid.area.shape:
        sentence = f"'areacello' has shape {areacello.shape}, the grid {grid.area.shape}: areas of another grid"
        return AreaCheck("other grid", sentence)
    known = (areacello > 0) & np.isfinite(areacello) & np.isfinite(grid.area) & ~grid.duplicate
    if not known.any():
        sentence = "'areacello' is empty: no cell has both a position and a published area"
        return AreaCheck("other grid", sentence)
    ours, theirs = grid.area[known], areacello[known]
    deviation = ours / theirs - 1
    ratio = float(np.median(theirs / ours))
    odd = float(np.mean(np.abs(theirs / ours / ratio - 1) > ODD_AREA))
    verdict: AreaVerdict = "usable"
    sentence = f"and within {ODD_AREA:.0%} of that ratio in {1 - odd:.0%} of {known.sum()} cells"
    if odd > MAX_ODD_AREAS:
        verdict = "other grid"
        sentence = f"but off that ratio by more than {ODD_AREA:.0%} in {odd:.0%} of cells: areas of another grid"
    elif abs(ratio - 1) > LARGEST_FACTOR:
        verdict = "constant factor"
        sentence = f"alike in all: {'km2 called m2' if ratio < 1e-5 else 'areas times a factor'}"
    return AreaCheck(
        verdict,
        f"'areacello' is {ratio:.4g} times the areas of the positions in the median cell, {sentence}",
        n_cells=int(known.sum()),
        median=float(np.median(deviation)),
        quantile_99=float(np.quantile(np.abs(deviation), 0.99)),
        total=float(ours.sum() / theirs.sum() - 1),
        ratio=ratio,
        odd=odd,
    )


def check_areas(grid: GridAreas, area: Array | None = None, *, sea: Mask | None = None) -> None:
    """Raise GridError when areas cannot be those of cells on the Earth; repeated cells count once.

    Parameters
    ----------
    grid : Grid
    area : ndarray of shape (n_rows, n_columns), optional
        Cell areas [m2], for example published ones; those of the grid by default. NaN and zero are land.
    sea : ndarray of bool, shape (n_rows, n_columns), optional
        Where there is sea; without it the share of land is not checked.

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
