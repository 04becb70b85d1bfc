"""A method in a file of its own, as a user adds it: the same attributions for every network and cell."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from thor.attribution.method import AttributionBlock, Explainer, Method, sample_blocks
from thor.attribution.targets import Regimes, Target, target_values
from thor.networks.stack import NetworkStack, Weights, logits


@dataclass(frozen=True, kw_only=True)
class Toy(Explainer):
    """One, two, three and so on for the features."""

    target: Target

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield the values, with `target` and `remainder` as shares."""
        for part in sample_blocks(len(inputs), stack):
            target = target_values(logits(stack, inputs[part]), regime[part], self.target)
            values = np.broadcast_to(np.arange(1.0, 1 + len(stack.features)), (*target.shape, len(stack.features)))
            yield AttributionBlock(part, values, shares={"target": target, "remainder": target - values.sum(axis=2)})


METHOD = Method(
    name="toy_values",
    label="toy",
    title="Toy values",
    colour="#123456",
    explainer=lambda _, question: Toy(target=question.target),
    description="Toy value of each feature for each cell's regime.",
    needs_reference=False,
)
