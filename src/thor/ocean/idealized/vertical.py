r"""The vertical structure of the transports of the idealized climate models, whose overturning is known.

Through each face flows the depth-integrated transport of the solved circulation, as exp(z / h) between surface and
bottom, and two cells that add nothing to it: the Ekman transport in the first level, returned evenly below it, and in
the deep Atlantic a thermohaline cell, northward above 1000 m and southward below, that changes with warming. So the
depth sums are the solved transports exactly, and each level is closed by a vertical velocity that vanishes at the
bottom.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import Array, Mask
from thor.core.variables import TRANSPORTS, variable
from thor.ocean.basins import basin_codes, in_basin
from thor.ocean.constants import EARTH_ROTATION, SVERDRUP
from thor.ocean.grid import Grid
from thor.ocean.idealized.archive_settings import ClimateModelSettings
from thor.ocean.idealized.climate_models import PointKind, SolvedModel, solve_climate_model
from thor.ocean.idealized.published_fields import combined, points_of, published_attrs, with_times
from thor.ocean.idealized.published_grid import NAMES, published_coordinates, true_coordinates
from thor.ocean.idealized.scenarios import CONTROL_VARIANT, IdealizedRun, pattern_strengths, warming

LEVEL_EDGES = np.array([0.0, 50.0, 250.0, 1000.0, 2000.0, 3500.0, 8000.0])
"""Depths between the levels [m]; the last lies below every sea floor."""

TURNING_DEPTH, DEEPEST_RETURN = 1000.0, 3500.0
"""The thermohaline cell flows northward above the first depth, southward between both [m]."""

DEEP_FACE = 2500.0
"""The thermohaline cell flows through faces deeper than this [m]."""

EKMAN_LEAST_CORIOLIS = 2 * EARTH_ROTATION * np.sin(np.deg2rad(5.0))
"""Coriolis parameter [s-1] below which the Ekman transport ebbs away towards the equator, where it is zero."""


@dataclass(frozen=True, eq=False)
class VerticalStructure:
    """Transports through the levels of all faces of one kind, by what drives them.

    Attributes
    ----------
    depth_integrated : ndarray of shape (n_responses, nj, ni), [m3 s-1]
    shares : ndarray of shape (n_levels, nj, ni), [1]
        Of the depth-integrated transport; their sum is one on open faces.
    ekman : ndarray of shape (n_patterns, nj, ni), [m3 s-1]
        Ekman transport of each wind pattern.
    ekman_profile : ndarray of shape (n_levels, nj, ni), [1]
        Sum zero.
    thermohaline : ndarray of shape (n_levels, nj, ni), [1]
        For an overturning of one; sum over levels zero.
    """

    depth_integrated: Array
    shares: Array
    ekman: Array
    ekman_profile: Array
    thermohaline: Array

    def patterns(self, level: int) -> Array:
        """Return the transports of one level, shape (n_responses + n_patterns + 1, nj, ni)."""
        ekman = self.ekman * self.ekman_profile[level]
        return np.concatenate([self.depth_integrated * self.shares[level], ekman, self.thermohaline[level][None]])


def publishes_transports(run: IdealizedRun) -> bool:
    """Return whether the archive has the transports of a run: as of many climate models, not of each."""
    return run.experiment_id in run.archive.transports and run.variant_label == CONTROL_VARIANT


def annual_transport(run: IdealizedRun, variable_id: str, *, years: tuple[int, int]) -> xr.Dataset:
    """Return annual means of one mass transport with its coordinates, and how to encode them in a file.

    Parameters
    ----------
    run : IdealizedRun
    variable_id : {'umo', 'vmo'}
    years : (int, int)
        First year and the one after the last, counted from the experiment's first as 0.

    Returns
    -------
    xarray.Dataset
        The variable (float32, rounded, NaN on closed faces and below the sea floor) with dims (time, lev, rows,
        columns), `lev_bnds`, and time and positions as from `thor.ocean.idealized.published_fields.monthly_field`.
    """
    structure = vertical_structure(run.model, seed=run.seed)[TRANSPORTS.index(variable_id)]
    annual = run.annual_means(transport_factors(run))[slice(*years)]
    density, n_levels = run.model.ocean.reference_density, LEVEL_EDGES.size - 1
    levels = [combined(annual, density * structure.patterns(k), structure.shares[k] > 0) for k in range(n_levels)]
    return on_levels(run, variable_id, levels, years=years)


def on_levels(
    run: IdealizedRun, variable_id: str, levels: list[NDArray[np.float32]], *, years: tuple[int, int]
) -> xr.Dataset:
    """Return annual means (n_years, n_rows, n_columns) of each level with coordinates, as `annual_transport` does."""
    dataset = published_coordinates(run.solved_model(), points_of(variable_id, run.model))
    attrs = published_attrs(variable_id, run.model) | {"comment": "Annual means: each step holds twelve months."}
    dataset[variable_id] = (("time", "lev", *NAMES[run.model.grid].dims), np.stack(levels, axis=1), attrs)
    dataset["lev_bnds"] = (("lev", "bnds"), level_bounds())
    about = {"standard_name": "depth", "long_name": "ocean depth coordinate", "units": "m", "positive": "down"}
    about |= {"axis": "Z", "bounds": "lev_bnds"}
    dataset = dataset.assign_coords(lev=("lev", level_bounds().mean(axis=1), about))
    return with_times(dataset, variable_id, run.months(*years), months_per_step=12)


def level_bounds() -> Array:
    """Return the upper and lower depths of the levels [m], shape (n_levels, 2)."""
    return np.stack([LEVEL_EDGES[:-1], LEVEL_EDGES[1:]], axis=1)


def transport_factors(run: IdealizedRun) -> Array:
    """Return the factors of `VerticalStructure.patterns` in each month, shape (n_months, n_factors)."""
    strengths = pattern_strengths(run)
    change = run.archive.overturning_change * warming(run.archive, run.experiment_id)
    overturning = SVERDRUP * run.archive.overturning_strength * (1 + change)
    return np.column_stack([run.solved_model().weights(strengths), strengths, overturning])


@lru_cache(maxsize=4)
def vertical_structure(settings: ClimateModelSettings, *, seed: int) -> tuple[VerticalStructure, VerticalStructure]:
    """Return the transports through the u and through the v faces of a model; the same arguments are solved once."""
    model = solve_climate_model(settings, seed=seed)
    grid, depth = model.grid, np.where(model.geography.mask, model.geography.depth, 0.0)
    north = np.vstack([depth[1:], np.zeros_like(depth[:1])])
    thermohaline = thermohaline_cell(model)
    out = []
    faces: tuple[tuple[PointKind, Array], ...] = (("u", np.roll(depth, -1, axis=1)), ("v", north))
    for axis, (kind, beyond) in enumerate(faces):
        # a face is closed below the shallower of its two cells
        floor = np.where(model.masks[kind], np.minimum(depth, beyond), 0.0)
        points = getattr(grid, kind)
        width = points.dy if kind == "u" else points.dx
        sense = 1.0 if kind == "u" else -1.0
        ebb = points.coriolis / (points.coriolis**2 + EKMAN_LEAST_CORIOLIS**2)
        structure = VerticalStructure(
            depth_integrated=model.transport[axis] * width,
            shares=_decaying_shares(floor, settings.ocean.decay_depth),
            ekman=sense * model.stress_across[axis] * ebb * width / settings.ocean.reference_density,
            ekman_profile=_closed_profile(floor, LEVEL_EDGES[1], LEVEL_EDGES[-1]),
            thermohaline=thermohaline if kind == "v" else np.zeros_like(thermohaline),
        )
        out.append(structure)
    return out[0], out[1]


def true_overturning(run: IdealizedRun, factors: Array) -> xr.Dataset:
    """Return the overturning along the rows of v faces for factors of `VerticalStructure.patterns`.

    Parameters
    ----------
    run : IdealizedRun
    factors : ndarray of shape (n_windows, n_factors)
        Means over windows.

    Returns
    -------
    xarray.Dataset
        `true_overturning` [Sv], dims (window, overturning_basin, level_edge, row): transport along j above each edge of
        the levels, northward on a regular grid, through all faces of a row (global) or those between cells of the
        Atlantic; coordinates `level_edge` [m], and `row_lat` [degrees_north], the mean latitude of the faces at sea.
    """
    model, structure = run.solved_model(), vertical_structure(run.model, seed=run.seed)[1]
    sea, atlantic = model.masks["v"], _atlantic(model)
    inside = np.zeros_like(sea)
    inside[:-1] = atlantic[:-1] & atlantic[1:]
    faces = np.stack([sea, sea & inside])
    by_level = []
    for level in range(LEVEL_EDGES.size - 1):
        patterns = structure.patterns(level)
        rows = np.stack([(patterns * chosen).sum(axis=-1) for chosen in faces], axis=1)
        by_level.append(np.tensordot(factors, rows, axes=1))
    above = np.cumsum(np.stack(by_level, axis=2), axis=2) * 1e-6
    psi = np.concatenate([np.zeros_like(above[:, :, :1]), above], axis=2)
    count = np.maximum(sea.sum(axis=1), 1)
    lat = np.where(sea.any(axis=1), (model.grid.v.lat * sea).sum(axis=1) / count, model.grid.v.lat.mean(axis=1))
    dims = ("window", "overturning_basin", "level_edge", "row")
    return xr.Dataset(
        {"true_overturning": (dims, psi, variable("true_overturning").attrs)},
        coords={
            "overturning_basin": ["global", "atlantic_ocean"],
            "level_edge": ("level_edge", LEVEL_EDGES, {"units": "m", "positive": "down"}),
            "row_lat": ("row", lat, {"units": "degrees_north"}),
        },
    )


def thermohaline_cell(model: SolvedModel) -> Array:
    """Return the transports through v faces of a thermohaline cell of strength one, shape (n_levels, nj, ni).

    Through the deep faces of each row of the Atlantic, by their width; strongest from 10S to 50N, and none south of 35S
    and in the Arctic.
    """
    depth, atlantic = np.where(model.geography.mask, model.geography.depth, 0.0), _atlantic(model)
    floor = np.zeros_like(depth)
    floor[:-1] = np.where(atlantic[:-1] & atlantic[1:], np.minimum(depth[:-1], depth[1:]), 0.0)
    width = np.where(floor > DEEP_FACE, model.grid.v.dx, 0.0)
    total = width.sum(axis=1, keepdims=True)
    share = np.divide(width, total, out=np.zeros_like(width), where=total > 0)
    lat = (share * model.grid.v.lat).sum(axis=1, keepdims=True)
    strength = np.exp(-(((lat - 20) / 42) ** 6))
    return strength * share * _closed_profile(floor, TURNING_DEPTH, DEEPEST_RETURN)


def _atlantic(model: SolvedModel) -> Mask:
    grid = Grid.from_dataset(true_coordinates(model))
    return in_basin(basin_codes(grid, ocean=model.geography.mask), "atlantic_ocean").values.astype(bool)


def _decaying_shares(floor: Array, decay_depth: float) -> Array:
    """Return the share of each level in what decays as exp(z / h) down to the floor; zero on closed faces."""
    edges = np.minimum(LEVEL_EDGES[:, None, None], floor)
    part = np.diff(-np.exp(-edges / decay_depth), axis=0)
    total = -np.expm1(-floor / decay_depth)
    return np.divide(part, total, out=np.zeros_like(part), where=floor > 0)


def _closed_profile(floor: Array, turning: float, deepest: float) -> Array:
    """Return shares by level: one spread evenly above the turning depth, minus one evenly between it and the deepest.

    Zero on faces that do not reach below the turning depth.
    """
    edges = np.minimum(LEVEL_EDGES[:, None, None], floor)
    upper = np.diff(np.minimum(edges, turning), axis=0) / turning
    lower = np.diff(np.clip(edges, turning, deepest), axis=0)
    total = lower.sum(axis=0)
    returned = np.divide(lower, total, out=np.zeros_like(lower), where=total > 0)
    return np.where(total > 0, upper - returned, 0.0)
