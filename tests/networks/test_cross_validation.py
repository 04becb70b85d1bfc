"""Leave one basin out: every basin is tested once, by predictors that have not seen it."""

from thor.networks.baselines import BASELINES
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.cross_validation import cross_validate
from thor.networks.settings import SplitSettings, TrainingSettings
from thor.ocean.basins import basin_names


def test_every_basin_is_tested_once_by_what_was_trained_elsewhere(made_features, made_regimes):
    table = cross_validate(
        made_features,
        made_regimes,
        feature_set="published",
        split=SplitSettings(),
        training=TrainingSettings(n_networks=3, hidden=(16,), batch_size=64, learning_rate=1e-2, epochs=15),
        bootstrap=BootstrapSettings(n_bootstrap=20),
        seed=0,
    )
    assert set(table) == {"ensemble", *BASELINES}
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
