"""Labelled cells as a table of samples, and the features of all valid cells as inputs of networks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import Array
from thor.core.errors import NetworkError, did_you_mean
from thor.core.variables import FEATURES, groups_of, variable
from thor.networks.settings import FeatureSet
from thor.networks.split import ROLES
from thor.ocean.cells import on_same_grid, valid_cells
from thor.ocean.features import feature_groups, feature_names
from thor.regimes.naming import regime_names

_PER_SAMPLE = ("inputs", "labels", "area", "confidence", "lat", "lon", "basin", "role", "index", "reflected", "sign")


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled cells as a table.

    Attributes
    ----------
    inputs : ndarray of shape (n_samples, n_features)
        Features in their units, not scaled.
    labels : ndarray of int, shape (n_samples,)
        Number of the regime.
    area : ndarray of shape (n_samples,), [m2]
    confidence : ndarray of shape (n_samples,)
        Share of clustering runs that agree with the label.
    lat, lon : ndarray of shape (n_samples,), [degrees]
    basin : ndarray of int, shape (n_samples,)
        Codes of `thor.ocean.basins`.
    role : ndarray of int, shape (n_samples,)
        Codes of `thor.networks.split.ROLES`.
    index : ndarray of int, shape (n_samples,)
        Place in the flattened grid, C order of `valid`.
    reflected : ndarray of int, shape (n_samples,)
        Number of the regime that the cell has in the ocean reflected at the equator.
    sign : ndarray of int, shape (n_samples,)
        1, or -1 in the reflected ocean, where the terms of the budget have the other sign.
    features, units : tuple of str
    classes : tuple of str
        Names of the regimes by number.
    roles : dict of str to str
        Role whose cells are used for each role: the same, but test for select in a published split.
    reflect : bool
        Whether predictors are also trained on the reflected ocean (`modelling.split.reflect`).
    """

    inputs: Array
    labels: NDArray[np.int64]
    area: Array
    confidence: Array
    lat: Array
    lon: Array
    basin: NDArray[np.int64]
    role: NDArray[np.int64]
    index: NDArray[np.int64]
    reflected: NDArray[np.int64]
    sign: NDArray[np.int64]
    features: tuple[str, ...]
    units: tuple[str, ...]
    classes: tuple[str, ...]
    roles: Mapping[str, str]
    reflect: bool

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: NDArray[Any]) -> "Samples":
        """Return the samples at `chosen`, a mask or indices."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _PER_SAMPLE})

    def with_features(self, names: tuple[str, ...]) -> "Samples":
        """Return the samples with these of their features only, in this order."""
        kept = [self.features.index(name) for name in names]
        return replace(self, inputs=self.inputs[:, kept], features=names, units=tuple(self.units[k] for k in kept))

    def with_role(self, name: str) -> "Samples":
        """Return the samples used to `train`, `select` or `test`.

        Raises
        ------
        NetworkError
            When there is no such role, or no sample has it.
        """
        if name not in self.roles:
            raise NetworkError(f"There is no role '{name}'.{did_you_mean(name, self.roles)}")
        chosen = self.role == ROLES.index(self.roles[name])
        if not chosen.any():
            raise NetworkError(f"None of the {len(self)} samples has the role '{name}'. Change modelling.split.")
        return self.take(chosen)

    def to_train(self) -> "Samples":
        """Return the samples used to train; with `reflect` the same follow as they are in the reflected ocean."""
        train = self.with_role("train")
        if not self.reflect:
            return train
        odd = [groups_of(name).reflected == "odd" for name in self.features]
        there = replace(
            train,
            inputs=train.inputs * np.where(odd, -1.0, 1.0),
            labels=train.reflected,
            reflected=train.labels,
            lat=-train.lat,
            sign=-train.sign,
        )
        both: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in (train, there)]) for name in _PER_SAMPLE
        }
        return replace(train, **both)


def samples_from(
    features: xr.Dataset, regimes: xr.Dataset, split: xr.Dataset, *, names: Sequence[str] = FEATURES
) -> Samples:
    """Return the cells that are valid, have a regime and a role, as one table in C order of the grid.

    Parameters
    ----------
    features : xarray.Dataset
        The named features, `valid`, `basin`, `areacello`.
    regimes : xarray.Dataset
        `regime` with CF flags, `regime_confidence`, on the same grid; `reflected_regime` where the split has the
        attribute `reflect`.
    split : xarray.Dataset
        As from `thor.networks.split.make_split`, on the same grid.
    names : sequence of str
        Features in the order in which networks take them.

    Raises
    ------
    NetworkError
        When a feature is missing or not finite in a valid cell, or no cell is left.
    GridError
        When the grids differ.
    """
    table, valid_index = cell_inputs(features, names=names)
    lat, lon, valid = valid_cells(features)

    def at_valid(dataset: xr.Dataset, name: str) -> NDArray[Any]:
        return on_same_grid(features["valid"], dataset, name)[valid]

    regime, role = at_valid(regimes, "regime"), at_valid(split, "role")
    used = (regime >= 0) & (role >= 0)
    if not used.any():
        raise NetworkError(
            f"None of the {valid_index.size} valid cells has both a regime and a role: there is nothing to train on. "
            "Regimes, split and features should be of one training ocean."
        )
    stands_in, reflect = {"select": split.attrs["select_role"]}, bool(split.attrs.get("reflect", 0))
    reflected = _reflected_regime(regimes, at_valid, used) if reflect else np.full(used.sum(), -1)
    return Samples(
        inputs=table[used],
        labels=regime[used].astype(np.int64),
        area=at_valid(features, "areacello")[used].astype(float),
        confidence=at_valid(regimes, "regime_confidence")[used].astype(float),
        lat=lat[valid][used].astype(float),
        lon=lon[valid][used].astype(float),
        basin=at_valid(features, "basin")[used].astype(np.int64),
        role=role[used].astype(np.int64),
        index=valid_index[used],
        reflected=reflected.astype(np.int64),
        sign=np.ones(used.sum(), np.int64),
        features=tuple(names),
        units=tuple(variable(name).units for name in names),
        classes=regime_names(regimes),
        roles={name: stands_in.get(name, name) for name in ROLES if name != "buffer"},
        reflect=reflect,
    )


def _reflected_regime(
    regimes: xr.Dataset, at_valid: Callable[[xr.Dataset, str], NDArray[Any]], used: NDArray[np.bool_]
) -> NDArray[Any]:
    advice = "Run regime_clustering again, or set modelling.split.reflect: false."
    if "reflected_regime" not in regimes:
        raise NetworkError(f"The regimes have no 'reflected_regime', needed to train on the reflected ocean. {advice}")
    reflected = at_valid(regimes, "reflected_regime")[used]
    if n := int((reflected < 0).sum()):
        raise NetworkError(f"{n} of {reflected.size} cells with a regime have no 'reflected_regime'. {advice}")
    return reflected


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
    valid = valid_cells(features)[2]
    fields = feature_fields(features, names=names)
    return np.stack([field[valid] for field in fields], axis=1).astype(float, copy=False), np.flatnonzero(valid)


def feature_fields(features: xr.Dataset, *, names: Sequence[str]) -> list[Array]:
    """Return the named features, each in the shape of `valid`, after checking them; see `cell_inputs`."""
    valid = valid_cells(features)[2]
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
