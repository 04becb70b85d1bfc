"""Boosted trees as arrays, all of them evaluated at once.

A tree of at most eight leaves is one byte: the leaves that a cell may still reach. Every node removes the leaves on the
side to which it does not send the cell; one leaf remains after all nodes, the cell's. Which leaves the nodes of one
feature leave, in all trees, depends on the interval of the feature alone and is a row of a table, so that a cell takes
one row for each feature (after Lucchese et al. 2015, doi:10.1145/2766462.2767733).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thor.core.errors import NetworkError
from thor.networks.stack import Weights

MOST_LEAVES = 8
"""Of a tree: its leaves are the bits of one byte."""

_BLOCK = 256
"""Cells evaluated together: their leaves in some thousand trees fit into a core's cache."""

_ALL = np.uint8(255)
_Test = tuple[float, int, int, int]
"""Of a node: threshold, number of the tree, bytes of the leaves on the left and on the right."""

_LOWEST_BIT = np.array([0, *((byte & -byte).bit_length() - 1 for byte in range(1, 256))])


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """Trees whose leaves add up to a logit for each class.

    Attributes
    ----------
    columns : tuple of int
        Inputs that any tree uses.
    thresholds : tuple of ndarray, each of shape (n_thresholds,)
        Of each of these inputs, ascending.
    remaining : tuple of ndarray of uint8, each of shape (n_thresholds + 1, n_trees)
        Leaves that the nodes of this input leave, in each interval between its thresholds.
    values : ndarray of float32, shape (n_trees, 256)
        Value of the remaining leaf, by the byte. Trees of one class follow one another.
    baseline : ndarray of shape (n_classes,)
        Added to the sums over the trees of each class.
    """

    columns: tuple[int, ...]
    thresholds: tuple[NDArray[np.float64], ...]
    remaining: tuple[NDArray[np.uint8], ...]
    values: Weights
    baseline: NDArray[np.float64]

    @classmethod
    def of(
        cls, *models: Any, columns: Sequence[Sequence[int]] | None = None, shares: Sequence[float] = (1.0,)
    ) -> "BoostedTrees":
        """Return the trees of fitted scikit-learn HistGradientBoostingClassifiers of numerical inputs.

        Parameters
        ----------
        *models : HistGradientBoostingClassifier
            Of the same classes, with as many trees each.
        columns : sequence of sequence of int, optional
            For each model, the columns of the inputs that it was fitted on; by default all.
        shares : sequence of float
            Of each model in the logits.

        Raises
        ------
        NetworkError
            When a tree has more than `MOST_LEAVES` leaves.
        """
        # By class, then by model and iteration; two classes have the trees of the second one only.
        by_model = [zip(*model._predictors, strict=True) for model in models]
        trees = [
            (tree.nodes, number)
            for of_class in zip(*by_model, strict=True)
            for number, of_model in enumerate(of_class)
            for tree in of_model
        ]
        most = max(int(nodes["is_leaf"].sum()) for nodes, _ in trees)
        if most > MOST_LEAVES:
            raise NetworkError(f"A tree has {most} leaves; expected at most {MOST_LEAVES}.")
        values = np.zeros((len(trees), MOST_LEAVES), np.float32)
        tests: dict[int, list[_Test]] = {}
        for number, (nodes, model) in enumerate(trees):
            leaves: list[int] = []
            for node, left, right in _sides(nodes, 0, leaves):
                threshold = float(nodes["num_threshold"][node])
                column = int(nodes["feature_idx"][node])
                column = column if columns is None else columns[model][column]
                tests.setdefault(column, []).append((threshold, number, left, right))
            values[number, : len(leaves)] = shares[model] * nodes["value"][leaves]
        used = tuple(sorted(tests))
        thresholds = tuple(np.unique([test[0] for test in tests[column]]) for column in used)
        remaining = tuple(
            _intervals(tests[column], bounds, len(trees)) for column, bounds in zip(used, thresholds, strict=True)
        )
        by_byte = np.take_along_axis(values, np.broadcast_to(_LOWEST_BIT, (len(trees), 256)), axis=1)
        baseline = sum(share * model._baseline_prediction.ravel() for share, model in zip(shares, models, strict=True))
        return cls(used, thresholds, remaining, by_byte, np.asarray(baseline, float))

    def logits(self, inputs: Weights) -> NDArray[np.float64]:
        """Return the logits, shape (n_samples, n_classes); of two classes, that of the second against the first."""
        n_trees, n_classes = len(self.values), len(self.baseline)
        out = np.empty((len(inputs), n_classes))
        offsets, flat = 256 * np.arange(n_trees), self.values.ravel()
        for start in range(0, len(inputs), _BLOCK):
            block = inputs[start : start + _BLOCK]
            leaves = np.full((len(block), n_trees), _ALL)
            for of_column in self.leaves_left(block):
                leaves &= of_column
            found = flat.take(leaves + offsets).reshape(len(block), n_classes, -1)
            out[start : start + _BLOCK] = found.sum(axis=-1, dtype=np.float64) + self.baseline
        return out

    def leaves_left(self, inputs: Weights) -> Iterator[NDArray[np.uint8]]:
        """Yield, for each of `columns`, the leaves that its nodes leave in each sample and tree."""
        for column, bounds, remaining in zip(self.columns, self.thresholds, self.remaining, strict=True):
            # A cell is sent to the right by the thresholds below its value.
            yield remaining[np.searchsorted(bounds, inputs[:, column].astype(float), side="left")]


def _sides(nodes: Any, node: int, leaves: list[int]) -> list[tuple[int, int, int]]:
    """Return the inner nodes at and below a node, each with the bytes of the leaves on its left and on its right.

    Leaves are numbered from left to right, by their place in `leaves`, which grows and holds the number of their node.
    """
    if nodes["is_leaf"][node]:
        leaves.append(node)
        return []
    first = len(leaves)
    found = _sides(nodes, int(nodes["left"][node]), leaves)
    middle = len(leaves)
    found += _sides(nodes, int(nodes["right"][node]), leaves)
    return [(node, (1 << middle) - (1 << first), (1 << len(leaves)) - (1 << middle)), *found]


def _intervals(tests: "list[_Test]", bounds: NDArray[np.float64], n_trees: int) -> NDArray[np.uint8]:
    """Return the leaves that the nodes of one input leave in each interval and tree."""
    remaining = np.full((len(bounds) + 1, n_trees), _ALL)
    for threshold, number, left, right in tests:
        above = np.searchsorted(bounds, threshold) + 1
        remaining[:above, number] &= np.uint8(_ALL ^ right)
        remaining[above:, number] &= np.uint8(_ALL ^ left)
    return remaining
