"""An Arakawa C grid on the sphere with orthogonal curvilinear metric factors, and its discrete operators.

Cells are indexed (j, i), periodic in i, with walls at both ends of j. Cell (j, i) has its centre (T), its eastern
face (u), its northern face (v) and its north-eastern corner (q). Every operator is a sparse matrix over the flattened
(j, i) index, so the same matrices build the equations and evaluate the budget.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from thor.core.arrays import Array
from thor.core.errors import ConfigError
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION


class FaceField(NamedTuple):
    """A vector field on a C grid: components along the grid's axes, normal to the faces they sit on.

    Attributes
    ----------
    u, v : ndarray of shape (..., nj, ni)
        Component along i on eastern faces, along j on northern faces.
    """

    u: Array
    v: Array

    def __add__(self, other: "FaceField") -> "FaceField":  # type: ignore[override]
        """Add component by component: a tuple would be lengthened instead."""
        return self.map(np.add, other)

    def map(self, function: Callable[..., Any], *others: "FaceField") -> "FaceField":
        """Return `function` applied to the u components, and to the v components, of this field and the others."""
        return FaceField(*(function(*parts) for parts in zip(self, *others, strict=True)))


@dataclass(frozen=True)
class Points:
    """Positions and metric factors of one kind of grid point, each of shape (nj, ni).

    Attributes
    ----------
    lat, lon : ndarray, [degrees]
    dx, dy : ndarray, [m]
        Extent along i and j of the cell centred on the point.
    area : ndarray, [m2]
    angle : ndarray, [rad]
        From eastward to the grid's i axis, anticlockwise.
    """

    lat: Array
    lon: Array
    dx: Array
    dy: Array
    area: Array
    angle: Array

    @property
    def coriolis(self) -> Array:
        """Coriolis parameter [s-1]."""
        return 2 * EARTH_ROTATION * np.sin(np.deg2rad(self.lat))


@dataclass(frozen=True, eq=False)
class CGrid:
    """Geometry of a C grid.

    Attributes
    ----------
    t, u, v, q : Points
        Cell centres, eastern faces, northern faces, north-eastern corners.
    corner_lat, corner_lon : ndarray of shape (nj + 1, ni + 1), [degrees]
        Corners of all cells, the southern wall and both sides of the seam included.
    """

    t: Points
    u: Points
    v: Points
    q: Points
    corner_lat: Array
    corner_lon: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells along (j, i)."""
        nj, ni = self.t.lat.shape
        return nj, ni

    def apply(self, operator: sp.csr_array, field: Array) -> Array:
        """Return `operator` applied to a field of shape (..., nj, ni)."""
        columns = field.reshape(-1, self.shape[0] * self.shape[1]).T
        return np.ascontiguousarray((operator @ columns).T).reshape(field.shape)

    @cached_property
    def identity(self) -> sp.csr_array:
        """Identity matrix."""
        return sp.csr_array(sp.eye_array(self.t.lat.size))

    @cached_property
    def east(self) -> sp.csr_array:
        """Value of the next point along i (periodic); its transpose gives the previous one."""
        nj, ni = self.shape
        ring = sp.diags_array([1.0, 1.0], offsets=[1, 1 - ni], shape=(ni, ni))
        return sp.csr_array(sp.kron(sp.eye_array(nj), ring))

    @cached_property
    def north(self) -> sp.csr_array:
        """Value of the next point along j (nothing beyond the wall); its transpose gives the previous one."""
        nj, ni = self.shape
        line = sp.diags_array([1.0], offsets=[1], shape=(nj, nj))
        return sp.csr_array(sp.kron(line, sp.eye_array(ni)))

    @cached_property
    def gradient(self) -> FaceField:
        """Matrices T -> u and T -> v: gradient along the grid axes [m-1]."""
        return FaceField(
            reciprocal(self.u.dx) @ (self.east - self.identity),
            reciprocal(self.v.dy) @ (self.north - self.identity),
        )

    @cached_property
    def outflow(self) -> FaceField:
        """Matrices u -> T and v -> T whose sum is the volume that leaves a cell, divergence times area [m]."""
        return FaceField(
            (self.identity - self.east.T) @ diagonal(self.u.dy),
            (self.identity - self.north.T) @ diagonal(self.v.dx),
        )

    @cached_property
    def circulation(self) -> FaceField:
        """Matrices u -> q and v -> q whose sum is the circulation around a corner, curl times area [m]."""
        return FaceField(
            -(self.north - self.identity) @ diagonal(self.u.dx),
            (self.east - self.identity) @ diagonal(self.v.dy),
        )

    @cached_property
    def rotated_gradient(self) -> FaceField:
        """Matrices q -> u and q -> v: k x grad of a corner field, minus the adjoint of the curl [m-1]."""
        return FaceField(
            -reciprocal(self.u.dy) @ (self.identity - self.north.T),
            reciprocal(self.v.dx) @ (self.identity - self.east.T),
        )

    @cached_property
    def along_i(self) -> sp.csr_array:
        """Mean of a point and the next along i (v -> q, T -> u); its transpose averages back."""
        return 0.5 * (self.identity + self.east)

    @cached_property
    def along_j(self) -> sp.csr_array:
        """Mean of a point and the next along j (u -> q, T -> v); its transpose averages back."""
        return 0.5 * (self.identity + self.north)

    def curl(self, field: FaceField) -> Array:
        """Return the discrete curl at corners: circulation over corner area [field's units m-1]."""
        around = self.apply(self.circulation.u, field.u) + self.apply(self.circulation.v, field.v)
        return around / self.q.area


def regular_c_grid(resolution_degrees: float) -> CGrid:
    """Return the regular latitude-longitude C grid, 90S to 90N, 0E to 360E.

    Parameters
    ----------
    resolution_degrees : float
        Spacing [degrees]; divides 180.

    Raises
    ------
    ConfigError
        When the spacing does not divide 180 degrees.
    """
    nj = round(180 / resolution_degrees) if resolution_degrees > 0 else 0
    if nj < 2 or abs(nj * resolution_degrees - 180) > 1e-9:
        raise ConfigError(
            f"'resolution_degrees' must divide 180 into at least two rows. Got {resolution_degrees}; "
            f"take for example {180 / max(nj, 2):g}."
        )
    edge_lat, edge_lon = np.linspace(-90, 90, nj + 1), np.linspace(0, 360, 2 * nj + 1)
    mid_lat, mid_lon = (edge_lat[1:] + edge_lat[:-1]) / 2, (edge_lon[1:] + edge_lon[:-1]) / 2
    corner_lat, corner_lon = np.meshgrid(edge_lat, edge_lon, indexing="ij")
    return CGrid(
        t=_regular_points(mid_lat, mid_lon, resolution_degrees),
        u=_regular_points(mid_lat, edge_lon[1:], resolution_degrees),
        v=_regular_points(edge_lat[1:], mid_lon, resolution_degrees),
        q=_regular_points(edge_lat[1:], edge_lon[1:], resolution_degrees),
        corner_lat=corner_lat,
        corner_lon=corner_lon,
    )


def _regular_points(lat: Array, lon: Array, resolution_degrees: float) -> Points:
    lats, lons = np.meshgrid(lat, lon % 360, indexing="ij")
    step = np.deg2rad(resolution_degrees)
    south, north = (np.sin(np.deg2rad(np.clip(lats + s * resolution_degrees / 2, -90, 90))) for s in (-1, 1))
    # cos(90 degrees) is 6e-17 in floating point: the pole is a wall of no length
    cosine = np.where(np.abs(lats) > 90 - 1e-9, 0.0, np.cos(np.deg2rad(lats)))
    return Points(
        lat=lats,
        lon=lons,
        dx=EARTH_RADIUS * step * cosine,
        dy=np.full(lats.shape, EARTH_RADIUS * step),
        area=EARTH_RADIUS**2 * step * (north - south),
        angle=np.zeros(lats.shape),
    )


def diagonal(values: Array) -> sp.csr_array:
    """Return the diagonal matrix of a (nj, ni) field."""
    return sp.csr_array(sp.diags_array(values.ravel()))


def reciprocal(values: Array) -> sp.csr_array:
    """Return the diagonal matrix of 1/values; zero where a face has no length, at the pole of a regular grid."""
    inverse = np.zeros(values.shape)
    np.divide(1.0, values, out=inverse, where=values > 0)
    return diagonal(inverse)
