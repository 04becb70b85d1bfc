"""The players of a Shapley value: single features, or groups of them."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from thor.core.errors import AttributionError
from thor.core.variables import groups_of

Preset = Literal["physical", "gradients"]
Groups = Mapping[str, tuple[str, ...]]


def player_groups(groups: Mapping[str, Sequence[str]] | Preset | None, features: Sequence[str]) -> Groups | None:
    """Return the features of each player, None where each feature is a player.

    Parameters
    ----------
    groups : mapping of str to sequence of str, or {"physical", "gradients"}, or None
        Features by group, or how to group them, as the table of variables declares. physical: features of one physical
        quantity. gradients: both components of a gradient, and its magnitude, are one player, since correlated inputs
        share their part at random (Krell et al. 2025); every other feature is a player.
    features : sequence of str
        Of the networks.

    Raises
    ------
    AttributionError
        For an unknown grouping.
    DataError
        For a feature whose groups the table of variables does not declare.
    """
    if groups is None:
        return None
    if isinstance(groups, str):
        if groups not in get_args(Preset):
            raise AttributionError(
                f"There is no grouping '{groups}' of features; choose from {', '.join(get_args(Preset))}, or list "
                "the features of each group."
            )
        made: dict[str, list[str]] = {}
        for feature in features:
            declared = groups_of(feature)
            name = declared.physical if groups == "physical" else declared.gradient or feature
            made.setdefault(name, []).append(feature)
        groups = made
    return {name: tuple(members) for name, members in groups.items()}


def player_names(groups: Groups | None, features: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the players.

    Raises
    ------
    AttributionError
        When a group names a feature that the networks do not have, or a feature is in no group or in two.
    """
    if groups is None:
        return tuple(features)
    named = [feature for group in groups.values() for feature in group]
    missing, unknown = set(features) - set(named), set(named) - set(features)
    twice = {feature for feature in named if named.count(feature) > 1}
    if missing or unknown or twice:
        raise AttributionError(
            f"Groups must hold each feature of the networks once: in no group {sorted(missing)}, not a feature "
            f"{sorted(unknown)}, in two groups {sorted(twice)}."
        )
    return tuple(groups)


def restricted_groups(groups: Groups | None, features: Sequence[str], wanted: Sequence[str]) -> Groups | None:
    """Return the groups of some of the features; AttributionError when a group names another than `features`."""
    if groups is None:
        return None
    unknown = sorted({feature for members in groups.values() for feature in members} - set(features))
    if unknown:
        raise AttributionError(f"Groups name {', '.join(unknown)}; the features are {', '.join(features)}.")
    kept = {name: tuple(feature for feature in members if feature in wanted) for name, members in groups.items()}
    return {name: members for name, members in kept.items() if members}


def membership(groups: Groups | None, features: Sequence[str]) -> NDArray[np.bool_]:
    """Return which features each player holds, shape (n_players, n_features); errors as for `player_names`."""
    names = player_names(groups, features)
    return np.array([[feature in (groups[name] if groups else (name,)) for feature in features] for name in names])
