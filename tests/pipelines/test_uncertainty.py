"""Nodes of `uncertainty`: the Laplace approximation weights cells as the training of the networks did."""

import numpy as np
import pandas as pd
import pytest

from tests.networks.conftest import made_features, made_regimes  # noqa: F401
from tests.uncertainty.made_networks import random_networks
from thor.app.parameters import Uncertainty
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import SplitSettings
from thor.networks.split import make_split
from thor.pipelines.uncertainty.nodes import fit_laplace_network
from thor.uncertainty.laplace import gauss_newton
from thor.uncertainty.settings import LaplaceSettings


@pytest.mark.parametrize("by_area", [False, True])
def test_the_laplace_approximation_has_the_weights_of_the_training(made_features, made_regimes, by_area):  # noqa: F811
    split = make_split(made_features, made_regimes, SplitSettings())
    train = samples_from(made_features, made_regimes, split).with_role("train")
    scaler, network = FeatureScaler.fit(train), random_networks((8, 6), n_networks=1, seed=2)
    history = pd.DataFrame({"network": [0], "epoch": [0]} | ({"area_weights": [1]} if by_area else {}))
    parameters = Uncertainty(seed=0, laplace=LaplaceSettings(prior_precision=2.0))
    given = network, made_features, made_regimes, split, scaler.to_dict(), history, parameters
    found = fit_laplace_network(*given)
    weights = train.area / train.area.mean() if by_area else np.ones(len(train))
    curvature = gauss_newton(network, scaler.transform(train.inputs), weights.astype(np.float32), block_cells=1024)
    covariance = np.linalg.inv(curvature + 2.0 * np.eye(54))
    assert found.factor @ found.factor.T == pytest.approx(covariance, abs=1e-3 * covariance.max())
