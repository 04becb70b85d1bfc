"""Settings: the physics of the idealized ocean."""

from typing import Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from thor.core.settings import Settings
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.torques import MUNK_LATITUDE, munk_viscosity

MUNK_FACTOR = 1.0
"""Default lateral viscosity in units of beta dx^3: one makes the Munk layer a cell wide at `MUNK_LATITUDE`."""


class OceanSettings(Settings):
    """Physical settings of the idealized ocean; by default those of the training ocean."""

    resolution_degrees: float = Field(2.0, ge=0.25, le=10)
    """Grid spacing; divides 180 [degrees]."""
    linear_friction: float = Field(1e-7, ge=0, le=1e-4)
    """Rayleigh friction R on the transport; small enough that the interior is Sverdrupian [s-1]."""
    lateral_viscosity: float | None = Field(None, ge=0, le=1e8)
    """Lateral viscosity A; null: beta dx^3 with beta and dx at 30 degrees, which just resolves western boundary
    currents [m2 s-1]."""
    decay_depth: float = Field(950.0, ge=50, le=1e4)
    """e-folding depth h of the velocity [m]."""
    bottom_drag: float = Field(1e-3, ge=0, le=0.1)
    """Linear drag r on the velocity at the bottom [m s-1]."""
    reference_density: float = Field(1029.0, ge=900, le=1200)
    """Density of sea water [kg m-3]."""
    abyssal_depth: float = Field(5500.0, ge=1500, le=11_000)
    """Depth far from land and ridges [m]."""
    minimum_depth: float = Field(150.0, ge=10, le=1000)
    """Depth at the coast [m]."""
    ridge_height: float = Field(1.0, ge=0, le=1.2)
    """Factor on the height of the mid-ocean ridges [1]."""
    roughness: float = Field(250.0, ge=0, le=1500)
    """Standard deviation of the seeded hills [m]."""
    trades: float = Field(0.045, ge=-1, le=1)
    """Strength of the trade winds [N m-2]."""
    northern_westerlies: float = Field(0.025, ge=-1, le=1)
    """Strength of the northern westerlies [N m-2]."""
    southern_westerlies: float = Field(0.07, ge=-1, le=1)
    """Strength of the southern westerlies [N m-2]."""
    southern_westerlies_latitude: float = Field(-51.0, ge=-75, le=-30)
    """Latitude of the southern westerlies [degrees_north]."""
    polar_easterlies: float = Field(0.02, ge=-1, le=1)
    """Strength of the polar easterlies [N m-2]."""
    centres_stress: float = Field(0.07, ge=-1, le=1)
    """Strength of the highs and lows over the basins [N m-2]."""
    nonlinear_iterations: int = Field(1, ge=0, le=10)
    """Corrections by the momentum advection of the ocean itself; 0: the linear ocean [1]."""

    @field_validator("resolution_degrees")
    @classmethod
    def _require_whole_rows(cls, resolution: float) -> float:
        rows = 180 / resolution
        if abs(rows - round(rows)) > 1e-9:
            raise ValueError(f"must divide 180; got {resolution}. The nearest that does is {180 / round(rows):g}.")
        return resolution

    @model_validator(mode="after")
    def _require_friction(self) -> Self:
        if self.linear_friction == 0 and self.viscosity == 0:
            raise ValueError(
                "'linear_friction' and 'lateral_viscosity' are both 0: without friction there is no steady ocean. "
                "Make one of them positive."
            )
        return self

    @property
    def viscosity(self) -> float:
        """Lateral viscosity in use [m2 s-1]."""
        if self.lateral_viscosity is not None:
            return self.lateral_viscosity
        spacing = EARTH_RADIUS * np.deg2rad(self.resolution_degrees) * np.cos(np.deg2rad(MUNK_LATITUDE))
        return MUNK_FACTOR * munk_viscosity(spacing)
