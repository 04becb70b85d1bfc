"""Wind stress of the idealized ocean: belts plus highs and lows over the basins, analytic in longitude and latitude."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from thor.core.arrays import Array
from thor.ocean.idealized.c_grid import CGrid, FaceField, Points
from thor.ocean.idealized.settings import OceanSettings

CENTRES: dict[str, list[float]] = yaml.safe_load(
    files("thor.ocean.idealized").joinpath("wind_centres.yml").read_text(encoding="utf-8")
)
"""Place, strength and shape of each high and low; the file describes the numbers."""

STRENGTHS = ("trades", "northern_westerlies", "southern_westerlies", "polar_easterlies", "centres_stress")
"""The strengths of `Winds`."""


@dataclass(frozen=True)
class Winds:
    """Strengths of wind belts and centres [N m-2], latitude of the southern westerlies [degrees], active centres."""

    trades: float
    northern_westerlies: float
    southern_westerlies: float
    polar_easterlies: float
    centres_stress: float
    southern_westerlies_latitude: float
    centres: tuple[str, ...] = tuple(CENTRES)


def winds_of(settings: OceanSettings) -> Winds:
    """Return the winds of some settings, with all centres."""
    strengths: dict[str, Any] = {name: getattr(settings, name) for name in STRENGTHS}
    return Winds(southern_westerlies_latitude=settings.southern_westerlies_latitude, **strengths)


def wind_stress(lat: Array, lon: Array, winds: Winds) -> tuple[Array, Array]:
    """Return eastward and northward wind stress [N m-2] at positions [degrees]."""
    eastward, northward = _belts(lat, lon, winds), np.zeros_like(lat)
    cosine = np.maximum(np.cos(np.deg2rad(lat)), 0.1)
    for name in winds.centres:
        high_lat, high_lon, strength, wide, tall, tilt = CENTRES[name]
        c, s = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
        d_lon, d_lat = (lon - high_lon + 180) % 360 - 180, lat - high_lat
        along, across = (c * d_lon + s * d_lat) / wide, (c * d_lat - s * d_lon) / tall
        # air circles a centre along the contours of the Gaussian, clockwise around a northern high; the stress has no
        # divergence on the sphere, as only its curl drives the ocean
        spin = np.sign(high_lat) * winds.centres_stress * strength * tall * np.exp(0.5 - (along**2 + across**2) / 2)
        eastward += spin * (s * along / wide + c * across / tall)
        northward -= spin * (c * along / wide - s * across / tall) / cosine
    return eastward, northward


def stress_on_faces(grid: CGrid, winds: Winds) -> FaceField:
    """Return the wind stress along the grid's axes, i at u points and j at v points [N m-2]."""
    return FaceField(stress_at(grid.u, winds)[0], stress_at(grid.v, winds)[1])


def _belts(lat: Array, lon: Array, winds: Winds) -> Array:
    def bump(centre: float | Array, width: float) -> Array:
        return np.exp(-(((lat - centre) / width) ** 2))

    # the southern westerlies are strongest in the Indian sector, where they also blow farthest north
    sector = np.cos(np.deg2rad(lon - 75))
    # the northern westerlies lean from south-west to north-east across each ocean; the doldrums wander with longitude
    lean = 3 * np.sin(np.deg2rad(2 * (lon - 200)))
    doldrums = 3 * np.sin(np.deg2rad(lon - 170))
    return (
        -winds.trades * (bump(15 + doldrums, 12) + bump(-15 + doldrums, 12))
        + winds.northern_westerlies * bump(46 + lean, 11)
        + winds.southern_westerlies * (1 + 0.2 * sector) * bump(winds.southern_westerlies_latitude + 2 * sector, 12)
        - winds.polar_easterlies * (bump(75, 9) + bump(-70, 6))
    )


def stress_at(points: Points, winds: Winds) -> tuple[Array, Array]:
    """Return the wind stress along the grid's i and j axes at any points [N m-2]."""
    east, north = wind_stress(points.lat, points.lon, winds)
    cosine, sine = np.cos(points.angle), np.sin(points.angle)
    return cosine * east + sine * north, -sine * east + cosine * north
