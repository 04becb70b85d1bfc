"""Temperature and salinity of the idealized models: stratified, warming at the surface, published beside transports."""

import numpy as np
import pytest

from tests.ocean.idealized.conftest import ARCHIVE, SEED
from thor.ocean.density import sigma2
from thor.ocean.idealized.archive import archive_files
from thor.ocean.idealized.hydrography import DEEP_TEMPERATURE, WARMING_SHARE, annual_tracer, tracer_patterns
from thor.ocean.idealized.scenarios import runs_of, warming
from thor.ocean.idealized.vertical import LEVEL_EDGES, level_bounds, vertical_structure


def run_of(number, experiment_id):
    model = ARCHIVE.models[number]
    runs = runs_of(ARCHIVE.replace(models=(model,)), model, seed=SEED)
    return next(run for run in runs if run.experiment_id == experiment_id)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_ocean_is_stably_stratified_without_and_with_warming(number, share):
    model = run_of(number, "piControl").solved_model()
    points, sea = model.grid.t, model.masks["t"]
    density = []
    for level, bounds in enumerate(level_bounds()):
        thetao, so = (
            np.tensordot([1, share], tracer_patterns(model, name, level), axes=1) for name in ("thetao", "so")
        )
        assert (so > 33).all() and (so < 36).all() and (thetao >= DEEP_TEMPERATURE - 1).all()
        density.append(sigma2(thetao, so, depth=bounds.mean(), lat=points.lat, lon=points.lon))
    assert (np.diff(density, axis=0)[:, sea] > 0).all()
    # from the warm pool to the abyss
    assert density[0][sea].min() < 31 and density[-1][sea].max() > 37


def test_published_files_have_water_down_to_the_floor_and_warm_with_the_winds():
    run = run_of(1, "abrupt-4xCO2")
    thetao, so = (annual_tracer(run, name, years=(0, 3))[name] for name in ("thetao", "so"))
    assert thetao.dims == ("time", "lev", "j", "i") and thetao.attrs["units"] == "degC" and so.attrs["units"] == "1e-3"
    depth = np.where(run.solved_model().geography.mask, run.solved_model().geography.depth, 0.0)
    for level, top in enumerate(LEVEL_EDGES[:-1]):
        np.testing.assert_array_equal(
            np.isfinite(thetao.values[:, level]), np.broadcast_to(depth > top, (3, *depth.shape))
        )
    # every open face has water on both sides
    for part, axis in zip(vertical_structure(run.model, seed=SEED), (1, 0), strict=True):
        water = np.isfinite(so.values[0])
        assert (water & np.roll(water, -1, axis=axis + 1))[part.shares > 0].all()
    share = run.annual_means(warming(run.archive, "abrupt-4xCO2")[:, None])[:3, 0]
    pattern = tracer_patterns(run.solved_model(), "thetao", 0)[1]
    change = (thetao[2] - thetao[0]).values[0]
    np.testing.assert_allclose(change[depth > 0], (share[2] - share[0]) * pattern[depth > 0], atol=1e-4)
    assert 0.8 < np.nanmax(pattern) / (WARMING_SHARE * run.model.warming_at_full) < 1
    np.testing.assert_array_equal(so[0], so[2])


@pytest.mark.parametrize(
    ("number", "models"), [(0, set()), (1, {"IDEAL-REG"}), (3, {"IDEAL-REG", "IDEAL-POLE", "IDEAL-LAND"})]
)
def test_the_first_models_publish_them_beside_their_transports(number, models):
    files = list(archive_files(ARCHIVE.replace(density_models=number), seed=SEED))
    for name in ("thetao", "so"):
        runs = {file.run.key for file in files if file.variable_id == name}
        assert {key.split("/")[0] for key in runs} == models
        assert runs <= {file.run.key for file in files if file.variable_id == "vmo"}
