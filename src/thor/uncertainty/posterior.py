"""Weights of networks as vectors, and posteriors over them in files: what Bayesian and Laplace networks share.

The vector of a network holds, layer by layer from the input, the kernel in C order and then the bias, so that the
last layer comes last.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

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


def to_stack(
    vectors: np.ndarray,
    *,
    layer_sizes: Sequence[int],
    features: tuple[str, ...],
    classes: tuple[str, ...],
    activation: str,
) -> NetworkStack:
    """Return the networks whose vectors these are, shape (n_networks, n_weights)."""
    vectors = np.asarray(vectors, dtype=np.float32)
    places = layer_places(layer_sizes)
    return NetworkStack(
        kernels=tuple(vectors[:, place.kernel].reshape(-1, place.n_in, place.n_out) for place in places),
        biases=tuple(vectors[:, place.bias] for place in places),
        features=features,
        classes=classes,
        activation=activation,
    )


def save_posterior(folder: Path, arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> None:
    """Write arrays and description into a folder, which is made; a checksum ties the two together.

    Parameters
    ----------
    folder : Path
    arrays : mapping of str to ndarray
    description : mapping
        What JSON can hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**description, "sha256": _checksum(arrays, description)}, indent=2) + "\n"
    np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
    (folder / ARCHITECTURE).write_text(text, encoding="utf-8")


def load_posterior(folder: Path, *, kind: str, names: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the description that `save_posterior` wrote.

    Parameters
    ----------
    folder : Path
    kind : str
        What the description must say under `kind`.
    names : sequence of str
        Arrays that must be there.

    Raises
    ------
    NetworkError
        When a file or an array is missing, damaged or edited, or the folder holds another kind of network.
    """
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
