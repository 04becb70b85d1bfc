"""The gradient of the target times the scaled input."""

from collections.abc import Iterator
from dataclasses import dataclass

from thor.attribution.method import AttributionBlock, Explainer, Method, sample_blocks
from thor.attribution.targets import Regimes, Target, require_target, target_and_gradient
from thor.core.parallel import in_threads
from thor.networks.stack import NetworkStack, Weights


@dataclass(frozen=True, kw_only=True)
class GradientTimesInput(Explainer):
    """The gradient of the target times the scaled input: exact for a linear network without biases.

    Attributes
    ----------
    target : {"centred_logit", "logit", "probability"}
    """

    target: Target = "centred_logit"

    def __post_init__(self) -> None:
        require_target(self.target)

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield gradient times input, with `target` as a share; see `thor.attribution.method.Explainer`."""

        def block(part: slice) -> AttributionBlock:
            value, gradient = target_and_gradient(stack, inputs[part], regime[part], self.target)
            return AttributionBlock(part, gradient * inputs[part], shares={"target": value})

        yield from in_threads(block, sample_blocks(len(inputs), stack))


METHOD = Method(
    name="gradient_times_input",
    label="gradient times input",
    title="gradient times input",
    colour="#56B4E9",
    explainer=lambda _, question: GradientTimesInput(target=question.target),
    needs_reference=False,
    order=5,
)
