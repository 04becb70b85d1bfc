"""Whole explanations: fields of all cells, work that goes on, players in groups, and their numbers."""

import json

import numpy as np
import pytest
import xarray as xr

from tests.attribution.conftest import make_stack
from tests.made_fields import make_features
from thor.attribution.explanations import METHODS, compare, explain_cells, make_methods, same_players
from thor.attribution.players import player_groups
from thor.attribution.settings import LimeSettings, RelevanceSettings, ShapleySettings
from thor.core.contracts import check
from thor.core.errors import AttributionError
from thor.core.variables import FEATURES, extended_features, variable
from thor.networks.samples import FeatureScaler, cell_inputs


@pytest.fixture(scope="module")
def features():
    return make_features()


@pytest.fixture(scope="module")
def scaler(features):
    table, _ = cell_inputs(features)
    units = tuple(variable(name).units for name in FEATURES)
    return FeatureScaler(FEATURES, units, table.mean(axis=0), np.maximum(table.std(axis=0), 1e-12))


@pytest.fixture(scope="module")
def stacks():
    return {"ensemble": make_stack(n_networks=4), "bayesian": make_stack(n_networks=3, seed=5)}


def methods(groups=None):
    reference = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    return make_methods(
        reference,
        FEATURES,
        relevance=RelevanceSettings(),
        shapley=ShapleySettings(method="exact", groups=groups),
        lime=LimeSettings(n_samples=100),
        target="centred_logit",
        seed=0,
    )


def explain(features, scaler, stacks, groups=None, **options):
    return {
        name: explain_cells(method, stacks, features, scaler, regime="predicted", **options)
        for name, method in methods(groups).items()
    }


@pytest.fixture(scope="module")
def explanations(features, scaler, stacks):
    return explain(features, scaler, stacks)


def test_every_method_explains_every_valid_cell_and_tells_how(explanations, features):
    assert set(explanations) == set(METHODS)
    for fields in explanations.values():
        check(fields, "attributions", where="here")
        known = np.isfinite(fields["attribution"]).all(("feature", "predictor"))
        np.testing.assert_array_equal(known.values, features["valid"].values == 1)
        assert fields.attrs["n_networks"] == [4, 3]
        assert fields.attrs["target"] == "centred_logit"
        assert json.loads(fields.attrs["groups"]) == {}


def test_all_methods_explain_the_same_number(explanations):
    first = explanations["relevance"]["explained_target"]
    for fields in explanations.values():
        np.testing.assert_allclose(fields["explained_target"], first, atol=1e-5)
    shapley = explanations["shapley_values"]
    total = shapley["attribution"].sum("feature", skipna=False) + shapley["expectation"]
    np.testing.assert_allclose(total, first, atol=1e-4)


class Broken:
    """A checkpoint whose process is killed after some blocks."""

    def __init__(self):
        self.kept = {}

    def load(self, name):
        return self.kept.get(name)

    def save(self, name, part):
        self.kept[name] = part
        if name == "bayesian":
            raise KeyboardInterrupt


def test_an_interrupted_explanation_goes_on_and_ends_the_same(monkeypatch, features, scaler, stacks, explanations):
    monkeypatch.setattr("thor.attribution.attributions.CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr("thor.attribution.attributions.BLOCK_BYTES", 4 * 4 * 12 * 50)
    method, checkpoint = methods()["relevance"], Broken()
    with pytest.raises(KeyboardInterrupt):
        explain_cells(method, stacks, features, scaler, regime="predicted", checkpoint=checkpoint)
    n_cells = int((features["valid"] == 1).sum())
    assert checkpoint.kept["ensemble"].attrs["done"] == n_cells
    assert 0 < checkpoint.kept["bayesian"].attrs["done"] < n_cells
    done = []
    original = type(method)._block
    monkeypatch.setattr(
        type(method), "_block", lambda self, stack, *rest: done.append(rest[-1]) or original(self, stack, *rest)
    )
    checkpoint.save = lambda name, part: None
    again = explain_cells(method, stacks, features, scaler, regime="predicted", checkpoint=checkpoint)
    assert done[0].start == checkpoint.kept["bayesian"].attrs["done"]
    np.testing.assert_allclose(again["attribution"], explanations["relevance"]["attribution"], atol=1e-6)


def test_players_in_groups_are_compared_with_sums_of_the_others(features, scaler, stacks):
    found = explain(features, scaler, stacks, groups="physical")
    assert list(found["shapley_values"]["feature"].values) == ["wind", "height", "bathymetry", "planetary"]
    alike = same_players(found)
    summed = found["relevance"]["attribution"].sel(feature=["zos", "zos_gradient_eastward", "zos_gradient_northward"])
    xr.testing.assert_allclose(
        alike["relevance"]["attribution"].sel(feature="height", drop=True), summed.sum("feature", skipna=False)
    )
    assert alike["shapley_values"] is found["shapley_values"]
    agreement = compare(found)
    assert np.isfinite(agreement["rank_correlation"]).any()


def test_ways_of_grouping_hold_every_feature_once():
    every = (*FEATURES, *extended_features(), "wind_stress_curl_mean_150km", "zos_spread_150km")
    physical = player_groups("physical", every)
    assert set(physical) == {"wind", "height", "bathymetry", "planetary", "height and bathymetry"}
    assert physical["wind"] == ("wind_stress_curl", "wind_stress_curl_mean_150km")
    assert physical["planetary"] == ("coriolis_parameter", "coriolis_parameter_magnitude")
    gradients = player_groups("gradients", FEATURES)
    assert gradients["zos_gradient"] == ("zos_gradient_eastward", "zos_gradient_northward")
    assert list(gradients) == [
        "wind_stress_curl",
        "zos",
        "zos_gradient",
        "deptho",
        "deptho_gradient",
        "coriolis_parameter",
    ]
    for groups in (physical, player_groups("gradients", every)):
        assert sorted(name for own in groups.values() for name in own) == sorted(every)
    with pytest.raises(
        AttributionError, match="no way 'fysical' of grouping features; choose from physical, gradients"
    ):
        player_groups("fysical", FEATURES)
