"""Clean an ocean: one function per known defect, Dataset to Dataset, for the training ocean and climate models.

An ocean here is a dataset with `zos`, `deptho` and where it has them `tauuo`, `tauvo`, `areacello`, `sftof`, in
canonical units, on dims (lat, lon) of 1-D coordinates or (y, x) of 2-D ones; what changes with time may have a first
dim `window`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from thor.core.errors import DataError, GridError, listed
from thor.core.variables import ICE_MASS, STRESS, variable
from thor.core.warn import warn_once
from thor.ocean.area_checks import check_areas, compare_areas
from thor.ocean.basins import basin_codes, in_basin
from thor.ocean.grid import Grid
from thor.ocean.stress import detect_convention
from thor.ocean.stress_points import mask_stress_on_land, stress_on_assumed_points, suggest_points
from thor.reading.checks import doubt_masks, with_doubt
from thor.reading.files import naming
from thor.reading.means import DAMAGED, UNWRITTEN
from thor.reading.orders import ascending_order, storage_order
from thor.reading.positions import meshed, same_positions
from thor.reading.quirks import Quirks

log = logging.getLogger(__name__)

DEPRESSED = -2.5
"""Sea level [m] relative to its ocean mean below which the weight of sea ice is suspected."""


@dataclass(frozen=True, eq=False)
class Context:
    """What the steps need beside the fields.

    Attributes
    ----------
    where : str
        Name of the ocean in messages.
    places : xarray.Dataset
        Coordinates `lat`, `lon` of the cells, and their bounds if there are any.
    quirks : Quirks
    masked_basins : sequence of str
        Basins taken as land (`thor.ocean.basins.basin_names`): enclosed seas.
    reference_density : float
        Of sea water [kg m-3], to turn the mass of sea ice into a height.
    """

    where: str
    places: xr.Dataset
    quirks: Quirks
    masked_basins: Sequence[str]
    reference_density: float

    @property
    def model(self) -> str:
        """The climate model, for warnings that come once for all its runs."""
        return self.where.split("/")[0]

    @cached_property
    def grid(self) -> Grid:
        """The grid of the T points."""
        with naming(self.where):
            return Grid.from_dataset(self.places)


# -- assembly ------------------------------------------------------------------------------------------------------
def with_stress_points(ocean: xr.Dataset, places: dict[str, xr.Dataset], where: str) -> xr.Dataset:
    """Add the positions of the stress as `lat_u`, `lon_u`, `lat_v`, `lon_v`, where they are not those of sea level.

    They are put into the order of rows and columns in which sea level is stored (`storage_order`).

    Parameters
    ----------
    ocean : xarray.Dataset
        Coordinates `lat`, `lon`.
    places : dict of str to xarray.Dataset
        Those of `tauuo` and `tauvo`.
    where : str

    Raises
    ------
    GridError
        When the stress has another number of rows or columns.
    """
    for name, place in places.items():
        if shape_text(place) != shape_text(ocean):
            raise GridError(
                f"{where}: '{name}' has {shape_text(place)}, 'zos' {shape_text(ocean)}; expected one grid. "
                "Get both on the native grid, or leave this model out."
            )
    ordered = [place.isel(storage_order(place, ocean)) for place in places.values()]
    if all(same_positions(place, ocean) for place in ordered):
        return ocean
    out = _meshed(ocean)
    for suffix, place in zip("uv", map(_meshed, ordered), strict=True):
        coords = {f"{name}_{suffix}": (("y", "x"), place[name].values, place[name].attrs) for name in ("lat", "lon")}
        for _, _, attrs in coords.values():
            attrs.pop("bounds", None)  # those in the file are of the cells
        out = out.assign_coords(coords)
    return out


def shape_text(positions: xr.Dataset) -> str:
    """Return the numbers of rows and columns, for messages."""
    return "{} rows, {} columns".format(*meshed(positions)[0].shape)


# -- steps ---------------------------------------------------------------------------------------------------------
def add_sea_area(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Add `sftof`, all or nothing by the depth, where it is not published."""
    if "sftof" in ocean:
        return ocean
    wet = (ocean["deptho"] > 0).drop_attrs().astype(float) * 100
    return ocean.assign(sftof=wet.assign_attrs(variable("sftof").attrs))


def add_cell_area(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Add cell areas from the positions where they are not published, or are not those of this grid."""
    grid = context.grid
    if "areacello" in ocean:
        comparison = compare_areas(grid, ocean["areacello"].values)
        if comparison.verdict == "usable":
            return ocean
        warn_once(context.model, f"{comparison.sentence}; cell areas follow from the positions")
    return ocean.assign(areacello=grid.wrap(grid.area, "areacello", **variable("areacello").attrs))


def add_stress_convention(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Add the convention of the stress, and reverse its sign where the quirk table has it reversed."""
    if not set(STRESS) <= set(ocean.data_vars):
        return ocean
    out, quirks = ocean.copy(), context.quirks
    for name in STRESS:
        out[name] = (quirks.stress_sign * out[name]).assign_attrs(out[name].attrs)
    declared = quirks.stress_convention
    with naming(context.where):
        placed = stress_on_assumed_points(out, context.grid, convention=declared, side=quirks.stress_side)
        if placed is not out:
            side = quirks.stress_side.replace("_", "-")
            warn_once(
                context.model,
                f"files give the stress ({declared}) the positions of T points; its points are taken half a cell to "
                f"the {side}",
            )
            out = placed.assign_attrs(stress_side=quirks.stress_side)
        convention = detect_convention(out, declared=declared, grid=context.grid)
    source = "quirk table" if declared else "positions and attributes"
    return out.assign_attrs(stress_convention=convention, stress_convention_from=source)


def mask_land(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Give sea level and depth one mask: cells with a position, sea, depth, and a sea level in every window.

    Where sea level is 0 on land, cells in which it always is are land too.
    """
    sea = (ocean["sftof"] > 0) & (ocean["deptho"] > 0) & ocean["lat"].notnull() & ocean["lon"].notnull()
    known = ocean["zos"].notnull()
    if "window" in known.dims:
        somewhere = known.any([dim for dim in known.dims if dim != "window"])
        if not somewhere.all():
            empty = listed([str(window) for window in ocean["window"].values[~somewhere.values]], most=6)
            raise DataError(
                f"{context.where}: no cell has 'zos' in every month of {empty}. A file has a month of fill "
                "values: fetch it again, or choose other windows."
            )
        partly = int((known.any("window") & ~known.all("window") & sea).sum())
        if partly:
            ocean = with_doubt(ocean, "windows", f"{partly} cells have a sea level in some windows only: left out")
        known = known.all("window")
    zero = (ocean["zos"] == 0).all([dim for dim in ocean["zos"].dims if dim == "window"])
    doubtful = int((sea & known & zero).sum())
    if doubtful and bool((zero & ~(ocean["deptho"] > 0)).any()) and bool((sea & known & ~zero).any()):
        log.warning("%s: zos is 0 at all times in %d cells with a depth, as on land: left out", context.where, doubtful)
        known &= ~zero
    elif doubtful > UNWRITTEN * int((sea & known).sum()):
        sentence = f"zos is 0 at all times in {doubtful} of {int((sea & known).sum())} cells with a depth"
        ocean = with_doubt(ocean, "zeros", f"{sentence}. {DAMAGED.format('its file')}")
    sea = (sea & known).transpose(*ocean["deptho"].dims)
    if not bool(sea.any()):
        low, high = float(ocean["deptho"].min()), float(ocean["deptho"].max())
        raise DataError(
            f"{context.where}: no cell has sea level, depth and sea area at once. Do the masks belong together? "
            f"'deptho' runs from {low:g} to {high:g} m, positive down."
        )
    return _masked(doubt_masks(ocean, known), sea)


def require_areas_on_earth(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Give every sea cell an area; raise GridError when cells or the sea are larger than they can be on the Earth."""
    without = ocean["deptho"].notnull() & ~(ocean["areacello"] > 0)
    n_cells = int(without.sum())
    if n_cells:
        warn_once(context.model, f"areacello is missing in {n_cells} sea cells; theirs follow from the positions")
        areas = ocean["areacello"].where(~without, context.grid.wrap(context.grid.area, "areacello"))
        ocean = ocean.assign(areacello=areas.assign_attrs(ocean["areacello"].attrs))
    with naming(context.where):
        check_areas(context.grid, ocean["areacello"].values, sea=ocean["deptho"].notnull().values)
    return ocean


def suggest_stress_points(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Add where the land of the stress shows that it sits, if files give it the positions of T points."""
    if "stress_convention" not in ocean.attrs:
        return ocean
    suggestion = suggest_points(ocean, context.grid, ocean["deptho"].notnull().values)
    return ocean if suggestion is None else with_doubt(ocean, "stress_points", suggestion.sentence)


def mask_land_stress(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Take stress as missing on points that are not between sea cells."""
    if "stress_convention" not in ocean.attrs:
        return ocean
    return mask_stress_on_land(ocean, context.grid, ocean["deptho"].notnull().values)


def mask_basins(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Take the basins named in the settings as land."""
    names = context.masked_basins
    if not names:
        return ocean
    basin = basin_codes(context.grid, ocean=ocean["deptho"].notnull().values)
    enclosed = np.logical_or.reduce([in_basin(basin, name).values for name in names])
    return _masked(ocean, ~xr.DataArray(enclosed, dims=basin.dims))


def restore_ice_depression(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Add the height of the water that sea ice displaces, where the model left it out of zos and publishes its mass."""
    if not set(ICE_MASS) <= set(ocean.data_vars):
        return ocean
    height = (ocean["simass"].fillna(0) + ocean["sisnmass"].fillna(0)) / context.reference_density
    restored = (ocean["zos"] + height).assign_attrs(ocean["zos"].attrs | {"sea_ice": "height of its mass added"})
    files = {f"files_{name}": ocean[name].attrs["files"] for name in ICE_MASS}
    return ocean.assign(zos=restored).assign_attrs(files).drop_vars(ICE_MASS)


def remove_mean_sea_level(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Subtract the area-weighted ocean mean of zos, in each window, and keep it; repeated cells count once."""
    area = ocean["areacello"].where(~context.grid.duplicate, 0.0).fillna(0.0)
    mean = ocean["zos"].weighted(area).mean(ocean["deptho"].dims)
    before = ocean["removed_mean"] if "removed_mean" in ocean.coords else 0.0
    zos = (ocean["zos"] - mean).assign_attrs(ocean["zos"].attrs)
    attrs = {"long_name": "Ocean mean removed from zos", "units": "m"}
    return ocean.assign(zos=zos).assign_coords(removed_mean=(mean + before).assign_attrs(attrs))


def mask_depressed_cells(ocean: xr.Dataset, context: Context) -> xr.Dataset:
    """Mask cells depressed by sea ice where, by the quirk table, zos includes its weight; warn for other models."""
    low = ocean["zos"] < DEPRESSED
    low = low.any("window") if "window" in low.dims else low
    n_cells = int(low.sum())
    if not n_cells:
        return ocean
    if "sea_ice" in ocean["zos"].attrs:
        log.warning("%s: zos lies below %g m in %d cells with the mass of ice added", context.where, DEPRESSED, n_cells)
        return ocean
    if context.quirks.sea_ice_depression != "left_in":
        sentence = f"zos lies below {DEPRESSED:g} m in {n_cells} cells: does it hold the weight of sea ice? If so, set "
        return with_doubt(ocean, "sea_ice", f"{sentence}sea_ice_depression in data_engineering.quirks of this model")
    log.warning("%s: %d cells below %g m under sea ice are masked", context.where, n_cells, DEPRESSED)
    masked = _masked(ocean, ~low).assign_attrs(cells_masked_under_sea_ice=n_cells)
    return remove_mean_sea_level(masked, context)


def rows_and_columns_ascending(ocean: xr.Dataset) -> xr.Dataset:
    """Store a regular grid from south to north and from 0 to 360 degrees, each column once; other grids as they are."""
    return ocean.isel(ascending_order(ocean))


# -- parts ---------------------------------------------------------------------------------------------------------
def _masked(ocean: xr.Dataset, keep: xr.DataArray) -> xr.Dataset:
    fields = {name: ocean[name].where(keep) for name in ("zos", "deptho")}
    return ocean.assign(fields | {"sftof": ocean["sftof"].where(keep, 0.0).fillna(0.0)})


def _meshed(ocean: xr.Dataset) -> xr.Dataset:
    """Return a dataset on a regular grid with 2-D coordinates, dims (y, x); bounds are dropped."""
    if ocean["lat"].ndim == 2:
        return ocean
    lat, lon = meshed(ocean)
    attrs = {name: {k: v for k, v in ocean[name].attrs.items() if k != "bounds"} for name in ("lat", "lon")}
    plain = ocean.drop_vars([n for n in ("lat", "lon", "lat_bnds", "lon_bnds") if n in ocean.variables])
    plain = plain.rename({"lat": "y", "lon": "x"}) if {"lat", "lon"} <= set(plain.dims) else plain
    return plain.assign_coords(lat=(("y", "x"), lat, attrs["lat"]), lon=(("y", "x"), lon, attrs["lon"]))
