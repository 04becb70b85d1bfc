"""Training and select cells as tables: scaled inputs, labels of each network, weights."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import Array
from thor.core.errors import NetworkError
from thor.core.variables import groups_of, is_known, variable
from thor.networks.predictor import columns
from thor.networks.samples import Samples
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import CELL_WEIGHTS, TrainingSettings
from thor.networks.stack import Weights
from thor.networks.terms import TermTargets
from thor.regimes.regime_model import RegimeModel

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
    n_oceans : int
        The samples are the same cells in so many oceans, one after the other (`Samples.to_train`). An epoch takes every
        cell once, in each ocean by turns.
    """

    inputs: Weights
    labels: NDArray[np.integer]
    weights: NDArray[np.floating] | None = None
    terms: TermTargets | None = None
    n_oceans: int = 1

    @property
    def n_cells(self) -> int:
        """Number of cells, each of which counts once."""
        return len(self.inputs) // self.n_oceans

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


def budget_inputs(features: tuple[str, ...]) -> tuple[str, ...]:
    """Return the features that are terms of the vorticity budget; all of them where the stress curl is the only term.

    A regime is a balance of these terms, wherever it is found. Position, depth and sea level tell the regimes of one
    ocean apart as well, but not those of another.
    """
    terms = tuple(name for name in features if is_known(name) and variable(name).units == "m s-2")
    return terms if any(groups_of(name).physical != "wind" for name in terms) else features


def training_tables(
    samples: Samples,
    scaler: FeatureScaler,
    settings: TrainingSettings,
    *,
    model: RegimeModel,
    budget: xr.Dataset,
    terms_weight: float,
    seed: int,
) -> tuple[Table, Table, NDArray[np.int64] | None]:
    """Return training and select cells, and the clustering run of the labels of each network (None: consensus)."""
    train = samples.to_train()
    terms = TermTargets.of(budget, train, weight=terms_weight)
    labels, runs = train.labels, None
    if settings.member_labels == "votes":
        labels, runs = vote_labels(model, budget, train, n_networks=settings.n_networks, seed=seed)
    table, select = scaled_tables(samples, scaler, weighted_by=settings.weighted_by)
    return replace(table, labels=labels, terms=terms), select, runs


def scaled_tables(
    samples: Samples,
    scaler: FeatureScaler,
    features: tuple[str, ...] | None = None,
    *,
    weighted_by: tuple[str, ...] = (),
) -> tuple[Table, Table]:
    """Return training and select cells with these features (None: all), scaled, and weights of the training cells."""
    to_train = samples.to_train()
    train, select = (
        Table(columns(scaler.transform(cells.inputs), samples.features, features or samples.features), cells.labels)
        for cells in (to_train, samples.with_role("select"))
    )
    weights = sample_weights(to_train, **{name: name in weighted_by for name in CELL_WEIGHTS})
    return replace(train, weights=weights, n_oceans=1 + len(samples.similar)), select


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
    model: RegimeModel, budget: xr.Dataset, samples: Samples, *, n_networks: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each network the regimes of one clustering run.

    Every run is used once, in random order, before one is used again, so that the runs have equal shares.

    Parameters
    ----------
    model : RegimeModel
        Its runs are aligned: a number means the same regime in all of them.
    budget : xarray.Dataset
        The terms [m s-2] that the model was fitted on, on the grid of the samples.
    samples : Samples
        Of which the places on the grid count, and the ocean that each is of.
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
    GridError
        When the budget lies on another grid.
    """
    points = samples.values_of(budget, model.terms) * samples.term_factors(model.terms)
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
