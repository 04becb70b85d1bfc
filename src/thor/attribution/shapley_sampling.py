"""Sampled Shapley values: random orders of the players in antithetic pairs, with a standard error."""

from itertools import chain

import numpy as np

from thor.attribution.method import AttributionBlock
from thor.attribution.players import Groups, membership
from thor.attribution.target_networks import targets_of
from thor.attribution.targets import Regimes, Target, mean_target
from thor.core.arrays import AnyArray, IntArray
from thor.networks.predictor import Predictor
from thor.networks.stack import Weights

FEWEST_PAIRS = 3
"""Pairs of orders of the players below which no error is estimated."""

FEWEST_DEGREES = 9
"""Degrees of freedom about the members' means (members times one less than pairs) below which no sample is converged:
10 pairs of a single member, 3 of five or more."""


class ShapleySampler:
    """Shapley values from random orders of the players, for all members and a block of samples at once.

    Parameters
    ----------
    predictor : Predictor
    reference : ndarray of float32, shape (n_reference, n_features)
    groups : mapping of str to tuple of str, or None
    tolerance : float
    max_pairs : int
    target : {"centred_logit", "logit", "probability"}
    seed : int

    Notes
    -----
    The standard error is that of the mean over members; it takes rows for drawn independently of one another within a
    member, and is an upper bound where members and pairs together cover most of the reference.

    A pair's values add up to f(x) minus the target of its row. The difference between the sampled rows and the whole
    reference is removed by regression on it, with coefficients that add up to one, so that the values of every member
    add up to f(x) minus the expectation, and their variance falls.

    References
    ----------
    Mitchell et al. (2022), arXiv:2104.12199 (antithetic orders).
    """

    def __init__(
        self,
        predictor: Predictor,
        reference: Weights,
        groups: Groups | None,
        *,
        tolerance: float,
        max_pairs: int,
        target: Target,
        seed: int,
    ) -> None:
        self._targets = targets_of(predictor, target)
        self._n_members, self._expectation = predictor.n_members, mean_target(predictor, reference, target)
        self._membership = membership(groups, predictor.features)
        self._reference, self._seed = reference, seed
        self._tolerance, self._max_pairs = tolerance, max_pairs

    def block(self, inputs: Weights, regime: Regimes, part: slice) -> AttributionBlock:
        """Return the values of all members; each sample is sampled until its tolerance or `max_pairs` is reached."""
        n_players, tolerance = len(self._membership), self._tolerance
        random = np.random.default_rng([self._seed, part.start])
        target = self._targets.of_inputs(inputs, regime)
        sums = _Sums(self._n_members, len(inputs), n_players)
        # Each sample starts at a random place of the shuffled reference and uses every row once before any twice.
        n_rows, members = len(self._reference), np.arange(self._n_members)
        shuffled, begin = random.permutation(n_rows), random.integers(n_rows, size=len(inputs))
        active, error = np.arange(len(inputs)), np.empty((len(inputs), n_players))
        fewest = max(FEWEST_PAIRS, 1 + -(-FEWEST_DEGREES // self._n_members))
        for n_pairs in range(1, self._max_pairs + 1):
            turn = (n_pairs - 1) * self._n_members + (members + n_pairs) % self._n_members
            rows = shuffled[(begin[active] + turn[:, None]) % n_rows]
            values, of_rows = self._pair(inputs[active], regime[active], target[:, active], rows, random)
            sums.add(active, values, of_rows - self._expectation[:, regime[active]])
            if n_pairs >= min(fewest, self._max_pairs):
                mean, error[active] = sums.estimate(active)
            if n_pairs >= fewest:
                size = np.sqrt((mean.mean(axis=0) ** 2).mean(axis=1))
                active = active[np.sqrt((error[active] ** 2).mean(axis=1)) > tolerance * size]
                if not active.size:
                    break
        values, _ = sums.estimate(np.arange(len(inputs)))
        converged = np.ones(len(inputs), np.float32)
        converged[active] = 0
        converged = np.broadcast_to(converged, target.shape)
        expectation = self._expectation[:, regime]
        return AttributionBlock.additive(part, values, target, expectation, error, converged=converged)

    def _pair(
        self,
        inputs: Weights,
        regime: Regimes,
        target: AnyArray,
        rows: IntArray,
        random: np.random.Generator,
    ) -> tuple[AnyArray, AnyArray]:
        """Return the mean marginal contributions of an order and its reverse, and the target of the rows."""
        n_players = len(self._membership)
        orders = random.permuted(np.tile(np.arange(n_players), (self._n_members, 1)), axis=1)
        hybrids = self._targets.hybrids(inputs, self._reference[rows], regime)
        of_rows = hybrids.of_rows()
        values = np.zeros((self._n_members, len(inputs), n_players), np.float32)
        for order in (orders, orders[:, ::-1]):
            before = of_rows
            steps = hybrids.along(self._membership[order.T[:-1]])
            for players, after in zip(order.T, chain(steps, [target]), strict=True):
                values[np.arange(self._n_members), :, players] += 0.5 * (after - before)
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

    def add(self, samples: IntArray, values: AnyArray, rows: AnyArray) -> None:
        """Add a pair of every network; `rows` are the targets of the rows minus the expectation."""
        self.count[samples] += 1
        self.values[:, samples] += values
        self.rows[:, samples] += rows
        self.of_networks.add(samples, values, rows)
        self.of_rounds.add(samples, values.mean(axis=0)[None], rows.mean(axis=0)[None])

    def estimate(self, samples: IntArray) -> tuple[AnyArray, AnyArray]:
        """Return the values of every network, and the standard error of their mean."""
        count = self.count[samples]
        mean, row_mean = self.values[:, samples] / count[:, None], self.rows[:, samples] / count
        # Within networks: spread between networks is not sampling error.
        squares, products, all_row_squares = self.of_networks.about(samples, count, mean, row_mean)
        varied = all_row_squares[:, None] > 0
        slope = np.divide(products, all_row_squares[:, None], out=np.zeros_like(products), where=varied)
        # The slope, common to all networks, takes one degree of freedom of all of them together.
        freedom = (count - 1 - 1 / len(mean))[:, None]
        variance = np.maximum(squares - slope * products, 0) / (len(mean) ** 2 * freedom * count[:, None])
        # Rows are drawn without replacement: the mean over networks varies less than independent draws would.
        together, rows_together = mean.mean(axis=0)[None], row_mean.mean(axis=0)[None]
        squares, products, row_squares = self.of_rounds.about(samples, count, together, rows_together)
        round_variance = (squares - 2 * slope * products + slope**2 * row_squares[:, None]) / (freedom * count[:, None])
        whole = variance.sum()
        ratio = np.clip(round_variance.sum() / whole, 0, 1) if whole > 0 else 1.0
        corrected = mean - slope * row_mean[..., None]
        # Its error grows with the distance between the mean over the sampled rows and the expectation.
        lever = len(mean) * count * rows_together[0] ** 2
        lever = np.divide(lever, all_row_squares, out=np.zeros_like(lever), where=all_row_squares > 0)
        return corrected.astype(np.float32), np.sqrt(ratio * variance * (1 + lever[:, None]))


class _Moments:
    """Sums of squares and products of values and rows."""

    def __init__(self, n_samples: int, n_players: int) -> None:
        self.squares = np.zeros((n_samples, n_players))
        self.products = np.zeros((n_samples, n_players))
        self.row_squares = np.zeros(n_samples)

    def add(self, samples: IntArray, values: AnyArray, rows: AnyArray) -> None:
        """Add values (n, n_samples, n_players) and rows (n, n_samples)."""
        self.squares[samples] += np.einsum("wsp,wsp->sp", values, values)
        self.products[samples] += np.einsum("wsp,ws->sp", values, rows)
        self.row_squares[samples] += np.einsum("ws,ws->s", rows, rows)

    def about(
        self, samples: IntArray, count: AnyArray, mean: AnyArray, rows: AnyArray
    ) -> tuple[AnyArray, AnyArray, AnyArray]:
        """Return the sums about the means of each of the n values and rows, added `count` times."""
        return (
            self.squares[samples] - count[:, None] * np.einsum("wsp,wsp->sp", mean, mean),
            self.products[samples] - count[:, None] * np.einsum("wsp,ws->sp", mean, rows),
            self.row_squares[samples] - count * np.einsum("ws,ws->s", rows, rows),
        )
