"""Typed parameters: one model for each pipeline's group, made of the library's settings.

The same defaults stand in `conf/base/parameters_<pipeline>.yml`; environments and `--params` override single keys.
Values that several files share, of `globals.yml`, have no default here.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from thor.attribution.methods import all_methods
from thor.attribution.players import Preset
from thor.attribution.settings import EvaluationSettings, ReferenceSettings, TruthSettings
from thor.core.compute import Compute
from thor.core.settings import Count, Filled, Seed, Settings, Share
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.settings import SearchSettings, SplitSettings, TrainingSettings
from thor.ocean.idealized.archive_settings import ArchiveSettings
from thor.ocean.idealized.settings import OceanSettings
from thor.reading.quirks import Quirks
from thor.reading.windows import ClimatologySettings
from thor.regimes.settings import BalanceSettings, ClusteringSettings, ClusterSelection
from thor.report.settings import ReportSettings
from thor.tracking.settings import AgreementSettings, TrackingSettings
from thor.uncertainty.settings import ApplicabilitySettings, BayesianSettings, LaplaceSettings

Predictors = Filled[tuple[Literal["ensemble", "bayesian"], ...]]


class IdealizedOcean(Settings):
    """Parameters of `idealized_ocean`."""

    seed: Seed = Field(description="Seed of the hills on the sea floor and of the archive's weather.")
    training_ocean: OceanSettings = Field(OceanSettings(), description="Physical settings of the training ocean.")
    archive_root: str | list[str] | None = Field(
        description="The archive that is studied, as in globals.yml; models are made where it is `idealized`."
    )
    archive: ArchiveSettings = Field(ArchiveSettings(), description="Climate models and experiments of the archive.")


class ArchiveChoice(Settings):
    """Which runs of the archive are studied; at least one run must have each name given."""

    source_ids: Literal["all"] | list[str] = Field(description="Climate models; all: every one in the archive.")
    experiment_ids: Literal["all"] | list[str] = Field(description="Experiments; each model has some of them.")
    variant_labels: Literal["all"] | list[str] = Field(description="Variants; each experiment has some of them.")


class DataEngineering(ClimatologySettings):
    """Parameters of `data_engineering`."""

    stress_curl: Literal["surface", "released"] = Field(
        "surface",
        description="Stress curl feature: of the surface stress, which climate models publish, or the budget term.",
    )
    metric: Literal["spherical", "published"] = Field(
        "spherical", description="Geometry of gradients: true, or that of the published study."
    )
    closure_tolerance: Share = Field(
        1e-3, description="Largest rms of the sum of the budget, as a share of the rms of the largest term."
    )
    extended_features: bool = Field(
        False, description="Whether to add J(zos, deptho) and the magnitudes of gradients and Coriolis parameter."
    )
    neighbourhood_radii_km: list[Annotated[float, Field(gt=0, le=20_000)]] = Field(
        [], description="Radii within which means and standard deviations of features are added [km]."
    )
    archive: ArchiveChoice = Field(description="Which runs of the archive are studied, besides the parents of runs.")
    missing: Literal["skip", "error"] = Field(
        "skip",
        description="Whether an unreadable run, or a window without all its months, is omitted or an error.",
    )
    quirks: dict[str, Quirks] = Field(
        {}, description="Differences of single models: rows as in thor/reading/quirks.yml, which they replace."
    )

    def climatology_settings(self) -> ClimatologySettings:
        """Return the part on which climatologies depend."""
        return ClimatologySettings(**{name: getattr(self, name) for name in ClimatologySettings.model_fields})


class RegimeClustering(BalanceSettings):
    """Parameters of `regime_clustering`."""

    seed: Seed = Field(description="Seed of all runs, samples and bootstraps.")
    labels: Literal["clustering", "published"] = Field(
        "clustering", description="Labels that define the regimes: the consensus of the runs, or those in the budget."
    )
    numbering: Literal["physics", "reference"] = Field(
        "physics", description="How regimes are numbered and named: by their stress curl, or as in the given labels."
    )
    runs: ClusteringSettings = Field(ClusteringSettings(), description="How the clustering runs are made and combined.")
    selection: ClusterSelection = Field(ClusterSelection(), description="Search over the number of clusters.")


class Modelling(Settings):
    """Parameters of `modelling`."""

    seed: Seed = Field(description="Seed of initial weights, shuffling, votes and resamples.")
    networks: Literal["trained", "published"] = Field(
        "trained", description="Networks trained here, or the 50 of the published study with their scaler."
    )
    features: Literal["published", "extended"] | list[str] = Field(
        "published",
        description="Inputs of the networks: the eight published features, all that data_engineering made, or the "
        "published ones and a list of groups such as `around deptho`.",
    )
    compare_published: bool = Field(
        False, description="Whether the published networks are scored too (needs the public files)."
    )
    split: SplitSettings = Field(SplitSettings(), description="Which cells train, select, calibrate and test.")
    training: TrainingSettings = Field(TrainingSettings(), description="How networks are built and trained.")
    bootstrap: BootstrapSettings = Field(BootstrapSettings(), description="How intervals of scores are made.")


class NetworkSearch(Settings):
    """Parameters of `network_search`."""

    seed: Seed = Field(description="Seed of the search and of every training.")
    training: TrainingSettings = Field(
        TrainingSettings(n_networks=5, epochs=20), description="Everything about the networks that is not searched."
    )
    search: SearchSettings = Field(SearchSettings(), description="Which settings are tried, and how often.")


class CrossValidation(Settings):
    """Parameters of `cross_validation`."""

    seed: Seed = Field(description="Seed of initial weights, shuffling and resamples.")
    features: Literal["published", "extended"] | list[str] = Field(
        "published", description="Inputs of the networks, as in modelling."
    )
    split: SplitSettings = Field(
        SplitSettings(), description="Regions that select and calibrate in each fold, and the buffer between roles."
    )
    training: TrainingSettings = Field(
        TrainingSettings(n_networks=10), description="How the networks of each fold are trained."
    )
    bootstrap: BootstrapSettings = Field(BootstrapSettings(), description="How intervals of scores are made.")


class Uncertainty(Settings):
    """Parameters of `uncertainty`."""

    seed: Seed = Field(description="Seed of initial weights, draws, samples and resamples.")
    bayesian: BayesianSettings = Field(
        BayesianSettings(), description="How the Bayesian network is trained and drawn from."
    )
    laplace: LaplaceSettings = Field(
        LaplaceSettings(), description="How the Laplace approximation is made and drawn from."
    )
    applicability: ApplicabilitySettings = Field(
        ApplicabilitySettings(), description="How dissimilarity to the training cells is measured."
    )
    confidence_level: Share = Field(
        0.9, description="Share of cells like those of the calibrate region whose conformal set contains the regime."
    )
    credible_level: Share = Field(0.9, description="Share of networks inside the interval of a probability.")
    bootstrap: BootstrapSettings = Field(BootstrapSettings(), description="How intervals of scores are made.")


class CellChoice(Settings):
    """A cell whose explanation is shown on a separate page."""

    latitude: float = Field(35.0, ge=-90, le=90, description="Latitude of the nearest valid cell [degrees_north].")
    longitude: float = Field(290.0, ge=-360, le=360, description="Longitude [degrees_east].")


_OF_METHODS: dict[str, Any] = {
    method.parameters: (method.settings, Field(method.settings(), description=method.settings.__doc__))
    for method in all_methods().values()
    if method.settings is not None
}
_SettingsOfMethods: Any = create_model("_SettingsOfMethods", __base__=Settings, **_OF_METHODS)


class Explainability(_SettingsOfMethods):
    """Parameters of `explainability`, with the settings of every method of explanation that has some."""

    seed: Seed = Field(description="Seed of references, orders, draws and resamples.")
    predictors: Predictors = Field(("ensemble", "bayesian"), description="Predictors whose networks are explained.")
    n_draws: Count = Field(50, description="Networks drawn from the posterior of the Bayesian network.")
    target: Literal["centred_logit", "logit", "probability"] = Field(
        "centred_logit",
        description="Explained quantity of a regime: its logit less the mean of all, its logit, or its probability "
        "(not for relevance).",
    )
    regime: str = Field(
        "predicted",
        description="Explained regime: `predicted`, by all networks of the predictor together, or the name of one.",
    )
    reference: ReferenceSettings = Field(
        ReferenceSettings(), description="Reference of Shapley values and LIME; relevance has none."
    )
    evaluation: EvaluationSettings = Field(EvaluationSettings(), description="How explanations are evaluated.")
    truth: TruthSettings = Field(
        TruthSettings(), description="How methods are tested on functions with known attributions."
    )
    cell: CellChoice = Field(CellChoice(), description="The cell whose explanation is shown on a separate page.")


class ScenarioTracking(Settings):
    """Parameters of `scenario_tracking`."""

    seed: Seed = Field(description="Seed of draws and resamples.")
    predictors: Predictors = Field(
        ("ensemble", "bayesian"), description="Predictors whose networks are applied, each with separate results."
    )
    n_draws: Count = Field(50, description="Networks drawn from the posterior of the Bayesian network.")
    change: TrackingSettings = Field(
        TrackingSettings(), description="How change is tested and how many cells are processed at once."
    )
    use_variants: bool = Field(
        True, description="Whether variants of historical add to the internal variability of the control run."
    )
    agreement: AgreementSettings = Field(AgreementSettings(), description="How climate models are compared.")
    attribution_groups: dict[str, list[str]] | Preset | None = Field(
        None,
        description="Features that are explained together, by name, or a preset as in explainability.shapley.groups; "
        "null: each separately.",
    )
    bootstrap: BootstrapSettings = Field(
        BootstrapSettings(),
        description="How intervals of the perfect-model test are made; block_degrees null: 10 degrees.",
    )
    shown_run: str | None = Field(
        None,
        description="Run shown on maps, source_id/experiment_id/variant_label; null: the one with the largest change.",
    )


MODELS: dict[str, type[Settings]] = {
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
    "reporting": ReportSettings,
}
"""The model of each parameter group."""
