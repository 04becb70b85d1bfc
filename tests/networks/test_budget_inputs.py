"""Networks and trees that see the terms of the vorticity budget alone."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from thor.core.variables import FEATURES
from thor.networks.baselines import fit_baselines
from thor.networks.prediction import predict
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings, TrainingSettings
from thor.networks.training import initial_stack, train_stack
from thor.networks.training_data import Table, budget_inputs
from thor.networks.trees import BoostedTrees

TERMS = ("wind_stress_curl", "geostrophic_planetary_advection", "geostrophic_pressure_torque")
NAMES = (*FEATURES, *TERMS[1:])
CLASSES = ("negative", "positive")
SETTINGS = TrainingSettings(hidden=(12,), n_networks=4, batch_size=64, learning_rate=1e-2, epochs=20)


def made_ocean(depth_sign, seed):
    """Return scaled inputs and the sign of a sum of terms, known with an error; depth gives it, up to its own sign."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(2000, len(NAMES))).astype("float32")
    total = inputs[:, [NAMES.index(name) for name in TERMS]].sum(axis=1)
    inputs[:, NAMES.index("deptho")] = depth_sign * total
    inputs[:, NAMES.index("wind_stress_curl")] += rng.normal(size=2000, scale=0.3)
    return inputs, (total > 0).astype(int)


@pytest.fixture(scope="module")
def taught():
    return made_ocean(1, seed=0)


@pytest.fixture(scope="module")
def elsewhere():
    return made_ocean(-1, seed=1)


def trained(cells, share, **changes):
    settings = SETTINGS.replace(budget_share=share, **changes)
    table = Table(*cells)
    return train_stack(table, table, features=NAMES, classes=CLASSES, settings=settings, seed=0, progress=False).stack


def right(stack, cells):
    """Return the share of cells that each network has right."""
    return np.array([(predict(stack.select([k]), cells[0]).mean.argmax(axis=1) == cells[1]).mean() for k in range(4)])


def boosted(samples, cells, share):
    inputs, labels = cells
    samples = replace(
        samples.take(np.arange(len(labels))), inputs=inputs, labels=labels, features=NAMES, classes=CLASSES
    )
    scaler = FeatureScaler(NAMES, ("1",) * len(NAMES), np.zeros(len(NAMES)), np.ones(len(NAMES)))
    settings = BoostingSettings(max_iter=40, budget_share=share)
    return fit_baselines(samples.with_similar(()), scaler, boosting=settings, seed=0).boosting


def test_the_terms_are_the_features_in_their_units():
    assert budget_inputs(NAMES) == TERMS
    transports = ("coriolis_parameter", "wind_stress_curl", "transport_planetary_advection_mean_100km")
    assert budget_inputs(transports) == transports[1:]
    for alone in (FEATURES, (*FEATURES, "wind_stress_curl_mean_200km"), ("x", "y")):
        assert budget_inputs(alone) == alone


def test_every_other_network_sees_the_terms_alone_and_the_rest_is_as_before(taught):
    """Network k is the same as without the share, or sees nothing but the terms; a share of a third is every third."""
    mixed, before = trained(taught, 0.5), trained(taught, 0.0)
    unseen = [k for k, name in enumerate(NAMES) if name not in TERMS]
    for network in range(4):
        kernel = mixed.kernels[0][network]
        if network % 2:
            assert not kernel[unseen].any()
            assert kernel[[NAMES.index(name) for name in TERMS]].all()
        else:
            for layer, other in zip(mixed.kernels, before.kernels, strict=True):
                np.testing.assert_array_equal(layer[network], other[network])
    thirds = initial_stack(NAMES, CLASSES, SETTINGS.replace(n_networks=9, budget_share=1 / 3), seed=0).kernels[0]
    assert [bool(kernel[unseen].any()) for kernel in thirds] == [True, True, False] * 3


def test_networks_keep_what_holds_elsewhere(taught, elsewhere):
    stack = trained(taught, 0.5, l2=1e-4)
    here, there = right(stack, taught), right(stack, elsewhere)
    assert here.min() > 0.9
    assert there[[1, 3]].min() > 0.9
    assert there[[0, 2]].max() < 0.5


def test_trees_of_the_terms_have_their_share_in_the_logits(made_samples, taught, elsewhere):
    parts = [boosted(made_samples, taught, share) for share in (0.0, 1.0)]
    mean = boosted(made_samples, taught, 0.25)
    logits = [boosting.trees.logits(elsewhere[0]) for boosting in (*parts, mean)]
    np.testing.assert_allclose(logits[2], 0.75 * logits[0] + 0.25 * logits[1], atol=1e-5)
    assert {NAMES[column] for column in parts[1].trees.columns} == set(TERMS)
    accuracy = [(b.probabilities(elsewhere[0]).argmax(axis=1) == elsewhere[1]).mean() for b in parts]
    assert accuracy[0] < 0.5
    assert accuracy[1] > 0.9


@pytest.mark.parametrize("n_classes", [2, 4])
def test_models_of_different_columns_are_added_up(taught, n_classes):
    inputs, labels = taught
    labels = labels + (2 * (inputs[:, 0] > 0) if n_classes == 4 else 0)
    columns = [[0, 8, 9], [3, 4, 0]]
    models = [
        HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=8, early_stopping=False, random_state=0).fit(
            inputs[:, chosen], labels
        )
        for chosen in columns
    ]
    found = BoostedTrees.of(*models, columns=columns, shares=(0.7, 0.3)).logits(inputs)
    raw = [model.decision_function(inputs[:, chosen]) for model, chosen in zip(models, columns, strict=True)]
    np.testing.assert_allclose(found.squeeze(), 0.7 * raw[0] + 0.3 * raw[1], atol=1e-5)
