"""Checking a dataset against a contract, lazily: all rules are reductions, computed together in one pass."""

from collections.abc import Callable, Mapping
from typing import Any

import dask
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.contracts import structure
from thor.core.contracts.contract import MASKS, Contract, Regions, cells_text
from thor.core.contracts.rules import mask_is_binary
from thor.core.contracts.stages import CONTRACTS
from thor.core.contracts.structure import dims_text, require_dims
from thor.core.errors import DataError, GridError, did_you_mean
from thor.core.variables import UNDECLARED_FILL, Variable, variable

Found = Mapping[str, float]
"""The numbers of `_numbers` for one field."""

_Region = xr.DataArray | None


def check(dataset: xr.Dataset, stage: str, *, where: str) -> xr.Dataset:
    """Return the dataset if it keeps the contract; otherwise raise the first breach found.

    Parameters
    ----------
    dataset : xarray.Dataset
        Fields with dims (lat, lon) or (y, x), in memory or backed by dask.
    stage : str
        Name of one of `CONTRACTS`.
    where : str
        What the error calls the dataset: its file, or model and experiment.

    Raises
    ------
    DataError
        Missing or unknown variable, gap, fill value, value out of range, budget or probabilities that do not sum up.
    UnitsError
        Units missing, or other than the table's (raw: without a declared conversion).
    GridError
        Wrong dims, or coordinates from which no geometry can be built.
    """
    contract = find_contract(stage)
    present = structure.check_names(dataset, contract, where)
    grid = structure.check_dims(dataset, present, contract, where)
    tables = [name for name in contract.tables if name in dataset.variables]
    for name in tables:
        require_dims(dataset[name], contract.tables[name], where)
    factors = {name: structure.check_units(dataset[name], contract, where) for name in (*present, *tables)}
    structure.check_depth_direction(dataset, present, where)

    regions = _regions(dataset)
    region_of = {name: _region_of(name, contract, regions) for name in factors}
    numbers = {name: _numbers(dataset.variables[name], None) for name in ("lat", "lon") if name in dataset.variables}
    numbers |= {name: _numbers(dataset.variables[name], region) for name, region in region_of.items()}
    masks = [mask_is_binary(name) for name in MASKS if name in contract.required]
    judged = [rule(dataset, regions) for rule in (*masks, *contract.rules)]
    scalars = {key: value.data for more, _ in judged for key, value in more.items()}
    # All at once, so that dask reads each block once for all scalars.
    computed = dask.compute(*numbers.values(), scalars)
    of_field = {name: _merged(found) for name, found in zip(numbers, computed, strict=False)}
    values = {key: float(value) for key, value in computed[-1].items()}

    _check_coordinates(dataset, grid, of_field, contract, where)
    for name, factor in factors.items():
        _check_field(dataset, name, factor, of_field[name], contract, region_of[name], where)
    for _, verdict in judged:
        complaint = verdict(values)
        if complaint:
            raise DataError(f"{where}: {complaint}")
    return dataset


def find_contract(name: str) -> Contract:
    """Return the contract of that name.

    Raises
    ------
    DataError
        When there is none.
    """
    if name not in CONTRACTS:
        raise DataError(f"There is no contract '{name}' in thor.core.contracts.{did_you_mean(name, CONTRACTS)}")
    return CONTRACTS[name]


# -- numbers: what is computed, lazily ----------------------------------------------------------------------
def _regions(dataset: xr.Dataset) -> Regions:
    """Return the masks a dataset gives: `ocean`, `analysis`, `valid`; only those it can give."""
    regions: dict[str, xr.DataArray] = {}
    if "deptho" in dataset.variables:
        regions["ocean"] = dataset["deptho"].notnull()
        if "sftof" in dataset.variables:
            regions["ocean"] = regions["ocean"] & (dataset["sftof"] > 0)
    if "analysis_mask" in dataset.variables:
        regions["analysis"] = dataset["analysis_mask"] == 1
    elif "regime" in dataset.variables:
        regions["analysis"] = dataset["regime"] >= 0
    if "valid" in dataset.variables:
        regions["valid"] = dataset["valid"] == 1
    return {name: mask.reset_coords(drop=True) for name, mask in regions.items()}


def _region_of(name: str, contract: Contract, regions: Regions) -> _Region:
    over = variable(name).over
    if contract.raw or over == "anywhere" or name in (*contract.gaps, *contract.may_be_missing, *contract.tables):
        return None
    return regions.get(contract.over or over)


def _numbers(field: xr.Variable, region: _Region) -> dict[str, Any]:
    # Arrays of NumPy or dask: the same with xarray takes longer than to read a small file.
    array = field.data
    if isinstance(array, np.ndarray):
        found = _of_block(array)
    else:
        shape = (*((1,) * n for n in array.numblocks), (len(_MERGED),))
        found = array.map_blocks(_of_block, chunks=shape, new_axis=array.ndim, dtype=float)
    missing = xr.Variable(field.dims, ~np.isfinite(array)) & region.variable if region is not None else None
    return {"found": found, "gaps": 0 if missing is None else missing.data.sum()}


_MERGED: Mapping[str, Callable[..., Any]] = {
    "finite": np.sum,
    "infinite": np.sum,
    "fill": np.sum,
    "fill_value": np.max,
    "low": np.min,
    "high": np.max,
}
"""The numbers of a block, and how those of all blocks are put together."""


def _of_block(array: NDArray[Any]) -> NDArray[np.float64]:
    """Return the numbers of one block, shape (1, ..., 1, number)."""
    low, high = np.fmin.reduce(array, axis=None), np.fmax.reduce(array, axis=None)
    if low >= -UNDECLARED_FILL and high <= UNDECLARED_FILL:  # nearly always
        numbers = [np.count_nonzero(array == array), 0, 0, -np.inf, low, high]
    else:
        finite = np.isfinite(array)
        fill = finite & (abs(array) > UNDECLARED_FILL)
        measured = finite & ~fill
        numbers = [
            *(finite.sum(), np.isinf(array).sum(), fill.sum(), np.where(fill, array, -np.inf).max()),
            *(np.where(measured, array, np.inf).min(), np.where(measured, array, -np.inf).max()),
        ]
    return np.array(numbers, dtype=float).reshape((1,) * array.ndim + (-1,))


def _merged(computed: Mapping[str, Any]) -> Found:
    blocks = computed["found"].reshape(-1, len(_MERGED))
    return {name: float(merge(blocks[:, k])) for k, (name, merge) in enumerate(_MERGED.items())} | {
        "gaps": float(computed["gaps"])
    }


# -- verdicts -----------------------------------------------------------------------------------------------
def _check_coordinates(
    dataset: xr.Dataset, grid: tuple[str, str], numbers: Mapping[str, Found], contract: Contract, where: str
) -> None:
    for name in ("lat", "lon"):
        if name not in dataset.variables:
            raise GridError(
                f"{where}: coordinate '{name}' is missing; expected dims {dims_text(grid)} with lat and lon."
            )
        expected = (name,) if grid == ("lat", "lon") else grid
        require_dims(dataset[name], expected, where)
        found = numbers[name]
        if found["fill"]:
            raise GridError(
                f"{where}: coordinate '{name}' holds the undeclared fill value {found['fill_value']:.4g} in "
                f"{cells_text(found['fill'])}. Declare it as _FillValue, or replace it by the true coordinate."
            )
        if not found["finite"] or (len(expected) == 1 and found["finite"] < dataset[name].size):
            raise GridError(f"{where}: coordinate '{name}' holds NaN; expected a position for every row and column.")
    south, north = numbers["lat"]["low"], numbers["lat"]["high"]
    if south < -90 or north > 90:
        raise GridError(f"{where}: latitudes run from {south:g} to {north:g}; expected -90 to 90 degrees north.")
    low, high = numbers["lon"]["low"], numbers["lon"]["high"]
    if contract.raw:
        if low < -360 or high > 720 or high - low > 360:
            raise GridError(f"{where}: longitudes run from {low:g} to {high:g}: two conventions in one file?")
    elif low < 0 or high >= 360:
        raise GridError(f"{where}: longitudes run from {low:g} to {high:g}; expected [0, 360). Take them modulo 360.")
    if grid == ("lat", "lon"):
        _check_regular(dataset, contract, where)


def _check_regular(dataset: xr.Dataset, contract: Contract, where: str) -> None:
    steps = np.diff(dataset["lat"].values)
    if not (np.all(steps > 0) or (contract.raw and np.all(steps < 0))):
        row = int(np.argmax(steps * np.sign(np.median(steps) or 1.0) <= 0))
        here, there = dataset["lat"].values[row : row + 2]
        raise GridError(
            f"{where}: latitude is {'descending' if np.all(steps < 0) else 'not monotonic'} "
            f"(row {row} at {here:g}, row {row + 1} at {there:g}); expected ascending. Sort the rows by lat."
        )
    longitudes = np.sort(np.mod(dataset["lon"].values.astype(float), 360.0))
    if np.any(np.diff(longitudes) < 1e-6):
        raise GridError(f"{where}: two columns share one longitude modulo 360; drop the duplicated columns.")


def _check_field(
    dataset: xr.Dataset, name: str, factor: float, found: Found, contract: Contract, region: _Region, where: str
) -> None:
    row = variable(name)
    if found["fill"]:
        raise DataError(
            f"{where}: '{name}' holds the undeclared fill value {found['fill_value']:.4g} in "
            f"{cells_text(found['fill'])}. Declare it as _FillValue in the file, or set those cells to NaN."
        )
    if found["infinite"]:
        raise DataError(f"{where}: '{name}' is infinite in {cells_text(found['infinite'])}.")
    if not found["finite"]:
        if name in contract.may_be_missing or name in contract.tables:
            return
        raise DataError(f"{where}: '{name}' is NaN in every cell. Check the file it was read from, and its mask.")
    _check_range(row, found["low"] * factor, found["high"] * factor, where)
    if region is not None and found["gaps"]:
        raise DataError(
            f"{where}: '{name}' is NaN in {cells_text(found['gaps'])} of the {contract.over or row.over} region"
            f"{_first(dataset, name, region)}; expected finite values there. Correct the field or its mask."
        )


def _check_range(row: Variable, low: float, high: float, where: str) -> None:
    if row.name == "deptho" and low < 0:
        raise DataError(
            f"{where}: 'deptho' runs from {low:g} to {high:g} m; depth is positive down in THOR, land is NaN. "
            "Change its sign, or mask what lies above the sea."
        )
    least, most = row.valid_range
    slack = 1e-6 * max(abs(least), abs(most))  # float32 files round beyond a limit they keep
    if low < least - slack or high > most + slack:
        raise DataError(
            f"{where}: '{row.name}' runs from {low:g} to {high:g} {row.units}; expected {least:g} to {most:g}. "
            "Check its units and fill values."
        )


def _first(dataset: xr.Dataset, name: str, region: xr.DataArray) -> str:
    gaps = dataset[name].reset_coords(drop=True).isnull() & region
    gaps = gaps.transpose(..., *dataset[name].dims[-2:])
    place = tuple(int(index[0]) for index in np.nonzero(gaps.values))[-2:]
    lat, lon = dataset["lat"], dataset["lon"]
    at = (lat[place[0]], lon[place[1]]) if lat.ndim == 1 else (lat[place], lon[place])
    return f", first at latitude {float(at[0]):.4g}, longitude {float(at[1]):.4g}"
