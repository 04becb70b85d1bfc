"""Settings: how clustering runs are made and combined, and the number of clusters searched."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from thor.core.settings import Count, Filled, NotNegative, Settings, Share


class ClusteringSettings(Settings):
    """How the clustering runs are made and combined."""

    algorithm: Literal["breathing", "kmeans"] = Field(
        "breathing", description="Breathing k-means, or plain k-means of scikit-learn for comparison."
    )
    n_clusters: Count = Field(50, description="Clusters of each run, k.")
    n_regimes: int = Field(
        6, ge=2, description="Regimes: the `n_regimes` - 1 largest clusters, and one of all others merged."
    )
    n_runs: Count = Field(12, description="Runs of each independent consensus.")
    n_consensus: Count = Field(
        2, description="Independent consensuses; all `n_runs` x `n_consensus` runs together give the regimes."
    )
    group_agreement: Share = Field(0.9, description="Mean adjusted Rand index above which runs count as one group.")
    inertia_tie: NotNegative = Field(
        1e-3,
        description="Groups whose lowest inertias have a smaller relative difference are equally good: the regimes are "
        "then assigned by vote within the largest of them.",
    )
    n_breaths: int = Field(
        300,
        ge=0,
        description="Trials of adding and removing centroids in a breathing run; ignored by plain k-means.",
    )
    n_micro: Count = Field(10_000, description="Weighted micro-cells on which the trials are made.")
    max_depth: Count = Field(3, description="Largest number of centroids added and removed in one trial.")
    n_init: Count = Field(1, description="Starts of each plain k-means run; ignored by breathing k-means.")
    n_jobs: int = Field(-1, description="Processes; -1: one for each core. Has no influence on the result.")

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
    def n_runs_total(self) -> int:
        """Runs of all consensuses together."""
        return self.n_runs * self.n_consensus


class ClusterSelection(Settings):
    """Search over the number of clusters."""

    n_clusters: Filled[tuple[Annotated[int, Field(ge=2)], ...]] = Field(
        (10, 20, 30, 40, 50, 60, 75), description="Numbers of clusters k to try."
    )
    n_repeats: Count = Field(3, description="Runs for each k, each with a different seed and bootstrap sample.")
    n_breaths: int = Field(30, ge=0, description="Trials of each run; fewer than for the regimes suffice.")
    mixture_sample: int = Field(20_000, ge=2, description="Cells drawn for the Gaussian mixture.")
    silhouette_sample: int = Field(5_000, ge=2, description="Cells drawn for the silhouette.")
