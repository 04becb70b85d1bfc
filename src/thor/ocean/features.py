"""The input features of the networks: sea level, stress curl, depth, their gradients and rotation, on any grid."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import DataError
from thor.core.variables import FEATURES, STRESS, SURFACE_SET, extended_features, groups_of, variable
from thor.ocean.basins import basin_codes
from thor.ocean.cells import cell_coordinates
from thor.ocean.geostrophic import geostrophic_terms, geostrophic_transport
from thor.ocean.grid import Grid
from thor.ocean.neighbourhood import NEIGHBOURHOOD_STATISTICS
from thor.ocean.neighbourhood import neighbourhood_statistics as statistics_within
from thor.ocean.operators import gradient, published_gradient
from thor.ocean.polar_filter import polar_filtered
from thor.ocean.stress import coastal_curl, stress_eastward_northward
from thor.ocean.stress import stress_curl as curl_of_stress
from thor.ocean.torques import transport_torques
from thor.ocean.transport_features import transport_features, window_transport_features

Gradient = Callable[[Array, Grid], tuple[Array, Array]]

NEIGHBOURHOOD_OF = (
    *("wind_stress_curl", "zos", "deptho", "zos_deptho_jacobian"),
    *("geostrophic_planetary_advection", "geostrophic_pressure_torque", "geostrophic_residual"),
    "transport_planetary_advection",
)
"""The features for which neighbourhood means and spreads can be computed."""

STRESS_CURL = {
    "surface": "curl of the surface stress over reference density, as climate models allow",
    "released": "the term of the budget: wind minus bottom stress, smoothed as released",
}


def features(
    ocean: xr.Dataset,
    *,
    stress_curl: str,
    metric: str,
    reference_density: float,
    extended: bool,
    neighbourhood_radii_km: Sequence[float],
    polar_filter: bool = False,
    neighbourhood_statistics: Sequence[str] = NEIGHBOURHOOD_STATISTICS,
) -> xr.Dataset:
    """Return the features of every ocean cell.

    Parameters
    ----------
    ocean : xarray.Dataset
        Harmonised fields `zos` [m], `deptho` [m], `areacello` [m2], and `tauuo`, `tauvo` [N m-2] (eastward, northward)
        or the budget's `wind_stress_curl` [m s-2]; `transport_northward` [m2 s-1] where it is known.
    stress_curl : {"surface", "released"}
        Whether the stress curl is taken from the surface stress or is the term of the budget.
    metric : {"spherical", "published"}
        True geometry, or that of the published study (`published_gradient`).
    reference_density : float
        [kg m-3].
    extended : bool
        Whether to add J(zos, deptho), the magnitudes of the gradients and of the Coriolis parameter, and the terms of
        `thor.ocean.geostrophic`, which need `tauuo` and `tauvo`.
    neighbourhood_radii_km : sequence of float
        Radii within which area-weighted means and spreads of the features `NEIGHBOURHOOD_OF` are added.
    neighbourhood_statistics : sequence of str
        Which of them: see `thor.ocean.neighbourhood`.
    polar_filter : bool
        Whether fields first pass `thor.ocean.polar_filter`; never in the published geometry.

    Returns
    -------
    xarray.Dataset
        Each feature with units, `valid` (1 where all of the set `surface` are finite), `basin`, `areacello`. With
        transports also the features of `thor.ocean.transport_features`. Attributes of
        `wind_stress_curl` from the surface stress: `coastal_curl`, the method at coasts, and `coastal_cells`, the
        number of valid cells with land around them.
    """
    grid = Grid.from_dataset(ocean)
    ocean = polar_filtered(ocean, grid) if polar_filter and metric == "spherical" else ocean
    take_gradient = gradient if metric == "spherical" else published_gradient
    fixed = _fixed_fields(_values(ocean, "deptho", grid), grid, take_gradient, extended=extended)
    fields = _surface_fields(ocean, fixed, grid, take_gradient, stress_curl, reference_density, extended=extended)
    fields |= fixed
    valid = _valid(fields, grid)
    around: dict[str, Any] = {"radii_km": neighbourhood_radii_km, "statistics": neighbourhood_statistics}
    fields |= _neighbourhoods(fields, grid, valid, **around)
    further = transport_features(ocean, grid)
    fields |= further | _neighbourhoods(further, grid, valid & _finite([further]), **around)
    return _dataset(ocean, grid, fields, valid, stress_curl=stress_curl, metric=metric)


def window_features(
    climatology: xr.Dataset,
    terms: xr.Dataset | None = None,
    *,
    reference_density: float,
    extended: bool,
    neighbourhood_radii_km: Sequence[float],
    polar_filter: bool = False,
    neighbourhood_statistics: Sequence[str] = NEIGHBOURHOOD_STATISTICS,
) -> xr.Dataset:
    """Return the features of every ocean cell of a climate model in every window.

    Parameters
    ----------
    climatology : xarray.Dataset
        From `thor.reading.climatology`: `zos`, `tauuo`, `tauvo` with a first dim `window`, `deptho`, `areacello`.
    terms : xarray.Dataset, optional
        From `thor.ocean.diagnosed_terms`, for the features from transports; without it, or where it lacks a window,
        the run has none of them.
    reference_density, extended, neighbourhood_radii_km, neighbourhood_statistics, polar_filter
        As for `features`. The stress curl is always that of the surface stress, the geometry always true.

    Returns
    -------
    xarray.Dataset
        As from `features`; what changes with time has the first dim `window`, what does not has not. `valid` holds
        where all features of the set `surface` are finite in all windows.
    """
    grid = Grid.from_dataset(climatology)
    climatology = polar_filtered(climatology, grid) if polar_filter else climatology
    fixed = _fixed_fields(_values(climatology, "deptho", grid), grid, gradient, extended=extended)
    each = []
    for number in range(climatology.sizes["window"]):
        window = climatology.isel(window=number)
        each.append(_surface_fields(window, fixed, grid, gradient, "surface", reference_density, extended=extended))
    valid = np.logical_and.reduce([_valid(surface | fixed, grid) for surface in each])
    around: dict[str, Any] = {"radii_km": neighbourhood_radii_km, "statistics": neighbourhood_statistics}
    for fields in (*each, fixed):
        fields |= _neighbourhoods(fields, grid, valid, **around)
    if further := window_transport_features(terms, climatology, grid, filtered=polar_filter):
        known = valid & _finite(further)
        for fields, more in zip(each, further, strict=True):
            fields |= more | _neighbourhoods(more, grid, known, **around)
    by_window = {name: np.stack([surface[name] for surface in each]) for name in each[0]}
    out = _dataset(climatology, grid, by_window | fixed, valid, stress_curl="surface", metric="spherical")
    keep = ["window", *(name for name in climatology.coords if climatology[name].dims == ("window",))]
    return out.assign_coords({name: climatology[name] for name in keep}).assign_attrs(climatology.attrs | out.attrs)


def _fixed_fields(deptho: Array, grid: Grid, take_gradient: Gradient, *, extended: bool) -> dict[str, Array]:
    east, north = take_gradient(deptho, grid)
    fields = {
        "deptho": deptho,
        "deptho_gradient_eastward": east,
        "deptho_gradient_northward": north,
        "coriolis_parameter": grid.coriolis_parameter,
    }
    if extended:
        fields["deptho_gradient_magnitude"] = np.hypot(east, north)
        fields["coriolis_parameter_magnitude"] = np.abs(grid.coriolis_parameter)
    return fields


def _surface_fields(
    ocean: xr.Dataset,
    fixed: dict[str, Array],
    grid: Grid,
    take_gradient: Gradient,
    stress_curl: str,
    reference_density: float,
    *,
    extended: bool,
) -> dict[str, Array]:
    curl, zos = _stress_curl(ocean, grid, stress_curl, reference_density), _values(ocean, "zos", grid)
    east, north = take_gradient(zos, grid)
    fields = {"wind_stress_curl": curl, "zos": zos, "zos_gradient_eastward": east, "zos_gradient_northward": north}
    return fields | (_extended_surface_fields(ocean, fields | fixed, grid, reference_density) if extended else {})


def _extended_surface_fields(
    ocean: xr.Dataset, fields: Mapping[str, Array], grid: Grid, reference_density: float
) -> dict[str, Array]:
    instead = "data_engineering.extended_features: false and modelling.features: published"
    _require_stress(ocean, "geostrophic features need", instead)
    east, north = fields["zos_gradient_eastward"], fields["zos_gradient_northward"]
    depth_east, depth_north = fields["deptho_gradient_eastward"], fields["deptho_gradient_northward"]
    slope = gradient(fields["zos"], grid)
    deptho, coriolis = fields["deptho"], fields["coriolis_parameter"]
    flow = geostrophic_transport(slope, deptho=deptho, coriolis_parameter=coriolis)
    torques = transport_torques(*flow, deptho, grid)
    terms = geostrophic_terms(
        zos_gradient=slope,
        deptho=deptho,
        deptho_gradient=gradient(deptho, grid),
        coriolis_parameter=coriolis,
        kinematic_stress_eastward=stress_eastward_northward(ocean, grid)[0] / reference_density,
    )
    return {
        "zos_deptho_jacobian": east * depth_north - north * depth_east,
        "zos_gradient_magnitude": np.hypot(east, north),
        **terms,
        # What friction, nonlinear terms and the errors of the estimates have to balance.
        "geostrophic_residual": -(fields["wind_stress_curl"] + sum(terms.values())),
        **{f"geostrophic_{name}": values for name, values in torques.items()},
    }


def _valid(fields: Mapping[str, Array], grid: Grid) -> np.ndarray:
    """Return where all features are finite, each place of the ocean once."""
    valid = np.logical_and.reduce([np.isfinite(values) for values in fields.values()]) & ~grid.duplicate
    if not valid.any():
        empty = [name for name, values in fields.items() if not np.isfinite(values).any()]
        raise DataError(f"No cell has all features; nowhere finite: {', '.join(empty) or 'none alone'}.")
    return valid


def _finite(windows: Sequence[Mapping[str, Array]]) -> np.ndarray | np.bool_:
    """Return where the fields of all windows are finite."""
    return np.logical_and.reduce([np.isfinite(values) for fields in windows for values in fields.values()])


def _neighbourhoods(
    fields: Mapping[str, Array], grid: Grid, valid: np.ndarray, *, radii_km: Sequence[float], statistics: Sequence[str]
) -> dict[str, Array]:
    chosen = {name: fields[name] for name in NEIGHBOURHOOD_OF if name in fields}
    if not (chosen and radii_km):
        return {}
    return statistics_within(chosen, grid, valid, radii_km=radii_km, statistics=statistics)


def feature_names(dataset: xr.Dataset, input_set: str = SURFACE_SET) -> list[str]:
    """Return the features of one input set that a dataset holds.

    Of the set `surface` the published eight in their order, then the extended ones; of another set what it adds.
    """
    known = [name for name in (*FEATURES, *extended_features()) if name in dataset]
    known += [str(name) for name in dataset.data_vars if str(name).endswith("km")]
    return [name for name in known if groups_of(name).input_set == input_set]


def feature_groups(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the features of each group of the table of variables: `published`, `jacobian`, `around zos`, ...

    Parameters
    ----------
    names : sequence of str
        Features, as from `feature_names`; groups without any are left out.

    Raises
    ------
    DataError
        When the table gives a feature no group.
    """
    groups: dict[str, tuple[str, ...]] = {}
    for name in names:
        group = groups_of(name).group
        groups[group] = (*groups.get(group, ()), name)
    return groups


def _stress_curl(ocean: xr.Dataset, grid: Grid, stress_curl: str, reference_density: float) -> Array:
    if stress_curl == "released":
        return _values(ocean, "wind_stress_curl", grid)
    _require_stress(ocean, "surface stress curl needs", "data_engineering.stress_curl: released")
    return curl_of_stress(ocean, grid) / reference_density


def _require_stress(ocean: xr.Dataset, what: str, instead: str) -> None:
    missing = [name for name in STRESS if name not in ocean]
    if missing:
        raise DataError(
            f"The {what} 'tauuo' and 'tauvo'; the ocean has no {' and no '.join(missing)}. Give a surface stress file, "
            f"or set {instead}."
        )


def _values(ocean: xr.Dataset, name: str, grid: Grid) -> Array:
    if name not in ocean:
        raise DataError(f"The features need '{name}'; the ocean has {', '.join(map(str, ocean.data_vars))}.")
    return grid.values(ocean[name])


def _dataset(
    ocean: xr.Dataset, grid: Grid, fields: dict[str, Array], valid: np.ndarray, *, stress_curl: str, metric: str
) -> xr.Dataset:
    out = xr.Dataset(coords={name: ocean[name].variable for name in ("lat", "lon")})
    land = np.isnan(fields["deptho"])
    for name, values in fields.items():
        dims = ("window", *grid.dims)[-values.ndim :]
        out[name] = (dims, np.where(land, np.nan, values), variable(name).attrs)
    out["wind_stress_curl"].attrs["comment"] = STRESS_CURL[stress_curl]
    if stress_curl == "surface":
        # At a coast the curl is that of a place beside the centre.
        out["wind_stress_curl"].attrs["coastal_curl"] = coastal_curl(ocean, grid)
        out["wind_stress_curl"].attrs["coastal_cells"] = int((valid & ~grid.topology.surrounded(~land)).sum())
    if "removed_mean" in ocean["zos"].attrs:
        out["zos"].attrs["removed_mean"] = ocean["zos"].attrs["removed_mean"]
    out["valid"] = grid.wrap(valid.astype("int8"), "valid", **variable("valid").attrs)
    out["basin"] = basin_codes(grid, ocean=~land)
    out["areacello"] = ocean["areacello"].variable
    out = out.assign_coords(cell_coordinates(ocean, grid).coords)
    out.attrs = {"metric": metric, "stress_curl": stress_curl, "features": " ".join(fields)}
    # Features are compared with regimes of this budget: the file keeps the difference of scales.
    out.attrs |= {name: ocean.attrs[name] for name in ("budget_scale", "polar_filter") if name in ocean.attrs}
    return out
