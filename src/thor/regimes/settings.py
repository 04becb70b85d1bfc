"""How the clustering runs are made and combined: settings, checked when they are made."""

from dataclasses import dataclass
from typing import Literal, get_args

from thor.core.errors import ConfigError, did_you_mean
from thor.core.ranges import require_at_least, require_share

Algorithm = Literal["breathing", "kmeans"]
ALGORITHMS: tuple[str, ...] = get_args(Algorithm)


@dataclass(frozen=True, kw_only=True)
class ClusteringSettings:
    """How the runs are made and combined.

    Attributes
    ----------
    algorithm : {"breathing", "kmeans"}
        Our breathing k-means, or scikit-learn's plain k-means as its rival.
    n_clusters : int
        k, clusters of each run.
    n_regimes : int
        Classes kept: the `n_regimes` - 1 largest clusters and one into which all others are merged.
    n_runs, n_consensus : int
        Runs of each independent consensus, and how many consensuses; `n_runs` x `n_consensus` runs are made
        in all.
    group_agreement : float
        Mean adjusted Rand index above which runs count as one group.
    inertia_tie : float
        Groups whose lowest inertias differ relatively by less are equally good: the one with most runs is chosen.
    n_breaths : int
        Trials of adding and removing centroids in a breathing run; ignored by plain k-means.
    n_micro : int
        Weighted micro-cells on which the trials are made.
    max_depth : int
        Most centroids added and removed in one trial.
    n_init : int
        Starts of each plain k-means run; ignored by breathing k-means.
    n_jobs : int
        Processes; -1 uses every core. Has no influence on the result.
    """

    algorithm: Algorithm = "breathing"
    n_clusters: int = 50
    n_regimes: int = 6
    n_runs: int = 12
    n_consensus: int = 3
    group_agreement: float = 0.9
    inertia_tie: float = 1e-3
    n_breaths: int = 450
    n_micro: int = 10_000
    max_depth: int = 3
    n_init: int = 1
    n_jobs: int = -1

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ConfigError(
                f"Unknown clustering algorithm '{self.algorithm}'.{did_you_mean(self.algorithm, ALGORITHMS)}"
            )
        lows = {
            "n_regimes": 2,
            "n_runs": 1,
            "n_consensus": 1,
            "n_breaths": 0,
            "n_micro": 1,
            "max_depth": 1,
            "n_init": 1,
        }
        for name, low in lows.items():
            require_at_least(name, getattr(self, name), low)
        if self.n_clusters < self.n_regimes:
            raise ConfigError(
                f"n_clusters ({self.n_clusters}) must be at least n_regimes ({self.n_regimes}): "
                f"{self.n_regimes - 1} clusters are kept and the others merged into one."
            )
        require_share("group_agreement", self.group_agreement)
        require_at_least("inertia_tie", self.inertia_tie, 0)
        if self.n_jobs == 0:
            raise ConfigError("'n_jobs' must be a number of processes, or -1 for every core; got 0.")

    @property
    def n_runs_total(self) -> int:
        """Runs of all consensuses together."""
        return self.n_runs * self.n_consensus
