import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from tests.made_samples import make_samples
from tests.networks.conftest import REFLECTED, as_regimes
from tests.regimes.conftest import make_budget
from thor.core.errors import DataError, GridError, NetworkError
from thor.core.variables import FEATURES, variable
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import SplitSettings, TrainingSettings
from thor.networks.split import ROLES, make_split
from thor.networks.training_data import sample_weights, scaled_tables, vote_labels
from thor.ocean.similar_oceans import SimilarOcean
from thor.regimes.naming import REGIMES
from thor.regimes.regime_model import fit_regimes
from thor.regimes.settings import ClusteringSettings


@pytest.fixture(scope="module")
def split(made_features, made_regimes):
    return make_split(made_features, made_regimes, SplitSettings())


def spoilt(features, name, value):
    """Return the features with one valid cell of one of them replaced."""
    field = features[name].copy(deep=True)
    field.values[tuple(np.argwhere(features["valid"].values == 1)[10])] = value
    return features.assign({name: field})


def test_every_row_is_its_cell(made_features, made_regimes, made_samples):
    used = (made_features["valid"].values == 1) & (made_regimes["regime"].values >= 0)
    np.testing.assert_array_equal(made_samples.index, np.flatnonzero(used))
    flat = {name: made_features[name].values.ravel()[made_samples.index] for name in (*FEATURES, "areacello", "basin")}
    np.testing.assert_array_equal(made_samples.inputs, np.stack([flat[name] for name in FEATURES], axis=1))
    np.testing.assert_array_equal(made_samples.area, flat["areacello"])
    np.testing.assert_array_equal(made_samples.basin, flat["basin"])
    lat, lon = xr.broadcast(made_features["lat"], made_features["lon"])
    np.testing.assert_array_equal(made_samples.lat, lat.values.ravel()[made_samples.index])
    np.testing.assert_array_equal(made_samples.lon, lon.values.ravel()[made_samples.index])
    np.testing.assert_array_equal(made_samples.labels, made_regimes["regime"].values.ravel()[made_samples.index])
    assert made_samples.classes == REGIMES
    assert made_samples.units == tuple(variable(name).units for name in FEATURES)


def test_the_order_of_dims_makes_no_difference(made_features, made_regimes, split, made_samples):
    turned = samples_from(made_features, made_regimes.transpose("lon", "lat", ...), split.transpose("lon", "lat"))
    np.testing.assert_array_equal(turned.labels, made_samples.labels)
    np.testing.assert_array_equal(turned.role, made_samples.role)


def test_roles(made_samples):
    parts = {name: made_samples.with_role(name) for name in ("train", "select", "test")}
    assert {name: set(part.role) for name, part in parts.items()} == {name: {ROLES.index(name)} for name in parts}
    n_buffer = (made_samples.role == ROLES.index("buffer")).sum()
    assert sum(map(len, parts.values())) + n_buffer == len(made_samples)
    with pytest.raises(NetworkError, match="no role 'buffer'"):
        made_samples.with_role("buffer")
    with pytest.raises(NetworkError, match="has the role 'select'"):
        parts["train"].with_role("select")


def test_published_roles_share_the_test_cells(made_features, made_regimes):
    published = make_split(made_features, made_regimes, SplitSettings(mode="published"))
    samples = samples_from(made_features, made_regimes, published)
    tested = samples.with_role("test").index
    np.testing.assert_array_equal(samples.with_role("select").index, tested)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite(made_features, made_regimes, split, value):
    with pytest.raises(NetworkError, match="not finite in 1 of .* valid cells: zos in 1"):
        samples_from(spoilt(made_features, "zos", value), made_regimes, split)


def test_all_cells_masked(made_features, made_regimes, split):
    with pytest.raises(DataError, match="masked"):
        samples_from(made_features.assign(valid=0 * made_features["valid"]), made_regimes, split)
    nowhere = as_regimes(made_features, np.full(split["role"].shape, -1, dtype="int8"))
    with pytest.raises(NetworkError, match="both a regime and a role"):
        samples_from(made_features, nowhere, split)


def test_regimes_on_another_grid(made_features, made_regimes, split):
    with pytest.raises(GridError, match="'regime' and 'valid' are on different grids"):
        samples_from(made_features, made_regimes.isel(lat=slice(2, None)), split)


def test_weights_have_a_mean_of_one(made_samples):
    assert sample_weights(made_samples, area=False, confidence=False) is None
    weights = sample_weights(made_samples, area=True, confidence=True)
    assert weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(
        weights / weights[0],
        made_samples.area * made_samples.confidence / (made_samples.area[0] * made_samples.confidence[0]),
    )


@pytest.mark.parametrize("weighted_by", [(), ("area",), ("area", "confidence")])
def test_tables_have_the_weights_of_the_training(made_samples, weighted_by):
    settings = TrainingSettings(**{f"{name}_weights": True for name in weighted_by})
    assert settings.weighted_by == weighted_by
    cells = made_samples.to_train()
    table, select = scaled_tables(made_samples, FeatureScaler.fit(cells), weighted_by=settings.weighted_by)
    expected = sample_weights(cells, area="area" in weighted_by, confidence="confidence" in weighted_by)
    np.testing.assert_array_equal(table.sample_weights(), np.float32(1 if expected is None else expected))
    assert select.weights is None


def test_scaled_inputs_have_mean_zero_and_spread_one(made_samples):
    train = made_samples.with_role("train")
    scaled = FeatureScaler.fit(train).transform(train.inputs)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-5)


def test_a_scaler_is_plain_numbers(made_samples):
    scaler = FeatureScaler.fit(made_samples)
    again = FeatureScaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    np.testing.assert_array_equal(again.mean, scaler.mean)
    np.testing.assert_array_equal(again.scale, scaler.scale)
    assert (again.features, again.units) == (scaler.features, scaler.units)
    with pytest.raises(NetworkError, match="holds features, units, mean, scale; got features"):
        FeatureScaler.from_dict({"features": []})


def test_features_that_are_not_those_of_the_scaler(made_samples):
    scaler = FeatureScaler.fit(made_samples)
    scaler.require(FEATURES)
    with pytest.raises(NetworkError, match="in another order"):
        scaler.require(FEATURES[::-1])
    with pytest.raises(NetworkError, match=r"missing \['zos'\], unknown \['ssh'\]"):
        scaler.require(["ssh" if name == "zos" else name for name in FEATURES])
    with pytest.raises(NetworkError, match=r"shape \(n, 8\)"):
        scaler.transform(made_samples.inputs[:, :7])


def test_a_feature_of_one_value_cannot_be_scaled(made_features, made_regimes, split):
    flat = made_features.assign(zos=made_features["zos"].where(made_features["zos"].isnull(), 0.5))
    with pytest.raises(NetworkError, match="zos has one value"):
        FeatureScaler.fit(samples_from(flat, made_regimes, split))


def test_training_also_takes_the_reflected_ocean(made_features, made_regimes, made_samples):
    cells, both = made_samples.with_role("train"), made_samples.to_train()
    n = len(cells)
    assert len(both) == 2 * n and both.similar == (REFLECTED,)
    np.testing.assert_array_equal(both.inputs[:n], cells.inputs)
    odd = ["wind_stress_curl", "zos_gradient_northward", "deptho_gradient_northward", "coriolis_parameter"]
    signs = [-1 if name in odd else 1 for name in FEATURES]
    np.testing.assert_array_equal(both.inputs[n:], cells.inputs * signs)
    np.testing.assert_array_equal(both.labels[n:], made_regimes["similar_regime"].values.ravel()[cells.index])
    np.testing.assert_array_equal(both.lat[n:], -cells.lat)
    expected = np.repeat([[1, 1], [-1, -1]], n, axis=0)
    np.testing.assert_array_equal(both.term_factors(["wind_stress_curl", "nonlinear_torque"]), expected)
    for name in ("area", "confidence", "lon", "index", "role"):
        np.testing.assert_array_equal(getattr(both, name)[n:], getattr(cells, name))
    table, select = scaled_tables(made_samples, FeatureScaler.fit(cells))
    assert (table.n_oceans, table.n_cells, len(table.inputs)) == (2, n, 2 * n)
    assert (select.n_oceans, select.n_cells) == (1, len(made_samples.with_role("select")))


def test_networks_are_also_trained_on_weaker_and_stronger_flow(made_features, made_regimes):
    """Each input, regime and term is that of an ocean whose winds and currents are so many times as strong."""
    given, reflected = made_regimes["regime"].values, made_regimes["similar_regime"].values[0]
    double = np.where(given == 1, 2, given)
    oceans = {REFLECTED: reflected, SimilarOcean(1, 2.0): double, SimilarOcean(-1, 2.0): reflected}
    regimes = as_regimes(made_features, given, similar=oceans)
    samples = samples_from(made_features, regimes, make_split(made_features, regimes, SplitSettings()))
    n, several = len(samples.with_role("train")), samples.to_train()
    assert samples.similar == tuple(oceans) and len(several) == 4 * n
    cells, doubled = several.take(np.arange(n)), several.take(np.arange(2 * n, 3 * n))
    factors = [1 if name.startswith(("deptho", "coriolis")) else 2 for name in FEATURES]
    np.testing.assert_array_equal(doubled.inputs, cells.inputs * factors)
    np.testing.assert_array_equal(doubled.labels, double.ravel()[cells.index])
    np.testing.assert_array_equal(doubled.lat, cells.lat)
    factors = several.term_factors(["wind_stress_curl", "nonlinear_torque"])[::n]
    np.testing.assert_array_equal(factors, [[1, 1], [-1, -1], [2, 4], [-2, -4]])
    for settings, kept in (
        (SplitSettings(rescale=False), [REFLECTED]),
        (SplitSettings(reflect=False), [SimilarOcean(1, 2.0)]),
    ):
        chosen = samples_from(made_features, regimes, make_split(made_features, regimes, settings))
        assert list(chosen.similar) == kept


def test_the_reflected_ocean_is_a_setting_and_no_part_of_the_published_split(made_features, made_regimes):
    for settings in (SplitSettings(reflect=False, rescale=False), SplitSettings(mode="published")):
        samples = samples_from(made_features, made_regimes, make_split(made_features, made_regimes, settings))
        assert len(samples.to_train()) == len(samples.with_role("train"))
    split = make_split(made_features, made_regimes, SplitSettings())
    with pytest.raises(NetworkError, match=r"no 'similar_regime'.* Run regime_clustering again, or set modelling"):
        samples_from(made_features, made_regimes.drop_vars("similar_regime"), split)
    half = made_regimes.assign(similar_regime=made_regimes["similar_regime"].where(made_regimes["lat"] > 0, -1))
    with pytest.raises(NetworkError, match=r"\d+ of \d+ cells with a regime have no 'similar_regime'"):
        samples_from(made_features, half, split)


def test_votes_deal_the_runs_evenly_and_hold_their_maps():
    budget = make_budget()
    settings = ClusteringSettings(algorithm="kmeans", n_clusters=8, n_runs=2, n_consensus=2, n_jobs=1)
    model = fit_regimes(budget, settings=settings, seed=1, progress=False)
    regimes = model.predict(budget)
    index = np.flatnonzero(regimes["regime"].values >= 0)
    places = np.meshgrid(budget["lat"], budget["lon"], indexing="ij")
    lat, lon = (place.ravel()[index] for place in places)
    cells = replace(make_samples(np.zeros(index.size, int), lat=lat, lon=lon), index=index)
    labels, runs = vote_labels(model, budget, cells, n_networks=10, seed=3)
    assert labels.shape == (10, index.size)
    assert sorted(np.bincount(runs, minlength=4)) == [2, 2, 3, 3]
    # Four networks of four runs vote as the runs do.
    shares = np.stack([(labels[:4] == regime).mean(axis=0) for regime in range(6)])
    expected = regimes["regime_votes"].values.reshape(6, -1)[:, index]
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    np.testing.assert_array_equal(vote_labels(model, budget, cells, n_networks=10, seed=3)[1], runs)
    opposite = budget.assign({name: -budget[name] for name in model.terms})
    expected, _ = vote_labels(model, opposite, cells, n_networks=10, seed=3)
    reflected = replace(cells, lat=-lat, similar=(REFLECTED,), ocean=np.ones(index.size, int))
    turned, _ = vote_labels(model, budget, reflected, n_networks=10, seed=3)
    np.testing.assert_array_equal(turned, expected)
    dry = np.flatnonzero(regimes["regime"].values < 0)[:1]
    outside = replace(cells.take([0]), index=dry, lat=places[0].ravel()[dry], lon=places[1].ravel()[dry])
    with pytest.raises(NetworkError, match="not finite at 1 of 1"):
        vote_labels(model, budget, outside, n_networks=1, seed=0)
