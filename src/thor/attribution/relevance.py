"""Layer-wise relevance propagation: a network's answer handed back, layer by layer, to what it was made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from thor.attribution.attributions import Block, blocks_of
from thor.attribution.forward import Forward
from thor.attribution.settings import PropagationRule
from thor.attribution.targets import Regimes, Target, target_weights
from thor.core.ranges import require_at_least, require_choice
from thor.core.threads import in_threads
from thor.networks.stack import NetworkStack, Weights


@dataclass(frozen=True, kw_only=True)
class RelevancePropagation:
    """Relevance by one rule in all layers, for all networks of a stack at once.

    The relevance R_j of a unit goes to its inputs i in proportion to their contributions c_ij = a_i w_ij to its
    pre-activation z_j = sum_i c_ij + b_j. Activations of tanh have both signs, so rules that favour one sign look at
    that of the contribution, not of the weight.

    Attributes
    ----------
    rule : {"epsilon", "z", "gamma", "alpha_beta"}
        epsilon: c_ij / (z_j + epsilon sign(z_j)); z: the same without epsilon, nothing where z_j is zero; gamma:
        contributions of the sign of z_j count 1 + gamma times; alpha_beta: alpha times the share among the positive
        contributions less (alpha - 1) times the share among the negative ones.
    epsilon : float
        Stabiliser; as published 1e-7. Taken by all rules but z.
    gamma, alpha : float
    biases : bool
        Whether a bias is a contribution and takes its share, as published; otherwise denominators leave it out.
    target : {"centred_logit", "logit"}

    References
    ----------
    Bach et al. (2015), doi:10.1371/journal.pone.0130140; Montavon et al. (2019), doi:10.1007/978-3-030-28954-6_10.
    """

    rule: PropagationRule = "epsilon"
    epsilon: float = 1e-7
    gamma: float = 0.25
    alpha: float = 2.0
    biases: bool = True
    target: Target = "centred_logit"
    name: str = "relevance"

    def __post_init__(self) -> None:
        require_choice("rule", self.rule, PropagationRule)
        require_at_least("epsilon", self.epsilon, 0)
        require_at_least("gamma", self.gamma, 0)
        require_at_least("alpha", self.alpha, 1)
        target_weights(2, np.zeros(1, dtype=int), self.target)

    def players(self, stack: NetworkStack) -> tuple[str, ...]:
        """Return the features."""
        return stack.features

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes, *, start: int = 0) -> Iterator[Block]:
        """Yield relevances; see `thor.attribution.attributions.Method`.

        The shares are `target`, `bias_share`, `epsilon_share` (what the stabiliser takes, or is lost where a unit has
        nothing to hand on) and `remainder`, which is round-off.

        Raises
        ------
        AttributionError
            For a target that is not linear in the logits.
        """
        yield from in_threads(
            lambda part: self._block(stack, inputs[part], regime[part], part),
            blocks_of(len(inputs), stack, start=start),
        )

    def _block(self, stack: NetworkStack, inputs: Weights, regime: Regimes, part: slice) -> Block:
        sums, activations = [], [inputs]
        for kernel, bias in zip(stack.kernels[:-1], stack.biases[:-1], strict=True):
            total = activations[-1] @ kernel
            total += bias[:, None, :]
            sums.append(total)
            activations.append(np.tanh(total))
        last, shift = Forward(stack, self.target).last_layer(regime)
        contributions = activations[-1] * last
        own = shift if self.biases else np.zeros_like(shift)
        target = np.einsum("wsh->ws", contributions)
        target += shift
        if self.rule in ("epsilon", "z"):
            factor, lost = self._factor(target, target if self.biases else target - shift)
            relevance, bias_share = np.multiply(contributions, factor[..., None], out=contributions), own * factor
        else:
            above = np.maximum(contributions, 0)
            handed = self._hand_on(above.sum(axis=2), (contributions - above).sum(axis=2), own, target)
            relevance = above * handed.up[..., None] + (contributions - above) * handed.down[..., None]
            bias_share, lost = handed.to_bias, handed.lost
        for layer in range(len(sums) - 1, -1, -1):
            step = self._layer if self.rule in ("epsilon", "z") else self._signed_layer
            relevance, of_bias, of_none = step(
                activations[layer], stack.kernels[layer], stack.biases[layer], sums[layer], relevance
            )
            bias_share, lost = bias_share + of_bias, lost + of_none
        remainder = target - np.einsum("wsf->ws", relevance) - bias_share - lost
        shares = {"target": target, "bias_share": bias_share, "epsilon_share": lost, "remainder": remainder}
        return Block(part, relevance, shares=shares)

    def _layer(
        self, activation: Weights, kernel: Weights, bias: Weights, total: Weights, relevance: Weights
    ) -> tuple[Weights, Weights, Weights]:
        """Return the relevance of a layer's inputs from that of its units, and what goes to biases and to nobody."""
        if not self.biases:
            total = total - bias[:, None, :]
        factor, lost = self._factor(relevance, total)
        of_bias = (factor @ bias[:, :, None])[..., 0] if self.biases else np.zeros_like(lost)
        below = factor @ np.swapaxes(kernel, 1, 2)
        below *= activation
        return below, of_bias, lost

    def _factor(self, relevance: Weights, total: Weights) -> tuple[Weights, Weights]:
        """Return what units hand on for each unit of contribution, and what the stabiliser takes, summed over units."""
        if self.rule == "z":
            factor = _ratio(relevance, total)
            lost = relevance * (total == 0)
        else:
            stabiliser = np.copysign(np.float32(self.epsilon), total)
            factor = stabiliser + total
            if self.epsilon == 0:
                factor = _ratio(relevance, factor)
            else:
                np.divide(relevance, factor, out=factor)
            lost = np.multiply(stabiliser, factor, out=stabiliser)
        return factor, lost if lost.ndim == 2 else np.einsum("wsj->ws", lost)

    def _signed_layer(
        self, activation: Weights, kernel: Weights, bias: Weights, total: Weights, relevance: Weights
    ) -> tuple[Weights, Weights, Weights]:
        """Return the same as `_layer` for rules that tell positive from negative contributions."""
        rising, falling = np.maximum(kernel, 0), np.minimum(kernel, 0)
        above, below = np.maximum(activation, 0), np.minimum(activation, 0)
        own = np.broadcast_to(bias[:, None, :] if self.biases else np.float32(0), total.shape)
        handed = self._hand_on(above @ rising + below @ falling, above @ falling + below @ rising, own, relevance)
        rising, falling = np.swapaxes(rising, 1, 2), np.swapaxes(falling, 1, 2)
        of_above = handed.up @ rising + handed.down @ falling
        of_below = handed.down @ rising + handed.up @ falling
        return above * of_above + below * of_below, handed.to_bias.sum(axis=2), handed.lost.sum(axis=2)

    def _hand_on(self, positive: Weights, negative: Weights, own: Weights, relevance: Weights) -> "_Handed":
        """Return what a unit hands on for each positive and each negative contribution, given their sums."""
        if self.rule == "gamma":
            one, more = np.float32(1), np.float32(1 + self.gamma)
            rising_sum = positive + negative + own >= 0
            rising, falling = np.where(rising_sum, more, one), np.where(rising_sum, one, more)
            total = rising * (positive + np.maximum(own, 0)) + falling * (negative + np.minimum(own, 0))
            factor = _ratio(relevance, total + np.copysign(np.float32(self.epsilon), total))
            up, down = (factor * weight for weight in (rising, falling))
        else:
            over, under = positive + np.maximum(own, 0), negative + np.minimum(own, 0)
            one, alpha, epsilon = np.float32(1), np.float32(self.alpha), np.float32(self.epsilon)
            # Where all contributions have one sign, they take all.
            up = _ratio(relevance * np.where(under == 0, one, alpha), over + epsilon)
            down = _ratio(relevance * np.where(over == 0, one, one - alpha), under - epsilon)
        to_bias: Any = np.maximum(own, 0) * up + np.minimum(own, 0) * down
        return _Handed(up, down, to_bias, relevance - positive * up - negative * down - to_bias)


@dataclass(frozen=True, eq=False)
class _Handed:
    """What units hand on: per positive and per negative contribution, to their bias, and to nobody."""

    up: Weights
    down: Weights
    to_bias: Weights
    lost: Weights


def _ratio(numerator: Weights, denominator: Any) -> Weights:
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator != 0)
