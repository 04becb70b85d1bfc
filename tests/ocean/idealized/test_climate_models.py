"""A climate model's month is the ocean under that month's wind; its settings are checked."""

import numpy as np
import pytest

from tests.ocean.idealized.conftest import SEED, solve
from thor.core.errors import ConfigError
from thor.core.variables import BUDGET_TERMS
from thor.ocean.idealized.archive_settings import ClimateModelSettings
from thor.ocean.idealized.budget import closure
from thor.ocean.idealized.c_grid import FaceField
from thor.ocean.idealized.climate_models import (
    PATTERNS,
    STRESS_POINT_KINDS,
    model_grid,
    response_weights,
    solve_climate_model,
)
from thor.ocean.idealized.winds import stress_on_faces, winds_of


def _strengths(**changes):
    return np.array([1.0 if name == "mean" else changes.get(name, 0.0) for name in PATTERNS])


def _solved(model_settings, **changes):
    """The ocean under changed winds, solved at once and not combined."""
    return solve(model_settings.ocean.replace(**changes), grid=model_grid(model_settings))


@pytest.fixture(scope="module")
def model(model_settings):
    # the seed of the hills in `solve`
    return solve_climate_model(model_settings.replace(seed_offset=0), seed=SEED)


def test_combined_winds_give_the_ocean_solved_with_them(model):
    ocean = model.settings.ocean
    one = _solved(
        model.settings, southern_westerlies=1.2 * ocean.southern_westerlies, centres_stress=0.7 * ocean.centres_stress
    )
    weights = model.weights(_strengths(southern_westerlies=0.2, centres=-0.3))
    zos = np.tensordot(weights, model.zos, axes=1)
    np.testing.assert_allclose(zos, one.circulation.ssh, atol=1e-9)
    for name in BUDGET_TERMS:
        expected = one.budget.cells[name]
        term = np.tensordot(weights, model.terms[name], axes=1)
        np.testing.assert_allclose(term, expected, atol=1e-9 * np.nanmax(np.abs(expected)), err_msg=name)


def test_southern_shift_moves_the_westerlies(model):
    moved = _solved(model.settings, southern_westerlies_latitude=model.settings.ocean.southern_westerlies_latitude - 2)
    zos = np.tensordot(model.weights(_strengths(southern_shift=2.0)), model.zos, axes=1)
    np.testing.assert_allclose(zos, moved.circulation.ssh, atol=1e-9)


def test_every_response_closes_its_budget(model):
    for k in range(len(model.zos)):
        assert closure({name: term[k] for name, term in model.terms.items()}, model.cell_mask) < 1e-9


def test_stress_is_published_on_the_points_of_the_model(model):
    kinds = STRESS_POINT_KINDS[model.settings.stress_points]
    winds = stress_on_faces(model_grid(model.settings), winds_of(model.settings.ocean))
    same = [np.array_equal(a[0], b) for a, b in zip(model.stress, winds, strict=True)]
    assert same == [kind in ("u", "v") for kind in kinds]


def test_stress_on_velocity_points_is_what_drove_the_ocean(archive_settings):
    """Its circulation around the corners of the velocity grid is the surface part of the true stress curl."""
    settings = next(m for m in archive_settings.models if m.stress_points == "c_grid")
    model, ocean = solve_climate_model(settings.replace(seed_offset=0), seed=SEED), _solved(settings)
    published = FaceField(model.masks["u"] * model.stress.u[0], model.masks["v"] * model.stress.v[0])
    curl = model.grid.curl(published) / settings.ocean.reference_density
    expected = ocean.budget.corners["wind_stress_curl"] - ocean.budget.corners["bottom_stress_curl"]
    np.testing.assert_allclose(curl, expected, atol=1e-12 * np.abs(expected).max())


def test_weights_are_products_of_pairs():
    strengths = np.random.default_rng(0).normal(size=(5, len(PATTERNS)))
    weights = response_weights(strengths, nonlinear=True)
    n = len(PATTERNS)
    assert weights.shape == (5, n + n * (n + 1) // 2)
    np.testing.assert_array_equal(weights[:, n], strengths[:, 0] ** 2)
    np.testing.assert_array_equal(weights[:, -1], strengths[:, -1] ** 2)
    np.testing.assert_array_equal(weights[:, n + 1], strengths[:, 0] * strengths[:, 1])
    np.testing.assert_array_equal(response_weights(strengths, nonlinear=False), strengths)


def test_a_model_is_solved_once(model_settings):
    assert solve_climate_model(model_settings, seed=SEED) is solve_climate_model(model_settings, seed=SEED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": "displaced_pol"}, "Did you mean 'displaced_pole'"),
        ({"calendar": "julian"}, "'noleap' or '360_day' or 'gregorian'; got 'julian'"),
        ({"stress_points": "c-grid"}, "Did you mean 'c_grid'"),
        ({"source_id": "IDEAL/REG"}, "letters, digits and hyphens"),
        ({"zos_datum": 30.0}, r"'zos_datum' must be a number from -2 to 2 m; got 30.0"),
        ({"control_start_year": 1850.5}, "must be a whole number"),
        ({"persistence": 1.0}, "'persistence'"),
    ],
)
def test_setting_that_cannot_be_used_is_refused(model_settings, changes, message):
    with pytest.raises(ConfigError, match=message):
        model_settings.replace(**changes)


def test_two_corrections_are_refused(model_settings: ClimateModelSettings):
    with pytest.raises(ConfigError, match="bilinear with one correction only. Got 2"):
        model_settings.replace(ocean=model_settings.ocean.replace(nonlinear_iterations=2))
