"""The ECCO training ocean of the published study, from the public repository or from a local mirror of it."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr
from kedro.io import AbstractDataset

from thor.core.contracts import check
from thor.core.errors import DataError
from thor.core.public_files import ECCO_ARRAYS, ECCO_SURFACE, FEATURE_TABLE, public_file
from thor.ocean.ecco import ecco_training_ocean, sea_level_from_feature_table, surface_from_files

log = logging.getLogger(__name__)


class EccoTrainingOcean(AbstractDataset[None, xr.Dataset]):
    """Released budget arrays, depth, labels and an ECCO sea level as one raw dataset; read-only.

    Parameters
    ----------
    folder : str
        Where downloads are kept.
    terms : mapping of str to str
        Which released array is which budget term.
    mirror : str, optional
        A folder laid out like the public data, read instead of the network.
    sea_surface_height, surface_stress : str, optional
        A file, or a folder of monthly files, of ECCO v4r4 on the half-degree grid (PO.DAAC). Without them the mirror's
        time mean of v4r2 is used, and without a mirror the sea level of the authors' feature table (no stress).
        Transports, for the corrected budget, are those of v4r2 in the mirror.
    metadata : dict, optional
        For kedro-viz.
    """

    def __init__(
        self,
        *,
        folder: str,
        terms: Mapping[str, str],
        mirror: str | None = None,
        sea_surface_height: str | None = None,
        surface_stress: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._folder = Path(folder)
        self._terms = dict(terms)
        self._mirror = Path(mirror) if mirror else None
        self._sea_surface_height = sea_surface_height
        self._surface_stress = surface_stress
        self.metadata = metadata

    def load(self) -> xr.Dataset:
        """Return the raw training ocean, downloading what is not there yet.

        Raises
        ------
        DataError
            When a file is missing, cannot be had, or is not the one that is known.
        """
        arrays = {Path(name).stem: self._fetch(name) for name in ECCO_ARRAYS}
        ocean = ecco_training_ocean(arrays, self._surface(arrays["MissdataECCO"]), terms=self._terms)
        check(ocean, "raw_training_ocean", where="The ECCO training ocean")
        return ocean

    def save(self, data: Any) -> None:  # type: ignore[override]
        """Refuse: inputs are never written to. What would be made where no ocean is given is not made."""
        if isinstance(data, tuple):
            log.info("the training ocean is that of ECCO, and no other is made")
            return
        raise DataError("The ECCO training ocean is an input and is never written to.")

    def _surface(self, missing: Path) -> xr.Dataset:
        given = [path for path in (self._sea_surface_height, self._surface_stress) if path]
        parts = [surface_from_files(_files(path)) for path in given]
        if self._mirror:
            released = surface_from_files([self._fetch(ECCO_SURFACE)])
            parts.append(
                released[["transport_eastward", "transport_northward"]] if self._sea_surface_height else released
            )
        elif not self._sea_surface_height:
            parts.append(sea_level_from_feature_table(self._fetch(FEATURE_TABLE), missing))
        # Files named by the user take precedence.
        return xr.merge(parts, compat="override")

    def _fetch(self, name: str) -> Path:
        return public_file(name, folder=self._folder, mirror=self._mirror)

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {
            "folder": str(self._folder),
            "mirror": str(self._mirror) if self._mirror else None,
            "sea_surface_height": self._sea_surface_height,
            "surface_stress": self._surface_stress,
        }


def _files(path: str) -> list[Path]:
    found = sorted(Path(path).glob("*.nc")) if Path(path).is_dir() else [Path(path)]
    if not found or not found[0].is_file():
        raise DataError(f"There is no NetCDF file at {path}. Give a file, or a folder of files, of ECCO v4r4.")
    return found
