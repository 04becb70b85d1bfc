"""Shapley values and LIME of boosting and of the average: beside enumeration, shap, lime and the path of networks."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from tests.attribution.conftest import REGIMES, make_stack, values_of
from tests.made_fields import make_features
from thor.attribution.attributions import attribute
from thor.attribution.coalitions import coalitions, shapley_weights
from thor.attribution.explanations import explain_cells
from thor.attribution.methods.lime import Lime, LimeSettings
from thor.attribution.methods.relevance import RelevancePropagation, RelevanceSettings
from thor.attribution.methods.shapley_values import ShapleySettings, ShapleyValues
from thor.attribution.players import membership
from thor.attribution.targets import target_values
from thor.attribution.tree_shapley import TreeShapley
from thor.core.errors import AttributionError, NetworkError
from thor.core.variables import FEATURES, variable
from thor.networks.inputs import cell_inputs
from thor.networks.prediction import member_logits
from thor.networks.predictor import Average, Boosting
from thor.networks.scaler import FeatureScaler
from thor.networks.trees import BoostedTrees

FIVE = FEATURES[:5]


def shapley(reference, **settings):
    return ShapleyValues(reference=reference, settings=ShapleySettings(**settings))


def boosting_of(features, n_classes=3, known=None, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(1500, len(features))).astype(np.float32)
    score = inputs[:, 0] + inputs[:, 1] * inputs[:, 2] + 0.5 * inputs[:, 3] ** 2 + 0.3 * rng.normal(size=1500)
    labels = np.digitize(score, np.quantile(score, np.arange(1, n_classes) / n_classes))
    model = HistGradientBoostingClassifier(max_iter=25, max_leaf_nodes=8, early_stopping=False, random_state=0)
    model.fit(inputs, labels)
    return Boosting(BoostedTrees.of(model), known or tuple(range(n_classes)), tuple(features), REGIMES), model


@pytest.fixture(scope="module")
def boosting():
    return boosting_of(FIVE)[0]


@pytest.fixture(scope="module")
def average(boosting):
    return Average(make_stack(n_networks=4, sizes=(5, 12, 7, 3), features=FIVE, alike=0.5), boosting)


@pytest.fixture(scope="module")
def cells():
    """Samples, explained regimes and reference rows of five features."""
    rng = np.random.default_rng(4)
    return (
        rng.normal(size=(30, 5)).astype(np.float32),
        rng.integers(0, 3, 30),
        rng.normal(0.3, 1.2, size=(24, 5)).astype(np.float32),
    )


def enumerated(predictor, inputs, regime, reference, holds=None):
    """Return Shapley values from the mean target of all coalitions, (n_members, n_samples, n_players)."""
    inside = coalitions(5 if holds is None else len(holds))
    inside = inside if holds is None else inside @ holds
    values = []
    for row, k in zip(inputs, regime, strict=True):
        states = np.where(inside[:, None], row, reference).reshape(-1, len(row))
        targets = target_values(
            member_logits(predictor, states).astype(float), np.full(len(states), k), "centred_logit"
        )
        values.append(targets.reshape(len(targets), len(inside), -1).mean(axis=2))
    return np.stack(values, axis=1) @ shapley_weights(int(np.log2(len(inside)))).T


def test_values_of_boosting_are_those_of_all_coalitions(boosting, cells):
    inputs, regime, reference = cells
    values, shares = values_of(shapley(reference), boosting, inputs, regime)
    np.testing.assert_allclose(values, enumerated(boosting, *cells), atol=1e-5)
    assert np.abs(shares["remainder"]).max() < 1e-12
    assert shares["converged"].all()
    groups = {"wind": FIVE[:1], "height": FIVE[1:4], "depth": FIVE[4:]}
    values, _ = values_of(shapley(reference, groups=groups), boosting, inputs, regime)
    np.testing.assert_allclose(values, enumerated(boosting, *cells, membership(groups, FIVE)), atol=1e-5)


def test_values_of_boosting_are_those_of_shap(cells):
    import shap

    inputs, regime, reference = cells
    boosting, model = boosting_of(FIVE)
    theirs = shap.TreeExplainer(model, reference.astype(float), feature_perturbation="interventional")
    expected = theirs.shap_values(inputs.astype(float), check_additivity=False)
    of_trees = TreeShapley(boosting.trees, reference, np.eye(5, dtype=bool)).values(inputs)
    np.testing.assert_allclose(np.moveaxis(of_trees, 1, 2), expected, atol=1e-5)
    centred = (expected - expected.mean(axis=2, keepdims=True))[np.arange(30), :, regime]
    values, _ = values_of(shapley(reference), boosting, inputs, regime)
    np.testing.assert_allclose(values[0], centred, atol=1e-5)


def test_two_regimes_have_opposite_values(cells):
    inputs, _, reference = cells
    two = replace(boosting_of(FIVE, n_classes=2)[0], classes=REGIMES[:2])
    first, second = (values_of(shapley(reference), two, inputs, np.full(30, k))[0] for k in (0, 1))
    np.testing.assert_allclose(first, -second, atol=1e-12)
    np.testing.assert_allclose(second, enumerated(two, inputs, np.ones(30, int), reference), atol=1e-5)


def test_boosting_without_a_regime_is_sampled_and_close_to_all_coalitions(cells):
    inputs, regime, reference = cells
    partial = boosting_of(FIVE, n_classes=2, known=(0, 2))[0]
    exact, _ = values_of(shapley(reference, method="exact"), partial, inputs, regime)
    np.testing.assert_allclose(exact, enumerated(partial, *cells), atol=1e-4)
    (block,) = shapley(reference, max_pairs=400, tolerance=0.01).explain(partial, inputs, regime)
    size = np.sqrt((exact**2).mean())
    assert np.sqrt(((block.values - exact) ** 2).mean()) < 0.1 * size
    assert np.abs(block.shares["remainder"]).max() < 1e-3


def test_trees_of_an_earlier_version_are_refused(boosting, cells):
    # They kept the last leaf of every tree, wherever a sample was sent.
    last = np.uint8(0b1000_0000)
    old = replace(boosting.trees, remaining=tuple(table | last for table in boosting.trees.remaining))
    with pytest.raises(AttributionError, match="fitted by an earlier version.*Run modelling again"):
        TreeShapley(old, cells[2], np.eye(5, dtype=bool))


def test_exact_values_of_the_average_are_those_of_all_coalitions(average, cells):
    inputs, regime, reference = cells
    values, shares = values_of(shapley(reference, method="exact"), average, inputs[:10], regime[:10])
    np.testing.assert_allclose(values, enumerated(average, inputs[:10], regime[:10], reference), atol=1e-4)
    np.testing.assert_allclose(values.sum(axis=2), shares["target"] - shares["expectation"], atol=1e-10)


def test_sampled_values_of_the_average_add_up_and_are_within_their_error(average, cells):
    inputs, regime, reference = cells
    exact = enumerated(average, *cells).mean(axis=0)
    (block,) = shapley(reference, max_pairs=40, tolerance=1e-9).explain(average, inputs, regime)
    assert np.abs(block.shares["remainder"]).max() < 1e-4
    deviation = block.values.mean(axis=0) - exact
    # Members and pairs use every row several times: the error is an upper bound.
    assert 0.2 < np.sqrt((deviation**2).mean() / (block.standard_error**2).mean()) < 1.2


@dataclass(frozen=True, eq=False)
class Wrapped:
    """Networks that are known as a predictor only."""

    stack: object

    features = property(lambda self: self.stack.features)
    classes = property(lambda self: self.stack.classes)
    n_members = property(lambda self: self.stack.n_members)

    def logit_blocks(self, inputs, block_bytes):
        return self.stack.logit_blocks(inputs, block_bytes)

    def logits_of_each(self, inputs):
        return self.stack.logits_of_each(inputs)


@pytest.mark.parametrize("target", ["centred_logit", "probability"])
def test_networks_as_any_predictor_have_the_values_of_networks(stack, inputs, regime, target):
    reference = np.random.default_rng(5).normal(0.3, 1.2, size=(40, 8)).astype(np.float32)
    methods = [
        ShapleyValues(reference=reference, settings=ShapleySettings(tolerance=1e-9, max_pairs=6), target=target),
        ShapleyValues(reference=reference, settings=ShapleySettings(method="exact"), target=target),
        Lime(reference=reference, settings=LimeSettings(n_samples=200), target=target),
    ]
    for method in methods:
        few = slice(0, 20)
        values, shares = values_of(method, stack, inputs[few], regime[few])
        others, of_others = values_of(method, Wrapped(stack), inputs[few], regime[few])
        np.testing.assert_allclose(others, values, atol=2e-5)
        for name, share in shares.items():
            np.testing.assert_allclose(of_others[name], share, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("name", ["boosting", "average"])
def test_weights_are_those_of_lime(name, request, cells):
    from lime.lime_tabular import LimeTabularExplainer

    inputs, regime, reference = cells
    predictor = request.getfixturevalue(name)
    settings = {"discretize_continuous": False, "feature_selection": "none", "random_state": 3}
    method = Lime(reference=reference, settings=LimeSettings(n_samples=400), seed=3)
    values, _ = values_of(method, predictor, inputs[:3], regime[:3])
    for sample in range(3):

        def target(rows, k=regime[sample]):
            logits = member_logits(predictor, rows.astype(np.float32))
            return target_values(logits, np.full(len(rows), k), "centred_logit").mean(axis=0)

        explainer = LimeTabularExplainer(reference.astype(float), mode="regression", **settings)
        theirs = explainer.explain_instance(inputs[sample].astype(float), target, num_features=5, num_samples=400)
        weights = np.array([weight for _, weight in sorted(theirs.local_exp[1])])
        scaled = (inputs[sample] - reference.mean(axis=0)) / reference.std(axis=0)
        np.testing.assert_allclose(values[:, sample].mean(axis=0), weights * scaled, atol=1e-4)


def test_predictors_of_other_features_are_explained_together(cells):
    features = make_features()
    table, _ = cell_inputs(features)
    units = tuple(variable(name).units for name in FEATURES)
    scaler = FeatureScaler(FEATURES, units, table.mean(axis=0), np.maximum(table.std(axis=0), 1e-12))
    networks = make_stack(n_networks=4, sizes=(5, 12, 7, 3), features=FIVE)
    average = Average(networks, boosting_of(FEATURES[3:])[0])
    assert average.features == FEATURES
    reference = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    method = ShapleyValues(reference=reference, settings=ShapleySettings(tolerance=0.5, max_pairs=3))
    both = {"ensemble": networks, "average": average}
    found = explain_cells("shapley_values", method, both, features, scaler, regime="predicted")
    assert tuple(found["feature"].values) == FEATURES
    assert found.attrs["n_networks"] == [4, 4]
    unused = found["attribution"].sel(predictor="ensemble", feature=list(FEATURES[5:])).values
    assert set(np.unique(unused[np.isfinite(unused)])) == {0.0}
    assert (found["attribution"].sel(predictor="average", feature=FEATURES[5]) != 0).any()
    total = found["attribution"].sum("feature", skipna=False) + found["expectation"]
    np.testing.assert_allclose(total, found["explained_target"], atol=1e-3)
    of_networks = explain_cells(
        "relevance", RelevancePropagation(RelevanceSettings()), both, features, scaler, regime="predicted"
    )
    assert list(of_networks["predictor"].values) == ["ensemble"]
    assert tuple(of_networks["feature"].values) == FIVE
    unknown = replace(method, settings=ShapleySettings(groups={"wind": ["ssh"]}))
    with pytest.raises(AttributionError, match="Groups name ssh; the features are wind_stress_curl"):
        explain_cells("shapley_values", unknown, both, features, scaler, regime="predicted")
    short = FeatureScaler(FIVE, units[:5], scaler.mean[:5], scaler.scale[:5])
    with pytest.raises(NetworkError, match="unknown"):
        explain_cells("shapley_values", method, both, features, short, regime="predicted")


def test_methods_of_networks_refuse_other_predictors(average, boosting, cells):
    inputs, regime, _ = cells
    relevance = RelevancePropagation(RelevanceSettings())
    with pytest.raises(AttributionError, match="needs the layers of networks; got a Average"):
        attribute(relevance, average, inputs, regime, name="relevance")
    with pytest.raises(AttributionError, match="relevance explains networks only; got gradient_boosting"):
        explain_cells("relevance", relevance, {"gradient_boosting": boosting}, None, None, regime="predicted")
