"""The features a network sees: sea level, stress curl, depth, their gradients and rotation, on any grid."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from thor.errors import DataError
from thor.ocean import published
from thor.ocean.basins import basin_codes
from thor.ocean.grid import Array, Grid
from thor.ocean.neighbourhood import neighbourhood_statistics
from thor.ocean.operators import curl, gradient
from thor.variables import EXTENDED_FEATURES, FEATURES, variable

NEIGHBOURHOOD_OF = ("wind_stress_curl", "zos", "deptho", "zos_deptho_jacobian")
"""The features whose means and spreads over a neighbourhood are offered."""

STRESS_CURL = {
    "surface": "curl of the surface stress over reference density, as climate models allow",
    "released": "the budget's own term: wind minus bottom stress, smoothed as released",
}


def features(
    ocean: xr.Dataset,
    *,
    stress_curl: str,
    metric: str,
    reference_density: float,
    extended: bool,
    neighbourhood_radii_km: Sequence[float],
) -> xr.Dataset:
    """Return the features of every ocean cell.

    Parameters
    ----------
    ocean : xarray.Dataset
        Harmonised fields `zos` [m], `deptho` [m], `areacello` [m2], and `tauuo`, `tauvo` [N m-2] (eastward, northward)
        or the budget's `wind_stress_curl` [m s-2].
    stress_curl : {"surface", "released"}
        Whether the stress curl is taken from the surface stress or is the budget's own term.
    metric : {"spherical", "published"}
        True geometry, or that of the published study (`thor.ocean.published`).
    reference_density : float
        [kg m-3].
    extended : bool
        Whether to add J(zos, deptho), the magnitudes of the gradients and of the Coriolis parameter.
    neighbourhood_radii_km : sequence of float
        Radii within which area-weighted means and spreads of stress curl, zos, deptho and J(zos, deptho) are added.

    Returns
    -------
    xarray.Dataset
        Each feature with units, `valid` (1 where all are finite), `basin`, `areacello`.
    """
    grid = Grid.from_dataset(ocean)
    zos, deptho = _values(ocean, "zos"), _values(ocean, "deptho")
    take_gradient = gradient if metric == "spherical" else published.gradient
    zos_east, zos_north = take_gradient(zos, grid)
    depth_east, depth_north = take_gradient(deptho, grid)
    fields = {
        "wind_stress_curl": _stress_curl(ocean, grid, stress_curl, reference_density),
        "zos": zos,
        "zos_gradient_eastward": zos_east,
        "zos_gradient_northward": zos_north,
        "deptho": deptho,
        "deptho_gradient_eastward": depth_east,
        "deptho_gradient_northward": depth_north,
        "coriolis_parameter": grid.coriolis_parameter,
    }
    if extended:
        fields["zos_deptho_jacobian"] = zos_east * depth_north - zos_north * depth_east
        fields["zos_gradient_magnitude"] = np.hypot(zos_east, zos_north)
        fields["deptho_gradient_magnitude"] = np.hypot(depth_east, depth_north)
        fields["coriolis_parameter_magnitude"] = np.abs(grid.coriolis_parameter)
    valid = np.logical_and.reduce([np.isfinite(values) for values in fields.values()])
    if not valid.any():
        empty = [name for name, values in fields.items() if not np.isfinite(values).any()]
        raise DataError(f"No cell has all features; nowhere finite: {', '.join(empty) or 'none alone'}.")
    if neighbourhood_radii_km:
        chosen = {name: fields[name] for name in NEIGHBOURHOOD_OF if name in fields}
        fields |= neighbourhood_statistics(chosen, grid, valid, radii_km=neighbourhood_radii_km)
    return _dataset(ocean, grid, fields, valid, stress_curl=stress_curl, metric=metric)


def feature_names(dataset: xr.Dataset) -> list[str]:
    """Return the features a dataset holds: the published eight in their order, then the extended ones."""
    known = [name for name in (*FEATURES, *EXTENDED_FEATURES) if name in dataset]
    return known + [str(name) for name in dataset.data_vars if str(name).endswith("km")]


def _stress_curl(ocean: xr.Dataset, grid: Grid, stress_curl: str, reference_density: float) -> Array:
    if stress_curl == "released":
        return _values(ocean, "wind_stress_curl")
    missing = [name for name in ("tauuo", "tauvo") if name not in ocean]
    if missing:
        raise DataError(
            f"The surface stress curl needs 'tauuo' and 'tauvo'; the training ocean has no {' and no '.join(missing)}. "
            "Give a surface stress file, or set data_engineering.stress_curl: released."
        )
    return curl(_values(ocean, "tauuo"), _values(ocean, "tauvo"), grid) / reference_density


def _values(ocean: xr.Dataset, name: str) -> Array:
    if name not in ocean:
        raise DataError(f"The features need '{name}'; the ocean has {', '.join(map(str, ocean.data_vars))}.")
    return ocean[name].values.astype(float)


def _dataset(
    ocean: xr.Dataset, grid: Grid, fields: dict[str, Array], valid: np.ndarray, *, stress_curl: str, metric: str
) -> xr.Dataset:
    out = xr.Dataset(coords=ocean[["lat", "lon"]].coords)
    land = np.isnan(fields["deptho"])
    for name, values in fields.items():
        out[name] = grid.wrap(np.where(land, np.nan, values), name, **variable(name).attrs)
    out["wind_stress_curl"].attrs["comment"] = STRESS_CURL[stress_curl]
    out["valid"] = grid.wrap(valid.astype("int8"), "valid", **variable("valid").attrs)
    out["basin"] = basin_codes(grid, ocean=~land)
    out["areacello"] = ocean["areacello"]
    for name in ("lat_bnds", "lon_bnds"):
        if name in ocean.coords:
            out = out.assign_coords({name: ocean[name]})
    out.attrs = {"metric": metric, "stress_curl": stress_curl, "features": " ".join(fields)}
    if "budget_scale" in ocean.attrs:
        # Features are compared with regimes of this budget: the difference of scales travels with them.
        out.attrs["budget_scale"] = ocean.attrs["budget_scale"]
    return out
