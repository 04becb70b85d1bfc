"""Wind stress of the idealized ocean: belts plus highs and lows over the basins, analytic in longitude and latitude."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from thor.core.arrays import Array
from thor.ocean.idealized.c_grid import CGrid, FaceField, Points
from thor.ocean.idealized.settings import OceanSettings

CENTRES: dict[str, tuple[float, float, float, float, float, float]] = {
    "North Pacific high": (33.0, 220.0, 1.0, 26.0, 11.0, 6.0),
    "West Pacific high": (27.0, 160.0, 0.45, 22.0, 9.0, 8.0),
    "North Atlantic high": (32.0, 322.0, 1.0, 22.0, 10.5, 6.0),
    "South Pacific high": (-29.0, 262.0, 1.1, 22.0, 11.0, 0.0),
    "South Atlantic high": (-28.0, 353.0, 1.1, 20.0, 11.0, 0.0),
    "Indian Ocean high": (-32.0, 82.0, 1.2, 26.0, 10.0, 0.0),
    "Tasman high": (-34.0, 165.0, 0.5, 16.0, 9.0, 0.0),
    "Aleutian low": (51.0, 188.0, -1.2, 24.0, 9.0, 5.0),
    "Icelandic low": (61.0, 327.0, -1.1, 22.0, 8.0, 12.0),
    "Amundsen low": (-68.0, 245.0, -0.5, 35.0, 7.0, 0.0),
    "Weddell low": (-66.0, 345.0, -0.4, 25.0, 6.0, 0.0),
    "Prydz low": (-64.0, 90.0, -0.5, 35.0, 6.0, 0.0),
    "Beaufort high": (78.0, 215.0, 0.25, 50.0, 8.0, 0.0),
    "Arabian Sea high": (9.0, 62.0, 0.6, 12.0, 7.0, 20.0),
    "Bengal low": (11.0, 88.0, -0.3, 10.0, 7.0, 0.0),
    "South Equatorial Indian low": (-9.0, 75.0, -0.4, 26.0, 7.0, -5.0),
    "South Pacific convergence": (-14.0, 192.0, -0.5, 30.0, 8.0, -20.0),
    "Costa Rica low": (9.0, 262.0, -0.4, 18.0, 7.0, 0.0),
    "Guinea low": (8.0, 336.0, -0.4, 16.0, 7.0, 0.0),
    "Mindanao low": (8.0, 142.0, -0.5, 20.0, 7.0, 0.0),
}
"""Latitude, longitude [degrees], strength relative to `centres_stress` (positive: a high), half widths along and across
[degrees], and the axis' tilt from eastward [degrees anticlockwise]."""


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
