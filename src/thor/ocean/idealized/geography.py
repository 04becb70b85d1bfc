"""Land, straits and depth of the idealized ocean: one function of longitude and latitude for every grid.

The land is that of the `global-land-mask` package (GLOBE topography, 1 km). What a coarse cell cannot hold is settled
by hand: passages that carry water between oceans stay open, isthmuses stay closed, small islands are left out. The
Mediterranean, Baltic, Red Sea and Persian Gulf are closed off and count as land, like every sea without a connection to
the largest ocean.

The depth has shelves and slopes by distance to land, ridges along polylines and seeded rough hills, all of them
functions of position alone, so that two resolutions see the same sea floor.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from thor.core.arrays import Array
from thor.core.errors import ConfigError, DataError
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.idealized.c_grid import CGrid, regular_c_grid
from thor.ocean.sphere import unit_vectors

_Line = tuple[tuple[float, float], ...]
"""Points (latitude, longitude) in degrees, joined by straight lines in latitude and longitude."""

STRAITS: dict[str, tuple[float, _Line]] = {
    "Drake Passage": (600.0, ((-59.0, -74), (-59.0, -54))),
    "Indonesian throughflow": (150.0, ((4.0, 128), (0.0, 127), (-4.0, 127), (-8.0, 125.5), (-11.0, 121))),
    "Denmark Strait": (250.0, ((64.0, -31), (68.0, -23))),
    "Bering Strait": (100.0, ((63.0, -170), (66.0, -169), (69.0, -169))),
    "Fram Strait": (250.0, ((77.0, 1), (81.0, 1))),
    "Davis Strait": (250.0, ((62.0, -57), (68.0, -59))),
    "Mozambique Channel": (300.0, ((-12.0, 43.5), (-24.0, 40.5))),
    "Tasman Sea": (300.0, ((-46.0, 147), (-46.0, 165))),
}
"""Passages kept open: width [km] and centre line."""

BARRIERS: dict[str, _Line] = {
    "Central America": (
        (18.0, -97),
        (16.0, -94),
        (15.0, -90),
        (12.5, -86),
        (9.5, -83.5),
        (8.7, -80),
        (7.5, -77.5),
        (5.0, -76),
    ),
    "Strait of Gibraltar": ((33.0, -5.5), (38.0, -5.5)),
    "Danish Straits": ((60.0, 9.5), (55.5, 9.5), (53.0, 9.5)),
    "Bab el Mandeb": ((14.5, 45), (10.0, 42.5)),
    "Strait of Hormuz": ((28.5, 57), (24.5, 56)),
    "Malay Peninsula": ((16.0, 99), (11.0, 99), (6.5, 100.5), (2.5, 102.5)),
    "Kamchatka": ((60.0, 164), (56.0, 160), (52.0, 157)),
    "Baja California": ((32.0, -115.5), (24.0, -110.5)),
    "Florida": ((31.0, -82), (26.0, -81)),
    "Antarctic Peninsula": ((-75.0, -67), (-68.0, -66), (-64.5, -60)),
}
"""Land that coarse cells must not open."""

RIDGES: dict[str, tuple[float, float, _Line]] = {
    "Mid-Atlantic": (2300.0, 600.0, (
        (66, -18), (62, -26), (57, -33), (52, -34), (45, -28), (38, -31), (30, -42), (23, -45), (15, -46), (8, -38),
        (1, -28), (-1, -15), (-10, -13), (-20, -12), (-30, -14), (-40, -16), (-48, -9), (-54, -1))),
    "Southwest Indian": (2100.0, 450.0, ((-54, -1), (-53, 14), (-50, 28), (-43, 40), (-37, 50), (-31, 58), (-26, 70))),
    "Carlsberg": (1900.0, 450.0, ((-26, 70), (-15, 67), (-5, 68), (3, 65), (10, 57))),
    "Southeast Indian": (2000.0, 600.0, (
        (-26, 70), (-35, 78), (-41, 88), (-48, 100), (-50, 115), (-50, 130), (-54, 142), (-60, 152), (-63, 165))),
    "Pacific-Antarctic": (2100.0, 600.0, ((-63, 165), (-65, 183), (-60, 205), (-56, 220), (-50, 240), (-40, 248))),
    "East Pacific Rise": (2000.0, 800.0, (
        (-40, 248), (-30, 248), (-20, 246), (-10, 251), (0, 258), (10, 256), (19, 253))),
    "Chile Rise": (1500.0, 350.0, ((-37, 249), (-41, 268), (-45, 283))),
    "Kerguelen": (2800.0, 500.0, ((-46, 68), (-50, 71), (-54, 76), (-60, 83))),
    "Hawaii-Emperor": (2200.0, 350.0, ((20, 205), (25, 193), (30, 179), (36, 171), (45, 170), (52, 167))),
    "Scotia": (2400.0, 350.0, ((-54.5, -60), (-53.5, -48), (-55, -36), (-58, -25), (-61, -38), (-61, -53))),
    "Macquarie": (2600.0, 400.0, ((-46, 166), (-52, 162), (-60, 159))),
    "Campbell Plateau": (3000.0, 450.0, ((-46, 170), (-51, 172))),
    "Ninety East": (2000.0, 350.0, ((8, 90), (-10, 88), (-30, 88))),
    "Walvis": (1800.0, 350.0, ((-19, 11), (-26, 5), (-36, -10))),
    "Rio Grande": (1800.0, 350.0, ((-30, -44), (-31, -33))),
    "Greenland-Scotland": (1600.0, 350.0, ((68, -30), (65, -14), (61, -6), (58, -5))),
    "Lomonosov": (2000.0, 350.0, ((80, 142), (88, 142), (86, -65), (83, -62))),
    "Mariana": (1700.0, 350.0, ((34, 140), (25, 142), (13, 145))),
    "Lord Howe": (2600.0, 400.0, ((-22, 162), (-35, 163), (-40, 168))),
}  # fmt: skip
"""Height [m], half width [km] and crest of the ridges."""

SMALLEST_ISLAND = 6e10
"""Islands of less area [m2] are left out: on a coarse grid they would stand for more than they are."""

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

    mask: NDArray[np.bool_]
    depth: Array


def build_geography(
    grid: CGrid,
    *,
    abyssal_depth: float,
    minimum_depth: float,
    ridge_height: float,
    roughness: float,
    seed: int,
) -> Geography:
    """Return mask and depth of the world ocean on a grid.

    Parameters
    ----------
    grid : CGrid
    abyssal_depth : float, [m]
        Depth far from land and ridges.
    minimum_depth : float, [m]
        Depth at the coast.
    ridge_height : float, [1]
        Factor on the height of all ridges; 0 gives none.
    roughness : float, [m]
        Standard deviation of the rough hills.
    seed : int
        Draws the hills.

    Raises
    ------
    ConfigError
        When the grid is too coarse to hold an ocean.
    """
    mask = ocean_mask(grid)
    depth = depth_at(
        grid.t.lat,
        grid.t.lon,
        abyssal_depth=abyssal_depth,
        minimum_depth=minimum_depth,
        ridge_height=ridge_height,
        roughness=roughness,
        seed=seed,
    )
    return Geography(mask=mask, depth=depth)


def ocean_mask(grid: CGrid) -> NDArray[np.bool_]:
    """Return the largest connected ocean: cells mostly sea, straits opened and isthmuses closed.

    Raises
    ------
    ConfigError
        When no cell is sea.
    """
    mask = sea_fraction(grid) > 0.5
    flat = mask.reshape(-1)
    cells = cKDTree(positions_in_space(grid.t.lat, grid.t.lon).reshape(-1, 3))
    for width, line in STRAITS.values():
        points = _dense(line)
        for near in cells.query_ball_point(points, _chord(width / 2)):
            flat[near] = True
        flat[cells.query(points)[1]] = True
    for line in BARRIERS.values():
        flat[cells.query(_dense(line))[1]] = False
    mask |= _area_of_piece(~mask, grid) < SMALLEST_ISLAND
    area = _area_of_piece(mask, grid)
    if not mask.any():
        raise ConfigError(f"A grid of {grid.shape} cells holds no ocean; take a finer resolution.")
    return mask & (area == area.max())


def depth_at(
    lat: Array,
    lon: Array,
    *,
    abyssal_depth: float,
    minimum_depth: float,
    ridge_height: float,
    roughness: float,
    seed: int,
) -> Array:
    """Return the depth [m] at any positions [degrees]; see `build_geography` for the parameters."""
    where = positions_in_space(lat, lon)
    tree, half_cell = _coast()
    from_land = np.maximum(_arc_km(tree.query(where)[0]) - half_cell, 0.0)
    floor = np.full(lat.shape, abyssal_depth) + roughness * _hills(where, seed)
    for height, width, line in RIDGES.values():
        floor -= ridge_height * height * np.exp(-((_distance_to_line(where, line) / width) ** 2))
    floor = np.maximum(floor, max(SHALLOWEST_CREST, minimum_depth))
    slope = 1 - np.exp(-((from_land / SLOPE_WIDTH) ** 2))
    return minimum_depth + (floor - minimum_depth) * slope


def sea_fraction(grid: CGrid) -> Array:
    """Return the share of sea in each cell [1], from points at most 25 km apart."""
    lattice = _sea_lattice()
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
def _sea_lattice(per_degree: int = 8) -> NDArray[np.bool_]:
    """Return True at sea on points of a regular lattice, south to north and 180W to 180E.

    The package's own look-up would unpack its whole 1 km mask, a gigabyte; here it is read as a stream, band by band.
    """
    package = find_spec("global_land_mask")
    if package is None or not package.submodule_search_locations:
        raise DataError("The package global-land-mask is not installed; install the project's pinned dependencies.")
    lat = -90 + (np.arange(180 * per_degree) + 0.5) / per_degree
    lon = -180 + (np.arange(360 * per_degree) + 0.5) / per_degree
    with ZipFile(Path(package.submodule_search_locations[0]) / "globe_combined_mask_compressed.npz") as archive:
        rows, columns = (_index(archive, name, values) for name, values in (("lat.npy", lat), ("lon.npy", lon)))
        with archive.open("mask.npy") as file:
            return _rows_of(file, rows)[:, columns]


def _index(archive: ZipFile, name: str, values: Array) -> NDArray[np.int_]:
    """Return the index of each value on an evenly spaced axis of the mask, truncated as the package does."""
    with archive.open(name) as file:
        axis = np.lib.format.read_array(file)
    return ((values - axis[0]) / (axis[1] - axis[0])).astype(int)


def _rows_of(file: IO[bytes], rows: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Return some rows of a two-dimensional boolean array stored as .npy, one row in memory at a time."""
    np.lib.format.read_magic(file)
    (n_rows, n_columns), _, dtype = np.lib.format.read_array_header_1_0(file)
    wanted = {int(row): place for place, row in enumerate(rows)}
    out = np.empty((len(rows), n_columns), dtype=dtype)
    for row in range(n_rows):
        content = file.read(n_columns)
        if row in wanted:
            out[wanted[row]] = np.frombuffer(content, dtype=dtype)
    return out


def positions_in_space(lat: Array, lon: Array) -> Array:
    """Return the unit vectors, shape (..., 3), of positions [degrees]."""
    return np.moveaxis(unit_vectors(np.asarray(lat), np.asarray(lon)), 0, -1)


@cache
def _coast() -> tuple[cKDTree, float]:
    grid = regular_c_grid(REFERENCE_RESOLUTION)
    land = ~ocean_mask(grid)
    return cKDTree(positions_in_space(grid.t.lat[land], grid.t.lon[land])), 0.5e-3 * float(grid.t.dy[0, 0])


def _distance_to_line(where: Array, line: _Line) -> Array:
    """Return the great-circle distance [km] to a line."""
    return _arc_km(cKDTree(_dense(line)).query(where)[0])


def _dense(line: _Line, step: float = 0.2) -> Array:
    """Return unit vectors along a line, about `step` degrees apart."""
    points = np.array(line, dtype=float)
    points[:, 1] = np.rad2deg(np.unwrap(np.deg2rad(points[:, 1])))
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(points, axis=0)).max(1))])
    at = np.linspace(0, length[-1], int(length[-1] / step) + 2)
    return positions_in_space(np.interp(at, length, points[:, 0]), np.interp(at, length, points[:, 1]))


def _area_of_piece(mask: NDArray[np.bool_], grid: CGrid) -> Array:
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
    """Return random hills of unit variance: plane waves in space seen on the sphere."""
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
