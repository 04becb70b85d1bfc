"""Potential density of sea water, and transports binned into density classes."""

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray, Array
from thor.core.errors import DataError, UnitsError
from thor.ocean.faces import FACE_STEPS, level_transports, require_transports
from thor.ocean.grid import Grid

SIGMA2_EDGES = np.concatenate(
    [[20.0], np.arange(28.0, 34.0, 0.5), np.arange(34.0, 36.0, 0.1), np.arange(36, 38.01, 0.05)]
)
"""Edges of the density classes [kg m-3 less 1000]: narrow where deep water is formed."""

TEMPERATURE_UNITS = ("degC", "degrees_C", "degree_C", "Celsius")
SALINITY_UNITS = ("1e-3", "0.001", "1", "psu", "g kg-1")


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
        `so` [1e-3] of the same levels on T points. Read one level at a time.
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
    A face has the mean density of the two cells beside it, or that of the one that has any; below the deepest density
    of a face, as in partial cells, that of the level above. In memory are 2 n_classes n_cells numbers (0.9 GB in single
    precision for 0.25 degrees and 73 classes) and a few levels.
    """
    grid = Grid.from_dataset(ocean)
    vertical, bounds = require_transports(ocean, grid)
    _require_tracers(ocean, vertical, grid)
    if (np.diff(edges) <= 0).any():
        raise DataError(f"Edges of density classes must increase; got {np.asarray(edges).tolist()}.")
    n_cells = grid.lat.size
    precision = np.result_type(*(ocean[name].dtype for name in FACE_STEPS), np.float32)
    binned = {name: np.zeros((len(edges) - 1, n_cells), precision) for name in FACE_STEPS}
    latest = {name: np.full(n_cells, np.nan) for name in FACE_STEPS}
    for k in range(ocean.sizes[vertical]):
        thetao, so = (ocean[name].isel({vertical: k}).transpose(*grid.dims).values for name in ("thetao", "so"))
        density = sigma2(thetao, so, depth=bounds[k].mean(), lat=grid.lat, lon=grid.lon)
        for through, (name, step) in zip(level_transports(ocean, vertical, k, grid), FACE_STEPS.items(), strict=True):
            of_face = _mean_of_two(density, grid.neighbour(density, step)).ravel()
            latest[name] = np.where(np.isfinite(of_face), of_face, latest[name])
            flow = np.nan_to_num(through.ravel())
            moving = np.flatnonzero(flow)
            if not (known := np.isfinite(latest[name][moving])).all():
                raise DataError(
                    f"'{name}' transports water through {(~known).sum()} faces of level {k} beside which 'thetao' and "
                    "'so' are missing. Read all four from the same grid and run."
                )
            place = np.clip(np.digitize(latest[name][moving], edges) - 1, 0, len(edges) - 2)
            binned[name][place, moving] += flow[moving]
    attrs = {"units": "kg m-3", "long_name": "potential density less 1000 kg m-3, referenced to 2000 dbar"}
    middle = 0.5 * (edges[1:] + edges[:-1])
    fields = {
        name: (("sigma2", *grid.dims), values.reshape(-1, *grid.shape), ocean[name].attrs)
        for name, values in binned.items()
    }
    coords = {"sigma2": ("sigma2", middle, attrs | {"bounds": "sigma2_bnds", "positive": "down"})}
    edge_pairs = ("sigma2", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)
    return xr.Dataset(fields | {"sigma2_bnds": edge_pairs}, coords).assign_coords(
        {name: ocean[name].variable for name in ocean.coords if name in ("lat", "lon", "lat_bnds", "lon_bnds")}
    )


def _mean_of_two(here: Array, beyond: Array) -> Array:
    return np.where(np.isnan(beyond), here, np.where(np.isnan(here), beyond, 0.5 * (here + beyond)))


def _require_tracers(ocean: xr.Dataset, vertical: str, grid: Grid) -> None:
    for name, accepted in (("thetao", TEMPERATURE_UNITS), ("so", SALINITY_UNITS)):
        if name not in ocean or set(ocean[name].dims) != {vertical, *grid.dims}:
            found = f"dims {ocean[name].dims}" if name in ocean else ", ".join(map(str, ocean.data_vars))
            raise DataError(f"'{name}' with dims {(vertical, *grid.dims)} is needed for density; got {found}.")
        if (units := ocean[name].attrs.get("units")) not in accepted:
            raise UnitsError(f"'{name}' has units {units!r}; expected one of {', '.join(accepted)}.")
