"""THOR's Kedro datasets: checked NetCDF fields and collections, figures, metrics, tables and models.

All of them write a file beside the old one and rename it, and none puts times or hosts into it.
"""

from thor.datasets.archive import EsgfArchive
from thor.datasets.collections import FieldCollection
from thor.datasets.ecco import EccoTrainingOcean
from thor.datasets.fields import FieldDataset, GivenFieldDataset
from thor.datasets.models import ModelDataset
from thor.datasets.networks import NetworkDataset, PublishedNetworks
from thor.datasets.optional import (
    OptionalFieldDataset,
    OptionalFigureDataset,
    OptionalMetricsDataset,
    OptionalTableDataset,
)
from thor.datasets.reports import FigureDataset, MetricsDataset, PageDataset, TableDataset

__all__ = [
    "EccoTrainingOcean",
    "EsgfArchive",
    "FieldCollection",
    "FieldDataset",
    "FigureDataset",
    "GivenFieldDataset",
    "MetricsDataset",
    "ModelDataset",
    "NetworkDataset",
    "OptionalFieldDataset",
    "OptionalFigureDataset",
    "OptionalMetricsDataset",
    "OptionalTableDataset",
    "PageDataset",
    "PublishedNetworks",
    "TableDataset",
]
