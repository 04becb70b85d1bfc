"""Checks that detect transports with a wrong sign, unit, grid or place: known currents, and the balance of mass."""

from typing import NamedTuple

import numpy as np

from thor.core.arrays import Array, Mask
from thor.core.errors import DataError
from thor.core.warn import warn_once
from thor.ocean.grid import Grid
from thor.ocean.operators import curl
from thor.ocean.topology import joined_pieces
from thor.ocean.transports import net_outflow, outflows, transport_vector

DRAKE_PASSAGE = (80.0, 250.0)
"""Eastward transport through Drake Passage [Sv] that ocean models have; observed 173 +- 11 (Donohue et al. 2016,
doi:10.1002/2016GL070319)."""

IMPOSSIBLE_TRANSPORT = 1000.0
"""Transport through Drake Passage [Sv] that no ocean has: the units are wrong."""

STILL = 1.0
"""Transport through Drake Passage [Sv] below which its two coasts have one value of the streamfunction."""

LARGEST_NET_OUTFLOW = 0.05
"""Rms of the net outflow of cells over that of the transport through their faces. Measured: 3e-4 in the ten-year mean
of a 4-degree MITgcm; a component of the wrong sign gives more than 1."""

IMPOSSIBLE_NET_OUTFLOW = 0.2
"""The same ratio where faces are wrong however little sea level changes: weak currents, or a coarse grid."""

LARGEST_LEVEL_CHANGE = 3e-6
"""Rms of the net outflow over the area [m s-1]: three times what rain, rivers and ice supply at most where they are
largest. A sea level drifts by less than 1e-9 m s-1."""

_PASSAGE_LON, _PASSAGE_LAT, _REACH = 291.0, (-80.0, -50.0), 20.0
_GYRE_LAT, _GYRE_LON = (50.0, 65.0), (300.0, 340.0)


class TransportNumbers(NamedTuple):
    """What the checks measured.

    Attributes
    ----------
    drake_passage_sv : float
        Eastward transport at 69W [Sv]; NaN where the passage is closed or not on the grid.
    subpolar_circulation : float
        Area integral of the curl of the transport over the subpolar North Atlantic [m3 s-1], positive if cyclonic.
    net_outflow_ratio : float
        Rms of the net outflow of cells over that of the transport through their faces [1].
    level_change : float
        Rms of the net outflow over the area of the cell [m s-1].
    """

    drake_passage_sv: float
    subpolar_circulation: float
    net_outflow_ratio: float
    level_change: float


def measure_transports(u: Array, v: Array, grid: Grid, *, sea: Mask) -> TransportNumbers:
    """Return the numbers that the checks compare.

    Parameters
    ----------
    u, v : ndarray of shape (n_rows, n_columns), [m3 s-1]
        Depth-integrated, as for `thor.ocean.transports.outflows`.
    grid : Grid
    sea : ndarray of bool, shape (n_rows, n_columns)
        T cells with sea.
    """
    cells = sea & ~grid.duplicate
    net, out = net_outflow(u, v, grid), outflows(u, v, grid)
    gross = np.sqrt(np.mean([np.square(flow[cells]) for flow in out.values()]))
    eastward, northward = (np.where(sea, part, np.nan) for part in transport_vector(u, v, grid))
    gyre = cells & _between(grid.lat, _GYRE_LAT) & _between(grid.lon % 360, _GYRE_LON)
    return TransportNumbers(
        drake_passage_transport_of(u, v, grid) if drake_passage_is_open(grid, sea=sea) else np.nan,
        float(np.nansum((curl(eastward, northward, grid) * grid.area)[gyre])) if gyre.any() else np.nan,
        float(np.sqrt(np.mean(np.square(net[cells]))) / gross) if gross > 0 else np.nan,
        float(np.sqrt(np.nanmean(np.square(net[cells] / grid.area[cells])))),
    )


def drake_passage_transport_of(u: Array, v: Array, grid: Grid) -> float:
    """Return the eastward transport through Drake Passage at 69W, along the faces of any grid.

    Returns
    -------
    float
        [Sv]; NaN where no face at sea lies there.
    """
    near, east_of = _near_passage(grid)
    west, east = near & (east_of < 0), (near & (east_of >= 0)).astype(float)
    through = [flow[west & (grid.neighbour(east, step) == 1)] for step, flow in outflows(u, v, grid).items()]
    total = np.concatenate(through)
    return float(total.sum()) * 1e-6 if (total != 0).any() else np.nan


def drake_passage_is_open(grid: Grid, *, sea: Mask) -> bool:
    """Return whether cells at sea lead through Drake Passage; not in some past climates and idealized oceans."""
    near, east_of = _near_passage(grid)
    near &= sea
    here, there = [], []
    for step in ((0, 1), (1, 0)):
        cell = grid.topology.locate(step).cell.ravel()
        beside = np.flatnonzero(near.ravel() & (cell >= 0) & near.ravel()[cell])
        here.append(beside)
        there.append(cell[beside])
    piece = joined_pieces(np.hstack(here), np.hstack(there), near.size).reshape(near.shape)
    west, east = near & (east_of < -_REACH / 2), near & (east_of > _REACH / 2)
    return bool(np.isin(piece[west], piece[east]).any())


def check_transports(
    u: Array, v: Array, grid: Grid, *, sea: Mask, where: str, strict: bool = False
) -> TransportNumbers:
    """Return the numbers of `measure_transports`; raise DataError where they show wrong data.

    Parameters
    ----------
    u, v, grid, sea
        As for `measure_transports`.
    where : str
        Name of the run and window in messages; the model comes first.
    strict : bool
        Whether a transport through Drake Passage outside `DRAKE_PASSAGE` is an error instead of a warning, which comes
        once for a model: coarse models have less.

    Raises
    ------
    DataError
        When no water flows along one axis, cells gain or lose more than `LARGEST_NET_OUTFLOW` and
        `LARGEST_LEVEL_CHANGE` allow, or more than `IMPOSSIBLE_NET_OUTFLOW`, water flows westward through an open Drake
        Passage, less than `STILL` or more than `IMPOSSIBLE_TRANSPORT`, or the subpolar North Atlantic is anticyclonic.
    """
    for axis, through in (("columns", u), ("rows", v)):
        if not (np.abs(through) > 0).any():
            raise DataError(
                f"{where}: no water flows from one cell to another along {axis}. A month without a value has no mean: "
                "are files of 'umo', 'vmo' or 'msftbarot' damaged, or a part of them not written? Fetch them again."
            )
    numbers = measure_transports(u, v, grid, sea=sea)
    ratio = numbers.net_outflow_ratio
    if ratio > IMPOSSIBLE_NET_OUTFLOW or (ratio > LARGEST_NET_OUTFLOW and numbers.level_change > LARGEST_LEVEL_CHANGE):
        raise DataError(
            f"{where}: the transports do not balance: the net outflow of cells is {ratio:.1%} of "
            f"the transport through their faces, {numbers.level_change:.1e} m s-1 of sea level (rms); expected at most "
            f"{LARGEST_NET_OUTFLOW:.0%}. One component has the wrong sign, lies on the other side of its cells "
            "(stress_side in the quirk table), or both were interpolated to this grid: get them on the native grid."
        )
    drake, (low, high) = numbers.drake_passage_sv, DRAKE_PASSAGE
    if drake < STILL or drake > IMPOSSIBLE_TRANSPORT:
        remedy = (
            "Is msftbarot zero at all coasts, in place of its value or of missing? Get 'umo' and 'vmo' instead. Are "
            "'umo' and 'vmo' in other units than their attribute says? Correct it."
            if abs(drake) < STILL
            else "The sign is reversed: for msftbarot set streamfunction_sign: -1 of this model in "
            "data_engineering.quirks; of 'umo' and 'vmo' get other files."
            if drake < 0
            else "The units are not those that the file states: correct its attribute."
        )
        raise DataError(
            f"{where}: {drake:.0f} Sv flow eastward through Drake Passage at 69W; expected {low:.0f} to {high:.0f} Sv. "
            f"{remedy}"
        )
    if numbers.subpolar_circulation < 0:
        raise DataError(
            f"{where}: the subpolar North Atlantic (50N-65N, 60W-20W) turns anticyclonically, with a circulation of "
            f"{numbers.subpolar_circulation:.2g} m3 s-1; expected a cyclonic gyre, above zero. Rows are in another "
            "order than their latitudes, or both components have the wrong sign."
        )
    if np.isfinite(drake) and not low <= drake <= high:
        expected = f"ocean models have {low:.0f} to {high:.0f} Sv"
        if strict:
            raise DataError(
                f"{where}: {drake:.0f} Sv flow eastward through Drake Passage; {expected}. Set data_engineering.strict "
                "to false to accept it."
            )
        strength = "weak" if drake < low else "strong"
        warn_once(where.split("/")[0], f"the flow through Drake Passage is {strength} (drake_passage_sv); {expected}")
    return numbers


def _near_passage(grid: Grid) -> tuple[Mask, Array]:
    """Return which cells lie around Drake Passage, and how far east of it [degrees]."""
    east_of = (grid.lon - _PASSAGE_LON + 180) % 360 - 180
    return _between(grid.lat, _PASSAGE_LAT) & (np.abs(east_of) < _REACH) & ~grid.duplicate, east_of


def _between(values: Array, limits: tuple[float, float]) -> Mask:
    return (values > limits[0]) & (values < limits[1])
