"""Attribution of regime change: Shapley values of the features for the change of a predictor's target in a cell."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.attribution.coalitions import MOST_PLAYERS, coalitions, shapley_weights
from thor.attribution.method import AttributionBlock, Explainer, sample_parts
from thor.attribution.players import Groups, membership
from thor.attribution.targets import (
    Regimes,
    Target,
    require_features,
    require_inputs,
    require_reference,
    target_weights,
)
from thor.core.errors import AttributionError
from thor.core.parallel import in_threads
from thor.networks.prediction import member_logits
from thor.networks.predictor import Predictor
from thor.networks.stack import Weights

INTERVAL = (0.05, 0.95)
"""Quantiles over networks of the summary."""

VALUE_BYTES = 32 * 2**20
"""Size of the targets of one block of cells, for every coalition."""

_CAN_CHANGE = "1 where the states differ in any cell; 0 has zero attribution by construction"


@dataclass(frozen=True, kw_only=True, eq=False)
class ChangeAttribution(Explainer):
    """Exact Shapley values of the change of a target between two states of the same cells.

    The players are the features, or groups of them, that differ between the states in any cell; v(S) is the target
    when those of S have their later values and all others their earlier ones. Depth, its gradients and the Coriolis
    parameter cannot change and get zero by construction, however much the networks use them.

    Attributes
    ----------
    before : ndarray of float32, shape (n_samples, n_features)
        The earlier state of the samples, scaled: the reference of each.
    regime_before : ndarray of int, shape (n_samples,), optional
        The explained target is that of the later regime minus that of this one, z_new - z_old, which is zero where they
        are the same. None: the target of the given regime alone.
    groups : mapping of str to tuple of str, optional
        Players that are several features each, every feature in one of them; by default each feature is a player.
    target : {"centred_logit", "logit"}
        Of a single regime; in z_new - z_old both are the same.

    Notes
    -----
    The values of a network add up to its target after minus that before, whatever the size of the change; gradients
    hold for small changes only.

    References
    ----------
    Shapley (1953), doi:10.1515/9781400881970-018; Lundberg and Lee (2017), arXiv:1705.07874.
    """

    before: Weights
    regime_before: Regimes | None = None
    groups: Groups | None = None
    target: Target = "centred_logit"

    def __post_init__(self) -> None:
        require_reference(self.before)
        target_weights(2, np.zeros(1, dtype=int), self.target)

    def groups_of(self, features: tuple[str, ...]) -> Groups | None:
        """Return the features of each player, None where each feature is a player."""
        return self.groups

    def can_change(self, predictor: Predictor, inputs: Weights) -> NDArray[np.bool_]:
        """Return which players differ between the states in any cell, shape (n_players,).

        Raises
        ------
        AttributionError
            When the two states do not hold the same samples and features.
        """
        require_features(predictor, self.before)
        if inputs.shape != self.before.shape:
            raise AttributionError(
                f"The states before and after have shapes {self.before.shape} and {inputs.shape}; expected the same "
                "cells and features, row by row."
            )
        return (membership(self.groups, predictor.features) & (inputs != self.before).any(axis=0)).any(axis=1)

    def explain(self, predictor: Predictor, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield the values of all players; see `thor.attribution.method.Explainer`.

        Parameters
        ----------
        predictor : Predictor
        inputs : ndarray of float32, shape (n_samples, n_features)
            The later state, scaled.
        regime : ndarray of int, shape (n_samples,)
            The later regime.

        Yields
        ------
        AttributionBlock
            The shares are `target` (after), `expectation` (before) and `remainder`, which is round-off.

        Raises
        ------
        AttributionError
            When the states do not fit each other or the networks, or more than 12 players differ.
        """
        require_inputs(predictor, inputs, regime)
        weights = self._target_weights(predictor, inputs, regime)
        changed = np.flatnonzero(self.can_change(predictor, inputs))
        if changed.size > MOST_PLAYERS:
            raise AttributionError(
                f"{changed.size} features differ between the states; exact Shapley values take at most {MOST_PLAYERS} "
                f"players. Put features into groups of `ChangeAttribution`: {', '.join(self.players(predictor))}."
            )
        work = partial(self._block, predictor, inputs, weights, changed)
        size = max(1, VALUE_BYTES // (8 * predictor.n_members * 2**changed.size))
        yield from in_threads(work, sample_parts(len(inputs), size))

    def _target_weights(self, predictor: Predictor, inputs: Weights, regime: Regimes) -> Weights:
        weights = target_weights(len(predictor.classes), regime, self.target)
        if self.regime_before is None:
            return weights
        require_inputs(predictor, inputs, self.regime_before)
        return weights - target_weights(len(predictor.classes), self.regime_before, self.target)

    def _block(
        self, predictor: Predictor, inputs: Weights, weights: Weights, changed: NDArray[np.int64], part: slice
    ) -> AttributionBlock:
        holds = membership(self.groups, predictor.features)
        inside = coalitions(changed.size) @ holds[changed]
        states = np.where(inside[:, None], inputs[part], self.before[part])
        outputs = member_logits(predictor, states.reshape(-1, states.shape[-1]))
        outputs = outputs.reshape(predictor.n_members, *states.shape[:2], -1)
        value = np.einsum("wcsk,sk->wsc", outputs, weights[part], dtype=np.float64)
        shapley = np.zeros((*value.shape[:2], len(holds)))
        shapley[..., changed] = value @ shapley_weights(changed.size).T
        return AttributionBlock.additive(part, shapley, value[..., -1], value[..., 0])


def transition_summary(
    method: ChangeAttribution, predictor: Predictor, inputs: Weights, regime: Regimes, area: NDArray[np.float64]
) -> xr.Dataset:
    """Return the attributions of each transition from one regime to another.

    Parameters
    ----------
    method : ChangeAttribution
        With `regime_before`.
    predictor : Predictor
    inputs : ndarray of float32, shape (n_samples, n_features)
        The later state, scaled.
    regime : ndarray of int, shape (n_samples,)
        The later regime.
    area : ndarray of shape (n_samples,), [m2]

    Returns
    -------
    xarray.Dataset, dims (transition, feature)
        `attribution`, the mean over the area of the transition and over networks, with the ends `attribution_lower`
        and `attribution_upper` (5 and 95 % over networks of the mean over the area); `explained_change`, which the
        attributions of a transition add up to; `n_cells`, `area` [m2]; `regime_before`, `regime_after` (names).
        Transitions are those that occur, the largest area first. `can_change` (feature) is 0 where a feature is the
        same in both states of all cells, with zero attribution by construction.

    Raises
    ------
    AttributionError
        When the method has no `regime_before`, no cell changes its regime, or as for `ChangeAttribution.explain`.
    """
    if method.regime_before is None:
        raise AttributionError("A summary by transition needs the regimes before: give `regime_before`.")
    require_inputs(predictor, inputs, regime)
    can_change = method.can_change(predictor, inputs)
    changed = np.flatnonzero(regime != method.regime_before)
    if not changed.size:
        raise AttributionError(f"None of the {len(regime)} cells changes its regime: there is no change to explain.")
    pair = np.stack([method.regime_before[changed], regime[changed]], axis=1)
    kinds, which = np.unique(pair, axis=0, return_inverse=True)
    weight = np.eye(len(kinds))[which] * area[changed, None]
    totals = weight.sum(axis=0)
    sums = np.zeros((predictor.n_members, len(kinds), len(can_change)))
    change = np.zeros(len(kinds))
    of_changed = replace(method, before=method.before[changed], regime_before=method.regime_before[changed])
    for block in of_changed.explain(predictor, inputs[changed], regime[changed]):
        share = weight[block.part]
        sums += np.einsum("wsp,st->wtp", block.values, share)
        change += (block.shares["target"] - block.shares["expectation"]).mean(axis=0) @ share
    order = np.argsort(-totals, kind="stable")
    means = (sums / totals[:, None])[:, order]
    lower, upper = np.quantile(means, INTERVAL, axis=0)
    names = np.array(predictor.classes)[kinds[order]]
    dims = ("transition", "feature")
    of_target = {"units": "1", "target": "logit of the regime after minus that of the regime before"}
    return xr.Dataset(
        {
            "attribution": (dims, means.mean(axis=0), of_target | {"long_name": "Part of the change of the target"}),
            "attribution_lower": (dims, lower, of_target | {"long_name": "5 % over networks"}),
            "attribution_upper": (dims, upper, of_target | {"long_name": "95 % over networks"}),
            "explained_change": ("transition", (change / totals)[order], of_target),
            "n_cells": ("transition", np.bincount(which)[order], {"units": "1"}),
            "area": ("transition", totals[order], {"units": "m2"}),
            "can_change": ("feature", can_change.astype("int8"), {"long_name": _CAN_CHANGE}),
        },
        coords={
            "transition": [f"{old} to {new}" for old, new in names],
            "feature": list(method.players(predictor)),
            "regime_before": ("transition", names[:, 0]),
            "regime_after": ("transition", names[:, 1]),
        },
        attrs={"n_networks": predictor.n_members, "reference": "the earlier state of the same cell"},
    )
