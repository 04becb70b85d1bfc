"""Draw figures/geometry.png and print the numbers of geometry.md: gradient errors on two climate models' native grids.

Usage: THOR_DATA_MIRROR=<folder with native_grids> python docs/make_geometry_figure.py
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from cartopy.crs import NorthPolarStereo, PlateCarree
from matplotlib.colors import BoundaryNorm
from scipy.special import sph_harm_y

from thor.core.arrays import Array
from thor.figures.style import LAND_COLOUR, letter_panels, new_figure, style
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import NEIGHBOURS, Grid
from thor.ocean.operators import METRES_PER_DEGREE, gradient

DEGREE, ORDER = 12, 5
LEVELS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
REACH = 3.4e6
"""Half the width of a map [m]: to about 60N."""


def main() -> None:
    grids = native_grids(Path(os.environ["THOR_DATA_MIRROR"]) / "native_grids")
    target = Path(__file__).parent / "figures" / "geometry.png"
    with style():
        draw(grids).savefig(target, dpi=200)


def native_grids(folder: Path) -> dict[str, tuple[Grid, np.ndarray]]:
    """Return each model's grid and its ocean cells with four ocean neighbours."""
    with np.load(folder / "CESM2_Ofx_lat_lon_deptho.npz") as file:
        arrays = {"CESM2": [file[name] for name in ("lat", "lon", "deptho")]}
    with xr.open_dataset(folder / "gridInfoIPSL.nc") as file:
        arrays["IPSL-CM6A-LR"] = [file[name].values.astype(float) for name in ("nav_lat", "nav_lon", "deptho")]
    grids = {}
    for model, (lat, lon, deptho) in arrays.items():
        grid = Grid.from_dataset(xr.Dataset(coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)}))
        surrounded = (deptho > 0) & ~grid.duplicate
        for step in NEIGHBOURS:
            surrounded &= grid.neighbour((deptho > 0).astype(float), step) == 1
        grids[model] = grid, surrounded
    return grids


def draw(grids: dict[str, tuple[Grid, np.ndarray]]) -> Any:
    figure = new_figure(7.4, 5.9)
    axes = []
    for model, (grid, surrounded) in grids.items():
        for name, recipe in RECIPES.items():
            error = gradient_error(recipe, grid, surrounded)
            report(f"{name}, {model}", grid, error, surrounded)
            axes.append(figure.add_subplot(2, 3, len(axes) + 1, projection=NorthPolarStereo(central_longitude=-20)))
            mesh = draw_map(axes[-1], grid, error)
            axes[-1].set_title(f"{model}: {name}", fontsize=7)
            share = 100 * np.mean(error[surrounded & (grid.lat > 60)] > 0.1)
            box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
            text = f"north of 60N: {share:.0f} % of cells off by > 10 %"
            axes[-1].text(0.03, 0.035, text, transform=axes[-1].transAxes, fontsize=6.5, bbox=box, in_layout=False)
    bar = figure.colorbar(
        mesh, ax=axes, orientation="horizontal", shrink=0.6, aspect=40, pad=0.02, ticks=LEVELS, extend="both"
    )
    bar.ax.set_xticklabels([f"{100 * level:g}" for level in LEVELS])
    bar.set_label(f"error of the gradient of a spherical harmonic of degree {DEGREE}, % of the gradient's rms")
    figure.supxlabel("Grey: land, and cells without four ocean neighbours.", x=0.01, ha="left", fontsize=7)
    letter_panels(axes)
    return figure


def draw_map(ax: Any, grid: Grid, error: Array) -> Any:
    # Cells are drawn in the plane of the map, where neither seam nor pole splits them.
    place = ax.projection.transform_points(PlateCarree(), grid.lon, grid.lat)
    drawn = ax.pcolormesh(
        place[..., 0],
        place[..., 1],
        np.ma.masked_invalid(np.where(grid.lat > 45, np.minimum(error, 1e3), np.nan)),
        shading="nearest",
        norm=BoundaryNorm(LEVELS, 256, extend="both"),
        cmap="viridis",
        rasterized=True,
    )
    ax.set_facecolor(LAND_COLOUR)
    ax.set_xlim(-REACH, REACH)
    ax.set_ylim(-REACH, REACH)
    ax.gridlines(linewidth=0.3, color="white", xlocs=range(-180, 180, 60), ylocs=[60, 70, 80])
    ax.spines["geo"].set_linewidth(0.4)
    return drawn


def gradient_error(recipe: Callable[[Array, Grid], tuple[Array, Array]], grid: Grid, surrounded: np.ndarray) -> Array:
    """Return the gradient's error over its rms; NaN outside `surrounded`, infinite where the recipe has no value."""
    phi, lam = np.deg2rad(grid.lat), np.deg2rad(grid.lon)
    value, derivative = sph_harm_y(DEGREE, ORDER, np.pi / 2 - phi, lam, diff_n=1)
    east = derivative[..., 1].real / (EARTH_RADIUS * np.cos(phi))
    north = -derivative[..., 0].real / EARTH_RADIUS
    got_east, got_north = recipe(value.real, grid)
    scale = np.sqrt(np.mean(np.hypot(east, north)[surrounded] ** 2))
    error = np.hypot(got_east - east, got_north - north) / scale
    return np.where(surrounded, np.where(np.isnan(error), np.inf, error), np.nan)


def from_latitude_differences(field: Array, grid: Grid) -> tuple[Array, Array]:
    """Return the gradient as published: index axes used as east and north, dx from differences of latitude."""
    return _along_index_axes(field, grid, np.roll(grid.lat, -1, axis=0) - grid.lat)


def from_longitude_differences(field: Array, grid: Grid) -> tuple[Array, Array]:
    """Return the same with dx from differences of longitude, as the published recipe intended."""
    return _along_index_axes(field, grid, np.gradient(grid.lon, axis=1))


def _along_index_axes(field: Array, grid: Grid, degrees: Array) -> tuple[Array, Array]:
    dx = METRES_PER_DEGREE * np.abs(np.cos(np.deg2rad(grid.lat))) * degrees
    dy = METRES_PER_DEGREE * np.gradient(grid.lat, axis=0)
    # A grid line along a parallel has no dy.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.gradient(field, axis=1) / dx, np.gradient(field, axis=0) / dy


RECIPES = {
    "dx from latitudes": from_latitude_differences,
    "dx from longitudes": from_longitude_differences,
    "THOR": gradient,
}


def report(name: str, grid: Grid, error: Array, surrounded: np.ndarray) -> None:
    for where, cells in (("everywhere", surrounded), ("north of 60N", surrounded & (grid.lat > 60))):
        print(  # noqa: T201
            f"{name}, {where}: {cells.sum()} cells, {100 * np.mean(error[cells] > 0.1):.1f} % off by more than 10 %, "
            f"median error {100 * np.median(error[cells]):.2g} %, rms {100 * np.sqrt(np.mean(error[cells] ** 2)):.2g} %"
        )


if __name__ == "__main__":
    main()
