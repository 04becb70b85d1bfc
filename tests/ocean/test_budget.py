"""The vorticity budget: what is kept, how it closes, and when it is refused."""

import numpy as np
import pytest
import xarray as xr

from thor.core.errors import DataError
from thor.core.variables import BUDGET_TERMS
from thor.ocean.budget import closure_rms, corrected_budget, vorticity_budget
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


def test_the_corrected_budget_of_a_uniform_transport(raw_ocean):
    raw_ocean["transport_northward"] = (2.0 + 0 * raw_ocean.zos).assign_attrs(units="m2 s-1")
    given = harmonise(raw_ocean)
    ocean = corrected_budget(given)
    # df/dy is 2.2891e-11 m-1 s-1 at the equator.
    expected = -2 * 2.2891e-11 * np.cos(np.deg2rad(given.lat)) * xr.ones_like(given.lon).where(given.zos.notnull())
    xr.testing.assert_allclose(ocean.planetary_vorticity_advection, expected.transpose("lat", "lon"), rtol=1e-4)
    assert ocean.planetary_vorticity_advection.attrs["comment"] == "-beta V"
    budgets = [vorticity_budget(each, closure_tolerance=1e-3) for each in (given, ocean)]
    assert [budget.attrs["budget"] for budget in budgets] == ["released", "corrected"]
    assert closure_rms(budgets[1]) < 1e-22
    for term in ("wind_stress_curl", "nonlinear_torque", "viscous_torque"):
        xr.testing.assert_identical(budgets[0][term], budgets[1][term])
    assert given.attrs.get("budget") is None, "inputs are never changed"


def test_an_ocean_without_transports_has_no_corrected_budget(raw_ocean):
    with pytest.raises(DataError, match="needs 'transport_northward'.*data_engineering.budget: released"):
        corrected_budget(harmonise(raw_ocean))


@pytest.fixture(scope="module")
def ecco_budgets(ecco_ocean):
    return [vorticity_budget(ocean, closure_tolerance=1e-3) for ocean in (ecco_ocean, corrected_budget(ecco_ocean))]


def test_the_corrected_budget_of_ecco_closes_as_the_released_one(ecco_budgets):
    released, corrected = ecco_budgets
    np.testing.assert_array_equal(released.analysis_mask, corrected.analysis_mask)
    assert closure_rms(corrected) == pytest.approx(closure_rms(released), rel=1e-9)
    used = released.analysis_mask.values == 1
    coriolis, advection, torque = (
        budget[term].values[used]
        for budget, term in (
            (released, "planetary_vorticity_advection"),
            (corrected, "planetary_vorticity_advection"),
            (corrected, "bottom_pressure_torque"),
        )
    )
    pressure = released.bottom_pressure_torque.values[used]
    assert np.corrcoef(coriolis, pressure)[0, 1] == pytest.approx(-0.907, abs=0.001)
    # 3.44e-10 without the averaging over 3 x 3 cells; the released Coriolis term has 2.12e-9.
    assert np.sqrt(np.mean(advection**2)) == pytest.approx(3.29e-10, rel=0.01)
    assert np.sqrt(np.mean(torque**2)) == pytest.approx(9.48e-10, rel=0.01)


def test_what_the_correction_removes_from_ecco_has_no_large_scale(ecco_budgets):
    means = []
    for budget in ecco_budgets:
        field = budget.planetary_vorticity_advection
        area = budget.areacello.where(field.notnull())
        sums = [array.coarsen(lat=20, lon=20).sum() for array in (field * area, area)]
        whole = field.notnull().coarsen(lat=20, lon=20).sum() == 400
        means.append((sums[0] / sums[1]).values[whole.values])
    assert len(means[0]) == 232
    assert np.corrcoef(*means)[0, 1] == pytest.approx(0.86, abs=0.01)


@pytest.mark.parametrize(
    ("lat", "lon", "northward"),
    [
        (slice(15, 30), slice(160, 220), -1),
        (slice(-30, -15), slice(200, 270), 1),
        (slice(15, 30), slice(310, 335), -1),
        (slice(-30, -15), slice(335, 360), 1),
        (slice(-30, -15), slice(65, 95), 1),
    ],
)
def test_transports_in_the_interior_of_subtropical_gyres_are_sverdrups(ecco_budgets, lat, lon, northward):
    here = ecco_budgets[1].sel(lat=lat, lon=lon)
    mean = here.weighted(here.areacello.fillna(0)).mean()
    assert np.sign(float(mean.planetary_vorticity_advection)) == -northward
    assert -float(mean.planetary_vorticity_advection / mean.wind_stress_curl) == pytest.approx(1, abs=0.26)
