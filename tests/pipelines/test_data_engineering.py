"""Nodes of `data_engineering`: which budget is handed to clustering, and archives whose temperature is unreadable."""

import numpy as np
import pytest

from tests.made_archive import write_run, write_series, years
from thor.app.parameters import DataEngineering
from thor.core.contracts import check
from thor.core.errors import DataError
from thor.datasets import FieldCollection
from thor.pipelines.data_engineering.nodes import (
    compute_global_temperature,
    compute_vorticity_budget,
    draw_warming,
    find_warming_levels,
)
from thor.reading.archive import Archive
from thor.reading.training_ocean import harmonise

EVERYTHING = dict.fromkeys(("source_ids", "experiment_ids", "variant_labels"), "all")


def test_runs_whose_temperature_cannot_be_read_have_no_level_and_a_reason(tmp_path):
    for experiment in ("historical", "ssp585"):
        write_run(tmp_path / "archive", experiment_id=experiment)
    values = np.full((48, 9, 16), 287.0, "float32")
    for path in write_series(tmp_path / "archive", "tas", years(1850, 1853), values=values, table_id="Amon"):
        path.write_bytes(path.read_bytes()[:2000])
    parameters, archive = DataEngineering(archive=EVERYTHING), Archive(tmp_path / "archive")
    collection = FieldCollection(path=str(tmp_path / "made"), may_be_empty=True, may_be_left_out=True)
    collection.save(compute_global_temperature(archive, parameters))
    temperatures = collection.load()
    table = find_warming_levels(temperatures, archive, parameters).set_index("experiment_id")
    assert set(table["status"]) == {"no temperature"}
    assert "tas_Omon_MADE-1_historical" in table.loc["historical", "reason"]
    assert "cannot be read as NetCDF" in table.loc["historical", "reason"]
    assert table.loc["ssp585", "reason"] == "no tas in the archive"
    assert draw_warming(temperatures, table.reset_index(), parameters).texts


def test_the_budget_is_the_one_that_the_settings_name(raw_ocean):
    parameters = DataEngineering(archive=EVERYTHING)
    assert parameters.budget == "released"
    corrected = parameters.replace(budget="corrected")
    ocean = harmonise(raw_ocean)
    given = compute_vorticity_budget(ocean, parameters)
    with pytest.raises(DataError, match="needs 'transport_northward'"):
        compute_vorticity_budget(ocean, corrected)
    raw_ocean["transport_northward"] = (5.0 + 0 * raw_ocean.zos).assign_attrs(units="m2 s-1")
    ocean = check(harmonise(raw_ocean), "training_ocean", where="ocean with transports")
    budget = check(compute_vorticity_budget(ocean, corrected), "vorticity_budget", where="corrected")
    assert float(budget.planetary_vorticity_advection.max()) < 0
    assert budget.attrs["budget"] == "corrected"
    assert compute_vorticity_budget(ocean, parameters).planetary_vorticity_advection.equals(
        given.planetary_vorticity_advection
    )
