"""Folds know nothing of the basin that they leave out, and predict it as they would alone."""

import pickle
import pickletools

import numpy as np
import pytest
import xarray as xr

from tests.networks.conftest import as_regimes
from thor.core.variables import FEATURES, variable
from thor.networks.baselines import BASELINES
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.cross_validation import (
    cross_validate,
    error_correlations,
    feature_group_worth,
    left_out_predictions,
    train_folds,
)
from thor.networks.predictor import AVERAGE
from thor.networks.settings import BoostingSettings, CrossValidationSettings, SplitSettings, TrainingSettings
from thor.networks.skill import region_scores
from thor.networks.split import basin_folds
from thor.ocean.basins import basin_names, in_basin

TRAINING = TrainingSettings(n_networks=2, hidden=(12,), batch_size=64, learning_rate=1e-2, epochs=8)
BASINS = ("pacific_ocean", "southern_ocean")


def folds_of(features, regimes):
    splits = basin_folds(features, regimes, SplitSettings(), basins=BASINS, without_test=True)
    options = {"names": FEATURES, "training": TRAINING, "boosting": BoostingSettings(), "seed": 0}
    return list(train_folds(features, regimes, splits, **options))


@pytest.fixture(scope="module")
def folds(made_features, made_regimes):
    return folds_of(made_features, made_regimes)


def test_labels_of_a_left_out_basin_and_of_the_test_region_change_nothing(folds, made_features, made_regimes):
    codes = {name: code for code, name in basin_names().items()}
    lon = made_features["lon"].values
    hidden = (made_features["basin"].values == codes["pacific_ocean"]) | ((lon >= 280) | (lon < 20))
    labelled = made_regimes["regime"].values >= 0
    spoilt = made_regimes["regime"].copy(data=np.where(hidden & labelled, 0, made_regimes["regime"]).astype("int8"))
    again = folds_of(made_features, made_regimes.assign(regime=spoilt))
    for kernel, other in zip(folds[0].stack.kernels, again[0].stack.kernels, strict=True):
        np.testing.assert_array_equal(kernel, other)
    assert not np.array_equal(folds[1].stack.kernels[0], again[1].stack.kernels[0])


def test_all_predictors_learn_what_holds_elsewhere(folds, made_features, made_regimes):
    for fold, basin in zip(folds, BASINS, strict=True):
        assert fold.basin == basin
        test = fold.samples(made_features, made_regimes).with_role("test")
        assert {basin_names()[code] for code in np.unique(test.basin)} == {basin}
        assert not (((test.lon >= 280) | (test.lon < 20)) & (test.lat > -90)).any()
        found = fold.probabilities(test)
        assert set(found) == {"ensemble", AVERAGE, *BASELINES}
        np.testing.assert_allclose(found[AVERAGE], 0.5 * (found["ensemble"] + found["gradient_boosting"]), atol=1e-6)
        right = {name: (p.argmax(axis=1) == test.labels).mean() for name, p in found.items()}
        assert min(right["ensemble"], right["gradient_boosting"]) > right["majority"] + 0.1


def test_a_regime_that_no_other_ocean_has_gets_about_no_probability_and_counts_as_wrong(made_features, made_regimes):
    southern = in_basin(made_features["basin"], "southern_ocean").values
    regime = np.where((made_regimes["regime"] == 3) & ~southern, 2, made_regimes["regime"]).astype("int8")
    regimes = as_regimes(made_features, regime)
    splits = basin_folds(
        made_features, regimes, SplitSettings(reflect=False, rescale=False), basins=BASINS[1:], without_test=True
    )
    options = {"names": FEATURES, "training": TRAINING, "boosting": BoostingSettings(), "seed": 0}
    predictions = left_out_predictions(train_folds(made_features, regimes, splits, **options), made_features, regimes)
    test, found = predictions["southern_ocean"]
    unknown = test.labels == 3
    assert unknown.mean() > 0.05
    for name, probability in found.items():
        assert probability[:, 3].mean() < 0.03, name
        entry = region_scores({name: probability}, test, regions={"all": unknown | ~unknown, "unknown": unknown})[name]
        assert entry["unknown"]["accuracy"] == entry["all"]["f1"]["TR"] == 0
    assert not found["gradient_boosting"][:, 3].any()
    known = (found["average"].argmax(axis=1) == test.labels)[~unknown]
    assert known.mean() > 0.5


def test_the_pickle_is_the_same_in_every_process(folds):
    """A set of names would be written in an order that changes from process to process."""
    written = pickle.dumps(folds[0])
    assert not {"EMPTY_SET", "FROZENSET"} & {code.name for code, *_ in pickletools.genops(written)}
    again = pickle.loads(written)
    xr.testing.assert_identical(again.split, folds[0].split)
    assert again.basin == folds[0].basin


def test_correlations_are_those_of_the_errors(folds, made_features, made_regimes):
    """A predictor that is wrong in one half of each basin has errors that reach farther than random ones."""
    cells = []
    rng = np.random.default_rng(0)
    for fold in folds:
        test = fold.samples(made_features, made_regimes).with_role("test")
        wrong = {"half": test.lon < np.median(test.lon), "random": rng.random(len(test)) < 0.5}
        n_classes = len(test.classes)
        cells.append((test, {name: np.eye(n_classes)[(test.labels + of) % n_classes] for name, of in wrong.items()}))
    found = error_correlations(cells, seed=0)
    where = cells[0][0].lat, cells[0][0].lon
    assert found["half"].effective_cells(*where) < 0.05 * found["random"].effective_cells(*where)


def test_every_basin_is_tested_once_by_what_was_trained_elsewhere(made_features, made_regimes):
    table = cross_validate(
        made_features,
        made_regimes,
        settings=CrossValidationSettings(
            features="published",
            training=TrainingSettings(n_networks=3, hidden=(16,), batch_size=64, learning_rate=1e-2, epochs=15),
            boosting=BoostingSettings(max_iter=20, learning_rate=0.3),
            bootstrap=BootstrapSettings(n_bootstrap=20),
        ),
        seed=0,
    )
    assert set(table) == {"ensemble", AVERAGE, *BASELINES}
    codes = {name: code for code, name in basin_names().items()}
    labelled = (made_regimes["regime"].values >= 0) & (made_features["valid"].values == 1)
    for predictor, basins in table.items():
        assert set(basins) == {f"{ocean}_ocean" for ocean in ("atlantic", "pacific", "indian", "southern", "arctic")}
        for basin, entry in basins.items():
            inside = labelled & (made_features["basin"].values == codes[basin])
            # what the buffer takes, it takes from training cells, not from the basin that is tested
            assert entry["n_cells"] == inside.sum(), (predictor, basin)
    # regimes are functions of the features: what learned them knows them in a basin it has not seen
    for basin in ("pacific_ocean", "atlantic_ocean"):
        assert table["ensemble"][basin]["accuracy"] > table["majority"][basin]["accuracy"] + 0.2
        assert "gradient_boosting" in table["ensemble"][basin]["difference_to"]


def test_an_informative_group_adds_more_skill_than_noise_and_the_test_region_is_not_used(made_features, made_regimes):
    rng = np.random.default_rng(0)
    valid = made_features["valid"] == 1
    # regimes independent of the published features; in the test region they are spoilt once
    labelled = made_regimes["regime"].values >= 0
    drawn = rng.integers(0, 1 + made_regimes["regime"].values.max(), size=labelled.shape)
    lon = made_features["lon"].values
    atlantic = np.broadcast_to((lon >= 280) | (lon < 20), labelled.shape)

    def regimes_of(values):
        field = made_regimes["regime"].copy(data=np.where(labelled, values, -1).astype("int8"))
        return made_regimes.assign(regime=field)

    regimes, spoilt = regimes_of(drawn), regimes_of(np.where(atlantic, 0, drawn))
    informative = (regimes["regime"] + 0.05 * rng.normal(size=valid.shape)).where(valid)
    noise = (0 * informative + rng.normal(size=valid.shape)).where(valid)
    extended = {"zos_deptho_jacobian": informative, "zos_mean_300km": noise}
    features = made_features.assign(
        {name: field.assign_attrs(variable(name).attrs) for name, field in extended.items()}
    )
    settings = CrossValidationSettings(
        split=SplitSettings(reflect=False, rescale=False),  # drawn regimes have no symmetry
        training=TrainingSettings(n_networks=2, hidden=(12,), batch_size=64, learning_rate=1e-2, epochs=10),
        boosting=BoostingSettings(max_iter=20, learning_rate=0.3),
        bootstrap=BootstrapSettings(n_bootstrap=20),
    )
    table = feature_group_worth(features, regimes, settings=settings, seed=0)
    assert table.equals(feature_group_worth(features, spoilt, settings=settings, seed=0))
    scores = table.set_index(["features", "predictor"])
    assert set(table["features"]) == {
        "published",
        "published + jacobian",
        "published + around zos",
        "all",
        "all - jacobian",
        "all - around zos",
    }
    assert (scores.loc["published", "difference"] == 0).all()
    for predictor in ("ensemble", "gradient_boosting", AVERAGE):
        gain = scores.loc[("published + jacobian", predictor)]
        assert gain["difference"] > 0.3
        assert gain["low"] > 0
        assert scores.loc[("published + around zos", predictor), "difference"] < 0.5 * gain["difference"]
        assert scores.loc[("all", predictor), "n_features"] == 10
        assert scores.loc[("published", predictor), "n_cells"] < int(valid.sum())
    assert gain["accuracy"] == pytest.approx(scores.loc[("published", predictor), "accuracy"] + gain["difference"])
