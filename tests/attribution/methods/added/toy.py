"""A method in one file, as a user adds it: the same attributions for every network and cell."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from thor.attribution.method import AttributionBlock, Explainer, Method, sample_blocks
from thor.attribution.targets import Regimes, Target, target_values
from thor.core.settings import Positive, Settings
from thor.networks.stack import NetworkStack, Weights, logits


class ToySettings(Settings):
    """How toy values are scaled."""

    scale: Positive = Field(1.0, description="Factor of all values.")


@dataclass(frozen=True, kw_only=True)
class Toy(Explainer):
    """Multiples of one, two, three and so on for the features."""

    settings: ToySettings
    target: Target

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield the values, with `target` and `remainder` as shares."""
        for part in sample_blocks(len(inputs), stack):
            target = target_values(logits(stack, inputs[part]), regime[part], self.target)
            row = self.settings.scale * np.arange(1.0, 1 + len(stack.features))
            values = np.broadcast_to(row, (*target.shape, len(row)))
            yield AttributionBlock(part, values, shares={"target": target, "remainder": target - values.sum(axis=2)})


METHOD = Method(
    name="toy_values",
    label="toy",
    title="toy values",
    colour="#123456",
    explainer=lambda settings, question: Toy(settings=settings, target=question.target),
    settings=ToySettings,
    parameters="toy",
    description="Toy value of each feature for each cell's regime.",
    needs_reference=False,
)
