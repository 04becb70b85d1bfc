"""Many networks of one architecture as stacked weights: the form in which networks are trained, applied and kept."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from thor.core.errors import NetworkError, did_you_mean
from thor.core.parallel import one_thread
from thor.networks.network import ACTIVATIONS, LINEAR, Layer, dense_layers, outputs
from thor.networks.stack_files import AGAIN, ARCHITECTURE_FILE, WEIGHTS_FILE, read_architecture, read_arrays
from thor.networks.terms import TermsHead

Weights = NDArray[np.float32]

_FEWEST_SAMPLES = 32
"""Of one block of `NetworkStack.logit_blocks`."""


@dataclass(frozen=True, eq=False)
class NetworkStack:
    """Dense networks of one architecture, with an activation after each layer but the last, which gives logits.

    Attributes
    ----------
    kernels : tuple of ndarray of float32, each of shape (n_networks, n_in, n_out)
        One for each layer.
    biases : tuple of ndarray of float32, each of shape (n_networks, n_out)
    features : tuple of str
        Inputs in their order.
    classes : tuple of str
        Regimes in the order of the outputs.
    activation : str
        Of the hidden layers, a name in `thor.networks.network.ACTIVATIONS`.
    terms_head : TermsHead, optional
        Further outputs of the last layer that predict terms of the vorticity budget; `layers` and logits are without.

    Raises
    ------
    NetworkError
        When the activation is unknown, shapes do not fit one another, or a weight is not finite.
    """

    kernels: tuple[Weights, ...]
    biases: tuple[Weights, ...]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    activation: str = "tanh"
    terms_head: TermsHead | None = None

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise NetworkError(
                f"There is no activation '{self.activation}'.{did_you_mean(self.activation, ACTIVATIONS)}"
            )
        if not self.kernels or len(self.kernels) != len(self.biases):
            raise NetworkError(
                f"A network needs a kernel and a bias for each layer; got {len(self.kernels)} and {len(self.biases)}."
            )
        sizes = (len(self.features), *(bias.shape[-1] for bias in self.biases[:-1]), len(self.classes))
        for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
            _require_array(f"kernel {layer}", self.kernels[layer], (self.n_networks, n_in, n_out))
            _require_array(f"bias {layer}", self.biases[layer], (self.n_networks, n_out))
        if (head := self.terms_head) is not None:
            _require_array("kernel of the terms", head.kernel, (self.n_networks, sizes[-2], 2 * len(head.names)))
            _require_array("bias of the terms", head.bias, (self.n_networks, 2 * len(head.names)))
            if len(head.scale) != len(head.names) or not all(np.isfinite(scale) and scale > 0 for scale in head.scale):
                raise NetworkError(f"Each of {len(head.names)} terms needs a scale above 0; got {head.scale}.")

    @property
    def n_networks(self) -> int:
        """Number of networks."""
        return len(self.kernels[0])

    @property
    def n_members(self) -> int:
        """Number of networks, under the name that all predictors share: `thor.networks.predictor.Predictor`."""
        return self.n_networks

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Number of inputs, of units of each layer, of outputs."""
        return (len(self.features), *(bias.shape[-1] for bias in self.biases))

    @property
    def used_inputs(self) -> NDArray[np.bool_]:
        """Which inputs each network gives a weight, shape (n_networks, n_features)."""
        return (np.asarray(self.kernels[0]) != 0).any(axis=-1)

    @property
    def n_weights(self) -> int:
        """Number of weights of one network."""
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.layer_sizes))

    def layers(self, dtype: DTypeLike | None = None) -> list[Layer]:
        """Return the layers as `thor.networks.network` takes them, in single or another precision."""
        return dense_layers(self.kernels, self.biases, self.activation, dtype=dtype)

    def logit_blocks(self, inputs: Weights, block_bytes: int) -> Iterator[tuple[slice, Weights]]:
        """Yield the logits of every network, block of samples by block, as `thor.networks.predictor.Predictor`.

        Activations of the widest layer, over all networks, take at most about `block_bytes`.
        """
        n_block = max(_FEWEST_SAMPLES, block_bytes // (4 * self.n_networks * max(self.layer_sizes)))
        for start in range(0, len(inputs), n_block):
            part = slice(start, min(start + n_block, len(inputs)))
            with one_thread():
                block = logits(self, inputs[part])
            yield part, block

    def logits_of_each(self, inputs: Weights) -> Weights:
        """Return the logits of networks that each have different inputs; see `thor.networks.predictor.Predictor`."""
        return outputs(self.layers(), inputs)

    def terms(self, inputs: Weights) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the terms of the budget that every network predicts, and their spread: for small blocks of samples.

        Parameters
        ----------
        inputs : ndarray of float32, shape (n_samples, n_features)
            Scaled as the networks were trained.

        Returns
        -------
        value, spread : ndarray of shape (n_networks, n_samples, n_terms), [m s-2]

        Raises
        ------
        NetworkError
            When the networks have no terms head, or the number of features differs.
        """
        if (head := self.terms_head) is None:
            raise NetworkError("These networks do not predict terms of the budget. Set modelling.terms_weight above 0.")
        _require_inputs(self, inputs)
        with one_thread():
            layers = [*self.layers()[:-1], Layer(head.kernel, head.bias, LINEAR)]
            return head.predictions(outputs(layers, inputs.astype(np.float32, copy=False)))

    def training_weights(self) -> list[Weights]:
        """Return kernel and bias of each layer in turn, the terms head in the last ones."""
        arrays = [array for layer in zip(self.kernels, self.biases, strict=True) for array in layer]
        if (head := self.terms_head) is not None:
            arrays[-2:] = [np.concatenate(pair, -1) for pair in zip(arrays[-2:], (head.kernel, head.bias), strict=True)]
        return arrays

    def with_training_weights(self, arrays: Sequence[Weights]) -> "NetworkStack":
        """Return the networks with other weights, as from `training_weights`."""
        arrays, head = list(arrays), self.terms_head
        if head is not None:
            n_classes = len(self.classes)
            of_head = [np.ascontiguousarray(array[..., n_classes:]) for array in arrays[-2:]]
            arrays[-2:] = [np.ascontiguousarray(array[..., :n_classes]) for array in arrays[-2:]]
            head = replace(head, kernel=of_head[0], bias=of_head[1])
        return replace(self, kernels=tuple(arrays[::2]), biases=tuple(arrays[1::2]), terms_head=head)

    def select(self, indices: Sequence[int] | slice | NDArray[Any]) -> "NetworkStack":
        """Return the networks at `indices`, in their order."""
        return self.with_training_weights([array[indices] for array in self.training_weights()])

    def save(self, folder: Path | str) -> None:
        """Write `weights.npz` and `architecture.json` into a folder, created if missing.

        The same stack gives the same bytes. The description includes a checksum of weights and architecture, so that a
        half-written or edited folder is refused.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        description = _architecture(self) | {"n_networks": self.n_networks, "checksum": _checksum(self)}
        np.savez(folder / WEIGHTS_FILE, allow_pickle=False, **_arrays(self))
        (folder / ARCHITECTURE_FILE).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path | str) -> "NetworkStack":
        """Return the stack that `save` wrote.

        Raises
        ------
        NetworkError
            When a file or an array is missing, shapes do not fit, or weights or architecture were changed since.
        """
        folder = Path(folder)
        description = read_architecture(folder)
        arrays = read_arrays(folder)
        n_layers = len(description["layer_sizes"]) - 1
        of_terms = description.get("terms")
        expected = {f"{kind}_{layer}" for layer in range(n_layers) for kind in ("kernel", "bias")}
        expected |= {"kernel_terms", "bias_terms"} if of_terms else set()
        if set(arrays) != expected:
            raise NetworkError(
                f"{folder / WEIGHTS_FILE} should hold {', '.join(sorted(expected))}; "
                f"missing {sorted(expected - set(arrays))}, unknown {sorted(set(arrays) - expected)}. {AGAIN}"
            )
        try:
            stack = cls(
                tuple(arrays[f"kernel_{layer}"] for layer in range(n_layers)),
                tuple(arrays[f"bias_{layer}"] for layer in range(n_layers)),
                tuple(description["features"]),
                tuple(description["classes"]),
                description["activation"],
                TermsHead(arrays["kernel_terms"], arrays["bias_terms"], *map(tuple, of_terms.values()))
                if of_terms
                else None,
            )
        except NetworkError as error:
            raise NetworkError(f"{folder}: weights and architecture do not fit. {error} {AGAIN}") from error
        if _architecture(stack) | {"n_networks": stack.n_networks, "checksum": _checksum(stack)} != description:
            raise NetworkError(f"{folder}: the checksum differs: weights or architecture changed by hand. {AGAIN}")
        return stack


def concatenate(stacks: Sequence[NetworkStack]) -> NetworkStack:
    """Return the networks of all stacks as one, in their order.

    Raises
    ------
    NetworkError
        When there are none, or their features, classes or layers differ.
    """
    if not stacks:
        raise NetworkError("There are no networks to concatenate.")
    first = stacks[0]
    for other in stacks[1:]:
        if _architecture(other) != _architecture(first):
            raise NetworkError(
                "Only networks with the same features, classes and layers can be stacked; got "
                f"{_architecture(first)} and {_architecture(other)}."
            )
    arrays = zip(*(stack.training_weights() for stack in stacks), strict=True)
    return first.with_training_weights([np.concatenate(parts) for parts in arrays])


def logits(stack: NetworkStack, inputs: Weights) -> Weights:
    """Return the outputs of every network before the softmax, all at once: for small blocks of samples.

    Parameters
    ----------
    stack : NetworkStack
    inputs : ndarray of float32, shape (n_samples, n_features)
        Scaled as the networks were trained.

    Returns
    -------
    ndarray of float32, shape (n_networks, n_samples, n_classes)

    Raises
    ------
    NetworkError
        When the number of features differs.
    """
    _require_inputs(stack, inputs)
    return outputs(stack.layers(), inputs.astype(np.float32, copy=False))


def _architecture(stack: NetworkStack) -> dict[str, Any]:
    return {
        "layer_sizes": list(stack.layer_sizes),
        "activation": stack.activation,
        "features": list(stack.features),
        "classes": list(stack.classes),
    } | ({} if stack.terms_head is None else {"terms": stack.terms_head.description()})


def _arrays(stack: NetworkStack) -> dict[str, Weights]:
    kernels = {f"kernel_{layer}": kernel for layer, kernel in enumerate(stack.kernels)}
    biases = {f"bias_{layer}": bias for layer, bias in enumerate(stack.biases)}
    head = stack.terms_head
    return kernels | biases | ({} if head is None else {"kernel_terms": head.kernel, "bias_terms": head.bias})


def _checksum(stack: NetworkStack) -> str:
    digest = hashlib.sha256(json.dumps(_architecture(stack), sort_keys=True).encode())
    for name, array in _arrays(stack).items():
        digest.update(f"{name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return digest.hexdigest()


def _require_inputs(stack: NetworkStack, inputs: Weights) -> None:
    if inputs.ndim != 2 or inputs.shape[1] != len(stack.features):
        raise NetworkError(
            f"The networks take inputs of shape (n_samples, {len(stack.features)}); got {inputs.shape}. "
            f"Their features are {', '.join(stack.features)}."
        )


def _require_array(name: str, array: Weights, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32:
        raise NetworkError(f"{name} should be float32 of shape {shape}; got {array.dtype} of shape {array.shape}.")
    if not np.isfinite(array).all():
        raise NetworkError(f"{name} holds {int((~np.isfinite(array)).sum())} weights that are not finite.")
