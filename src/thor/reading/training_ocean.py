"""The training ocean on any structured grid, cleaned by the same steps as climate models."""

from functools import reduce

import numpy as np
import xarray as xr

from thor.core.errors import DataError, GridError
from thor.core.variables import STRESS, is_known, table, variable
from thor.ocean.budget import has_all_terms
from thor.reading import steps
from thor.reading.checks import check_physics, with_doubt
from thor.reading.fields import clean_field
from thor.reading.means import UNWRITTEN
from thor.reading.positions import common_dims, positions
from thor.reading.quirks import Quirks
from thor.reading.steps import Context, rows_and_columns_ascending

STRESS_COORDINATES = ("lat_u", "lon_u", "lat_v", "lon_v")
"""Coordinates with the positions of staggered stress."""


def harmonise(raw: xr.Dataset, *, strict: bool = False) -> xr.Dataset:
    """Return the training ocean with canonical units and names, longitudes in [0, 360), one mask and one datum.

    Parameters
    ----------
    raw : xarray.Dataset
        `zos`, `deptho`, the five budget terms and, if there is one, `tauuo`, `tauvo`, `areacello`, `sftof`,
        `analysis_mask`, `reference_regime`, in any unit the table of variables accepts, with latitudes and longitudes
        in 1-D or 2-D (regular, curvilinear or tripolar grid). Stress on other points than `zos` has the same shape, and
        its positions in coordinates `lat_u`, `lon_u`, `lat_v`, `lon_v`; attribute `stress_convention`, or the
        attributes of the stress, may say which components they are (`thor.ocean.stress`).
    strict : bool, optional
        Whether a physical check that is not passed is an error instead of a warning.

    Returns
    -------
    xarray.Dataset, dims (lat, lon) or (y, x)
        The same variables, land as NaN, with `areacello` [m2], `sftof` [%] and `analysis_mask` added where missing. The
        area-weighted mean of `zos` over the ocean is removed and kept in the attribute `removed_mean` of `zos`.

    Raises
    ------
    UnitsError, GridError, DataError
        When units are missing or unknown, coordinates unusable, or a field is upside down.
    """
    where = "training ocean"
    ocean = _on_positions(raw, where)
    ocean = ocean.assign({str(name): clean_field(ocean[name], where) for name in ocean.data_vars})
    ocean = rows_and_columns_ascending(ocean)
    require_positive_depth(ocean)
    # The axes of a regular grid are east and north.
    regular = ocean["lat"].ndim == 1 and "lat_u" not in ocean.coords
    quirks = Quirks(stress_convention=raw.attrs.get("stress_convention", "true_east_north" if regular else None))
    context = Context(where, ocean.coords.to_dataset(), quirks, masked_basins=(), reference_density=np.nan)
    ocean = reduce(lambda ocean, step: step(ocean, context), TRAINING_STEPS, ocean)
    return check_physics(ocean, context.grid, where=where, strict=strict)


def _on_positions(raw: xr.Dataset, where: str) -> xr.Dataset:
    """Return the variables that THOR knows on dims (lat, lon) or (y, x), with coordinates under common names."""
    known = [str(name) for name in raw.data_vars if is_known(str(name))]
    if "zos" not in known:
        raise DataError(f"The {where} has no 'zos'; it has {', '.join(map(str, raw.data_vars))}. Rename or add it.")
    place, names = positions(raw, "zos", where=where), common_dims(raw, "zos", where=where)
    dims = tuple(names.values())
    out = xr.Dataset(coords=place.coords)
    for name in known:
        field = raw[name].drop_vars(raw[name].coords).rename({d: n for d, n in names.items() if d in raw[name].dims})
        if set(field.dims) != set(dims):
            raise GridError(
                f"{where}: '{name}' has dims {raw[name].dims}; expected a time mean with dims {tuple(names)}, those of "
                "'zos'."
            )
        out[name] = field.transpose(*dims)
    for name in STRESS_COORDINATES:
        if name in raw.variables:
            values = raw[name].rename({d: n for d, n in names.items() if d in raw[name].dims}).variable
            out = out.assign_coords({name: values})
    return out.assign_attrs(raw.attrs)


def require_positive_depth(ocean: xr.Dataset) -> None:
    """Raise DataError when depth is counted upward; on land it may have any value."""
    if "deptho" not in ocean:
        raise DataError("The training ocean has no 'deptho' [m, positive down]. Rename or add it.")
    depth = ocean["deptho"].where(ocean["zos"].notnull())
    if ocean["deptho"].attrs.get("positive") == "up" or float(depth.min()) < 0:
        raise DataError(
            f"'deptho' must be positive down; got {float(depth.min()):g} to {float(depth.max()):g} m. Change its sign, "
            "or make land NaN."
        )


# -- steps ---------------------------------------------------------------------------------------------------------
def mask_without_stress(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Take cells as land that have no stress, where it is given on the same points as sea level."""
    if not set(STRESS) <= set(ocean.data_vars) or "lat_u" in ocean.coords:
        return ocean
    known = ocean["tauuo"].notnull() & ocean["tauvo"].notnull()
    return ocean.assign(zos=ocean["zos"].where(known))


def add_analysis_mask(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Use the budget wherever all terms are finite at sea, unless the data has a mask; doubt one that covers land."""
    known, sea = has_all_terms(ocean), ocean["deptho"].notnull()
    if "analysis_mask" not in ocean:
        return ocean.assign(analysis_mask=(known & sea).astype("int8"))  # terms may be 0 on land
    known &= ocean["analysis_mask"] == 1
    n_cells, n_land = int(known.sum()), int((known & ~sea).sum())
    if n_land > UNWRITTEN * n_cells:
        sentence = f"{n_land} of its {n_cells} cells have no depth or sea level, but their terms are clustered"
        return with_doubt(ocean, "analysis_mask", f"{sentence}. Does it cover land? Set it to 0 there")
    return ocean


def add_attributes(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Add the attributes of the table to every variable, and the removed mean to sea level."""
    out = ocean.drop_vars("removed_mean")
    for name in out.data_vars:
        if name in table():
            out[name].attrs = out[name].attrs | variable(str(name)).attrs
    out["zos"].attrs |= {"removed_mean": float(ocean["removed_mean"]), "removed_mean_units": "m"}
    return out


TRAINING_STEPS = (
    steps.add_sea_area,
    steps.add_cell_area,
    steps.add_stress_convention,
    mask_without_stress,
    steps.mask_land,
    steps.require_areas_on_earth,
    steps.suggest_stress_points,
    steps.mask_land_stress,
    steps.remove_mean_sea_level,
    add_analysis_mask,
    add_attributes,
)
"""The steps applied to the training ocean, in this order."""
