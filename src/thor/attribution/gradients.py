"""The gradient of the target with respect to the inputs, in closed form, and the mean target over a reference."""

import numpy as np

from thor.attribution.targets import Regimes, Target, target_values, target_weights
from thor.networks.network import backward, forward
from thor.networks.prediction import BLOCK_BYTES
from thor.networks.predictor import Predictor, softmax
from thor.networks.stack import NetworkStack, Weights


def target_and_gradient(
    stack: NetworkStack, inputs: Weights, regime: Regimes, target: Target
) -> tuple[Weights, Weights]:
    """Return the target of every network and its gradient with respect to the scaled inputs.

    Returns
    -------
    value : ndarray, shape (n_networks, n_samples)
    gradient : ndarray, shape (n_networks, n_samples, n_features)
    """
    layers = stack.layers()
    passed = list(forward(layers, np.asarray(inputs, dtype=np.float32)))
    logit = passed[-1][1]
    value = target_values(logit, regime, target)
    if target == "probability":
        probability = softmax(logit.copy())
        above = probability * -value[..., None]
        above[:, np.arange(len(regime)), regime] += value
    else:
        above = np.broadcast_to(target_weights(len(stack.classes), regime, target), logit.shape)
    *_, gradient = backward(layers, passed, above)
    return value, gradient


def mean_target(predictor: Predictor, reference: Weights, target: Target) -> Weights:
    """Return the mean target over the reference of every member and regime, shape (n_members, n_classes)."""
    total = np.zeros((predictor.n_members, len(predictor.classes)))
    for _, outputs in predictor.logit_blocks(reference, BLOCK_BYTES):
        for k in range(len(predictor.classes)):
            total[:, k] += target_values(outputs, np.full(outputs.shape[1], k), target).sum(axis=1, dtype=float)
    return (total / len(reference)).astype(np.float32)
