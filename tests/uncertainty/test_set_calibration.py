"""The calibration of a further input set: from basins left out of its training, with the features that it adds."""

import json

import numpy as np
import pytest

from thor.ocean.transport_features import TRANSPORT_FEATURE
from thor.uncertainty.set_calibration import SetCalibration, calibrate_set
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


def test_unusual_values_of_the_added_feature_are_outside_its_area_of_applicability(
    calibration, trained_set, with_transport, made_regimes
):
    _, found = trained_set
    assert calibration.applicability.features[-1] == TRANSPORT_FEATURE
    cells = found.final.samples(found.valid(with_transport), made_regimes)
    usual = found.final.scaler.transform(cells.inputs)
    unusual = usual.copy()
    unusual[:, cells.features.index(TRANSPORT_FEATURE)] += 50
    inside, outside = (calibration.applicability.inside(inputs).mean() for inputs in (usual, unusual))
    assert inside > 0.9 > 0.1 > outside


def test_it_survives_as_plain_numbers(calibration):
    content = calibration.to_dict()
    again = SetCalibration.from_dict(json.loads(json.dumps(content)))
    assert again.to_dict() == content
