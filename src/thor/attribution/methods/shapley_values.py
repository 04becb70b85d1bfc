"""Shapley values against a reference distribution: exact over all coalitions, or sampled with a standard error."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from thor.attribution.coalitions import MOST_PLAYERS, coalition_values, coalitions, shapley_weights
from thor.attribution.method import AttributionBlock, Explainer, Method, sample_blocks, sample_parts
from thor.attribution.players import Groups, Preset, membership, player_groups, restricted_groups
from thor.attribution.shapley_sampling import FEWEST_PAIRS, ShapleySampler
from thor.attribution.targets import (
    Regimes,
    Target,
    mean_target,
    require_features,
    require_reference,
    require_target,
    target_and_gradient,
    target_weights,
)
from thor.attribution.tree_shapley import ROWS_AT_ONCE, TreeShapley
from thor.core.arrays import AnyArray
from thor.core.errors import AttributionError
from thor.core.parallel import in_threads
from thor.core.settings import Positive, Settings, require
from thor.networks.predictor import Boosting, Predictor, columns
from thor.networks.stack import NetworkStack, Weights

_CELLS_AT_ONCE = 16
"""Cells of one thread in the exact method."""

Precision = Literal["single", "double"]


class ShapleySettings(Settings):
    """How Shapley values are computed."""

    method: Literal["sampled", "exact"] = "sampled"
    """Random orders of the players, or all coalitions (for few cells)."""
    tolerance: Positive = 0.05
    """Standard error, relative to the size of the values, at which a cell is finished (sampled)."""
    max_pairs: int = Field(12, ge=FEWEST_PAIRS)
    """Largest number of pairs, an order and its reverse, for each network and cell (sampled)."""
    groups: dict[str, list[str]] | Preset | None = None
    """Players that are several features each, by name, or a preset of `thor.attribution.players`; null: each feature is
    a player."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapleyValues(Explainer):
    """Interventional Shapley values: v(S) is the mean target when players outside S take their values from a reference.

    Attributes
    ----------
    reference : ndarray of float32, shape (n_reference, n_features)
        Scaled.
    settings : ShapleySettings
        With `method` sampled: pairs of a random order of the players and its reverse, each pair and member with a
        different reference row, none of them twice for a sample before all have been used
        (`thor.attribution.shapley_sampling`); where the tolerance is not reached within `max_pairs`, the values reached
        are returned and marked (share `converged`). With exact: all coalitions with all rows. The centred
        logits of gradient boosting that knows every regime are sums over trees, whose values are always exact, for any
        number of players (`thor.attribution.tree_shapley`).
    target : {"centred_logit", "logit", "probability"}
    precision : {"single", "double"}
        Of the exact method.
    seed : int
        Of the sampled method.

    References
    ----------
    Lundberg and Lee (2017), arXiv:1705.07874; Mitchell et al. (2022), arXiv:2104.12199.
    """

    reference: Weights
    settings: ShapleySettings
    target: Target = "centred_logit"
    precision: Precision = "single"
    seed: int = 0
    networks_only = False

    def __post_init__(self) -> None:
        require_target(self.target)
        require("precision", self.precision, Precision)
        require_reference(self.reference)

    def groups_of(self, features: tuple[str, ...]) -> Groups | None:
        """Return the features of each player, None where each feature is a player."""
        return player_groups(self.settings.groups, features)

    def restricted(self, features: tuple[str, ...], wanted: tuple[str, ...]) -> "ShapleyValues":
        """Return the explainer of predictors with some of the features that it was made for."""
        groups = restricted_groups(self.groups_of(features), features, wanted)
        settings = self.settings.replace(groups=groups)
        return replace(self, reference=columns(self.reference, features, wanted), settings=settings)

    def explain(self, predictor: Predictor, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield Shapley values; see `thor.attribution.method.Explainer`.

        The shares are `target`, `expectation` (mean target of the reference), `remainder`, which is round-off, and for
        the sampled method `converged`, 1 where the tolerance was met.

        Raises
        ------
        AttributionError
            When there are too many players for the exact method, or reference or groups do not fit the predictor.
        """
        require_features(predictor, self.reference)
        if isinstance(predictor, Boosting) and self.target == "centred_logit" and predictor.knows_all:
            yield from self._of_trees(predictor, inputs, regime)
            return
        if isinstance(predictor, NetworkStack) and len(predictor.kernels) == 1:
            yield from self._of_linear(predictor, inputs, regime)
            return
        if self.settings.method == "exact":
            yield from self._exact(predictor, inputs, regime)
            return
        sampler = ShapleySampler(
            predictor,
            self.reference,
            self.groups_of(predictor.features),
            tolerance=self.settings.tolerance,
            max_pairs=self.settings.max_pairs,
            target=self.target,
            seed=self.seed,
        )
        yield from in_threads(
            lambda part: sampler.block(inputs[part], regime[part], part), sample_blocks(len(inputs), predictor)
        )

    def coalition_values(self, predictor: Predictor, inputs: Weights, regime: Regimes) -> AnyArray:
        """Return v(S) of every coalition, shape (n_members, n_samples, 2 ** n_players); player j is bit j.

        Raises
        ------
        AttributionError
            When there are too many players.
        """
        dtype = np.float64 if self.precision == "double" else np.float32
        inside = self._coalitions(predictor)
        return coalition_values(predictor, inputs, regime, self.reference, inside, target=self.target, dtype=dtype)

    def _coalitions(self, predictor: Predictor) -> NDArray[np.bool_]:
        """Return which features each coalition holds, shape (2 ** n_players, n_features)."""
        holds = membership(self.groups_of(predictor.features), predictor.features)
        if len(holds) > MOST_PLAYERS:
            raise AttributionError(
                f"Exact Shapley values take at most {MOST_PLAYERS} players, {2**MOST_PLAYERS} coalitions; here are "
                f"{len(holds)}. Put features into groups, or use method: sampled."
            )
        return coalitions(len(holds)) @ holds

    def _of_trees(self, boosting: Boosting, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield the values of gradient boosting; of two regimes the first has logit 0."""
        holds = membership(self.groups_of(boosting.features), boosting.features)
        of_trees = TreeShapley(boosting.trees, self.reference, holds)
        weights = target_weights(len(boosting.classes), np.arange(len(boosting.classes)), self.target).astype(float)
        weights = weights[:, -len(boosting.trees.baseline) :]
        expectation = weights @ boosting.trees.logits(self.reference).mean(axis=0)

        def block(part: slice) -> AttributionBlock:
            of_regime = weights[regime[part]]
            values = np.einsum("sk,skp->sp", of_regime, of_trees.values(inputs[part]))
            target = np.einsum("sk,sk->s", of_regime, boosting.trees.logits(inputs[part]))
            shares = {"converged": np.ones((1, len(target)))} if self.settings.method == "sampled" else {}
            return AttributionBlock.additive(
                part, values[None], target[None], expectation[regime[part]][None], **shares
            )

        yield from in_threads(block, sample_parts(len(inputs), ROWS_AT_ONCE))

    def _of_linear(self, stack: NetworkStack, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield the values of networks without a hidden layer: weight x (input - reference mean)."""
        if self.target == "probability":
            raise AttributionError(
                "Shapley values of a probability are computed from the sums of a first hidden layer; these networks "
                "have none. Explain centred_logit or logit instead."
            )
        holds = membership(self.groups_of(stack.features), stack.features).astype(np.float32)
        mean, expectation = self.reference.mean(axis=0), mean_target(stack, self.reference, self.target)
        for part in sample_blocks(len(inputs), stack):
            target, slope = target_and_gradient(stack, inputs[part], regime[part], self.target)
            shares = {"converged": np.ones_like(target)} if self.settings.method == "sampled" else {}
            values = (slope * (inputs[part] - mean)) @ holds.T
            yield AttributionBlock.additive(part, values, target, expectation[:, regime[part]], **shares)

    def _exact(self, predictor: Predictor, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        self._coalitions(predictor)
        weights = shapley_weights(len(self.players(predictor)))
        for part, values in in_threads(
            lambda part: (part, self.coalition_values(predictor, inputs[part], regime[part])),
            sample_parts(len(inputs), _CELLS_AT_ONCE),
        ):
            shapley = values @ weights.T.astype(values.dtype)
            yield AttributionBlock.additive(part, shapley, values[..., -1], values[..., 0])


def shap_explanation(
    method: ShapleyValues,
    predictor: Predictor,
    inputs: Weights,
    regime: Regimes,
    *,
    network: int | None = None,
) -> Any:
    """Return the Shapley values of some samples as a `shap.Explanation`, for all of shap's plots.

    Its data are the inputs where each feature is a player.

    Parameters
    ----------
    method : ShapleyValues
    predictor : Predictor
    inputs : ndarray of float32, shape (n_samples, n_features)
    regime : ndarray of int, shape (n_samples,)
    network : int, optional
        One member; by default the mean of all.
    """
    import shap

    blocks = list(method.explain(predictor, inputs, regime))
    values = np.concatenate([block.values for block in blocks], axis=1)
    base = np.concatenate([block.shares["expectation"] for block in blocks], axis=1)
    chosen = slice(None) if network is None else slice(network, network + 1)
    return shap.Explanation(
        values=values[chosen].mean(axis=0),
        base_values=base[chosen].mean(axis=0),
        data=inputs if method.settings.groups is None else None,
        feature_names=list(method.players(predictor)),
    )


METHOD = Method(
    name="shapley_values",
    label="Shapley values",
    title="Shapley values",
    colour="#DE8F05",
    explainer=lambda settings, question: ShapleyValues(
        reference=question.reference, settings=settings, target=question.target, seed=question.seed
    ),
    settings=ShapleySettings,
    parameters="shapley",
    description="Shapley value of each feature for each cell's regime: as for the relevance, with standard errors.",
    remainder="additivity_error",
    order=2,
)
