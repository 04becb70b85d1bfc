"""True budgets are the exact means of the very months that the archive's files hold."""

import numpy as np
import pytest
import xarray as xr

from tests.ocean.idealized.conftest import SEED
from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.idealized.budget import corners_to_cells
from thor.ocean.idealized.c_grid import FaceField
from thor.ocean.idealized.climate_models import solve_climate_model
from thor.ocean.idealized.published_fields import monthly_field, steric_pattern
from thor.ocean.idealized.scenarios import IdealizedRun
from thor.ocean.idealized.true_budgets import idealized_true_budgets, true_budget, window_weights

RUN = ("abrupt-4xCO2", "r1i1p1f1")


@pytest.fixture(scope="module")
def budgets(archive_settings):
    return {key: make() for key, (_, make) in idealized_true_budgets(archive_settings, seed=SEED).items()}


def _months_of_window(run, window, window_years):
    return run.isel(time=slice(12 * window_years * window, 12 * window_years * (window + 1)))


def _window_mean(run, name):
    """Mean weighted by the length of each month, in double precision."""
    days = (run.time_bnds[:, 1] - run.time_bnds[:, 0]).values
    return np.average(run[name].values.astype(float), weights=days, axis=0)


def test_every_run_has_its_budgets(budgets):
    runs = ["piControl/r1i1p1f1", *(f"historical/r{k}i1p1f1" for k in (1, 2, 3))]
    runs += ["ssp585/r1i1p1f1", "ssp585/r2i1p1f1", "1pctCO2/r1i1p1f1", "abrupt-4xCO2/r1i1p1f1"]
    assert list(budgets) == [f"{model}/{run}" for model in ("IDEAL-REG", "IDEAL-POLE", "IDEAL-LAND") for run in runs]


def test_datasets_have_the_agreed_form(budgets):
    for key, budget in budgets.items():
        dims = ("lat", "lon") if "REG" in key else ("y", "x")
        names = {*BUDGET_TERMS, "analysis_mask", "areacello", "true_overturning", "response_weights"}
        assert set(budget.data_vars) == names | ({"budget_responses"} if "piControl" in key else set())
        used = budget.analysis_mask.values == 1
        for name in BUDGET_TERMS:
            assert budget[name].dims == ("window", *dims)
            assert budget[name].attrs == variable(name).attrs
            np.testing.assert_array_equal(np.isfinite(budget[name].values), np.broadcast_to(used, budget[name].shape))
        assert budget.areacello.dims == budget.analysis_mask.dims == dims
        start = {"IDEAL-REG": 1, "IDEAL-POLE": 1960, "IDEAL-LAND": 1850}[key.split("/")[0]] if "piC" in key else 1850
        # historical variants branch off piControl after 0, 2 and 4 of its 8 years
        years = [start + k for k in ((0, 2, 3, 4, 5) if "piC" in key else (0, 3))]
        years = [1858] if "ssp585" in key else years
        assert budget.window_start.values.tolist() == years
        assert budget.window_end.values.tolist() == [year + 2 for year in years]
        assert budget.window.values.tolist() == [f"{y:04d}-{y + 2:04d}" for y in years]
        assert budget.lon.min() >= 0 and budget.lon.max() < 360


def test_control_windows_parallel_to_a_variant_have_different_months(archive_settings, model_settings, read_run):
    model = solve_climate_model(model_settings, seed=SEED)
    run = read_run(model_settings.source_id, "piControl", "r1i1p1f1", "zos")
    weights = window_weights(IdealizedRun(archive_settings, model_settings, "piControl", "r1i1p1f1", SEED))
    for place, year in enumerate((0, 2, 3, 4, 5)):
        mean = _window_mean(run.isel(time=slice(12 * year, 12 * (year + 3))), "zos")
        exact = np.tensordot(weights[place], model.zos, axes=1) + model_settings.zos_datum
        np.testing.assert_allclose(mean[model.geography.mask], exact[model.geography.mask], atol=1e-4, rtol=5e-5)


def test_every_window_closes(budgets):
    for key, budget in budgets.items():
        used = budget.analysis_mask.values == 1
        terms = np.stack([budget[name].values[:, used] for name in BUDGET_TERMS])
        rms = np.sqrt((terms**2).mean(-1)).max(0)
        assert np.all(np.sqrt((terms.sum(0) ** 2).mean(-1)) < 1e-10 * rms), key
        assert np.all(np.sqrt((terms**2).mean(-1)) > 0), key


def test_files_hold_the_months_that_the_windows_average(archive_settings, model_settings, read_run):
    model = solve_climate_model(model_settings, seed=SEED)
    run = read_run(model_settings.source_id, "historical", "r2i1p1f1", "zos")
    weights = window_weights(IdealizedRun(archive_settings, model_settings, "historical", "r2i1p1f1", SEED))
    for window in range(2):
        mean = _window_mean(_months_of_window(run, window, 3), "zos")
        exact = np.tensordot(weights[window], model.zos, axes=1) + model_settings.zos_datum
        # half a unit of the fourth digit is at most 5e-5 of a value; 36 independent months bring the mean closer
        np.testing.assert_allclose(mean[model.geography.mask], exact[model.geography.mask], atol=1e-4, rtol=5e-5)


def test_stress_files_have_the_curl_that_drives_the_true_budget(archive_settings):
    """On velocity points, without bottom drag: circulation of the published means, moved to T points."""
    settings = next(m for m in archive_settings.models if m.stress_points == "c_grid")
    settings = settings.replace(ocean=settings.ocean.replace(bottom_drag=0.0))
    run = IdealizedRun(archive_settings, settings, *RUN, SEED)
    model, truth = run.solved_model(), true_budget(run)
    names, used = ("tauuo", "tauvo"), model.cell_mask
    parts = [monthly_field(run, name, years=(0, 8)) for name in names]
    for window in range(2):
        means = [
            _window_mean(_months_of_window(part, window, 3), name) for part, name in zip(parts, names, strict=True)
        ]
        circulation = model.grid.curl(FaceField(*map(np.nan_to_num, means)))
        curl = corners_to_cells(model.grid, circulation) / settings.ocean.reference_density
        expected = truth.wind_stress_curl.values[window]
        # what is left is the rounding of the stress, divided by the size of a cell
        assert np.sqrt(np.mean((curl - expected)[used] ** 2)) < 2e-4 * np.sqrt(np.mean(expected[used] ** 2))


def test_bilinear_torque_is_that_of_every_month_and_not_of_the_mean_wind(archive_settings, budgets):
    settings = archive_settings.models[0]
    model = solve_climate_model(settings, seed=SEED)
    weights = window_weights(IdealizedRun(archive_settings, settings, *RUN, SEED))[0]
    n_patterns = model.stress.u.shape[0]
    of_mean = np.tensordot(model.weights(weights[:n_patterns]), model.terms["nonlinear_torque"], axes=1)
    truth = budgets[f"{settings.source_id}/{'/'.join(RUN)}"]["nonlinear_torque"].values[0]
    used = model.cell_mask
    assert np.sqrt(np.mean((truth - of_mean)[used] ** 2)) > 1e-3 * np.sqrt(np.mean(truth[used] ** 2))


def test_steric_height_changes_zos_and_no_budget(archive_settings, read_run, budgets):
    settings = archive_settings.models[0]
    model, years = solve_climate_model(settings, seed=SEED), (7, 8)
    with_steric = read_run(settings.source_id, *RUN, "zos").isel(time=slice(-12, None))
    plain = IdealizedRun(archive_settings.replace(steric_experiment=None), settings, *RUN, SEED)
    without = monthly_field(plain, "zos", years=years)
    change = (with_steric.zos.values - without.zos.values).mean(0)
    pattern = steric_pattern(model)
    sea = model.geography.mask
    share = 1 - np.exp(-7.5 / archive_settings.adjustment_years)
    np.testing.assert_allclose(change[sea], settings.steric_amplitude * share * pattern[sea], atol=3e-4)
    assert np.ptp(pattern[sea]) > 1.5
    assert abs(np.average(pattern[sea], weights=model.grid.t.area[sea])) < 1e-12
    xr.testing.assert_identical(true_budget(plain), budgets[f"{settings.source_id}/{'/'.join(RUN)}"])


def test_warm_winds_change_the_budget_more_than_weather_does(budgets):
    for source_id in ("IDEAL-REG", "IDEAL-POLE", "IDEAL-LAND"):
        control, warm = (budgets[f"{source_id}/{run}/r1i1p1f1"] for run in ("piControl", "abrupt-4xCO2"))
        south = (control.lat < -40) & (control.analysis_mask == 1)

        def rms(change, where=south):
            return float(np.sqrt((change.where(where) ** 2).mean()))

        weather = rms(control.wind_stress_curl.isel(window=2) - control.wind_stress_curl.isel(window=0))
        forced = rms(warm.wind_stress_curl.isel(window=1) - control.wind_stress_curl.mean("window"))
        assert forced > 1.5 * weather


def test_fingerprints_cover_what_a_budget_depends_on(archive_settings):
    def marks(settings, seed=SEED):
        return {key: mark for key, (mark, _) in idealized_true_budgets(settings, seed=seed).items()}

    before = marks(archive_settings)
    assert len(set(before.values())) == len(before)
    assert not set(marks(archive_settings, seed=SEED + 1).values()) & set(before.values())
    first, *others = archive_settings.models
    changed = marks(archive_settings.replace(models=(first.replace(wind_variability=0.2), *others)))
    assert {key.split("/")[0] for key in before if changed[key] != before[key]} == {"IDEAL-REG"}
