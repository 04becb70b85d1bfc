"""Points on the sphere as unit vectors: directions, distances and areas without a seam or a pole."""

import numpy as np

from thor.core.arrays import Array, IntArray
from thor.ocean.constants import EARTH_RADIUS


def unit_vectors(lat: Array, lon: Array) -> Array:
    """Return positions [degrees] as unit vectors, shape (3, ...)."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    across = np.cos(phi)
    return np.stack([across * np.cos(lam), across * np.sin(lam), np.sin(phi)])


def local_basis(lat: Array, lon: Array) -> tuple[Array, Array]:
    """Return the eastward and northward unit vectors at positions [degrees], each of shape (3, ...)."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    cos, sin, down = np.cos(lam), np.sin(lam), -np.sin(phi)
    return np.stack([-sin, cos, np.zeros_like(lam)]), np.stack([down * cos, down * sin, np.cos(phi)])


def displacement(lat: Array, lon: Array, other: Array) -> Array:
    """Return the displacement from positions [degrees] to other points, eastward and northward, shape (2, ...) [m].

    Great-circle distance along the initial bearing (azimuthal equidistant projection centred on the position).

    Parameters
    ----------
    lat, lon : ndarray of shape (...)
    other : ndarray of shape (3, ...)
        Unit vectors.
    """
    centre = unit_vectors(lat, lon)
    east, north = local_basis(lat, lon)
    along = np.stack([(other * east).sum(axis=0), (other * north).sum(axis=0)])
    sine = np.hypot(*along)
    angle = np.arctan2(sine, (other * centre).sum(axis=0))
    scale = np.divide(angle, sine, out=np.ones_like(angle), where=sine > 0)
    return EARTH_RADIUS * scale * along


def distance(a: Array, b: Array) -> Array:
    """Return the great-circle angle [rad] between unit vectors of shape (3, ...), exact for the smallest too."""
    return 2 * np.arcsin(np.minimum(np.linalg.norm(a - b, axis=0) / 2, 1.0))


def normalised(vectors: Array) -> Array:
    """Return vectors of shape (3, ...) at length one; NaN where they have none."""
    length = np.linalg.norm(vectors, axis=0)
    return vectors / np.where(length > 0, length, np.nan)


def quadrilateral_area(corners: Array) -> Array:
    """Return the signed areas [sr] of spherical quadrilaterals, positive where the corners run anticlockwise.

    Parameters
    ----------
    corners : ndarray of shape (3, ..., 4)
        Unit vectors in order around each quadrilateral; two may coincide.

    Notes
    -----
    The sum of two triangles with tan(E / 2) = a . (b x c) / (1 + a . b + b . c + c . a)
    (Eriksson 1990, doi:10.2307/2691141).
    """
    a, b, c, d = np.moveaxis(corners, -1, 0)
    return _triangle_area(a, b, c) + _triangle_area(a, c, d)


def _triangle_area(a: Array, b: Array, c: Array) -> Array:
    # Edge vectors instead of positions keep all digits of small triangles.
    volume = (a * np.cross(b - a, c - a, axis=0)).sum(axis=0)
    return 2 * np.arctan2(volume, 1 + (a * b).sum(axis=0) + (b * c).sum(axis=0) + (c * a).sum(axis=0))


def sphere_blocks(lat: Array, lon: Array, *, degrees: float) -> IntArray:
    """Return the block of each cell, numbered from 0 without gaps, shape (n_samples,).

    Blocks lie in rows of equal height; a row holds as many blocks as fit on its middle circle of latitude, so all
    are at least about `degrees` of a great circle high and wide. Boxes of so many degrees of longitude would be
    slivers in high latitudes, narrower than the distance over which fields are correlated.

    Parameters
    ----------
    lat, lon : ndarray of shape (n_samples,), [degrees]
    degrees : float
    """
    n_rows = int(180.0 // degrees)
    row = np.minimum((np.asarray(lat) + 90.0) * n_rows / 180.0, n_rows - 1).astype(int)
    middle = -90.0 + (np.arange(n_rows) + 0.5) * 180.0 / n_rows
    in_row = np.maximum(360.0 * np.cos(np.deg2rad(middle)) // degrees, 1).astype(int)
    column = np.floor((np.asarray(lon) % 360.0) * in_row[row] / 360.0).astype(int)
    first = np.cumsum(in_row) - in_row
    return np.unique(first[row] + column, return_inverse=True)[1]
