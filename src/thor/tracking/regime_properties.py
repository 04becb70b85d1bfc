"""Heat uptake, mixed layers and barotropic transport by regime and basin, from fields of one window."""

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import DataError, GridError, UnitsError
from thor.core.variables import variable
from thor.ocean.grid import Grid
from thor.tracking.fields import GLOBAL
from thor.tracking.regime_shares import NO_REGIME, ProbabilityBlock, basin_numbers, regime_sums, spread_over_networks

PETAWATT = 1e15

INPUTS = {"hfds": "W m-2", "mlotst": "m", "eastward_transport": "m2 s-1", "northward_transport": "m2 s-1"}
"""Fields from which properties are made, and their units."""

_MEANS = ("mixed_layer_depth", "eastward_transport", "northward_transport", "transport_magnitude")
"""Properties that are means over the area of a regime; the others are sums."""


def regime_properties(
    fields: xr.Dataset,
    blocks: Iterable[ProbabilityBlock],
    *,
    basin: xr.DataArray,
    regimes: Sequence[str],
    basins: Sequence[str] | None = None,
    deep_mixed_layer: float,
) -> xr.Dataset:
    """Return heat uptake, mixed layers and barotropic transport of one time mean by network, basin and regime.

    Parameters
    ----------
    fields : xarray.Dataset
        Any of `hfds` [W m-2, downward], `mlotst` [m], and `eastward_transport` with `northward_transport` [m2 s-1],
        depth-integrated, true components at T points; dims and coordinates of the grid; NaN on land. `areacello` [m2]
        and `sftof` [%], where they are given, are the area; otherwise it follows from the positions.
    blocks, basin, regimes
        As for `thor.tracking.overturning.overturning`.
    basins : sequence of str, optional
        Basins to keep apart; all by default.
    deep_mixed_layer : float
        Mixed layers deeper than this are deep [m]. Means over a year or window are far below the winter maximum.

    Returns
    -------
    xarray.Dataset
        Dims (network, basin, regime): sums `heat_uptake` [PW] and `deep_mixed_area` [m2], which add up over regimes
        and over basins but `global`; area-weighted means `mixed_layer_depth` [m], `eastward_transport`,
        `northward_transport` and `transport_magnitude` [m2 s-1], NaN where there is no area. Cells without a value
        have no area.

    Raises
    ------
    DataError, GridError, UnitsError
        When there is no field, one is on another grid or in other units, or probabilities cannot be used.
    """
    grid = Grid.from_dataset(fields)
    columns = _columns(fields, grid, deep_mixed_layer)
    number, names = basin_numbers(grid.on_cells(basin), basins)
    sea_area = _sea_area(fields, grid)
    cell = np.flatnonzero((sea_area > 0) & ~grid.duplicate.ravel())
    area = sea_area[cell]
    table = np.stack(list(columns.values()), axis=1)[cell]
    # the area of the cells with a value follows each column, for means
    table = np.concatenate([np.nan_to_num(table), np.isfinite(table)], axis=1) * area[:, None]
    sums = regime_sums(blocks, cell, number[cell], table, n_groups=len(names))
    sums = np.concatenate([sums, sums.sum(axis=1, keepdims=True)], axis=1)
    n_regimes, n_columns = sums.shape[2], len(columns)
    if n_regimes != len(regimes) + 1:
        raise DataError(f"There are probabilities of {n_regimes - 1} regimes; expected {', '.join(regimes)}.")
    out = xr.Dataset(coords={"basin": [*names, GLOBAL], "regime": [*regimes, NO_REGIME]})
    for place, name in enumerate(columns):
        values, of_area = sums[..., place], sums[..., n_columns + place]
        if name in _MEANS:
            values = np.divide(values, of_area, out=np.full(values.shape, np.nan), where=of_area > 0)
        out[name] = (("network", "basin", "regime"), values)
    return out.assign_attrs(deep_mixed_layer=deep_mixed_layer)


def properties_over_networks(properties: xr.Dataset, baseline: xr.Dataset | None = None, *, level: float) -> xr.Dataset:
    """Return the means of properties over networks with the ends of their intervals, and their changes.

    Parameters
    ----------
    properties : xarray.Dataset
        As from `regime_properties`.
    baseline : xarray.Dataset, optional
        The same of the window to compare with, by the same networks: the change is computed inside each network.
    level : float
        Level of the intervals over networks.

    Returns
    -------
    xarray.Dataset
        Dims (basin, regime): each property, and `<property>_change` where the baseline has it, with `_lower` and
        `_upper` ends.
    """
    values = dict(properties.data_vars)
    if baseline is not None:
        both = [name for name in properties.data_vars if name in baseline]
        values |= {f"{name}_change": properties[name] - baseline[name] for name in both}
    out = xr.Dataset(coords={name: properties[name] for name in ("basin", "regime")})
    for name, by_network in values.items():
        spread = spread_over_networks(by_network.transpose("network", "basin", "regime").values, level)
        for key, part in spread.named(str(name)).items():
            out[key] = (("basin", "regime"), part, variable(key).attrs)
    return out.assign_attrs(properties.attrs | {"interval_level": level, "n_networks": properties.sizes["network"]})


def _columns(fields: xr.Dataset, grid: Grid, deep_mixed_layer: float) -> dict[str, Array]:
    """Return by name the flat fields that are summed over cells."""
    given = {name: _flat(fields, name, units, grid) for name, units in INPUTS.items() if name in fields}
    columns = {}
    if "hfds" in given:
        columns["heat_uptake"] = given["hfds"] / PETAWATT
    if "mlotst" in given:
        depth = given["mlotst"]
        columns["mixed_layer_depth"] = depth
        columns["deep_mixed_area"] = np.where(np.isnan(depth), np.nan, depth > deep_mixed_layer)
    if "eastward_transport" in given and "northward_transport" in given:
        east, north = given["eastward_transport"], given["northward_transport"]
        columns |= {"eastward_transport": east, "northward_transport": north}
        columns["transport_magnitude"] = np.hypot(east, north)
    if not columns:
        raise DataError(f"None of {', '.join(INPUTS)} is given; got {', '.join(map(str, fields.data_vars))}.")
    return columns


def _sea_area(fields: xr.Dataset, grid: Grid) -> Array:
    """Return the area of the sea in each cell [m2], flat: what the fluxes of climate models are means over."""
    area = _flat(fields, "areacello", "m2", grid) if "areacello" in fields else grid.area.ravel()
    share = _flat(fields, "sftof", "%", grid) / 100 if "sftof" in fields else 1.0
    return np.nan_to_num(area * share)


def _flat(fields: xr.Dataset, name: str, units: str, grid: Grid) -> Array:
    if fields[name].attrs.get("units") != units:
        raise UnitsError(f"'{name}' has units {fields[name].attrs.get('units')!r}; expected '{units}'.")
    if set(fields[name].dims) != set(grid.dims):
        raise GridError(f"'{name}' needs the dims {', '.join(grid.dims)}; got {fields[name].dims}.")
    return grid.values(fields[name]).ravel()
