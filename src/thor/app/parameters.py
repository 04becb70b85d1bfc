"""Typed parameters: one model for each pipeline's group, no hidden defaults, no extra keys.

Values live in `conf/base/parameters_<pipeline>.yml`; environments and `--params` override single keys.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from thor.attribution.players import Preset
from thor.attribution.settings import (
    EvaluationSettings,
    LimeSettings,
    ReferenceSettings,
    RelevanceSettings,
    ShapleySettings,
    TruthSettings,
)
from thor.core.compute import Compute as ComputeSettings
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.settings import SearchSettings, SplitSettings, TrainingSettings
from thor.ocean.idealized.archive_settings import ArchiveSettings
from thor.ocean.idealized.settings import OceanSettings
from thor.reading.quirks import Quirks
from thor.reading.windows import WindowSettings
from thor.regimes.settings import ClusteringSettings
from thor.report.settings import ReportSettings
from thor.tracking.settings import AgreementSettings, TrackingSettings
from thor.uncertainty.settings import ApplicabilitySettings, BayesianSettings, LaplaceSettings

if TYPE_CHECKING:
    from thor.reading.climatology import ClimatologySettings

PositiveKm = Annotated[float, Field(gt=0, le=20_000)]


class Parameters(BaseModel):
    """A parameter group or part of one: extra keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IdealizedOcean(Parameters):
    """Parameters of `idealized_ocean`."""

    seed: int = Field(ge=0, description="Seed of the hills on the sea floor and of the archive's weather.")
    training_ocean: OceanSettings = Field(description="Physical settings of the training ocean.")
    archive_root: str | list[str] | None = Field(
        description="The archive that is studied, as in globals.yml; models are made where it is `idealized`."
    )
    archive: ArchiveSettings = Field(description="Climate models and experiments of the archive.")


class ArchiveChoice(Parameters):
    """Which runs of the archive are studied; every name given has to be got from one run at least."""

    source_ids: Literal["all"] | list[str] = Field(description="Climate models; all: every one in the archive.")
    experiment_ids: Literal["all"] | list[str] = Field(description="Experiments; each model gives those it has.")
    variant_labels: Literal["all"] | list[str] = Field(description="Variants; each experiment gives those it has.")


class DataEngineering(Parameters):
    """Parameters of `data_engineering`."""

    stress_curl: Literal["surface", "released"] = Field(
        description="Stress curl feature: of the surface stress, as climate models allow, or the budget's own term."
    )
    metric: Literal["spherical", "published"] = Field(
        description="Geometry of gradients: true, or that of the published study."
    )
    reference_density: float = Field(gt=900, lt=1200, description="Reference density of sea water [kg m-3].")
    closure_tolerance: float = Field(
        gt=0, lt=1, description="Largest rms of the budget's sum, as a share of the largest term's rms."
    )
    extended_features: bool = Field(
        description="Whether to add J(zos, deptho) and the magnitudes of gradients and Coriolis parameter."
    )
    neighbourhood_radii_km: list[PositiveKm] = Field(
        description="Radii [km] within which means and spreads of features are added."
    )
    archive: ArchiveChoice = Field(description="Which runs of the archive are studied; parents of runs come with them.")
    windows: WindowSettings = Field(description="Which climatological windows are taken of each run.")
    missing: Literal["skip", "error"] = Field(
        description="Whether a run that cannot be read, or a window without all its months, is left out or an error."
    )
    strict: bool = Field(description="Whether a physical check that is not passed is an error instead of a warning.")
    masked_basins: list[str] = Field(description="Enclosed seas of climate models taken as land, by basin name.")
    quirks: dict[str, Quirks] = Field(
        description="What single models do differently: rows as in thor/reading/quirks.yml, which they replace."
    )

    def climatology_settings(self) -> "ClimatologySettings":
        """Return how climatologies are made."""
        from thor.reading.climatology import ClimatologySettings

        return ClimatologySettings(
            windows=self.windows,
            masked_basins=self.masked_basins,
            reference_density=self.reference_density,
            strict=self.strict,
        )


class ClusterSelection(Parameters):
    """How the number of clusters is looked into."""

    n_clusters: list[Annotated[int, Field(ge=2)]] = Field(min_length=1, description="Numbers of clusters k to try.")
    n_repeats: int = Field(ge=1, description="Runs for each k, each with its own seed and bootstrap.")
    n_breaths: int = Field(ge=0, description="Breaths of each run; fewer than for the regimes will do.")
    mixture_sample: int = Field(ge=2, description="Cells drawn for the Gaussian mixture.")
    silhouette_sample: int = Field(ge=2, description="Cells drawn for the silhouette.")


class RegimeClustering(Parameters):
    """Parameters of `regime_clustering`."""

    seed: int = Field(ge=0, description="Seed of all runs, samples and bootstraps.")
    labels: Literal["clustering", "published"] = Field(
        description="Whose labels are the regimes: the consensus of the runs, or those given with the budget."
    )
    numbering: Literal["physics", "reference"] = Field(
        description="How regimes are numbered and named: by their stress curl, or as in the given labels."
    )
    runs: ClusteringSettings = Field(description="How the clustering runs are made and combined.")
    selection: ClusterSelection = Field(description="How the number of clusters is looked into.")
    n_bootstrap: int = Field(ge=1, description="Resamples of the block bootstrap of the balances.")
    block_degrees: float = Field(gt=0, le=90, description="Side of a bootstrap block [degrees].")
    confidence_level: float = Field(gt=0, lt=1, description="Share of resamples inside an interval.")


class Modelling(Parameters):
    """Parameters of `modelling`."""

    seed: int = Field(ge=0, description="Seed of initial weights, shuffling, votes and resamples.")
    networks: Literal["trained", "published"] = Field(
        description="Networks of one's own, or the 50 of the published study with their scaler."
    )
    features: Literal["published", "extended"] | list[str] = Field(
        description="What networks see: the eight published features, all that data_engineering made, or a list of "
        "groups that are added to the published ones, such as `around deptho`."
    )
    compare_published: bool = Field(description="Whether the published networks are scored beside the others.")
    split: SplitSettings = Field(description="Which cells train, select, calibrate and test.")
    training: TrainingSettings = Field(description="How networks are built and trained.")
    bootstrap: BootstrapSettings = Field(description="How intervals of scores are made.")


class NetworkSearch(Parameters):
    """Parameters of `network_search`."""

    seed: int = Field(ge=0, description="Seed of the search and of every training.")
    training: TrainingSettings = Field(description="Everything about the networks that is not searched.")
    search: SearchSettings = Field(description="What is tried, and how often.")


class CrossValidation(Parameters):
    """Parameters of `cross_validation`."""

    seed: int = Field(ge=0, description="Seed of initial weights, shuffling and resamples.")
    features: Literal["published", "extended"] | list[str] = Field(description="What networks see, as in modelling.")
    split: SplitSettings = Field(description="Regions but the one that tests select; the buffer lies between roles.")
    training: TrainingSettings = Field(description="How the networks of each fold are trained.")
    bootstrap: BootstrapSettings = Field(description="How intervals of scores are made.")


class Uncertainty(Parameters):
    """Parameters of `uncertainty`."""

    seed: int = Field(ge=0, description="Seed of initial weights, draws, samples and resamples.")
    bayesian: BayesianSettings = Field(description="How the Bayesian network is trained and drawn from.")
    laplace: LaplaceSettings = Field(description="How the Laplace approximation is made and drawn from.")
    applicability: ApplicabilitySettings = Field(description="How dissimilarity to the training cells is measured.")
    confidence_level: float = Field(gt=0, lt=1, description="Share of cells whose conformal set is to hold the regime.")
    credible_level: float = Field(gt=0, lt=1, description="Share of networks inside the interval of a probability.")
    bootstrap: BootstrapSettings = Field(description="How intervals of scores are made.")


class CellChoice(Parameters):
    """A cell that gets a page of its own."""

    latitude: float = Field(ge=-90, le=90, description="Degrees north.")
    longitude: float = Field(ge=-360, le=360, description="Degrees east; the nearest valid cell is taken.")


class Explainability(Parameters):
    """Parameters of `explainability`."""

    seed: int = Field(ge=0, description="Seed of references, orders, draws and resamples.")
    predictors: list[Literal["ensemble", "bayesian"]] = Field(min_length=1, description="Whose networks are explained.")
    n_draws: int = Field(ge=1, description="Networks drawn from the posterior of the Bayesian network.")
    target: Literal["centred_logit", "logit", "probability"] = Field(
        description="What is explained of a regime: its logit less the mean of all, its logit, or its probability."
    )
    regime: str = Field(description="Which regime: `predicted`, or the name of one.")
    reference: ReferenceSettings = Field(description="What Shapley values and LIME measure against.")
    relevance: RelevanceSettings = Field(description="How relevance is propagated.")
    shapley: ShapleySettings = Field(description="How Shapley values are found.")
    lime: LimeSettings = Field(description="How LIME draws and fits.")
    evaluation: EvaluationSettings = Field(description="How explanations are judged.")
    truth: TruthSettings = Field(description="How methods are tested on functions with known attributions.")
    cell: CellChoice = Field(description="The cell that gets a page of its own.")


class Compute(Parameters):
    """Parameters of `compute`: where blocks of work are done. No result depends on it."""

    scheduler: str = Field(
        description="threads: of this process; local: processes of this machine; or the address of a Dask scheduler, "
        "such as tcp://host:8786."
    )
    n_workers: int | None = Field(description="Of threads and local; null: one for each core.")
    memory_limit: str | None = Field(description="Of each process of local, such as 4 GB; null: its share.")
    timeout_s: float = Field(description="Seconds within which a scheduler has to answer.")

    @model_validator(mode="after")
    def _can_be(self) -> "Compute":
        self.settings()
        return self

    def settings(self) -> ComputeSettings:
        """Return them as the library takes them."""
        return ComputeSettings(**self.model_dump())


class ScenarioTracking(Parameters):
    """Parameters of `scenario_tracking`."""

    seed: int = Field(ge=0, description="Seed of draws and resamples.")
    predictors: list[Literal["ensemble", "bayesian"]] = Field(
        min_length=1, description="Whose networks are applied, each reported on its own."
    )
    n_draws: int = Field(ge=1, description="Networks drawn from the posterior of the Bayesian network.")
    change: TrackingSettings = Field(description="How change is judged and how much is done at once.")
    use_variants: bool = Field(
        description="Whether variants of historical add to the control run's natural variability."
    )
    agreement: AgreementSettings = Field(description="What many climate models are compared in.")
    attribution_groups: dict[str, list[str]] | Preset | None = Field(
        description="Features that are explained together, as in `thor.attribution.players`; null: each alone."
    )
    bootstrap: BootstrapSettings = Field(description="How intervals of the perfect-model test are made.")
    shown_run: str | None = Field(
        description="Run that the maps show, source_id/experiment_id/variant_label; null: the one that changes most."
    )


class Reporting(Parameters):
    """Parameters of `reporting`."""

    max_cells: int = Field(ge=100, description="Cells of the training ocean in the explorer; a finer grid is thinned.")
    max_run_cells: int = Field(ge=100, description="The same of each climate model in the scenario viewer.")
    figure_colours: int = Field(
        ge=16, le=256, description="Colours of each figure inside the report; files of figures keep all of theirs."
    )

    def settings(self) -> ReportSettings:
        """Return the library's settings."""
        return ReportSettings(**self.model_dump())


MODELS: dict[str, type[Parameters]] = {
    "idealized_ocean": IdealizedOcean,
    "data_engineering": DataEngineering,
    "regime_clustering": RegimeClustering,
    "modelling": Modelling,
    "network_search": NetworkSearch,
    "cross_validation": CrossValidation,
    "uncertainty": Uncertainty,
    "explainability": Explainability,
    "scenario_tracking": ScenarioTracking,
    "compute": Compute,
    "reporting": Reporting,
}
"""The model of each parameter group."""
