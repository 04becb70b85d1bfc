"""Mass transports through faces whose overturning is known, and those of a real ocean model."""

import numpy as np
import xarray as xr

from thor.ocean.basins import basin_codes
from thor.ocean.grid import Grid, regular_grid
from thor.tracking.overturning import overturning

DENSITY = 1035.0
"""Density [kg m-3] of the transports here."""

SV = 1e6 * DENSITY
"""Mass transport [kg s-1] of one sverdrup."""

UNITS = {"units": "kg s-1"}


def transports_on(coords, u, v, edges):
    """Transports [Sv] of shape (n_levels, n_rows, n_columns) as a dataset on the grid of `coords`."""
    dims = coords["lat"].dims if coords["lat"].ndim == 2 else ("lat", "lon")
    edges = np.asarray(edges, float)
    return coords.assign(
        umo=(("lev", *dims), SV * u, UNITS),
        vmo=(("lev", *dims), SV * v, UNITS),
        lev_bnds=(("lev", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)),
    ).assign_coords(lev=("lev", 0.5 * (edges[1:] + edges[:-1]), {"units": "m", "bounds": "lev_bnds"}))


def faces_of_streamfunction(corners):
    """Transports on u and v faces (..., n_rows, n_columns) of a streamfunction on corners (..., n_rows + 1, n_columns).

    Column c holds the corners on the eastern side of cell c; the first row is the southern wall.
    """
    return -np.diff(corners, axis=-2), corners[..., 1:, :] - np.roll(corners, 1, axis=-1)[..., 1:, :]


def cell_of_overturning(spacing=4.0, n_levels=6):
    """An ocean of land at both poles whose overturning [Sv] is 20 sin(pi y) sin(pi z): transports, psi, edges."""
    coords = regular_grid(spacing)
    n_rows, n_columns = coords.sizes["lat"], coords.sizes["lon"]
    edges = np.linspace(0, 4000, n_levels + 1)
    # no flow through the northern face of the first and the last row
    phase = np.clip((np.arange(n_rows) - 1) / (n_rows - 4), 0, 1)
    psi = 20 * np.sin(np.pi * phase) * np.sin(np.pi * edges / edges[-1])[:, None]
    v = np.broadcast_to(np.diff(psi, axis=0)[..., None] / n_columns, (n_levels, n_rows, n_columns))
    return transports_on(coords, np.zeros_like(v), v, edges), psi[1:], edges


def mitgcm(path):
    """The MITgcm mean with its own fields, and its transports on faces towards the next row and column."""
    with xr.open_dataset(path) as file:
        model = file.load()
    u, v = (
        np.nan_to_num((model[f"{c}o"] * model[f"face_height_{c}"] * model[f"face_width_{c}"]).values.astype(float))
        for c in "uv"
    )
    # its faces lie west and south of each cell
    u, v = np.roll(u, -1, axis=-1) / 1e6, np.concatenate([v[:, 1:], np.zeros_like(v[:, :1])], axis=1) / 1e6
    coords = model[["lat", "lon"]].astype(float)
    return model, transports_on(coords, u, v, np.concatenate([[0.0], np.cumsum(model["lev_thickness"].values)]))


def made_overturning(strength=1.0):
    transports = cell_of_overturning()[0]
    transports["vmo"] = transports["vmo"].copy(data=strength * transports["vmo"].values)
    grid = Grid.from_dataset(transports)
    basin = basin_codes(grid, ocean=np.ones(grid.shape, bool))
    share = np.tile([0.7, 0.3], (2, grid.lat.size, 1)) + np.array([0.1, -0.1])[:, None, None] * np.array([1, -1])
    return overturning(
        transports,
        [(np.arange(grid.lat.size), share)],
        basin=basin,
        regimes=("SO", "MD"),
        level=0.9,
        reference_density=DENSITY,
    ).assign_attrs(source_id="MODEL", experiment_id="abrupt-4xCO2", variant_label="r1i1p1f1")
