"""Shapley values against a reference distribution: exact over all coalitions, or sampled with a standard error."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from thor.attribution.attributions import Block, blocks_of
from thor.attribution.forward import Forward
from thor.attribution.gradients import mean_target, require_features, require_reference
from thor.attribution.settings import FEWEST_PAIRS, SampledOrExact
from thor.attribution.targets import Regimes, Target, require_target, target_values
from thor.core.arrays import AnyArray
from thor.core.errors import AttributionError
from thor.core.ranges import require_at_least, require_choice, require_positive
from thor.core.threads import in_threads
from thor.networks.stack import NetworkStack, Weights

MOST_PLAYERS = 12
"""Of the exact method: 4,096 coalitions."""

_ROWS_AT_ONCE = 12_800
"""Of the exact method, through one network: few enough for a core's cache, enough that threads need not wait for the
interpreter between operations."""

_CELLS_AT_ONCE = 16
"""Of the exact method, by one thread."""

Precision = Literal["single", "double"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapleyValues:
    """Interventional Shapley values: v(S) is the mean target when players outside S take their values from a reference.

    Attributes
    ----------
    reference : ndarray of float32, shape (n_reference, n_features)
        Scaled.
    method : {"sampled", "exact"}
        sampled: pairs of a random order of the players and its reverse, each pair and network with a reference row of
        its own, none of them twice for a sample before all have come; exact: all coalitions with all rows.
    tolerance : float
        Sampled: a sample is done when the standard error of its mean values, root mean square over players, is below
        this share of the values' root mean square.
    max_pairs : int
        Sampled: most pairs for each network and sample. Where the tolerance is not met by then, what was reached is
        returned and marked (share `converged`).
    groups : mapping of str to tuple of str, optional
        Players that are several features each; by default each feature plays for itself.
    target : {"centred_logit", "logit", "probability"}
    precision : {"single", "double"}
        Of the exact method.
    seed : int
        Of the sampled method.

    Notes
    -----
    The standard error is that of the mean over networks; it takes rows for drawn independently of one another within a
    network, and is an upper bound where networks and pairs together see most of the reference.

    A pair's values add up to f(x) less the target of its own row. What the sampled rows differ by from the whole
    reference is taken out by regression on that difference, whose coefficients add up to one, so that the values of
    every network add up to f(x) less the expectation, and their variance falls.

    References
    ----------
    Lundberg and Lee (2017), arXiv:1705.07874; Mitchell et al. (2022), arXiv:2104.12199 (antithetic orders).
    """

    reference: Weights
    method: SampledOrExact = "sampled"
    tolerance: float = 0.05
    max_pairs: int = 16
    groups: Mapping[str, tuple[str, ...]] | None = None
    target: Target = "centred_logit"
    precision: Precision = "single"
    seed: int = 0
    name: str = "shapley_values"

    def __post_init__(self) -> None:
        require_target(self.target)
        require_choice("method", self.method, SampledOrExact)
        require_choice("precision", self.precision, Precision)
        require_positive("tolerance", self.tolerance)
        require_at_least("max_pairs", self.max_pairs, FEWEST_PAIRS)
        require_reference(self.reference)

    def players(self, stack: NetworkStack) -> tuple[str, ...]:
        """Return the features, or the groups.

        Raises
        ------
        AttributionError
            When a group names a feature that the networks do not have, or a feature is in no group or in two.
        """
        if self.groups is None:
            return stack.features
        named = [feature for group in self.groups.values() for feature in group]
        missing, unknown = set(stack.features) - set(named), set(named) - set(stack.features)
        twice = {feature for feature in named if named.count(feature) > 1}
        if missing or unknown or twice:
            raise AttributionError(
                f"Groups must hold each feature of the networks once: in no group {sorted(missing)}, not a feature "
                f"{sorted(unknown)}, in two groups {sorted(twice)}."
            )
        return tuple(self.groups)

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes, *, start: int = 0) -> Iterator[Block]:
        """Yield Shapley values; see `thor.attribution.attributions.Method`.

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
                "Shapley values are made from the sums of a first hidden layer; these networks have none. Their values "
                "are weight x (input - reference mean): use integrated_gradients."
            )
        if self.method == "exact":
            yield from self._exact(stack, inputs, regime, start)
            return
        sampler = _Sampler(self, stack, mean_target(stack, self.reference, self.target))
        yield from in_threads(
            lambda part: sampler.block(inputs[part], regime[part], part), blocks_of(len(inputs), stack, start=start)
        )

    def coalition_values(self, stack: NetworkStack, inputs: Weights, regime: Regimes) -> AnyArray:
        """Return v(S) of every coalition, shape (n_networks, n_samples, 2 ** n_players); player j is bit j.

        Raises
        ------
        AttributionError
            When there are too many players.
        """
        forward = Forward(stack, self.target, np.float64 if self.precision == "double" else np.float32)
        inside = self._coalitions(stack)
        reference = self.reference.astype(forward.dtype)
        values = np.empty((stack.n_networks, len(inputs), len(inside)), forward.dtype)
        outside_rows = (reference[None] * ~inside[:, None]).reshape(-1, len(stack.features)).T
        step = max(1, _ROWS_AT_ONCE // len(reference))
        for network in range(stack.n_networks):
            # Units first: biases are added along whole rows.
            kernels = [np.ascontiguousarray(kernel[network].T) for kernel in forward.kernels]
            biases = [bias[network].T for bias in forward.biases]
            # What reference rows add to the first layer is the same for all samples.
            outside = (kernels[0] @ outside_rows + biases[0]).reshape(-1, len(inside), len(reference))
            for sample, (row, k) in enumerate(zip(inputs.astype(forward.dtype), regime, strict=True)):
                own = kernels[0] @ (row * inside).T
                for first in range(0, len(inside), step):
                    some = slice(first, first + step)
                    hidden = (outside[:, some] + own[:, some, None]).reshape(len(own), -1)
                    np.tanh(hidden, out=hidden)
                    for kernel, bias in zip(kernels[1:-1], biases[1:-1], strict=True):
                        hidden = kernel @ hidden
                        hidden += bias
                        np.tanh(hidden, out=hidden)
                    if self.target == "probability":
                        logits = (kernels[-1] @ hidden + biases[-1]).T[None]
                        every = target_values(logits, np.full(logits.shape[1], k), self.target)[0]
                    else:
                        last, shift = forward.last_layer(np.array([k]))
                        every = last[network, 0] @ hidden + shift[network, 0]
                    values[network, sample, some] = every.reshape(-1, len(reference)).mean(axis=1)
        return values

    def _coalitions(self, stack: NetworkStack) -> NDArray[np.bool_]:
        """Return which features each coalition holds, shape (2 ** n_players, n_features)."""
        players = self.players(stack)
        if len(players) > MOST_PLAYERS:
            raise AttributionError(
                f"Exact Shapley values take at most {MOST_PLAYERS} players, {2**MOST_PLAYERS} coalitions; here are "
                f"{len(players)}. Put features into groups, or use method: sampled."
            )
        bits = (np.arange(2 ** len(players))[:, None] >> np.arange(len(players))) & 1
        return (bits @ self._membership(stack)).astype(bool)

    def _membership(self, stack: NetworkStack) -> NDArray[np.int64]:
        """Return 1 where a player holds a feature, shape (n_players, n_features)."""
        groups = self.groups or {feature: (feature,) for feature in stack.features}
        return np.array(
            [[feature in groups[player] for feature in stack.features] for player in self.players(stack)], int
        )

    def _exact(self, stack: NetworkStack, inputs: Weights, regime: Regimes, start: int) -> Iterator[Block]:
        n_players = len(self.players(stack))
        self._coalitions(stack)
        weights = shapley_weights(n_players)
        starts = range(start, len(inputs), _CELLS_AT_ONCE)
        parts = (slice(first, min(first + _CELLS_AT_ONCE, len(inputs))) for first in starts)
        for part, values in in_threads(
            lambda part: (part, self.coalition_values(stack, inputs[part], regime[part])), parts
        ):
            shapley = values @ weights.T.astype(values.dtype)
            target, expectation = values[..., -1], values[..., 0]
            remainder = target - expectation - shapley.sum(axis=2)
            yield Block(part, shapley, shares={"target": target, "expectation": expectation, "remainder": remainder})


class _Sampler:
    """Walks through orders of the players, for all networks and a block of samples at once."""

    def __init__(self, method: ShapleyValues, stack: NetworkStack, expectation: AnyArray) -> None:
        self._method, self._forward = method, Forward(stack, method.target)
        self._membership = method._membership(stack)
        self._n_networks, self._expectation = stack.n_networks, expectation

    def block(self, inputs: Weights, regime: Regimes, part: slice) -> Block:
        """Return the values of all networks, sampled until each sample is done or the budget is spent."""
        method, n_players = self._method, len(self._membership)
        random = np.random.default_rng([method.seed, part.start])
        target = self._forward.of_inputs(inputs, regime)
        sums = _Sums(self._n_networks, len(inputs), n_players)
        # Each sample goes through the shuffled reference from a place of its own, and meets no row twice before all.
        n_rows, networks = len(method.reference), np.arange(self._n_networks)
        shuffled, begin = random.permutation(n_rows), random.integers(n_rows, size=len(inputs))
        active, error = np.arange(len(inputs)), np.empty((len(inputs), n_players))
        for n_pairs in range(1, method.max_pairs + 1):
            turn = (n_pairs - 1) * self._n_networks + (networks + n_pairs) % self._n_networks
            rows = shuffled[(begin[active] + turn[:, None]) % len(shuffled)]
            values, of_rows = self._pair(inputs[active], regime[active], target[:, active], rows, random)
            sums.add(active, values, of_rows - self._expectation[:, regime[active]])
            if n_pairs >= FEWEST_PAIRS:
                mean, error[active] = sums.estimate(active)
                size = np.sqrt((mean.mean(axis=0) ** 2).mean(axis=1))
                active = active[np.sqrt((error[active] ** 2).mean(axis=1)) > method.tolerance * size]
                if not active.size:
                    break
        values, _ = sums.estimate(np.arange(len(inputs)))
        converged = np.ones(len(inputs), np.float32)
        converged[active] = 0
        expectation = self._expectation[:, regime]
        shares = {
            "target": target,
            "expectation": expectation,
            "remainder": target - expectation - values.sum(axis=2),
            "converged": np.broadcast_to(converged, target.shape),
        }
        return Block(part, values, error, shares)

    def _pair(
        self,
        inputs: Weights,
        regime: Regimes,
        target: AnyArray,
        rows: NDArray[np.int64],
        random: np.random.Generator,
    ) -> tuple[AnyArray, AnyArray]:
        """Return the mean marginal contributions of an order and its reverse, and the target of the rows."""
        forward, networks = self._forward, np.arange(self._n_networks)
        n_players = len(self._membership)
        orders = random.permuted(np.tile(np.arange(n_players), (self._n_networks, 1)), axis=1)
        reference = self._method.reference[rows]
        begin = reference @ forward.kernels[0] + forward.biases[0]
        of_rows = forward.targets(begin.copy(), regime)
        way = inputs - reference
        values = np.zeros((self._n_networks, len(inputs), n_players), np.float32)
        for order in (orders, orders[:, ::-1]):
            sums, before = begin.copy(), of_rows
            for step in range(n_players):
                players = order[:, step]
                if step == n_players - 1:
                    after = target
                else:
                    sums += (way * self._membership[players][:, None, :]) @ forward.kernels[0]
                    after = forward.targets(sums.copy(), regime)
                values[networks, :, players] += 0.5 * (after - before)
                before = after
        return values, of_rows


class _Sums:
    """Sums over pairs, from which means, regression on the rows' targets and standard errors follow."""

    def __init__(self, n_networks: int, n_samples: int, n_players: int) -> None:
        self.count = np.zeros(n_samples)
        self.values = np.zeros((n_networks, n_samples, n_players))
        self.rows = np.zeros((n_networks, n_samples))
        self.of_networks = _Moments(n_samples, n_players)
        self.of_rounds = _Moments(n_samples, n_players)

    def add(self, samples: NDArray[np.int64], values: AnyArray, rows: AnyArray) -> None:
        """Add a pair of every network; `rows` are the targets of the rows less the expectation."""
        self.count[samples] += 1
        self.values[:, samples] += values
        self.rows[:, samples] += rows
        self.of_networks.add(samples, values, rows)
        self.of_rounds.add(samples, values.mean(axis=0)[None], rows.mean(axis=0)[None])

    def estimate(self, samples: NDArray[np.int64]) -> tuple[AnyArray, AnyArray]:
        """Return the values of every network, and the standard error of their mean."""
        count = self.count[samples]
        mean, row_mean = self.values[:, samples] / count[:, None], self.rows[:, samples] / count
        # Within networks: what networks differ by is no error of sampling.
        squares, products, row_squares = self.of_networks.about(samples, count, mean, row_mean)
        slope = np.divide(products, row_squares[:, None], out=np.zeros_like(products), where=row_squares[:, None] > 0)
        freedom = np.maximum(count - 1, 1)[:, None]
        variance = np.maximum(squares - slope * products, 0) / (len(mean) ** 2 * freedom * count[:, None])
        # Rows are not drawn again: rounds of all networks scatter less than networks by themselves would have it.
        together, rows_together = mean.mean(axis=0)[None], row_mean.mean(axis=0)[None]
        squares, products, row_squares = self.of_rounds.about(samples, count, together, rows_together)
        of_rounds = (squares - 2 * slope * products + slope**2 * row_squares[:, None]) / (freedom * count[:, None])
        whole = variance.sum()
        ratio = np.clip(of_rounds.sum() / whole, 0, 1) if whole > 0 else 1.0
        corrected = mean - slope * row_mean[..., None]
        return corrected.astype(np.float32), np.sqrt(ratio * variance)


class _Moments:
    """Sums of squares and products of values and rows."""

    def __init__(self, n_samples: int, n_players: int) -> None:
        self.squares = np.zeros((n_samples, n_players))
        self.products = np.zeros((n_samples, n_players))
        self.row_squares = np.zeros(n_samples)

    def add(self, samples: NDArray[np.int64], values: AnyArray, rows: AnyArray) -> None:
        """Add values (n, n_samples, n_players) and rows (n, n_samples)."""
        self.squares[samples] += np.einsum("wsp,wsp->sp", values, values)
        self.products[samples] += np.einsum("wsp,ws->sp", values, rows)
        self.row_squares[samples] += np.einsum("ws,ws->s", rows, rows)

    def about(
        self, samples: NDArray[np.int64], count: AnyArray, mean: AnyArray, rows: AnyArray
    ) -> tuple[AnyArray, AnyArray, AnyArray]:
        """Return the sums about the means of each of the n that were added `count` times."""
        return (
            self.squares[samples] - count[:, None] * np.einsum("wsp,wsp->sp", mean, mean),
            self.products[samples] - count[:, None] * np.einsum("wsp,ws->sp", mean, rows),
            self.row_squares[samples] - count * np.einsum("ws,ws->s", rows, rows),
        )


def shapley_weights(n_players: int) -> NDArray[np.float64]:
    """Return the matrix that turns v(S) into Shapley values, shape (n_players, 2 ** n_players)."""
    masks = np.arange(2**n_players)
    size = np.array([int(mask).bit_count() for mask in masks])
    weights = np.zeros((n_players, masks.size))
    for player in range(n_players):
        joined = (masks >> player) & 1 == 1
        # with the player: v(S) enters with 1 / (n C(n-1, |S|-1)); without: with the opposite sign
        weights[player, joined] = [1 / (n_players * comb(n_players - 1, s - 1)) for s in size[joined]]
        weights[player, ~joined] = [-1 / (n_players * comb(n_players - 1, s)) for s in size[~joined]]
    return weights


def shapley_interactions(values: AnyArray) -> AnyArray:
    """Return the pairwise interaction values of coalition values.

    Parameters
    ----------
    values : ndarray, shape (..., 2 ** n_players)
        As from `ShapleyValues.coalition_values`.

    Returns
    -------
    ndarray, shape (..., n_players, n_players)
        Off the diagonal half the Shapley interaction index of a pair, so that a row adds up to the Shapley value.

    References
    ----------
    Lundberg et al. (2020), doi:10.1038/s42256-019-0138-9.
    """
    n_players = int(values.shape[-1]).bit_length() - 1
    masks = np.arange(2**n_players)
    out = np.zeros((*values.shape[:-1], n_players, n_players), values.dtype)
    for i in range(n_players):
        for j in range(i + 1, n_players):
            without = masks[(masks >> i) & 1 == 0]
            without = without[(without >> j) & 1 == 0]
            size = np.array([int(mask).bit_count() for mask in without])
            weights = np.array([1 / (2 * (n_players - 1) * comb(n_players - 2, s)) for s in size])
            first, second = 1 << i, 1 << j
            surplus = values[..., without | first | second] - values[..., without | first]
            surplus = surplus - values[..., without | second] + values[..., without]
            out[..., i, j] = out[..., j, i] = surplus @ weights.astype(values.dtype)
    single = values @ shapley_weights(n_players).T.astype(values.dtype)
    places = np.arange(n_players)
    out[..., places, places] = single - out.sum(axis=-1)
    return out


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
        What plots show as the players' values; by default the inputs where each feature plays for itself.
    """
    import shap

    blocks = list(method.explain(stack, inputs, regime))
    values = np.concatenate([block.values for block in blocks], axis=1)
    base = np.concatenate([block.shares["expectation"] for block in blocks], axis=1)
    chosen = slice(None) if network is None else slice(network, network + 1)
    if data is None and method.groups is None:
        data = inputs
    return shap.Explanation(
        values=values[chosen].mean(axis=0),
        base_values=base[chosen].mean(axis=0),
        data=data,
        feature_names=list(method.players(stack)),
    )
