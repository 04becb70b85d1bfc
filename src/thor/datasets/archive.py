"""An archive in ESGF layout: read for its runs, written only where it is the idealized one."""

from collections.abc import Mapping
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
    n_processes : int or None, optional
        As for `FieldCollection`.
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
        n_processes: int | None = 1,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(path=path, n_processes=n_processes, metadata=metadata)
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
        """Return the archive; its folders are listed at the first access.

        Raises
        ------
        DataError
            When it is the idealized one and not finished.
        """
        if not self.given:
            self._saves.require_end()
        if self._catalogue is not None:
            return CloudArchive(self._catalogue, self._cache, **self._choice)
        return Archive(self._roots or None, layout=self._layout, **self._choice)

    def save(self, data: Mapping[str, tuple[str, Maker]]) -> None:
        """Write the idealized archive; no file for another one.

        Raises
        ------
        DataError
            When files are to be written and archive_root is another archive.
        """
        if not self.given:
            super().save(data)
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
