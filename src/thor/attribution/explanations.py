"""Explanations of every cell: each method, applied to every network of each predictor, as fields."""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from thor.attribution.attributions import Attributions, attribute
from thor.attribution.fields import attribution_fields
from thor.attribution.method import Explainer, Method, Question
from thor.attribution.targets import Regimes, explained_regime
from thor.networks.samples import cell_inputs
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
    stacks: Mapping[str, NetworkStack],
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
    stacks : mapping of str to NetworkStack
        By predictor.
    features : xarray.Dataset
    scaler : FeatureScaler
        With the features of the networks, in their order.
    regime : str
        ``predicted`` by each predictor's networks together, or the name of one.

    Returns
    -------
    xarray.Dataset
        As from `thor.attribution.fields.attribution_fields`, with method, target, number of networks and, as JSON, the
        features of each player that is a group as attributes.
    """
    found: dict[str, Attributions] = {}
    regimes: dict[str, Regimes] = {}
    inputs, index = cell_inputs(features, names=scaler.features)
    scaled = scaler.transform(inputs)
    for predictor, stack in stacks.items():
        scaler.require(stack.features)
        regimes[predictor] = explained_regime(stack, scaled, regime)
        found[predictor] = attribute(explainer, stack, scaled, regimes[predictor], name=method)
        n_short = np.count_nonzero(found[predictor].shares.get("converged", np.ones(1)) == 0)
        if n_short:
            log.warning(
                "%s of the %s: %d of %d cells did not reach the tolerance with the pairs allowed; they are marked",
                *(method, predictor, n_short, len(scaled)),
            )
    classes = next(iter(stacks.values())).classes
    return attribution_fields(found, regimes, index, features, classes=classes).assign_attrs(
        method=method,
        target=explainer.target,
        groups=json.dumps(explainer.groups_of(scaler.features) or {}),
        n_networks=[stack.n_networks for stack in stacks.values()],
    )
