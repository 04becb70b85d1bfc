"""Heat flux and mixed layers of the idealized models: their ocean means are those prescribed."""

import numpy as np
import pytest

from tests.ocean.idealized.conftest import ARCHIVE, SEED
from thor.ocean.idealized.archive import archive_files
from thor.ocean.idealized.scenarios import runs_of, warming
from thor.ocean.idealized.surface_heat import DEEP_YEARS, annual_surface_field, deep_warming


def run_of(number, experiment_id, **settings):
    archive = ARCHIVE.replace(models=(ARCHIVE.models[number],), **settings)
    return next(r for r in runs_of(archive, archive.models[0], seed=SEED) if r.experiment_id == experiment_id)


def ocean_mean(run, variable_id):
    field = annual_surface_field(run, variable_id, years=(0, run.n_years))[variable_id].values.astype(float)
    model = run.solved_model()
    sea = model.masks["t"]
    np.testing.assert_array_equal(np.isfinite(field), np.broadcast_to(sea, field.shape))
    return np.average(field[:, sea], axis=1, weights=model.grid.t.area[sea])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_ocean_takes_up_as_much_heat_as_prescribed(number):
    control, warm = (run_of(number, name) for name in ("piControl", "abrupt-4xCO2"))
    # the files have four digits of a flux of up to 100 W m-2
    np.testing.assert_allclose(ocean_mean(control, "hfds"), 0.0, atol=3e-3)
    index = warming(warm.archive, "abrupt-4xCO2") - deep_warming(warm.archive, "abrupt-4xCO2")
    expected = warm.archive.heat_uptake * warm.annual_means(index[:, None])[:, 0]
    np.testing.assert_allclose(ocean_mean(warm, "hfds"), expected, atol=3e-3)
    assert expected[0] > 0


def test_the_deep_sea_follows_the_surface_and_the_uptake_declines():
    archive = ARCHIVE.replace(n_years=140, adjustment_years=5.0)
    deep = deep_warming(archive, "abrupt-4xCO2")
    years = (np.arange(deep.size) + 1) / 12
    # exact solution of the two time scales
    fast, slow = 1 / 5.0, 1 / DEEP_YEARS
    exact = 1 - (fast * np.exp(-slow * years) - slow * np.exp(-fast * years)) / (fast - slow)
    np.testing.assert_allclose(deep, exact, atol=2e-4)
    uptake = warming(archive, "abrupt-4xCO2") - deep
    assert 12 * 10 < uptake.argmax() < 12 * 25 and uptake[-1] < 0.6 * uptake.max()
    assert not deep_warming(archive, "piControl").any()
    # a scenario continues the deep sea of historical
    assert deep_warming(archive, "ssp585")[0] == pytest.approx(deep_warming(archive, "historical")[-1], abs=2e-4)


def test_deep_mixed_layers_become_shallower_and_others_stay():
    control, warm = (
        annual_surface_field(run_of(1, name, convection_change=-0.5), "mlotst", years=(7, 8))["mlotst"].values[0]
        for name in ("piControl", "abrupt-4xCO2")
    )
    share = warming(ARCHIVE, "abrupt-4xCO2")[84:].mean()
    change = (warm - control) / control
    deep, shallow = control > 1000, control < 100
    assert deep.any() and shallow.any()
    assert (change[deep] < -0.4 * share).all() and (change[deep] > -0.5 * share).all()
    assert np.abs(change[shallow]).max() < 0.2 * share and np.nanmin(warm) >= 39.9


def test_runs_with_transports_publish_both():
    published = {}
    for file in archive_files(ARCHIVE, seed=SEED):
        published.setdefault(file.run.key, set()).add(file.variable_id)
    for names in published.values():
        assert ({"hfds", "mlotst"} <= names) == ("umo" in names)
