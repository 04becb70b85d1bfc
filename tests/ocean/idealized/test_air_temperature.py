"""Air temperature of the idealized models: its global mean is the one stated, and it warms as the winds do."""

import numpy as np
import pytest

from tests.ocean.idealized.conftest import SEED
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.idealized.air_temperature import true_global_temperature
from thor.ocean.idealized.scenarios import runs_of, warming


@pytest.fixture(scope="module")
def runs(archive_settings):
    return {run.key: run for model in archive_settings.models for run in runs_of(archive_settings, model, seed=SEED)}


def test_the_global_mean_of_the_files_is_the_true_one(runs, read_run):
    for key, run in runs.items():
        source_id = key.split("/")[0]
        tas = read_run(*key.split("/"), "tas")
        area = read_run(source_id, "piControl", "r1i1p1f1", "areacella")["areacella"]
        assert tas.tas.dims == ("time", "lat", "lon") and tas.tas.attrs["units"] == "K"
        assert tas.tas.attrs["standard_name"] == "air_temperature"
        assert tas.tas.attrs["cell_measures"] == "area: areacella"
        mean = np.average(tas.tas.values.astype(float), axis=(1, 2), weights=area.values)
        # cells are rounded to multiples of 1/64 K
        np.testing.assert_allclose(mean, true_global_temperature(run), atol=2e-3)
        np.testing.assert_allclose(area.values.sum(dtype=float), 4 * np.pi * EARTH_RADIUS**2, rtol=1e-6)


def test_the_globe_warms_by_the_sensitivity_of_the_model_and_the_poles_more(archive_settings):
    calm = archive_settings.models[0].replace(warming_at_full=3.0, temperature_variability=0.0)
    one = archive_settings.replace(models=(calm,))
    for run in runs_of(one, calm, seed=SEED):
        change = true_global_temperature(run) - 287.0
        np.testing.assert_allclose(change, 3 * warming(one, run.experiment_id), atol=1e-9)


def test_the_warming_is_polar_and_the_season_that_of_each_hemisphere(read_run):
    control, warm = (read_run("IDEAL-REG", name, "r1i1p1f1", "tas").tas for name in ("piControl", "abrupt-4xCO2"))
    years = slice(-36, None)
    change = (warm[years].mean("time") - control[years].mean("time")).mean("lon")
    assert float(change[-1]) > 2 * float(change.sel(lat=7.5)) > 0
    cycle = control.mean("lon").values.reshape(-1, 12, 12).mean(0)
    assert cycle[:, -1].argmax() in (6, 7) and cycle[:, 0].argmax() in (0, 1)
    assert cycle.min() > 240 and cycle.max() < 310


def test_the_weather_of_the_globe_has_the_required_spread(archive_settings):
    long = archive_settings.replace(n_years=140, window_years=4)
    model = long.models[1]
    control = next(run for run in runs_of(long, model, seed=SEED) if run.experiment_id == "piControl")
    np.testing.assert_allclose(true_global_temperature(control).std(), model.temperature_variability, rtol=0.15)
