"""The settings of the idealized archive: its climate models and experiments, checked when they are made."""

from dataclasses import dataclass
from typing import Literal, get_args

from thor.core.errors import ConfigError, did_you_mean
from thor.ocean.idealized.settings import OceanSettings, check_ranges, within

GridKind = Literal["regular", "displaced_pole", "regular_land_suppressed"]
StressPoints = Literal["t_points", "c_grid", "corners"]
Calendar = Literal["noleap", "360_day", "gregorian"]
MipEra = Literal["CMIP6", "CMIP7"]

CONTROL = "piControl"
"""The experiment with constant forcing, from which all others branch off."""


@dataclass(frozen=True)
class Experiment:
    """What tells one experiment from another.

    Attributes
    ----------
    forcing : {'none', 'slow', 'linear', 'abrupt'}
        How warming grows.
    branches : tuple of float
        Share of piControl that is over when each variant branches off; one variant for each.
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
    # from the first year on, so that piControl runs beside them all the way
    "1pctCO2": Experiment("linear", (0.0,), 1, "1 percent per year increase in CO2"),
    "abrupt-4xCO2": Experiment("abrupt", (0.0,), 1, "abrupt quadrupling of CO2"),
}


@dataclass(frozen=True, kw_only=True)
class ClimateModelSettings:
    """One idealized climate model: no defaults, every model states its own.

    Attributes
    ----------
    source_id : str
        Name in the archive: letters, digits and hyphens.
    ocean : OceanSettings
        At most one correction by the momentum advection: the response is bilinear then.
    grid : {'regular', 'displaced_pole', 'regular_land_suppressed'}
        Latitude and longitude; with its northern pole in Greenland; or regular with 2-D coordinates that are zero on
        land, undeclared, as some CMIP6 models have them.
    stress_points : {'t_points', 'c_grid', 'corners'}
        Where the stress components, always along the grid axes, are published: both with zos, on u and v points, or
        both on corners.
    calendar : {'noleap', '360_day', 'gregorian'}
    control_start_year : int
        First year of piControl.
    zero_depth_on_land : bool
        Whether deptho is 0 on land instead of missing.
    zos_datum : float, [m]
        Added to zos everywhere.
    steric_amplitude : float, [m]
        Largest height change without transport at full warming.
    wind_variability : float, [1]
        Standard deviation of each pattern's monthly strength.
    shift_variability : float, [degrees]
        The same for the latitude of the southern westerlies.
    persistence : float, [1]
        Correlation from one month to the next.
    seasonal_amplitude : float, [1]
        Seasonal cycle of the northern westerlies; other patterns have their share of it.
    seed_offset : int
        Added to the archive's seed: other hills, other weather.

    Raises
    ------
    ConfigError
        When a setting cannot be used.
    """

    source_id: str
    ocean: OceanSettings
    grid: GridKind
    stress_points: StressPoints
    calendar: Calendar
    zero_depth_on_land: bool
    control_start_year: int = within(1, 9000, "years")
    zos_datum: float = within(-2, 2, "m")
    steric_amplitude: float = within(-2, 2, "m")
    wind_variability: float = within(0, 1, "1")
    shift_variability: float = within(0, 5, "degrees")
    persistence: float = within(0, 0.99, "1")
    seasonal_amplitude: float = within(0, 1, "1")
    seed_offset: int = within(0, 1_000_000, "1")

    def __post_init__(self) -> None:
        """Check every setting."""
        check_ranges(self)
        choices = {"grid": GridKind, "stress_points": StressPoints, "calendar": Calendar}
        for name, kind in choices.items():
            value = getattr(self, name)
            if value not in get_args(kind):
                raise ConfigError(
                    f"'{name}' of ClimateModelSettings is {value!r}.{did_you_mean(str(value), get_args(kind))}"
                )
        if not self.source_id or not self.source_id.replace("-", "").isalnum():
            raise ConfigError(
                f"'source_id' of ClimateModelSettings must be letters, digits and hyphens. Got {self.source_id!r}."
            )
        if self.ocean.nonlinear_iterations > 1:
            raise ConfigError(
                f"'nonlinear_iterations' of {self.source_id} must be 0 or 1 in the archive: combinations of solved "
                f"winds are bilinear with one correction only. Got {self.ocean.nonlinear_iterations}."
            )


@dataclass(frozen=True, kw_only=True)
class ArchiveSettings:
    """The idealized archive: no defaults.

    Attributes
    ----------
    models : tuple of ClimateModelSettings
    experiments : tuple of str
        Some of `EXPERIMENTS`; piControl is one of them, as the others branch off it.
    n_years : int
        Length of every experiment.
    window_years : int
        Length of the windows of the true budgets, consecutive from the first year.
    southern_westerlies_change, northern_westerlies_change, trades_change : float, [1]
        Change in strength at full warming (4xCO2), as a share.
    southern_westerlies_shift : float, [degrees]
        Poleward shift at full warming.
    historical_share : float, [1]
        Share of full warming at the end of historical.
    adjustment_years : float
        e-folding time of abrupt-4xCO2.
    steric_experiment : str or None
        The experiment whose zos also changes without transport.
    mip_era : {'CMIP6', 'CMIP7'}
        Phase of CMIP whose directories, file names and attributes the archive has; the fields are the same.

    Raises
    ------
    ConfigError
        When a setting cannot be used.
    """

    models: tuple[ClimateModelSettings, ...]
    experiments: tuple[str, ...]
    n_years: int = within(1, 1000, "years")
    window_years: int = within(1, 1000, "years")
    southern_westerlies_change: float = within(-1, 1, "1")
    southern_westerlies_shift: float = within(-10, 10, "degrees")
    northern_westerlies_change: float = within(-1, 1, "1")
    trades_change: float = within(-1, 1, "1")
    historical_share: float = within(0, 1, "1")
    adjustment_years: float = within(0.1, 1000, "years")
    steric_experiment: str | None
    mip_era: MipEra

    def __post_init__(self) -> None:
        """Check every setting."""
        check_ranges(self)
        if self.mip_era not in get_args(MipEra):
            raise ConfigError(
                f"'mip_era' of ArchiveSettings is {self.mip_era!r}.{did_you_mean(self.mip_era, get_args(MipEra))}"
            )
        asked = (*self.experiments, *([self.steric_experiment] if self.steric_experiment else []))
        for name in asked:
            if name not in EXPERIMENTS:
                raise ConfigError(f"'{name}' is no experiment of ArchiveSettings.{did_you_mean(name, EXPERIMENTS)}")
        if "piControl" not in self.experiments:
            raise ConfigError(f"'experiments' of ArchiveSettings must hold 'piControl'. Got {list(self.experiments)}.")
        if self.window_years > self.n_years:
            raise ConfigError(
                f"'window_years' of ArchiveSettings must not exceed 'n_years', {self.n_years}. Got {self.window_years}."
            )
        for what, names in (("source_id", [m.source_id for m in self.models]), ("experiment", list(self.experiments))):
            if not names or len(set(names)) < len(names):
                raise ConfigError(f"ArchiveSettings needs at least one {what} and none twice. Got {names}.")
