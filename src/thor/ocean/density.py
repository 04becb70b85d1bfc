"""Potential density of sea water, and transports binned into density classes."""

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray, Array, IntArray
from thor.core.errors import DataError, UnitsError
from thor.core.variables import TRACERS, variable
from thor.ocean.faces import FACE_STEPS, each_level, require_transports
from thor.ocean.grid import Grid

SIGMA2_EDGES = np.concatenate(
    [[20.0], np.arange(28.0, 34.0, 0.5), np.arange(34.0, 36.0, 0.1), np.arange(36, 38.01, 0.05)]
)
"""Edges of the density classes [kg m-3 minus 1000]: narrow where deep water is formed."""


def sigma2(thetao: AnyArray, so: AnyArray, *, depth: AnyArray, lat: AnyArray, lon: AnyArray) -> Array:
    """Return the potential density anomaly referenced to 2000 dbar, sigma_2 [kg m-3].

    Parameters
    ----------
    thetao : ndarray, [degC]
        Potential temperature referenced to the surface.
    so : ndarray, [1e-3]
        Practical salinity.
    depth : ndarray, [m]
        Positive down, for the pressure at which practical becomes Absolute Salinity.
    lat, lon : ndarray, [degrees]

    Notes
    -----
    TEOS-10 (McDougall & Barker 2011, ISBN 978-0-646-55621-5) by the package gsw.
    """
    import gsw

    with np.errstate(invalid="ignore"):
        absolute_salinity = gsw.SA_from_SP(so, gsw.p_from_z(-np.asarray(depth), lat), lon, lat)
        return gsw.sigma2(absolute_salinity, gsw.CT_from_pt(absolute_salinity, thetao))


def transports_in_density_classes(ocean: xr.Dataset, *, edges: Array = SIGMA2_EDGES) -> xr.Dataset:
    """Return the mass transports of one month in classes of sigma_2.

    Averages of psi in density classes have to be made from the transports of each month: those of a window mean lack
    the transports of months and places in which density and velocity vary together.

    Parameters
    ----------
    ocean : xarray.Dataset
        One month: `umo`, `vmo` [kg s-1] as for `thor.ocean.faces.require_transports`, on levels; `thetao` [degC] and
        `so` [1e-3] of the same levels on T points. Read level by level, transports by dask chunks.
    edges : ndarray of shape (n_classes + 1,), [kg m-3]
        Increasing; the first and last class also take all lighter and denser water.

    Returns
    -------
    xarray.Dataset
        `umo` and `vmo` by `sigma2`, with `sigma2_bnds`, in the precision of the input. Sums over the classes are the
        depth-integrated transports.

    Raises
    ------
    DataError
        When a field is missing, edges do not increase, or water without density is transported.
    GridError, UnitsError
        When fields are on another grid or in other units.

    Notes
    -----
    Faces have the density of `FaceClasses`. In memory are 2 n_classes n_cells numbers (0.9 GB in single precision for
    0.25 degrees and 73 classes) and a few levels.
    """
    grid = Grid.from_dataset(ocean)
    vertical, bounds = require_transports(ocean, grid)
    _require_tracers(ocean, vertical, grid)
    if (np.diff(edges) <= 0).any():
        raise DataError(f"Edges of density classes must increase; got {np.asarray(edges).tolist()}.")
    faces = np.arange(grid.lat.size)
    precision = np.result_type(*(ocean[name].dtype for name in FACE_STEPS), np.float32)
    binned = {name: np.zeros((len(edges) - 1, faces.size), precision) for name in FACE_STEPS}
    classes = {name: FaceClasses(name, faces, grid, edges) for name in FACE_STEPS}
    for k, both in enumerate(each_level(ocean, vertical, grid)):
        thetao, so = (ocean[name].isel({vertical: k}).transpose(*grid.dims).values for name in TRACERS)
        density = sigma2(thetao, so, depth=bounds[k].mean(), lat=grid.lat, lon=grid.lon)
        for through, name in zip(both, FACE_STEPS, strict=True):
            classes[name].add(binned[name], density, through)
    fields = {
        name: (("sigma2", *grid.dims), values.reshape(-1, *grid.shape), ocean[name].attrs)
        for name, values in binned.items()
    }
    return (
        class_coordinates(edges)
        .assign(fields)
        .assign_coords(
            {name: ocean[name].variable for name in ocean.coords if name in ("lat", "lon", "lat_bnds", "lon_bnds")}
        )
    )


def class_coordinates(edges: Array = SIGMA2_EDGES) -> xr.Dataset:
    """Return the coordinate `sigma2`, the middle of each class, and its bounds `sigma2_bnds` [kg m-3]."""
    attrs = {"units": "kg m-3", "long_name": "potential density minus 1000 kg m-3, referenced to 2000 dbar"}
    attrs |= {"positive": "down", "bounds": "sigma2_bnds"}
    bounds = ("sigma2", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)
    return xr.Dataset({"sigma2_bnds": bounds}, {"sigma2": ("sigma2", 0.5 * (edges[1:] + edges[:-1]), attrs)})


class FaceClasses:
    """Density classes of the faces of one component in one month, level by level from the surface down.

    A face has the mean density of the two cells beside it, or that of the one that has any; below the deepest density
    of a face, as in partial cells, that of the level above.

    Parameters
    ----------
    name : {'umo', 'vmo'}
    faces : ndarray of int, shape (n_faces,)
        Flat indices of the cells whose faces are used; no water may flow through the others.
    grid : Grid
    edges : ndarray of shape (n_classes + 1,), [kg m-3]
    """

    def __init__(self, name: str, faces: IntArray, grid: Grid, edges: Array = SIGMA2_EDGES) -> None:
        self._name, self._faces, self._edges = name, faces, edges
        beyond = grid.topology.locate(FACE_STEPS[name]).cell.ravel()[faces]
        self._beyond = np.where(beyond >= 0, beyond, faces)
        self._latest = np.full(faces.size, np.nan)
        self._level = 0

    def add(self, sums: AnyArray, density: AnyArray, through: AnyArray, *, weight: float = 1.0) -> None:
        """Add the transports of the next level, times a weight, to sums by class.

        Parameters
        ----------
        sums : ndarray of shape (n_classes, n_faces)
            Changed in place.
        density : ndarray of shape (n_rows, n_columns), [kg m-3]
            Of the cells; NaN where there is no water.
        through : ndarray of shape (n_rows, n_columns)
            Through the faces; NaN or 0 through closed ones.
        weight : float

        Raises
        ------
        DataError
            When water flows through faces without a density.
        """
        flow, cells = np.nan_to_num(through.ravel()), density.ravel()
        here, beyond = cells[self._faces], cells[self._beyond]
        of_face = np.where(np.isnan(beyond), here, np.where(np.isnan(here), beyond, 0.5 * (here + beyond)))
        self._latest = np.where(np.isnan(of_face), self._latest, of_face)
        used = flow[self._faces]
        moving = np.flatnonzero(used)
        n_unknown = np.count_nonzero(np.isnan(self._latest[moving])) + np.count_nonzero(flow) - moving.size
        if n_unknown:
            raise DataError(
                f"'{self._name}' transports water through {n_unknown} faces of level {self._level} beside which "
                "'thetao' and 'so' are missing. Read all four from the same grid and run."
            )
        place = np.clip(np.digitize(self._latest[moving], self._edges) - 1, 0, len(sums) - 1)
        sums[place, moving] += weight * used[moving]
        self._level += 1


def _require_tracers(ocean: xr.Dataset, vertical: str, grid: Grid) -> None:
    for name in TRACERS:
        if name not in ocean or set(ocean[name].dims) != {vertical, *grid.dims}:
            found = f"dims {ocean[name].dims}" if name in ocean else ", ".join(map(str, ocean.data_vars))
            raise DataError(f"'{name}' with dims {(vertical, *grid.dims)} is needed for density; got {found}.")
        row = variable(name)
        if row.factor(units := ocean[name].attrs.get("units")) is None:
            raise UnitsError(f"'{name}' has units {units!r}; expected one of {', '.join((row.units, *row.accept))}.")
