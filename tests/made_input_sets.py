"""A made ocean with a feature of the input set `transport`, and predictors trained with it, as fixtures."""

import numpy as np
import pytest

from thor.core.variables import BUDGET_TERMS, FEATURES, variable
from thor.networks.input_sets import train_input_set
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings, SplitSettings, TrainingSettings
from thor.networks.split import basin_folds, make_split
from thor.ocean.transport_features import TRANSPORT_FEATURE

TRAINING = TrainingSettings(n_networks=2, hidden=(16,), batch_size=64, learning_rate=1e-2, epochs=10)
BOOSTING = BoostingSettings(max_iter=20)


@pytest.fixture(scope="session")
def with_transport(made_features, made_regimes):
    """The number of the regime with noise as the added feature; unknown in a tenth of the cells."""
    rng = np.random.default_rng(3)
    values = 1e-10 * (made_regimes["regime"].values + 0.3 * rng.normal(size=made_regimes["regime"].shape))
    values[rng.random(values.shape) < 0.1] = np.nan
    return made_features.assign({TRANSPORT_FEATURE: (("lat", "lon"), values, variable(TRANSPORT_FEATURE).attrs)})


@pytest.fixture(scope="session")
def trained_set(with_transport, made_regimes, vorticity_terms):
    split = make_split(with_transport, made_regimes, SplitSettings())
    scaler = FeatureScaler.fit(samples_from(with_transport, made_regimes, split).with_role("train"))
    options = {
        "split": split,
        "splits": basin_folds(with_transport, made_regimes, SplitSettings(), without_test=True),
        "scaler": scaler,
        "names": FEATURES,
        "boosting_names": FEATURES,
        "training": TRAINING,
        "boosting": BOOSTING,
        "terms": (vorticity_terms, 0.0),
        "seed": 0,
    }
    return options, train_input_set("transport", with_transport, made_regimes, **options)


@pytest.fixture(scope="session")
def vorticity_terms(made_features):
    zero = (made_features["valid"] * 0.0).drop_attrs()
    terms = dict.fromkeys(BUDGET_TERMS, zero) | {"analysis_mask": made_features["valid"]}
    return made_features[["areacello"]].assign(terms)
