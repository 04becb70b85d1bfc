"""Leave one basin out: every basin is tested once, by predictors trained without it."""

import numpy as np
import pytest

from thor.core.variables import variable
from thor.networks.baselines import BASELINES
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.cross_validation import cross_validate, feature_group_worth
from thor.networks.predictor import AVERAGE
from thor.networks.settings import BoostingSettings, CrossValidationSettings, SplitSettings, TrainingSettings
from thor.ocean.basins import basin_names


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
        split=SplitSettings(reflect=False),  # drawn regimes have no symmetry
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
