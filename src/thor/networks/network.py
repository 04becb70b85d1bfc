"""The network: its activations, its forward pass and its gradient, for any depth and width and in any precision.

`forward` yields what training, relevance and gradients need of every layer, and `backward` goes through it again.
`outputs` gives the last activations alone, in less time (`benchmarks/networks.py`): it is what predicts. Both may begin
at a later layer, as Shapley values do after a change of the first layer's sums.

To add an activation, add its name to `ActivationName` and a row to `ACTIVATIONS`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from thor.core.arrays import AnyArray


@dataclass(frozen=True)
class Activation:
    """An activation function, in NumPy and TensorFlow alike, and its derivative.

    Attributes
    ----------
    function : callable
        ``(xp, sums, **out)`` to activations. `xp` is `numpy` or `tensorflow`: use operations that both name alike, and
        hand `out` to the last of them; NumPy may write the activations into an array that it names.
    derivative : callable
        ``(sums, activations)`` to the derivative of the function at `sums`, in NumPy.
    """

    function: Callable[..., Any]
    derivative: Callable[[Any, Any], Any]

    def __call__(self, sums: Any, out: Any = None) -> Any:
        """Return the activations of NumPy sums, written into `out` where it is given."""
        return self.function(np, sums, out=out)


ActivationName = Literal["tanh", "relu"]

ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(lambda xp, sums, **out: xp.tanh(sums, **out), lambda _, activations: 1 - activations**2),
    "relu": Activation(
        lambda xp, sums, **out: xp.maximum(sums, 0, **out), lambda sums, _: (sums > 0).astype(sums.dtype)
    ),
}
"""Activations of hidden layers by their name in settings and files."""

LINEAR = Activation(lambda _, sums, **out: sums, lambda *_: 1)
"""Of the last layer, whose outputs are logits."""


class Layer(NamedTuple):
    """A dense layer of one network or of many.

    Attributes
    ----------
    kernel : array of shape (..., n_in, n_out)
    bias : array of shape (..., n_out)
    activation : Activation
    """

    kernel: Any
    bias: Any
    activation: Activation


def dense_layers(
    kernels: Iterable[Any], biases: Iterable[Any], activation: str, *, dtype: DTypeLike | None = None
) -> list[Layer]:
    """Return the layers of these weights, the last one linear, as they are or as NumPy arrays of another precision."""
    if dtype is not None:
        kernels, biases = ([array.astype(dtype, copy=False) for array in arrays] for arrays in (kernels, biases))
    layers = [Layer(*pair, ACTIVATIONS[activation]) for pair in zip(kernels, biases, strict=True)]
    return [*layers[:-1], layers[-1]._replace(activation=LINEAR)]


def affine(below: Any, layer: Layer) -> Any:
    """Return a layer's sums, its activations before the activation function, from the activations below it.

    `below` has shape (..., n_samples, n_in); one leading axis holds the networks where the layer has one.
    """
    sums = below @ layer.kernel
    sums += layer.bias[..., None, :]
    return sums


def forward(
    layers: Iterable[Any], inputs: Any, *, xp: Any = np, affine: Callable[[Any, Any], Any] = affine
) -> Iterator[tuple[Any, Any]]:
    """Yield sums and activations of each layer, from the first to the last.

    Parameters
    ----------
    layers : iterable of Layer
        All layers of the networks, or some that follow one another. Other objects with an `activation` will do where
        `affine` knows them.
    inputs : array of shape (n_samples, n_in) or (n_networks, n_samples, n_in)
        Of the first of these layers.
    xp : module
        `numpy` or `tensorflow`.
    affine : callable
        ``(below, layer)`` to the layer's sums.

    Yields
    ------
    sums, activations : array of shape (n_networks, n_samples, n_out)
    """
    activations = inputs
    for layer in layers:
        sums = affine(activations, layer)
        activations = layer.activation.function(xp, sums)
        yield sums, activations


def outputs(layers: Sequence[Layer], inputs: AnyArray) -> AnyArray:
    """Return the activations of the last of these layers, or the inputs where there is no layer; see `forward`."""
    if not layers:
        return inputs
    return np.ascontiguousarray(np.swapaxes(unit_outputs(layers, np.swapaxes(inputs, -1, -2)), -1, -2))


def unit_outputs(layers: Iterable[Layer], below: AnyArray) -> AnyArray:
    """Return the same with the samples last: (..., n_out, n_samples) from (..., n_in, n_samples).

    Rows of samples are long, which suits the processor. A bias is the weight of one more unit, which is always 1: added
    by itself it would cost a pass over all sums.
    """
    below = np.concatenate([below, np.ones_like(below[..., :1, :])], axis=-2)
    for layer in layers:
        # In C order: OpenBLAS 0.3.31 (AVX-512) mixes up threads where both factors of a small product are transposed.
        weights = np.ascontiguousarray(
            np.concatenate([np.swapaxes(layer.kernel, -1, -2), layer.bias[..., None]], axis=-1)
        )
        above = np.empty(
            (*np.broadcast_shapes(weights.shape[:-2], below.shape[:-2]), weights.shape[-2] + 1, below.shape[-1]),
            np.result_type(weights, below),
        )
        above[..., -1, :] = 1
        sums = np.matmul(weights, below, out=above[..., :-1, :])
        layer.activation(sums, out=sums)
        below = above
    return below[..., :-1, :]


def backward(layers: Sequence[Layer], passed: Sequence[tuple[Any, Any]], gradient: Any) -> Iterator[Any]:
    """Yield the gradient with respect to the sums of each layer, from the last to the first, then to the inputs.

    Parameters
    ----------
    layers : sequence of Layer
    passed : sequence of (ndarray, ndarray)
        Sums and activations that `forward` yielded for them, in any shape that `gradient` is broadcast with.
    gradient : ndarray of shape (..., n_out)
        With respect to the activations of the last layer.
    """
    for layer, (sums, activations) in zip(reversed(layers), reversed(passed), strict=True):
        gradient = gradient * layer.activation.derivative(sums, activations)
        yield gradient
        gradient = gradient @ np.swapaxes(layer.kernel, -1, -2)
    yield gradient
