"""Attributions of samples as fields on the native grid, and their summaries by regime."""

from collections.abc import Mapping
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from thor.attribution.attributions import QUARTILES, STATISTICS, Attributions
from thor.attribution.targets import Regimes
from thor.networks.fields import on_grid
from thor.ocean.cells import on_one_grid, valid_cells
from thor.ocean.sphere import unit_vectors
from thor.regimes.naming import class_flags

_NAMES = {name: f"attribution_{name}" for name in STATISTICS} | {"mean": "attribution"}
_SHARES = {"target": "explained_target"}


def attribution_fields(
    found: Mapping[str, Attributions],
    regime: Mapping[str, Regimes],
    index: NDArray[np.int64],
    features: xr.Dataset,
    *,
    classes: tuple[str, ...],
) -> xr.Dataset:
    """Return the attributions of one method as fields.

    Parameters
    ----------
    found : mapping of str to Attributions
        By predictor.
    regime : mapping of str to ndarray of int, shape (n_samples,)
        The explained regime of each sample, by predictor.
    index : ndarray of int, shape (n_samples,)
        Places of the samples in the flattened grid.
    features : xarray.Dataset
        Gives grid, `valid` and `areacello`.
    classes : tuple of str
        Names of the regimes.

    Returns
    -------
    xarray.Dataset, dims (predictor, feature, y, x)
        `attribution` and its statistics over networks, in units of the target; `explained_regime`, `explained_target`
        and the shares that belong to no feature, dims (predictor, y, x). The attribute `largest_remainder` holds, for
        each predictor, the largest absolute remainder of any cell and network (NaN: the method has none).
    """
    parts = []
    for name, attributions in found.items():
        fields = {
            _NAMES[statistic]: on_grid(
                getattr(attributions, statistic), index, features, _NAMES[statistic], dim="feature"
            )
            for statistic in STATISTICS
        }
        for share, values in attributions.shares.items():
            variable = _SHARES.get(share, share)
            fields[variable] = on_grid(values, index, features, variable)
        explained = on_grid(regime[name].astype("int8"), index, features, "explained_regime")
        fields["explained_regime"] = explained.assign_attrs(class_flags(classes))
        parts.append(xr.Dataset(fields, coords={"feature": list(attributions.players)}))
    combined = xr.concat(parts, xr.Variable("predictor", list(found)), combine_attrs="override")
    return combined.assign(areacello=features["areacello"], valid=features["valid"]).assign_attrs(
        largest_remainder=[attributions.largest_remainder for attributions in found.values()]
    )


def regime_summary(fields: xr.Dataset, *, method: str) -> pd.DataFrame:
    """Return the attribution of each feature in each explained regime, cells weighted by area.

    Parameters
    ----------
    fields : xarray.Dataset
        As from `attribution_fields`.
    method : str
        First column.

    Returns
    -------
    pandas.DataFrame
        One row for each predictor, regime and feature: `n_cells`, `area_m2`, `mean`, `mean_magnitude`, `lower_quartile`
        and `upper_quartile` over the area, `mean_spread` over networks, `consistent_area_share` (where both quartiles
        over networks have one sign).
    """
    rows = []
    area = fields["areacello"].values.ravel()
    explained = fields["explained_regime"]
    for predictor, feature in product(fields["predictor"].values, fields["feature"].values):
        here = fields.sel(predictor=predictor, feature=feature)
        mean, spread, lower, upper = (
            here[_NAMES[name]].values.ravel() for name in ("mean", "spread", "lower_quartile", "upper_quartile")
        )
        for code, regime in enumerate(explained.attrs["flag_meanings"].split()):
            inside = (explained.sel(predictor=predictor).values.ravel() == code) & np.isfinite(mean)
            if not inside.any():
                continue
            weights = area[inside]
            average = partial(np.average, weights=weights)
            quartiles = weighted_quantiles(mean[inside], weights, QUARTILES)
            rows.append(
                {
                    "method": method,
                    "predictor": str(predictor),
                    "regime": regime,
                    "feature": str(feature),
                    "n_cells": int(inside.sum()),
                    "area_m2": float(weights.sum()),
                    "mean": float(average(mean[inside])),
                    "mean_magnitude": float(average(np.abs(mean[inside]))),
                    "lower_quartile": quartiles[0],
                    "upper_quartile": quartiles[1],
                    "mean_spread": float(average(spread[inside])),
                    "consistent_area_share": float(average(np.sign(lower[inside]) == np.sign(upper[inside]))),
                }
            )
    return pd.DataFrame(rows)


def valid_area(fields: xr.Dataset) -> xr.DataArray:
    """Return the area of valid cells [m2], 0 elsewhere: the weights of means over cells."""
    return fields["areacello"].where(fields["valid"] == 1).fillna(0)


def mean_sizes(fields: xr.Dataset) -> xr.DataArray:
    """Return the mean size of the attributions of one predictor to each feature, weighted by area; dims (feature)."""
    area = valid_area(fields)
    return abs(fields["attribution"]).weighted(area).mean(area.dims)


def weighted_quantiles(
    values: NDArray[np.floating], weights: NDArray[np.floating], levels: tuple[float, ...]
) -> list[float]:
    """Return the quantiles of weighted values."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - 0.5 * weights[order]
    return [float(value) for value in np.interp(levels, below / weights.sum(), values[order])]


def nearest_cell(fields: xr.Dataset, latitude: float, longitude: float) -> tuple[int, ...]:
    """Return row and column of the valid cell nearest to a place [degrees] on the sphere."""
    lat, lon, valid = valid_cells(*on_one_grid(fields))
    centres, place = unit_vectors(lat[valid], lon[valid]), unit_vectors(np.array(latitude), np.array(longitude))
    nearest = np.flatnonzero(valid)[int(np.argmax(np.tensordot(place, centres, axes=1)))]
    return tuple(int(index) for index in np.unravel_index(nearest, valid.shape))
