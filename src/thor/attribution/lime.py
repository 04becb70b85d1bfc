"""LIME: a linear surrogate of the networks around each sample, all samples from one set of the networks' answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thor.attribution.attributions import Block
from thor.attribution.forward import Forward
from thor.attribution.gradients import require_features
from thor.attribution.targets import Regimes, Target, require_target
from thor.core.errors import AttributionError
from thor.core.ranges import require_at_least, require_positive
from thor.core.threads import in_threads
from thor.networks.stack import NetworkStack, Weights

Double = NDArray[np.float64]

_SAMPLES_PER_BLOCK = 256
_NETWORKS_AT_ONCE = 64
"""Whose products with the draws are held at once: 8 MB for each feature at 5,000 draws with intercept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lime:
    """Weighted ridge regression of the target on inputs drawn around the reference, for every sample.

    What `lime`'s tabular explainer does with ``discretize_continuous=False``, ``feature_selection="none"`` in its
    regression mode: the draws do not depend on the explained sample but for their first row, which is the sample
    itself, so that the networks answer once for all samples.

    Attributes
    ----------
    reference_mean, reference_scale : ndarray, shape (n_features,)
        Of the scaled inputs: draws are normal around them, and distances are measured in them.
    n_samples : int
        Draws, the sample itself included.
    kernel_width : float, optional
        Weights are exp(-d^2 / (2 width^2)) of the distance d; by default 0.75 sqrt(n_features), lime's own.
    ridge : float
        Penalty on the squared coefficients.
    target : {"centred_logit", "logit", "probability"}
    seed : int
        The same seed gives the draws of lime's first explanation.

    References
    ----------
    Ribeiro, Singh and Guestrin (2016), doi:10.1145/2939672.2939778.
    """

    reference_mean: NDArray[Any]
    reference_scale: NDArray[Any]
    n_samples: int = 5000
    kernel_width: float | None = None
    ridge: float = 1.0
    target: Target = "centred_logit"
    seed: int = 0
    name: str = "lime_weights"

    def __post_init__(self) -> None:
        require_target(self.target)
        require_at_least("n_samples", self.n_samples, 2)
        require_at_least("ridge", self.ridge, 0)
        if self.kernel_width is not None:
            require_positive("kernel_width", self.kernel_width)
        both = np.stack([self.reference_mean, self.reference_scale])
        if not np.isfinite(both).all() or not (self.reference_scale > 0).all():
            raise AttributionError(
                "The reference of LIME needs a finite mean and a scale above zero for every feature; got means "
                f"{np.round(self.reference_mean, 3)}, scales {np.round(self.reference_scale, 3)}."
            )

    @classmethod
    def around(cls, reference: Weights, **settings: Any) -> "Lime":
        """Return the method with mean and standard deviation of reference rows (n_reference, n_features)."""
        rows = reference.astype(float)
        return cls(reference_mean=rows.mean(axis=0), reference_scale=rows.std(axis=0), **settings)

    def players(self, stack: NetworkStack) -> tuple[str, ...]:
        """Return the features."""
        return stack.features

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes, *, start: int = 0) -> Iterator[Block]:
        """Yield coefficient times (input - reference mean); see `thor.attribution.attributions.Method`.

        The shares are `target`, `intercept` (the surrogate at the reference mean), `fidelity` (weighted R2) and
        `remainder` (target less surrogate at the sample). The standard error is that of the mean over networks when the
        draws are drawn again (a sandwich estimate, robust to a surrogate that does not fit).
        """
        require_features(stack, np.atleast_2d(self.reference_mean))
        draws = self._draws(len(stack.features))
        forward = Forward(stack, self.target, np.float64)
        inverse = draws * self.reference_scale + self.reference_mean
        of_every = forward.of_every_regime(inverse)
        answers = {k: np.ascontiguousarray(of_every[..., k].T) for k in np.unique(regime[start:]).tolist()}
        products = (draws[:, :, None] * draws[:, None, :]).reshape(len(draws), -1)

        def block(part: slice) -> Block:
            scaled = (inputs[part].astype(float) - self.reference_mean) / self.reference_scale
            own = forward.of_inputs(inputs[part].astype(float), regime[part])
            fits = [
                (chosen, self._fit(draws, products, answers[k], scaled[chosen], own[:, chosen]))
                for k in answers
                if (chosen := np.flatnonzero(regime[part] == k)).size
            ]
            values = np.empty((stack.n_networks, *scaled.shape))
            error = np.empty(scaled.shape)
            shares = {name: np.empty(own.shape) for name in ("intercept", "fidelity")}
            for chosen, fit in fits:
                values[:, chosen] = fit.coefficient * scaled[chosen]
                error[chosen] = fit.error * np.abs(scaled[chosen])
                shares["intercept"][:, chosen], shares["fidelity"][:, chosen] = fit.intercept, fit.fidelity
            remainder = own - shares["intercept"] - values.sum(axis=2)
            return Block(part, values, error, {"target": own, **shares, "remainder": remainder})

        ends = range(start, len(inputs), _SAMPLES_PER_BLOCK)
        yield from in_threads(block, (slice(first, min(first + _SAMPLES_PER_BLOCK, len(inputs))) for first in ends))

    def _draws(self, n_features: int) -> Double:
        """Return all draws but the first, which the sample itself replaces, in units of the reference's scale."""
        random = np.random.RandomState(self.seed)
        return random.normal(0, 1, self.n_samples * n_features).reshape(self.n_samples, n_features)[1:]

    def _fit(self, draws: Double, products: Double, answers: Double, scaled: Double, own: Double) -> "_Fit":
        """Return the surrogates of samples that explain one regime.

        Parameters
        ----------
        draws : ndarray, shape (n_draws, n_features)
        products : ndarray, shape (n_draws, n_features ** 2)
        answers : ndarray, shape (n_draws, n_networks)
        scaled : ndarray, shape (n_samples, n_features)
            The samples, which are the first draw of their own regression, with weight one.
        own : ndarray, shape (n_networks, n_samples)
            The networks' answers to them.
        """
        n_samples, n_features = scaled.shape
        width = self.kernel_width or 0.75 * np.sqrt(n_features)
        squared = (scaled**2).sum(axis=1)[:, None] - 2 * scaled @ draws.T + (draws**2).sum(axis=1)
        weights = np.exp(np.maximum(squared, 0) / (-2 * width**2))
        total = weights.sum(axis=1) + 1
        mean = (weights @ draws + scaled) / total[:, None]
        moments = (weights @ products).reshape(n_samples, n_features, n_features) + _outer(scaled)
        covariance = moments - total[:, None, None] * _outer(mean)
        answer_mean = ((weights @ answers).T + own) / total
        answer_squares = (weights @ answers**2).T + own**2
        together = np.empty((len(own), n_samples, n_features))
        for first in range(0, len(own), _NETWORKS_AT_ONCE):
            some = slice(first, first + _NETWORKS_AT_ONCE)
            both = (draws[:, :, None] * answers[:, None, some]).reshape(len(draws), -1)
            sums = (weights @ both).reshape(n_samples, n_features, -1)
            together[some] = np.moveaxis(sums, 2, 0)
        together += own[..., None] * scaled - (total * answer_mean)[..., None] * mean
        inverse = np.linalg.inv(covariance + self.ridge * np.eye(n_features))
        coefficient = np.einsum("wsi,sij->wsj", together, inverse)
        intercept = answer_mean - np.einsum("wsi,si->ws", coefficient, mean)
        spread = answer_squares - total * answer_mean**2
        explained = 2 * np.einsum("wsi,wsi->ws", coefficient, together)
        left = spread - explained + np.einsum("wsi,sij,wsj->ws", coefficient, covariance, coefficient, optimize=True)
        fidelity = 1 - np.divide(left, spread, out=np.zeros_like(left), where=spread > 0)
        # How the mean over networks scatters when the draws are others: weights and misfit, squared.
        slope, level = coefficient.mean(axis=0), intercept.mean(axis=0)
        misfit = (weights * (answers.mean(axis=1) - level[:, None] - slope @ draws.T)) ** 2
        middle = (misfit @ products).reshape(covariance.shape)
        shift = np.einsum("si,sj->sij", misfit @ draws, mean)
        middle += misfit.sum(axis=1)[:, None, None] * _outer(mean) - shift - np.swapaxes(shift, 1, 2)
        error = np.sqrt(np.einsum("sij,sjk,ski->si", inverse, middle, inverse, optimize=True))
        return _Fit(coefficient, intercept, fidelity, error)


@dataclass(frozen=True, eq=False)
class _Fit:
    coefficient: Double
    intercept: Double
    fidelity: Double
    error: Double


def _outer(vectors: Double) -> Double:
    return vectors[:, :, None] * vectors[:, None, :]
