"""A curvilinear training ocean with stress on u and v points, from its budget to calibrated probabilities."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tests.curvilinear_ocean import SETTINGS, curvilinear_training_ocean, harmonised
from thor.core.contracts.checks import check
from thor.core.errors import GridError
from thor.core.variables import FEATURES
from thor.figures.maps import feature_maps, regime_maps
from thor.networks.cross_validation import train_folds
from thor.networks.fields import probability_fields
from thor.networks.inputs import cell_inputs
from thor.networks.prediction import predict
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings, SplitSettings, TrainingSettings
from thor.networks.split import basin_folds, make_split
from thor.networks.training import train_stack
from thor.networks.training_data import scaled_tables
from thor.ocean.budget import vorticity_budget
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION
from thor.ocean.features import features
from thor.ocean.grid import Grid
from thor.ocean.idealized.training import idealized_training_ocean
from thor.reading.training_ocean import harmonise
from thor.regimes.balances import regime_balances
from thor.regimes.regime_model import fit_regimes
from thor.regimes.settings import BalanceSettings, ClusteringSettings
from thor.regimes.similar_regimes import similar_regimes
from thor.report.rasters import cell_map
from thor.uncertainty.left_out import LeftOutBasin
from thor.uncertainty.regime_uncertainty import calibrate, uncertainty_fields
from thor.uncertainty.settings import ApplicabilitySettings

PLAIN = {
    "stress_curl": "surface",
    "metric": "spherical",
    "reference_density": 1029.0,
    "extended": False,
    "neighbourhood_radii_km": [],
    "polar_filter": False,
}


@pytest.fixture(scope="module")
def ocean():
    return harmonised(curvilinear_training_ocean())


@pytest.fixture(scope="module")
def budget(ocean):
    return vorticity_budget(ocean, closure_tolerance=1e-3)


@pytest.fixture(scope="module")
def made(ocean):
    return features(ocean, **PLAIN)


@pytest.fixture(scope="module")
def regimes(budget):
    settings = ClusteringSettings(n_clusters=20, n_runs=3, n_consensus=1, n_breaths=20, n_jobs=1)
    model = fit_regimes(budget, settings=settings, seed=1, progress=False)
    found = model.predict(budget)
    similar = similar_regimes(budget, found, model, amplitudes=(0.5, 2.0))
    return found.assign(similar_regime=similar).assign({name: budget[name] for name in ("areacello", "analysis_mask")})


def test_contracts_hold_on_rows_and_columns(ocean, budget, made, regimes):
    datasets = {
        "raw_training_ocean": curvilinear_training_ocean(),
        "training_ocean": ocean,
        "vorticity_budget": budget,
        "features": made,
        "regimes": regimes,
    }
    for contract, dataset in datasets.items():
        assert dataset["lat"].dims == ("y", "x")
        check(dataset, contract, where="curvilinear")
    assert budget.attrs["closure_rms"] < 1e-20
    assert int(budget["analysis_mask"].sum()) == 1911 and int(made["valid"].sum()) == 2524


@pytest.mark.parametrize(
    ("stress_points", "n_valid", "error"), [("c_grid", 2524, 4e-4), ("corners", 2502, 0.06), ("t_points", 2528, 0.013)]
)
def test_the_curl_of_the_budget_is_found_in_the_surface_stress(budget, stress_points, n_valid, error):
    """The budget's term minus its bottom stress, which was moved from corners to cells in the mean of four."""
    ocean = harmonised(curvilinear_training_ocean(stress_points=stress_points))
    made = features(ocean, **PLAIN)
    assert int(made["valid"].sum()) == n_valid
    both = (budget["analysis_mask"].values == 1) & (made["valid"].values == 1)
    got = made["wind_stress_curl"].values[both]
    expected = (ocean["wind_stress_curl"] - ocean["bottom_stress_curl"]).values[both]
    assert np.sqrt(np.mean((got - expected) ** 2) / np.mean(expected**2)) < error


# Sea level and its slopes differ as the two circulations do, depth and its slopes by where the cells lie.
CORRELATION = {"zos": 0.99, "wind_stress_curl": 0.99, "deptho": 0.98, "coriolis_parameter": 0.999}


def test_features_are_those_of_the_same_ocean_on_a_regular_grid(ocean, made):
    regular = harmonise(idealized_training_ocean(SETTINGS, seed=1))
    expected = features(regular, **PLAIN)
    grid, other = Grid.from_dataset(ocean), Grid.from_dataset(regular)
    here, there = made["valid"].values == 1, expected["valid"].values == 1
    here &= grid.lat < 50  # farther north the cells are half or twice as large
    away, nearest = cKDTree(other.centres[:, there].T).query(grid.centres[:, here].T)
    near = away * EARTH_RADIUS < 170e3
    assert near.sum() > 1200
    for name in FEATURES:
        a, b = made[name].values[here][near], expected[name].values[there][nearest][near]
        assert np.corrcoef(a, b)[0, 1] > CORRELATION.get(name, 0.94), name
        sizes = [
            np.sqrt(np.average(field.values[cells & (g.lat < 50)] ** 2, weights=g.area[cells & (g.lat < 50)]))
            for field, cells, g in ((made[name], here, grid), (expected[name], there, other))
        ]
        assert sizes[0] == pytest.approx(sizes[1], rel=0.1), name


def test_repeated_columns_count_once(ocean, budget, made):
    """As NEMO stores its grids, with a halo column on either side."""
    halo = ocean.isel(x=[-1, *range(ocean.sizes["x"]), 0])
    again, features_again = vorticity_budget(halo, closure_tolerance=1e-3), features(halo, **PLAIN)
    inner = slice(1, -1)
    for name, plain in ((name, budget[name]) for name in ("analysis_mask", "bottom_pressure_torque")):
        np.testing.assert_array_equal(again[name].isel(x=inner).values, plain.values)
    assert int(again["analysis_mask"].sum()) == int(budget["analysis_mask"].sum())
    assert int(features_again["valid"].sum()) == int(made["valid"].sum())
    for name in FEATURES:
        np.testing.assert_allclose(features_again[name].isel(x=inner).values, made[name].values, rtol=1e-6, atol=1e-16)


def test_what_the_published_metric_cannot_do_is_refused(ocean):
    with pytest.raises(GridError, match=r"global regular grid with rows.*; set data_engineering.metric: spherical"):
        features(ocean, **PLAIN | {"metric": "published"})


def test_neighbourhoods_and_basins(ocean):
    around = features(ocean, **PLAIN | {"extended": True, "neighbourhood_radii_km": [600.0]})
    there = around["valid"].values == 1
    mean, local = around["deptho_mean_600km"].values[there], around["deptho"].values[there]
    assert np.corrcoef(mean, local)[0, 1] > 0.8 and mean.std() < local.std()
    grid = Grid.from_dataset(ocean)
    names = dict(zip(around["basin"].flag_values, str(around["basin"].flag_meanings).split(), strict=True))
    for lat, lon, basin in ((30, 320, "atlantic_ocean"), (0, 200, "pacific_ocean"), (-60, 30, "southern_ocean")):
        nearest = np.argmin(np.where(there, (grid.lat - lat) ** 2 + (grid.lon - lon) ** 2, np.inf))
        assert names[around["basin"].values.ravel()[nearest]] == basin


def test_balances_of_regimes_are_plausible(budget, regimes):
    balances = regime_balances(budget, regimes, settings=BalanceSettings(n_bootstrap=50), seed=1)
    assert set(np.unique(regimes["regime"].values[budget["analysis_mask"].values == 1])) == set(range(6))
    fraction = balances["area_fraction"]
    assert float(fraction.sum()) == pytest.approx(1) and float(fraction.max()) < 0.5
    mean = balances["mean"]
    np.testing.assert_allclose(mean.sum("term"), 0, atol=1e-9 * np.abs(mean.values).max())
    # Sverdrup balance: the flow's advection of planetary vorticity opposes the curl of the wind, southern and northern.
    # By falling curl; the third has the weakest.
    interior = mean.sel(regime_name=["R1", "R2", "R4", "R5"])
    wind = interior.sel(term="wind_stress_curl").values
    opposed = -interior.sel(term="planetary_vorticity_advection").values / wind
    assert (np.sign(wind) == [1, 1, -1, -1]).all() and (opposed > 0.4).all() and (opposed < 1.1).all()
    for name in ("R1", "R5"):
        found = str(balances["best_subset"].sel(regime_name=name).values)
        assert found == "wind_stress_curl + planetary_vorticity_advection"


def test_networks_learn_and_are_calibrated(made, regimes):
    split = make_split(made, regimes, SplitSettings())
    check(split, "split", where="curvilinear")
    samples = samples_from(made, regimes, split)
    grid = Grid.from_dataset(made)
    place = np.unravel_index(samples.index, grid.shape)
    np.testing.assert_allclose((samples.lat, samples.lon), (grid.lat[place], grid.lon[place]))
    scaler = FeatureScaler.fit(samples.with_role("train"))
    trained = train_stack(
        *scaled_tables(samples, scaler),
        features=samples.features,
        classes=samples.classes,
        settings=TrainingSettings(n_networks=4, batch_size=64, epochs=40, learning_rate=5e-3),
        seed=1,
    )
    test = samples.with_role("test")
    probabilities = predict(trained.stack, scaler.transform(test.inputs)).mean
    accuracy = float(np.mean(probabilities.argmax(axis=1) == test.labels))
    majority = np.bincount(test.labels).max() / len(test)
    assert len(test) > 500 and accuracy > 0.6 > majority + 0.2

    inputs, index = cell_inputs(made, names=trained.stack.features)
    fields = probability_fields(predict(trained.stack, scaler.transform(inputs)), index, made, trained.stack.classes)
    check(fields, "ensemble_probabilities", where="curvilinear")
    stacks = {"ensemble": trained.stack}
    folds = train_folds(
        made,
        regimes,
        basin_folds(made, regimes, SplitSettings(), without_test=True),
        names=samples.features,
        training=TrainingSettings(n_networks=2, batch_size=64, epochs=20, learning_rate=5e-3),
        boosting=BoostingSettings(),
        seed=1,
    )
    left_out = {}
    for fold in folds:
        cells = fold.samples(made, regimes).with_role("test")
        left_out[fold.basin] = LeftOutBasin(cells, fold.scaler.transform(cells.inputs), {"ensemble": fold.stack})
    assert len(left_out) >= 2
    applicability = ApplicabilitySettings(n_reference=200, n_importance=200, n_permutations=1)
    final = {"final": trained.stack, "final_samples": samples}
    options = {"confidence_level": 0.9, "settings": applicability, "seed": 1}
    model = calibrate(left_out, stacks, samples, scaler, budget=made, **final, **options)
    uncertainty = uncertainty_fields(stacks, model, made, scaler, credible_level=0.9)
    check(uncertainty, "regime_uncertainty", where="curvilinear")
    assert 0.3 < model.temperatures["ensemble"] < 3
    sets = uncertainty["regime_set"].sel(predictor="ensemble").values.reshape(6, -1)[:, test.index]
    covered = (sets[test.labels, np.arange(len(test))] == 1)[(sets >= 0).all(axis=0)].mean()
    assert 0.75 < covered <= 1


def test_maps_show_every_cell_where_it_lies(made, regimes):
    """Drawn cells carry the values of the nearest cells; Greenwich, the date line and the North Pole are no gaps."""
    figure = feature_maps(made, ["coriolis_parameter"])
    (mesh,) = [c for ax in figure.axes for c in ax.collections if type(c).__name__ == "GeoQuadMesh"][:1]
    drawn = np.ma.filled(mesh.get_array(), np.nan)
    lat = np.linspace(-90, 90, drawn.shape[0] + 1)
    lat = np.broadcast_to(0.5 * (lat[1:] + lat[:-1])[:, None], drawn.shape)
    there = np.isfinite(drawn)
    assert there.mean() > 0.5 and there[:, [0, -1]].any()
    # In units of 1e-4 s-1; a pixel lies no farther from its cell's centre than half a diagonal.
    expected = 1e4 * 2 * EARTH_ROTATION * np.sin(np.deg2rad(lat))
    assert np.abs(drawn - expected)[there].max() < 1e4 * 2 * EARTH_ROTATION * np.sin(np.deg2rad(4.5))
    assert len(regime_maps({"curvilinear": regimes}).axes) > 0
    cells = cell_map(made, made["valid"] == 1, max_cells=5000)
    assert cells.stride == 1 and len(cells.index) == int(made["valid"].sum())
    shown = np.unique(cells.pixels[cells.pixels < len(cells.index)])
    assert len(shown) > 0.98 * len(cells.index)
