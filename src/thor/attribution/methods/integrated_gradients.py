"""Gradients of the target, integrated from a reference to the input."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from thor.attribution.method import AttributionBlock, Explainer, Method, sample_blocks
from thor.attribution.targets import (
    Regimes,
    Target,
    mean_target,
    require_features,
    require_reference,
    require_target,
    target_and_gradient,
    target_values,
)
from thor.core.parallel import in_threads
from thor.core.settings import Count, require
from thor.networks.stack import NetworkStack, Weights, logits


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegratedGradients(Explainer):
    """Gradients of the target integrated along the straight lines from reference inputs (Sundararajan et al. 2017).

    Attributes
    ----------
    reference : ndarray of float32, shape (n_reference, n_features)
        Scaled; the attribution is the mean over its rows. The cost grows with rows times steps: use few rows, such as
        the mean of a larger reference.
    n_steps : int
        Nodes of the Gauss-Legendre rule along each line.
    target : {"centred_logit", "logit", "probability"}

    References
    ----------
    Sundararajan, Taly and Yan (2017), arXiv:1703.01365.
    """

    reference: Weights
    n_steps: int
    target: Target = "centred_logit"

    def __post_init__(self) -> None:
        require_target(self.target)
        require("n_steps", self.n_steps, Count)
        require_reference(self.reference)

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield integrated gradients; see `thor.attribution.method.Explainer`.

        The shares are `target`, its mean over the reference (`expectation`), and `remainder`, the error of the rule.
        """
        require_features(stack, self.reference)
        place, weight = np.polynomial.legendre.leggauss(self.n_steps)
        place, weight = ((0.5 * (1 + place)).astype(np.float32), (0.5 * weight).astype(np.float32))
        expectation = mean_target(stack, self.reference, self.target)

        def block(part: slice) -> AttributionBlock:
            rows, k = inputs[part], regime[part]
            values = np.zeros((stack.n_networks, *rows.shape), np.float32)
            for row in self.reference:
                line = rows - row
                for at, share in zip(place, weight, strict=True):
                    _, gradient = target_and_gradient(stack, row + at * line, k, self.target)
                    values += (share / len(self.reference)) * gradient * line
            value = target_values(logits(stack, rows), k, self.target)
            return AttributionBlock.additive(part, values, value, expectation[:, k])

        yield from in_threads(block, sample_blocks(len(inputs), stack))


METHOD = Method(
    name="integrated_gradients",
    label="integrated gradients",
    title="integrated gradients",
    colour="#CC79A7",
    explainer=lambda _, question: IntegratedGradients(
        reference=question.reference.mean(axis=0, keepdims=True), n_steps=8, target=question.target
    ),
    order=4,
)
