"""The fifty networks of the published study and their scaler, as a `NetworkStack` and a `FeatureScaler`.

Sonnewald & Lguensat (2021), doi:10.1029/2021MS002496; files `ensembleMLP/vanillamodel_0.h5` to `_49.h5` of
github.com/maikejulie/DNN4Cli. Their sea level keeps its datum: the mean over the ocean is not removed.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from thor.core.errors import NetworkError
from thor.core.variables import FEATURES, variable
from thor.networks.scaler import FeatureScaler
from thor.networks.stack import NetworkStack, concatenate
from thor.regimes.naming import REGIMES

_MEAN = (
    *(-2.20681035e-11, 7.85894841e-03, 1.92149912e-08, 1.38805767e-07),
    *(3.96657293e03, -1.45941754e-04, 5.42086609e-04, -1.21754470e-05),
)
_SCALE = (
    *(1.46399667e-10, 7.07289355e-01, 1.89893314e-07, 4.55081599e-07),
    *(1.44475515e03, 4.87804804e-03, 4.64697134e-03, 9.54868121e-05),
)


def published_networks(paths: Iterable[Path | str]) -> NetworkStack:
    """Return the published networks as one stack, in the order of the numbers in their files' names.

    Parameters
    ----------
    paths : iterable of Path or str
        Keras HDF5 files of dense networks with tanh from the eight published features to the six regimes.

    Raises
    ------
    NetworkError
        When there is no file, one cannot be read, or its layers are not those of the published networks.
    """
    files = sorted(map(Path, paths), key=lambda path: _trailing_number(path.stem))
    if not files:
        raise NetworkError(
            "There are no files of published networks: expected vanillamodel_0.h5 to vanillamodel_49.h5."
        )
    return concatenate([_read(path) for path in files])


def for_regimes(networks: NetworkStack, names: tuple[str, ...]) -> NetworkStack:
    """Return the published networks with their outputs in the order of regimes of the same names.

    Parameters
    ----------
    networks : NetworkStack
        Without a terms head.
    names : tuple of str
        Of the regimes, in their order.

    Raises
    ------
    NetworkError
        When the networks predict other regimes.
    """
    if networks.classes == names:
        return networks
    if sorted(networks.classes) != sorted(names):
        raise NetworkError(
            f"The published networks predict the regimes {', '.join(networks.classes)}; here they are "
            f"{', '.join(names)}. Set modelling.networks: trained, or regime_clustering.labels: published."
        )
    order = [networks.classes.index(name) for name in names]
    kernels, biases = (
        (*layers[:-1], np.take(layers[-1], order, axis=-1)) for layers in (networks.kernels, networks.biases)
    )
    return replace(networks, kernels=kernels, biases=biases, classes=names)


def published_scaler() -> FeatureScaler:
    """Return the standardisation of the published study, fitted on its 109,259 training cells."""
    units = tuple(variable(name).units for name in FEATURES)
    return FeatureScaler(FEATURES, units, np.array(_MEAN), np.array(_SCALE))


def _read(path: Path) -> NetworkStack:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            layers = _layers(file)
    except (OSError, KeyError) as error:
        raise NetworkError(f"{path} is no Keras HDF5 file of a dense network: {error}.") from error
    try:
        return NetworkStack(
            tuple(kernel[None] for kernel, _ in layers), tuple(bias[None] for _, bias in layers), FEATURES, REGIMES
        )
    except NetworkError as error:
        raise NetworkError(f"{path} is no network from the {len(FEATURES)} features to the regimes: {error}") from error


def _layers(file: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return kernel and bias of each layer; layers are numbered through, but from another number in each file."""
    group = file["model_weights"]
    # Each layer's group holds a group of the same name; the input layer has no weights.
    names = sorted((name for name in group if len(group[name])), key=_trailing_number)
    inner = [group[name][name] for name in names]
    return [(layer["kernel:0"][:].astype(np.float32), layer["bias:0"][:].astype(np.float32)) for layer in inner]


def _trailing_number(name: str) -> int:
    match = re.search(r"(\d+)$", name)
    return int(match[1]) if match else 0
