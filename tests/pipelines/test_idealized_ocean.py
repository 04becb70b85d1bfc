"""The nodes that make the archive and its truth: lazy, and of one set of runs."""

import pytest

from thor.app.configuration import default_configuration
from thor.app.parameters import IdealizedOcean
from thor.core.fingerprint import ATTRIBUTE
from thor.ocean.idealized.climate_models import solve_climate_model
from thor.pipelines.idealized_ocean.nodes import make_archive, make_training_ocean, make_true_budgets


@pytest.fixture(params=["base", "test"])
def parameters(request):
    return IdealizedOcean.model_validate(default_configuration(request.param)["parameters"]["idealized_ocean"])


def test_nothing_is_solved_before_it_is_saved(parameters):
    before = solve_climate_model.cache_info()
    files, budgets = make_archive(parameters), make_true_budgets(parameters)
    assert solve_climate_model.cache_info() == before
    assert {tuple(key.split("/")[3:6]) for key in files} == {tuple(key.split("/")) for key in budgets}


def test_models_differ_in_what_the_perfect_model_test_needs(parameters):
    models, training = parameters.archive.models, parameters.training_ocean
    for name in (
        "grid",
        "stress_points",
        "calendar",
        "control_start_year",
        "zos_datum",
        "warming_at_full",
        "seed_offset",
    ):
        assert len({getattr(model, name) for model in models}) == 3, name
    assert len({model.ocean.resolution_degrees for model in models}) == 3
    assert any(model.ocean.decay_depth != training.decay_depth for model in models)
    assert any(model.ocean.linear_friction != training.linear_friction for model in models)
    assert any(model.zero_depth_on_land for model in models)
    assert parameters.archive.steric_experiment in parameters.archive.experiments
    assert parameters.archive.n_years % parameters.archive.window_years == 0


@pytest.mark.parametrize("root", [None, "/some/CMIP6", "https://somewhere/catalogue.json"])
def test_no_models_are_made_beside_another_archive(parameters, root):
    beside = parameters.model_copy(update={"archive_root": root})
    assert make_archive(beside) == {} and make_true_budgets(beside) == {}
    assert make_archive(parameters) and make_true_budgets(parameters)


def test_the_fingerprint_of_the_ocean_is_of_its_settings_and_seed(parameters):
    mark = make_training_ocean(parameters).attrs[ATTRIBUTE]
    assert make_training_ocean(parameters.model_copy(update={"archive_root": None})).attrs[ATTRIBUTE] == mark
    assert make_training_ocean(parameters.model_copy(update={"seed": parameters.seed + 1})).attrs[ATTRIBUTE] != mark
