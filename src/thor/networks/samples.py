"""Fields as tables: which cells are samples, what networks see of them, and how inputs are scaled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import Array
from thor.core.errors import NetworkError, did_you_mean
from thor.core.variables import FEATURES, variable
from thor.networks.settings import FeatureSet
from thor.networks.split import ROLES
from thor.ocean.cells import on_same_grid, valid_cells
from thor.ocean.features import feature_groups, feature_names
from thor.regimes.naming import regime_names
from thor.regimes.regime_model import RegimeModel

_PER_SAMPLE = ("inputs", "labels", "area", "confidence", "lat", "lon", "basin", "role", "index")


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled cells as a table.

    Attributes
    ----------
    inputs : ndarray of shape (n_samples, n_features)
        Features in their own units, not scaled.
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
    features, units : tuple of str
    classes : tuple of str
        Names of the regimes by number.
    roles : dict of str to str
        Whose cells each role uses: itself, but test for select and calibrate in a published split.
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
    features: tuple[str, ...]
    units: tuple[str, ...]
    classes: tuple[str, ...]
    roles: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: NDArray[Any]) -> "Samples":
        """Return the samples at `chosen`, a mask or indices."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _PER_SAMPLE})

    def with_role(self, name: str) -> "Samples":
        """Return the samples used to `train`, `select`, `calibrate` or `test`.

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


def samples_from(
    features: xr.Dataset, regimes: xr.Dataset, split: xr.Dataset, *, names: Sequence[str] = FEATURES
) -> Samples:
    """Return the cells that are valid, have a regime and a role, as one table in C order of the grid.

    Parameters
    ----------
    features : xarray.Dataset
        The named features, `valid`, `basin`, `areacello`.
    regimes : xarray.Dataset
        `regime` with CF flags, `regime_confidence`, on the same grid.
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
            f"None of the {valid_index.size} valid cells has both a regime and a role: nothing to learn from. "
            "Regimes, split and features should be of one training ocean."
        )
    stands_in = {"select": split.attrs["select_role"], "calibrate": split.attrs["calibrate_role"]}
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
        features=tuple(names),
        units=tuple(variable(name).units for name in names),
        classes=regime_names(regimes),
        roles={name: stands_in.get(name, name) for name in ROLES if name != "buffer"},
    )


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
        In their own units.
    index : ndarray of int, shape (n_cells,)
        Place of each in the flattened grid, C order of `valid`.

    Raises
    ------
    NetworkError
        When no cell is valid, or a feature is missing, in another unit than the table of variables has, or not finite
        in a valid cell.
    """
    valid = valid_cells(features)[2]
    table = np.empty((int(valid.sum()), len(names)))
    for column, name in enumerate(names):
        if name not in features:
            raise NetworkError(
                f"Feature '{name}' is missing.{did_you_mean(name, feature_names(features))} The extended ones need "
                "data_engineering.extended_features or neighbourhood_radii_km."
            )
        units = features[name].attrs.get("units")
        if units != variable(name).units:
            raise NetworkError(f"Feature '{name}' has units '{units}'; expected '{variable(name).units}'.")
        table[:, column] = on_same_grid(features["valid"], features, name)[valid]
    bad = ~np.isfinite(table)
    if bad.any():
        counts = {name: int(count) for name, count in zip(names, bad.sum(axis=0), strict=True) if count}
        raise NetworkError(
            f"Features are not finite in {int(bad.any(axis=1).sum())} of {len(table)} valid cells: "
            f"{', '.join(f'{name} in {count}' for name, count in counts.items())}. Mend them, or set valid to 0 there."
        )
    return table, np.flatnonzero(valid)


def input_names(features: xr.Dataset, feature_set: FeatureSet) -> tuple[str, ...]:
    """Return the features of a set, in the order in which networks take them.

    Parameters
    ----------
    features : xarray.Dataset
    feature_set : {"published", "extended"} or sequence of str
        The eight, all that the dataset holds, or groups that are added to the eight: see
        `thor.ocean.features.feature_groups`.

    Raises
    ------
    NetworkError
        When the set or a group is unknown, or `extended` is asked for and there are only the published ones.
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


def sample_weights(samples: Samples, *, area: bool, confidence: bool) -> Array | None:
    """Return weights of mean one, shape (n_samples,), by area, by label confidence, by both; None for neither.

    Raises
    ------
    NetworkError
        When all weights are zero, or one is negative or not finite.
    """
    if not (area or confidence):
        return None
    weights = np.ones(len(samples))
    if area:
        weights *= samples.area
    if confidence:
        weights *= samples.confidence
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise NetworkError("Weights by area or confidence must be finite, not negative, and not all zero.")
    return weights / weights.mean()


def vote_labels(
    model: RegimeModel, budget: xr.Dataset, index: NDArray[np.int64], *, n_networks: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each network the regimes of one clustering run.

    Every run is dealt once, in random order, before one is dealt again, so that the runs have equal shares.

    Parameters
    ----------
    model : RegimeModel
        Its runs are aligned: a number means the same regime in all of them.
    budget : xarray.Dataset
        The terms [m s-2] that the model was fitted on, on the grid of the samples.
    index : ndarray of int, shape (n_samples,)
        The samples' places in the flattened grid (`Samples.index`).
    n_networks : int
    seed : int

    Returns
    -------
    labels : ndarray of int, shape (n_networks, n_samples)
    runs : ndarray of int, shape (n_networks,)
        Which run each network learns.

    Raises
    ------
    NetworkError
        When a term of the budget is not finite at a sample.
    """
    dims = budget["analysis_mask"].dims
    points = np.stack([budget[term].transpose(*dims).values.ravel()[index] for term in model.terms], axis=1)
    if not np.isfinite(points).all():
        raise NetworkError(
            f"The vorticity budget is not finite at {int((~np.isfinite(points)).any(axis=1).sum())} of {len(points)} "
            "samples, so clustering runs have no vote there. Set modelling.member_labels: consensus."
        )
    regime_of_run, _ = model.cell_regimes(points)
    rng = np.random.default_rng(seed)
    rounds = -(-n_networks // len(regime_of_run))
    runs = np.concatenate([rng.permutation(len(regime_of_run)) for _ in range(rounds)])[:n_networks]
    return regime_of_run[runs].astype(np.int64), runs


@dataclass(frozen=True, eq=False)
class FeatureScaler:
    """Standardisation of the features: (value - mean) / scale.

    Attributes
    ----------
    features, units : tuple of str
        In the order of the columns.
    mean, scale : ndarray of shape (n_features,)
        In the units of the features.
    """

    features: tuple[str, ...]
    units: tuple[str, ...]
    mean: Array
    scale: Array

    def __post_init__(self) -> None:
        shape = (len(self.features),)
        if not (len(self.units),) == self.mean.shape == self.scale.shape == shape:
            raise NetworkError(
                f"A scaler of {shape[0]} features needs as many units, means and scales; "
                f"got {len(self.units)}, {self.mean.shape} and {self.scale.shape}."
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.scale).all() and (self.scale > 0).all()):
            raise NetworkError("The means and scales of a scaler must be finite, and the scales above 0.")

    @classmethod
    def fit(cls, samples: Samples) -> "FeatureScaler":
        """Return mean and standard deviation of the samples' features, unweighted: pass training samples only.

        Raises
        ------
        NetworkError
            When a feature has one value only.
        """
        mean, scale = samples.inputs.mean(axis=0), samples.inputs.std(axis=0)
        constant = [
            name for name, spread in zip(samples.features, np.ptp(samples.inputs, axis=0), strict=True) if spread == 0
        ]
        if constant:
            raise NetworkError(f"{', '.join(constant)} has one value in all training cells: leave it out.")
        return cls(samples.features, samples.units, mean, scale)

    def transform(self, inputs: Array) -> NDArray[np.float32]:
        """Return inputs (n_samples, n_features), in the features' units, in standard deviations."""
        if inputs.ndim != 2 or inputs.shape[1] != len(self.features):
            raise NetworkError(f"The scaler takes inputs of shape (n, {len(self.features)}); got {inputs.shape}.")
        return ((inputs - self.mean) / self.scale).astype(np.float32)

    def require(self, features: Iterable[str], units: Iterable[str] | None = None) -> None:
        """Raise NetworkError unless `features`, and `units` if given, are those of the scaler, in its order."""
        features = tuple(features)
        if features != self.features:
            missing, unknown = set(self.features) - set(features), set(features) - set(self.features)
            how = f"missing {sorted(missing)}, unknown {sorted(unknown)}" if missing or unknown else "in another order"
            raise NetworkError(
                f"The features are not those of the scaler: {how}. Expected {', '.join(self.features)}; "
                f"got {', '.join(features)}. Run modelling again, or give the features it was run with."
            )
        if units is not None and tuple(units) != self.units:
            wrong = [
                f"'{name}' in '{got}' instead of '{expected}'"
                for name, got, expected in zip(features, units, self.units, strict=True)
                if got != expected
            ]
            raise NetworkError(f"The features' units are not those of the scaler: {'; '.join(wrong)}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists of names, units and numbers, which JSON keeps to the last digit."""
        return {entry.name: list(map(_plain, getattr(self, entry.name))) for entry in fields(self)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "FeatureScaler":
        """Return the scaler that `to_dict` described.

        Raises
        ------
        NetworkError
            When an entry is missing or unknown, or lengths differ.
        """
        expected = {entry.name for entry in fields(cls)}
        if set(content) != expected:
            raise NetworkError(f"A feature scaler holds {', '.join(sorted(expected))}; got {', '.join(content)}.")
        return cls(
            tuple(content["features"]),
            tuple(content["units"]),
            np.asarray(content["mean"], dtype=float),
            np.asarray(content["scale"], dtype=float),
        )


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else float(value)
