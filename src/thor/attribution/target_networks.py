"""The networks of a stack with the explained target of given samples as their output."""

from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike

from thor.attribution.targets import Regimes, Target, target_values, target_weights
from thor.core.arrays import AnyArray
from thor.networks.network import outputs
from thor.networks.predictor import softmax
from thor.networks.stack import NetworkStack


class TargetNetworks:
    """The networks of a stack with the target as their output.

    A target that is linear in the logits is folded into the last layer, which then has one unit.

    Parameters
    ----------
    stack : NetworkStack
    target : {"centred_logit", "logit", "probability"}
    dtype : dtype
        Precision of the computation.
    """

    def __init__(self, stack: NetworkStack, target: Target, dtype: DTypeLike = np.float32) -> None:
        self.layers = stack.layers(dtype)
        self.n_networks, self.n_classes = stack.n_networks, len(stack.classes)
        self.target = target
        self.dtype = dtype

    @cached_property
    def _last_of_each_regime(self) -> tuple[AnyArray, AnyArray]:
        weights = target_weights(self.n_classes, np.arange(self.n_classes), self.target).T.astype(self.dtype)
        last = self.layers[-1]
        return np.swapaxes(last.kernel @ weights, 1, 2), (last.bias[:, None, :] @ weights)[:, 0]

    def last_layer(self, regime: Regimes) -> tuple[AnyArray, AnyArray]:
        """Return kernel (n_networks, n_samples, n_hidden) and bias (n_networks, n_samples) of a linear target."""
        kernel, bias = self._last_of_each_regime
        return kernel[:, regime], bias[:, regime]

    def of_sums(self, sums: AnyArray, regime: Regimes) -> AnyArray:
        """Return the target, (n_networks, n_samples), from the sums of the first layer, which are overwritten."""
        return self._target(outputs(self.layers[1:-1], self.layers[0].activation(sums, out=sums)), regime)

    def of_inputs(self, inputs: AnyArray, regime: Regimes) -> AnyArray:
        """Return the target of inputs of shape (n_samples, n_features)."""
        hidden = outputs(self.layers[:-1], inputs.astype(self.dtype, copy=False))
        return self._target(np.broadcast_to(hidden, (self.n_networks, *hidden.shape[-2:])), regime)

    def of_every_regime(self, inputs: AnyArray) -> AnyArray:
        """Return the target of every regime, shape (n_networks, n_samples, n_classes)."""
        hidden = outputs(self.layers[:-1], inputs.astype(self.dtype, copy=False))
        if self.target == "probability":
            return softmax(outputs(self.layers[-1:], hidden))
        kernel, bias = self._last_of_each_regime
        return hidden @ np.swapaxes(kernel, 1, 2) + bias[:, None]

    def _target(self, hidden: AnyArray, regime: Regimes) -> AnyArray:
        if self.target == "probability":
            return target_values(outputs(self.layers[-1:], hidden), regime, self.target)
        kernel, bias = self.last_layer(regime)
        return np.einsum("wsh,wsh->ws", hidden, kernel) + bias
