"""Functions of the features with known attributions, and the comparison of every method with them.

* An additive function (Mamalakis et al. 2022, doi:10.1017/eds.2022.7), as networks that compute it exactly: a sum of
  functions of one feature each, whose attributions to a reference are their differences.
* A physical function: the features give the geostrophic terms of the vorticity budget of an equivalent-barotropic
  ocean, and these give soft memberships of regimes. Its Shapley values follow from all coalitions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from thor.attribution.agreement import agreement, correlation, cosine
from thor.attribution.attributions import mean_over_networks
from thor.attribution.coalitions import coalitions, shapley_weights
from thor.attribution.method import Explainer
from thor.attribution.settings import TruthSettings
from thor.attribution.targets import Regimes
from thor.core.arrays import Array
from thor.core.variables import FEATURES
from thor.networks.network import outputs
from thor.networks.samples import Samples
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import TrainingSettings
from thor.networks.stack import NetworkStack, Weights
from thor.networks.training import train_stack
from thor.networks.training_data import Table
from thor.ocean.geostrophic import geostrophic_terms

TERMS = ("wind_stress_curl", "planetary_vorticity_advection", "bottom_pressure_torque")


def truth_table(
    explainers: Callable[[Weights], Mapping[str, Explainer]],
    samples: Samples,
    scaler: FeatureScaler,
    reference: Weights,
    *,
    settings: TruthSettings,
    seed: int,
) -> pd.DataFrame:
    """Return the comparison of methods with functions whose attributions are known.

    Networks are trained on the physical function, as on regimes; of extended features only the published eight are
    used. The networks' error affects every method alike.

    Parameters
    ----------
    explainers : callable
        Returns the explainers, by method, for a reference of eight features.
    samples : Samples
        Of the training ocean.
    scaler : FeatureScaler
    reference : ndarray of float32, shape (n_reference, n_features)
        Scaled.
    settings : TruthSettings
    seed : int
    """
    random = np.random.default_rng(seed)
    eight = slice(0, 8)
    train, test = samples.with_role("train"), samples.with_role("test")
    rows = reference[random.choice(len(reference), min(settings.n_rows, len(reference)), replace=False), eight]
    cells = test.take(random.choice(len(test), min(settings.n_cells, len(test)), replace=False))
    inputs = scaler.transform(cells.inputs)[:, eight]
    stack = additive_stack(seed=seed, n_networks=settings.n_networks)
    regime = np.arange(len(inputs)) % 2
    made = explainers(rows)
    truth = additive_truth(stack, inputs, regime, rows)
    additive = compare_with_truth(made, stack, inputs, regime, truth, function="additive", same_scale=True)
    function = PhysicalFunction.of_labels(train.inputs[:, eight], train.labels, n_regimes=len(samples.classes))
    tables = [
        Table(scaler.transform(part.inputs)[:, eight], function(part.inputs[:, eight]).argmax(axis=1))
        for part in (train, samples.with_role("select"))
    ]
    training = TrainingSettings(**settings.model_dump(include={"n_networks", "epochs", "hidden", "batch_size"}))
    names, classes = samples.features[eight], samples.classes
    learned = train_stack(*tables, features=names, classes=classes, settings=training, seed=seed).stack
    unscaled = cells.inputs[:, eight]
    regime = function(unscaled).argmax(axis=1)
    in_units = rows * scaler.scale[eight] + scaler.mean[eight]
    truth = function.shapley_values(unscaled, regime, in_units)
    physical = compare_with_truth(made, learned, inputs, regime, truth, function="physical", same_scale=False)
    return pd.concat([additive, physical], ignore_index=True)


@dataclass(frozen=True, eq=False)
class PhysicalFunction:
    """Centred logarithms of the memberships of regimes, a function of the eight published features.

    Planetary vorticity advection and bottom pressure torque are those of `thor.ocean.geostrophic`, without the Ekman
    transport. Memberships are a softmax of half the squared distance of the standardised terms to the regimes'
    centroids.

    Attributes
    ----------
    centroids : ndarray, shape (n_regimes, 3)
        Of the standardised terms `TERMS`.
    scale : ndarray, shape (3,), [m s-2]
        Divisors of the terms.
    least_coriolis : float
        Smallest magnitude of f [s-1]: geostrophy does not hold at the equator.
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
            Features in their units.
        labels : ndarray of int, shape (n_cells,)
        n_regimes : int
        """
        terms = cls(np.zeros((1, 3)), np.ones(3)).terms(inputs)
        scale = terms.std(axis=0)
        compressed = np.arcsinh(terms / scale)
        centroids = [compressed[labels == k].mean(axis=0) for k in range(n_regimes)]
        return cls(np.array(centroids), scale)

    def terms(self, inputs: Array) -> Array:
        """Return the terms [m s-2] of features in their units, shape (n_cells, 3)."""
        curl, _, zos_x, zos_y, depth, depth_x, depth_y, coriolis = inputs.T
        terms = geostrophic_terms(
            zos_gradient=(zos_x, zos_y),
            deptho=depth,
            deptho_gradient=(depth_x, depth_y),
            coriolis_parameter=coriolis,
            least_coriolis=self.least_coriolis,
        )
        return np.column_stack([curl, *terms.values()])

    def __call__(self, inputs: Array) -> Array:
        """Return the centred log-memberships, shape (n_cells, n_regimes)."""
        # Terms have long tails: beyond a standard deviation their logarithm is used.
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
        inside = coalitions(n_features)
        value = np.empty((len(inputs), len(inside)))
        for cell, (row, k) in enumerate(zip(inputs, regime, strict=True)):
            mixed = np.where(inside[:, None], row, reference)
            value[cell] = self(mixed.reshape(-1, n_features))[:, k].reshape(len(inside), -1).mean(axis=1)
        return value @ shapley_weights(n_features).T


def additive_stack(*, seed: int, n_networks: int = 1) -> NetworkStack:
    """Return networks that are sums of functions of one published feature each: every hidden unit has one as input."""
    random = np.random.default_rng(seed)
    n_units = 3 * len(FEATURES)
    kernel = np.zeros((n_networks, len(FEATURES), n_units), np.float32)
    for feature in range(len(FEATURES)):
        kernel[:, feature, 3 * feature : 3 * feature + 3] = random.normal(0, 1.5, (n_networks, 3))
    bias = random.normal(0, 1, (n_networks, n_units)).astype(np.float32)
    last = random.normal(0, 1, (n_networks, n_units, 2)).astype(np.float32)
    return NetworkStack((kernel, last), (bias, np.zeros((n_networks, 2), np.float32)), FEATURES, ("first", "second"))


def additive_truth(stack: NetworkStack, inputs: Weights, regime: Regimes, reference: Weights) -> Array:
    """Return the attributions of networks of `additive_stack`, mean over networks, shape (n_cells, n_features)."""
    n_features = len(stack.features)
    last = stack.kernels[-1] - stack.kernels[-1].mean(axis=2, keepdims=True)

    def parts(rows: Weights, of: Regimes) -> Array:
        hidden = outputs(stack.layers()[:1], rows)
        each = hidden * np.moveaxis(last, 2, 1)[:, of]
        return each.reshape(*each.shape[:2], n_features, -1).sum(axis=3).astype(float)

    begin = np.stack([parts(reference, np.full(len(reference), k)).mean(axis=1) for k in range(2)])
    return (parts(inputs, regime) - np.moveaxis(begin, 0, 1)[:, regime]).mean(axis=0)


def compare_with_truth(
    explainers: Mapping[str, Explainer],
    stack: NetworkStack,
    inputs: Weights,
    regime: Regimes,
    truth: Array,
    *,
    function: str,
    same_scale: bool,
) -> pd.DataFrame:
    """Return the comparison of each method's mean over networks with known attributions.

    Parameters
    ----------
    explainers : mapping of str to Explainer
        By method.
    stack : NetworkStack
        Networks that compute the function or were trained on it.
    inputs : ndarray of float32, shape (n_cells, n_features)
        Scaled.
    regime : ndarray of int, shape (n_cells,)
    truth : ndarray, shape (n_cells, n_features)
    function : str
        Its name.
    same_scale : bool
        Whether the target has the function's scale; the logits of networks trained on labels have another.

    Returns
    -------
    pandas.DataFrame
        One row for each method: `function`, `method`, `n_cells`; means over cells of `correlation` and `cosine` with
        the truth, `rank_correlation`, `sign_agreement`, `top_overlap` (see `thor.attribution.agreement`), and
        `relative_error`, root mean square over that of the truth (NaN where scales differ).
    """
    rows = []
    for name, explainer in explainers.items():
        found = mean_over_networks(explainer, stack, inputs, regime)
        error = np.sqrt(((found - truth) ** 2).mean() / (truth**2).mean())
        rows.append(
            {
                "function": function,
                "method": name,
                "n_cells": len(found),
                "correlation": float(np.nan_to_num(correlation(found, truth)).mean()),
                "cosine": float(np.nan_to_num(cosine(found, truth)).mean()),
                **{measure: float(np.nanmean(values)) for measure, values in agreement(found, truth).items()},
                "relative_error": float(error) if same_scale else np.nan,
            }
        )
    return pd.DataFrame(rows)
