"""Samples for training and selection: scaled inputs, labels and weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thor.core.errors import NetworkError
from thor.networks.stack import Weights


@dataclass(frozen=True, eq=False)
class Table:
    """Samples to train or to select on.

    Attributes
    ----------
    inputs : ndarray of float32, shape (n_samples, n_features)
        Scaled.
    labels : ndarray of int, shape (n_samples,) or (n_networks, n_samples)
        One row for all networks, or one row for each.
    weights : ndarray of shape (n_samples,), optional
        Of the samples, with a mean of about one; by default all are equal.
    """

    inputs: Weights
    labels: NDArray[np.integer]
    weights: NDArray[np.floating] | None = None

    def require_sound(self, what: str, *, n_features: int, n_classes: int, n_networks: int) -> None:
        """Raise NetworkError when shapes do not fit, an input is not finite or a label is no class."""
        n_samples = len(self.inputs)
        if n_samples == 0 or self.inputs.shape != (n_samples, n_features):
            raise NetworkError(f"The {what} inputs have shape {self.inputs.shape}; expected (n_samples, {n_features}).")
        if self.labels.shape not in ((n_samples,), (n_networks, n_samples)):
            raise NetworkError(
                f"The {what} labels have shape {self.labels.shape}; expected ({n_samples},), or "
                f"({n_networks}, {n_samples}) for labels that differ between networks."
            )
        bad = ~np.isfinite(self.inputs).all(axis=1)
        if bad.any():
            raise NetworkError(
                f"{int(bad.sum())} of {n_samples} {what} samples have inputs that are not finite. "
                "Leave them out, or correct the features."
            )
        if self.labels.min() < 0 or self.labels.max() >= n_classes:
            raise NetworkError(
                f"The {what} labels run from {self.labels.min()} to {self.labels.max()}; "
                f"expected 0 to {n_classes - 1}, a number for each class."
            )
        if self.weights is not None and not (
            self.weights.shape == (n_samples,)
            and np.isfinite(self.weights).all()
            and self.weights.min() >= 0
            and self.weights.any()
        ):
            raise NetworkError(
                f"The {what} weights must be {n_samples} finite numbers, none of them negative and not all zero."
            )

    def label_rows(self) -> NDArray[np.int32]:
        """Return the labels with a leading axis: one row for all networks, or one for each."""
        return np.atleast_2d(self.labels).astype(np.int32)

    def sample_weights(self) -> Weights:
        """Return the weights, ones by default."""
        given = np.ones(len(self.inputs)) if self.weights is None else self.weights
        return given.astype(np.float32)
