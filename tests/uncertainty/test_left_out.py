"""Cells of left-out basins come with all kinds of networks, which see as much as those of the fold."""

import numpy as np
import pytest

from thor.core.variables import FEATURES
from thor.networks.cross_validation import train_folds
from thor.networks.prediction import predict
from thor.networks.settings import BoostingSettings, SplitSettings, TrainingSettings
from thor.networks.split import basin_folds
from thor.uncertainty import left_out
from thor.uncertainty.laplace import fit_laplace
from thor.uncertainty.left_out import N_DRAWS, left_out_basins
from thor.uncertainty.settings import BayesianSettings, LaplaceSettings


@pytest.fixture(scope="module")
def folds(made_features, made_regimes):
    splits = basin_folds(
        made_features, made_regimes, SplitSettings(), basins=("pacific_ocean", "indian_ocean"), without_test=True
    )
    training = TrainingSettings(n_networks=2, hidden=(12,), batch_size=64, learning_rate=1e-2, epochs=8)
    options = {"names": FEATURES, "training": training, "boosting": BoostingSettings(), "seed": 0}
    return list(train_folds(made_features, made_regimes, splits, **options))


def basins_of(folds, features, regimes):
    return left_out_basins(
        folds,
        features,
        regimes,
        bayesian=BayesianSettings(hidden=(12,), n_starts=3, epochs=12, warmup_epochs=2),
        laplace=LaplaceSettings(candidates=(30.0, 300.0), n_select_draws=5),
        seed=0,
    )


def test_every_predictor_predicts_the_basin_it_did_not_see(folds, made_features, made_regimes):
    found = basins_of(folds, made_features, made_regimes)
    assert list(found) == ["pacific_ocean", "indian_ocean"]
    for fold, cells in zip(folds, found.values(), strict=True):
        test = fold.samples(made_features, made_regimes).with_role("test")
        np.testing.assert_array_equal(cells.samples.index, test.index)
        majority = np.bincount(test.labels).max() / len(test)
        members = {"average": 2, "ensemble": 2, "gradient_boosting": 1, "bayesian": N_DRAWS, "laplace": N_DRAWS}
        assert {name: predictor.n_members for name, predictor in cells.predictors.items()} == members
        for name in members:
            right = cells.probabilities_at(name)(1.0).argmax(axis=1) == test.labels
            assert right.mean() > majority, name
        warm = cells.probabilities_at("ensemble")(2.5)
        np.testing.assert_allclose(warm, predict(fold.stack, cells.inputs, temperature=2.5).mean, atol=1e-6)


@pytest.mark.parametrize("weighted_by", [(), ("area",), ("area", "confidence")])
def test_the_laplace_approximation_weights_cells_as_the_networks(
    folds, made_features, made_regimes, monkeypatch, weighted_by
):
    splits = {fold.basin: fold.split for fold in folds}
    weighting = {f"{name}_weights": True for name in weighted_by}
    training = TrainingSettings(n_networks=1, hidden=(4,), epochs=1, **weighting)
    options = {"names": FEATURES, "training": training, "boosting": BoostingSettings(max_iter=1), "seed": 0}
    weighted = list(train_folds(made_features, made_regimes, splits, **options))
    networks, weights = [], []

    def recorded(stack, train, *others, **settings):
        networks.append(stack)
        weights.append(train.sample_weights())
        return fit_laplace(stack, train, *others, **settings)

    monkeypatch.setattr(left_out, "fit_laplace", recorded)
    basins_of(weighted, made_features, made_regimes)
    of_cells = {"area": lambda cells: cells.area, "confidence": lambda cells: cells.confidence}
    for fold in weighted:
        cells = fold.samples(made_features, made_regimes).to_train()
        expected = np.prod([np.ones(len(cells)), *(of_cells[name](cells) for name in weighted_by)], axis=0)
        (place,) = (number for number, stack in enumerate(networks) if stack is fold.stack)
        np.testing.assert_allclose(weights[place], expected / expected.mean(), rtol=1e-6)


def test_many_cells_are_drawn_in_proportion(folds, made_features, made_regimes, monkeypatch):
    whole = {name: len(cells.samples) for name, cells in basins_of(folds, made_features, made_regimes).items()}
    monkeypatch.setattr(left_out, "LARGEST_NUMBER", 200)
    few = {name: cells.samples for name, cells in basins_of(folds, made_features, made_regimes).items()}
    for name, cells in few.items():
        assert len(cells) == pytest.approx(200 * whole[name] / sum(whole.values()), abs=1)
        assert len(np.unique(cells.index)) == len(cells)
