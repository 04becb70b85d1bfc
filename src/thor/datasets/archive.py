"""An archive in ESGF layout: read for its runs, written only where it is the idealized one."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import xarray as xr

from thor.core.atomic import replacing, show
from thor.core.errors import DataError
from thor.datasets.collections import FieldCollection, Maker
from thor.reading.archive import IDEALIZED, Archive
from thor.reading.cloud import CloudArchive, is_catalogue


class EsgfArchive(FieldCollection):
    """A tree of NetCDF files in ESGF layout.

    Loading gives a `thor.reading.archive.Archive`. Saving takes ``{path of a file below the root: (fingerprint,
    function that makes the dataset)}`` and writes what changed, as any collection does; the encoding of the datasets is
    kept. Only the idealized archive can be saved: a real one is never written to.

    Parameters
    ----------
    path : str
        Folder of the idealized archive.
    root : str, list of str, or None
        Folder of the archive that is read, or several; ``idealized``: that at `path`; path or address of a ``.json``:
        the catalogue of an archive in the cloud (`thor.reading.cloud`); null: none, which has no runs.
    layout : str, optional
        Its directories, ``auto`` or a template (`thor.reading.layouts`).
    versions, grid_labels : dict, optional
        As for `thor.reading.archive.Archive`.
    cache : str, optional
        Folder for what is fetched from the cloud; beside `path` by default.
    metadata : dict, optional
        For kedro-viz.
    """

    def __init__(
        self,
        *,
        path: str,
        root: str | list[str] | None,
        layout: str = "auto",
        versions: dict[str, str] | None = None,
        grid_labels: dict[str, str | list[str]] | None = None,
        cache: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(path=path, metadata=metadata)
        self._catalogue = root if isinstance(root, str) and is_catalogue(root) else None
        roots = [] if root is None or self._catalogue else [root] if isinstance(root, str) else root
        self._roots = [self._path if place == IDEALIZED else Path(place) for place in roots]
        self._layout = layout
        self._choice: dict[str, Any] = {"versions": versions, "grid_labels": grid_labels}
        self._cache = Path(cache) if cache else self._path.with_name("cloud_archive")

    @property
    def given(self) -> bool:
        """Whether the archive is not the idealized one, so that nothing is ever written to it."""
        return self._path not in self._roots

    @property
    def setting(self) -> str | None:
        """The setting that names the place of a given archive."""
        return "archive_root" if self.given else None

    def load(self) -> Archive:  # type: ignore[override]
        """Return the archive; its folders are listed at the first access."""
        if self._catalogue is not None:
            return CloudArchive(self._catalogue, self._cache, **self._choice)
        return Archive(self._roots or None, layout=self._layout, **self._choice)

    def save(self, data: Mapping[str, tuple[str, Maker]]) -> None:
        """Write the idealized archive, each file while the next is made; no file for another one.

        Raises
        ------
        DataError
            When files are to be written and archive_root is another archive.
        """
        if not self.given:
            changed = [key for key, (mark, _) in data.items() if self._why(key, mark)]
            with ThreadPoolExecutor(1) as pool:
                super().save(_made_ahead(data, changed, pool))
        elif data:
            roots = [self._catalogue] if self._catalogue else [f"{show(root)}/" for root in self._roots]
            place = f"{', '.join(roots)}, which is never written to" if roots else "null"
            raise DataError(
                f"archive_root is {place}; only the idealized archive is made. The parameter "
                "idealized_ocean.archive_root has to be the same: leave it to archive_root in globals.yml."
            )

    def _describe(self) -> dict[str, Any]:
        return {"path": self._catalogue or ", ".join(map(str, self._roots)) or None, "layout": self._layout}

    def _exists(self) -> bool:
        # The existence of a catalogue, which may lie anywhere, is checked when it is read.
        return self._catalogue is not None or all(root.is_dir() for root in self._roots)

    def _keys(self) -> list[str]:
        return [f"{key}.nc" for key in super()._keys()]

    def _file(self, key: str) -> Path:
        return super()._file(str(PurePosixPath(key).with_suffix("")))

    def _write(self, key: str, dataset: xr.Dataset) -> None:
        with replacing(self._file(key)) as temporary:
            dataset.to_netcdf(temporary, engine="netcdf4", format="NETCDF4")


def _made_ahead(
    data: Mapping[str, tuple[str, Maker]], keys: Sequence[str], pool: Executor
) -> dict[str, tuple[str, Maker]]:
    """Return the data with functions that also begin to make the dataset of the next of the keys."""
    following = dict(pairwise(keys))
    begun: dict[str, Future[xr.Dataset]] = {}

    def make(key: str) -> xr.Dataset:
        made = begun.pop(key, None) or pool.submit(data[key][1])
        if key in following:
            begun[following[key]] = pool.submit(data[following[key]][1])
        return made.result()

    return {key: (mark, partial(make, key)) for key, (mark, _) in data.items()}
