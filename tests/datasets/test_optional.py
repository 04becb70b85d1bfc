"""An optional dataset is None where its file is absent, and a run does not require it."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from kedro.io import AbstractDataset, DataCatalog

from thor.app.configuration import default_configuration
from thor.app.inputs import require_available
from thor.core.errors import DataError
from thor.datasets import (
    FieldDataset,
    FigureDataset,
    MetricsDataset,
    OptionalFieldDataset,
    OptionalFigureDataset,
    OptionalMetricsDataset,
    OptionalTableDataset,
    TableDataset,
)

FIELD = xr.Dataset({"deptho": ("x", np.array([1.0, 2.0]))})
CASES = [
    (OptionalFieldDataset, FieldDataset, "field.nc", FIELD),
    (OptionalFigureDataset, FigureDataset, "figure.png", b"\x89PNG and IEND\xaeB`\x82"),
    (OptionalMetricsDataset, MetricsDataset, "metrics.json", {"a": 1.0}),
    (OptionalTableDataset, TableDataset, "table.csv", pd.DataFrame({"a": [1.0]})),
]


@pytest.mark.parametrize(("kind", "plain", "name", "value"), CASES)
def test_it_is_none_while_absent_and_loaded_once_present(tmp_path, kind, plain, name, value):
    optional, ordinary = (made(filepath=str(tmp_path / name)) for made in (kind, plain))
    assert optional.load() is None
    assert not optional.exists() and not DataCatalog({"any": optional}).exists("any")
    optional.save(value)
    assert optional.exists() and ordinary.exists()
    loaded, expected = optional.load(), ordinary.load()
    if isinstance(value, xr.Dataset):
        xr.testing.assert_identical(loaded, expected)
    elif isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(loaded, expected)
    else:
        assert loaded == expected == value
    assert optional._describe() == ordinary._describe()


def test_a_damaged_file_is_an_error(tmp_path):
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(Exception, match="is not JSON") as caught:
        OptionalMetricsDataset(filepath=str(tmp_path / "metrics.json")).load()
    assert isinstance(caught.value, DataError) or isinstance(caught.value.__cause__, DataError)


def test_a_run_requires_all_inputs_but_the_optional_one(tmp_path):
    catalog = {kind.__name__: kind(filepath=str(tmp_path / name)) for kind, _, name, _ in CASES}
    loader = default_configuration()
    require_available(catalog, catalog, loader)
    assert all(type(dataset)._exists is AbstractDataset._exists for dataset in catalog.values())
    catalog |= {"needed": MetricsDataset(filepath=str(tmp_path / "metrics.json"))}
    with pytest.raises(DataError, match="Input 'needed' is missing"):
        require_available(catalog, catalog, loader)
