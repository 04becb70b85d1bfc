"""LIME: a linear surrogate of a predictor around each sample, with one set of draws for all samples."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from pydantic import Field

from thor.attribution.method import AttributionBlock, Explainer, Method, sample_parts
from thor.attribution.target_networks import targets_of
from thor.attribution.targets import Regimes, Target, require_features, require_reference, require_target
from thor.core.arrays import Array
from thor.core.errors import AttributionError
from thor.core.parallel import in_threads
from thor.core.settings import NotNegative, Positive, Settings
from thor.networks.predictor import Predictor, columns
from thor.networks.stack import Weights

SAMPLES_PER_BLOCK = 256
NETWORKS_AT_ONCE = 64
"""Members whose products with the draws are held at once: 8 MB for each feature at 5,000 draws with intercept."""
LEAST_WEIGHT = 1e-12
"""Weight of all draws together, that of the sample being one, below which they do not support a surrogate."""
LARGEST_CONDITION = 1e12
"""Condition number of the regression above which its coefficients are rounding errors."""


class LimeSettings(Settings):
    """How LIME draws and fits."""

    n_samples: int = Field(5000, ge=2)
    """Draws, shared by all cells."""
    kernel_width: Positive | None = None
    """Width of the kernel in standard deviations of the reference; null: 0.75 times the square root of the number of
    features, as in the package lime."""
    ridge: NotNegative = 1.0
    """Penalty on squared coefficients; 0 needs draws that determine all coefficients."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lime(Explainer):
    """Weighted ridge regression of the target on inputs drawn around the reference, for every sample.

    As `lime`'s tabular explainer with ``discretize_continuous=False`` and ``feature_selection="none"`` in its
    regression mode: the draws do not depend on the explained sample but for their first row, which is the sample
    itself, so that the predictor is applied once for all samples.

    Attributes
    ----------
    reference : ndarray of float32, shape (n_reference, n_features)
        Scaled. Draws are normal with mean and standard deviation of its rows, and distances are measured in the latter.
    settings : LimeSettings
    target : {"centred_logit", "logit", "probability"}
    seed : int
        The same seed gives the draws of lime's first explanation.

    References
    ----------
    Ribeiro, Singh and Guestrin (2016), doi:10.1145/2939672.2939778.
    """

    reference: Weights
    settings: LimeSettings
    target: Target = "centred_logit"
    seed: int = 0
    networks_only = False

    def __post_init__(self) -> None:
        require_target(self.target)
        require_reference(self.reference)
        if not (self.scale > 0).all():
            raise AttributionError(
                "The reference of LIME needs a finite mean and a scale above zero for every feature; got means "
                f"{np.round(self.mean, 3)}, scales {np.round(self.scale, 3)}."
            )

    @cached_property
    def mean(self) -> Array:
        """Mean of the reference rows, shape (n_features,)."""
        return self.reference.astype(float).mean(axis=0)

    @cached_property
    def scale(self) -> Array:
        """Standard deviation of the reference rows, shape (n_features,)."""
        return self.reference.astype(float).std(axis=0)

    def restricted(self, features: tuple[str, ...], wanted: tuple[str, ...]) -> "Lime":
        """Return the explainer of predictors with some of the features that it was made for."""
        return replace(self, reference=columns(self.reference, features, wanted))

    def explain(self, predictor: Predictor, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield coefficient times (input - reference mean); see `thor.attribution.method.Explainer`.

        The shares are `target`, `intercept` (the surrogate at the reference mean), `fidelity` (weighted R2; 0 where the
        draws have no weight) and `remainder` (target minus surrogate at the sample). The standard error is that of the
        mean over members when the draws are drawn again (a sandwich estimate, robust to a surrogate that does not fit).
        """
        require_features(predictor, self.reference)
        # all but the first, which the sample itself replaces, in units of the reference's scale
        draws = np.random.RandomState(self.seed).normal(0, 1, (self.settings.n_samples, len(predictor.features)))[1:]
        forward = targets_of(predictor, self.target, np.float64)
        of_regimes = forward.of_every_regime(draws * self.scale + self.mean)
        targets = {k: np.ascontiguousarray(of_regimes[..., k].T) for k in np.unique(regime).tolist()}
        products = (draws[:, :, None] * draws[:, None, :]).reshape(len(draws), -1)

        def block(part: slice) -> AttributionBlock:
            scaled = (inputs[part].astype(float) - self.mean) / self.scale
            target = forward.of_inputs(inputs[part].astype(float), regime[part])
            fits = [
                (chosen, self._fit(draws, products, targets[k], scaled[chosen], target[:, chosen]))
                for k in targets
                if (chosen := np.flatnonzero(regime[part] == k)).size
            ]
            values = np.empty((predictor.n_members, *scaled.shape))
            error = np.empty(scaled.shape)
            shares = {name: np.empty(target.shape) for name in ("intercept", "fidelity")}
            for chosen, fit in fits:
                values[:, chosen] = fit.coefficient * scaled[chosen]
                error[chosen] = fit.error * np.abs(scaled[chosen])
                shares["intercept"][:, chosen], shares["fidelity"][:, chosen] = fit.intercept, fit.fidelity
            remainder = target - shares["intercept"] - values.sum(axis=2)
            return AttributionBlock(part, values, error, {"target": target, **shares, "remainder": remainder})

        yield from in_threads(block, sample_parts(len(inputs), SAMPLES_PER_BLOCK))

    def _fit(self, draws: Array, products: Array, targets: Array, scaled: Array, target: Array) -> "_Fit":
        """Return the surrogates of samples that explain one regime.

        Parameters
        ----------
        draws : ndarray, shape (n_draws, n_features)
        products : ndarray, shape (n_draws, n_features ** 2)
        targets : ndarray, shape (n_draws, n_members)
        scaled : ndarray, shape (n_samples, n_features)
            The samples, which are the first draw of their regression, with weight one.
        target : ndarray, shape (n_members, n_samples)
            Their targets.
        """
        n_samples, n_features = scaled.shape
        width = self.settings.kernel_width or 0.75 * np.sqrt(n_features)
        squared = (scaled**2).sum(axis=1)[:, None] - 2 * scaled @ draws.T + (draws**2).sum(axis=1)
        weights = np.exp(np.maximum(squared, 0) / (-2 * width**2))
        total = weights.sum(axis=1) + 1
        mean = (weights @ draws + scaled) / total[:, None]
        moments = (weights @ products).reshape(n_samples, n_features, n_features) + _outer(scaled)
        covariance = moments - total[:, None, None] * _outer(mean)
        target_mean = ((weights @ targets).T + target) / total
        target_squares = (weights @ targets**2).T + target**2
        together = np.empty((len(target), n_samples, n_features))
        for first in range(0, len(target), NETWORKS_AT_ONCE):
            some = slice(first, first + NETWORKS_AT_ONCE)
            both = (draws[:, :, None] * targets[:, None, some]).reshape(len(draws), -1)
            sums = (weights @ both).reshape(n_samples, n_features, -1)
            together[some] = np.moveaxis(sums, 2, 0)
        together += target[..., None] * scaled - (total * target_mean)[..., None] * mean
        penalised = covariance + self.settings.ridge * np.eye(n_features)
        undetermined = ~(np.linalg.cond(penalised, 1) < LARGEST_CONDITION)
        if undetermined.any():
            raise AttributionError(
                f"The draws of LIME do not determine its coefficients in {int(undetermined.sum())} of {n_samples} "
                f"cells. Set lime.ridge above zero (got {self.settings.ridge:g}), or increase lime.n_samples (got "
                f"{self.settings.n_samples}) or lime.kernel_width (got {width:.3g})."
            )
        inverse = np.linalg.inv(penalised)
        coefficient = np.einsum("wsi,sij->wsj", together, inverse)
        intercept = target_mean - np.einsum("wsi,si->ws", coefficient, mean)
        spread = target_squares - total * target_mean**2
        explained = 2 * np.einsum("wsi,wsi->ws", coefficient, together)
        left = spread - explained + np.einsum("wsi,sij,wsj->ws", coefficient, covariance, coefficient, optimize=True)
        fidelity = 1 - np.divide(left, spread, out=np.zeros_like(left), where=spread > 0)
        fidelity[:, weights.sum(axis=1) < LEAST_WEIGHT] = 0
        # Variance of the mean over members when the draws are drawn again: weights and misfit, squared.
        slope, level = coefficient.mean(axis=0), intercept.mean(axis=0)
        misfit = (weights * (targets.mean(axis=1) - level[:, None] - slope @ draws.T)) ** 2
        middle = (misfit @ products).reshape(covariance.shape)
        shift = np.einsum("si,sj->sij", misfit @ draws, mean)
        middle += misfit.sum(axis=1)[:, None, None] * _outer(mean) - shift - np.swapaxes(shift, 1, 2)
        variance = np.einsum("sij,sjk,ski->si", inverse, middle, inverse, optimize=True)
        # Few draws may leave none: then it is round-off of any sign.
        return _Fit(coefficient, intercept, fidelity, np.sqrt(np.maximum(variance, 0)))


@dataclass(frozen=True, eq=False)
class _Fit:
    coefficient: Array
    intercept: Array
    fidelity: Array
    error: Array


def _outer(vectors: Array) -> Array:
    return vectors[:, :, None] * vectors[:, None, :]


METHOD = Method(
    name="lime_weights",
    label="LIME",
    title="local interpretable model-agnostic explanations (LIME)",
    colour="#029E73",
    explainer=lambda settings, question: Lime(
        reference=question.reference, settings=settings, target=question.target, seed=question.seed
    ),
    settings=LimeSettings,
    parameters="lime",
    description="LIME weight of each feature for each cell's regime: as for the relevance, with the fidelity of the "
    "local model.",
    remainder="misfit",
    order=3,
)
