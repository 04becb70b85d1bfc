"""Explanations of every cell: each method, applied to every member of each predictor, as fields."""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from thor.attribution.attributions import Attributions, attribute
from thor.attribution.fields import attribution_fields
from thor.attribution.method import Explainer, Method, Question
from thor.attribution.players import player_names
from thor.attribution.targets import Regimes, explained_regime
from thor.core.errors import AttributionError
from thor.networks.inputs import all_features, cell_inputs
from thor.networks.predictor import Predictor, columns
from thor.networks.scaler import FeatureScaler
from thor.networks.stack import NetworkStack

log = logging.getLogger(__name__)


def make_explainers(methods: Iterable[Method], question: Question, settings: Mapping[str, Any]) -> dict[str, Explainer]:
    """Return the explainer of each method.

    Parameters
    ----------
    methods : iterable of Method
    question : Question
    settings : mapping of str to settings
        By the key `Method.parameters`.
    """
    return {
        method.name: method.explainer(settings[method.parameters] if method.settings else None, question)
        for method in methods
    }


def explain_cells(
    method: str,
    explainer: Explainer,
    predictors: Mapping[str, Predictor],
    features: xr.Dataset,
    scaler: FeatureScaler,
    *,
    regime: str,
) -> xr.Dataset:
    """Return the attributions of one method in every valid cell.

    Parameters
    ----------
    method : str
        Its name.
    explainer : Explainer
        Of the features of the scaler.
    predictors : mapping of str to Predictor
        By name; of a method that needs the layers of networks, only these are explained.
    features : xarray.Dataset
    scaler : FeatureScaler
        With the features of every predictor.
    regime : str
        ``predicted`` by each predictor's members together, or the name of one.

    Returns
    -------
    xarray.Dataset
        As from `thor.attribution.fields.attribution_fields`, with method, target, number of members and, as JSON, the
        features of each player that is a group as attributes. A feature that a predictor does not use has attribution
        zero.

    Raises
    ------
    AttributionError
        When the method explains none of the predictors, or a group holds an unknown feature.
    NetworkError
        When the scaler lacks a feature of a predictor.
    """
    chosen = {
        name: predictor
        for name, predictor in predictors.items()
        if isinstance(predictor, NetworkStack) or not explainer.networks_only
    }
    if not chosen:
        raise AttributionError(f"{method} explains networks only; got {', '.join(predictors) or 'no predictor'}.")
    names = all_features(*(predictor.features for predictor in chosen.values()))
    if not set(names) <= set(scaler.features):
        scaler.require(names)
    explainer = explainer.restricted(scaler.features, names)
    players = player_names(explainer.groups_of(names), names)
    found: dict[str, Attributions] = {}
    regimes: dict[str, Regimes] = {}
    inputs, index = cell_inputs(features, names=scaler.features)
    scaled = scaler.transform(inputs)
    for name, predictor in chosen.items():
        used = columns(scaled, scaler.features, predictor.features)
        regimes[name] = explained_regime(predictor, used, regime)
        of_these = explainer.restricted(names, predictor.features)
        found[name] = attribute(of_these, predictor, used, regimes[name], name=method).among(players)
        n_short = np.count_nonzero(found[name].shares.get("converged", np.ones(1)) == 0)
        if n_short:
            log.warning(
                "%s of the %s: %d of %d cells did not converge with the pairs allowed; they are marked",
                *(method, name, n_short, len(scaled)),
            )
    classes = next(iter(chosen.values())).classes
    return attribution_fields(found, regimes, index, features, classes=classes).assign_attrs(
        method=method,
        target=explainer.target,
        groups=json.dumps(explainer.groups_of(names) or {}),
        n_networks=[predictor.n_members for predictor in chosen.values()],
    )
