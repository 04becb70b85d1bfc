"""The stored margins give the sets of crepes, with nominal coverage in the calibration basin only."""

import json
from itertools import pairwise

import numpy as np
import pytest
from crepes import ConformalClassifier

from tests.made_samples import CLASSES, make_ocean, make_probabilities, make_samples
from thor.core.errors import NetworkError
from thor.networks.bootstrap import BootstrapSettings
from thor.uncertainty.conformal import ConformalModel, coverage_table, fit_conformal


def made(n, *, certainty=1.5, seed=0):
    labels = np.random.default_rng(seed).choice(3, n, p=[0.6, 0.3, 0.1])
    return make_probabilities(labels, certainty=certainty, seed=seed + 1), labels


def sets_of_crepes(calibrate, labels, probabilities, level):
    """Class-conditional sets as crepes makes them: each column from the calibrate cells of that regime."""

    def below_largest(p):
        return p.max(axis=1, keepdims=True) - p

    scores = below_largest(calibrate)[np.arange(len(labels)), labels]
    classifier = ConformalClassifier().fit(scores, bins=labels)
    columns = [
        classifier.predict_set(
            below_largest(probabilities)[:, [k]], bins=np.full(len(probabilities), k), confidence=level, smoothing=False
        )
        for k in range(probabilities.shape[1])
    ]
    return np.hstack(columns).astype(bool)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.99])
@pytest.mark.parametrize("n", [12, 45, 400])
def test_margins_give_the_sets_of_crepes(level, n):
    calibrate, labels = made(n)
    probabilities, _ = made(200, seed=7)
    # candidates exactly at the scores of the calibrate cells are the critical ones for a margin
    probabilities = np.vstack([probabilities, calibrate])
    model = fit_conformal(calibrate, labels, classes=CLASSES, confidence_level=level)
    np.testing.assert_array_equal(model.sets(probabilities), sets_of_crepes(calibrate, labels, probabilities, level))


def test_margins_equal_values_calculated_by_hand():
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8], [0.3, 0.7]])
    model = fit_conformal(p, np.array([0, 0, 0, 0, 1]), classes=("MD", "NL"), confidence_level=0.6)
    # p-values of the four scores 0, 0.2, 0.4, 0.6 are 5/5 ... 2/5; at least 0.4 is required
    assert model.margins[0] == pytest.approx(0.6)
    # one cell: a candidate beyond it has p-value 1/2
    assert model.margins[1] == 1.0
    assert model.n_cells == (4, 1)
    got = model.sets(np.array([[0.21, 0.79], [0.19, 0.81]]))
    assert got.tolist() == [[True, True], [False, True]]


def test_no_set_is_empty_or_omits_the_most_probable_regime():
    """Also for a regime that is usually predicted with more confidence, and in cells unlike those of calibration."""
    model = fit_conformal(*made(2000, certainty=3.0), classes=CLASSES, confidence_level=0.6)
    assert min(model.margins) == 0.0
    probabilities = np.random.default_rng(2).dirichlet([1, 1, 1], 5000)
    assert model.sets(probabilities)[np.arange(5000), probabilities.argmax(axis=1)].all()


def test_every_regime_has_nominal_coverage_where_cells_are_exchangeable():
    model = fit_conformal(*made(6000), classes=CLASSES, confidence_level=0.9)
    probabilities, labels = made(20_000, seed=5)
    held = model.sets(probabilities)[np.arange(len(labels)), labels]
    for regime in range(3):
        assert held[labels == regime].mean() == pytest.approx(0.9, abs=0.02)


def test_a_higher_level_gives_larger_sets():
    calibrate, labels = made(2000)
    probabilities, _ = made(500, seed=3)
    models = [fit_conformal(calibrate, labels, classes=CLASSES, confidence_level=level) for level in (0.7, 0.9, 0.97)]
    sets = [model.sets(probabilities) for model in models]
    for small, large in pairwise(sets):
        assert (large >= small).all()
        assert large.sum() > small.sum()


def test_float32_probabilities_that_exceed_one_by_a_rounding_are_fine():
    p = np.eye(3, dtype=np.float32)[[0, 1, 2] * 30] * np.float32(1.0000001)
    model = fit_conformal(p, np.array([0, 1, 2] * 30), classes=CLASSES, confidence_level=0.9)
    assert model.margins == (0.0, 0.0, 0.0)
    np.testing.assert_array_equal(model.sets(p), p > 0.5)


def test_a_model_survives_json_to_the_last_digit():
    calibrate, labels = made(300)
    model = fit_conformal(calibrate, labels, classes=CLASSES, confidence_level=0.9)
    again = ConformalModel.from_dict(json.loads(json.dumps(model.to_dict())))
    assert again == model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margins": [0.1, 0.2]}, "one margin and number of cells for each of MD, TR, NL"),
        ({"margins": [0.1, 0.2, 1.5]}, "must lie in"),
        ({"confidence_level": 90}, "confidence level between 0 and 1"),
        ({"temperature": 1.0}, "A conformal model holds"),
    ],
)
def test_a_spoilt_model_is_refused(change, message):
    content = {"classes": list(CLASSES), "margins": [0.1, 0.2, 0.3], "confidence_level": 0.9, "n_cells": [9, 9, 9]}
    with pytest.raises(NetworkError, match=message):
        ConformalModel.from_dict(content | change)


def test_other_regimes_are_refused():
    model = ConformalModel(CLASSES, (0.5, 0.5, 0.5), 0.9, (9, 9, 9))
    with pytest.raises(NetworkError, match="a column for each of MD, TR, NL"):
        model.sets(np.full((4, 2), 0.5))
    with pytest.raises(NetworkError, match="Labels run"):
        fit_conformal(np.full((2, 3), 1 / 3), np.array([0, 3]), classes=CLASSES, confidence_level=0.9)


@pytest.fixture(scope="module")
def table():
    """Two basins: in the north the predictor is as good as where it was calibrated, in the south worse."""
    lat, lon, area = make_ocean()
    labels = np.random.default_rng(0).choice(3, len(lat), p=[0.6, 0.3, 0.1])
    good, poor = (make_probabilities(labels, certainty=c, seed=4) for c in (1.5, 0.3))
    probabilities = np.where((lat > 0)[:, None], good, poor)
    model = fit_conformal(*made(4000), classes=CLASSES, confidence_level=0.9)
    samples = make_samples(labels, lat=lat, lon=lon, area=area)
    regions = {"north": lat > 0, "south": lat <= 0, "no_nl": (lat > 0) & (labels < 2)}
    settings = BootstrapSettings(n_bootstrap=200)
    return coverage_table(model, probabilities, samples, regions=regions, settings=settings, seed=0), model, samples


def test_coverage_is_nominal_in_the_calibration_basin_and_lost_elsewhere(table):
    coverage, *_ = table
    assert json.loads(json.dumps(coverage, allow_nan=False)) == coverage
    north, south = coverage["north"], coverage["south"]
    assert north["interval"]["low"] < 0.9 < north["interval"]["high"]
    assert south["interval"]["high"] < 0.85
    assert south["interval"]["low"] < south["coverage"] < south["interval"]["high"]
    assert north["confidence_level"] == south["confidence_level"] == 0.9


def test_parts_of_the_coverage_make_the_whole(table):
    coverage, _, samples = table
    for region, entry in coverage.items():
        parts = [of for of in entry["by_regime"].values() if of["n_cells"]]
        for name in ("coverage", "mean_set_size"):
            whole = sum(of["n_cells"] * of[name] for of in parts) / entry["n_cells"]
            assert whole == pytest.approx(entry[name]), region
        assert 0 <= entry["single_share"] <= 1
    assert coverage["north"]["n_cells"] == int((samples.lat > 0).sum())
    assert coverage["no_nl"]["by_regime"]["NL"] == {"n_cells": 0, "coverage": None, "mean_set_size": None}


def test_an_empty_region_is_named(table):
    _, model, samples = table
    n = len(samples.labels)
    with pytest.raises(NetworkError, match="'baltic' holds no labelled cell"):
        coverage_table(
            model,
            np.full((n, 3), 1 / 3),
            samples,
            regions={"baltic": np.zeros(n, bool)},
            settings=BootstrapSettings(),
            seed=0,
        )
