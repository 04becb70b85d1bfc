"""Typed parameters: one model for each pipeline's group, made of the library's settings.

The same defaults stand in `conf/base/parameters_<pipeline>.yml`; environments and `--params` override single keys.
Values that several files share, of `globals.yml`, have no default here.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, create_model, field_validator, model_validator

from thor.attribution.methods import all_methods
from thor.attribution.players import Preset
from thor.attribution.settings import EvaluationSettings, ReferenceSettings, TruthSettings
from thor.core.compute import Compute
from thor.core.errors import did_you_mean
from thor.core.settings import Count, Filled, NotNegative, Seed, Settings, Share
from thor.core.variables import SURFACE_SET, input_sets
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.settings import (
    BoostingSettings,
    CommonTraining,
    CrossValidationSettings,
    FeatureSet,
    SearchSettings,
    SplitSettings,
    TrainingSettings,
)
from thor.ocean.idealized.archive_settings import ArchiveSettings
from thor.ocean.idealized.settings import OceanSettings
from thor.reading.quirks import Quirks
from thor.reading.windows import ClimatologySettings
from thor.regimes.settings import BalanceSettings, ClusteringSettings, ClusterSelection
from thor.report.settings import ReportSettings
from thor.tracking.settings import AgreementSettings, TrackingSettings
from thor.uncertainty.settings import ApplicabilitySettings, BayesianSettings, LaplaceSettings

Predictors = Filled[tuple[Literal["average", "ensemble", "gradient_boosting", "bayesian"], ...]]
Names = Literal["all"] | Filled[list[str]]
Explained = Filled[tuple[Literal["ensemble", "bayesian", "laplace", "average", "gradient_boosting"], ...]]


class IdealizedOcean(Settings):
    """Parameters of `idealized_ocean`."""

    seed: Seed
    """Seed of the hills on the sea floor and of the archive's weather."""
    training_ocean: OceanSettings = OceanSettings()
    """Physical settings of the training ocean."""
    archive_root: str | list[str] | None
    """The archive that is studied, as in globals.yml; models are made where it is `idealized`."""
    archive: ArchiveSettings = ArchiveSettings()
    """Climate models and experiments of the archive."""


class ArchiveChoice(Settings):
    """Which runs of the archive are studied; at least one run must have each name given."""

    source_ids: Names
    """Climate models; all: every one in the archive."""
    experiment_ids: Names
    """Experiments; each model has some of them."""
    variant_labels: Names
    """Variants; each experiment has some of them."""


class DataEngineering(ClimatologySettings):
    """Parameters of `data_engineering`."""

    budget: Literal["released", "corrected"] = "released"
    """Terms that are clustered: as they come with the training ocean, or with the advection of planetary vorticity
    from its transports and the rest of the Coriolis term in the bottom pressure torque."""
    stress_curl: Literal["surface", "released"] = "surface"
    """Stress curl feature: of the surface stress, which climate models publish, or the budget term."""
    metric: Literal["spherical", "published"] = "spherical"
    """Geometry of gradients: true, or that of the published study."""
    closure_tolerance: Share = 1e-3
    """Largest rms of the sum of the budget, as a share of the rms of the largest term."""
    extended_features: bool = True
    """Whether to add J(zos, deptho), the magnitudes of gradients and Coriolis parameter, and the terms of the
    budget that geostrophic balance gives."""
    neighbourhood_radii_km: list[Annotated[int, Field(ge=1, le=20_000)]] = []
    """Radii within which means and standard deviations of features are added [km]."""
    neighbourhood_statistics: Filled[tuple[Literal["mean", "spread"], ...]] = ("mean", "spread")
    """Which of the two. Means hardly depend on the grid, if the radius is larger than its spacing; spreads do."""
    polar_filter: bool = False
    """Whether sea level, depth, stress and transports on regular grids are averaged along rows near the poles, over
    about the distance between rows, before features are computed."""
    archive: ArchiveChoice
    """Which runs of the archive are studied, besides the parents of runs."""
    missing: Literal["skip", "error"] = "skip"
    """Whether an unreadable run, or a window without all its months, is omitted or an error."""
    density_classes: bool = True
    """Whether transports are also binned into classes of potential density, where runs have temperature and salinity
    (thetao, so): of all reading this takes longest."""
    quirks: dict[str, Quirks] = {}
    """Differences of single models: rows as in thor/reading/quirks.yml, which they replace."""

    def climatology_settings(self) -> ClimatologySettings:
        """Return the part on which climatologies depend."""
        return ClimatologySettings(**{name: getattr(self, name) for name in ClimatologySettings.model_fields})


class RegimeClustering(BalanceSettings):
    """Parameters of `regime_clustering`."""

    seed: Seed
    """Seed of all runs, samples and bootstraps."""
    labels: Literal["clustering", "published"] = "clustering"
    """Labels that define the regimes: the consensus of the runs, or those in the budget."""
    numbering: Literal["physics", "reference"] = "physics"
    """How regimes are numbered: by their stress curl, or as in the given labels."""
    runs: ClusteringSettings = ClusteringSettings()
    """How the clustering runs are made and combined."""
    amplitudes: tuple[Annotated[float, Field(gt=0, le=100)], ...] = (0.5, 2.0)
    """Strengths of winds and currents, relative to the training ocean, of the similar oceans that networks are also
    trained on (`modelling.split.rescale`)."""
    selection: ClusterSelection = ClusterSelection()
    """Search over the number of clusters."""

    @model_validator(mode="after")
    def _require_enough_clusters(self) -> Self:
        if (smallest := min(self.selection.n_clusters)) < self.runs.n_regimes:
            raise ValueError(
                f"selection.n_clusters must each be at least runs.n_regimes ({self.runs.n_regimes}), the number of "
                f"regimes that are compared; got {smallest}."
            )
        return self


class Modelling(Settings):
    """Parameters of `modelling`."""

    seed: Seed
    """Seed of initial weights, shuffling, votes and resamples."""
    networks: Literal["trained", "published"] = "trained"
    """Networks trained here, or the 50 of the published study with their scaler."""
    features: FeatureSet = ("geostrophic", "geostrophic_torques")
    """Inputs of the networks: groups that are added to the eight published features, such as `geostrophic` or `around
    deptho`; published: the eight alone; extended: all that data_engineering made."""
    input_sets: Filled[tuple[str, ...]] = (SURFACE_SET, "transport")
    """Sets of inputs, for each of which predictors are trained, scored and applied to the climate models that have
    them: surface, the features above, and sets that add features of fields that only some climate models publish, such
    as transport."""
    compare_published: bool = False
    """Whether the published networks are scored too (needs the public files)."""
    split: SplitSettings = SplitSettings()
    """Which cells train, select and test."""
    training: TrainingSettings = TrainingSettings()
    """How networks are built and trained."""
    terms_weight: NotNegative = 0.3
    """Weight of the likelihood of the five terms of the vorticity budget in the networks' loss: they then predict the
    terms as well, each with a spread; 0: regimes only. The published networks never do."""
    boosting: BoostingSettings = BoostingSettings()
    """How gradient boosting is trained."""
    left_out_networks: Count = 12
    """Networks that are trained without each ocean basin in turn, for calibration and errors of scores; also the
    networks of each further input set."""
    bootstrap: BootstrapSettings = BootstrapSettings()
    """How intervals of scores are made."""

    @field_validator("input_sets")
    @classmethod
    def _require_known_sets(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in input_sets():
                known, near = ", ".join(input_sets()), did_you_mean(name, input_sets())
                raise ValueError(f"there is no input set '{name}'; expected some of {known}.{near}")
        if names[0] != SURFACE_SET or len(set(names)) < len(names):
            raise ValueError(f"input_sets must begin with {SURFACE_SET} and name each set once; got {', '.join(names)}")
        return names


class NetworkSearch(Settings):
    """Parameters of `network_search`."""

    seed: Seed
    """Seed of the search and of every training."""
    training: CommonTraining = CommonTraining()
    """Everything about the networks that is not searched."""
    search: SearchSettings = SearchSettings()
    """Which settings are tried, and how often."""


class CrossValidation(CrossValidationSettings):
    """Parameters of `cross_validation`."""

    seed: Seed
    """Seed of initial weights, shuffling and resamples."""


class Uncertainty(Settings):
    """Parameters of `uncertainty`."""

    seed: Seed
    """Seed of initial weights, draws, samples and resamples."""
    bayesian: BayesianSettings = BayesianSettings()
    """How the Bayesian network is trained and drawn from."""
    laplace: LaplaceSettings = LaplaceSettings()
    """How the Laplace approximation is made and drawn from."""
    applicability: ApplicabilitySettings = ApplicabilitySettings()
    """How dissimilarity to the training cells is measured."""
    confidence_level: Share = 0.9
    """Nominal coverage of the conformal sets."""
    credible_level: Share = 0.9
    """Share of networks inside the interval of a probability."""
    bootstrap: BootstrapSettings = BootstrapSettings()
    """How intervals of scores are made."""


class CellChoice(Settings):
    """A cell whose explanation is shown on a separate page."""

    latitude: float = Field(35.0, ge=-90, le=90)
    """Latitude of the nearest valid cell [degrees_north]."""
    longitude: float = Field(290.0, ge=-360, le=360)
    """Longitude [degrees_east]."""


_OF_METHODS: dict[str, Any] = {
    method.parameters: (method.settings, Field(method.settings(), description=method.settings.__doc__))
    for method in all_methods().values()
    if method.settings is not None
}
_SettingsOfMethods: Any = create_model("_SettingsOfMethods", __base__=Settings, **_OF_METHODS)


class Explainability(_SettingsOfMethods):
    """Parameters of `explainability`, with the settings of every method of explanation that has some."""

    seed: Seed
    """Seed of references, orders, draws and resamples."""
    predictors: Explained = ("ensemble", "bayesian")
    """Explained predictors, at least one of them networks: ensemble, bayesian or laplace. Methods are compared on
    networks; Shapley values and LIME also explain the average and gradient boosting. Maps show the first."""
    n_draws: Count = 50
    """Networks drawn from each posterior, of the Bayesian network and the Laplace approximation."""
    target: Literal["centred_logit", "logit"] = "centred_logit"
    """Explained quantity of a regime: its logit minus the mean of all, or its logit. Its probability, which relevance
    cannot explain, is a target of Shapley values and LIME in the library only."""
    regime: str = "predicted"
    """Explained regime: `predicted`, by all networks of the predictor together, or the name of one."""
    reference: ReferenceSettings = ReferenceSettings()
    """Reference of Shapley values and LIME; relevance has none."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """How explanations are evaluated."""
    truth: TruthSettings = TruthSettings()
    """How methods are tested on functions with known attributions."""
    cell: CellChoice = CellChoice()
    """The cell whose explanation is shown on a separate page."""

    @model_validator(mode="after")
    def _require_networks(self) -> Self:
        if not {"ensemble", "bayesian", "laplace"} & set(self.predictors):
            raise ValueError(
                f"predictors ({', '.join(self.predictors)}) must include networks (ensemble, bayesian or laplace), on "
                "which the methods are compared"
            )
        return self


class ScenarioTracking(Settings):
    """Parameters of `scenario_tracking`."""

    seed: Seed
    """Seed of draws and resamples."""
    predictors: Predictors = ("average", "bayesian")
    """Predictors that are applied, each with separate results; maps, curves and the summary show the first."""
    n_draws: Count = 50
    """Networks drawn from the posterior of the Bayesian network."""
    change: TrackingSettings = TrackingSettings()
    """How change is tested and how many cells are processed at once."""
    use_variants: bool = True
    """Whether variants of one experiment add to the internal variability of the control run."""
    agreement: AgreementSettings = AgreementSettings()
    """How climate models are compared."""
    attribution_groups: dict[str, list[str]] | Preset | None = None
    """Features that are explained together, by name, or a preset as in explainability.shapley.groups; null: each
    separately, or the preset physical where more than 12 change."""
    bootstrap: BootstrapSettings = BootstrapSettings()
    """How intervals of the perfect-model test are made; block_degrees null: 10 degrees."""
    deep_mixed_layer: Annotated[float, Field(gt=0, le=12_000)] = 500.0
    """Mixed layers deeper than this, in the mean of a window, are deep [m]."""
    shown_run: str | None = None
    """Run shown on maps, source_id/experiment_id/variant_label; null: the one with the largest change."""


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
