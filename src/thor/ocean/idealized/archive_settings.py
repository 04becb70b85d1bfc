"""Settings: the climate models and experiments of the idealized archive."""

from dataclasses import dataclass
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from thor.core.settings import Filled, Settings
from thor.ocean.idealized.settings import OceanSettings

GridKind = Literal["regular", "displaced_pole", "regular_land_suppressed"]
StressPoints = Literal["t_points", "c_grid", "corners"]
Calendar = Literal["noleap", "360_day", "gregorian"]
MipEra = Literal["CMIP6", "CMIP7"]
ExperimentId = Literal["piControl", "historical", "ssp126", "ssp245", "ssp370", "ssp585", "1pctCO2", "abrupt-4xCO2"]

CONTROL: Final = "piControl"
"""The experiment with constant forcing, from which historical and the idealized experiments branch off."""

HISTORICAL: Final = "historical"
"""The experiment that scenarios continue, each variant the one of its name."""


@dataclass(frozen=True)
class Experiment:
    """What distinguishes one experiment from another.

    Attributes
    ----------
    parent : {'piControl', 'historical'} or None
        Experiment from which it branches off; that of historical is its last year.
    forcing : {'none', 'slow', 'linear', 'abrupt', 'continued'}
        How warming grows.
    n_files : int
        Files into which the series is split.
    title : str
    final_share : float or None
        Of a scenario, the share of full warming in its last month.
    """

    parent: Literal["piControl", "historical"] | None
    forcing: Literal["none", "slow", "linear", "abrupt", "continued"]
    n_files: int
    title: str
    final_share: float | None = None

    @property
    def activity_id(self) -> str:
        """Activity of CMIP that defines the experiment."""
        return "ScenarioMIP" if self.parent == HISTORICAL else "CMIP"


def _scenario(final_share: float, title: str) -> Experiment:
    return Experiment(HISTORICAL, "continued", 1, title, final_share)


# Shares of scenarios: the best estimates of the warming in 2081-2100, 1.8, 2.7, 3.6 and 4.4 K (IPCC 2021, table SPM.1,
# doi 10.1017/9781009157896.001), extended to 2100, over the 5 K of 4xCO2.
EXPERIMENTS: dict[str, Experiment] = {
    CONTROL: Experiment(None, "none", 1, "pre-industrial control"),
    HISTORICAL: Experiment(CONTROL, "slow", 2, "all-forcing simulation of the recent past"),
    "ssp126": _scenario(0.36, "update of RCP2.6 based on SSP1"),
    "ssp245": _scenario(0.57, "update of RCP4.5 based on SSP2"),
    "ssp370": _scenario(0.79, "gap-filling scenario reaching 7.0 based on SSP3"),
    "ssp585": _scenario(0.98, "update of RCP8.5 based on SSP5"),
    # From the first year on, so that piControl covers all their years.
    "1pctCO2": Experiment(CONTROL, "linear", 1, "1 percent per year increase in CO2"),
    "abrupt-4xCO2": Experiment(CONTROL, "abrupt", 1, "abrupt quadrupling of CO2"),
}


class ClimateModelSettings(Settings):
    """One idealized climate model."""

    source_id: str
    """Name in the archive: letters, digits and hyphens."""
    ocean: OceanSettings
    """Physics of its ocean, with at most one correction by the momentum advection: the response to the wind is bilinear
    then."""
    grid: GridKind = "regular"
    """Latitude and longitude; with the northern pole in Greenland; or regular with 2-D coordinates that are zero on
    land, undeclared, as in some CMIP6 models."""
    stress_points: StressPoints = "t_points"
    """Points of the published stress components, always along the grid axes: those of zos, u and v points, or corners.
    """
    calendar: Calendar = "noleap"
    """Calendar of the files."""
    zero_depth_on_land: bool = False
    """Whether deptho is 0 on land instead of missing."""
    control_start_year: int = Field(1, ge=1, le=9000)
    """First year of piControl."""
    zos_datum: float = Field(0.0, ge=-2, le=2)
    """Constant added to zos [m]."""
    steric_amplitude: float = Field(0.1, ge=-2, le=2)
    """Largest height change without transport at full warming [m]."""
    wind_variability: float = Field(0.15, ge=0, le=1)
    """Standard deviation of the monthly strength of each wind pattern [1]."""
    shift_variability: float = Field(1.0, ge=0, le=5)
    """Standard deviation of the monthly latitude of the southern westerlies [degrees]."""
    persistence: float = Field(0.4, ge=0, le=0.99)
    """Correlation from one month to the next [1]."""
    warming_at_full: float = Field(5.0, ge=0, le=20)
    """Change of the global mean of tas at full warming, that of 4xCO2 [K]."""
    temperature_variability: float = Field(0.1, ge=0, le=2)
    """Standard deviation of the monthly global mean of tas about season and warming [K]."""
    seasonal_amplitude: float = Field(0.3, ge=0, le=1)
    """Seasonal cycle of the northern westerlies; other patterns have a part of it [1]."""
    seed_offset: int = Field(1, ge=0, le=1_000_000)
    """Added to the seed of the archive: different hills and weather."""

    @field_validator("source_id")
    @classmethod
    def _require_plain_name(cls, source_id: str) -> str:
        if not source_id.replace("-", "").isalnum():
            raise ValueError(f"must be letters, digits and hyphens; got {source_id!r}.")
        return source_id

    @field_validator("ocean")
    @classmethod
    def _require_bilinear_response(cls, ocean: OceanSettings) -> OceanSettings:
        if ocean.nonlinear_iterations > 1:
            raise ValueError(
                "'nonlinear_iterations' must be 0 or 1 in the archive: combinations of solved winds are bilinear with "
                f"one correction only. Got {ocean.nonlinear_iterations}."
            )
        return ocean


IDEALIZED_MODELS: tuple[ClimateModelSettings, ...] = (
    ClimateModelSettings(source_id="IDEAL-REG", ocean=OceanSettings(resolution_degrees=2.5)),
    ClimateModelSettings(
        source_id="IDEAL-POLE",
        ocean=OceanSettings(resolution_degrees=3.0, decay_depth=1200.0, southern_westerlies=0.08),
        grid="displaced_pole",
        stress_points="c_grid",
        calendar="360_day",
        control_start_year=1960,
        zos_datum=0.35,
        warming_at_full=6.0,
        seed_offset=2,
    ),
    ClimateModelSettings(
        source_id="IDEAL-LAND",
        ocean=OceanSettings(resolution_degrees=4.0, linear_friction=2e-7, southern_westerlies_latitude=-49.0),
        grid="regular_land_suppressed",
        stress_points="corners",
        calendar="gregorian",
        zero_depth_on_land=True,
        control_start_year=1850,
        zos_datum=-0.25,
        warming_at_full=4.0,
        seed_offset=3,
    ),
)
"""Each differs from the training ocean, so that the networks are applied to other oceans than they learned from."""


class ArchiveSettings(Settings):
    """The idealized archive."""

    models: Filled[tuple[ClimateModelSettings, ...]] = IDEALIZED_MODELS
    """Climate models."""
    experiments: Filled[tuple[ExperimentId, ...]] = ("piControl", "historical", "ssp585", "abrupt-4xCO2")
    """Experiments, with those from which they branch off."""
    n_years: int = Field(140, ge=1, le=1000)
    """Length of piControl, 1pctCO2 and abrupt-4xCO2 [years]."""
    historical_years: int = Field(165, ge=1, le=1000)
    """Length of historical, from 1850; scenarios continue it [years]."""
    scenario_years: int = Field(86, ge=1, le=1000)
    """Length of each scenario [years]."""
    historical_members: int = Field(3, ge=1, le=50)
    """Variants of historical; each branches off piControl a quarter of its length after the one before."""
    scenario_members: int = Field(1, ge=1, le=50)
    """Variants of each scenario, which continue the first ones of historical."""
    window_years: int = Field(20, ge=1, le=1000)
    """Length of the windows of the true budgets, consecutive from the first year [years]."""
    southern_westerlies_change: float = Field(0.33, ge=-1, le=1)
    """Relative change in strength of the southern westerlies at full warming, that of 4xCO2 [1]."""
    southern_westerlies_shift: float = Field(2.0, ge=-10, le=10)
    """Poleward shift of the southern westerlies at full warming [degrees]."""
    northern_westerlies_change: float = Field(0.08, ge=-1, le=1)
    """Relative change in strength of the northern westerlies at full warming [1]."""
    trades_change: float = Field(-0.05, ge=-1, le=1)
    """Relative change in strength of the trade winds at full warming [1]."""
    historical_share: float = Field(0.25, ge=0, le=1)
    """Share of full warming at the end of historical [1]."""
    adjustment_years: float = Field(5.0, ge=0.1, le=1000)
    """e-folding time of abrupt-4xCO2 [years]."""
    steric_experiment: ExperimentId | None = "abrupt-4xCO2"
    """Experiment whose zos also changes without transport."""
    transports: tuple[ExperimentId, ...] = ("piControl", "abrupt-4xCO2")
    """Experiments of whose first variant the models publish umo, vmo, hfds and mlotst, as annual means; empty: of none.
    """
    density_models: int = Field(1, ge=0, le=100)
    """Number of models, the first ones, that publish thetao and so beside umo and vmo, for density classes."""
    overturning_strength: float = Field(18.0, ge=0, le=100)
    """Atlantic thermohaline overturning [Sv]."""
    overturning_change: float = Field(-0.4, ge=-1, le=1)
    """Relative change of the thermohaline overturning at full warming [1]."""
    heat_uptake: float = Field(4.0, ge=0, le=100)
    """Ocean mean of the heat flux into the sea where the surface has warmed fully and the deep sea has not [W m-2]."""
    convection_change: float = Field(-0.6, ge=-1, le=1)
    """Relative change of the depth of convection at full warming [1]."""
    mip_era: MipEra = "CMIP6"
    """Phase of CMIP that sets directories, file names and attributes; the fields are the same."""

    @model_validator(mode="after")
    def _require_parents_and_names(self) -> Self:
        for what, names in (("models", [m.source_id for m in self.models]), ("experiments", list(self.experiments))):
            if len(set(names)) < len(names):
                raise ValueError(f"'{what}' must hold none twice; got {names}.")
        for experiment_id in (CONTROL, *self.experiments):
            parent = EXPERIMENTS[experiment_id].parent or CONTROL
            if parent not in self.experiments:
                raise ValueError(
                    f"'experiments' must hold '{parent}', from which others branch off; got {list(self.experiments)}."
                )
        return self

    @model_validator(mode="after")
    def _require_windows_and_members(self) -> Self:
        for name in dict.fromkeys(map(self._length_name, self.experiments)):
            if self.window_years > getattr(self, name):
                raise ValueError(
                    f"'window_years' must not exceed '{name}', {getattr(self, name)}; got {self.window_years}."
                )
        if self.scenario_members > self.historical_members:
            raise ValueError(
                f"'scenario_members' must not exceed 'historical_members', {self.historical_members}, which they "
                f"continue; got {self.scenario_members}."
            )
        return self

    def length(self, experiment_id: str) -> int:
        """Return the length of an experiment [years]."""
        return getattr(self, self._length_name(experiment_id))

    def members(self, experiment_id: str) -> int:
        """Return the number of variants of an experiment."""
        if EXPERIMENTS[experiment_id].parent == HISTORICAL:
            return self.scenario_members
        return self.historical_members if experiment_id == HISTORICAL else 1

    @staticmethod
    def _length_name(experiment_id: str) -> str:
        if EXPERIMENTS[experiment_id].parent == HISTORICAL:
            return "scenario_years"
        return "historical_years" if experiment_id == HISTORICAL else "n_years"
