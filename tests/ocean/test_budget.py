"""The vorticity budget: what is kept, how it closes, and when it is refused."""

import numpy as np
import pytest

from thor.core.errors import DataError
from thor.core.variables import BUDGET_TERMS
from thor.ocean.budget import closure_rms, vorticity_budget
from thor.reading.training_ocean import harmonise


def test_a_closed_budget(raw_ocean):
    budget = vorticity_budget(harmonise(raw_ocean), closure_tolerance=1e-9)
    assert budget.attrs["closure_rms"] < 1e-22
    used = budget.analysis_mask.values == 1
    assert (np.isfinite(budget.bottom_pressure_torque.values) == used).all()


@pytest.mark.parametrize("term", BUDGET_TERMS)
def test_a_corrupted_term_is_found(raw_ocean, term):
    raw_ocean[term] = (1.1 * raw_ocean[term]).assign_attrs(raw_ocean[term].attrs)
    with pytest.raises(DataError, match="does not close.*planetary_vorticity_advection"):
        vorticity_budget(harmonise(raw_ocean), closure_tolerance=1e-3)


def test_no_cell_is_an_error(raw_ocean):
    raw_ocean["analysis_mask"] = (0 * raw_ocean.zos.fillna(0)).astype("int8").assign_attrs(units="1")
    with pytest.raises(DataError, match="no cell"):
        vorticity_budget(harmonise(raw_ocean), closure_tolerance=1e-3)


def test_ecco_against_the_published_numbers(ecco_ocean):
    budget = vorticity_budget(ecco_ocean, closure_tolerance=1e-3)
    used = budget.analysis_mask.values == 1
    assert used.sum() == 149_714
    assert closure_rms(budget) == pytest.approx(7.7e-13, rel=0.01)
    scale = [2.1227e-9, 2.1610e-9, 1.455e-10, 9.017e-10, 1.529e-10]
    names = [
        "planetary_vorticity_advection",
        "bottom_pressure_torque",
        "wind_stress_curl",
        "viscous_torque",
        "nonlinear_torque",
    ]
    for name, expected in zip(names, scale, strict=True):
        assert budget[name].values[used].std() == pytest.approx(expected, rel=1e-3)
