"""Land, straits and depth of the idealized ocean: one function of longitude and latitude for every grid.

The land is that of the GLOBE topography (1 km), taken from the package `global-land-mask` at the points of
`sea_lattice.npz`. What a coarse cell cannot resolve is listed in `sea_floor.yml`: passages that carry water between
oceans stay open, isthmuses stay closed. Small islands are left out. The Mediterranean, Baltic, Red Sea and Persian Gulf
are closed off and count as land, like every sea without a connection to the largest ocean.

The depth has shelves and slopes by distance to land, ridges along polylines and seeded rough hills, all of them
functions of position alone, so that two resolutions have the same sea floor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from thor.core.arrays import Array, Mask
from thor.core.errors import ConfigError
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.idealized.c_grid import CGrid, regular_c_grid
from thor.ocean.idealized.settings import OceanSettings
from thor.ocean.sphere import unit_vectors

SMALLEST_ISLAND = 6e10
"""Islands of less area [m2] are left out: on a coarse grid they would be too large."""

REFERENCE_RESOLUTION = 0.5
"""Spacing of the mask from which distances to land are measured [degrees], whatever the grid."""

SLOPE_WIDTH = 500.0
"""Distance from land at which the sea floor has fallen by 1 - 1/e towards the abyss [km]."""

SHALLOWEST_CREST = 1200.0
"""Ridges and hills away from land stay deeper than this [m]."""

HILL_WAVELENGTHS = (1200.0, 4000.0)
"""Shortest and longest wavelength of the rough hills [km]: a 2-degree grid resolves them."""

N_HILL_WAVES = 200
"""Plane waves whose sum makes the hills."""


@dataclass(frozen=True, eq=False)
class Geography:
    """Ocean mask and depth at T points.

    Attributes
    ----------
    mask : ndarray of bool, shape (nj, ni)
        True on ocean: one connected piece.
    depth : ndarray of shape (nj, ni), [m]
        Positive down; `minimum_depth` or more on ocean, also defined (and unused) on land.
    """

    mask: Mask
    depth: Array


def build_geography(grid: CGrid, settings: OceanSettings, *, seed: int) -> Geography:
    """Return mask and depth of the world ocean on a grid; the seed draws the hills.

    Raises
    ------
    ConfigError
        When the grid is too coarse to hold an ocean.
    """
    return Geography(mask=ocean_mask(grid), depth=depth_at(grid.t.lat, grid.t.lon, settings, seed=seed))


def ocean_mask(grid: CGrid) -> Mask:
    """Return the largest connected ocean: cells mostly sea, straits opened and isthmuses closed.

    Raises
    ------
    ConfigError
        When no cell is sea.
    """
    mask = sea_fraction(grid) > 0.5
    flat = mask.reshape(-1)
    cells = cKDTree(positions_in_space(grid.t.lat, grid.t.lon).reshape(-1, 3))
    for strait in _features()["straits"].values():
        points = _dense(strait["line"])
        for near in cells.query_ball_point(points, _chord(strait["width"] / 2)):
            flat[near] = True
        flat[cells.query(points)[1]] = True
    for line in _features()["barriers"].values():
        flat[cells.query(_dense(line))[1]] = False
    mask |= _area_of_piece(~mask, grid) < SMALLEST_ISLAND
    area = _area_of_piece(mask, grid)
    if not mask.any():
        raise ConfigError(f"A grid of {grid.shape} cells holds no ocean; take a finer resolution.")
    return mask & (area == area.max())


def depth_at(lat: Array, lon: Array, settings: OceanSettings, *, seed: int) -> Array:
    """Return the depth [m] at any positions [degrees]; the seed draws the hills."""
    where = positions_in_space(lat, lon)
    tree, half_cell = _coast()
    from_land = np.maximum(_arc_km(tree.query(where)[0]) - half_cell, 0.0)
    shallowest = settings.minimum_depth
    floor = np.full(lat.shape, settings.abyssal_depth) + settings.roughness * _hills(where, seed)
    for ridge in _features()["ridges"].values():
        from_crest = _arc_km(cKDTree(_dense(ridge["line"])).query(where)[0])
        floor -= settings.ridge_height * ridge["height"] * np.exp(-((from_crest / ridge["width"]) ** 2))
    floor = np.maximum(floor, max(SHALLOWEST_CREST, shallowest))
    slope = 1 - np.exp(-((from_land / SLOPE_WIDTH) ** 2))
    return shallowest + (floor - shallowest) * slope


def sea_fraction(grid: CGrid) -> Array:
    """Return the share of sea in each cell [1], from points at most 25 km apart."""
    lattice = sea_lattice()
    per_degree = lattice.shape[0] / 180
    corners = positions_in_space(grid.corner_lat, grid.corner_lon)
    per_side = int(np.ceil(grid.t.dy.max() / 25e3))
    offsets = (np.arange(per_side) + 0.5) / per_side
    total = np.zeros(grid.shape)
    for b in offsets:
        for a in offsets:
            point = (1 - b) * ((1 - a) * corners[:-1, :-1] + a * corners[:-1, 1:])
            point += b * ((1 - a) * corners[1:, :-1] + a * corners[1:, 1:])
            lat = np.rad2deg(np.arctan2(point[..., 2], np.hypot(point[..., 0], point[..., 1])))
            lon = np.rad2deg(np.arctan2(point[..., 1], point[..., 0]))
            total += lattice[
                ((lat + 90) * per_degree).astype(int),
                ((lon + 180) * per_degree).astype(int) % lattice.shape[1],
            ]
    return total / per_side**2


@cache
def sea_lattice() -> Mask:
    """Return True at sea on a regular lattice of eight points per degree, south to north and 180W to 180E."""
    with files("thor.ocean.idealized").joinpath("sea_lattice.npz").open("rb") as file:
        return np.unpackbits(np.load(file)["sea"], axis=1).astype(bool)


def positions_in_space(lat: Array, lon: Array) -> Array:
    """Return the unit vectors, shape (..., 3), of positions [degrees]."""
    return np.moveaxis(unit_vectors(np.asarray(lat), np.asarray(lon)), 0, -1)


@cache
def _features() -> dict[str, dict[str, Any]]:
    """Return straits, barriers and ridges by name."""
    return yaml.safe_load(files("thor.ocean.idealized").joinpath("sea_floor.yml").read_text(encoding="utf-8"))


@cache
def _coast() -> tuple[cKDTree, float]:
    grid = regular_c_grid(REFERENCE_RESOLUTION)
    land = ~ocean_mask(grid)
    return cKDTree(positions_in_space(grid.t.lat[land], grid.t.lon[land])), 0.5e-3 * float(grid.t.dy[0, 0])


def _dense(line: Sequence[Sequence[float]], step: float = 0.2) -> Array:
    """Return unit vectors along a line, about `step` degrees apart."""
    points = np.array(line, dtype=float)
    points[:, 1] = np.rad2deg(np.unwrap(np.deg2rad(points[:, 1])))
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(points, axis=0)).max(1))])
    at = np.linspace(0, length[-1], int(length[-1] / step) + 2)
    return positions_in_space(np.interp(at, length, points[:, 0]), np.interp(at, length, points[:, 1]))


def _area_of_piece(mask: Mask, grid: CGrid) -> Array:
    """Return for every cell the area [m2] of the piece of the mask it is part of, joined by faces; zero elsewhere."""
    cell = np.arange(mask.size).reshape(mask.shape)
    beside = mask & np.roll(mask, -1, axis=1)
    above = mask[:-1] & mask[1:]
    here = np.concatenate([cell[beside], cell[:-1][above]])
    there = np.concatenate([np.roll(cell, -1, axis=1)[beside], cell[1:][above]])
    links = coo_array((np.ones(here.size, dtype=np.int8), (here, there)), shape=(mask.size, mask.size))
    piece = connected_components(links, directed=False)[1]
    area = np.bincount(piece, weights=(grid.t.area * mask).ravel())
    return area[piece].reshape(mask.shape)


def _hills(where: Array, seed: int) -> Array:
    """Return random hills of unit variance: plane waves in space on the surface of the sphere."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(N_HILL_WAVES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    shortest, longest = HILL_WAVELENGTHS
    # wavenumbers even in the logarithm: hills of all sizes
    wavelength = 1e3 * np.exp(rng.uniform(np.log(shortest), np.log(longest), size=N_HILL_WAVES))
    waves = 2 * np.pi * EARTH_RADIUS / wavelength[:, None] * direction
    phase = rng.uniform(0, 2 * np.pi, size=N_HILL_WAVES)
    flat = where.reshape(-1, 3)
    total = np.zeros(len(flat))
    for wave, shift in zip(waves, phase, strict=True):
        total += np.cos(flat @ wave + shift)
    return (total * np.sqrt(2 / N_HILL_WAVES)).reshape(where.shape[:-1])


def _chord(arc_km: float) -> float:
    return float(2 * np.sin(arc_km * 1e3 / EARTH_RADIUS / 2))


def _arc_km(chord: Array) -> Array:
    return EARTH_RADIUS * 1e-3 * 2 * np.arcsin(np.clip(chord / 2, 0, 1))
