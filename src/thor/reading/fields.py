"""Values of one variable: units, fill values and levels; one rule for every ocean."""

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from thor.core.errors import UnitsError
from thor.core.variables import UNDECLARED_FILL, variable
from thor.core.warn import warn_once
from thor.reading.files import naming, read_file
from thor.reading.positions import common_dims, positions
from thor.reading.senses import in_common_sense, sense


def read_field(path: Path, variable_id: str, *, where: str, stated: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Return a field without time, in canonical units and on its positions.

    Parameters
    ----------
    path : Path
        A file of a climate model.
    variable_id : str
    where : str
        Name of the model in warnings, each of which comes once.
    stated : mapping, optional
        Attributes of the variable in place of those in the file.

    Returns
    -------
    xarray.Dataset, dims (lat, lon) or (y, x)
        The variable, and coordinates as from `thor.reading.positions.read_positions`.

    Raises
    ------
    UnitsError
        When units are missing or unknown.
    GridError, DataError
        When there are no positions, or the file cannot be read.
    """
    with naming(path):
        dataset = read_file(path, variable_id)
        field = _rows_before_columns(dataset, variable_id, where)
        field = clean_field(field.assign_attrs(stated or {}), where)
        out = positions(dataset, variable_id, where=where)
    dims = ("lat", "lon") if out["lat"].ndim == 1 else ("y", "x")
    return out.assign({variable_id: (dims, field.values.astype(float), variable(variable_id).attrs)})


def _rows_before_columns(dataset: xr.Dataset, variable_id: str, where: str) -> xr.DataArray:
    """Return a field with latitude before longitude, by the names of its dims."""
    field = dataset[variable_id]
    grid = tuple(common_dims(dataset, variable_id, where=where))
    if field.dims[-2:] == grid:
        return field
    warn_once(where, f"'{variable_id}' is stored as ({', '.join(map(str, field.dims))}); put latitude before longitude")
    return field.transpose(..., *grid)


def clean_field(field: xr.DataArray, where: str) -> xr.DataArray:
    """Return a field without levels, foreign units and undeclared fill values."""
    # units first: values in small ones may be as large as fill values
    steps = (column_maximum, canonical_units, fill_to_missing, shares_in_per_cent)
    return reduce(lambda field, step: step(field, where), steps, field)


def column_maximum(field: xr.DataArray, where: str) -> xr.DataArray:
    """Take the column's maximum where a depth is given for each level."""
    extra = [dim for dim in field.dims[:-2] if field.sizes[dim] > 1]
    if extra:
        warn_once(where, f"'{field.name}' is given along {', '.join(map(str, extra))}; the column's maximum is taken")
    return field.max(field.dims[:-2], keep_attrs=True) if field.ndim > 2 else field


def fill_to_missing(field: xr.DataArray, where: str) -> xr.DataArray:
    """Take values that no measurement reaches as missing."""
    wrong = np.abs(field) > UNDECLARED_FILL
    if not bool(wrong.any()):
        return field
    warn_once(where, f"{int(wrong.sum())} cells of '{field.name}' hold an undeclared fill value; taken as missing")
    return field.where(~wrong)


def canonical_units(field: xr.DataArray, where: str) -> xr.DataArray:
    """Convert to the units and the sense of the table of variables."""
    name = str(field.name)
    factor = stored_factor(name, field.attrs, where)
    warn_of_conversions(name, [field.attrs], where)
    if factor == 1.0:
        return field.assign_attrs(units=variable(name).units)
    attrs = in_common_sense(field.attrs) if factor < 0 else field.attrs
    return (field * factor).assign_attrs(attrs | {"units": variable(name).units})


def shares_in_per_cent(field: xr.DataArray, where: str) -> xr.DataArray:
    """Convert shares of sea that are fractions although their units are per cent, or the reverse."""
    largest = float(field.max()) if field.name == "sftof" else 100.0
    factor = 100.0 if 0 < largest < 1.01 else 0.01 if 1000 < largest < 10100 else 1.0
    if factor == 1.0:
        return field
    warn_once(where, f"'{field.name}' is up to {largest:g} % by its units; taken as up to {factor * largest:g} %")
    return (factor * field).assign_attrs(field.attrs)


def stored_factor(variable_id: str, attrs: Mapping[str, Any], where: str) -> float:
    """Return the factor that turns stored values into the units and the sense of the table of variables.

    Parameters
    ----------
    variable_id : str
    attrs : mapping
        Attributes of the variable in the file.
    where : str

    Raises
    ------
    UnitsError, DataError
        As from `unit_factor` and `thor.reading.senses.sense`.
    """
    return sense(variable_id, attrs, where) * unit_factor(variable_id, attrs.get("units"), where)


def warn_of_conversions(variable_id: str, attrs: Sequence[Mapping[str, Any]], where: str) -> None:
    """Warn of files of one variable, by its attributes in each, of which some are turned or have other units."""
    units = dict.fromkeys(str(each.get("units")) for each in attrs)
    if len(units) > 1:
        warn_once(where, f"units change within the series ({', '.join(units)}); each file is converted by its units")
    n_turned = sum(sense(variable_id, each, where) < 0 for each in attrs)
    if n_turned:
        files = f" in {n_turned} of {len(attrs)} files" if len(attrs) > 1 else ""
        warn_once(where, f"'{variable_id}' is stored positive in the opposite sense{files}, by its attributes; turned")


def unit_factor(variable_id: str, units: str | None, where: str) -> float:
    """Return the factor that turns values in these units into the units of the table of variables.

    Raises
    ------
    UnitsError
        When units are missing, or the table declares no conversion.
    """
    row = variable(variable_id)
    # some files have the number 1
    units = None if units is None else str(units)
    factor = row.factor(units)
    if factor is not None:
        return factor
    valid = ", ".join(repr(unit) for unit in (row.units, *row.accept))
    raise UnitsError(
        f"{where}: '{variable_id}' has {f'units {units!r}' if units else 'no units'}; expected one of {valid}. "
        "Correct the file's attribute, state the right one in data_engineering.quirks (attributes), or declare the "
        "conversion in thor/core/variables.yml."
    )
