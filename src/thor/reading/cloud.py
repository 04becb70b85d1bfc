"""Archives in the cloud: an intake-esm catalogue (json and csv) of zarr stores, as Pangeo and ESGF have them.

A store is fetched when its run is wanted, once, into NetCDF files in ESGF layout; after that it is an archive like
any other, with the same checks. Fetched files stay, so that an interrupted run continues where it stopped.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from thor.core.atomic import replacing
from thor.core.errors import DataError, counted, did_you_mean, require_packages
from thor.core.variables import published
from thor.reading.archive import Archive
from thor.reading.files import ALL_PARTS
from thor.reading.layouts import Layout, layout_of
from thor.reading.tree import Tree

log = logging.getLogger(__name__)

CATALOGUE_COLUMNS = (
    *("activity_id", "institution_id", "source_id", "experiment_id", "member_id"),
    *("table_id", "variable_id", "grid_label"),
)
"""Columns of the catalogue that name the folders of the layout, but for the version."""

STEPS_PER_FILE = 240
"""Time steps of a file at most."""

FILE_BYTES = 2**28
"""Of a file, which is made in memory; where one stored piece of time steps is more, a piece, which is fetched whole."""

_ANONYMOUS = {"gs": {"token": "anon"}, "gcs": {"token": "anon"}, "s3": {"anon": True}}


class CloudArchive(Archive):
    """The zarr stores of an intake-esm catalogue, seen as an archive in the layout of CMIP6.

    Parameters
    ----------
    catalogue : str
        Path or address of the catalogue's JSON file.
    cache : Path or str
        Folder for what is fetched.
    versions, grid_labels
        As for `thor.reading.archive.Archive`.

    Raises
    ------
    ConfigError
        When the packages for it are not installed.
    """

    def __init__(
        self,
        catalogue: str,
        cache: Path | str,
        *,
        versions: Mapping[str, str] | None = None,
        grid_labels: Mapping[str, str | Sequence[str]] | None = None,
    ) -> None:
        super().__init__(cache, versions=versions, grid_labels=grid_labels)
        self.where = catalogue
        self._tree = _CloudTree(catalogue, Path(cache) / "CMIP6")
        instead = ", or set archive_root to a folder"
        require_packages("intake_esm", "zarr", extra="cloud", purpose="An archive in the cloud", otherwise=instead)

    @cached_property
    def _branches(self) -> list[tuple[Path, Layout]]:
        return [(self.roots[0] / "CMIP6", layout_of("CMIP6"))]


class _CloudTree(Tree):
    """The folders that the stores of a catalogue would have; a store is fetched when its files are asked for."""

    def __init__(self, catalogue: str, top: Path) -> None:
        super().__init__()
        self._catalogue, self._top = catalogue, top

    @cached_property
    def _stores(self) -> dict[Path, str]:
        """Return the address of each store by its folder in the layout, version included."""
        table, asset = read_catalogue(self._catalogue)
        table = table[table["variable_id"].isin(published())]
        stores: dict[Path, str] = {}
        for row in table.to_dict(orient="records"):
            version = re.sub(r"\D", "", str(row.get("version", "")).split(".")[0]) or "0"
            stores[self._top.joinpath(*(str(row[name]) for name in CATALOGUE_COLUMNS), f"v{version}")] = str(row[asset])
        if not stores:
            raise DataError(
                f"The catalogue {self._catalogue} lists none of the variables {', '.join(sorted(published()))}."
            )
        return stores

    @cached_property
    def _folders(self) -> dict[Path, set[str]]:
        """Return what each folder of the layout holds."""
        tree: dict[Path, set[str]] = {}
        for folder in self._stores:
            here = folder
            while here != self._top:
                tree.setdefault(here.parent, set()).add(here.name)
                here = here.parent
        return tree

    def folders(self, folder: Path) -> tuple[str, ...]:
        """Return the names of the folders in a folder."""
        return tuple(sorted(self._folders.get(folder, ())))

    def exists(self, folder: Path) -> bool:
        """Return whether a folder is one of the layout."""
        return folder in self._folders or folder in self._stores

    def has_files(self, folder: Path) -> bool:
        """Return whether a folder is that of a store."""
        return folder in self._stores

    def months(self, folder: Path) -> set[int]:
        """Return no month: stores are named after none, and fetched only when they are read."""
        return set()

    def files(self, folder: Path) -> list[Path]:
        """Return the files of a store, fetched unless they are there."""
        return fetch_store(self._stores[folder], folder)


def read_catalogue(catalogue: str) -> tuple[Any, str]:
    """Return the table of an intake-esm catalogue, and its column with the addresses of the stores.

    Raises
    ------
    DataError
        When it cannot be read, is not of zarr stores, or lacks a column of `FACETS`.
    """
    import intake

    try:
        found = intake.open_esm_datastore(catalogue)
        table, assets = found.df, found.esmcat.assets
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise DataError(
            f"The catalogue {catalogue} cannot be read: {str(error).splitlines()[0]}. Expected the JSON file of an "
            "intake-esm catalogue, with its CSV at the place given in the JSON."
        ) from error
    if "member_id" not in table and "variant_label" in table:
        table = table.rename(columns={"variant_label": "member_id"})
    missing = [name for name in CATALOGUE_COLUMNS if name not in table]
    if missing:
        raise DataError(
            f"The catalogue {catalogue} has no column '{missing[0]}'."
            f"{did_you_mean(missing[0], map(str, table.columns))} It needs {', '.join(CATALOGUE_COLUMNS)}."
        )
    kind = getattr(assets.format, "value", assets.format)
    if kind is not None and "zarr" not in str(kind):
        raise DataError(f"The catalogue {catalogue} is of {kind} files; expected zarr stores.")
    return table, str(assets.column_name)


def fetch_store(store: str, folder: Path) -> list[Path]:
    """Return the NetCDF files of a store in this folder, fetched unless they are all there.

    Parameters
    ----------
    store : str
        Path or address of a zarr store of one variable.
    folder : Path
        ``.../<variable_id>/<grid_label>/<version>`` of the layout.

    Raises
    ------
    DataError
        When the store cannot be read, or does not hold the variable.
    """
    done = folder / ALL_PARTS
    if not done.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        variable_id = folder.parents[1].name
        dataset = _open(store, variable_id)
        parts = _parts(dataset, folder)
        for path, part in parts.items():
            if not path.is_file():
                _write(dataset.isel(time=part) if part is not None else dataset, path, store)
        done.touch()
        log.info("fetched %s in %s", store, counted(len(parts), "file"))
    return sorted(path for path in folder.glob("*.nc") if not path.name.startswith("."))


def _open(store: str, variable_id: str) -> xr.Dataset:
    scheme = store.split("://")[0] if "://" in store else ""
    try:
        # Numbers as they are stored: the reader of the archive makes sense of time and fill values.
        dataset = xr.open_zarr(
            store, chunks={}, decode_cf=False, consolidated=None, storage_options=_ANONYMOUS.get(scheme)
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise DataError(
            f"The store {store} cannot be read: {str(error).splitlines()[0]}. Is it still there?"
        ) from error
    if variable_id not in dataset:
        raise DataError(
            f"The store {store} has no variable '{variable_id}'; it has {', '.join(map(str, dataset.data_vars))}. "
            "The catalogue is wrong about it."
        )
    return dataset


def _parts(dataset: xr.Dataset, folder: Path) -> Mapping[Path, slice | None]:
    """Return the files that are to be, and the time steps of each."""
    facets = folder.parts[-6:-1]
    source_id, (experiment_id, variant_label, table_id, variable_id, grid_label) = folder.parts[-7], facets
    stem = "_".join((variable_id, table_id, source_id, experiment_id, variant_label, grid_label))
    n_steps = dataset.sizes.get("time", 0)
    if not n_steps:
        return {folder / f"{stem}.nc": None}
    piece = dataset[variable_id].chunksizes.get("time", (1,))[0]
    fitting = FILE_BYTES * n_steps // (dataset.nbytes * piece) * piece
    length = min(STEPS_PER_FILE, max(piece, fitting))
    return {folder / f"{stem}_{start:06d}.nc": slice(start, start + length) for start in range(0, n_steps, length)}


def _write(dataset: xr.Dataset, path: Path, store: str) -> None:
    """Write a part whole or not at all."""
    for name in dataset.variables:
        dataset[name].encoding = {}
    try:
        with replacing(path) as temporary:
            dataset.load().to_netcdf(temporary, engine="netcdf4", format="NETCDF4")
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(
            f"{path} could not be fetched from {store}: {str(error).splitlines()[0]}. What was finished is kept; run "
            "again."
        ) from error


def is_catalogue(root: str) -> bool:
    """Return whether an archive is given by a catalogue instead of a folder."""
    return root.endswith(".json")
