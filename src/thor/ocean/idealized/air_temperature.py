r"""Near-surface air temperature of the idealized models, whose global mean is known: warming levels can be tested.

A sum of patterns on a coarse regular grid. Only the first of them has a global mean, and that of warming one:

.. math:: T = \overline{T} + S w(t) + g(t), \qquad \langle T \rangle = T_0 + S w(t) + g(t),

with the warming w of the winds as a share of that of 4xCO2, the model's warming S at 4xCO2, and weather g.
"""

from functools import cache
from zlib import crc32

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.variables import variable
from thor.ocean.idealized.c_grid import regular_c_grid
from thor.ocean.idealized.published_fields import combined, encoded, published_attrs, with_times
from thor.ocean.idealized.published_grid import regular_coordinates
from thor.ocean.idealized.scenarios import IdealizedRun, autoregressive, warming

ATMOSPHERE_DEGREES = 15.0
"""Spacing of the grid of the atmosphere [degrees], the same in every model."""

GLOBAL_MEAN = 287.0
"""Global mean without warming [K]."""

POLE_TO_EQUATOR = 42.0
"""Fall of the mean temperature from the equator to the poles [K]."""

SEASON = 14.0
"""Amplitude of the seasonal cycle at the poles, warmest in July in the north [K]."""

POLAR_AMPLIFICATION = 3.0
"""Warming at the poles over that at the equator [1]."""

TROPICAL_PACIFIC = 1.0
"""Standard deviation of the temperature in the tropical Pacific, which does not change the global mean [K]."""

MEMORY = 0.8
"""Correlation of the weather from one month to the next [1]."""

DIGITS = 5
"""Decimal digits to which the temperature is rounded: 0.01 K."""


def monthly_temperature(run: IdealizedRun, *, years: tuple[int, int]) -> xr.Dataset:
    """Return `tas` [K] of some years, as `thor.ocean.idealized.published_fields.monthly_field` does."""
    patterns = _patterns()
    steps = slice(12 * years[0], 12 * years[1])
    everywhere = np.ones(patterns.shape[1:], dtype=bool)
    field = combined(_factors(run)[steps], patterns, everywhere, digits=DIGITS)
    attrs = published_attrs("tas", run.model)
    dataset = _coordinates().assign(tas=(("time", "lat", "lon"), field, attrs))
    dataset = dataset.assign_coords(height=((), 2.0, {"standard_name": "height", "units": "m", "positive": "up"}))
    return with_times(dataset, "tas", run.months(*years), months_per_step=1)


def atmospheric_areas() -> xr.Dataset:
    """Return `areacella` [m2] with its coordinates."""
    area = regular_c_grid(ATMOSPHERE_DEGREES).t.area.astype(np.float32)
    attrs = variable("areacella").attrs | {"cell_methods": "area: sum"}
    return encoded(_coordinates().assign(areacella=(("lat", "lon"), area, attrs)), "areacella")


def true_global_temperature(run: IdealizedRun) -> Array:
    """Return the global mean of the air temperature in each month before rounding [K], shape (n_months,)."""
    return _factors(run) @ np.array([np.average(each, weights=_area()) for each in _patterns()])


def _factors(run: IdealizedRun) -> Array:
    """Return the factors of the patterns in each month, shape (n_months, 5)."""
    months = np.arange(12 * run.n_years)
    rng = np.random.default_rng([run.seed + run.model.seed_offset, crc32(f"{run.key}/tas".encode())])
    weather = autoregressive(MEMORY, months.size, 2, rng) * [run.model.temperature_variability, TROPICAL_PACIFIC]
    season = np.cos(2 * np.pi * (months - 6) / 12)
    change = run.model.warming_at_full * warming(run.archive, run.experiment_id)
    return np.column_stack([np.ones(months.size), season, change, weather])


@cache
def _patterns() -> Array:
    """Return the mean state, season, warming, weather of the whole globe and of the tropical Pacific."""
    points = regular_c_grid(ATMOSPHERE_DEGREES).t
    height, lon = np.sin(np.deg2rad(points.lat)), (points.lon - 230 + 180) % 360 - 180
    polar = 1 + (POLAR_AMPLIFICATION - 1) * height**2
    pacific = np.exp(-((points.lat / 15) ** 2) - (lon / 50) ** 2)
    return np.stack(
        [
            GLOBAL_MEAN - POLE_TO_EQUATOR * _without_mean(height**2),
            SEASON * _without_mean(height),
            polar / np.average(polar, weights=_area()),
            np.ones_like(height),
            _without_mean(pacific) / pacific.max(),
        ]
    )


def _without_mean(field: Array) -> Array:
    return field - np.average(field, weights=_area())


def _area() -> Array:
    return regular_c_grid(ATMOSPHERE_DEGREES).t.area


def _coordinates() -> xr.Dataset:
    return regular_coordinates(regular_c_grid(ATMOSPHERE_DEGREES).t, ATMOSPHERE_DEGREES)
