"""Exact Shapley values of boosted trees for any number of players and of reference rows."""

from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from thor.attribution.method import sample_parts
from thor.core.arrays import Array
from thor.core.errors import AttributionError
from thor.networks.stack import Weights
from thor.networks.trees import MOST_LEAVES, BoostedTrees

ROWS_AT_ONCE = 64
"""Samples of one block: their patterns of all leaves take about 30 MB with 1,200 trees."""


class TreeShapley:
    """Shapley values of the logits of trees against reference rows.

    A leaf is reached where all players on its path are inside its intervals. In a coalition of the sample's players
    with those of a row, each of them is inside or not with the sample and with the row; the value of the leaf depends
    on these two patterns alone. The patterns of all rows are counted once for each leaf, which gives a table with the
    attributions for every pattern of a sample.

    Parameters
    ----------
    trees : BoostedTrees
    reference : ndarray of float32, shape (n_reference, n_features)
    membership : ndarray of bool, shape (n_players, n_features)
        The features of each player.

    Raises
    ------
    AttributionError
        When the trees were fitted by an earlier version, whose tables do not hold what is needed.

    Notes
    -----
    With a players of the path inside for the sample only and b for the row only, each of the a gets
    (a-1)! b! / (a+b)! of the leaf's value and each of the b gets -a! (b-1)! / (a+b)!; nobody gets anything where one
    player is outside for both.

    References
    ----------
    Lundberg et al. (2020), doi:10.1038/s42256-019-0138-9; Yang (2021), arXiv:2109.09847 (tables for each leaf).
    """

    def __init__(self, trees: BoostedTrees, reference: Weights, membership: NDArray[np.bool_]) -> None:
        self._trees, self._membership = trees, membership
        n_trees, n_classes = len(trees.values), len(trees.baseline)
        # Which leaves each player can exclude.
        can_exclude = np.zeros((len(membership), n_trees), np.uint8)
        for column, remaining in zip(trees.columns, trees.remaining, strict=True):
            can_exclude[membership[:, column]] |= ~np.bitwise_and.reduce(remaining, axis=0)
        on_path = _leaves(can_exclude)
        values = trees.values[:, 1 << np.arange(MOST_LEAVES)].ravel().astype(float)
        has_path = on_path.any(axis=0)
        # Earlier tables never excluded the last leaf of a tree.
        if (np.repeat(can_exclude.any(axis=0), MOST_LEAVES) & ~has_path & (values != 0)).any():
            raise AttributionError(
                "These boosted trees were fitted by an earlier version of THOR: their tables do not give the path to "
                "each leaf. Run modelling again."
            )
        self._used = np.flatnonzero(has_path & (values != 0))
        on_path, values = on_path[:, self._used], values[self._used]
        self._leaves = [np.flatnonzero(of_player) for of_player in on_path]
        place = np.cumsum(on_path, axis=0) - on_path
        self._places = [place[player, leaves].astype(np.uint8) for player, leaves in enumerate(self._leaves)]
        n_players_of, of_class = on_path.sum(axis=0), self._used // (n_trees // n_classes * MOST_LEAVES)
        parts = sample_parts(len(reference), ROWS_AT_ONCE)
        patterns = np.concatenate([self._patterns(reference[part]) for part in parts], axis=1)
        self._groups = []
        for size in np.unique(n_players_of).tolist():
            leaves = np.flatnonzero(n_players_of == size)
            codes = patterns[leaves] + (np.arange(len(leaves)) << size)[:, None]
            counts = np.bincount(codes.ravel(), minlength=len(leaves) << size).reshape(len(leaves), -1)
            table = np.einsum("lr,xrp->lpx", counts, _shares(size), optimize=True)
            table *= (values[leaves] / len(reference))[:, None, None]
            players = np.nonzero(on_path[:, leaves].T)[1].reshape(-1, size)
            row = (of_class[leaves, None] * len(membership) + players).ravel()
            ones = csr_array(
                (np.ones(len(row)), (row, np.arange(len(row)))), shape=(n_classes * len(membership), len(row))
            )
            self._groups.append(_Group(leaves, table, ones))

    def values(self, inputs: Weights) -> Array:
        """Return the Shapley values of every logit of the trees, shape (n_samples, n_classes, n_players)."""
        n_players, n_classes = len(self._membership), len(self._trees.baseline)
        out = np.zeros((len(inputs), n_classes, n_players))
        for part in sample_parts(len(inputs), ROWS_AT_ONCE):
            patterns = self._patterns(inputs[part])
            for group in self._groups:
                found = np.take_along_axis(group.table, patterns[group.leaves][:, None], axis=2)
                total = group.sums @ found.reshape(-1, found.shape[-1])
                out[part] += total.T.reshape(-1, n_classes, n_players)
        return out

    def _patterns(self, inputs: Weights) -> NDArray[np.intp]:
        """Return which players of its path are inside each used leaf, as bits, shape (n_leaves, n_samples)."""
        inside = np.full((len(self._membership), len(inputs), len(self._trees.values)), np.uint8(255))
        for column, left in zip(self._trees.columns, self._trees.leaves_left(inputs), strict=True):
            inside[np.flatnonzero(self._membership[:, column])] &= left
        out = np.zeros((len(self._used), len(inputs)), np.intp)
        for of_player, leaves, places in zip(inside, self._leaves, self._places, strict=True):
            bits = _leaves(of_player)[:, self._used[leaves]]
            out[leaves] += (bits << places).T
        return out


@dataclass(frozen=True, eq=False)
class _Group:
    """Leaves with the same number of players on their path.

    `table`, (n_leaves, n_players_of_path, n_patterns), holds the attributions for every pattern; `sums` adds them up to
    those of classes and players.
    """

    leaves: NDArray[np.intp]
    table: Array
    sums: csr_array


def _leaves(masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the bits of (..., n_trees) bytes, one for each leaf, shape (..., n_trees * 8)."""
    return np.unpackbits(masks, axis=-1, bitorder="little")


def _shares(n_players: int) -> Array:
    """Return the share of a leaf's value that each player gets, (sample's patterns, row's patterns, n_players)."""
    bits = np.arange(1 << n_players)[:, None] >> np.arange(n_players) & 1
    sample, row = bits[:, None], bits[None]
    of_sample, of_row = sample & ~row & 1, row & ~sample & 1
    a, b = of_sample.sum(axis=-1), of_row.sum(axis=-1)
    factorials = np.array([factorial(k) for k in range(n_players + 1)], float)
    both = (sample | row).all(axis=-1) / factorials[a + b]
    to_sample = both * factorials[np.maximum(a - 1, 0)] * factorials[b]
    to_row = both * factorials[a] * factorials[np.maximum(b - 1, 0)]
    return np.asarray(of_sample * to_sample[..., None] - of_row * to_row[..., None])
