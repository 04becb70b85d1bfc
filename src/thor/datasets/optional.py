"""Datasets that may be absent: inputs of the report from pipelines that need not have run."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from thor.datasets.fields import FieldDataset
from thor.datasets.reports import FigureDataset, MetricsDataset, TableDataset


class MayBeMissing:
    """Put before a dataset of one file: loading gives None where there is no file; everything else is unchanged."""

    _filepath: Path

    # Without an `_exists` of its class the dataset is not required before a run; a missing file is seen on load.
    _exists = AbstractDataset._exists

    def exists(self) -> bool:
        """Return whether there is a file."""
        return self._filepath.is_file()

    def load(self) -> Any:
        """Return the content, or None."""
        return super().load() if self.exists() else None  # type: ignore[misc]


class OptionalFieldDataset(MayBeMissing, FieldDataset):
    """A `FieldDataset` that may be absent."""


class OptionalFigureDataset(MayBeMissing, FigureDataset):
    """A `FigureDataset` that may be absent."""


class OptionalMetricsDataset(MayBeMissing, MetricsDataset):
    """A `MetricsDataset` that may be absent."""


class OptionalTableDataset(MayBeMissing, TableDataset):
    """A `TableDataset` that may be absent."""
