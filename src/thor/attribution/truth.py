"""Functions of the features whose attributions are known: what a method says of them can be right or wrong.

* An additive function (Mamalakis et al. 2022, doi:10.1017/eds.2022.7), as networks that compute it exactly: a sum of
  functions of one feature each, whose attributions to a reference are their differences.
* A physical one: features give the geostrophic terms of the vorticity budget of an equivalent-barotropic ocean, these
  give soft memberships of regimes. Its Shapley values follow from all coalitions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from thor.attribution.agreement import agreement
from thor.attribution.attributions import Method
from thor.attribution.shapley import shapley_weights
from thor.attribution.targets import Regimes
from thor.core.arrays import Array
from thor.core.variables import FEATURES
from thor.networks.stack import NetworkStack, Weights
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION, GRAVITY

DECAY_DEPTH = 1000.0
"""Of the equivalent-barotropic current [m]."""

TERMS = ("wind_stress_curl", "planetary_vorticity_advection", "bottom_pressure_torque")


@dataclass(frozen=True, eq=False)
class PhysicalFunction:
    """Centred logarithms of the memberships of regimes, a function of the eight published features.

    The meridional transport is geostrophic, V = g F(H) / f d(zos)/dx with F(H) = h (1 - exp(-H / h)); planetary
    vorticity advection is -beta V; bottom pressure torque is g exp(-H / h) J(zos, H). Memberships are a softmax of
    half the squared distance of the standardised terms to the regimes' centroids.

    Attributes
    ----------
    centroids : ndarray, shape (n_regimes, 3)
        Of the standardised terms `TERMS`.
    scale : ndarray, shape (3,), [m s-2]
        By which terms are divided.
    least_coriolis : float
        Magnitude of f below which it is taken for this [s-1]: geostrophy ends at the equator.
    """

    centroids: Array
    scale: Array
    least_coriolis: float = 2e-5

    @classmethod
    def of_labels(cls, inputs: Array, labels: Regimes, *, n_regimes: int) -> "PhysicalFunction":
        """Return the function whose scales are those of the cells, and whose centroids are the labels' mean terms.

        Parameters
        ----------
        inputs : ndarray, shape (n_cells, 8)
            Features in their own units.
        labels : ndarray of int, shape (n_cells,)
        n_regimes : int
        """
        terms = cls(np.zeros((1, 3)), np.ones(3)).terms(inputs)
        scale = terms.std(axis=0)
        compressed = np.arcsinh(terms / scale)
        centroids = [compressed[labels == k].mean(axis=0) for k in range(n_regimes)]
        return cls(np.array(centroids), scale)

    def terms(self, inputs: Array) -> Array:
        """Return the terms [m s-2] of features in their own units, shape (n_cells, 3)."""
        curl, _, zos_x, zos_y, depth, depth_x, depth_y, coriolis = inputs.T
        sign = np.where(coriolis < 0, -1.0, 1.0)
        rotation = sign * np.maximum(np.abs(coriolis), self.least_coriolis)
        beta = np.sqrt(np.maximum((2 * EARTH_ROTATION) ** 2 - coriolis**2, 0)) / EARTH_RADIUS
        decay = np.exp(-np.maximum(depth, 0) / DECAY_DEPTH)
        transport = GRAVITY * DECAY_DEPTH * (1 - decay) / rotation * zos_x
        torque = GRAVITY * decay * (zos_x * depth_y - zos_y * depth_x)
        return np.column_stack([curl, -beta * transport, torque])

    def __call__(self, inputs: Array) -> Array:
        """Return the centred log-memberships, shape (n_cells, n_regimes)."""
        # Terms have long tails: beyond a standard deviation they count by their logarithm.
        compressed = np.arcsinh(self.terms(inputs) / self.scale)
        distance = ((compressed[:, None] - self.centroids) ** 2).sum(axis=2)
        return -0.5 * (distance - distance.mean(axis=1, keepdims=True))

    def shapley_values(self, inputs: Array, regime: Regimes, reference: Array) -> Array:
        """Return the exact Shapley values of the regimes' log-memberships against reference rows.

        Parameters
        ----------
        inputs : ndarray, shape (n_cells, 8)
        regime : ndarray of int, shape (n_cells,)
        reference : ndarray, shape (n_reference, 8)

        Returns
        -------
        ndarray, shape (n_cells, 8)
        """
        n_features = inputs.shape[1]
        inside = (np.arange(2**n_features)[:, None] >> np.arange(n_features) & 1).astype(bool)
        worth = np.empty((len(inputs), len(inside)))
        for cell, (row, k) in enumerate(zip(inputs, regime, strict=True)):
            mixed = np.where(inside[:, None], row, reference)
            worth[cell] = self(mixed.reshape(-1, n_features))[:, k].reshape(len(inside), -1).mean(axis=1)
        return worth @ shapley_weights(n_features).T


def additive_stack(n_features: int, *, seed: int, n_networks: int = 1, n_units: int = 3) -> NetworkStack:
    """Return networks that are sums of functions of one feature each: each hidden unit sees one feature."""
    random = np.random.default_rng(seed)
    names = FEATURES if n_features == len(FEATURES) else tuple(f"feature_{j}" for j in range(n_features))
    kernel = np.zeros((n_networks, n_features, n_features * n_units), np.float32)
    for feature in range(n_features):
        own = slice(feature * n_units, (feature + 1) * n_units)
        kernel[:, feature, own] = random.normal(0, 1.5, (n_networks, n_units))
    bias = random.normal(0, 1, (n_networks, n_features * n_units)).astype(np.float32)
    last = random.normal(0, 1, (n_networks, n_features * n_units, 2)).astype(np.float32)
    return NetworkStack((kernel, last), (bias, np.zeros((n_networks, 2), np.float32)), names, ("first", "second"))


def additive_truth(stack: NetworkStack, inputs: Weights, regime: Regimes, reference: Weights) -> Array:
    """Return the attributions of networks of `additive_stack`, mean over networks, shape (n_cells, n_features)."""
    n_features = len(stack.features)
    last = stack.kernels[-1] - stack.kernels[-1].mean(axis=2, keepdims=True)

    def parts(rows: Weights, of: Regimes) -> Array:
        hidden = np.tanh(rows @ stack.kernels[0] + stack.biases[0][:, None])
        each = hidden * np.moveaxis(last, 2, 1)[:, of]
        return each.reshape(*each.shape[:2], n_features, -1).sum(axis=3).astype(float)

    begin = np.stack([parts(reference, np.full(len(reference), k)).mean(axis=1) for k in range(2)])
    return (parts(inputs, regime) - np.moveaxis(begin, 0, 1)[:, regime]).mean(axis=0)


def compare_with_truth(
    methods: Mapping[str, Method],
    stack: NetworkStack,
    inputs: Weights,
    regime: Regimes,
    truth: Array,
    *,
    function: str,
    same_scale: bool,
) -> pd.DataFrame:
    """Return how near each method's mean over networks comes to known attributions.

    Parameters
    ----------
    methods : mapping of str to Method
    stack : NetworkStack
        That computes or has learned the function.
    inputs : ndarray of float32, shape (n_cells, n_features)
        Scaled.
    regime : ndarray of int, shape (n_cells,)
    truth : ndarray, shape (n_cells, n_features)
    function : str
        Its name.
    same_scale : bool
        Whether the target has the function's scale. Networks that learned from labels have one of their own.

    Returns
    -------
    pandas.DataFrame
        One row for each method: `function`, `method`, `n_cells`; means over cells of `correlation` and `cosine` with
        the truth, `rank_correlation`, `sign_agreement`, `top_overlap` (see `thor.attribution.agreement`), and
        `relative_error`, root mean square over that of the truth (NaN where scales differ).
    """
    rows = []
    for name, method in methods.items():
        found = np.concatenate([block.values.mean(axis=0) for block in method.explain(stack, inputs, regime)]).astype(
            float
        )
        centred = [values - values.mean(axis=1, keepdims=True) for values in (found, truth)]
        rows.append(
            {
                "function": function,
                "method": name,
                "n_cells": len(found),
                "correlation": float(_cosine(*centred).mean()),
                "cosine": float(_cosine(found, truth).mean()),
                **{measure: float(np.nanmean(values)) for measure, values in agreement(found, truth).items()},
                "relative_error": float(np.sqrt(((found - truth) ** 2).mean() / (truth**2).mean()))
                if same_scale
                else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _cosine(first: Array, second: Array) -> Array:
    size = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.divide((first * second).sum(axis=1), size, out=np.zeros_like(size), where=size > 0)
