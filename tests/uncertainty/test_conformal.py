"""Sets with equal weights are those of crepes; weights keep the nominal coverage where inputs are shifted."""

import json
from itertools import pairwise

import numpy as np
import pytest
from crepes import ConformalClassifier

from tests.made_samples import CLASSES, make_probabilities, make_samples
from thor.core.errors import NetworkError
from thor.uncertainty.conformal import (
    LEAST_EFFECTIVE_SIZE,
    NO_SET,
    ConformalModel,
    LikelihoodRatio,
    basin_sets,
    coverage_table,
    likelihood_ratio,
    nonconformity,
)


def made(n, *, certainty=1.5, seed=0):
    labels = np.random.default_rng(seed).choice(3, n, p=[0.6, 0.3, 0.1])
    return make_probabilities(labels, certainty=certainty, seed=seed + 1), labels


def model_of(probabilities, labels, *, level=0.9, inputs=None):
    inputs = np.random.default_rng(0).normal(size=(len(labels), 2)) if inputs is None else inputs
    return ConformalModel(
        classes=CLASSES[: probabilities.shape[1]],
        predictors=("ensemble",),
        confidence_level=level,
        inputs=inputs,
        labels=labels.astype(float),
        scores=nonconformity(probabilities, labels)[None],
    )


def sets_of(model, probabilities, ratio=None):
    equal = LikelihoodRatio(np.ones(len(model.labels)), np.ones(len(probabilities)))
    return model.sets("ensemble", probabilities, ratio or equal)


def sets_of_crepes(known, labels, probabilities, level):
    """Class-conditional sets as crepes makes them: each column from the known cells of that regime."""

    def below_largest(p):
        return p.max(axis=1, keepdims=True) - p

    scores = below_largest(known)[np.arange(len(labels)), labels]
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
def test_equal_weights_give_the_sets_of_crepes(level, n):
    known, labels = made(n)
    probabilities, _ = made(200, seed=7)
    # candidates exactly at the scores of the known cells are the critical ones
    probabilities = np.vstack([probabilities, known])
    got = sets_of(model_of(known, labels, level=level), probabilities)
    np.testing.assert_array_equal(got, sets_of_crepes(known, labels, probabilities, level))


def test_weighted_p_values_calculated_by_hand():
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8], [0.3, 0.7]])
    model = model_of(p, np.array([0, 0, 0, 0, 1]), level=0.6)
    # scores 0, 0.2, 0.4, 0.6 with weights 1, 1, 1, 3: beyond 0.4, (1 + 3) / (1 + 6); beyond 0.6, 1 / 7
    ratio = LikelihoodRatio(np.array([1.0, 1.0, 1.0, 3.0, 1.0]), np.ones(2))
    got = sets_of(model, np.array([[0.25, 0.75], [0.19, 0.81]]), ratio)
    assert got.tolist() == [[True, True], [False, True]]


def test_no_set_is_empty_or_omits_the_most_probable_regime():
    """Also for a regime that is usually predicted with more confidence, and in cells unlike the known ones."""
    model = model_of(*made(2000, certainty=3.0), level=0.6)
    probabilities = np.random.default_rng(2).dirichlet([1, 1, 1], 5000)
    assert sets_of(model, probabilities)[np.arange(5000), probabilities.argmax(axis=1)].all()


def test_every_regime_has_nominal_coverage_where_cells_are_exchangeable():
    model = model_of(*made(6000))
    probabilities, labels = made(20_000, seed=5)
    held = sets_of(model, probabilities)[np.arange(len(labels)), labels]
    for regime in range(3):
        assert held[labels == regime].mean() == pytest.approx(0.9, abs=0.02)


def test_a_higher_level_gives_larger_sets():
    known, labels = made(2000)
    probabilities, _ = made(500, seed=3)
    sets = [sets_of(model_of(known, labels, level=level), probabilities) for level in (0.7, 0.9, 0.97)]
    for small, large in pairwise(sets):
        assert (large >= small).all()
        assert large.sum() > small.sum()


def shifted(n, centre, seed):
    """Inputs about a centre, labels whose probabilities depend on them, and a predictor that is poor at large x."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(centre, 1.0, size=(n, 2))
    labels = rng.integers(0, 3, n)
    strength = np.exp(-0.7 * inputs[:, :1])
    logits = strength * np.eye(3)[labels] * 3 + rng.normal(size=(n, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return inputs, labels, probabilities


def test_weights_restore_the_coverage_where_the_inputs_are_shifted():
    known_inputs, known_labels, known = shifted(8000, 0.0, 0)
    inputs, labels, probabilities = shifted(4000, 1.0, 1)
    model = model_of(known, known_labels, inputs=known_inputs)
    ratio = likelihood_ratio(known_inputs, inputs)
    assert 500 < ratio.effective_size < 5000
    plain, weighted = (sets_of(model, probabilities, of)[np.arange(4000), labels].mean() for of in (None, ratio))
    assert plain < 0.84
    assert weighted == pytest.approx(0.9, abs=0.03)


def test_the_ratio_is_that_of_the_densities_and_bounded_by_ranks():
    rng = np.random.default_rng(0)
    known, new = rng.uniform(0, 1, (20_000, 1)), rng.beta(1, 2, (20_000, 1))
    ratio = likelihood_ratio(known, new).known
    # the density of beta(1, 2) is 2 (1 - x); a logistic regression fits its logarithm by a line
    centre = (known[:, 0] > 0.1) & (known[:, 0] < 0.7)
    fit = np.polyfit(np.log(2 * (1 - known[centre, 0])), np.log(ratio[centre]), 1)
    assert fit[0] == pytest.approx(1.0, abs=0.35)
    outlier = likelihood_ratio(np.vstack([known, [[1e9]]]), new).known
    assert outlier[-1] < 10 * np.median(outlier)


def test_cells_unlike_all_known_ones_have_no_set():
    known_inputs, known_labels, known = shifted(500, 0.0, 0)
    inputs, _, probabilities = shifted(300, 0.0, 1)
    basin = np.repeat([1, 2], 150)
    inputs[basin == 2] = known_inputs[:1] + 1e-3 * np.arange(150)[:, None]
    model = model_of(known, known_labels, inputs=known_inputs)
    sets, effective_size = basin_sets(model, {"ensemble": probabilities}, inputs, basin)
    assert effective_size[0] > LEAST_EFFECTIVE_SIZE
    few = model_of(known[:40], known_labels[:40], inputs=known_inputs[:40])
    assert (basin_sets(few, {"ensemble": probabilities}, inputs, basin)[0]["ensemble"] == NO_SET).all()
    assert set(np.unique(sets["ensemble"][basin == 1])) == {0, 1}


def test_sets_of_some_cells_are_those_that_they_have_among_all_cells_of_their_basins():
    known_inputs, known_labels, known = shifted(500, 0.0, 0)
    inputs, _, probabilities = shifted(600, 1.5, 1)
    basin = np.tile([2, 1], 300)
    basin[:40] = 5
    model = model_of(known, known_labels, inputs=known_inputs)
    every, every_size = basin_sets(model, {"ensemble": probabilities}, inputs, basin)
    # those with small inputs: alone they resemble the known cells more than their basins do
    places = np.flatnonzero((inputs[:, 0] < 1.0) & (basin != 5))
    some, size = basin_sets(model, {"ensemble": probabilities[places]}, inputs, basin, places=places)
    np.testing.assert_array_equal(some["ensemble"], every["ensemble"][places])
    np.testing.assert_array_equal(size, every_size[places])
    _, size_alone = basin_sets(model, {"ensemble": probabilities[places]}, inputs[places], basin[places])
    assert (size_alone > 1.2 * size).all()


def test_a_model_survives_json_to_the_last_digit():
    model = model_of(*made(300))
    again = ConformalModel.from_dict(json.loads(json.dumps(model.to_dict())))
    probabilities, _ = made(200, seed=4)
    np.testing.assert_array_equal(sets_of(again, probabilities), sets_of(model, probabilities))
    assert again.scores.tolist() == model.scores.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [[0.1, 0.2]]}, "needs inputs, a label and a score of ensemble for each cell"),
        ({"confidence_level": 90}, "confidence level must lie between 0 and 1"),
        ({"temperature": 1.0}, "A conformal model holds"),
    ],
)
def test_a_spoilt_model_is_refused(change, message):
    content = model_of(*made(30)).to_dict()
    with pytest.raises(NetworkError, match=message):
        ConformalModel.from_dict(content | change)


def test_other_regimes_and_predictors_are_refused():
    model = model_of(*made(30))
    ratio = LikelihoodRatio(np.ones(30), np.ones(4))
    with pytest.raises(NetworkError, match="a column for each of MD, TR, NL"):
        model.sets("ensemble", np.full((4, 2), 0.5), ratio)
    with pytest.raises(NetworkError, match="no scores of 'bayesain'"):
        model.sets("bayesain", np.full((4, 3), 1 / 3), ratio)


@pytest.fixture(scope="module")
def table():
    """In the north the predictor is as good as in the known cells, in the south worse; in the west there is no set."""
    rng = np.random.default_rng(0)
    n = 6000
    labels, north = rng.choice(3, n, p=[0.6, 0.3, 0.1]), rng.random(n) < 0.5
    good, poor = (make_probabilities(labels, certainty=c, seed=4) for c in (1.5, 0.3))
    probabilities = np.where(north[:, None], good, poor)
    sets = sets_of(model_of(*made(4000)), probabilities).astype(np.int8)
    west = rng.random(n) < 0.1
    sets[west] = NO_SET
    samples = make_samples(labels, lat=np.where(north, 30.0, -30.0), lon=rng.uniform(0, 360, n), area=np.ones(n))
    regions = {"north": north, "south": ~north, "no_nl": north & (labels < 2), "west": west}
    size = np.where(west, 20.0, 400.0)
    return coverage_table(sets, size, samples, confidence_level=0.9, regions=regions), samples, west


def test_coverage_is_nominal_like_the_known_cells_and_lost_elsewhere(table):
    coverage, *_ = table
    assert json.loads(json.dumps(coverage, allow_nan=False)) == coverage
    assert coverage["north"]["coverage"] == pytest.approx(0.9, abs=0.02)
    assert coverage["south"]["coverage"] < 0.85
    assert coverage["north"]["confidence_level"] == coverage["south"]["confidence_level"] == 0.9


def test_cells_without_a_set_are_counted_and_do_not_count(table):
    coverage, samples, west = table
    assert coverage["west"]["set_share"] == 0
    assert coverage["west"]["coverage"] is coverage["west"]["mean_set_size"] is None
    assert coverage["west"]["effective_sample_size"] == 20
    north = samples.lat > 0
    assert coverage["north"]["n_cells"] == int((north & ~west).sum())
    assert coverage["north"]["set_share"] == pytest.approx(1 - west[north].mean())


def test_parts_of_the_coverage_make_the_whole(table):
    coverage, *_ = table
    for region in ("north", "south", "no_nl"):
        entry = coverage[region]
        parts = [of for of in entry["by_regime"].values() if of["n_cells"]]
        for name in ("coverage", "mean_set_size"):
            whole = sum(of["n_cells"] * of[name] for of in parts) / entry["n_cells"]
            assert whole == pytest.approx(entry[name]), region
        assert 0 <= entry["single_share"] <= 1
    assert coverage["no_nl"]["by_regime"]["NL"] == {"n_cells": 0, "coverage": None, "mean_set_size": None}


def test_an_empty_region_is_named(table):
    _, samples, _ = table
    n = len(samples.labels)
    with pytest.raises(NetworkError, match="'baltic' holds no labelled cell"):
        coverage_table(
            np.zeros((n, 3), np.int8),
            np.ones(n),
            samples,
            confidence_level=0.9,
            regions={"baltic": np.zeros(n, bool)},
        )
