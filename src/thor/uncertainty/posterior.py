"""Posteriors over the weights of networks, in memory and in files: common parts of Bayesian and Laplace networks.

The vector of a network holds, layer by layer from the input, the kernel in C order and then the bias, so that the
last layer comes last.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from thor.core.errors import NetworkError
from thor.networks.stack import NetworkStack

ARRAYS, ARCHITECTURE = "posterior.npz", "architecture.json"


class LayerPlace(NamedTuple):
    """Where the weights of one layer stand in the vector of a network."""

    kernel: slice
    bias: slice
    n_in: int
    n_out: int


def layer_places(layer_sizes: Sequence[int]) -> list[LayerPlace]:
    """Return the place of each layer, from the units of each layer, input first."""
    places, start = [], 0
    for n_in, n_out in pairwise(layer_sizes):
        middle = start + n_in * n_out
        places.append(LayerPlace(slice(start, middle), slice(middle, middle + n_out), n_in, n_out))
        start = middle + n_out
    return places


def to_vectors(stack: NetworkStack) -> np.ndarray:
    """Return the weights of each network as one vector, float32, shape (n_networks, n_weights)."""
    layers = zip(stack.kernels, stack.biases, strict=True)
    return np.concatenate([part.reshape(stack.n_networks, -1) for layer in layers for part in layer], axis=1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Posterior:
    """A distribution over the weights of networks of one architecture.

    Subclasses name their arrays, and the kind of network that their description states.

    Attributes
    ----------
    layer_sizes : tuple of int
        Units of each layer, input first.
    features, classes : tuple of str
    activation : str
        Of the hidden layers.
    """

    KIND: ClassVar[str]
    ARRAYS: ClassVar[tuple[str, ...]]

    layer_sizes: tuple[int, ...]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    activation: str = "tanh"

    def to_stack(self, vectors: np.ndarray) -> NetworkStack:
        """Return the networks with these weights, shape (n_networks, n_weights)."""
        vectors = np.asarray(vectors, dtype=np.float32)
        places = layer_places(self.layer_sizes)
        return NetworkStack(
            kernels=tuple(vectors[:, place.kernel].reshape(-1, place.n_in, place.n_out) for place in places),
            biases=tuple(vectors[:, place.bias] for place in places),
            features=self.features,
            classes=self.classes,
            activation=self.activation,
        )

    def save(self, folder: Path) -> None:
        """Write arrays and description into a folder, which is made; a checksum ties the two together."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays, description = self._parts()
        text = json.dumps({**description, "sha256": _checksum(arrays, description)}, indent=2) + "\n"
        np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
        (folder / ARCHITECTURE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what `save` wrote.

        Raises
        ------
        NetworkError
            When a file or an array is missing, damaged or edited, or the folder holds another kind of network.
        """
        arrays, description = _read(folder, kind=cls.KIND, names=cls.ARRAYS)
        del description["kind"]
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in description.items()
        }
        return cls(**values | arrays)

    def _parts(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        arrays = {name: values.pop(name) for name in self.ARRAYS}
        return arrays, {"kind": self.KIND} | values


def _read(folder: Path, *, kind: str, names: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    again = "Run the pipeline uncertainty again to write it anew."
    try:
        description = json.loads((folder / ARCHITECTURE).read_text(encoding="utf-8"))
        with np.load(folder / ARRAYS, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise NetworkError(f"{folder} holds no readable {kind} network: {error}. {again}") from error
    if not isinstance(description, dict) or description.get("kind") != kind:
        found = description.get("kind") if isinstance(description, dict) else description
        raise NetworkError(f"{folder} holds a network of kind {found!r}; expected {kind!r}. {again}")
    missing = [name for name in names if name not in arrays]
    if missing:
        raise NetworkError(f"{folder / ARRAYS} has no array {', '.join(missing)}; it holds {sorted(arrays)}. {again}")
    expected = description.pop("sha256", None)
    if _checksum(arrays, description) != expected:
        raise NetworkError(f"{folder}: the checksum differs; {ARRAYS} or {ARCHITECTURE} was changed by hand. {again}")
    return arrays, description


def _checksum(arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode() + values.tobytes())
    return digest.hexdigest()
