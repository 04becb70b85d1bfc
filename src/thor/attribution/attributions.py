"""Attributions of the members of a predictor: statistics over the members, gathered block by block."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thor.attribution.method import AttributionBlock, Explainer
from thor.attribution.players import membership
from thor.attribution.targets import Regimes, require_inputs
from thor.core.arrays import Array
from thor.core.errors import AttributionError
from thor.core.progress import progress_bar
from thor.networks.predictor import Predictor
from thor.networks.stack import NetworkStack, Weights

QUARTILES = (0.25, 0.75)

STATISTICS = ("mean", "spread", "lower_quartile", "upper_quartile", "sign_agreement", "standard_error")


@dataclass(eq=False)
class Attributions:
    """Statistics of attributions over members.

    Where some members do not use a player, spread, quartiles and agreement are those of the others, whose attributions
    count as they do in the mean: times the share of members that use it.

    Attributes
    ----------
    players : tuple of str
    uses : ndarray of bool, shape (n_members, n_players)
        Whether a member uses any feature of a player.
    mean, spread : ndarray of float32, shape (n_samples, n_players)
        Mean and (population) standard deviation over members, in units of the target.
    lower_quartile, upper_quartile : ndarray of float32, shape (n_samples, n_players)
        Over members.
    sign_agreement : ndarray of float32, shape (n_samples, n_players)
        Share of the members whose attribution has the sign of the mean.
    standard_error : ndarray of float32, shape (n_samples, n_players)
        Of the mean, from the method's sampling; 0 where nothing is sampled.
    shares : dict of str to ndarray of float32, shape (n_samples,)
        Mean over members of each share of the blocks.
    largest_remainder : float
        Largest absolute remainder of any sample and member; NaN where a method has none.
    """

    players: tuple[str, ...]
    uses: NDArray[np.bool_]
    mean: Weights
    spread: Weights
    lower_quartile: Weights
    upper_quartile: Weights
    sign_agreement: Weights
    standard_error: Weights
    shares: dict[str, Weights] = field(default_factory=dict)
    largest_remainder: float = np.nan

    def add(self, block: AttributionBlock) -> None:
        """Fill in the statistics of a block of samples."""
        part = block.part
        mean = self.mean[part] = block.values.mean(axis=0)
        for uses in np.unique(self.uses, axis=1).T:
            here = part, np.flatnonzero((uses == self.uses.T).all(axis=1))
            members = uses if uses.any() else ~uses
            values = block.values[members][..., here[1]] * np.float32(members.mean())
            self.spread[here] = values.std(axis=0)
            self.lower_quartile[here], self.upper_quartile[here] = np.quantile(values, QUARTILES, axis=0)
            self.sign_agreement[here] = (np.sign(values) == np.sign(mean[:, here[1]])).mean(axis=0)
        if block.standard_error is not None:
            self.standard_error[part] = block.standard_error
        for name, share in block.shares.items():
            self.shares.setdefault(name, np.zeros(len(self.mean), np.float32))[part] = share.mean(axis=0)
        if "remainder" in block.shares:
            self.largest_remainder = float(np.fmax(self.largest_remainder, np.abs(block.shares["remainder"]).max()))

    def among(self, players: tuple[str, ...]) -> "Attributions":
        """Return the statistics of these players, whose attribution is zero where it is not known."""
        if players == self.players:
            return self
        places = [players.index(name) for name in self.players]
        statistics: dict[str, Any] = {}
        for name in STATISTICS:
            statistics[name] = np.full((len(self.mean), len(players)), name == "sign_agreement", np.float32)
            statistics[name][:, places] = getattr(self, name)
        uses = np.zeros((len(self.uses), len(players)), bool)
        uses[:, places] = self.uses
        return replace(self, players=players, uses=uses, **statistics)


def attribute(
    explainer: Explainer,
    predictor: Predictor,
    inputs: Weights,
    regime: Regimes,
    *,
    name: str = "",
    progress: bool = True,
) -> Attributions:
    """Return the statistics over members of an explainer's attributions.

    Parameters
    ----------
    explainer : Explainer
    predictor : Predictor
    inputs : ndarray of float32, shape (n_samples, n_features)
        Scaled.
    regime : ndarray of int, shape (n_samples,)
    name : str
        Of the method, in the progress bar.
    progress : bool
        Show a progress bar.

    Raises
    ------
    AttributionError
        When samples do not fit the predictor, or the method explains networks only and this is something else.
    """
    if explainer.networks_only and not isinstance(predictor, NetworkStack):
        raise AttributionError(
            f"{name or type(explainer).__name__} needs the layers of networks; got a {type(predictor).__name__}. "
            "Shapley values and LIME explain any predictor."
        )
    require_inputs(predictor, inputs, regime)
    players = explainer.players(predictor)
    statistics: dict[str, Any] = {name: np.zeros((len(inputs), len(players)), np.float32) for name in STATISTICS}
    found = Attributions(players, _uses(explainer, predictor), **statistics)
    label = f"{name}, {predictor.n_members} networks"
    with progress_bar(total=len(inputs), label=label, unit="cell", hidden=not progress) as bar:
        for block in explainer.explain(predictor, inputs, regime):
            found.add(block)
            bar.update(block.part.stop - block.part.start)
    return found


def _uses(explainer: Explainer, predictor: Predictor) -> NDArray[np.bool_]:
    """Return whether each member uses any feature of each player, shape (n_members, n_players)."""
    holds = membership(explainer.groups_of(predictor.features), predictor.features)
    if not isinstance(predictor, NetworkStack):
        return np.ones((predictor.n_members, len(holds)), bool)
    return np.asarray((predictor.used_inputs[:, None] & holds).any(axis=-1))


def mean_over_networks(explainer: Explainer, stack: NetworkStack, inputs: Weights, regime: Regimes) -> Array:
    """Return the mean attributions over networks, shape (n_samples, n_players)."""
    blocks = explainer.explain(stack, inputs, regime)
    return np.concatenate([block.values.mean(axis=0) for block in blocks]).astype(float)
