"""Trained networks: a folder of weights as plain arrays and a description, never a pickle."""

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from kedro.io import AbstractDataset

from thor.core.atomic import remove_leftovers, replacing_folder, show
from thor.core.errors import ConfigError, DataError, did_you_mean
from thor.core.public_files import PUBLISHED_NETWORKS, public_file
from thor.datasets.files import MAKE_IT, FileDataset

CLASSES = {
    "stack": "thor.networks.stack:NetworkStack",
    "bayesian": "thor.uncertainty.bayesian:BayesianNetwork",
    "laplace": "thor.uncertainty.laplace:LaplaceNetwork",
}
"""Class of the networks of each kind, imported when a folder is read."""


class NetworkDataset(FileDataset):
    """A folder with networks, replaced as a whole.

    Parameters
    ----------
    filepath : str
        The folder.
    kind : {'stack', 'bayesian', 'laplace'}
        A `NetworkStack`, a `BayesianNetwork` or a `LaplaceNetwork`.
    metadata : dict, optional
        For kedro-viz.
    """

    def __init__(self, *, filepath: str, kind: str = "stack", metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        if kind not in CLASSES:
            raise ConfigError(f"{filepath}: there are no networks of kind '{kind}'.{did_you_mean(kind, CLASSES)}")
        self._kind = kind

    def load(self) -> Any:
        """Return the networks.

        Raises
        ------
        DataError
            When the folder is missing.
        NetworkError
            When its arrays and description do not fit, or were changed.
        """
        if not self._exists():
            raise DataError(f"{show(self._filepath)}/ does not exist. {MAKE_IT}")
        return resolve_name(CLASSES[self._kind]).load(self._filepath)

    def save(self, data: Any) -> None:
        """Write the networks into a temporary folder, then replace the earlier one by it."""
        with replacing_folder(self._filepath) as temporary:
            data.save(temporary)

    def _exists(self) -> bool:
        if not self._filepath.exists():
            remove_leftovers(self._filepath)  # a killed process may have moved it
        return self._filepath.is_dir()


class PublishedNetworks(AbstractDataset[None, Any]):
    """The 50 networks of the published study, read-only; loading gives a function that reads them when it is called.

    Parameters
    ----------
    folder : str
        Where downloads are kept.
    mirror : str, optional
        A folder laid out like the public data, read instead of the network.
    metadata : dict, optional
        For kedro-viz.
    """

    def __init__(self, *, folder: str, mirror: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(folder)
        self._mirror = Path(mirror) if mirror else None
        self.metadata = metadata

    def load(self) -> Callable[[], Any]:
        """Return a function that gives the networks as a `NetworkStack`; nothing is downloaded before it is called."""

        def networks() -> Any:
            from thor.networks.published import published_networks

            files = (public_file(name, folder=self._folder, mirror=self._mirror) for name in PUBLISHED_NETWORKS)
            return published_networks(list(files))

        return networks

    def save(self, data: None) -> None:
        """Refuse: the published networks are given."""
        raise DataError("The published networks are never written to.")

    def _describe(self) -> dict[str, Any]:
        return {"folder": str(self._folder), "mirror": str(self._mirror) if self._mirror else None}
