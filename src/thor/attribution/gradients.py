"""Gradients of the target in closed form: gradient times input, and gradients integrated along a path."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from thor.attribution.attributions import Block, blocks_of
from thor.attribution.targets import Regimes, Target, require_target, target_values, target_weights
from thor.core.errors import AttributionError
from thor.core.ranges import require_at_least
from thor.core.threads import in_threads
from thor.networks.prediction import softmax
from thor.networks.stack import NetworkStack, Weights, logits


@dataclass(frozen=True, kw_only=True)
class GradientTimesInput:
    """The gradient of the target times the scaled input: exact for a linear network without biases.

    Attributes
    ----------
    target : {"centred_logit", "logit", "probability"}
    """

    target: Target = "centred_logit"
    name: str = "gradient_times_input"

    def __post_init__(self) -> None:
        require_target(self.target)

    def players(self, stack: NetworkStack) -> tuple[str, ...]:
        """Return the features."""
        return stack.features

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes, *, start: int = 0) -> Iterator[Block]:
        """Yield gradient times input, with `target` as a share; see `thor.attribution.attributions.Method`."""

        def block(part: slice) -> Block:
            value, gradient = target_and_gradient(stack, inputs[part], regime[part], self.target)
            return Block(part, gradient * inputs[part], shares={"target": value})

        yield from in_threads(block, blocks_of(len(inputs), stack, start=start))


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegratedGradients:
    """Gradients of the target integrated along the straight lines from reference inputs (Sundararajan et al. 2017).

    Attributes
    ----------
    reference : ndarray of float32, shape (n_reference, n_features)
        Scaled; the attribution is the mean over its rows. The cost grows with rows times steps: few rows, such as the
        mean of a larger reference, will do.
    n_steps : int
        Nodes of the Gauss-Legendre rule along each line.
    target : {"centred_logit", "logit", "probability"}

    References
    ----------
    Sundararajan, Taly and Yan (2017), arXiv:1703.01365.
    """

    reference: Weights
    n_steps: int = 16
    target: Target = "centred_logit"
    name: str = "integrated_gradients"

    def __post_init__(self) -> None:
        require_target(self.target)
        require_at_least("n_steps", self.n_steps, 1)
        require_reference(self.reference)

    def players(self, stack: NetworkStack) -> tuple[str, ...]:
        """Return the features."""
        return stack.features

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes, *, start: int = 0) -> Iterator[Block]:
        """Yield integrated gradients; see `thor.attribution.attributions.Method`.

        The shares are `target`, its mean over the reference (`expectation`), and `remainder`, the error of the rule.
        """
        require_features(stack, self.reference)
        place, weight = np.polynomial.legendre.leggauss(self.n_steps)
        place, weight = ((0.5 * (1 + place)).astype(np.float32), (0.5 * weight).astype(np.float32))
        expectation = mean_target(stack, self.reference, self.target)

        def block(part: slice) -> Block:
            own, k = inputs[part], regime[part]
            values = np.zeros((stack.n_networks, *own.shape), np.float32)
            for row in self.reference:
                way = own - row
                for at, share in zip(place, weight, strict=True):
                    _, gradient = target_and_gradient(stack, row + at * way, k, self.target)
                    values += (share / len(self.reference)) * gradient * way
            value = target_values(logits(stack, own), k, self.target)
            start_value = expectation[:, k]
            shares = {"target": value, "expectation": start_value}
            return Block(part, values, shares=shares | {"remainder": value - start_value - values.sum(axis=2)})

        yield from in_threads(block, blocks_of(len(inputs), stack, start=start))


def target_and_gradient(
    stack: NetworkStack, inputs: Weights, regime: Regimes, target: Target
) -> tuple[Weights, Weights]:
    """Return the target of every network and its gradient with respect to the scaled inputs.

    Returns
    -------
    value : ndarray, shape (n_networks, n_samples)
    gradient : ndarray, shape (n_networks, n_samples, n_features)
    """
    activations = [np.asarray(inputs, dtype=np.float32)]
    for kernel, bias in zip(stack.kernels[:-1], stack.biases[:-1], strict=True):
        activations.append(np.tanh(activations[-1] @ kernel + bias[:, None, :]))
    outputs = activations[-1] @ stack.kernels[-1] + stack.biases[-1][:, None, :]
    value = target_values(outputs, regime, target)
    if target == "probability":
        probability = softmax(outputs)
        above = probability * -value[..., None]
        above[:, np.arange(len(regime)), regime] += value
    else:
        above = np.broadcast_to(target_weights(len(stack.classes), regime, target), outputs.shape)
    for layer in range(len(stack.kernels) - 1, -1, -1):
        above = above @ np.swapaxes(stack.kernels[layer], 1, 2)
        if layer:
            above *= 1 - activations[layer] ** 2
    return value, above


def mean_target(stack: NetworkStack, reference: Weights, target: Target) -> Weights:
    """Return the mean target over the reference of every network and regime, shape (n_networks, n_classes)."""
    total = np.zeros((stack.n_networks, len(stack.classes)))
    for part in blocks_of(len(reference), stack):
        outputs = logits(stack, reference[part])
        for k in range(len(stack.classes)):
            total[:, k] += target_values(outputs, np.full(outputs.shape[1], k), target).sum(axis=1, dtype=float)
    return (total / len(reference)).astype(np.float32)


def require_reference(reference: Weights) -> None:
    """Raise AttributionError when a reference holds no row, or an input that is not finite."""
    if reference.ndim != 2 or not len(reference):
        raise AttributionError(
            f"The reference has shape {reference.shape}; expected at least one row, (n_reference, n_features). "
            "Choose another reference: a basin, regime or role that holds cells."
        )
    if not np.isfinite(reference).all():
        bad = int((~np.isfinite(reference)).any(axis=1).sum())
        raise AttributionError(f"{bad} of {len(reference)} rows of the reference have inputs that are not finite.")


def require_features(stack: NetworkStack, reference: Weights) -> None:
    """Raise AttributionError when a reference has other features than the networks."""
    if reference.shape[1] != len(stack.features):
        raise AttributionError(
            f"The reference has {reference.shape[1]} features; the networks take {len(stack.features)}: "
            f"{', '.join(stack.features)}."
        )
