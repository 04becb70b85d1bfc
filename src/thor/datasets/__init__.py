"""THOR's Kedro datasets: checked NetCDF fields and collections, figures, metrics, tables and models.

All of them write a file beside the old one and rename it, and none puts times or hosts into it.
"""

from thor.datasets.archive import EsgfArchive as EsgfArchive
from thor.datasets.collections import FieldCollection as FieldCollection
from thor.datasets.ecco import EccoTrainingOcean as EccoTrainingOcean
from thor.datasets.fields import FieldDataset as FieldDataset
from thor.datasets.fields import GivenFieldDataset as GivenFieldDataset
from thor.datasets.models import ModelDataset as ModelDataset
from thor.datasets.networks import NetworkDataset as NetworkDataset
from thor.datasets.networks import PublishedNetworks as PublishedNetworks
from thor.datasets.optional import OptionalFieldDataset as OptionalFieldDataset
from thor.datasets.optional import OptionalFigureDataset as OptionalFigureDataset
from thor.datasets.optional import OptionalMetricsDataset as OptionalMetricsDataset
from thor.datasets.optional import OptionalTableDataset as OptionalTableDataset
from thor.datasets.reports import FigureDataset as FigureDataset
from thor.datasets.reports import MetricsDataset as MetricsDataset
from thor.datasets.reports import PageDataset as PageDataset
from thor.datasets.reports import TableDataset as TableDataset
