"""From predictors to calibrated fields: the temperature corrects a known overconfidence."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree

from thor.core.errors import GridError, NetworkError
from thor.core.variables import variable
from thor.networks.fields import basin_masks
from thor.networks.samples import Samples
from thor.networks.scaler import FeatureScaler
from thor.networks.split import ROLES
from thor.networks.stack import NetworkStack, concatenate
from thor.uncertainty.conformal import basin_sets
from thor.uncertainty.left_out import LeftOutBasin
from thor.uncertainty.regime_uncertainty import (
    CalibrationModel,
    calibrate,
    mistakes_in_test,
    uncertainty_fields,
)
from thor.uncertainty.set_calibration import ExpectedAccuracy, SetCalibration
from thor.uncertainty.settings import ApplicabilitySettings
from thor.uncertainty.temperature import left_out_temperature, with_temperature

CLASSES = ("MD", "TR", "NL")
NAMES = ("zos", "deptho")
TRUE = np.array([[2.0, -1.0, 0.5], [0.0, 1.5, -1.0]], dtype="float32")


def stack(factor, *, n_networks=3, spread=0.0, seed=0):
    """Linear networks whose logits are `factor` times the true ones."""
    noise = np.random.default_rng(seed).normal(scale=spread, size=(n_networks, *TRUE.shape))
    kernel = (factor * (TRUE + noise)).astype("float32")
    return NetworkStack((kernel,), (np.zeros((n_networks, 3), "float32"),), NAMES, CLASSES)


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(1)
    n = 6000
    inputs = rng.normal(size=(n, 2))
    odds = np.exp(inputs @ TRUE)
    labels = (rng.random(n)[:, None] > (odds / odds.sum(axis=1, keepdims=True)).cumsum(axis=1)).sum(axis=1)
    return Samples(
        inputs=inputs,
        labels=labels,
        area=np.ones(n),
        confidence=np.ones(n),
        lat=rng.uniform(-60, 60, n),
        lon=rng.uniform(0, 360, n),
        basin=rng.integers(1, 4, n),
        role=rng.integers(0, 3, n),
        index=np.arange(n),
        similar_labels=np.empty((n, 0), int),
        ocean=np.zeros(n, int),
        features=NAMES,
        units=("m", "m"),
        classes=CLASSES,
        roles={name: name for name in ROLES},
        similar=(),
    )


@pytest.fixture(scope="module")
def scaler():
    return FeatureScaler(NAMES, ("m", "m"), np.zeros(2), np.ones(2))


@pytest.fixture(scope="module")
def left_out(samples):
    """Three basins, and networks that are as good in each of them as anywhere."""
    basins = {}
    for code in (1, 2, 3):
        cells = samples.take(samples.basin == code)
        predictors = {"ensemble": stack(1.0, spread=0.2), "laplace": stack(3.0)}
        basins[f"basin {code}"] = LeftOutBasin(cells, cells.inputs.astype("float32"), predictors)
    return basins


@pytest.fixture(scope="module")
def model(left_out, samples, scaler):
    return calibrated(left_out, samples, scaler)


def calibrated(left_out, samples, scaler, *, n_reference=300):
    settings = ApplicabilitySettings(n_reference=n_reference, n_importance=500, n_permutations=1)
    predictors = {"ensemble": stack(1.0, spread=0.2), "laplace": stack(3.0)}
    everywhere = replace(samples, role=np.where(samples.role == ROLES.index("test"), 0, samples.role))
    final = {"final": stack(1.0, spread=0.2), "final_samples": everywhere}
    return calibrate(
        left_out,
        predictors,
        samples,
        scaler,
        confidence_level=0.9,
        settings=settings,
        seed=0,
        budget=xr.Dataset(),
        **final,
    )


def test_the_final_networks_are_applicable_where_the_scored_ones_were_tested(left_out, samples, scaler):
    apart = replace(samples, role=np.where(samples.inputs[:, 0] > 1, ROLES.index("test"), samples.role % 2))
    model = calibrated(left_out, apart, scaler)
    test = scaler.transform(apart.with_role("test").inputs)
    before, after = (part.dissimilarity(test) for part in (model.applicability, model.final_applicability))
    assert after.mean() < 0.5 * before.mean()


def test_expected_accuracies_use_distances_to_cells_that_the_scored_predictors_saw(left_out, samples, scaler):
    apart = replace(samples, role=np.where(samples.inputs[:, 0] > 1, ROLES.index("test"), samples.role % 2))
    model = calibrated(left_out, apart, scaler, n_reference=len(samples))
    measure = model.final_applicability
    seen, select = apart.with_role("train"), apart.with_role("select")

    def farthest(cells, others):
        nearest = cKDTree(others.inputs * measure.importance).query(cells.inputs * measure.importance)[0]
        return nearest.max() / measure.mean_distance

    expected = [
        farthest(cells.samples, seen.take(seen.basin != code)) for code, cells in enumerate(left_out.values(), 1)
    ]
    expected.append(farthest(select, seen))
    for accuracy in model.expected_accuracy.values():
        assert accuracy.dissimilarity[-1] == pytest.approx(max(expected), rel=1e-3)
    assert max(expected) > 2 * measure.dissimilarity(scaler.transform(samples.inputs)).max()


def test_predictors_of_further_input_sets_have_an_expected_accuracy_of_their_name(model):
    other = ExpectedAccuracy(np.array([0.0, 1.0]), np.array([0.9, 0.5]))
    of_set = SetCalibration({}, model.final_applicability, {"ensemble": other})
    found = replace(model, input_sets={"transport": of_set}).expected_accuracies
    assert found == {**model.expected_accuracy, "ensemble_transport": other}


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(2)
    shape = (6, 8)
    valid = np.ones(shape, dtype="int8")
    valid[0] = 0
    fields = {name: np.where(valid == 1, rng.normal(size=shape), np.nan) for name in NAMES}
    fields["zos"][3, 3] = 30.0  # far from all training cells
    out = xr.Dataset(
        {name: (("lat", "lon"), field, variable(name).attrs) for name, field in fields.items()},
        coords={"lat": np.linspace(-50, 50, 6), "lon": np.arange(8) * 45.0},
    )
    return out.assign(
        valid=(("lat", "lon"), valid, variable("valid").attrs),
        basin=(("lat", "lon"), np.where(valid == 1, 1, -1), variable("basin").attrs),
        areacello=(("lat", "lon"), np.ones(shape), variable("areacello").attrs),
    )


def test_the_temperature_corrects_a_known_overconfidence(model):
    assert model.temperatures["laplace"] == pytest.approx(3.0, rel=0.1)
    assert model.temperature["laplace"].gain > 5 * model.temperature["laplace"].gain_error
    assert model.temperatures["ensemble"] == pytest.approx(1.0, rel=0.1)


def test_a_temperature_on_which_the_basins_disagree_is_not_applied():
    """Overconfident in one basin and not confident enough in the other two."""
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], size=(3, 2000))
    drawn = np.random.default_rng(1).random((3, 2000, 1))
    labels = (drawn > probabilities.cumsum(axis=-1)).sum(axis=-1)
    stated = [with_temperature(p, t) for p, t in zip(probabilities, (0.4, 2.0, 2.0), strict=True)]
    found = left_out_temperature(
        {str(b): lambda t, p=p: with_temperature(p, t) for b, p in enumerate(stated)},
        {str(b): of_basin for b, of_basin in enumerate(labels)},
    )
    assert found.fitted != pytest.approx(1.0, abs=0.1)
    assert found.applied == 1.0
    with pytest.raises(NetworkError, match="at least two left-out basins; got a"):
        left_out_temperature({"a": lambda t: stated[0]}, {"a": labels[0]})


def test_the_model_survives_as_plain_numbers(model, features, scaler):
    again = CalibrationModel.from_dict(json.loads(json.dumps(model.to_dict())))
    predictors = {"ensemble": stack(1.0, spread=0.2)}
    first, second = (uncertainty_fields(predictors, m, features, scaler, credible_level=0.9) for m in (model, again))
    xr.testing.assert_identical(first, second)
    with pytest.raises(NetworkError, match="final_applicability, expected_accuracy, input_sets; got"):
        CalibrationModel.from_dict({"temperature": {}})


def test_fields_hold_the_named_quantities(model, features, scaler):
    predictors = {"ensemble": stack(1.0, spread=0.2), "laplace": stack(3.0)}
    fields = uncertainty_fields(predictors, model, features, scaler, credible_level=0.9)
    valid = features["valid"].values == 1
    np.testing.assert_allclose(fields["regime_probability"].sum("regime").values[:, valid], 1, atol=1e-6)
    # all networks of this predictor are the same
    one = fields.sel(predictor="laplace")
    np.testing.assert_allclose(one["mutual_information"].values[valid], 0, atol=1e-6)
    np.testing.assert_allclose(one["regime_probability_lower"], one["regime_probability_upper"])
    assert (fields.sel(predictor="ensemble")["mutual_information"].values[valid] > 0).any()
    assert fields["applicable"].values[3, 3] == 0
    assert (fields["applicable"].values[valid] == 1).mean() > 0.8
    assert (fields["applicable"].values[~valid] == -1).all()
    sets = fields["regime_set"].values[:, :, valid]
    assert set(np.unique(sets)) == {0, 1}


def test_networks_of_several_runs_split_their_entropy(model, features, scaler):
    networks = concatenate(
        [stack(1.0, spread=0.2, n_networks=2, seed=0), stack(-1.0, spread=0.2, n_networks=2, seed=1)]
    )
    fields = uncertainty_fields(
        {"ensemble": networks}, model, features, scaler, credible_level=0.9, label_run=np.array([4, 4, 7, 7])
    )
    total = fields["predictive_entropy"].sel(predictor="ensemble")
    parts = fields["label_entropy"] + fields["network_entropy"] + fields["residual_entropy"]
    np.testing.assert_allclose(parts.values, total.values, atol=1e-6)
    # the two runs taught opposite maps, networks of one run nearly the same
    assert float(fields["label_entropy"].mean()) > 5 * float(fields["network_entropy"].mean())


def test_conformal_sets_have_about_the_nominal_coverage(model, samples, scaler):
    from thor.networks.prediction import predict

    test = samples.with_role("test")
    inputs = scaler.transform(test.inputs)
    probability = predict(stack(3.0), inputs, temperature=model.temperatures["laplace"]).mean
    sets, effective_size = basin_sets(model.conformal, {"laplace": probability}, inputs, test.basin)
    held = sets["laplace"][np.arange(len(test)), test.labels] == 1
    # these cells are like those of the left-out basins
    assert held.mean() == pytest.approx(0.9, abs=0.03)
    assert effective_size.min() > 0.8 * len(samples)


def test_mistakes_are_marked_in_labelled_test_cells_only(model, features, scaler):
    fields = uncertainty_fields({"ensemble": stack(1.0)}, model, features, scaler, credible_level=0.9)
    of_ensemble = fields.sel(predictor="ensemble")
    predicted = of_ensemble["regime_probability"].fillna(-1).argmax("regime").values
    labels, role = predicted.copy(), np.full(predicted.shape, ROLES.index("test"))
    labels[4, 4], labels[2, 2], role[5, 5] = (predicted[4, 4] + 1) % 3, -1, ROLES.index("train")
    dims, coords = of_ensemble["valid"].dims, of_ensemble[["lat", "lon"]].coords
    given = xr.Dataset({"regime": (dims, labels)}, coords), xr.Dataset({"role": (dims, role)}, coords)
    mistakes = mistakes_in_test(of_ensemble, *given).values
    assert mistakes[4, 4] == 1
    assert np.nansum(mistakes) == 1
    assert np.isnan([mistakes[2, 2], mistakes[5, 5], mistakes[0, 0]]).all()
    assert 0 < fields.attrs["area_share_not_applicable"] < 0.2
    # xarray would compare the rows that both have.
    with pytest.raises(GridError, match=r"regime, ... are on different grids: .* in the same order"):
        mistakes_in_test(of_ensemble, given[0].isel({dims[0]: slice(2, None)}), given[1])


def test_basins_without_test_cells_are_left_out(samples):
    masks = basin_masks(samples, samples.role == ROLES.index("test"))
    assert set(masks) == {"test_atlantic_ocean", "test_pacific_ocean", "test_indian_ocean"}
    assert sum(mask.sum() for mask in masks.values()) == (samples.role == ROLES.index("test")).sum()
