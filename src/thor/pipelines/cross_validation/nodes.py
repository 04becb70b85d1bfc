"""Nodes of `cross_validation`."""

import logging
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import CrossValidation

log = logging.getLogger(__name__)


def cross_validate_basins(features: xr.Dataset, regimes: xr.Dataset, parameters: CrossValidation) -> dict[str, Any]:
    """Return the scores in each ocean basin of predictors that were trained on the others."""
    from thor.networks.cross_validation import cross_validate

    table = cross_validate(features, regimes, settings=parameters, seed=parameters.seed)
    accuracies = ", ".join(f"{basin} {entry['accuracy']:.3f}" for basin, entry in table["ensemble"].items())
    log.info("accuracy in the basin left out of training: %s", accuracies)
    return table


def measure_feature_groups(features: xr.Dataset, regimes: xr.Dataset, parameters: CrossValidation) -> pd.DataFrame:
    """Return the gain in accuracy from each group of extended features, in basins left out of training."""
    from thor.networks.cross_validation import feature_group_worth

    return feature_group_worth(features, regimes, settings=parameters, seed=parameters.seed)
