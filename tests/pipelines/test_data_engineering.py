"""Nodes of `data_engineering`: which budget is handed to clustering."""

import pytest

from thor.app.parameters import DataEngineering
from thor.core.contracts import check
from thor.core.errors import DataError
from thor.pipelines.data_engineering.nodes import compute_vorticity_budget
from thor.reading.training_ocean import harmonise


def test_the_budget_is_the_one_that_the_settings_name(raw_ocean):
    everything = dict.fromkeys(("source_ids", "experiment_ids", "variant_labels"), "all")
    parameters = DataEngineering(archive=everything)
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
