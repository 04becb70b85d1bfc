"""Features from the depth-integrated transports that only some oceans publish: the input set `transport`."""

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import DataError
from thor.core.variables import TRANSPORT_TORQUES, variable
from thor.ocean.cells import on_same_grid
from thor.ocean.grid import Grid
from thor.ocean.polar_filter import polar_filter
from thor.ocean.torques import transport_torques
from thor.ocean.transports import CORNERS, beta_advection

TRANSPORT_FEATURE = "transport_planetary_advection"
"""-beta V: the advection of planetary vorticity by the transport itself."""

CORNER_FEATURE = f"{TRANSPORT_FEATURE}_corners"
"""Its mean over the corners of the cell, where models compute the terms of the vorticity budget."""


def transport_features(ocean: xr.Dataset, grid: Grid) -> dict[str, Array]:
    """Return the features that the transports of the training ocean give; none without transports.

    Parameters
    ----------
    ocean : xarray.Dataset
        Harmonised, with `transport_northward` and `transport_eastward` [m2 s-1], the former alone, or without.
    grid : Grid
        Of this ocean.

    Returns
    -------
    dict of str to ndarray of shape (n_rows, n_columns)
        `TRANSPORT_FEATURE`, `CORNER_FEATURE` and, where both components are known, `TRANSPORT_TORQUES` [m s-2]; NaN
        where the transport is unknown.
    """
    if "transport_northward" not in ocean:
        return {}
    depth = grid.values(ocean["deptho"])

    def at_sea(name: str) -> Array:
        return np.where(np.isfinite(depth), grid.values(ocean[name]), np.nan)

    northward = at_sea("transport_northward")
    fields = _with_corners(beta_advection(northward, grid.lat), grid)
    if "transport_eastward" in ocean:
        torques = transport_torques(at_sea("transport_eastward"), northward, depth, grid)
        fields |= {f"transport_{name}": torque for name, torque in torques.items()}
    return fields


def window_transport_features(
    terms: xr.Dataset | None, climatology: xr.Dataset, grid: Grid, *, filtered: bool
) -> list[dict[str, Array]] | None:
    """Return the features that the transports of a run give in each window; None if a window has no transports.

    Parameters
    ----------
    terms : xarray.Dataset or None
        Of the run, as from `thor.ocean.diagnosed_terms.diagnosed_terms`.
    climatology : xarray.Dataset
        Of the run, with `zos`.
    grid : Grid
        Of this run.
    filtered : bool
        Whether each term passes `thor.ocean.polar_filter`: its transports did not, before they were differentiated.

    Raises
    ------
    DataError
        When the terms are of another run.
    GridError
        When they are on another grid.
    """
    if terms is None:
        return None
    facets = ("source_id", "experiment_id", "variant_label")
    of_terms, of_run = ("/".join(str(d.attrs.get(name)) for name in facets) for d in (terms, climatology))
    if of_terms != of_run:
        raise DataError(
            f"The features of {of_run} need its own transports; got the terms of {of_terms}. Make both again with "
            "`kedro run --pipeline data_engineering`."
        )
    windows, known = (list(map(str, dataset["window"].values)) for dataset in (climatology, terms))
    if set(windows) - set(known):
        return None
    like = climatology["zos"].isel(window=0).transpose(*grid.dims)
    each = []
    for window in windows:
        of_window = terms.isel(window=known.index(window))
        given = (on_same_grid(like, of_window, name).astype(float) for name in (TRANSPORT_FEATURE, *TRANSPORT_TORQUES))
        advection, *torques = (polar_filter(term, grid) if filtered else term for term in given)
        each.append(_with_corners(advection, grid) | dict(zip(TRANSPORT_TORQUES, torques, strict=True)))
    return each


def corner_mean(values: Array, grid: Grid) -> Array:
    """Return the mean of a field over the corners of each cell, as the terms of a vorticity budget are moved to cells.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        At T points, NaN where unknown.
    grid : Grid

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Mean over the corners that four known cells share, each the mean of these; without such a corner the value of
        the cell itself.
    """
    total, count = np.zeros(grid.shape), np.zeros(grid.shape)
    for rows, columns in CORNERS:
        beside = (grid.neighbour(values, step) for step in ((rows, 0), (0, columns), (rows, columns)))
        corner = (values + sum(beside)) / 4
        total += np.nan_to_num(corner)
        count += np.isfinite(corner)
    return np.divide(total, count, out=values.copy(), where=(count > 0) & np.isfinite(values))


def _with_corners(advection: Array, grid: Grid) -> dict[str, Array]:
    return {TRANSPORT_FEATURE: advection, CORNER_FEATURE: corner_mean(advection, grid)}


def valid_in_set(features: xr.Dataset, names: tuple[str, ...]) -> xr.Dataset:
    """Return features with `valid` only where all the named ones are finite, in every window.

    Parameters
    ----------
    features : xarray.Dataset
        As from `thor.ocean.features`.
    names : tuple of str
        Of one input set; those that the features lack have no influence.

    Raises
    ------
    DataError
        When no cell is left.
    """
    dims = features["valid"].dims
    valid = features["valid"].values == 1
    for name in names:
        if name in features:
            finite = np.isfinite(features[name].transpose(..., *dims).values)
            valid = valid & finite.reshape(-1, *valid.shape).all(axis=0)
    if not valid.any():
        raise DataError(f"No cell has all of {', '.join(names)}. Is the training ocean that of the transports?")
    return features.assign(valid=(dims, valid.astype("int8"), variable("valid").attrs))
