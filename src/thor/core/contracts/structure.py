"""Names, dims and units of a dataset, checked against its contract without reading data."""

import xarray as xr

from thor.core.contracts.contract import Contract
from thor.core.errors import DataError, GridError, UnitsError, listed
from thor.core.variables import is_known, variable

_BOUNDS = ("_bnds", "_bounds", "_vertices")
_GRIDS = (("lat", "lon"), ("y", "x"))


def check_names(dataset: xr.Dataset, contract: Contract, where: str) -> list[str]:
    """Return the names of the fields that the contract knows; raise DataError for a missing or unknown one."""
    names = [str(name) for name in dataset.variables]
    beside = [name for name in contract.tables if name not in (contract.optional or ())]
    missing = [name for name in (*contract.required, *beside) if name not in names]
    if missing:
        fields = sorted(name for name in map(str, dataset.data_vars) if not name.endswith(_BOUNDS))
        raise DataError(
            f"{where}: variable '{missing[0]}' is missing; '{contract.name}' needs it. "
            f"There are {listed(fields, most=12) or 'no variables'}. Rename or add it."
        )
    allowed = (set(contract.required) | set(contract.optional or ())) - set(contract.tables)
    present = [name for name in names if name in allowed]
    for name in map(str, dataset.data_vars):
        if name in allowed or name in contract.tables or name.endswith(_BOUNDS) or contract.raw:
            continue
        if contract.optional is not None or not is_known(name):
            raise DataError(
                f"{where}: '{name}' has no place in '{contract.name}'. "
                "Rename or drop it, or give it a row in variables.yml."
            )
        present.append(name)
    return present


def check_dims(dataset: xr.Dataset, present: list[str], contract: Contract, where: str) -> tuple[str, str]:
    """Return the two dims of the grid; raise GridError unless all fields have them."""
    first = dataset[contract.required[0]]
    grid = next((grid for grid in _GRIDS if set(grid) <= set(first.dims)), None)
    if grid is None:
        raise GridError(
            f"{where}: '{first.name}' has dims {dims_text(first.dims)}; expected (lat, lon) or (y, x). "
            "Rename or transpose them."
        )
    for name in present:
        extra = contract.extra_dims.get(name, ())
        if contract.over_windows and "window" in dataset[name].dims:
            extra = ("window",)
        require_dims(dataset[name], (*extra, *grid), where)
        if dataset[name].dtype.kind not in "fiub":
            raise DataError(f"{where}: '{name}' is of type {dataset[name].dtype}; expected numbers. Save it as such.")
        if 0 in dataset[name].shape:
            raise GridError(f"{where}: '{name}' has no cell, shape {dataset[name].shape}.")
    return grid


def check_units(array: xr.DataArray, contract: Contract, where: str) -> float:
    """Return the factor to the units of the table of variables; raise UnitsError for units without one."""
    row, units = variable(str(array.name)), array.attrs.get("units")
    if units is None:
        raise UnitsError(f"{where}: '{array.name}' has no units attribute; expected '{row.units}'. Add it to the file.")
    factor = row.factor(units) if contract.raw else 1.0 if units == row.units else None
    if factor is not None:
        return factor
    valid = [row.units, *(row.accept if contract.raw else ())]
    raise UnitsError(
        f"{where}: '{array.name}' has units '{units}'; expected {' or '.join(repr(unit) for unit in valid)}. "
        "Correct the file's attribute, or declare the conversion in variables.yml."
    )


def check_depth_direction(dataset: xr.Dataset, present: list[str], where: str) -> None:
    """Raise DataError when depth is counted upward."""
    if "deptho" in present and dataset["deptho"].attrs.get("positive", "down") != "down":
        raise DataError(
            f"{where}: 'deptho' has positive = '{dataset['deptho'].attrs['positive']}'; "
            "depth is positive down in THOR. Change its sign and the attribute."
        )


def require_dims(array: xr.DataArray, expected: tuple[str, ...], where: str) -> None:
    """Raise GridError unless an array has these dims."""
    if array.dims != expected:
        more = [str(dim) for dim in array.dims if dim not in expected]
        remedy = "Rename or transpose them."
        if array.ndim > len(expected) and set(expected) <= set(array.dims):
            remedy = f"Take the mean over {', '.join(more)}, or select one by isel."
        raise GridError(
            f"{where}: '{array.name}' has dims {dims_text(array.dims)}; expected {dims_text(expected)}. {remedy}"
        )


def dims_text(dims: tuple) -> str:
    """Return dims as messages show them."""
    return f"({', '.join(map(str, dims))})"
