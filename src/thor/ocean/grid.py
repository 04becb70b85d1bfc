"""Structured grids on the sphere: positions, cell areas and the displacements between neighbouring cells.

A grid is defined by its cell centres, cell areas and neighbours. Everything the operators need (`operators.py`) follows
from the great-circle displacements to the four neighbours, expressed eastward and northward, so a regular, rotated,
displaced-pole or tripolar grid is the same case; only where the neighbours lie differs (`topology.py`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from thor.core.arrays import Array, Mask
from thor.core.errors import GridError
from thor.ocean.area_checks import check_areas
from thor.ocean.areas import curvilinear_area, parallel_area
from thor.ocean.constants import EARTH_ROTATION
from thor.ocean.edges import edges_midway, ends_at_poles, regular_edges
from thor.ocean.longitudes import Columns, columns_around
from thor.ocean.sphere import displacement, unit_vectors
from thor.ocean.topology import Continuation, Topology, find_topology

NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))
"""The four neighbours as steps (rows, columns): next and previous column, next and previous row."""

SAME_POSITION = 1e-3
"""Positions of one cell in two files may differ by so much [degrees]: coordinates are rounded to single precision."""


@dataclass(frozen=True)
class Grid:
    """A structured grid of (n_rows, n_columns) cells.

    Attributes
    ----------
    lat, lon : ndarray of shape (n_rows, n_columns)
        Cell centres [degrees_north, degrees_east]; NaN on land without coordinates.
    area : ndarray of shape (n_rows, n_columns)
        Cell areas [m2]; NaN where they are unknown.
    topology : Topology
        Which cells neighbour which.
    dims : tuple of str
        Names of the row and column dimensions.
    """

    lat: Array
    lon: Array
    area: Array
    topology: Topology
    dims: tuple[str, str]

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> "Grid":
        """Build the grid from coordinates `lat` and `lon` (1-D or 2-D) and, where there are any, their bounds.

        Raises
        ------
        GridError
            When coordinates are missing, not finite, outside 90S to 90N, not monotonic (1-D), or give no area or one
            that no grid of the Earth can have (`area_checks.check_areas`).
        """
        for name in ("lat", "lon"):
            if name not in dataset.coords:
                raise GridError(f"Coordinate '{name}' is missing; got coordinates {sorted(map(str, dataset.coords))}.")
        lat, lon = dataset["lat"], dataset["lon"]
        if lat.ndim == 1 and lon.ndim == 1:
            grid = cls._regular(dataset)
        elif lat.ndim == 2 and lat.dims == lon.dims:
            grid = cls._curvilinear(dataset)
        else:
            raise GridError(f"'lat' and 'lon' must be 1-D or share two dims; got {lat.dims} and {lon.dims}.")
        check_areas(grid)
        return grid

    @classmethod
    def _regular(cls, dataset: xr.Dataset) -> "Grid":
        _require_monotonic(dataset["lat"])
        lon, lat = np.meshgrid(dataset["lon"].values.astype(float), dataset["lat"].values.astype(float))
        _require_on_sphere(lat, lon)
        if not (np.isfinite(lat).all() and np.isfinite(lon).all()):
            raise GridError("'lat' or 'lon' holds values that are not finite; 1-D coordinates must be complete.")
        columns = columns_around(lon[0])
        area = parallel_area(*regular_edges(dataset))
        dims = (str(dataset["lat"].dims[0]), str(dataset["lon"].dims[0]))
        return cls(lat, lon, area, _regular_topology(dataset, columns), dims)

    @classmethod
    def _curvilinear(cls, dataset: xr.Dataset) -> "Grid":
        lat, lon = dataset["lat"].values.astype(float), dataset["lon"].values.astype(float)
        _require_on_sphere(lat, lon)
        known = np.isfinite(lat) & np.isfinite(lon)
        if min(lat.shape) < 3 or not known.any():
            raise GridError(
                f"A grid needs at least 3 rows, 3 columns and one known position; got {int(known.sum())} known "
                f"positions in {lat.shape[0]} rows and {lat.shape[1]} columns."
            )
        lat, lon = np.where(known, lat, np.nan), np.where(known, lon, np.nan)
        centres = unit_vectors(lat, lon)
        topology = find_topology(centres)
        row, column = map(str, dataset["lat"].dims)
        return cls(lat, lon, curvilinear_area(dataset, centres, topology), topology, (row, column))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.lat.shape  # type: ignore[return-value]

    @property
    def periodic(self) -> bool:
        """Whether the last column neighbours the first."""
        return self.topology.periodic

    @cached_property
    def duplicate(self) -> Mask:
        """Cells that repeat the place of another, shape (n_rows, n_columns); leave them out of sums of area."""
        return self.topology.duplicate

    @property
    def coriolis_parameter(self) -> Array:
        """Coriolis parameter 2 Omega sin(latitude) [s-1], shape (n_rows, n_columns)."""
        return 2 * EARTH_ROTATION * np.sin(np.deg2rad(self.lat))

    @cached_property
    def centres(self) -> Array:
        """Cell centres as unit vectors, shape (3, n_rows, n_columns)."""
        return unit_vectors(self.lat, self.lon)

    @cached_property
    def displacements(self) -> dict[tuple[int, int], Array]:
        """Displacement to each of the four neighbours, shape (2, n_rows, n_columns): eastward, northward [m].

        Great-circle distance along the initial bearing; NaN where the grid ends.
        """
        return {step: displacement(self.lat, self.lon, self.neighbour(self.centres, step)) for step in NEIGHBOURS}

    def neighbour(self, values: Array, step: tuple[int, int]) -> Array:
        """Return for each cell the value of its neighbour `step` = (rows, columns) away; NaN where the grid ends.

        Parameters
        ----------
        values : ndarray of shape (..., n_rows, n_columns)
            Scalars. Components along the grid's axes have the opposite sign beyond a fold, where the signs of
            `topology.locate(step)` are negative.
        step : (int, int)
        """
        return self.topology.values_at(step, values)

    def fill_repeated(self, values: Array) -> Array:
        """Return scalars with the value of the original in every repeated cell: halos may be out of date."""
        return self.neighbour(values, (0, 0))

    def on_cells(self, field: xr.DataArray) -> xr.DataArray:
        """Return a field with rows and columns as its last dims.

        Raises
        ------
        GridError
            When it is on other dims, or the positions it has are not those of the cells to within `SAME_POSITION`.
        """
        shape = tuple(field.sizes.get(dim, 0) for dim in self.dims)
        apart = [
            (np.abs((xr.Variable(self.dims, here) - field[axis].variable + 180) % 360 - 180) > SAME_POSITION).any()
            for axis, here in (("lat", self.lat), ("lon", self.lon))
            if shape == self.shape and axis in field.coords and set(field[axis].dims) <= set(self.dims)
        ]
        if shape != self.shape or any(apart):
            sizes = ", ".join(f"{dim} {size}" for dim, size in field.sizes.items())
            expected = " and ".join(f"{dim} {size}" for dim, size in zip(self.dims, self.shape, strict=True))
            raise GridError(
                f"'{field.name}' ({sizes}) is on another grid; expected the cells of the other fields, {expected}, in "
                "the same order: make both from one ocean."
            )
        return field.transpose(..., *self.dims)

    def values(self, field: xr.DataArray) -> Array:
        """Return the values of a field, as from `on_cells`, in float64."""
        return self.on_cells(field).values.astype(float)

    def wrap(self, values: Array, name: str, **attrs: str) -> xr.DataArray:
        """Return `values` as a DataArray on this grid's dims."""
        return xr.DataArray(values, dims=self.dims, name=name, attrs=attrs)


def cell_area(dataset: xr.Dataset) -> Array:
    """Return cell areas [m2], shape (n_rows, n_columns).

    1-D coordinates: from bounds, else from midpoints between centres (edges along parallels and meridians: exact).
    2-D coordinates: spherical quadrilaterals between the vertices of the bounds, else between the corners that lie
    between four centres, else `areacello`.

    Raises
    ------
    GridError
        When the coordinates are unusable, or an area is not positive.
    """
    return Grid.from_dataset(dataset).area


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
    lat_edge, columns = np.clip(edges_midway(lat), -90, 90), columns_around(lon)
    attrs_lat = {"standard_name": "latitude", "units": "degrees_north", "axis": "Y", "bounds": "lat_bnds"}
    attrs_lon = {"standard_name": "longitude", "units": "degrees_east", "axis": "X", "bounds": "lon_bnds"}
    return xr.Dataset(
        coords={
            "lat": ("lat", lat, attrs_lat),
            "lon": ("lon", lon, attrs_lon),
            "lat_bnds": (("lat", "bnds"), np.stack([lat_edge[:-1], lat_edge[1:]], axis=1)),
            "lon_bnds": (("lon", "bnds"), np.stack([columns.west, columns.east], axis=1)),
        }
    )


def _regular_topology(dataset: xr.Dataset, columns: Columns) -> Topology:
    n_rows, period = dataset["lat"].size, int(columns.place.max()) + 1
    known = np.ones((n_rows, columns.place.size), dtype=bool)
    if not columns.closed:
        return Topology(known, places=columns.place)
    poles = [
        Continuation(row_sum, period // 2, 1) if ends and period % 2 == 0 else None
        for row_sum, ends in zip((-1, 2 * n_rows - 1), ends_at_poles(dataset), strict=True)
    ]
    return Topology(known, period, (poles[0], poles[1]), columns.place)


def _require_on_sphere(lat: Array, lon: Array) -> None:
    with np.errstate(invalid="ignore"):
        off = (np.abs(lat) > 90.001) | (np.abs(lon) > 1080)
    if off.any():
        row, column = np.argwhere(off)[0]
        raise GridError(
            f"{int(off.sum())} positions are off the sphere, first lat {lat[row, column]:g}, lon {lon[row, column]:g} "
            f"at row {row}, column {column}: an undeclared fill value? Set such cells to NaN."
        )


def _require_monotonic(lat: xr.DataArray) -> None:
    if lat.size < 3:
        raise GridError(f"A grid needs at least 3 rows; 'lat' has {lat.size}.")
    steps = np.diff(lat.values)
    if not ((steps > 0).all() or (steps < 0).all()):
        where = int(np.argmax(np.sign(steps) != np.sign(steps[0]))) + 1
        raise GridError(f"'lat' is not monotonic: it turns at index {where} ({lat.values[where]:g}); sort the file.")
