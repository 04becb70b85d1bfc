"""Standardisation of the features with the moments of the training cells."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import Array
from thor.core.errors import NetworkError
from thor.networks.json_model import JsonModel
from thor.networks.samples import Samples


@dataclass(frozen=True, eq=False)
class FeatureScaler(JsonModel):
    """Standardisation of the features: (value - mean) / scale.

    Attributes
    ----------
    features, units : tuple of str
        In the order of the columns.
    mean, scale : ndarray of shape (n_features,)
        In the units of the features.
    """

    KIND = "A feature scaler"

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

    def extended(self, samples: Samples) -> "FeatureScaler":
        """Return the scaler with the samples' further features, whose moments are theirs; errors as for `fit`."""
        more = [column for column, name in enumerate(samples.features) if name not in self.features]
        if not more:
            return self
        others = FeatureScaler.fit(samples.with_features(tuple(samples.features[column] for column in more)))
        return FeatureScaler(
            self.features + others.features,
            self.units + others.units,
            np.concatenate([self.mean, others.mean]),
            np.concatenate([self.scale, others.scale]),
        )

    def transform(self, inputs: Array) -> NDArray[np.float32]:
        """Return inputs (n_samples, n_features), in the features' units, in standard deviations."""
        if inputs.ndim != 2 or inputs.shape[1] != len(self.features):
            raise NetworkError(f"The scaler takes inputs of shape (n, {len(self.features)}); got {inputs.shape}.")
        return ((inputs - self.mean) / self.scale).astype(np.float32)

    def require(self, features: Iterable[str]) -> None:
        """Raise NetworkError unless `features` are those of the scaler, in its order."""
        features = tuple(features)
        if features != self.features:
            missing, unknown = set(self.features) - set(features), set(features) - set(self.features)
            how = f"missing {sorted(missing)}, unknown {sorted(unknown)}" if missing or unknown else "in another order"
            raise NetworkError(
                f"The features are not those of the scaler: {how}. Expected {', '.join(self.features)}; "
                f"got {', '.join(features)}. Run modelling again, or give the features it was run with."
            )
