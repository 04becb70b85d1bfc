"""The explained target, one number of each member for a cell and a regime, its gradient, and checks of the inputs."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from thor.core.errors import AttributionError
from thor.networks.network import backward, forward
from thor.networks.prediction import BLOCK_BYTES, predict
from thor.networks.predictor import Predictor, softmax
from thor.networks.stack import NetworkStack, Weights

Target = Literal["centred_logit", "logit", "probability"]
"""The logit of a regime minus the mean of all logits, the logit, or the probability."""

Regimes = NDArray[np.int64]


def target_values(logits: Weights, regime: Regimes, target: Target) -> Weights:
    """Return the explained number of every member and sample.

    Parameters
    ----------
    logits : ndarray, shape (n_members, n_samples, n_classes)
    regime : ndarray of int, shape (n_samples,)
        The explained regime of each sample.
    target : {"centred_logit", "logit", "probability"}
        The centred logit, z_k minus the mean of all z, does not change when a constant is added to all logits, as
        probabilities do not; the logit does.

    Returns
    -------
    ndarray, shape (n_members, n_samples)
    """
    require_target(target)
    values = softmax(logits) if target == "probability" else logits
    chosen = np.take_along_axis(values, regime[None, :, None], axis=2)[..., 0]
    return chosen - values.mean(axis=2) if target == "centred_logit" else chosen


def target_weights(n_classes: int, regime: Regimes, target: Target) -> Weights:
    """Return the weight of every logit in a target that is linear in them, shape (n_samples, n_classes).

    Raises
    ------
    AttributionError
        For a probability, which is not linear in the logits.
    """
    require_target(target)
    if target == "probability":
        raise AttributionError("A probability is not linear in the logits; explain centred_logit or logit instead.")
    weights = np.eye(n_classes, dtype=np.float32)
    if target == "centred_logit":
        weights -= np.float32(1 / n_classes)
    return weights[regime]


def explained_regime(predictor: Predictor, inputs: Weights, regime: str = "predicted") -> Regimes:
    """Return the regime to explain in every sample.

    Parameters
    ----------
    predictor : Predictor
    inputs : ndarray of float32, shape (n_samples, n_features)
        Scaled.
    regime : str
        ``predicted``: that of the highest mean probability over the members, the same for all of them; or the name of
        a regime.

    Raises
    ------
    AttributionError
        When the predictor has no such regime.
    """
    if regime == "predicted":
        return predict(predictor, inputs).mean.argmax(axis=1)
    if regime not in predictor.classes:
        raise AttributionError(
            f"There is no regime '{regime}' to explain; choose from predicted, {', '.join(predictor.classes)}."
        )
    return np.full(len(inputs), predictor.classes.index(regime))


def require_target(target: str) -> None:
    """Raise AttributionError when a target does not exist."""
    if target not in get_args(Target):
        raise AttributionError(f"There is no target '{target}'; choose from {', '.join(get_args(Target))}.")


def require_inputs(predictor: Predictor, inputs: Weights, regime: Regimes) -> None:
    """Raise AttributionError unless samples fit the predictor, inputs are finite and regimes exist."""
    if inputs.ndim != 2 or inputs.shape[1] != len(predictor.features):
        raise AttributionError(
            f"The predictor takes inputs of shape (n_samples, {len(predictor.features)}): "
            f"{', '.join(predictor.features)}; got {inputs.shape}."
        )
    bad = ~np.isfinite(inputs).all(axis=1)
    if bad.any():
        raise AttributionError(
            f"{int(bad.sum())} of {len(inputs)} samples have inputs that are not finite. Explain cells with valid = 1."
        )
    if regime.shape != (len(inputs),) or (
        regime.size and not 0 <= regime.min() <= regime.max() < len(predictor.classes)
    ):
        raise AttributionError(
            f"Each of the {len(inputs)} samples needs a regime from 0 to {len(predictor.classes) - 1}; got shape "
            f"{regime.shape}, values {np.unique(regime)[:8].tolist()}."
        )


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


def require_features(predictor: Predictor, reference: Weights) -> None:
    """Raise AttributionError when a reference has other features than the predictor."""
    if reference.shape[1] != len(predictor.features):
        raise AttributionError(
            f"The reference has {reference.shape[1]} features; the predictor takes {len(predictor.features)}: "
            f"{', '.join(predictor.features)}."
        )


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
        probability = softmax(logit)
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
