"""Experiments of the idealized archive: strength of each wind pattern, and warming, in each month."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from zlib import crc32

import numpy as np

from thor.core.arrays import Array
from thor.ocean.idealized.archive_settings import CONTROL, EXPERIMENTS, ArchiveSettings, ClimateModelSettings
from thor.ocean.idealized.calendars import Months, months
from thor.ocean.idealized.climate_models import PATTERNS, SolvedModel, solve_climate_model

SCENARIO_START_YEAR = 1850
"""First year of every experiment but piControl, which has one for each model."""

SEASONS: dict[str, tuple[float, int]] = {
    "northern_westerlies": (1.0, 0),
    "north_pacific": (1.0, 0),
    "north_atlantic": (0.8, 0),
    "trades": (0.4, 1),
    "southern_westerlies": (0.3, 8),
    "centres": (0.2, 6),
}
"""Share of the model's seasonal amplitude and month of the maximum, January 0; the other patterns have no season."""


@dataclass(frozen=True)
class IdealizedRun:
    """One run of the idealized archive.

    Attributes
    ----------
    archive : ArchiveSettings
    model : ClimateModelSettings
    experiment_id, variant_label : str
    seed : int
        That of the archive.
    """

    archive: ArchiveSettings
    model: ClimateModelSettings
    experiment_id: str
    variant_label: str
    seed: int

    @property
    def key(self) -> str:
        """``<source_id>/<experiment_id>/<variant_label>``."""
        return f"{self.model.source_id}/{self.experiment_id}/{self.variant_label}"

    @property
    def first_year(self) -> int:
        """First year of the experiment."""
        return self.model.control_start_year if self.experiment_id == CONTROL else SCENARIO_START_YEAR

    @property
    def branch_year(self) -> int:
        """Year of piControl, counted from its first as 0, in which the run branches off."""
        branches = dict(zip(variant_labels(self.experiment_id), EXPERIMENTS[self.experiment_id].branches, strict=True))
        return round(branches[self.variant_label] * self.archive.n_years)

    def months(self, start: int, stop: int) -> Months:
        """Return the months from year `start` until before year `stop`, counted from the first year as 0."""
        first = self.first_year
        return months(self.model.calendar, first_year=first + start, n_years=stop - start, origin_year=first)

    def solved_model(self) -> SolvedModel:
        """Return the solved model of the run."""
        return solve_climate_model(self.model, seed=self.seed)


def runs_of(archive: ArchiveSettings, model: ClimateModelSettings, *, seed: int) -> list[IdealizedRun]:
    """Return the runs of one model of an archive: each experiment and variant."""
    return [
        IdealizedRun(archive, model, experiment_id, variant_label, seed)
        for experiment_id in archive.experiments
        for variant_label in variant_labels(experiment_id)
    ]


def variant_labels(experiment_id: str) -> tuple[str, ...]:
    """Return the variant labels of an experiment."""
    return tuple(f"r{number}i1p1f1" for number in range(1, len(EXPERIMENTS[experiment_id].branches) + 1))


def warming(settings: ArchiveSettings, experiment_id: str) -> Array:
    """Return the warming of each month as a share of that of 4xCO2, shape (n_months,)."""
    years = (np.arange(12 * settings.n_years) + 0.5) / 12
    forcing = EXPERIMENTS[experiment_id].forcing
    if forcing == "slow":
        return settings.historical_share * (years / settings.n_years) ** 2
    if forcing == "linear":
        # 1.01 ** 140 = 4: full warming after 140 years, however short the archive
        return years / 140
    if forcing == "abrupt":
        return 1 - np.exp(-years / settings.adjustment_years)
    return np.zeros(years.size)


def pattern_strengths(run: IdealizedRun) -> Array:
    """Return the strength of each wind pattern in each month of a run.

    Season, change with warming, and seeded variability (first-order autoregressive, independent for each pattern).

    Returns
    -------
    ndarray of shape (n_months, n_patterns)
        In the order of `PATTERNS`.
    """
    archive, model = run.archive, run.model
    n_months = 12 * archive.n_years
    rng = np.random.default_rng([run.seed + model.seed_offset, crc32(run.key.encode())])
    strengths = _variability(model, n_months, rng)
    strengths[:, PATTERNS.index("mean")] = 1.0
    months = np.arange(n_months)
    for name, (share, peak) in SEASONS.items():
        cycle = np.cos(2 * np.pi * (months - peak) / 12)
        strengths[:, PATTERNS.index(name)] += share * model.seasonal_amplitude * cycle
    index = warming(archive, run.experiment_id)
    for name, change in {
        "southern_westerlies": archive.southern_westerlies_change,
        "southern_shift": archive.southern_westerlies_shift,
        "northern_westerlies": archive.northern_westerlies_change,
        "trades": archive.trades_change,
    }.items():
        strengths[:, PATTERNS.index(name)] += change * index
    return strengths


def _variability(model: ClimateModelSettings, n_months: int, rng: np.random.Generator) -> Array:
    deviation = np.full(len(PATTERNS), model.wind_variability)
    deviation[PATTERNS.index("southern_shift")] = model.shift_variability
    memory = model.persistence
    shocks = np.sqrt(1 - memory**2) * rng.normal(size=(n_months, len(PATTERNS)))
    # the first month is drawn from the same distribution as all others
    shocks[0] = rng.normal(size=len(PATTERNS))
    series: Iterator[Array] = accumulate(shocks, lambda before, shock: memory * before + shock)
    return np.stack(list(series)) * deviation
