"""Layer-wise relevance propagation: the target is passed down, layer by layer, to the inputs that contributed to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from thor.attribution.method import AttributionBlock, Explainer, Method, sample_blocks
from thor.attribution.target_networks import TargetNetworks
from thor.attribution.targets import Regimes, Target, target_weights
from thor.core.parallel import in_threads
from thor.core.settings import NotNegative, Settings
from thor.networks.network import Layer, forward
from thor.networks.stack import NetworkStack, Weights

PropagationRule = Literal["epsilon", "z", "gamma", "alpha_beta"]


class RelevanceSettings(Settings):
    """How relevance is propagated."""

    rule: PropagationRule = "epsilon"
    """Rule by which a unit distributes relevance to its inputs."""
    epsilon: NotNegative = 1e-7
    """Stabiliser of all rules but z."""
    gamma: NotNegative = 0.25
    """Additional weight of contributions with the sign of the unit in the gamma rule."""
    alpha: float = Field(2.0, ge=1)
    """Weight of positive contributions in the alpha-beta rule; negative ones have alpha - 1."""
    biases: bool = True
    """Whether biases take their share of relevance."""


@dataclass(frozen=True)
class RelevancePropagation(Explainer):
    """Relevance by one rule in all layers, for all networks of a stack at once.

    The relevance R_j of a unit goes to its inputs i in proportion to their contributions c_ij = a_i w_ij to its
    pre-activation z_j = sum_i c_ij + b_j. Activations of tanh have both signs, so rules that favour one sign use the
    sign of the contribution, not of the weight.

    Attributes
    ----------
    settings : RelevanceSettings
        Rules: epsilon: c_ij / (z_j + epsilon sign(z_j)); z: the same without epsilon, nothing where z_j is zero; gamma:
        contributions of the sign of z_j count 1 + gamma times; alpha_beta: alpha times the share among the positive
        contributions minus (alpha - 1) times the share among the negative ones. With `biases` a bias is a contribution
        and takes its share, as published; otherwise denominators leave it out.
    target : {"centred_logit", "logit"}

    References
    ----------
    Bach et al. (2015), doi:10.1371/journal.pone.0130140; Montavon et al. (2019), doi:10.1007/978-3-030-28954-6_10.
    """

    settings: RelevanceSettings
    target: Target = "centred_logit"

    def __post_init__(self) -> None:
        target_weights(2, np.zeros(1, dtype=int), self.target)

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield relevances; see `thor.attribution.method.Explainer`.

        The shares are `target`, `bias_share`, `epsilon_share` (absorbed by the stabiliser, or lost where a unit has
        no contribution to pass relevance to) and `remainder`, which is round-off.

        Raises
        ------
        AttributionError
            For a target that is not linear in the logits.
        """
        yield from in_threads(
            lambda part: self._block(stack, inputs[part], regime[part], part), sample_blocks(len(inputs), stack)
        )

    def _block(self, stack: NetworkStack, inputs: Weights, regime: Regimes, part: slice) -> AttributionBlock:
        layers = stack.layers()[:-1]
        sums, activations = zip(*forward(layers, inputs), strict=True) if layers else ((), ())
        below = [inputs, *activations]
        last, shift = TargetNetworks(stack, self.target).last_layer(regime)
        contributions = below[-1] * last
        bias = shift if self.settings.biases else np.zeros_like(shift)
        target = np.einsum("wsh->ws", contributions)
        target += shift
        signed = self.settings.rule in ("gamma", "alpha_beta")
        if signed:
            above = np.maximum(contributions, 0)
            passed = self._pass_down(above.sum(axis=2), (contributions - above).sum(axis=2), bias, target)
            relevance = above * passed.up[..., None] + (contributions - above) * passed.down[..., None]
            bias_share, absorbed = passed.to_bias, passed.absorbed
        else:
            factor, absorbed = self._factor(target, target if self.settings.biases else target - shift)
            relevance, bias_share = np.multiply(contributions, factor[..., None], out=contributions), bias * factor
        step = self._signed_layer if signed else self._layer
        for layer, activation, total in zip(layers[::-1], below[-2::-1], sums[::-1], strict=True):
            relevance, of_bias, of_stabiliser = step(layer, activation, total, relevance)
            bias_share, absorbed = bias_share + of_bias, absorbed + of_stabiliser
        remainder = target - np.einsum("wsf->ws", relevance) - bias_share - absorbed
        shares = {"target": target, "bias_share": bias_share, "epsilon_share": absorbed, "remainder": remainder}
        return AttributionBlock(part, relevance, shares=shares)

    def _layer(
        self, layer: Layer, activation: Weights, sums: Weights, relevance: Weights
    ) -> tuple[Weights, Weights, Weights]:
        """Return the relevance of a layer's inputs from that of its units, and what biases and stabiliser take."""
        if not self.settings.biases:
            sums = sums - layer.bias[:, None, :]
        factor, absorbed = self._factor(relevance, sums)
        of_bias = (factor @ layer.bias[:, :, None])[..., 0] if self.settings.biases else np.zeros_like(absorbed)
        below = factor @ np.swapaxes(layer.kernel, 1, 2)
        below *= activation
        return below, of_bias, absorbed

    def _factor(self, relevance: Weights, sums: Weights) -> tuple[Weights, Weights]:
        """Return relevance over pre-activation of each unit, and what the stabiliser absorbs, summed over units."""
        if self.settings.rule == "z":
            factor = _ratio(relevance, sums)
            absorbed = relevance * (sums == 0)
        else:
            stabiliser = np.copysign(np.float32(self.settings.epsilon), sums)
            factor = stabiliser + sums
            if self.settings.epsilon == 0:
                factor = _ratio(relevance, factor)
            else:
                np.divide(relevance, factor, out=factor)
            absorbed = np.multiply(stabiliser, factor, out=stabiliser)
        return factor, absorbed if absorbed.ndim == 2 else np.einsum("wsj->ws", absorbed)

    def _signed_layer(
        self, layer: Layer, activation: Weights, sums: Weights, relevance: Weights
    ) -> tuple[Weights, Weights, Weights]:
        """Return the same as `_layer` for rules that treat positive and negative contributions differently."""
        rising, falling = np.maximum(layer.kernel, 0), np.minimum(layer.kernel, 0)
        above, below = np.maximum(activation, 0), np.minimum(activation, 0)
        biases = np.broadcast_to(layer.bias[:, None, :] if self.settings.biases else np.float32(0), sums.shape)
        passed = self._pass_down(above @ rising + below @ falling, above @ falling + below @ rising, biases, relevance)
        rising, falling = np.swapaxes(rising, 1, 2), np.swapaxes(falling, 1, 2)
        of_above = passed.up @ rising + passed.down @ falling
        of_below = passed.down @ rising + passed.up @ falling
        return above * of_above + below * of_below, passed.to_bias.sum(axis=2), passed.absorbed.sum(axis=2)

    def _pass_down(self, positive: Weights, negative: Weights, bias: Weights, relevance: Weights) -> "_Passed":
        """Return the relevance passed down per positive and per negative contribution, given their sums."""
        if self.settings.rule == "gamma":
            one, more = np.float32(1), np.float32(1 + self.settings.gamma)
            rising_sum = positive + negative + bias >= 0
            rising, falling = np.where(rising_sum, more, one), np.where(rising_sum, one, more)
            total = rising * (positive + np.maximum(bias, 0)) + falling * (negative + np.minimum(bias, 0))
            factor = _ratio(relevance, total + np.copysign(np.float32(self.settings.epsilon), total))
            up, down = (factor * weight for weight in (rising, falling))
        else:
            over, under = positive + np.maximum(bias, 0), negative + np.minimum(bias, 0)
            one, alpha, epsilon = np.float32(1), np.float32(self.settings.alpha), np.float32(self.settings.epsilon)
            # Where all contributions have one sign, they take all relevance.
            up = _ratio(relevance * np.where(under == 0, one, alpha), over + epsilon)
            down = _ratio(relevance * np.where(over == 0, one, one - alpha), under - epsilon)
        to_bias: Any = np.maximum(bias, 0) * up + np.minimum(bias, 0) * down
        return _Passed(up, down, to_bias, relevance - positive * up - negative * down - to_bias)


@dataclass(frozen=True, eq=False)
class _Passed:
    """Relevance passed down per positive and per negative contribution, to the bias, and absorbed by the stabiliser."""

    up: Weights
    down: Weights
    to_bias: Weights
    absorbed: Weights


def _ratio(numerator: Weights, denominator: Any) -> Weights:
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator != 0)


METHOD = Method(
    name="relevance",
    label="relevance",
    title="layer-wise relevance propagation",
    colour="#0173B2",
    explainer=lambda settings, question: RelevancePropagation(settings, target=question.target),
    settings=RelevanceSettings,
    parameters="relevance",
    description="Layer-wise relevance of each feature for each cell's regime: mean, spread, quartiles and sign "
    "agreement over networks.",
    remainder="conservation_error",
    needs_reference=False,
    order=1,
)
