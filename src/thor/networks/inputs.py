"""Which features are inputs of networks and boosting, and their values in the valid cells."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import Array
from thor.core.errors import NetworkError, did_you_mean
from thor.core.variables import FEATURES, variable
from thor.networks.settings import FeatureSet
from thor.ocean.cells import on_same_grid, valid_mask
from thor.ocean.features import feature_groups, feature_names


def cell_inputs(features: xr.Dataset, *, names: Sequence[str] = FEATURES) -> tuple[Array, NDArray[np.int64]]:
    """Return the features of every valid cell.

    Parameters
    ----------
    features : xarray.Dataset
        The named features and `valid`, without a `window` dim.
    names : sequence of str
        Columns in their order.

    Returns
    -------
    inputs : ndarray of shape (n_cells, n_features)
        In their units, not scaled.
    index : ndarray of int, shape (n_cells,)
        Place of each in the flattened grid, C order of `valid`.

    Raises
    ------
    DataError
        When no cell is valid.
    NetworkError
        When a feature is missing, in another unit than the table of variables has, or not finite
        in a valid cell.
    """
    valid = valid_mask(features)
    fields = feature_fields(features, names=names)
    return np.stack([field[valid] for field in fields], axis=1).astype(float, copy=False), np.flatnonzero(valid)


def feature_fields(features: xr.Dataset, *, names: Sequence[str]) -> list[Array]:
    """Return the named features, each in the shape of `valid`, after checking them; see `cell_inputs`."""
    valid = valid_mask(features)
    fields, bad_cells, counts = [], np.zeros(valid.shape, bool), {}
    for name in names:
        if name not in features:
            raise NetworkError(
                f"Feature '{name}' is missing.{did_you_mean(name, feature_names(features))} The extended ones need "
                "data_engineering.extended_features or neighbourhood_radii_km."
            )
        units = features[name].attrs.get("units")
        if units != variable(name).units:
            raise NetworkError(f"Feature '{name}' has units '{units}'; expected '{variable(name).units}'.")
        fields.append(on_same_grid(features["valid"], features, name))
        bad = valid & ~np.isfinite(fields[-1])
        if bad.any():
            counts[name] = int(bad.sum())
            bad_cells |= bad
    if counts:
        raise NetworkError(
            f"Features are not finite in {int(bad_cells.sum())} of {int(valid.sum())} valid cells: "
            f"{', '.join(f'{name} in {count}' for name, count in counts.items())}. "
            "Correct them, or set valid to 0 there."
        )
    return fields


def predictor_features(
    features: xr.Dataset, networks: FeatureSet, boosting: FeatureSet | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the features of the networks, and those of boosting; None: the same. See `input_names`."""
    of_networks = input_names(features, networks)
    return of_networks, of_networks if boosting is None else input_names(features, boosting)


def all_features(*sets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the features of all sets, each once: those of the first set in its order, then those that others add."""
    return tuple(dict.fromkeys(name for names in sets for name in names))


def input_names(features: xr.Dataset, feature_set: FeatureSet) -> tuple[str, ...]:
    """Return the features of a set, in the order in which networks take them.

    Parameters
    ----------
    features : xarray.Dataset
    feature_set : {"published", "extended"} or tuple of str
        The eight, all that the dataset holds, or groups that are added to the eight: see
        `thor.ocean.features.feature_groups`.

    Raises
    ------
    NetworkError
        When the set or a group is unknown, or the set is `extended` and there are only the published features.
    """
    if feature_set == "published":
        return FEATURES
    if isinstance(feature_set, str) and feature_set != "extended":
        raise NetworkError(
            f"There is no feature set '{feature_set}'.{did_you_mean(feature_set, ('published', 'extended'))}"
        )
    names = tuple(feature_names(features))
    if set(names) <= set(FEATURES):
        raise NetworkError(
            "The features hold the published ones only: set data_engineering.extended_features or "
            "neighbourhood_radii_km."
        )
    if feature_set == "extended":
        return names
    groups = feature_groups(names)
    for name in feature_set:
        if name not in groups:
            raise NetworkError(
                f"There is no group of features '{name}'.{did_you_mean(name, groups)} The groups that data_engineering "
                f"made: {', '.join(group for group in groups if group != 'published')}."
            )
    chosen = {member for name in feature_set for member in groups[name]}
    return (*FEATURES, *(name for name in names if name in chosen and name not in FEATURES))
