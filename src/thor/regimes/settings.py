"""Settings: how clustering runs are made and combined, and the number of clusters searched."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from thor.core.settings import BlockDegrees, Count, Filled, NotNegative, Resamples, Settings, Share


class ClusteringSettings(Settings):
    """How the clustering runs are made and combined."""

    algorithm: Literal["breathing", "kmeans"] = "breathing"
    """Breathing k-means, or plain k-means of scikit-learn for comparison."""
    n_clusters: Count = 20
    """Clusters of each run, k; the default is the number selected for the idealized ocean (ClusterSelection)."""
    n_regimes: int = Field(6, ge=2, le=128)
    """Regimes: the `n_regimes` - 1 largest clusters, and one of all others merged; with as many clusters, each."""
    n_runs: Count = 12
    """Runs of each independent consensus."""
    n_consensus: Count = 2
    """Independent consensuses; all `n_runs` x `n_consensus` runs together give the regimes."""
    group_agreement: Share = 0.9
    """Mean adjusted Rand index above which runs count as one group."""
    inertia_tie: NotNegative = 1e-3
    """Groups whose lowest inertias have a smaller relative difference are equally good: the regimes are then assigned
    by vote within the largest of them."""
    n_breaths: int = Field(300, ge=0)
    """Trials of adding and removing centroids in a breathing run; ignored by plain k-means."""
    n_micro: Count = 10_000
    """Weighted micro-cells on which the trials are made."""
    max_depth: Count = 3
    """Largest number of centroids added and removed in one trial."""
    n_init: Count = 1
    """Starts of each plain k-means run; ignored by breathing k-means."""
    n_jobs: int = -1
    """Processes; -1: one for each core. Has no influence on the result."""

    @field_validator("n_jobs")
    @classmethod
    def _require_processes(cls, n_jobs: int) -> int:
        if n_jobs == 0:
            raise ValueError("must be a number of processes, or -1 for every core; got 0.")
        return n_jobs

    @model_validator(mode="after")
    def _require_enough_clusters(self) -> Self:
        if self.n_clusters < self.n_regimes:
            raise ValueError(
                f"n_clusters ({self.n_clusters}) must be at least n_regimes ({self.n_regimes}): "
                f"{self.n_regimes - 1} clusters are kept and the others merged into one."
            )
        return self

    @property
    def merges(self) -> bool:
        """Whether there are small clusters to merge: more clusters than regimes."""
        return self.n_clusters > self.n_regimes

    @property
    def n_runs_total(self) -> int:
        """Runs of all consensuses together."""
        return self.n_runs * self.n_consensus


class BalanceSettings(Settings):
    """How intervals of the balances in each regime are made."""

    n_bootstrap: Resamples = 1000
    """Resamples of the block bootstrap of the balances."""
    block_degrees: BlockDegrees = 10.0
    """Side of a bootstrap block [degrees]."""
    confidence_level: Share = 0.9
    """Share of resamples inside an interval."""


class ClusterSelection(Settings):
    """Search over the number of clusters, with the algorithm and trials of the regimes."""

    n_clusters: Filled[tuple[Annotated[int, Field(ge=2)], ...]] = (10, 15, 20, 25, 30, 50)
    """Numbers of clusters k to try."""
    n_repeats: Count = 3
    """Runs for each k, each with a different seed and bootstrap sample."""
    min_stability: Share = 0.9
    """Lowest mean adjusted Rand index between the runs of a k that can be selected."""
    bic_tolerance: NotNegative = 0.01
    """Bayesian information criterion per cell above the lowest, within which the smallest k is selected [nat]."""
    mixture_sample: int = Field(20_000, ge=2)
    """Cells drawn for the Gaussian mixture."""
    silhouette_sample: int = Field(5_000, ge=2)
    """Cells drawn for the silhouette."""

    @model_validator(mode="after")
    def _require_enough_cells(self) -> Self:
        if (largest := max(self.n_clusters)) > self.mixture_sample:
            raise ValueError(
                f"mixture_sample ({self.mixture_sample}) must be at least the largest of n_clusters ({largest}): a "
                "Gaussian mixture needs as many cells as clusters."
            )
        return self
