"""Consensus regimes of many runs: merge small clusters, align the runs, group them by agreement, count votes.

A plain majority over all runs can give a local optimum that is common but not the best (it does on the ECCO
budget with plain k-means). So runs are grouped by how well their maps agree, regimes are assigned by vote within
the group that holds the run of lowest inertia, and the votes of all runs give the uncertainty.
"""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform

from thor.regimes.settings import ClusteringSettings


@dataclass(frozen=True)
class Consensus:
    """Aligned runs, and the group of them that assigns the regimes.

    Attributes
    ----------
    class_of_cluster : ndarray of int8, shape (n_runs, n_clusters)
        Class of each cluster; class `n_classes` - 1 is the one small clusters are merged into, if any.
    group : ndarray of int, shape (n_runs,)
        Group of each run; regimes are assigned by vote within group 0, the others follow by their
        lowest inertia.
    representative : int
        The run of lowest inertia in group 0.
    agreement : ndarray of shape (n_runs, n_runs)
        Adjusted Rand index between the maps of each pair of runs.
    n_classes : int
    """

    class_of_cluster: np.ndarray
    group: np.ndarray
    representative: int
    agreement: np.ndarray
    n_classes: int

    def assign(self, labels: np.ndarray) -> np.ndarray:
        """Return the consensus class of each cell from its cluster in every run, (n_runs, n_cells)."""
        classes = np.take_along_axis(self.class_of_cluster, labels, axis=1)
        return assign_by_vote(classes, self.group, representative=self.representative, n_classes=self.n_classes)


def build_consensus(labels: np.ndarray, inertia: np.ndarray, settings: ClusteringSettings) -> Consensus:
    """Return the aligned and grouped runs.

    Parameters
    ----------
    labels : ndarray of int, shape (n_runs, n_cells)
        Cluster of each cell in each run.
    inertia : ndarray of shape (n_runs,)
    settings : ClusteringSettings
        Numbers of clusters and regimes, and when runs and groups of them count as equal.
    """
    n_classes = settings.n_regimes
    merged = np.stack(
        [merge_small_clusters(run, n_clusters=settings.n_clusters, n_classes=n_classes) for run in labels]
    )
    classes = np.take_along_axis(merged, labels, axis=1)
    agreement = pairwise_agreement(classes, n_classes)
    group = group_runs(agreement, inertia, threshold=settings.group_agreement, tie=settings.inertia_tie)
    representative = int(np.argmin(np.where(group == 0, inertia, np.inf)))
    tables = [contingency(run, classes[representative], n_classes) for run in classes]
    matched = [match_classes(table, keep_last=settings.merges) for table in tables]
    aligned = np.stack([of_run[run] for of_run, run in zip(matched, merged, strict=True)])
    return Consensus(aligned, group, representative, agreement, n_classes)


def merge_small_clusters(labels: np.ndarray, *, n_clusters: int, n_classes: int) -> np.ndarray:
    """Return the class of each cluster, int8 of shape (n_clusters,): large ones by size, all others the last class.

    Size is the number of cells, as published; among equals the lower cluster number comes first.
    """
    sizes = np.bincount(labels, minlength=n_clusters)
    classes = np.full(n_clusters, n_classes - 1, dtype=np.int8)
    large = np.argsort(-sizes, kind="stable")[: n_classes - 1]
    classes[large] = np.arange(n_classes - 1)
    return classes


def match_classes(table: np.ndarray, *, keep_last: bool) -> np.ndarray:
    """Return the column class of each row class by optimal assignment on a contingency table (n_classes, n_classes).

    With `keep_last` the last row is assigned to the last column: merged small clusters stay merged small clusters,
    although in a poor run a large cluster may overlap them most.
    """
    matched = np.arange(len(table), dtype=np.int8)
    free = len(table) - 1 if keep_last else len(table)
    rows, columns = linear_sum_assignment(table[:free, :free], maximize=True)
    matched[rows] = columns
    return matched


def group_runs(agreement: np.ndarray, inertia: np.ndarray, *, threshold: float, tie: float) -> np.ndarray:
    """Return the group of each run, shape (n_runs,): first the one that assigns the regimes, then by lowest inertia.

    Average linkage: connected components would chain runs that do not agree through those in between, complete
    linkage would split a group for one pair that agrees by chance less well. Groups are compared by their LOWEST
    inertia, which k-means minimises; a mean depends on how far the poorest members got. Group 0 is the one with most
    runs among those within `tie` (relative) of the lowest of all.
    """
    if len(inertia) == 1:
        return np.zeros(1, dtype=int)
    distance = np.clip(1.0 - agreement, 0.0, None)
    np.fill_diagonal(distance, 0.0)
    found = fcluster(linkage(squareform(distance, checks=False), method="average"), 1.0 - threshold, "distance")
    lowest = {number: inertia[found == number].min() for number in np.unique(found)}
    order = sorted(lowest, key=lowest.__getitem__)
    tied = [number for number in order if lowest[number] <= inertia.min() * (1.0 + tie)]
    # max keeps the first of equals, which is the lower one.
    first = max(tied, key=lambda number: int((found == number).sum()))
    order = [first, *(number for number in order if number != first)]
    return np.array([order.index(number) for number in found])


def votes(classes: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the share of runs for each class, shape (n_classes, n_cells), from classes (n_runs, n_cells)."""
    return np.stack([(classes == number).mean(axis=0) for number in range(n_classes)])


def assign_by_vote(classes: np.ndarray, group: np.ndarray, *, representative: int, n_classes: int) -> np.ndarray:
    """Return the class of each cell with most votes in group 0; the representative run decides between equals.

    Parameters
    ----------
    classes : ndarray of int, shape (n_runs, n_cells)
    group : ndarray of int, shape (n_runs,)
    representative : int
        A run of group 0.
    n_classes : int
    """
    voters = group == 0
    counts = votes(classes[voters], n_classes) * voters.sum()
    counts[classes[representative], np.arange(classes.shape[1])] += 0.5
    return counts.argmax(axis=0).astype(np.int8)


def contingency(first: np.ndarray, second: np.ndarray, n_classes: int) -> np.ndarray:
    """Return how many cells are of class i in `first` and j in `second`, shape (n_classes, n_classes)."""
    joint = first.astype(np.int64) * n_classes + second
    return np.bincount(joint, minlength=n_classes**2).reshape(n_classes, n_classes)


def adjusted_rand_index(table: np.ndarray) -> float:
    """Return the adjusted Rand index of two labellings from their contingency table.

    1 for the same partition, 0 on average for unrelated ones (Hubert & Arabie 1985, doi:10.1007/BF01908075).
    """
    counts = np.asarray(table, dtype=float)
    pairs = _pairs(counts).sum()
    rows, columns = _pairs(counts.sum(axis=1)).sum(), _pairs(counts.sum(axis=0)).sum()
    chance = rows * columns / _pairs(counts.sum())
    largest = (rows + columns) / 2
    # Two labellings without any split are the same partition.
    return 1.0 if largest == chance else float((pairs - chance) / (largest - chance))


def pairwise_agreement(classes: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the adjusted Rand index of every pair of maps, shape (n_maps, n_maps), from classes (n_maps, n_cells)."""
    agreement = np.eye(len(classes))
    for first, second in zip(*np.triu_indices(len(classes), k=1), strict=True):
        value = adjusted_rand_index(contingency(classes[first], classes[second], n_classes))
        agreement[first, second] = agreement[second, first] = value
    return agreement


def mean_of_pairs(agreement: np.ndarray) -> float:
    """Return the mean over all pairs of different maps; nan for a single map."""
    pairs = agreement[np.triu_indices(len(agreement), k=1)]
    return float(pairs.mean()) if pairs.size else float("nan")


def _pairs(counts: np.ndarray) -> np.ndarray:
    return counts * (counts - 1.0) / 2.0
