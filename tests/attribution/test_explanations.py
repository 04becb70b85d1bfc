"""Explanations of all cells: fields, agreement and groups of players."""

import json

import numpy as np
import pytest
import xarray as xr

from tests.attribution.conftest import make_stack
from tests.made_fields import make_features
from thor.attribution.agreement import compare, same_players
from thor.attribution.explanations import explain_cells, make_explainers
from thor.attribution.method import Question
from thor.attribution.methods import explaining_methods
from thor.attribution.methods.lime import LimeSettings
from thor.attribution.methods.relevance import RelevanceSettings
from thor.attribution.methods.shapley_values import ShapleySettings
from thor.attribution.players import player_groups
from thor.core.contracts import check
from thor.core.errors import AttributionError, DataError
from thor.core.variables import FEATURES, extended_features, variable
from thor.networks.inputs import cell_inputs
from thor.networks.scaler import FeatureScaler


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


def explain(features, scaler, stacks, groups=None):
    settings = {
        "relevance": RelevanceSettings(),
        "shapley": ShapleySettings(method="exact", groups=groups),
        "lime": LimeSettings(n_samples=100),
    }
    reference = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    question = Question(reference=reference, target="centred_logit", seed=0)
    return {
        name: explain_cells(name, explainer, stacks, features, scaler, regime="predicted")
        for name, explainer in make_explainers(explaining_methods().values(), question, settings).items()
    }


@pytest.fixture(scope="module")
def explanations(features, scaler, stacks):
    return explain(features, scaler, stacks)


def test_every_method_explains_every_valid_cell(explanations, features):
    assert list(explanations) == ["relevance", "shapley_values", "lime_weights"]
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


def test_groupings_hold_every_feature_once():
    every = (*FEATURES, *extended_features(), "wind_stress_curl_mean_150km", "zos_spread_150km")
    physical = player_groups("physical", every)
    assert set(physical) == {
        *("wind", "height", "bathymetry", "planetary", "height and bathymetry", "geostrophic terms", "transport")
    }
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
        assert sorted(name for members in groups.values() for name in members) == sorted(every)
    with pytest.raises(AttributionError, match="no grouping 'fysical' of features; choose from physical, gradients"):
        player_groups("fysical", FEATURES)
    with pytest.raises(DataError, match="'areacello' is a feature without groups. Add 'feature:"):
        player_groups("physical", (*FEATURES, "areacello"))
