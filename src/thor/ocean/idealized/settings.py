"""The physical settings of the idealized ocean, checked when they are made."""

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from math import isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np

from thor.core.errors import ConfigError
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION

MUNK_FACTOR = 1.0
"""Default lateral viscosity in units of beta dx^3: one makes the Munk layer a cell wide at `MUNK_LATITUDE`."""

MUNK_LATITUDE = 30.0
"""Latitude of beta and dx in the default viscosity [degrees]: that of subtropical western boundary currents."""


def within(low: float, high: float, units: str) -> Any:
    """Return a dataclass field without default whose range `check_ranges` keeps."""
    return field(metadata={"range": (low, high), "units": units})


@dataclass(frozen=True, kw_only=True)
class OceanSettings:
    """Physical settings of the idealized ocean: no defaults, every run states its own.

    Attributes
    ----------
    resolution_degrees : float, [degrees]
        Grid spacing; divides 180.
    linear_friction : float, [s-1]
        Rayleigh friction R on the transport.
    lateral_viscosity : float or None, [m2 s-1]
        A; None takes beta dx^3 with beta and dx at 30 degrees, which just resolves western boundary currents.
    decay_depth : float, [m]
        e-folding depth h of the velocity.
    bottom_drag : float, [m s-1]
        Linear drag r on the velocity at the bottom.
    reference_density : float, [kg m-3]
    abyssal_depth, minimum_depth : float, [m]
        Depth far from land and ridges, and at the coast.
    ridge_height : float, [1]
        Factor on the height of the mid-ocean ridges.
    roughness : float, [m]
        Standard deviation of the seeded hills.
    trades, northern_westerlies, southern_westerlies, polar_easterlies : float, [N m-2]
        Strength of the wind belts.
    southern_westerlies_latitude : float, [degrees_north]
        Where the southern westerlies blow.
    centres_stress : float, [N m-2]
        Strength of the highs and lows over the basins.
    nonlinear_iterations : int, [1]
        Corrections by the ocean's own momentum advection; 0 gives the linear ocean.

    Raises
    ------
    ConfigError
        When a setting is not a number within its range.
    """

    resolution_degrees: float = within(0.25, 10, "degrees")
    linear_friction: float = within(0, 1e-4, "s-1")
    lateral_viscosity: float | None = within(0, 1e8, "m2 s-1")
    decay_depth: float = within(50, 1e4, "m")
    bottom_drag: float = within(0, 0.1, "m s-1")
    reference_density: float = within(900, 1200, "kg m-3")
    abyssal_depth: float = within(1500, 11000, "m")
    minimum_depth: float = within(10, 1000, "m")
    ridge_height: float = within(0, 1.2, "1")
    roughness: float = within(0, 1500, "m")
    trades: float = within(-1, 1, "N m-2")
    northern_westerlies: float = within(-1, 1, "N m-2")
    southern_westerlies: float = within(-1, 1, "N m-2")
    southern_westerlies_latitude: float = within(-75, -30, "degrees_north")
    polar_easterlies: float = within(-1, 1, "N m-2")
    centres_stress: float = within(-1, 1, "N m-2")
    nonlinear_iterations: int = within(0, 10, "1")

    def __post_init__(self) -> None:
        """Check type and range of every setting."""
        check_ranges(self, optional=("lateral_viscosity",))
        rows = 180 / self.resolution_degrees
        if abs(rows - round(rows)) > 1e-9:
            raise ConfigError(
                f"'resolution_degrees' of OceanSettings must divide 180. Got {self.resolution_degrees}; "
                f"the nearest that does is {180 / round(rows):g}."
            )
        if self.linear_friction == 0 and self.viscosity == 0:
            raise ConfigError(
                "'linear_friction' and 'lateral_viscosity' of OceanSettings are both 0: without friction there is no "
                "steady ocean. Make one of them positive."
            )

    @property
    def viscosity(self) -> float:
        """Lateral viscosity in use [m2 s-1]."""
        if self.lateral_viscosity is not None:
            return self.lateral_viscosity
        cosine = np.cos(np.deg2rad(MUNK_LATITUDE))
        beta = 2 * EARTH_ROTATION * cosine / EARTH_RADIUS
        spacing = EARTH_RADIUS * np.deg2rad(self.resolution_degrees) * cosine
        return float(MUNK_FACTOR * beta * spacing**3)


def check_ranges(settings: Any, *, optional: Collection[str] = ()) -> None:
    """Check every field made by `within`: a finite number in its range, whole where the field is an `int`.

    Parameters
    ----------
    settings : dataclass
    optional : collection of str
        Fields that may be None.

    Raises
    ------
    ConfigError
        For the first field that is not.
    """
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        if "range" in setting.metadata and not (value is None and setting.name in optional):
            whole = setting.type in (int, "int")
            _check(type(settings).__name__, setting.name, value, setting.metadata, whole=whole)


def _check(owner: str, name: str, value: object, metadata: Any, *, whole: bool) -> None:
    kind = Integral if whole else Real
    (low, high), units = metadata["range"], metadata["units"]
    if isinstance(value, kind) and not isinstance(value, bool) and isfinite(value) and low <= value <= high:
        return
    raise ConfigError(
        f"'{name}' of {owner} must be a {'whole ' * whole}number in the range [{low:g}, {high:g}] {units}. "
        f"Got {value!r}; mend it in the parameters of idealized_ocean."
    )
