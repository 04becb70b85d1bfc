"""Fields of attributions, and their summaries by regime and area."""

import numpy as np
import pytest
import xarray as xr

from tests.made_fields import make_features
from thor.attribution.attributions import STATISTICS, Attributions
from thor.attribution.fields import attribution_fields, nearest_cell, regime_summary, weighted_quantiles
from thor.core.contracts import check
from thor.core.variables import FEATURES
from thor.networks.inputs import cell_inputs


@pytest.fixture(scope="module")
def made():
    features = make_features()
    _, index = cell_inputs(features)
    rng = np.random.default_rng(0)
    statistics = {name: rng.random((index.size, 8)).astype(np.float32) for name in STATISTICS}
    target = rng.random(index.size).astype(np.float32)
    found = Attributions(
        FEATURES,
        np.ones((3, 8), bool),
        **statistics,
        shares={"target": target, "expectation": target},
        largest_remainder=0.5,
    )
    regime = rng.integers(0, 2, index.size)
    fields = attribution_fields({"ensemble": found}, {"ensemble": regime}, index, features, classes=("MD", "TR"))
    return features, index, found, regime, fields


def test_every_value_is_in_its_cell(made):
    _, index, found, regime, fields = made
    check(fields, "attributions", where="here")
    values = fields["attribution"].sel(predictor="ensemble", feature="zos").values.ravel()
    np.testing.assert_array_equal(values[index], found.mean[:, 1])
    assert np.isnan(np.delete(values, index)).all()
    np.testing.assert_array_equal(fields["explained_regime"].values.ravel()[index], regime)
    np.testing.assert_array_equal(fields["explained_target"].values.ravel()[index], found.shares["target"])
    assert fields.attrs["largest_remainder"] == [0.5]
    assert fields["attribution"].attrs["units"] == "1"


def test_summaries_are_weighted_by_area(made):
    features, index, found, regime, fields = made
    table = regime_summary(fields, method="relevance").set_index(["regime", "feature"])
    area = features["areacello"].values.ravel()[index]
    inside = regime == 1
    row = table.loc[("TR", "zos")]
    assert row["n_cells"] == inside.sum()
    assert row["area_m2"] == pytest.approx(area[inside].sum())
    assert row["mean"] == pytest.approx(np.average(found.mean[inside, 1], weights=area[inside]), rel=1e-5)
    assert row["mean_spread"] == pytest.approx(np.average(found.spread[inside, 1], weights=area[inside]), rel=1e-5)
    # both quartiles are positive everywhere
    assert row["consistent_area_share"] == 1
    assert row["lower_quartile"] < row["mean"] < row["upper_quartile"]
    assert len(table) == 16


def test_weighted_quantiles_equal_values_calculated_by_hand():
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0])
    assert weighted_quantiles(values, weights, (0.5,)) == [2.0]
    assert weighted_quantiles(values, np.ones(3), (0.0, 1.0)) == [1.0, 3.0]


def test_the_nearest_valid_cell_may_lie_across_the_seam():
    features = make_features()
    wet = np.argwhere(features["valid"].values == 1)
    row, column = wet[0]
    lat, lon = float(features["lat"][row]), float(features["lon"][column])
    assert nearest_cell(features, lat + 0.1, lon - 360.1) == (row, column)
    dry = xr.where(features["lon"] == features["lon"][column], 0, features["valid"]).transpose("lat", "lon")
    elsewhere = nearest_cell(features.assign(valid=dry), lat, lon)
    assert elsewhere[1] != column
