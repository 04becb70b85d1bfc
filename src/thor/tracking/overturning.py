r"""Meridional overturning by basin and regime, and the Atlantic overturning (AMOC) at 26.5N.

The streamfunction is the northward volume transport above a depth (or lighter than a density) through a closed line:

.. math:: \psi(y, z) = \int_z^0 \int v \, dx \, dz'.

It is 0 at the surface and positive where the flow above is northward, so a cell like that of the AMOC is positive. For
a closed basin it equals minus the integral from the bottom. Half of the transport through each face belongs to either
cell beside it, to its basin, and to its regimes in proportion to their probabilities. Hence parts of basins and regimes
add up to the whole. A part is not closed to zonal flow: at the bottom it has its net northward transport, and what that
gains from line to line flows in from other regimes or basins across the edges between the two lines.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray, Array, IntArray
from thor.core.errors import DataError
from thor.core.variables import variable
from thor.networks.split import OCEANS
from thor.ocean.constants import SVERDRUP
from thor.ocean.faces import LatitudeLines, each_level, latitude_lines, require_transports
from thor.ocean.grid import Grid
from thor.tracking.fields import GLOBAL
from thor.tracking.regime_shares import (
    NO_REGIME,
    ProbabilityBlock,
    Spread,
    basin_numbers,
    group_sums,
    regime_sums,
    spread_over_networks,
)

LATITUDES = tuple(np.arange(-79.5, 90.0))
"""Latitudes of the lines: every degree."""

AMOC_LATITUDE = 26.5
"""Latitude of the RAPID array [degrees_north]."""

AMOC_BASIN = "atlantic_ocean"


def overturning(
    transports: xr.Dataset,
    blocks: Iterable[ProbabilityBlock],
    *,
    basin: xr.DataArray,
    regimes: Sequence[str],
    latitudes: Sequence[float] = LATITUDES,
    basins: Sequence[str] = OCEANS,
    level: float,
    reference_density: float,
) -> xr.Dataset:
    """Return the overturning of one time mean by basin and regime.

    Parameters
    ----------
    transports : xarray.Dataset
        `umo` and `vmo` [kg s-1] through the faces on the +x and +y side of each cell, positive along the grid's axes;
        dims a vertical one (`lev` or density classes, increasing downward, with bounds) and those of the grid;
        coordinates `lat`, `lon`. Read chunk by chunk where they are backed by dask.
    blocks : iterable of ProbabilityBlock
        Probabilities of the regimes by network, as from `thor.tracking.regime_shares`.
    basin : xarray.DataArray
        CF flags, as from `thor.ocean.basins.basin_codes`.
    regimes : sequence of str
    latitudes : sequence of float
        Latitudes of the lines [degrees_north], increasing.
    basins : sequence of str
        Basins to keep apart; all other cells, as of marginal seas, are in `other`.
    level : float
        Level of the intervals over networks.
    reference_density : float
        By which mass transports are divided [kg m-3].

    Returns
    -------
    xarray.Dataset
        In Sv (1e6 m3 s-1): `overturning` (basin, lat, lev) and `overturning_by_regime` (basin,
        regime, lat, lev) at the lower edge of each level, `net_transport` and `net_transport_by_regime` through the
        whole depth, with `_lower` and `_upper` ends over networks. Dim `basin` ends with
        `other` and `global`, dim `regime` with `no_regime`. NaN where a basin has no face on a line. `section_depth`
        (basin, lat) is the lower edge of the deepest level with any transport. `amoc`, the maximum of the Atlantic
        overturning at the line nearest to 26.5N, `amoc_depth`, `amoc_by_regime` at that depth, and the latter of
        every network, `amoc_by_network`.

    Raises
    ------
    DataError, GridError, UnitsError
        When transports, probabilities or basins cannot be used.

    Notes
    -----
    In memory [bytes]: 8 n_levels n_pairs for the transports beside lines, n_pairs being about 2 n_lines n_columns;
    three times 8 n_networks n_groups (n_regimes + 1) n_levels, n_groups, the pairs of basin and line, being about
    3 n_lines; 250 for each cell of the grid; and one block of probabilities. At 0.25 degrees (1440 by 1080 cells) with
    75 levels, 170 lines, 50 networks and 6 regimes that is 0.3 + 0.3 + 0.4 GB.
    """
    grid = Grid.from_dataset(transports)
    vertical, bounds = require_transports(transports, grid)
    lines = latitude_lines(grid, latitudes)
    number, names = basin_numbers(grid.on_cells(basin), basins)
    # only pairs of basin and line that exist
    key, group = np.unique(number[lines.cell] * lines.latitudes.size + lines.line, return_inverse=True)
    beside, deepest = _transports_beside(lines, transports, vertical, grid, reference_density)
    whole = np.cumsum(group_sums(group, beside, key.size), axis=-1)
    sums = regime_sums(blocks, lines.cell, group, beside, n_groups=key.size)
    if sums.shape[2] != len(regimes) + 1:
        raise DataError(f"There are probabilities of {sums.shape[2] - 1} regimes; expected {', '.join(regimes)}.")
    del beside
    np.cumsum(sums, axis=-1, out=sums)
    groups = _Groups(key, group, (len(names), lines.latitudes.size))
    bottom = groups.deepest(deepest)
    dry = bottom < 0
    parts = groups.spread(sums, level)
    fields: dict[str, Any] = {
        "overturning": (("basin", "lat", vertical), _masked(groups.field(whole, groups.by_line(whole[None])[0]), dry)),
        "section_depth": (("basin", "lat"), np.where(dry, np.nan, bounds[bottom, 1])),
    }
    for end, values in parts.named("").items():
        by_regime = np.moveaxis(_masked(values, dry), 2, 1)
        fields[f"overturning_by_regime{end}"] = (("basin", "regime", "lat", vertical), by_regime)
        fields[f"net_transport_by_regime{end}"] = (("basin", "regime", "lat"), by_regime[..., -1])
    fields["net_transport"] = (("basin", "lat"), fields["overturning"][1][..., -1])
    place = int(np.abs(lines.latitudes - AMOC_LATITUDE).argmin())
    fields |= _amoc(fields["overturning"][1], sums, groups, names, place, bounds[:, 1], level)
    out = xr.Dataset(
        {name: (*field, variable(name).attrs) for name, field in fields.items()},
        coords={
            "basin": [*names, GLOBAL],
            "regime": [*regimes, NO_REGIME],
            "lat": ("lat", lines.latitudes, {"standard_name": "latitude", "units": "degrees_north"}),
            vertical: (vertical, bounds[:, 1], _level_attrs(transports[vertical])),
        },
    )
    for name in ("section_depth", "amoc_level"):
        out[name].attrs["units"] = out[vertical].attrs.get("units", "m")  # of density, in density classes
    return out.assign_attrs(
        sign="northward volume transport above each level; positive where it is northward, as in the upper AMOC",
        reference_density=reference_density,
        interval_level=level,
        n_networks=len(sums),
        amoc_basin=AMOC_BASIN,
        amoc_latitude=float(lines.latitudes[place]),
    )


def amoc_change(window: xr.Dataset, baseline: xr.Dataset) -> xr.Dataset:
    """Return the change of the AMOC and of the parts of the regimes from a baseline window.

    Parameters
    ----------
    window, baseline : xarray.Dataset
        As from `overturning`, of the same networks. Each window has its AMOC at the depth of its maximum.

    Returns
    -------
    xarray.Dataset
        `amoc_change` and `amoc_change_by_regime` [Sv], the latter with `_lower` and `_upper` ends over networks: the
        change is computed inside each network.
    """
    change = (window["amoc_by_network"] - baseline["amoc_by_network"]).transpose("network", "regime").values
    parts = spread_over_networks(change, window.attrs["interval_level"]).named("amoc_change_by_regime")
    fields: dict[str, Any] = {"amoc_change": ((), float(window["amoc"] - baseline["amoc"]))}
    fields |= {name: (("regime",), values) for name, values in parts.items()}
    return xr.Dataset(
        {name: (*field, variable(name).attrs) for name, field in fields.items()}, {"regime": window["regime"]}
    )


class _Groups:
    """The pairs of basin and line that exist; fields of all pairs have shape (n_basins + 1, n_lines, ...)."""

    def __init__(self, key: IntArray, group: IntArray, shape: tuple[int, int]) -> None:
        self.key, self.group, self.shape = key, group, shape
        self.line = key % shape[1]

    def number(self, basin: int, line: int) -> int | None:
        """Return the number of a pair; None where the basin has no cell beside the line."""
        found = np.flatnonzero(self.key == basin * self.shape[1] + line)
        return int(found[0]) if found.size else None

    def by_line(self, values: Array) -> Array:
        """Return sums (n, n_lines, ...) over basins of values (n, n_groups, ...)."""
        return np.stack([values[:, self.line == line].sum(axis=1) for line in range(self.shape[1])], axis=1)

    def field(self, values: Array, of_all: Array) -> Array:
        """Return values of groups and, as the last basin, of all basins as one field; 0 where there is no group."""
        out = np.zeros((self.shape[0] + 1, self.shape[1], *values.shape[1:]))
        out.reshape(-1, *values.shape[1:])[self.key] = values
        out[-1] = of_all
        return out

    def spread(self, sums: Array, level: float) -> Spread:
        """Return the spread over networks of sums (n_networks, n_groups, ...) as fields."""
        each = spread_over_networks(sums, level), spread_over_networks(self.by_line(sums), level)
        return Spread(*(self.field(part, of_all) for part, of_all in zip(*each, strict=True)))

    def deepest(self, of_pairs: IntArray) -> IntArray:
        """Return the deepest level with a transport in each basin and in all; -1 for none."""
        out = np.full((self.shape[0] + 1, self.shape[1]), -1)
        np.maximum.at(out.reshape(-1), self.key[self.group], of_pairs)
        out[-1] = out[:-1].max(axis=0)
        return out


def _level_attrs(levels: xr.DataArray) -> dict[str, Any]:
    attrs = {name: levels.attrs[name] for name in ("standard_name", "units") if name in levels.attrs}
    return attrs | {"long_name": "lower edge of each level or class", "positive": "down"}


def _transports_beside(
    lines: LatitudeLines, transports: xr.Dataset, vertical: str, grid: Grid, density: float
) -> tuple[Array, IntArray]:
    """Return half the northward transports [Sv] of each pair, by level, and the deepest level with any; -1 for none."""
    beside, deepest = np.empty((lines.cell.size, transports.sizes[vertical])), np.full(lines.cell.size, -1)
    for k, both in enumerate(each_level(transports, vertical, grid)):
        through = lines.faces.values(*both).astype(np.float64)
        beside[:, k] = lines.halves @ (through / (density * SVERDRUP))
        deepest[beside[:, k] != 0] = k
    return beside, deepest


def _amoc(
    total: Array,
    sums: Array,
    groups: _Groups,
    names: Sequence[str],
    line: int,
    edges: Array,
    level: float,
) -> dict[str, Any]:
    """Return the AMOC, its level, and its parts, NaN where the line does not cross the Atlantic."""
    basin = names.index(AMOC_BASIN) if AMOC_BASIN in names else None
    number = None if basin is None else groups.number(basin, line)
    amoc, edge = np.nan, np.nan
    by_network = np.full((sums.shape[0], sums.shape[2]), np.nan)
    if number is not None and np.isfinite(total[basin, line]).all():
        k = int(total[basin, line].argmax())
        amoc, edge, by_network = float(total[basin, line, k]), float(edges[k]), sums[:, number, :, k].copy()
    parts = spread_over_networks(by_network, level).named("amoc_by_regime")
    return {
        "amoc": ((), amoc),
        "amoc_level": ((), edge),
        "amoc_by_network": (("network", "regime"), by_network),
        **{name: (("regime",), values) for name, values in parts.items()},
    }


def _masked(field: Array, dry: AnyArray) -> Array:
    field[dry] = np.nan
    return field
