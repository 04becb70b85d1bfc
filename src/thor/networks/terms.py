"""The terms head: networks that also predict the terms of the vorticity budget, each with a spread.

The head is part of the last layer, on the same hidden layers as the logits. A term x is predicted as a normal
distribution of asinh(x / scale), since terms span orders of magnitude; the likelihood of the terms of the training
cells is part of the loss (Nix & Weigend 1994, doi 10.1109/ICNN.1994.374138).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray, Array
from thor.core.errors import NetworkError
from thor.core.variables import BUDGET_TERMS
from thor.networks.samples import Samples

LEAST_SPREAD, MOST_SPREAD = 0.02, 1.5
"""Bounds of the spread of a scaled term: no cell has a boundless likelihood, none a boundless spread in m s-2."""


def budget_terms(budget: xr.Dataset, samples: Samples) -> Array:
    """Return the terms of the budget in the cells of samples, shape (n_samples, n_terms), [m s-2].

    Parameters
    ----------
    budget : xarray.Dataset
        `thor.core.variables.BUDGET_TERMS` [m s-2], NaN where unknown.
    samples : Samples

    Raises
    ------
    NetworkError
        When a term is missing.
    GridError
        When the budget lies on another grid than the samples.
    """
    if missing := [name for name in BUDGET_TERMS if name not in budget]:
        raise NetworkError(
            f"The vorticity budget lacks {', '.join(missing)}, so networks cannot predict its terms. Set "
            "modelling.terms_weight: 0."
        )
    return samples.values_of(budget, BUDGET_TERMS)


@dataclass(frozen=True, eq=False)
class TermTargets:
    """Scaled terms of the budget in training cells.

    Attributes
    ----------
    names : tuple of str
    scale : ndarray of shape (n_terms,), [m s-2]
    scaled : ndarray of float32, shape (n_samples, n_terms)
        asinh(term / scale); NaN where the budget is not known.
    weight : float
        Of their mean negative log-likelihood in the loss.
    """

    names: tuple[str, ...]
    scale: Array
    scaled: NDArray[np.float32]
    weight: float

    @classmethod
    def of(cls, budget: xr.Dataset, samples: Samples, *, weight: float) -> "TermTargets | None":
        """Return the terms in training cells, scaled by their median magnitude there; None for weight 0.

        Parameters
        ----------
        budget : xarray.Dataset
            As for `budget_terms`, on the grid of the samples.
        samples : Samples
            As from `Samples.to_train`.
        weight : float

        Raises
        ------
        NetworkError
            When a term is missing, or has no value but zero in the training cells.
        """
        if not weight:
            return None
        terms = budget_terms(budget, samples) * samples.term_factors(BUDGET_TERMS)
        unknown = [name for name, column in zip(BUDGET_TERMS, terms.T, strict=True) if not (np.abs(column) > 0).any()]
        if unknown:
            raise NetworkError(
                f"The vorticity budget has no values of {', '.join(unknown)} in any of the "
                f"{len(samples) // (1 + len(samples.similar))} training cells. Set modelling.terms_weight: 0, or check "
                "the budget."
            )
        scale = np.array([np.median(np.abs(column[np.abs(column) > 0])) for column in terms.T])
        return cls(BUDGET_TERMS, scale, np.arcsinh(terms / scale).astype(np.float32), weight)


@dataclass(frozen=True, eq=False)
class TermsHead:
    """Outputs of networks for terms of the budget, from the activations of the last hidden layer.

    Attributes
    ----------
    kernel : ndarray of float32, shape (n_networks, n_hidden, 2 n_terms)
        To the means, then to the spreads.
    bias : ndarray of float32, shape (n_networks, 2 n_terms)
    names : tuple of str
    scale : tuple of float, [m s-2]
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    names: tuple[str, ...]
    scale: tuple[float, ...]

    def description(self) -> dict[str, Any]:
        """Return what describes the head besides its weights."""
        return {"names": list(self.names), "scale": list(self.scale)}

    def predictions(self, outputs: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Return value and spread of each term [m s-2], shape (..., n_terms), from the head's outputs.

        Notes
        -----
        For a scaled term of mean m and spread s, scale sinh(m), the median, and scale cosh(m) s, the spread to first
        order. The mean of sinh of a normal variable, sinh(m) exp(s^2 / 2), is dominated by the least certain cells.
        """
        # Terms apart in memory: NumPy is six times slower where neighbours are the few outputs of one network and cell.
        apart = np.moveaxis(outputs, -1, 0).astype(np.float64, order="C")
        mean, spread = scaled_moments(np.moveaxis(apart, 0, -1), np)
        return np.asarray(self.scale) * np.sinh(mean), np.asarray(self.scale) * np.cosh(mean) * spread


def over_networks(value: AnyArray, spread: AnyArray) -> tuple[Array, Array]:
    """Return the mean over networks, the first axis, and the standard deviation over networks and predicted spread."""
    return value.mean(axis=0), np.sqrt(value.var(axis=0) + (spread**2).mean(axis=0))


def scaled_moments(outputs: Any, xp: Any) -> tuple[Any, Any]:
    """Return mean and spread of the scaled terms, each (..., n_terms), from the head's outputs (..., 2 n_terms).

    `xp` is `numpy` or `tensorflow`.
    """
    n_terms = outputs.shape[-1] // 2
    share = 0.5 * (1 + xp.tanh(0.5 * outputs[..., n_terms:]))
    return outputs[..., :n_terms], LEAST_SPREAD + (MOST_SPREAD - LEAST_SPREAD) * share


def terms_loss(outputs: Any, scaled: Any) -> Any:
    """Return the negative log-likelihood of scaled terms, but for a constant, mean over the terms, in TensorFlow.

    Parameters
    ----------
    outputs : Tensor of shape (..., 2 n_terms)
        Of the head.
    scaled : Tensor of shape (..., n_terms)
        As in `TermTargets`; a term that is NaN adds nothing.
    """
    from thor.networks.tensorflow import load_tensorflow

    tf = load_tensorflow()
    mean, spread = scaled_moments(outputs, tf)
    unknown = tf.math.is_nan(scaled)
    # Without NaN in the other branch: its gradient would be NaN, too.
    error = (tf.where(unknown, tf.zeros_like(scaled), scaled) - mean) / spread
    each = 0.5 * error**2 + tf.math.log(spread)
    return tf.reduce_mean(tf.where(unknown, tf.zeros_like(each), each), -1)
