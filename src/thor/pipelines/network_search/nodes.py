"""Node of `network_search`."""

import logging
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import NetworkSearch
from thor.core.errors import counted
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler

log = logging.getLogger(__name__)


def search_networks(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    parameters: NetworkSearch,
) -> pd.DataFrame:
    """Return the depths, widths and learning rates tried, ranked by their loss on the select cells."""
    from thor.networks.search import search
    from thor.networks.training_data import scaled_tables

    scaler = FeatureScaler.from_dict(feature_scaler)
    samples = samples_from(features, regimes, split, names=scaler.features)
    train, select = scaled_tables(samples, scaler, weighted_by=parameters.training.weighted_by)
    names: dict[str, Any] = {"features": samples.features, "classes": samples.classes}
    settings, training = parameters.search, parameters.training
    trials = search(train, select, **names, training=training, settings=settings, seed=parameters.seed)
    depth, width, loss = (float(trials[name].iloc[0]) for name in ("depth", "width", "select_loss"))
    layers = counted(int(depth), "layer")
    log.info("best of %d: %s of %d, select loss %.4f nat", len(trials), layers, width, loss)
    return trials.assign(predictor="trial", network=trials["trial"])
