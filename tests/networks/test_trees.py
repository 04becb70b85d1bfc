"""Trees as arrays give what scikit-learn gives."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from thor.core.errors import NetworkError
from thor.networks.predictor import Boosting, softmax
from thor.networks.trees import BoostedTrees


def fitted(inputs, labels, **changes):
    settings = {"max_iter": 20, "max_leaf_nodes": 8, "min_samples_leaf": 5, "early_stopping": False} | changes
    return HistGradientBoostingClassifier(**settings, random_state=0).fit(inputs, labels)


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    # Rounded, so that many values are equal to thresholds.
    inputs = np.round(rng.normal(size=(3000, 5)), 1).astype("float32")
    return inputs, (inputs[:, 0] + inputs[:, 1] * inputs[:, 2] > 0) + 2 * (inputs[:, 3] > 0.5)


@pytest.mark.parametrize("leaves", [2, 5, 8])
def test_probabilities_are_those_of_scikit_learn(cells, leaves):
    inputs, labels = cells
    model = fitted(inputs, labels, max_leaf_nodes=leaves)
    found = softmax(BoostedTrees.of(model).logits(inputs))
    np.testing.assert_allclose(found, model.predict_proba(inputs), atol=1e-6)


def test_thresholds_themselves_are_sent_to_the_left(cells):
    inputs, labels = cells
    model = fitted(inputs, labels)
    trees = BoostedTrees.of(model)
    at = np.zeros((0, 5), "float32")
    for column, thresholds in zip(trees.columns, trees.thresholds, strict=True):
        some = np.zeros((len(thresholds), 5), "float32")
        some[:, column] = thresholds
        at = np.concatenate([at, some])
    np.testing.assert_allclose(softmax(trees.logits(at)), model.predict_proba(at), atol=1e-6)


def test_two_classes_have_the_trees_of_one(cells):
    inputs, labels = cells
    model = fitted(inputs, labels // 2)
    boosting = Boosting(BoostedTrees.of(model), (1, 3), tuple("abcde"), tuple("ABCD"))
    found = boosting.probabilities(inputs)
    np.testing.assert_allclose(found[:, [1, 3]], model.predict_proba(inputs), atol=1e-6)
    assert not found[:, [0, 2]].any()


def test_inputs_without_influence_need_no_table(cells):
    inputs, labels = cells
    constant = inputs.copy()
    constant[:, [1, 4]] = 0
    model = fitted(constant, labels)
    trees = BoostedTrees.of(model)
    assert not {1, 4} & set(trees.columns)
    np.testing.assert_allclose(softmax(trees.logits(constant)), model.predict_proba(constant), atol=1e-6)


def test_larger_trees_are_refused(cells):
    with pytest.raises(NetworkError, match="A tree has 16 leaves; expected at most 8"):
        BoostedTrees.of(fitted(*cells, max_leaf_nodes=16, max_iter=1))
