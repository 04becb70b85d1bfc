r"""An orthogonal grid of the whole sphere whose northern pole lies on land.

In the stereographic plane seen from the north, zeta = tan(pi/4 - lat/2) exp(i lon), the regular grid is moved by a
translation, zeta + c. That is a Moebius map of the sphere, so the grid stays orthogonal and its cells keep their shape;
c gives the new North Pole and the South Pole stays, so grid lines in the Southern Ocean are almost meridians.
"""

from dataclasses import replace

import numpy as np

from thor.core.arrays import Array
from thor.ocean.idealized.c_grid import CGrid, Points, regular_c_grid

GREENLAND = (75.0, 320.0)
"""Latitude and longitude [degrees] of an inland point from which the coast is 500 km away."""

_ABSCISSAE, _WEIGHTS = np.polynomial.legendre.leggauss(4)


def displaced_pole_c_grid(resolution_degrees: float) -> CGrid:
    """Return the regular C grid with its northern pole moved to `GREENLAND`; metric factors are those of the map.

    Parameters
    ----------
    resolution_degrees : float
        Spacing of the regular grid that is moved [degrees]; divides 180.

    Raises
    ------
    ConfigError
        When the spacing does not divide 180 degrees.
    """
    regular = regular_c_grid(resolution_degrees)
    corner_lat, corner_lon = displaced_position(regular.corner_lat, regular.corner_lon)
    points = {kind: _displaced(getattr(regular, kind), resolution_degrees) for kind in ("t", "u", "v", "q")}
    return CGrid(**points, corner_lat=corner_lat, corner_lon=corner_lon)


def displaced_position(lat: Array, lon: Array) -> tuple[Array, Array]:
    """Return latitude and longitude, in [0, 360), to which the map takes positions of the regular grid [degrees]."""
    moved = _plane(lat, lon) + _plane(*GREENLAND)
    return 90 - 2 * np.rad2deg(np.arctan(np.abs(moved))), np.rad2deg(np.angle(moved)) % 360


def stretching(lat: Array, lon: Array) -> Array:
    """Return the factor [1] by which the map stretches lengths at positions of the regular grid [degrees]."""
    here = _plane(lat, lon)
    return (1 + np.abs(here) ** 2) / (1 + np.abs(here + _plane(*GREENLAND)) ** 2)


def _plane(lat: Array | float, lon: Array | float) -> Array:
    # the South Pole comes out far away but finite
    return np.tan(np.deg2rad(90 - np.asarray(lat)) / 2) * np.exp(1j * np.deg2rad(lon))


def _displaced(old: Points, spacing: float) -> Points:
    lat, lon = displaced_position(old.lat, old.lon)
    factor = stretching(old.lat, old.lon)
    # a translation keeps directions in the plane; east lies across the radius, which turns by the change of longitude
    angle = np.deg2rad((old.lon - lon + 180) % 360 - 180)
    area = old.area * _mean_square_stretching(old, spacing)
    return replace(old, lat=lat, lon=lon, dx=factor * old.dx, dy=factor * old.dy, area=area, angle=angle)


def _mean_square_stretching(old: Points, spacing: float) -> Array:
    """Return the mean over each cell by Gauss-Legendre quadrature in longitude and the sine of latitude."""
    south, north = (np.sin(np.deg2rad(np.clip(old.lat + s * spacing / 2, -90, 90))) for s in (-1, 1))
    total = np.zeros(old.lat.shape)
    for y, weight_y in zip(_ABSCISSAE, _WEIGHTS, strict=True):
        lat = np.rad2deg(np.arcsin((south + north + y * (north - south)) / 2))
        for x, weight_x in zip(_ABSCISSAE, _WEIGHTS, strict=True):
            lon = old.lon + x * spacing / 2
            total += weight_x * weight_y / 4 * stretching(lat, lon) ** 2
    return total
