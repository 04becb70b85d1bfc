"""Archives in ESGF layout, listed as they are asked for.

``activity/institution/source/experiment/variant/table/variable/grid_label/version/file.nc``, below the given folder or
below a folder `CMIP6` in it.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import xarray as xr

from thor.errors import ConfigError, DataError, did_you_mean

Wanted = Sequence[str] | Literal["all"]

_GRID_LABELS = ("gn", "gr", "gr1")
_VERSION = re.compile(r"v(\d+)")


@dataclass(frozen=True, order=True)
class Run:
    """One variant of one experiment of one climate model."""

    source_id: str
    experiment_id: str
    variant_label: str

    @property
    def key(self) -> str:
        """The run's name in collections, ``source/experiment/variant``."""
        return f"{self.source_id}/{self.experiment_id}/{self.variant_label}"


class Archive:
    """An ESGF tree; folders are listed once, when they are first asked for.

    Parameters
    ----------
    root : Path or str or None
        The folder; None is an archive without runs.

    Attributes
    ----------
    where : str
        What messages call the archive.
    """

    def __init__(self, root: Path | str | None) -> None:
        self.root = Path(root) if root is not None else None
        self.where = str(root)
        self._listed: dict[Path, list[str]] = {}

    @cached_property
    def _models(self) -> dict[str, list[Path]]:
        """Folders of each model; a model may take part in several activities."""
        if self.root is None:
            return {}
        if not self.root.is_dir():
            raise DataError(f"The archive {self.root} does not exist. Set archive_root or THOR_ARCHIVE_ROOT.")
        top = self.root / "CMIP6" if (self.root / "CMIP6").is_dir() else self.root
        models: dict[str, list[Path]] = {}
        for activity in self._list(top):
            for institution in self._list(top / activity):
                for source_id in self._list(top / activity / institution):
                    models.setdefault(source_id, []).append(top / activity / institution / source_id)
        if not models:
            raise DataError(
                f"The archive {self.root} is empty: expected folders activity/institution/source/experiment/variant/"
                "table/variable/grid_label/version. Set archive_root to the folder above the activities or CMIP6."
            )
        return models

    def source_ids(self) -> list[str]:
        """Return the models in the archive."""
        return sorted(self._models)

    def experiment_ids(self, source_id: str) -> list[str]:
        """Return the experiments of a model."""
        return sorted({name for folder in self._model(source_id) for name in self._list(folder)})

    def variant_labels(self, source_id: str, experiment_id: str) -> list[str]:
        """Return the variants of an experiment."""
        return sorted({name for folder in self._experiment(source_id, experiment_id) for name in self._list(folder)})

    def __contains__(self, run: Run) -> bool:
        """Say whether the archive has a folder of this run."""
        folders = self._models.get(run.source_id, ())
        return any(self._is_folder(folder / run.experiment_id / run.variant_label) for folder in folders)

    def runs(self, *, source_ids: Wanted, experiment_ids: Wanted, variant_labels: Wanted) -> list[Run]:
        """Return the runs wanted.

        Parameters
        ----------
        source_ids, experiment_ids : sequence of str or 'all'
            Every model named must have every experiment named.
        variant_labels : sequence of str or 'all'
            Each experiment gives those it has of them, and must have one at least: models number variants differently.

        Returns
        -------
        list of Run
            In the order of model, experiment and variant; empty for an archive without root.

        Raises
        ------
        ConfigError
            For a model, experiment or variant that is not there, with the nearest that is.
        DataError
            When the archive is missing or empty.
        """
        if self.root is None:
            return []
        found = []
        for source_id in self.source_ids() if source_ids == "all" else source_ids:
            experiments = self.experiment_ids(source_id)
            for experiment_id in experiments if experiment_ids == "all" else experiment_ids:
                labels = self.variant_labels(source_id, experiment_id)
                chosen = labels if variant_labels == "all" else [label for label in variant_labels if label in labels]
                if not chosen:
                    raise ConfigError(
                        f"{source_id}/{experiment_id} has none of the variants {', '.join(variant_labels)} in "
                        f"{self.where}.{did_you_mean(variant_labels[0], labels)} Mend variant_labels, or say all."
                    )
                found += [Run(source_id, experiment_id, label) for label in chosen]
        return sorted(found)

    def grid_label(self, run: Run, variable_ids: Iterable[str], *, table_id: str = "Omon") -> str:
        """Return the grid on which the run has all of these variables, the native one where there is a choice.

        Raises
        ------
        DataError
            When a variable is missing, or they share no grid.
        """
        labels = {name: self._grid_labels(run, name, table_id) for name in variable_ids}
        for name, there in labels.items():
            if not there and not any(self._is_folder(folder) for folder in self._run(run)):
                raise DataError(f"{run.key} is gone since {self.where} was listed. Is the archive still mounted?")
            if not there:
                variables = sorted({v for f in self._run(run) for v in self._list(f / table_id)})
                raise DataError(
                    f"{run.key} has no '{name}' in {table_id} of {self.where}; it has "
                    f"{', '.join(variables) or 'none'}. "
                    "Add the variable, or leave this run out of experiment_ids or variant_labels."
                )
        common = set.intersection(*map(set, labels.values()))
        if not common:
            told = "; ".join(f"{name} on {', '.join(there)}" for name, there in labels.items())
            raise DataError(f"{run.key}: variables share no grid_label ({told}). Give all of them on one grid.")
        return min(common, key=lambda label: (_GRID_LABELS.index(label) if label in _GRID_LABELS else 9, label))

    def has(self, run: Run, variable_id: str, grid_label: str, table_id: str) -> bool:
        """Say whether the run has this variable on this grid."""
        return grid_label in self._grid_labels(run, variable_id, table_id)

    def files(self, run: Run, variable_id: str, *, grid_label: str, table_id: str = "Omon") -> list[Path]:
        """Return the files of the newest version of one variable.

        Raises
        ------
        DataError
            When there is none.
        """
        for folder in self._variable(run, variable_id, table_id):
            files = self._newest(folder / grid_label)
            if files:
                return files
        raise DataError(f"{run.key} has no file of '{variable_id}' ({table_id}, {grid_label}) in {self.where}.")

    def fixed(self, run: Run, variable_id: str, *, grid_label: str) -> Path | None:
        """Return the file of a field without time: the run's own, else that of any other run of the same model."""
        others = [
            Run(run.source_id, experiment, variant)
            for experiment in self.experiment_ids(run.source_id)
            for variant in self.variant_labels(run.source_id, experiment)
        ]
        for candidate in (run, *others):
            for folder in self._variable(candidate, variable_id, "Ofx"):
                files = self._newest(folder / grid_label)
                if files:
                    return files[-1]
        return None

    def open(self, run: Run, variable_id: str, *, table_id: str = "Omon") -> xr.Dataset:
        """Return one variable of a run as it is stored, all files together, lazily (dask), with decoded times.

        Raises
        ------
        DataError
            When there is no such variable.
        """
        label = self.grid_label(run, [variable_id], table_id=table_id)
        return xr.open_mfdataset(
            self.files(run, variable_id, grid_label=label, table_id=table_id),
            combine="nested",
            concat_dim="time",
            data_vars="minimal",
            coords="minimal",
            compat="override",
            chunks={},
            decode_times=xr.coders.CFDatetimeCoder(use_cftime=True),
        )

    def older_versions(self, files: Sequence[Path]) -> list[str]:
        """Return the versions of a series that lie beside the one in use."""
        folder = files[0].parent
        return [name for name in self._list(folder.parent) if name != folder.name and _VERSION.fullmatch(name)]

    def _model(self, source_id: str) -> list[Path]:
        if source_id not in self._models:
            raise ConfigError(
                f"The archive {self.where} holds no model '{source_id}'.{did_you_mean(source_id, self._models)} "
                "Mend source_ids, or say all."
            )
        return self._models[source_id]

    def _experiment(self, source_id: str, experiment_id: str) -> list[Path]:
        there = [folder / experiment_id for folder in self._model(source_id) if experiment_id in self._list(folder)]
        if not there:
            raise ConfigError(
                f"{source_id} has no experiment '{experiment_id}' in {self.where}."
                f"{did_you_mean(experiment_id, self.experiment_ids(source_id))} Mend experiment_ids, or say all."
            )
        return there

    def _run(self, run: Run) -> list[Path]:
        folders = self._experiment(run.source_id, run.experiment_id)
        return [folder / run.variant_label for folder in folders if run.variant_label in self._list(folder)]

    def _variable(self, run: Run, variable_id: str, table_id: str) -> list[Path]:
        folders = [folder / table_id for folder in self._run(run) if table_id in self._list(folder)]
        return [folder / variable_id for folder in folders if variable_id in self._list(folder)]

    def _grid_labels(self, run: Run, variable_id: str, table_id: str) -> list[str]:
        folders = self._variable(run, variable_id, table_id)
        return sorted({label for folder in folders for label in self._list(folder) if self._has_files(folder / label)})

    def _newest(self, folder: Path) -> list[Path]:
        """Return the files of the newest version in the folder of one grid."""
        chosen = self._newest_version(folder)
        return self._files_in(folder / chosen) if chosen else []

    def _newest_version(self, folder: Path) -> str | None:
        if not self._is_folder(folder):
            return None
        versions = self._list(folder)
        numbered = [name for name in versions if _VERSION.fullmatch(name)]
        chosen = max(numbered, key=lambda name: int(name[1:])) if numbered else "latest"
        return chosen if chosen in versions else None

    # What follows is all that knows of folders and files.
    def _has_files(self, folder: Path) -> bool:
        return bool(self._newest(folder))

    def _is_folder(self, folder: Path) -> bool:
        return folder.is_dir()

    def _files_in(self, folder: Path) -> list[Path]:
        return sorted(path for path in folder.glob("*.nc") if not path.name.startswith("."))

    def _list(self, folder: Path) -> list[str]:
        if folder not in self._listed:
            try:
                with os.scandir(folder) as entries:
                    names = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
            except FileNotFoundError:
                names = []
            except OSError as error:
                raise DataError(f"{folder} cannot be listed: {error.strerror}. Is the archive still there?") from error
            self._listed[folder] = sorted(names)
        return self._listed[folder]
