"""Who plays for a Shapley value: each feature by itself, or groups of them that belong together."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from thor.core.errors import AttributionError

Preset = Literal["physical", "gradients"]
Groups = Mapping[str, tuple[str, ...]]

_PHYSICAL = {"zos": "height", "deptho": "bathymetry", "coriolis_parameter": "planetary"}
_BOTH = {"zos_deptho_jacobian": "height and bathymetry"}


def player_groups(groups: Mapping[str, Sequence[str]] | Preset | None, features: Sequence[str]) -> Groups | None:
    """Return the groups that play, None where each feature plays for itself.

    Parameters
    ----------
    groups : mapping of str to sequence of str, or {"physical", "gradients"}, or None
        Groups by name, or how to make them. physical: wind, height, bathymetry, planetary, and what mixes height and
        bathymetry apart. gradients: both components of a gradient, and its magnitude, play as one, since correlated
        inputs share their part at random (Krell et al. 2025); all others by themselves.
    features : sequence of str
        Of the networks.

    Raises
    ------
    AttributionError
        When a way of grouping does not exist.
    """
    if groups is None:
        return None
    if isinstance(groups, str):
        if groups not in get_args(Preset):
            raise AttributionError(
                f"There is no way '{groups}' of grouping features; choose from {', '.join(get_args(Preset))}, or name "
                "the groups with their features."
            )
        group_of = _physical if groups == "physical" else _gradient
        made: dict[str, list[str]] = {}
        for feature in features:
            made.setdefault(group_of(feature), []).append(feature)
        groups = made
    return {name: tuple(own) for name, own in groups.items()}


def _physical(feature: str) -> str:
    if feature in _BOTH:
        return _BOTH[feature]
    return next((group for base, group in _PHYSICAL.items() if feature.startswith(base)), "wind")


def _gradient(feature: str) -> str:
    base, found, _ = feature.partition("_gradient")
    return base + found
