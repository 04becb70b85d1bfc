"""Terms of the vorticity budget from the transports and stress of a climate model, and the rest that closes them."""

from collections.abc import Callable, Collection, Mapping

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import GridError
from thor.core.variables import DIAGNOSED_TERMS, TRANSPORT_TORQUES, TRANSPORTS, variable
from thor.ocean.grid import Grid
from thor.ocean.stress import stress_curl
from thor.ocean.torques import transport_torques
from thor.ocean.transports import beta_advection, planetary_flux_convergence, transport_vector


def diagnosed_terms(
    climatology: xr.Dataset, transports: Mapping[str, xr.Dataset], *, reference_density: float
) -> xr.Dataset:
    """Return the terms in every window of a run that has transports.

    Parameters
    ----------
    climatology : xarray.Dataset
        From `thor.reading.climatology`.
    transports : mapping of str to xarray.Dataset
        From `thor.reading.transports`, by window; those of the other windows may be missing.
    reference_density : float
        [kg m-3]; turns mass transports into volume transports and stress into acceleration.

    Returns
    -------
    xarray.Dataset, dims (window, y, x) or (window, lat, lon)
        All of `DIAGNOSED_TERMS` [m s-2], on one side, at the scale of the grid, NaN where one of them is unknown:
        `wind_stress_curl` of the surface stress; `planetary_vorticity_advection`, -div(f U) from the transports through
        the faces; `transport_planetary_advection`, -beta V; and what closes the sum with the one (`residual_torque`)
        and with the other (`transport_residual_torque`): pressure torque, bottom stress, friction and nonlinear terms.
        Beside them `TRANSPORT_TORQUES` as from `thor.ocean.torques.transport_torques`, and `areacello`. The stress of
        the bottom is part of the residual, as climate models do not publish it.

    Raises
    ------
    GridError
        When the transports lie on another grid than the climatology.
    """
    grid = Grid.from_dataset(climatology)
    windows = [str(window) for window in climatology["window"].values if str(window) in transports]
    each = []
    for name in windows:
        window, given = climatology.sel(window=name), transports[name]
        u, v = (_volume(given, f"{part}_column", grid, reference_density) for part in TRANSPORTS)
        curl, depth = stress_curl(window, grid) / reference_density, grid.values(climatology["deptho"])
        each.append(_terms(curl, u, v, depth, grid))
    out = xr.Dataset(coords={name: climatology[name].variable for name in ("lat", "lon")})
    for term in (*DIAGNOSED_TERMS, *TRANSPORT_TORQUES):
        out[term] = (("window", *grid.dims), np.stack([terms[term] for terms in each]), variable(term).attrs)
    out["areacello"] = climatology["areacello"].variable
    chosen = climatology[["window"]].sel(window=windows)
    keep = [str(name) for name in chosen.coords if chosen[name].dims == ("window",)]
    facets = {name: climatology.attrs[name] for name in ("source_id", "experiment_id", "variant_label")}
    sources = " ".join(sorted({str(transports[name].attrs["source"]) for name in windows}))
    return out.assign_coords({name: chosen[name] for name in keep}).assign_attrs(facets | {"transports_from": sources})


def column_transports(
    runs: Collection[str], transports: Mapping[str, Callable[[], xr.Dataset]]
) -> dict[str, dict[str, xr.Dataset]]:
    """Return the depth sums of the transports by run and window, of those of these runs that have transports.

    Parameters
    ----------
    runs : collection of str
        Keys ``<source_id>/<experiment_id>/<variant_label>``.
    transports : mapping of str to callable
        By run and window, ``<run>/<window>``; each returns a dataset of `thor.reading.transports`.
    """
    columns: dict[str, dict[str, xr.Dataset]] = {}
    for key, load in transports.items():
        run, _, window = key.rpartition("/")
        if run in runs:
            columns.setdefault(run, {})[window] = load()[[f"{name}_column" for name in TRANSPORTS]].compute()
    return columns


def _terms(curl: Array, u: Array, v: Array, depth: Array, grid: Grid) -> dict[str, Array]:
    sea = np.isfinite(depth)
    flux = planetary_flux_convergence(u, v, grid, sea=sea)
    eastward, northward = (np.where(sea, part, np.nan) for part in transport_vector(u, v, grid))
    clean = beta_advection(northward, grid.lat)
    known = sea & np.isfinite(curl) & np.isfinite(flux) & np.isfinite(clean) & ~grid.duplicate
    values = (curl, flux, clean, -(curl + flux), -(curl + clean))
    terms = {name: np.where(known, term, np.nan) for name, term in zip(DIAGNOSED_TERMS, values, strict=True)}
    torques = transport_torques(eastward, northward, depth, grid)
    return terms | {f"transport_{name}": torque for name, torque in torques.items()}


def _volume(transports: xr.Dataset, name: str, grid: Grid, reference_density: float) -> Array:
    centres = Grid.from_dataset(transports).centres
    if not np.array_equal(centres, grid.centres, equal_nan=True):
        raise GridError(
            f"'{name}' of {transports.attrs.get('window')} has {centres.shape[1:]} cells, the climatology "
            f"{grid.shape}, or they lie elsewhere; expected those of one run. Make both again with "
            "`kedro run --pipeline data_engineering`."
        )
    return grid.values(transports[name]) / reference_density
