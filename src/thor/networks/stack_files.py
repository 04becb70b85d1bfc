"""Files of stacked networks: their weights and the description of their architecture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thor.core.errors import NetworkError, kept_from_reading

WEIGHTS_FILE = "weights.npz"
ARCHITECTURE_FILE = "architecture.json"

AGAIN = "Train or save the networks again."
_KEYS = {"layer_sizes": list, "activation": str, "features": list, "classes": list, "n_networks": int, "checksum": str}
_TERMS, _TERMS_KEY = {"names", "scale"}, {"terms": dict}


def read_architecture(folder: Path) -> dict[str, Any]:
    """Return the description of networks in a folder; raise NetworkError where it is missing or incomplete."""
    path = folder / ARCHITECTURE_FILE
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NetworkError(f"{path} is missing. {AGAIN}") from error
    except (OSError, ValueError) as error:
        raise NetworkError(_unreadable(path, error)) from error
    found = {key: type(value) for key, value in description.items()} if isinstance(description, dict) else {}
    if found not in (_KEYS, _KEYS | _TERMS_KEY) or set(description.get("terms", _TERMS)) != _TERMS:
        kinds = ", ".join(f"{key} ({kind.__name__})" for key, kind in _KEYS.items())
        raise NetworkError(f"{path} should hold {kinds} and nothing else. {AGAIN}")
    return description


def read_arrays(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights in a folder; raise NetworkError where they cannot be read."""
    path = folder / WEIGHTS_FILE
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise NetworkError(f"{path} is missing. {AGAIN}") from error
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged archive.
        raise NetworkError(_unreadable(path, error)) from error


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} cannot be read: {kept_from_reading(error) or f'{error}. {AGAIN}'}"
