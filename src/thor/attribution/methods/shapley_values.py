"""Shapley values against a reference distribution: exact over all coalitions, or sampled with a standard error."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from thor.attribution.coalitions import MOST_PLAYERS, coalitions, shapley_weights
from thor.attribution.method import AttributionBlock, Explainer, Method, sample_blocks, sample_parts
from thor.attribution.players import Groups, Preset, membership, player_groups
from thor.attribution.shapley_sampling import FEWEST_PAIRS, ShapleySampler
from thor.attribution.target_networks import TargetNetworks
from thor.attribution.targets import Regimes, Target, require_features, require_reference, require_target, target_values
from thor.core.arrays import AnyArray
from thor.core.errors import AttributionError
from thor.core.settings import Positive, Settings, require
from thor.core.threads import in_threads
from thor.networks.network import Layer, outputs
from thor.networks.stack import NetworkStack, Weights

_ROWS_AT_ONCE = 12_800
"""Rows that the exact method passes through one network at once: few enough for a core's cache, enough that threads
need not wait for the interpreter between operations."""

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
        With `method` sampled: pairs of a random order of the players and its reverse, each pair and network with a
        different reference row, none of them twice for a sample before all have been used
        (`thor.attribution.shapley_sampling`); where the tolerance is not reached within `max_pairs`, the values reached
        are returned and marked (share `converged`). With exact: all coalitions with all rows.
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

    def __post_init__(self) -> None:
        require_target(self.target)
        require("precision", self.precision, Precision)
        require_reference(self.reference)

    def groups_of(self, features: tuple[str, ...]) -> Groups | None:
        """Return the features of each player, None where each feature is a player."""
        return player_groups(self.settings.groups, features)

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield Shapley values; see `thor.attribution.method.Explainer`.

        The shares are `target`, `expectation` (mean target of the reference), `remainder`, which is round-off, and for
        the sampled method `converged`, 1 where the tolerance was met.

        Raises
        ------
        AttributionError
            When there are too many players for the exact method, or reference or groups do not fit the networks.
        """
        require_features(stack, self.reference)
        if len(stack.kernels) == 1:
            raise AttributionError(
                "Shapley values are computed from the sums of a first hidden layer; these networks have none. Their "
                "values are weight x (input - reference mean): use integrated_gradients."
            )
        if self.settings.method == "exact":
            yield from self._exact(stack, inputs, regime)
            return
        sampler = ShapleySampler(
            stack,
            self.reference,
            self.groups_of(stack.features),
            tolerance=self.settings.tolerance,
            max_pairs=self.settings.max_pairs,
            target=self.target,
            seed=self.seed,
        )
        yield from in_threads(
            lambda part: sampler.block(inputs[part], regime[part], part), sample_blocks(len(inputs), stack)
        )

    def coalition_values(self, stack: NetworkStack, inputs: Weights, regime: Regimes) -> AnyArray:
        """Return v(S) of every coalition, shape (n_networks, n_samples, 2 ** n_players); player j is bit j.

        Raises
        ------
        AttributionError
            When there are too many players.
        """
        networks = TargetNetworks(stack, self.target, np.float64 if self.precision == "double" else np.float32)
        inside = self._coalitions(stack)
        reference = self.reference.astype(networks.dtype)
        values = np.empty((stack.n_networks, len(inputs), len(inside)), networks.dtype)
        outside_rows = (reference[None] * ~inside[:, None]).reshape(-1, len(stack.features)).T
        step = max(1, _ROWS_AT_ONCE // len(reference))
        for network in range(stack.n_networks):
            # Units first: biases are added along whole rows.
            layers = [
                Layer(np.ascontiguousarray(layer.kernel[network].T), layer.bias[network][:, None], layer.activation)
                for layer in networks.layers
            ]
            first, last = layers[0], layers[-1]
            # The contribution of reference rows to the first layer is the same for all samples.
            outside = _units_first(outside_rows, first).reshape(-1, len(inside), len(reference))
            for sample, (row, k) in enumerate(zip(inputs.astype(networks.dtype), regime, strict=True)):
                of_sample = first.kernel @ (row * inside).T
                for begin in range(0, len(inside), step):
                    some = slice(begin, begin + step)
                    sums = (outside[:, some] + of_sample[:, some, None]).reshape(len(of_sample), -1)
                    hidden = outputs(layers[1:-1], first.activation(sums, out=sums), affine=_units_first)
                    if self.target == "probability":
                        logits = _units_first(hidden, last).T[None]
                        targets = target_values(logits, np.full(logits.shape[1], k), self.target)[0]
                    else:
                        kernel, shift = networks.last_layer(np.array([k]))
                        targets = kernel[network, 0] @ hidden + shift[network, 0]
                    values[network, sample, some] = targets.reshape(-1, len(reference)).mean(axis=1)
        return values

    def _coalitions(self, stack: NetworkStack) -> NDArray[np.bool_]:
        """Return which features each coalition holds, shape (2 ** n_players, n_features)."""
        holds = membership(self.groups_of(stack.features), stack.features)
        if len(holds) > MOST_PLAYERS:
            raise AttributionError(
                f"Exact Shapley values take at most {MOST_PLAYERS} players, {2**MOST_PLAYERS} coalitions; here are "
                f"{len(holds)}. Put features into groups, or use method: sampled."
            )
        return coalitions(len(holds)) @ holds

    def _exact(self, stack: NetworkStack, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        self._coalitions(stack)
        weights = shapley_weights(len(self.players(stack)))
        for part, values in in_threads(
            lambda part: (part, self.coalition_values(stack, inputs[part], regime[part])),
            sample_parts(len(inputs), _CELLS_AT_ONCE),
        ):
            shapley = values @ weights.T.astype(values.dtype)
            target, expectation = values[..., -1], values[..., 0]
            remainder = target - expectation - shapley.sum(axis=2)
            shares = {"target": target, "expectation": expectation, "remainder": remainder}
            yield AttributionBlock(part, shapley, shares=shares)


def shap_explanation(
    method: ShapleyValues,
    stack: NetworkStack,
    inputs: Weights,
    regime: Regimes,
    *,
    network: int | None = None,
    data: AnyArray | None = None,
) -> Any:
    """Return the Shapley values of some samples as a `shap.Explanation`, for all of shap's plots.

    Parameters
    ----------
    method : ShapleyValues
    stack : NetworkStack
    inputs : ndarray of float32, shape (n_samples, n_features)
    regime : ndarray of int, shape (n_samples,)
    network : int, optional
        One network; by default the mean of all.
    data : ndarray, shape (n_samples, n_players), optional
        The players' values in plots; by default the inputs where each feature is a player.
    """
    import shap

    blocks = list(method.explain(stack, inputs, regime))
    values = np.concatenate([block.values for block in blocks], axis=1)
    base = np.concatenate([block.shares["expectation"] for block in blocks], axis=1)
    chosen = slice(None) if network is None else slice(network, network + 1)
    if data is None and method.settings.groups is None:
        data = inputs
    return shap.Explanation(
        values=values[chosen].mean(axis=0),
        base_values=base[chosen].mean(axis=0),
        data=data,
        feature_names=list(method.players(stack)),
    )


def _units_first(below: AnyArray, layer: Layer) -> AnyArray:
    """Return the sums of a layer of one network, shape (n_units, n_rows), from activations (n_in, n_rows)."""
    sums = layer.kernel @ below
    sums += layer.bias
    return sums


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
