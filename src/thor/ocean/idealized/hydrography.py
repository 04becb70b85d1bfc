r"""Temperature and salinity of the idealized climate models: prescribed, so that density classes are known.

A stably stratified thermocline over a nearly uniform deep sea: with depth d below the surface,

.. math:: \theta = \theta_d - c d + (\theta_s - \theta_d + a w)\, e^{-d/h}, \qquad S = S_d + (S_s - S_d)\, e^{-d/h},

where the surface values depend on latitude, the scale h is larger where sea level is high, as in subtropical gyres, and
w is the warming of the winds as a share of that of 4xCO2.
"""

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.variables import TRACERS
from thor.ocean.idealized.climate_models import PATTERNS, SolvedModel
from thor.ocean.idealized.published_fields import combined
from thor.ocean.idealized.scenarios import IdealizedRun, warming
from thor.ocean.idealized.vertical import LEVEL_EDGES, level_bounds, on_levels

DEEP_TEMPERATURE, EQUATOR_TEMPERATURE = 1.0, 28.0
"""Potential temperature of the deep sea, minus its cooling with depth, and of the surface at the equator [degC]."""

DEEP_COOLING = 1e-4
"""Fall of the temperature of the deep sea with depth [degC m-1]."""

DEEP_SALINITY = 34.7
"""Practical salinity of the deep sea [1e-3]."""

THERMOCLINE_DEPTH = 500.0
"""Depth in which temperature falls to 1/e where sea level is at its mean [m]; up to half as much more or less."""

TRACER_DIGITS = 6
"""Decimal digits to which both are rounded: fewer would move whole rows of faces to another class."""

WARMING_SHARE = 0.7
"""Warming of the sea surface over that of the global mean of tas [1]."""


def annual_tracer(run: IdealizedRun, variable_id: str, *, years: tuple[int, int]) -> xr.Dataset:
    """Return annual means of `thetao` or `so`, as `thor.ocean.idealized.vertical.annual_transport` does."""
    model = run.solved_model()
    factors = run.annual_means(tracer_factors(run))[slice(*years)]
    depth = np.where(model.geography.mask, model.geography.depth, 0.0)
    levels = [
        combined(factors, tracer_patterns(model, variable_id, level), depth > top, digits=TRACER_DIGITS)
        for level, top in enumerate(LEVEL_EDGES[:-1])
    ]
    return on_levels(run, variable_id, levels, years=years)


def tracer_factors(run: IdealizedRun) -> Array:
    """Return the factors of `tracer_patterns` in each month, shape (n_months, 2)."""
    warm = warming(run.archive, run.experiment_id)
    return np.column_stack([np.ones(warm.size), warm])


def tracer_patterns(model: SolvedModel, variable_id: str, level: int) -> Array:
    """Return `thetao` [degC] or `so` [1e-3] at the middle of a level, and its change at full warming: (2, nj, ni)."""
    lat = model.grid.t.lat
    mean_wind = np.array([float(name == "mean") for name in PATTERNS])
    sea_level = np.tensordot(model.weights(mean_wind), model.zos, axes=1)
    scale = THERMOCLINE_DEPTH * (1 + 0.5 * np.tanh(sea_level / 0.5))
    middle = level_bounds()[level].mean()
    decay = np.exp(-middle / scale)
    if variable_id == TRACERS[1]:
        surface = np.exp(-(((np.abs(lat) - 25) / 12) ** 2)) - 1.5 * np.sin(np.deg2rad(lat)) ** 4
        return np.stack([DEEP_SALINITY + surface * decay, np.zeros_like(decay)])
    warmth = (EQUATOR_TEMPERATURE - DEEP_TEMPERATURE) * np.cos(np.deg2rad(lat)) ** 2
    change = WARMING_SHARE * model.settings.warming_at_full
    return np.stack([DEEP_TEMPERATURE - DEEP_COOLING * middle + warmth * decay, change * decay])
