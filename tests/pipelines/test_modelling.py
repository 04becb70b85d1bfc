"""Nodes of `modelling` by themselves."""

import numpy as np
import pytest
import xarray as xr

from tests.made_fields import make_regimes
from thor.app.parameters import Modelling
from thor.core.errors import NetworkError
from thor.core.variables import FEATURES
from thor.networks.prediction import member_probabilities
from thor.networks.settings import TrainingSettings
from thor.networks.training import initial_stack
from thor.pipelines.modelling.nodes import train_ensemble
from thor.regimes.naming import REGIMES

NETWORKS = initial_stack(FEATURES, REGIMES, TrainingSettings(n_networks=3, hidden=(12,)), seed=0)


def ensemble(names):
    """The ensemble of published networks where the regimes have these names."""
    regimes = make_regimes()
    regimes["regime"].attrs["flag_meanings"] = " ".join(names)
    given = None, regimes, xr.Dataset(), {}, None, None, lambda: NETWORKS, Modelling(networks="published", seed=1)
    return train_ensemble(*given)["ensemble"]


def test_published_networks_have_their_outputs_in_the_order_of_the_regimes():
    inputs = np.random.default_rng(3).normal(size=(40, len(FEATURES))).astype(np.float32)
    expected = member_probabilities(NETWORKS, inputs)
    names = ("SO", "MD", "NL", "S-SV", "TR", "N-SV")
    found = ensemble(names)
    assert found.classes == names
    for number, name in enumerate(names):
        np.testing.assert_allclose(
            member_probabilities(found, inputs)[..., number], expected[..., REGIMES.index(name)], atol=1e-6
        )
    assert ensemble(REGIMES) is NETWORKS


@pytest.mark.parametrize("names", [("R1", "R2", "R3", "R4", "R5", "merged"), REGIMES[:5]])
def test_published_networks_are_refused_for_regimes_of_other_names(names):
    """Their probabilities of one regime would be scored as those of another."""
    with pytest.raises(NetworkError, match=r"modelling\.networks: trained, or regime_clustering\.labels: published"):
        ensemble(names)
