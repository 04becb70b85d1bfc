"""Samples for training and selection: scaled inputs, labels and weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thor.core.errors import NetworkError
from thor.networks.stack import Weights
from thor.networks.terms import TermTargets

LEAST_CAPACITY = 16_384
"""Least number of rows that training samples are padded to."""


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
    terms : TermTargets, optional
        Terms of the budget that the networks predict besides; of training samples.
    reflected : bool
        Whether the last half of the samples are the cells of the first half in the ocean reflected at the equator. An
        epoch takes every cell once, as it is or reflected by turns.
    """

    inputs: Weights
    labels: NDArray[np.integer]
    weights: NDArray[np.floating] | None = None
    terms: TermTargets | None = None
    reflected: bool = False

    @property
    def n_cells(self) -> int:
        """Number of cells, each of which counts once where the reflected ocean is among the samples."""
        return len(self.inputs) // 2 if self.reflected else len(self.inputs)

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


def padded_columns(table: Table, least: int) -> tuple[Weights, NDArray[np.int32], Weights]:
    """Return inputs, label rows and weights of a table, padded with samples of weight 0.

    The number of samples becomes a power of two, so that tables of similar size share what XLA compiles for a shape.

    Parameters
    ----------
    table : Table
    least : int
        Least number of samples, a power of two.
    """
    n_samples = capacity(len(table.inputs), least)
    return (
        padded(table.inputs, n_samples),
        padded(table.label_rows(), n_samples, axis=1),
        padded(table.sample_weights(), n_samples),
    )


def capacity(n: int, least: int) -> int:
    """Return the power of two that `n` rows are padded to: tables of similar size then share one compilation."""
    return max(least, 1 << (n - 1).bit_length())


def padded(array: NDArray[Any], length: int, axis: int = 0) -> NDArray[Any]:
    """Return the array with zeros at the end of an axis, so that this has `length`."""
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, length - array.shape[axis])
    return np.pad(array, widths)
