"""The members of a predictor with the explained target of given samples as their output; fastest for networks."""

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike

from thor.attribution.targets import Regimes, Target, target_values, target_weights
from thor.core.arrays import AnyArray
from thor.networks.network import affine, outputs
from thor.networks.prediction import member_logits
from thor.networks.predictor import Predictor, softmax
from thor.networks.stack import NetworkStack, Weights


class TargetMembers:
    """The members of any predictor with the target as their output.

    Parameters
    ----------
    predictor : Predictor
    target : {"centred_logit", "logit", "probability"}
    """

    def __init__(self, predictor: Predictor, target: Target) -> None:
        self._predictor, self._target = predictor, target

    def of_inputs(self, inputs: AnyArray, regime: Regimes) -> AnyArray:
        """Return the target of inputs of shape (n_samples, n_features), shape (n_members, n_samples)."""
        return target_values(member_logits(self._predictor, inputs.astype(np.float32)), regime, self._target)

    def of_every_regime(self, inputs: AnyArray) -> AnyArray:
        """Return the target of every regime, shape (n_members, n_samples, n_classes)."""
        logits = member_logits(self._predictor, inputs.astype(np.float32))
        if self._target == "probability":
            return softmax(logits)
        return logits - logits.mean(axis=2, keepdims=True) if self._target == "centred_logit" else logits

    def hybrids(self, inputs: Weights, rows: Weights, regime: Regimes) -> "_MemberHybrids":
        """Return hybrids of inputs (n_samples, n_features) and rows (n_members, n_samples, n_features)."""
        return _MemberHybrids(self._predictor, self._target, inputs, rows, regime)


class _MemberHybrids:
    """Samples that take more and more of their features from the inputs, all others from a row of the reference."""

    def __init__(self, predictor: Predictor, target: Target, inputs: Weights, rows: Weights, regime: Regimes) -> None:
        self._predictor, self._target = predictor, target
        self._inputs, self._rows, self._regime = inputs, rows, regime

    def of_rows(self) -> AnyArray:
        """Return the target of the rows, shape (n_members, n_samples)."""
        return self._of(self._rows)

    def along(self, taken: Iterable[AnyArray]) -> Iterator[AnyArray]:
        """Yield the target after each set of features, (n_members, n_features), was taken from the inputs."""
        states = self._rows
        for features in taken:
            states = np.where(features[:, None, :], self._inputs, states)
            yield self._of(states)

    def _of(self, states: Weights) -> AnyArray:
        return target_values(self._predictor.logits_of_each(states), self._regime, self._target)


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

    def hybrids(self, inputs: AnyArray, rows: AnyArray, regime: Regimes) -> "_NetworkHybrids":
        """Return hybrids of inputs (n_samples, n_features) and rows (n_networks, n_samples, n_features)."""
        return _NetworkHybrids(self, inputs, rows, regime)

    def _target(self, hidden: AnyArray, regime: Regimes) -> AnyArray:
        if self.target == "probability":
            return target_values(outputs(self.layers[-1:], hidden), regime, self.target)
        kernel, bias = self.last_layer(regime)
        return np.einsum("wsh,wsh->ws", hidden, kernel) + bias


class _NetworkHybrids:
    """The same as `_MemberHybrids` by sums of the first layer, to which taken features are added."""

    def __init__(self, networks: TargetNetworks, inputs: AnyArray, rows: AnyArray, regime: Regimes) -> None:
        self._networks, self._regime = networks, regime
        self._begin, self._difference = affine(rows, networks.layers[0]), inputs - rows

    def of_rows(self) -> AnyArray:
        return self._networks.of_sums(self._begin.copy(), self._regime)

    def along(self, taken: Iterable[AnyArray]) -> Iterator[AnyArray]:
        sums = self._begin.copy()
        for features in taken:
            # In double precision: errors would add up from step to step.
            sums += (self._difference * features[:, None, :].astype(float)) @ self._networks.layers[0].kernel
            yield self._networks.of_sums(sums.copy(), self._regime)


def targets_of(predictor: Predictor, target: Target, dtype: DTypeLike = np.float32) -> TargetMembers | TargetNetworks:
    """Return the members of a predictor with the target as their output; `dtype` is the precision of networks."""
    if isinstance(predictor, NetworkStack):
        return TargetNetworks(predictor, target, dtype)
    return TargetMembers(predictor, target)
