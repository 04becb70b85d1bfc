"""Experiments of the idealized archive: months, the strength of each wind pattern and warming in them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from zlib import crc32

import cftime
import numpy as np

from thor.core.arrays import Array
from thor.ocean.idealized.archive_settings import (
    CONTROL,
    EXPERIMENTS,
    HISTORICAL,
    ArchiveSettings,
    Calendar,
    ClimateModelSettings,
    Experiment,
)
from thor.ocean.idealized.climate_models import PATTERNS, SolvedModel, solve_climate_model

SCENARIO_START_YEAR = 1850
"""First year of every experiment but piControl, which has one for each model, and the scenarios."""

BRANCH_INTERVAL = 0.25
"""Share of piControl between the branches of one variant and the next; the fifth branches off with the first."""

SEASONS: dict[str, tuple[float, int]] = {
    "northern_westerlies": (1.0, 0),
    "north_pacific": (1.0, 0),
    "north_atlantic": (0.8, 0),
    "trades": (0.4, 1),
    "southern_westerlies": (0.3, 8),
    "centres": (0.2, 6),
}
"""Share of the model's seasonal amplitude and month of the maximum, January 0; the other patterns have no season."""

CONTROL_VARIANT = "r1i1p1f1"
"""The only variant of piControl, the first of others."""


@dataclass(frozen=True, eq=False)
class Months:
    """Consecutive whole months.

    Attributes
    ----------
    edges : ndarray of shape (n_months + 1,), [days since the first of January of `origin_year`]
    origin_year : int
    calendar : str
    """

    edges: Array
    origin_year: int
    calendar: Calendar

    @property
    def units(self) -> str:
        """CF units of the edges."""
        return f"days since {self.origin_year:04d}-01-01"

    @property
    def lengths(self) -> Array:
        """Lengths of the months [days]."""
        return np.diff(self.edges)


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
    def experiment(self) -> Experiment:
        """What distinguishes the experiment from others."""
        return EXPERIMENTS[self.experiment_id]

    @property
    def first_year(self) -> int:
        """First year of the experiment."""
        if self.experiment_id == CONTROL:
            return self.model.control_start_year
        continued = self.experiment.parent == HISTORICAL
        return SCENARIO_START_YEAR + (self.archive.historical_years if continued else 0)

    @property
    def n_years(self) -> int:
        """Length of the experiment [years]."""
        return self.archive.length(self.experiment_id)

    @property
    def parent(self) -> "IdealizedRun | None":
        """The run from which this one branches off: the only piControl, or the same variant of historical."""
        experiment_id = self.experiment.parent
        if experiment_id is None:
            return None
        variant_label = CONTROL_VARIANT if experiment_id == CONTROL else self.variant_label
        return replace(self, experiment_id=experiment_id, variant_label=variant_label)

    @property
    def branch_year(self) -> int:
        """Year of the parent, counted from its first as 0, in which the run branches off."""
        if self.experiment.parent == HISTORICAL:
            return self.archive.historical_years
        number = int(self.variant_label.removeprefix("r").split("i")[0])
        return round((number - 1) * BRANCH_INTERVAL % 1 * self.archive.n_years)

    def months(self, start: int, stop: int) -> Months:
        """Return the months from year `start` until before year `stop`, counted from the first year as 0."""
        first = self.first_year
        return months(self.model.calendar, first_year=first + start, n_years=stop - start, origin_year=first)

    def annual_means(self, monthly: Array) -> Array:
        """Return the means over years of values in each month of the run, shape (n_years, n) of (n_months, n)."""
        days = self.months(0, self.n_years).lengths.reshape(-1, 12)
        return np.einsum("ymk,ym->yk", monthly.reshape(*days.shape, -1), days / days.sum(axis=1, keepdims=True))

    def solved_model(self) -> SolvedModel:
        """Return the solved model of the run."""
        return solve_climate_model(self.model, seed=self.seed)


def runs_of(archive: ArchiveSettings, model: ClimateModelSettings, *, seed: int) -> list[IdealizedRun]:
    """Return the runs of one model of an archive: each experiment and variant."""
    return [
        IdealizedRun(archive, model, experiment_id, variant_label, seed)
        for experiment_id in archive.experiments
        for variant_label in variant_labels(archive, experiment_id)
    ]


def variant_labels(archive: ArchiveSettings, experiment_id: str) -> tuple[str, ...]:
    """Return the variant labels of an experiment."""
    return tuple(f"r{number}i1p1f1" for number in range(1, archive.members(experiment_id) + 1))


def warming(settings: ArchiveSettings, experiment_id: str) -> Array:
    """Return the warming of each month as a share of that of 4xCO2, shape (n_months,).

    That of a scenario continues historical with the same rate and reaches its final share along a parabola.
    """
    experiment, length = EXPERIMENTS[experiment_id], settings.length(experiment_id)
    years = (np.arange(12 * length) + 0.5) / 12
    if experiment.forcing == "slow":
        return settings.historical_share * (years / length) ** 2
    if experiment.forcing == "linear":
        # 1.01 ** 140 = 4: full warming after 140 years, however short the archive
        return years / 140
    if experiment.forcing == "abrupt":
        return 1 - np.exp(-years / settings.adjustment_years)
    if experiment.final_share is not None:
        start, rate = settings.historical_share, 2 * settings.historical_share / settings.historical_years
        bend = experiment.final_share - start - rate * length
        return start + rate * years + bend * (years / length) ** 2
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
    n_months = 12 * run.n_years
    rng = np.random.default_rng([run.seed + model.seed_offset, crc32(run.key.encode())])
    deviation = np.full(len(PATTERNS), model.wind_variability)
    deviation[PATTERNS.index("southern_shift")] = model.shift_variability
    strengths = autoregressive(model.persistence, n_months, len(PATTERNS), rng) * deviation
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


def autoregressive(memory: float, n_months: int, n_series: int, rng: np.random.Generator) -> Array:
    """Return independent first-order autoregressive series of unit variance, shape (n_months, n_series)."""
    shocks = np.sqrt(1 - memory**2) * rng.normal(size=(n_months, n_series))
    # the first month is drawn from the same distribution as all others
    shocks[0] = rng.normal(size=n_series)
    series: Iterator[Array] = accumulate(shocks, lambda before, shock: memory * before + shock)
    return np.stack(list(series))


def months(calendar: Calendar, *, first_year: int, n_years: int, origin_year: int) -> Months:
    """Return the months of `n_years` years from January of `first_year` on.

    Parameters
    ----------
    calendar : {'noleap', '360_day', 'gregorian'}
    first_year, n_years : int
    origin_year : int
        Year whose first day is day zero.
    """
    dates = [
        cftime.datetime(first_year + month // 12, month % 12 + 1, 1, calendar=calendar)
        for month in range(12 * n_years + 1)
    ]
    edges = cftime.date2num(dates, f"days since {origin_year:04d}-01-01", calendar=calendar)
    return Months(edges=np.asarray(edges, dtype=float), origin_year=origin_year, calendar=calendar)
