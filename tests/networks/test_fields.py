"""Tables back to fields, learning curves to tables, and the published networks on features without datum."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.made_fields import LAND, make_features
from thor.core.errors import NetworkError
from thor.core.variables import variable
from thor.networks.fields import (
    history_table,
    label_runs,
    network_table,
    on_grid,
    predictor_rows,
    probability_fields,
    published_scaling,
    trained_weights,
)
from thor.networks.prediction import Prediction
from thor.networks.published import published_scaler

INDEX = np.flatnonzero(~LAND)


def test_values_of_cells_come_back_to_their_places():
    features = make_features()
    field = on_grid(np.arange(INDEX.size, dtype=float), INDEX, features, "predictive_entropy")
    assert field.dims == ("lat", "lon")
    assert field.attrs["units"] == variable("predictive_entropy").units == "bit"
    np.testing.assert_array_equal(field.values.ravel()[INDEX], np.arange(INDEX.size))
    assert (np.isnan(field.values) == LAND).all()
    codes = on_grid(np.ones(INDEX.size, dtype="int8"), INDEX, features, "applicable")
    assert (codes.values[LAND] == -1).all()
    assert codes.dtype == np.int8


def test_probabilities_are_fields_over_regimes_with_the_most_probable():
    mean = np.random.default_rng(0).dirichlet([1, 1, 1], size=INDEX.size)
    fields = probability_fields(Prediction(mean, 0.1 * mean), INDEX, make_features(), ("A", "B", "C"))
    assert fields["regime_probability"].dims == ("regime", "lat", "lon")
    regime = fields["regime"]
    assert regime.attrs["flag_meanings"] == "A B C"
    np.testing.assert_array_equal(regime.values.ravel()[INDEX], mean.argmax(axis=1))
    assert (regime.values[LAND] == -1).all()


def history():
    loss = np.array([[3.0, 2.0], [1.0, np.nan]])
    return xr.Dataset(
        {
            "train_loss": (("epoch", "network"), loss),
            "select_loss": (("epoch", "network"), loss + 1),
            "best_epoch": ("network", [1, 0]),
            "n_epochs": ("network", [2, 1]),
        },
        coords={"epoch": [0, 1], "network": [0, 1]},
    )


def test_learning_curves_end_where_a_network_stopped():
    table = history_table(history(), predictor="ensemble")
    assert list(zip(table["epoch"], table["network"], strict=True)) == [(0, 0), (0, 1), (1, 0)]
    assert list(table["best_epoch"]) == [1, 0, 1]
    assert set(table["predictor"]) == {"ensemble"}


def test_networks_that_were_not_trained_here_have_no_learning_curves():
    table = history_table(xr.Dataset(), predictor="ensemble")
    assert len(table) == 0
    assert {"predictor", "network", "epoch", "train_loss", "best_epoch"} <= set(table)


@pytest.mark.parametrize("weighted_by", [(), ("area",), ("area", "confidence")])
def test_the_weights_of_the_training_come_back(weighted_by, tmp_path):
    table = history_table(history(), predictor="ensemble", weighted_by=weighted_by)
    table.to_csv(tmp_path / "history.csv", index=False)
    assert trained_weights(pd.read_csv(tmp_path / "history.csv")) == weighted_by
    assert trained_weights(history_table(xr.Dataset(), predictor="ensemble", weighted_by=weighted_by)) == ()


def test_label_runs_come_back_by_network(caplog):
    table = history_table(history(), predictor="ensemble")
    assert label_runs(table) is None
    learned = history().assign(label_run=("network", [5, 5]))
    np.testing.assert_array_equal(label_runs(history_table(learned, predictor="ensemble")), [5, 5])
    table["label_run"] = 5
    np.testing.assert_array_equal(label_runs(table), [5, 5])
    table["label_run"] = np.array([5, 3])[table["network"]]
    assert label_runs(table) is None
    assert "2 networks trained on as many clustering runs" in caplog.text


def test_each_network_is_one_row_with_its_scores_by_region():
    scores = pd.DataFrame(
        {"network": [0, 1, 0, 1], "region": ["train", "train", "test", "test"], "accuracy": [0.9, 0.8, 0.7, 0.6]}
    )
    table = network_table(scores, predictor="ensemble", history=history_table(history(), predictor="x"), settings="s")
    assert list(table["network"]) == [0, 1]
    assert list(table["test.accuracy"]) == [0.7, 0.6]
    assert list(table["train.accuracy"]) == [0.9, 0.8]
    assert list(table["best_epoch"]) == [1, 0]
    given = network_table(scores, predictor="ensemble", history=pd.DataFrame(columns=["network"]), settings="published")
    assert given["best_epoch"].isna().all()


def test_a_table_of_scores_becomes_rows():
    skill = {"majority": {"test": {"accuracy": 0.25, "n_cells": 4, "f1": {"A": 0.1}}}}
    (row,) = predictor_rows(skill).to_dict(orient="records")
    assert row["predictor"] == "majority"
    assert row["test.accuracy"] == 0.25
    assert "test.f1" not in row


def test_the_published_scaler_follows_the_datum_of_sea_level():
    features = make_features()
    features["zos"].attrs["removed_mean"] = 0.08
    place = published_scaler().features.index("zos")
    assert published_scaling(features).mean[place] == pytest.approx(published_scaler().mean[place] - 0.08)
    others = np.arange(8) != place
    np.testing.assert_array_equal(published_scaling(features).mean[others], published_scaler().mean[others])


def test_regimes_of_other_names_are_not_compared_with_the_published(tmp_path):
    from tests.datasets.test_networks import stack
    from thor.networks.fields import published_probabilities

    class Cells:
        classes, features = ("X", "Y", "Z"), ("zos", "deptho")

    with pytest.raises(NetworkError, match="compare_published: false"):
        published_probabilities(stack(), Cells(), published_scaler())
