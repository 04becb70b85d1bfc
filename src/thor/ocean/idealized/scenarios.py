"""Experiments of the idealized archive: strength of each wind pattern, and warming, in each month."""

from zlib import crc32

import numpy as np

from thor.core.arrays import Array
from thor.ocean.idealized.archive_settings import CONTROL, EXPERIMENTS, ArchiveSettings, ClimateModelSettings
from thor.ocean.idealized.climate_models import PATTERNS

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


def variant_labels(experiment_id: str) -> tuple[str, ...]:
    """Return the variant labels of an experiment."""
    return tuple(f"r{number}i1p1f1" for number in range(1, len(EXPERIMENTS[experiment_id].branches) + 1))


def first_year(settings: ClimateModelSettings, experiment_id: str) -> int:
    """Return the first year of an experiment."""
    return settings.control_start_year if experiment_id == CONTROL else SCENARIO_START_YEAR


def branch_year(settings: ArchiveSettings, experiment_id: str, variant_label: str) -> int:
    """Return the year of piControl, counted from its first as 0, in which a variant branches off."""
    share = EXPERIMENTS[experiment_id].branches[variant_labels(experiment_id).index(variant_label)]
    return round(share * settings.n_years)


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


def pattern_strengths(
    settings: ArchiveSettings, model: ClimateModelSettings, experiment_id: str, variant_label: str, *, seed: int
) -> Array:
    """Return the strength of each wind pattern in each month.

    Season, change with warming, and seeded variability (first-order autoregressive, independent for each pattern).

    Returns
    -------
    ndarray of shape (n_months, n_patterns)
        In the order of `PATTERNS`.
    """
    n_months = 12 * settings.n_years
    strengths = _variability(model, n_months, _generator(model, experiment_id, variant_label, seed))
    strengths[:, PATTERNS.index("mean")] = 1.0
    months = np.arange(n_months)
    for name, (share, peak) in SEASONS.items():
        cycle = np.cos(2 * np.pi * (months - peak) / 12)
        strengths[:, PATTERNS.index(name)] += share * model.seasonal_amplitude * cycle
    index = warming(settings, experiment_id)
    for name, change in {
        "southern_westerlies": settings.southern_westerlies_change,
        "southern_shift": settings.southern_westerlies_shift,
        "northern_westerlies": settings.northern_westerlies_change,
        "trades": settings.trades_change,
    }.items():
        strengths[:, PATTERNS.index(name)] += change * index
    return strengths


def _variability(model: ClimateModelSettings, n_months: int, rng: np.random.Generator) -> Array:
    deviation = np.full(len(PATTERNS), model.wind_variability)
    deviation[PATTERNS.index("southern_shift")] = model.shift_variability
    memory = model.persistence
    shocks = np.sqrt(1 - memory**2) * rng.normal(size=(n_months, len(PATTERNS)))
    # the first month is drawn from the same distribution as all others
    series = [rng.normal(size=len(PATTERNS))]
    for shock in shocks[1:]:
        series.append(memory * series[-1] + shock)
    return np.stack(series) * deviation


def _generator(model: ClimateModelSettings, experiment_id: str, variant_label: str, seed: int) -> np.random.Generator:
    name = crc32(f"{model.source_id}/{experiment_id}/{variant_label}".encode())
    return np.random.default_rng([seed + model.seed_offset, name])
