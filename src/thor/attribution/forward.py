"""Forward passes as attributions need them: from the first layer's sums on, to one target, in either precision."""

from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike

from thor.attribution.targets import Regimes, Target, target_values, target_weights
from thor.core.arrays import AnyArray
from thor.networks.prediction import softmax
from thor.networks.stack import NetworkStack


class Forward:
    """The networks of a stack with the target of given samples as their output.

    A target that is linear in the logits is folded into the last layer, which then has one unit.

    Parameters
    ----------
    stack : NetworkStack
    target : {"centred_logit", "logit", "probability"}
    dtype : dtype
        Precision of all that is computed.
    """

    def __init__(self, stack: NetworkStack, target: Target, dtype: DTypeLike = np.float32) -> None:
        self.kernels = [kernel.astype(dtype, copy=False) for kernel in stack.kernels]
        self.biases = [bias.astype(dtype, copy=False)[:, None, :] for bias in stack.biases]
        self.n_classes = len(stack.classes)
        self.target = target
        self.dtype = dtype

    @cached_property
    def _last_of_each(self) -> tuple[AnyArray, AnyArray]:
        weights = target_weights(self.n_classes, np.arange(self.n_classes), self.target).T.astype(self.dtype)
        return np.swapaxes(self.kernels[-1] @ weights, 1, 2), (self.biases[-1] @ weights)[:, 0]

    def last_layer(self, regime: Regimes) -> tuple[AnyArray, AnyArray]:
        """Return kernel (n_networks, n_samples, n_hidden) and bias (n_networks, n_samples) of a linear target."""
        kernel, bias = self._last_of_each
        return kernel[:, regime], bias[:, regime]

    def hidden(self, sums: AnyArray) -> AnyArray:
        """Return the last hidden activations from the sums of the first layer, which are overwritten.

        Parameters
        ----------
        sums : ndarray, shape (n_networks, n_samples, n_units) or without networks for a stack of one
        """
        activations = np.tanh(sums, out=sums)
        for kernel, bias in zip(self.kernels[1:-1], self.biases[1:-1], strict=True):
            activations = activations @ kernel
            activations += bias
            np.tanh(activations, out=activations)
        return activations

    def targets(self, sums: AnyArray, regime: Regimes) -> AnyArray:
        """Return the target, (n_networks, n_samples), from the sums of the first layer, which are overwritten."""
        return self._answers(self.hidden(sums), regime)

    def of_inputs(self, inputs: AnyArray, regime: Regimes) -> AnyArray:
        """Return the target of inputs of shape (n_samples, n_features)."""
        inputs = inputs.astype(self.dtype, copy=False)
        if len(self.kernels) == 1:
            return self._answers(np.broadcast_to(inputs, (len(self.kernels[0]), *inputs.shape)), regime)
        return self.targets(inputs @ self.kernels[0] + self.biases[0], regime)

    def of_every_regime(self, inputs: AnyArray) -> AnyArray:
        """Return the target of every regime, shape (n_networks, n_samples, n_classes)."""
        hidden = inputs = inputs.astype(self.dtype, copy=False)
        if len(self.kernels) > 1:
            hidden = self.hidden(inputs @ self.kernels[0] + self.biases[0])
        if self.target == "probability":
            return softmax(hidden @ self.kernels[-1] + self.biases[-1])
        kernel, bias = self._last_of_each
        return hidden @ np.swapaxes(kernel, 1, 2) + bias[:, None]

    def _answers(self, hidden: AnyArray, regime: Regimes) -> AnyArray:
        if self.target == "probability":
            return target_values(hidden @ self.kernels[-1] + self.biases[-1], regime, self.target)
        kernel, bias = self.last_layer(regime)
        return np.einsum("wsh,wsh->ws", hidden, kernel) + bias
