"""Boosted trees as arrays, all of them evaluated at once.

A tree of at most eight leaves is one byte: the leaves that a cell may still reach. Every node that sends the cell to
the right removes the leaves on its left; of the leaves that remain after all nodes the first is the cell's. Which
leaves the nodes of one feature leave, in all trees, depends on the interval of the feature alone and is a row of a
table, so that a cell takes one row for each feature (Lucchese et al. 2015, doi:10.1145/2766462.2767733).
"""

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
        Value of the first of the remaining leaves, by their byte. Trees of one class follow one another.
    baseline : ndarray of shape (n_classes,)
        Added to the sums over the trees of each class.
    """

    columns: tuple[int, ...]
    thresholds: tuple[NDArray[np.float64], ...]
    remaining: tuple[NDArray[np.uint8], ...]
    values: Weights
    baseline: NDArray[np.float64]

    @classmethod
    def of(cls, model: Any) -> "BoostedTrees":
        """Return the trees of a fitted scikit-learn HistGradientBoostingClassifier of numerical inputs.

        Raises
        ------
        NetworkError
            When a tree has more than `MOST_LEAVES` leaves.
        """
        # By class, then by iteration; two classes have the trees of the second one only.
        trees = [tree.nodes for of_class in zip(*model._predictors, strict=True) for tree in of_class]
        most = max(int(nodes["is_leaf"].sum()) for nodes in trees)
        if most > MOST_LEAVES:
            raise NetworkError(f"A tree has {most} leaves; expected at most {MOST_LEAVES}.")
        values = np.zeros((len(trees), MOST_LEAVES), np.float32)
        tests: dict[int, list[tuple[float, int, int]]] = {}
        for number, nodes in enumerate(trees):
            leaves: list[int] = []
            for node, left in _left_leaves(nodes, 0, leaves):
                kept = int(_ALL) & ~sum(1 << leaf for leaf in left)
                threshold = float(nodes["num_threshold"][node])
                tests.setdefault(int(nodes["feature_idx"][node]), []).append((threshold, number, kept))
            values[number, : len(leaves)] = nodes["value"][leaves]
        columns = tuple(sorted(tests))
        thresholds = tuple(np.unique([threshold for threshold, _, _ in tests[column]]) for column in columns)
        remaining = tuple(
            _intervals(tests[column], bounds, len(trees)) for column, bounds in zip(columns, thresholds, strict=True)
        )
        by_byte = np.take_along_axis(values, np.broadcast_to(_LOWEST_BIT, (len(trees), 256)), axis=1)
        return cls(columns, thresholds, remaining, by_byte, model._baseline_prediction.ravel().astype(float))

    def logits(self, inputs: Weights) -> NDArray[np.float64]:
        """Return the logits, shape (n_samples, n_classes); of two classes, that of the second against the first."""
        n_trees, n_classes = len(self.values), len(self.baseline)
        out = np.empty((len(inputs), n_classes))
        offsets, flat = 256 * np.arange(n_trees, dtype=np.int32), self.values.ravel()
        for start in range(0, len(inputs), _BLOCK):
            block = inputs[start : start + _BLOCK]
            leaves = np.full((len(block), n_trees), _ALL)
            for column, bounds, remaining in zip(self.columns, self.thresholds, self.remaining, strict=True):
                # A cell is sent to the right by the thresholds below its value.
                leaves &= remaining[np.searchsorted(bounds, block[:, column].astype(float), side="left")]
            found = flat[leaves + offsets].reshape(len(block), n_classes, -1)
            out[start : start + _BLOCK] = found.sum(axis=-1, dtype=np.float64) + self.baseline
        return out


def _left_leaves(nodes: Any, node: int, leaves: list[int]) -> list[tuple[int, list[int]]]:
    """Return the inner nodes at and below a node, each with the leaves on its left; `leaves` grows from left to right.

    Leaves are numbered by their place in `leaves`, which holds the number of their node.
    """
    if nodes["is_leaf"][node]:
        leaves.append(node)
        return []
    first = len(leaves)
    left = _left_leaves(nodes, int(nodes["left"][node]), leaves)
    found = [(node, list(range(first, len(leaves))))]
    return found + left + _left_leaves(nodes, int(nodes["right"][node]), leaves)


def _intervals(tests: list[tuple[float, int, int]], bounds: NDArray[np.float64], n_trees: int) -> NDArray[np.uint8]:
    """Return the leaves that the nodes of one input leave in each interval and tree."""
    remaining = np.full((len(bounds) + 1, n_trees), _ALL)
    for threshold, number, kept in tests:
        remaining[np.searchsorted(bounds, threshold) + 1 :, number] &= np.uint8(kept)
    return remaining
