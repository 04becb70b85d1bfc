r"""Heat flux and mixed layers of the idealized climate models: prescribed, so that their parts by regime are known.

The heat flux into the sea takes up heat in the tropics and loses as much at high latitudes; with warming it follows the
difference between the surface and a deep sea that warms slowly, as in an energy balance of two layers (Gregory 2000,
doi:10.1007/s003820000059),

.. math:: Q = Q_0(x) + N (w - w_d) p(x), \qquad \frac{dw_d}{dt} = \frac{w - w_d}{\tau},

with the warming w of the winds as a share of that of 4xCO2 and a pattern p whose ocean mean is one. Mixed layers are
deep in four places of convection only, where they become shallower in proportion to the warming.
"""

from itertools import accumulate

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.ocean.idealized.archive_settings import EXPERIMENTS, HISTORICAL, ArchiveSettings
from thor.ocean.idealized.climate_models import SolvedModel
from thor.ocean.idealized.published_fields import combined, published_attrs, with_times
from thor.ocean.idealized.published_grid import NAMES, published_coordinates
from thor.ocean.idealized.scenarios import IdealizedRun, warming

DEEP_YEARS = 200.0
"""e-folding time in which the deep sea follows the surface [years]."""

TROPICAL_GAIN = 60.0
"""Heat flux into the sea at the equator above the ocean mean, in the mean state [W m-2]."""

CONVECTION = ((57.0, 310.0), (72.0, 355.0), (-62.0, 325.0), (-55.0, 250.0))
"""Latitudes and longitudes of deep mixed layers: Labrador, Greenland and Weddell Seas, south-east Pacific."""

CONVECTION_DEPTH, CONVECTION_RADIUS = 1500.0, 6.0
"""Depth of the mixed layer there above that around it [m], and the distance in which it falls to 1/e [degrees]."""


def annual_surface_field(run: IdealizedRun, variable_id: str, *, years: tuple[int, int]) -> xr.Dataset:
    """Return annual means of `hfds` or `mlotst`, as `thor.ocean.idealized.vertical.annual_transport` does."""
    model = run.solved_model()
    patterns, factors = surface_patterns(model, variable_id), surface_factors(run, variable_id)
    annual = run.annual_means(factors)
    dataset = published_coordinates(model, "t")
    field = combined(annual[slice(*years)], patterns, model.masks["t"])
    attrs = published_attrs(variable_id, run.model) | {"comment": "Annual means: each step holds twelve months."}
    dataset[variable_id] = (("time", *NAMES[run.model.grid].dims), field, attrs)
    return with_times(dataset, variable_id, run.months(*years), months_per_step=12)


def surface_factors(run: IdealizedRun, variable_id: str) -> Array:
    """Return the factors of `surface_patterns` in each month, shape (n_months, 2)."""
    archive = run.archive
    warm = warming(archive, run.experiment_id)
    change = (
        archive.heat_uptake * (warm - deep_warming(archive, run.experiment_id))
        if variable_id == "hfds"
        else 1 + archive.convection_change * warm
    )
    return np.column_stack([np.ones(warm.size), change])


def deep_warming(settings: ArchiveSettings, experiment_id: str) -> Array:
    """Return the warming of the deep sea in each month as a share of that of the surface at 4xCO2, (n_months,)."""
    experiment = EXPERIMENTS[experiment_id]
    start = deep_warming(settings, HISTORICAL)[-1] if experiment.parent == HISTORICAL else 0.0
    rate = 1 / (12 * DEEP_YEARS)
    surface = warming(settings, experiment_id)
    return np.array(list(accumulate(surface, lambda deep, now: deep + rate * (now - deep), initial=start))[1:])


def surface_patterns(model: SolvedModel, variable_id: str) -> Array:
    """Return the mean state and the pattern of `hfds` [W m-2, 1], or `mlotst` without and of convection [m]."""
    lat, lon, sea = model.grid.t.lat, model.grid.t.lon, model.masks["t"]
    area = model.grid.t.area[sea]
    if variable_id == "mlotst":
        around = 40 + 60 * np.abs(np.sin(np.deg2rad(lat)))
        return np.stack([around, CONVECTION_DEPTH * sum(_spot(lat, lon, *place) for place in CONVECTION)])
    mean = TROPICAL_GAIN * (1 - 3 * np.sin(np.deg2rad(lat)) ** 2)
    pattern = 1 + 3 * np.exp(-(((lat + 50) / 10) ** 2)) + 4 * _spot(lat, lon, 57.0, 325.0, radius=12.0)
    return np.stack([mean - np.average(mean[sea], weights=area), pattern / np.average(pattern[sea], weights=area)])


def _spot(lat: Array, lon: Array, latitude: float, longitude: float, radius: float = CONVECTION_RADIUS) -> Array:
    eastward = ((lon - longitude + 180) % 360 - 180) * np.cos(np.deg2rad(latitude))
    return np.exp(-((lat - latitude) ** 2 + eastward**2) / radius**2)
