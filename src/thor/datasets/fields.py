"""Fields on a grid in NetCDF: checked against their contract when loaded and when saved."""

import json
import logging
from typing import Any

import xarray as xr
from kedro_datasets._typing import JSONPreview

from thor.core.atomic import show
from thor.core.contracts import check, find_contract
from thor.core.errors import DataError
from thor.core.fingerprint import ATTRIBUTE, CONTENT, content_sha256
from thor.datasets.files import FileDataset, require_file
from thor.datasets.netcdf import open_netcdf, read, write

log = logging.getLogger(__name__)


class FieldDataset(FileDataset):
    """One NetCDF file, loaded and saved as an `xarray.Dataset`.

    Parameters
    ----------
    filepath : str
        The file.
    contract : str, optional
        Stage whose contract of `thor.core.contracts` the dataset keeps; checked on save and on load.
    chunks : dict or str, optional
        Open lazily with these dask chunks (``{}`` keeps those of the file, ``auto`` lets dask choose); otherwise
        everything is read and the file closed.
    metadata : dict, optional
        For kedro-viz.
    """

    def __init__(
        self,
        *,
        filepath: str,
        contract: str | None = None,
        chunks: dict[str, int] | str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._contract = find_contract(contract).name if contract else None
        self._chunks = chunks

    def load(self) -> xr.Dataset:
        """Return the dataset.

        Raises
        ------
        DataError
            When the file is missing, cannot be read as NetCDF, or breaks its contract.
        """
        dataset = read(require_file(self._filepath), chunks=self._chunks)
        if self._contract:
            check(dataset, self._contract, where=show(self._filepath))
        return dataset

    def save(self, data: xr.Dataset) -> None:
        """Write the dataset; the same content gives the same bytes.

        Raises
        ------
        DataError
            When it breaks its contract, the disk is full or the folder cannot be written.
        """
        if not isinstance(data, xr.Dataset):
            raise DataError(f"{show(self._filepath)} takes an xarray.Dataset; got a {type(data).__name__}.")
        if self._contract:
            check(data, self._contract, where=show(self._filepath))
        write(data, self._filepath)

    def _describe(self) -> dict[str, Any]:
        return super()._describe() | ({"contract": self._contract} if self._contract else {})

    def preview(self) -> JSONPreview:
        """Return dims, attributes, and each variable's units and range, for kedro-viz."""
        with open_netcdf(require_file(self._filepath), chunks={}) as dataset:
            return JSONPreview(json.dumps(_summary(dataset), indent=2))


class GivenFieldDataset(FieldDataset):
    """One NetCDF file that THOR makes unless the user gave one.

    A dataset with a fingerprint in its attributes (`thor.core.fingerprint.ATTRIBUTE`) is THOR's, any other, as from
    ``open_catalog().save(...)``, the user's. A file of the user's, which THOR did not write or which was changed since,
    is never replaced by a dataset of THOR's.
    """

    @property
    def given(self) -> bool:
        """Whether the user has given a file."""
        return self._filepath.exists() and self._written_mark() is None

    def load(self) -> xr.Dataset:
        """Return the dataset, without the attributes that mark it as THOR's."""
        dataset = super().load()
        dataset.attrs = {key: value for key, value in dataset.attrs.items() if key not in (ATTRIBUTE, CONTENT)}
        return dataset

    def save(self, data: xr.Dataset) -> None:  # type: ignore[override]
        """Write the dataset; one of THOR's only where there is no file of the user's or with the same fingerprint."""
        mark = data.attrs.get(ATTRIBUTE) if isinstance(data, xr.Dataset) else None
        if mark is None:
            super().save(data)
        elif self.given:
            log.warning(
                "%s was not written by THOR, or was changed since: it is used as it is and not replaced. "
                "Move it away to use the one that THOR makes.",
                show(self._filepath),
            )
        elif self._written_mark() == mark:
            log.info("%s is kept: nothing that it is made from changed", show(self._filepath))
        else:
            super().save(data.assign_attrs({CONTENT: content_sha256(data)}))

    def _written_mark(self) -> str | None:
        """Return the fingerprint of the file where THOR wrote it and it was not changed since."""
        if not self._filepath.is_file():
            return None
        try:
            with open_netcdf(self._filepath, chunks=None) as dataset:
                mark, content = (dataset.attrs.get(name) for name in (ATTRIBUTE, CONTENT))
            # Only a file with the mark of THOR is read as a whole.
            return mark if content and content == content_sha256(read(self._filepath)) else None
        except (DataError, OSError, RuntimeError, ValueError):
            return None


def _summary(dataset: xr.Dataset) -> dict[str, Any]:
    numeric = [name for name in dataset.variables if dataset[name].dtype.kind in "biuf"]
    sides = ("min", "max")
    values = {f"{name}|{side}": ((), getattr(dataset[name], side)().data) for name in numeric for side in sides}
    extremes = xr.Dataset(values).compute()
    return {
        "dims": {str(name): size for name, size in dataset.sizes.items()},
        "variables": {
            str(name): {
                "dims": ", ".join(map(str, dataset[name].dims)),
                "units": str(dataset[name].attrs.get("units", "")),
                "range": [f"{float(extremes[f'{name}|{side}']):.4g}" for side in sides if name in numeric],
                "long_name": str(dataset[name].attrs.get("long_name", "")),
            }
            for name in dataset.variables
        },
        "attributes": {str(key): str(value) for key, value in dataset.attrs.items()},
    }
