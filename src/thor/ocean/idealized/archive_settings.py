"""Settings: the climate models and experiments of the idealized archive."""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from thor.core.settings import Filled, Settings
from thor.ocean.idealized.settings import OceanSettings

GridKind = Literal["regular", "displaced_pole", "regular_land_suppressed"]
StressPoints = Literal["t_points", "c_grid", "corners"]
Calendar = Literal["noleap", "360_day", "gregorian"]
MipEra = Literal["CMIP6", "CMIP7"]
ExperimentId = Literal["piControl", "historical", "1pctCO2", "abrupt-4xCO2"]

CONTROL = "piControl"
"""The experiment with constant forcing, from which all others branch off."""


@dataclass(frozen=True)
class Experiment:
    """What distinguishes one experiment from another.

    Attributes
    ----------
    forcing : {'none', 'slow', 'linear', 'abrupt'}
        How warming grows.
    branches : tuple of float
        Share of piControl before each variant branches off; one variant for each.
    n_files : int
        Files into which the series is split.
    title : str
    """

    forcing: Literal["none", "slow", "linear", "abrupt"]
    branches: tuple[float, ...]
    n_files: int
    title: str


EXPERIMENTS: dict[str, Experiment] = {
    "piControl": Experiment("none", (0.0,), 1, "pre-industrial control"),
    "historical": Experiment("slow", (0.0, 0.25, 0.5), 2, "all-forcing simulation of the recent past"),
    # From the first year on, so that piControl covers all their years.
    "1pctCO2": Experiment("linear", (0.0,), 1, "1 percent per year increase in CO2"),
    "abrupt-4xCO2": Experiment("abrupt", (0.0,), 1, "abrupt quadrupling of CO2"),
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
        seed_offset=3,
    ),
)
"""Each differs from the training ocean, so that the networks are applied to other oceans than they learned from."""


class ArchiveSettings(Settings):
    """The idealized archive."""

    models: Filled[tuple[ClimateModelSettings, ...]] = IDEALIZED_MODELS
    """Climate models."""
    experiments: Filled[tuple[ExperimentId, ...]] = ("piControl", "historical", "1pctCO2", "abrupt-4xCO2")
    """Experiments; piControl is one of them, as the others branch off it."""
    n_years: int = Field(140, ge=1, le=1000)
    """Length of every experiment [years]."""
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
    """Experiments of whose first variant the models publish umo and vmo, as annual means; empty: of none."""
    overturning_strength: float = Field(18.0, ge=0, le=100)
    """Atlantic thermohaline overturning [Sv]."""
    overturning_change: float = Field(-0.4, ge=-1, le=1)
    """Relative change of the thermohaline overturning at full warming [1]."""
    mip_era: MipEra = "CMIP6"
    """Phase of CMIP that sets directories, file names and attributes; the fields are the same."""

    @model_validator(mode="after")
    def _require_control_and_names(self) -> Self:
        if "piControl" not in self.experiments:
            raise ValueError(f"'experiments' must hold 'piControl'; got {list(self.experiments)}.")
        if self.window_years > self.n_years:
            raise ValueError(f"'window_years' must not exceed 'n_years', {self.n_years}; got {self.window_years}.")
        for what, names in (("models", [m.source_id for m in self.models]), ("experiments", list(self.experiments))):
            if len(set(names)) < len(names):
                raise ValueError(f"'{what}' must hold none twice; got {names}.")
        return self
