"""The calibration of a further input set: from basins left out of its training, with the features that it adds."""

import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from thor.ocean.transport_features import TRANSPORT_FEATURE
from thor.uncertainty import set_calibration
from thor.uncertainty.left_out import left_out_cells
from thor.uncertainty.set_calibration import ExpectedAccuracy, SetCalibration, calibrate_set, left_out_calibration
from thor.uncertainty.settings import ApplicabilitySettings

SETTINGS = ApplicabilitySettings(n_reference=400, n_importance=400, n_permutations=1)


@pytest.fixture(scope="module")
def calibration(trained_set, with_transport, made_regimes):
    return calibrate_set(trained_set[1], with_transport, made_regimes, settings=SETTINGS, seed=0)


def test_every_predictor_of_the_set_is_calibrated(calibration):
    names = {"average", "ensemble", "gradient_boosting"}
    assert set(calibration.temperature) == set(calibration.expected_accuracy) == names
    for name in names:
        assert calibration.temperature[name].applied in (1.0, calibration.temperature[name].fitted)
        accuracy = calibration.expected_accuracy[name].accuracy
        assert (np.diff(accuracy) <= 0).all() and 0 <= accuracy.min() <= accuracy.max() <= 1


def test_distances_are_to_cells_that_the_scored_predictors_saw(trained_set, with_transport, made_regimes, monkeypatch):
    used = []

    def recorded(*given, dissimilarity):
        used.append(dissimilarity)
        return left_out_calibration(*given, dissimilarity=dissimilarity)

    monkeypatch.setattr(set_calibration, "left_out_calibration", recorded)
    _, found = trained_set
    measure = calibrate_set(found, with_transport, made_regimes, settings=SETTINGS, seed=0).applicability
    known = found.valid(with_transport)
    left_out = left_out_cells(found.left_out, known, made_regimes, seed=0)
    samples = found.scored.samples(known, made_regimes)

    def scaled(inputs):
        return found.final.scaler.transform(inputs).astype(float)

    seen = {tuple(row) for row in np.round(scaled(samples.with_role("train").inputs), 4)}
    kept = np.array([tuple(row) in seen for row in measure.reference])
    assert 0.3 < kept.mean() < 0.9
    reference, basin = measure.reference[kept], measure.reference_basin[kept]
    parts = [(cells.samples.inputs, reference[basin != cells.samples.basin[0]]) for cells in left_out.values()]
    parts.append((samples.with_role("select").inputs, reference))
    nearest = [cdist(scaled(a) * measure.importance, b * measure.importance).min(axis=1) for a, b in parts]
    np.testing.assert_allclose(used[0], np.concatenate(nearest) / measure.mean_distance, rtol=1e-5)


def test_unusual_values_of_the_added_feature_are_outside_its_area_of_applicability(
    calibration, trained_set, with_transport, made_regimes
):
    _, found = trained_set
    assert calibration.applicability.features[-1] == TRANSPORT_FEATURE
    cells = found.final.samples(found.valid(with_transport), made_regimes)
    usual = found.final.scaler.transform(cells.inputs)
    unusual = usual.copy()
    unusual[:, cells.features.index(TRANSPORT_FEATURE)] += 50
    area = calibration.applicability
    inside, outside = ((area.dissimilarity(inputs) <= area.threshold).mean() for inputs in (usual, unusual))
    assert inside > 0.9 > 0.1 > outside


def test_it_survives_as_plain_numbers(calibration):
    content = calibration.to_dict()
    again = SetCalibration.from_dict(json.loads(json.dumps(content)))
    assert again.to_dict() == content


def known(n=20_000, seed=0):
    """Cells at all distances, of which a share exp(-distance) is right."""
    rng = np.random.default_rng(seed)
    distance = rng.gamma(2.0, 0.4, n)
    return distance, rng.random(n) < np.exp(-distance), rng.uniform(0.5, 2.0, n)


def test_new_cells_at_other_distances_have_their_own_accuracy():
    expected = ExpectedAccuracy.fit(*known())
    for scale in (0.05, 0.3, 0.8):
        distance = np.random.default_rng(1).exponential(scale, 50_000)
        # E exp(-d) of an exponential distribution
        assert expected.of_cells(distance, np.ones(50_000)) == pytest.approx(1 / (1 + scale), abs=0.015)


def test_it_never_increases_with_distance_and_cells_count_by_area():
    expected = ExpectedAccuracy.fit(*known(500))
    assert (np.diff(expected.accuracy) <= 0).all()
    near, far = (expected.of_cells(np.array([d]), np.ones(1)) for d in (0.1, 2.0))
    both = expected.of_cells(np.array([0.1, 2.0]), np.array([3.0, 1.0]))
    assert both == pytest.approx(0.75 * near + 0.25 * far)
    # known cells count by area too
    halves = ExpectedAccuracy.fit(np.zeros(2), np.array([True, False]), np.array([3.0, 1.0]))
    assert halves.of_cells(np.zeros(1), np.ones(1)) == pytest.approx(0.75)


def test_it_survives_json():
    expected = ExpectedAccuracy.fit(*known(300))
    again = ExpectedAccuracy.from_dict(json.loads(json.dumps(expected.to_dict())))
    assert again.of_cells(np.linspace(0, 3, 50), np.ones(50)) == expected.of_cells(np.linspace(0, 3, 50), np.ones(50))
