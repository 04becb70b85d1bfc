"""Features from the depth-integrated transports that only some oceans publish: the input set `transport`."""

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import DataError
from thor.core.variables import variable
from thor.ocean.cells import on_same_grid
from thor.ocean.transports import beta_advection

TRANSPORT_FEATURE = "transport_planetary_advection"
"""-beta V: the advection of planetary vorticity by the transport itself."""


def transport_features(ocean: xr.Dataset) -> dict[str, Array]:
    """Return the features that the transports of the training ocean give; none without transports.

    Parameters
    ----------
    ocean : xarray.Dataset
        Harmonised, with `transport_northward` [m2 s-1] or without.

    Returns
    -------
    dict of str to ndarray of shape (n_rows, n_columns)
        `TRANSPORT_FEATURE` [m s-2], NaN where the transport is unknown.
    """
    if "transport_northward" not in ocean:
        return {}
    northward = ocean["transport_northward"]
    advection = beta_advection(northward, ocean["lat"]).transpose(*ocean["deptho"].dims)
    return {TRANSPORT_FEATURE: advection.values.astype(float)}


def window_transport_features(terms: xr.Dataset | None, climatology: xr.Dataset) -> list[dict[str, Array]] | None:
    """Return the features that the transports of a run give in each window; None if a window has no transports.

    Parameters
    ----------
    terms : xarray.Dataset or None
        Of the run, as from `thor.ocean.diagnosed_terms.diagnosed_terms`.
    climatology : xarray.Dataset
        Of the run, with `zos`.

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
    like = climatology["zos"].isel(window=0)
    return [
        {TRANSPORT_FEATURE: on_same_grid(like, terms.isel(window=known.index(window)), TRANSPORT_FEATURE).astype(float)}
        for window in windows
    ]


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
