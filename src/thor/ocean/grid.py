"""Structured grids on the sphere: positions, cell areas and the displacements between neighbouring cells.

A grid is what its cell centres, cell areas and neighbours are. Everything the operators need (`operators.py`) follows
from the great-circle displacements to the four neighbours, expressed eastward and northward, so a regular, rotated or
displaced-pole grid is the same case; only where the neighbours lie differs.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.errors import GridError
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION

Array = NDArray[np.float64]

STEPS = ((0, 1), (0, -1), (1, 0), (-1, 0))
"""The four neighbours as steps (rows, columns): next and previous column, next and previous row."""


@dataclass(frozen=True)
class Grid:
    """A structured grid of (n_rows, n_columns) cells.

    Attributes
    ----------
    lat, lon : ndarray of shape (n_rows, n_columns)
        Cell centres [degrees_north, degrees_east].
    area : ndarray of shape (n_rows, n_columns)
        Cell areas [m2].
    periodic : bool
        Whether the last column neighbours the first.
    over_pole : tuple of bool
        Whether the first and the last row end at a pole, beyond which the row goes on half a turn away.
    dims : tuple of str
        Names of the row and column dimensions.
    """

    lat: Array
    lon: Array
    area: Array
    periodic: bool
    over_pole: tuple[bool, bool]
    dims: tuple[str, str]

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> "Grid":
        """Build the grid from coordinates `lat` and `lon` (1-D or 2-D) with bounds, if any, or `areacello`.

        Raises
        ------
        GridError
            When coordinates are missing, not finite, not monotonic (1-D) or give no area.
        """
        for name in ("lat", "lon"):
            if name not in dataset.coords:
                raise GridError(f"Coordinate '{name}' is missing; got coordinates {sorted(map(str, dataset.coords))}.")
        lat, lon = dataset["lat"], dataset["lon"]
        if lat.ndim == 1:
            dims = (str(lat.dims[0]), str(lon.dims[0]))
            _require_monotonic(lat)
            lon2, lat2 = np.meshgrid(lon.values.astype(float), lat.values.astype(float))
            periodic = _is_global(lon.values)
            over_pole = _ends_at_poles(dataset) if periodic and lon.size % 2 == 0 else (False, False)
        elif lat.ndim == 2 and lat.dims == lon.dims:
            dims = (str(lat.dims[0]), str(lat.dims[1]))
            lat2, lon2 = lat.values.astype(float), lon.values.astype(float)
            periodic, over_pole = _seam_closes(lat2, lon2), (False, False)
        else:
            raise GridError(f"'lat' and 'lon' must be 1-D or share two dims; got {lat.dims} and {lon.dims}.")
        if not (np.isfinite(lat2).all() and np.isfinite(lon2).all()):
            raise GridError("'lat' or 'lon' holds values that are not finite; fill the coordinates on land too.")
        return cls(lat2, lon2, cell_area(dataset), periodic, over_pole, dims)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.lat.shape  # type: ignore[return-value]

    @property
    def coriolis_parameter(self) -> Array:
        """Coriolis parameter 2 Omega sin(latitude) [s-1], shape (n_rows, n_columns)."""
        return 2 * EARTH_ROTATION * np.sin(np.deg2rad(self.lat))

    @cached_property
    def displacements(self) -> dict[tuple[int, int], Array]:
        """Displacement to each of the four neighbours, shape (2, n_rows, n_columns): eastward, northward [m].

        Great-circle distance along the initial bearing (azimuthal equidistant projection centred on the cell); NaN
        where the grid ends.
        """
        centre = unit_vectors(self.lat, self.lon)
        east, north = local_basis(self.lat, self.lon)
        out = {}
        for step in STEPS:
            other = np.stack([self.neighbour(component, step) for component in centre])
            along = np.stack([(other * east).sum(axis=0), (other * north).sum(axis=0)])
            sine = np.hypot(*along)
            angle = np.arctan2(sine, (other * centre).sum(axis=0))
            scale = np.divide(angle, sine, out=np.ones_like(angle), where=sine > 0)
            out[step] = EARTH_RADIUS * scale * along
        return out

    def neighbour(self, values: Array, step: tuple[int, int]) -> Array:
        """Return for each cell the value of its neighbour `step` = (rows, columns) away; NaN where the grid ends."""
        rows, columns = step
        shifted = np.roll(values, (-rows, -columns), axis=(0, 1))
        if rows:
            end = -1 if rows > 0 else 0
            # Columns keep their order beyond a pole, so covariant components along them keep their sign.
            shifted[end] = np.roll(values[end], values.shape[1] // 2) if self.over_pole[end] else np.nan
        if columns and not self.periodic:
            shifted[:, -1 if columns > 0 else 0] = np.nan
        return shifted

    def wrap(self, values: Array, name: str, **attrs: str) -> xr.DataArray:
        """Return `values` as a DataArray on this grid's dims."""
        return xr.DataArray(values, dims=self.dims, name=name, attrs=attrs)


def unit_vectors(lat: Array, lon: Array) -> Array:
    """Return positions [degrees] as unit vectors, shape (3, ...)."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])


def local_basis(lat: Array, lon: Array) -> tuple[Array, Array]:
    """Return the eastward and northward unit vectors at positions [degrees], each of shape (3, ...)."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    east = np.stack([-np.sin(lam), np.cos(lam), np.zeros_like(lam)])
    north = np.stack([-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)])
    return east, north


def cell_area(dataset: xr.Dataset) -> Array:
    """Return cell areas [m2], shape (n_rows, n_columns).

    From 1-D bounds (edges along parallels and meridians: exact), else from `areacello`, else from midpoints between
    1-D centres.

    Raises
    ------
    GridError
        When neither bounds nor `areacello` nor 1-D centres are there, or an area is not positive.
    """
    if dataset["lat"].ndim == 1:
        south, north = _bounds(dataset, "lat", limits=(-90.0, 90.0))
        west, east = _bounds(dataset, "lon")
        height = np.abs(np.sin(np.deg2rad(north)) - np.sin(np.deg2rad(south)))
        width = np.deg2rad(np.abs((east - west + 180) % 360 - 180))
        area = EARTH_RADIUS**2 * height[:, None] * width[None, :]
    elif "areacello" in dataset:
        area = dataset["areacello"].values.astype(float)
    else:
        raise GridError("A grid with 2-D 'lat' and 'lon' needs 'areacello'; add it to the dataset.")
    if not (area[np.isfinite(area)] > 0).all():
        raise GridError("Some cell areas are zero or negative; check the bounds of 'lat' and 'lon' or 'areacello'.")
    return area


def regular_grid(spacing: float) -> xr.Dataset:
    """Return the coordinates of a global regular grid, cell centres off the poles, with bounds.

    Parameters
    ----------
    spacing : float
        Distance between centres [degrees]; has to divide 180.

    Returns
    -------
    xarray.Dataset
        Coordinates lat, lon and their bounds lat_bnds, lon_bnds (dim bnds).
    """
    n_rows = round(180 / spacing)
    if spacing <= 0 or not np.isclose(n_rows * spacing, 180):
        raise GridError(f"The spacing of a regular grid must divide 180 degrees; got {spacing}.")
    lat_edge, lon_edge = np.linspace(-90, 90, n_rows + 1), np.linspace(0, 360, 2 * n_rows + 1)
    return with_bounds(0.5 * (lat_edge[1:] + lat_edge[:-1]), 0.5 * (lon_edge[1:] + lon_edge[:-1]))


def with_bounds(lat: Array, lon: Array) -> xr.Dataset:
    """Return 1-D centres [degrees] as coordinates with CF attributes and bounds at the midpoints between them."""
    lat_edge, lon_edge = np.clip(_edges(lat), -90, 90), _edges(lon)
    attrs_lat = {"standard_name": "latitude", "units": "degrees_north", "axis": "Y", "bounds": "lat_bnds"}
    attrs_lon = {"standard_name": "longitude", "units": "degrees_east", "axis": "X", "bounds": "lon_bnds"}
    return xr.Dataset(
        coords={
            "lat": ("lat", lat, attrs_lat),
            "lon": ("lon", lon, attrs_lon),
            "lat_bnds": (("lat", "bnds"), np.stack([lat_edge[:-1], lat_edge[1:]], axis=1)),
            "lon_bnds": (("lon", "bnds"), np.stack([lon_edge[:-1], lon_edge[1:]], axis=1)),
        }
    )


def _bounds(dataset: xr.Dataset, name: str, limits: tuple[float, float] | None = None) -> tuple[Array, Array]:
    if f"{name}_bnds" in dataset.variables:
        bounds = dataset[f"{name}_bnds"].values.astype(float)
        return bounds[:, 0], bounds[:, 1]
    edges = _edges(dataset[name].values.astype(float))
    if limits is not None:
        edges = np.clip(edges, *limits)
    return edges[:-1], edges[1:]


def _edges(centres: Array) -> Array:
    middle = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _require_monotonic(lat: xr.DataArray) -> None:
    if lat.size < 3:
        raise GridError(f"A grid needs at least 3 rows; 'lat' has {lat.size}.")
    steps = np.diff(lat.values)
    if not ((steps > 0).all() or (steps < 0).all()):
        where = int(np.argmax(np.sign(steps) != np.sign(steps[0]))) + 1
        raise GridError(f"'lat' is not monotonic: it turns at index {where} ({lat.values[where]:g}); sort the file.")


def _is_global(lon: Array) -> bool:
    # Steps are taken modulo 360, so it does not matter where the longitudes start.
    steps = np.diff(np.append(lon, lon[0]).astype(float)) % 360
    return bool(np.isclose(steps.sum(), 360) and steps.max() < 1.5 * np.median(steps))


def _ends_at_poles(dataset: xr.Dataset) -> tuple[bool, bool]:
    edges = np.concatenate(_bounds(dataset, "lat", limits=(-90.0, 90.0)))
    ends = np.abs([edges[[0, len(edges) // 2]], edges[[len(edges) // 2 - 1, -1]]]).max(axis=1)
    return bool(np.isclose(ends[0], 90)), bool(np.isclose(ends[1], 90))


def _seam_closes(lat: Array, lon: Array) -> bool:
    # The gap between the last and the first column must be no wider than the widest step inside the grid.
    centre = unit_vectors(lat, lon)
    step = np.linalg.norm(np.diff(centre, axis=2), axis=0)
    seam = np.linalg.norm(centre[:, :, -1] - centre[:, :, 0], axis=0)
    return bool(np.median(seam) <= 1.5 * np.median(step))
