"""Scores equal to values calculated by hand and those of scikit-learn, and their properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from tests.made_samples import CLASSES, make_probabilities
from thor.core.errors import NetworkError
from thor.networks.scores import FLOOR, SCORES, scores


def test_scores_equal_values_calculated_by_hand():
    got = scores(
        np.array([[0.8, 0.1, 0.1], [0.6, 0.4, 0.0], [0.2, 0.7, 0.1], [0.5, 0.0, 0.5]]),
        np.array([0, 1, 1, 2]),
        classes=CLASSES,
        area=np.array([1.0, 2.0, 3.0, 4.0]),
        confidence=np.array([1.0, 0.9, 0.95, 0.5]),
    )
    assert got["confusion_matrix"] == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
    assert got["accuracy"] == 0.5
    assert got["balanced_accuracy"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert got["f1"] == pytest.approx({"MD": 0.5, "TR": 2 / 3, "NL": 0.0})
    assert got["macro_f1"] == pytest.approx((0.5 + 2 / 3) / 3)
    assert got["negative_log_likelihood"] == pytest.approx(-np.log([0.8, 0.4, 0.7, 0.5]).mean())
    assert got["brier_score"] == pytest.approx(np.mean([0.06, 0.72, 0.14, 0.5]))
    # each cell is alone in its bin
    assert got["expected_calibration_error"] == pytest.approx((0.2 + 0.6 + 0.3 + 0.5) / 4)
    assert (got["n_cells"], got["weighting"], got["area_weighted"]["weighting"]) == (4, "cell", "area")
    assert got["area_weighted"]["accuracy"] == pytest.approx(0.4)
    assert got["area_weighted"]["confusion_matrix"][2][0] == pytest.approx(0.4)
    assert got["area_weighted"]["brier_score"] == pytest.approx((0.06 + 2 * 0.72 + 3 * 0.14 + 4 * 0.5) / 10)
    # labels of a vote share of exactly 0.9 are not above it
    assert (got["n_cells_confident"], got["accuracy_confident"]) == (2, 1.0)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 1.0, 3.0]))
def test_standard_scores_are_those_of_scikit_learn(seed, certainty):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(3), rng.integers(0, 3, 40)])
    p = make_probabilities(labels, certainty=certainty, seed=seed)
    area = rng.uniform(0.1, 1.0, len(labels))
    predicted = p.argmax(axis=1)
    got = scores(p, labels, classes=CLASSES, area=area)
    for of, weights in ((got, None), (got["area_weighted"], area)):
        options = {"sample_weight": weights}
        assert of["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted, **options))
        assert of["balanced_accuracy"] == pytest.approx(
            sklearn_metrics.balanced_accuracy_score(labels, predicted, **options)
        )
        f1 = sklearn_metrics.f1_score(labels, predicted, average=None, zero_division=0, **options)
        assert list(of["f1"].values()) == pytest.approx(f1)
        assert of["macro_f1"] == pytest.approx(f1.mean())
        assert of["negative_log_likelihood"] == pytest.approx(sklearn_metrics.log_loss(labels, p, **options))
    assert got["confusion_matrix"] == sklearn_metrics.confusion_matrix(labels, predicted).tolist()


@given(st.integers(0, 10_000))
def test_scores_keep_their_range_and_do_not_depend_on_the_order(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 30)
    p = rng.dirichlet([0.2, 0.2, 0.2], 30)
    area = rng.uniform(0.1, 1, 30)
    got = scores(p, labels, classes=CLASSES, area=area)
    order = rng.permutation(30)
    shuffled = scores(p[order], labels[order], classes=CLASSES, area=area[order])
    for name, score in SCORES.items():
        if name != "f1":
            assert score.minimum <= got[name] <= score.maximum
            assert shuffled[name] == pytest.approx(got[name])
            assert shuffled["area_weighted"][name] == pytest.approx(got["area_weighted"][name])


def test_perfect_and_worst_predictions():
    labels = np.array([0, 1, 2, 1])
    perfect = scores(np.eye(3)[labels], labels, classes=CLASSES)
    worst = scores(np.eye(3)[(labels + 1) % 3], labels, classes=CLASSES)
    for name, score in SCORES.items():
        best, worst_possible = score.perfect, score.minimum if score.higher_is_better else score.maximum
        values = (perfect[name], worst[name]) if name != "f1" else (perfect["f1"]["MD"], worst["f1"]["MD"])
        assert values == pytest.approx((best, worst_possible)), name
    assert worst["negative_log_likelihood"] == pytest.approx(-np.log(FLOOR))


def test_a_regime_that_is_nowhere_has_no_f1():
    got = scores(np.eye(3)[[0, 0, 1]], np.array([0, 1, 1]), classes=CLASSES)
    assert got["f1"]["NL"] is None
    assert got["macro_f1"] == pytest.approx(2 / 3)
    assert got["balanced_accuracy"] == pytest.approx(0.75)
    assert got["confusion_matrix"][2] == [0, 0, 0]


@pytest.mark.parametrize(
    ("p", "labels", "message"),
    [
        (np.full((2, 2), 0.5), [0, 1], "shape .2, 2.*MD, TR, NL"),
        (np.full((2, 3), 1 / 3), [0, 3], "Labels run from 0 to 3; expected 0 to 2"),
        (np.full((2, 3), 1 / 3), [0, -1], "Leave out cells without a label"),
        (np.full((2, 3), np.nan), [0, 1], "without NaN"),
        (np.array([[2.0, -1.0, 0.0]]), [0], "run from -1.0 to 2.0"),
        (np.empty((0, 3)), [], "at least one"),
    ],
)
def test_bad_input(p, labels, message):
    with pytest.raises(NetworkError, match=message):
        scores(p, np.array(labels, dtype=int), classes=CLASSES)
