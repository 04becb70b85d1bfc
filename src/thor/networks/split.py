"""Which cells train, select and test: whole regions and blocks, kept apart by a buffer.

Neighbouring cells are nearly copies of each other, so networks are tested in parts of the ocean that they were not
trained in. A random split puts a training cell beside 99.9 % of the test cells: the accuracy is then about 91 %, but
85 % in a basin left out of training. The best epoch is selected on blocks scattered over the ocean, because a single
band resembles some regions more than others.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from thor.core.errors import NetworkError
from thor.core.variables import variable
from thor.core.warn import warn_once
from thor.networks.settings import Region, SplitSettings
from thor.ocean.basins import in_basin
from thor.ocean.cells import on_same_grid, valid_cells
from thor.ocean.similar_oceans import SimilarOcean, oceans_of
from thor.ocean.sphere import sphere_blocks, unit_vectors
from thor.regimes.naming import class_flags, regime_names

ROLES = ("train", "select", "test", "buffer")
"""Roles of cells by their codes; -1 where a cell is not valid."""

TRAIN, SELECT, TEST, BUFFER = range(len(ROLES))

SIMILAR_ADVICE = "Run regime_clustering again, or set modelling.split.reflect and modelling.split.rescale to false."

OCEANS = ("atlantic_ocean", "pacific_ocean", "indian_ocean", "southern_ocean", "arctic_ocean")

LEAST_SHARE = 0.01
"""Share of the cells outside the test regions below which a basin is not left out: left-out basins count alike in a
calibration, and what a test region leaves of its ocean is a few cells at its edge."""

_ADVICE = "Label cells of more oceans, or make the test regions smaller (split.test_regions)."

_FLAGS = class_flags(ROLES)


def make_split(features: xr.Dataset, regimes: xr.Dataset, settings: SplitSettings, *, seed: int = 0) -> xr.Dataset:
    """Return the role of every valid cell.

    Parameters
    ----------
    features : xarray.Dataset
        `valid` and coordinates `lat`, `lon`, 1-D or 2-D [degrees].
    regimes : xarray.Dataset
        `regime` on the same grid, -1 where there is none: its cells are counted, nothing else.
    settings : SplitSettings
    seed : int
        Of the blocks that select.

    Returns
    -------
    xarray.Dataset
        `role` (int8, CF flags of `ROLES`, -1 where not valid), and in the attributes `split` (the mode),
        `select_role`, whose cells select: test in a published split, and `reflect` and `rescale`, 1 where training also
        takes these similar oceans (`similar_oceans`). `final_role` is the same for the predictors that
        are applied to climate models, once the scores are known: the test regions train as well, but not in a
        published split.

    Raises
    ------
    NetworkError
        When a region holds no valid cell, a role loses all its cells to the buffer, or no training cell has a regime,
        neither as it is nor in the similar oceans.
    DataError
        When no cell is valid, or features and regimes are on different grids.
    """
    lat, lon, valid = valid_cells(features)
    lat, lon = lat[valid], lon[valid]
    published = settings.mode == "published"
    roles = np.zeros(lat.shape, dtype=np.int8)
    if not published:
        roles[select_blocks(lat, lon, settings, seed=seed)] = SELECT
    final = roles.copy()
    roles[inside_regions(lat, lon, settings.regions)] = TEST
    regions = "; ".join(map(_described, settings.regions))
    split = _split_dataset(features, roles, settings, name=settings.mode, regions=regions)
    require_every_regime(split, regimes)
    final_role = split["role"].values if published else _on_grid(features, final, settings.buffer_degrees)
    return split.assign(final_role=(split["role"].dims, final_role, variable("final_role").attrs | _FLAGS))


def final_split(split: xr.Dataset) -> xr.Dataset:
    """Return the split of the predictors that are applied to climate models: `final_role` of `make_split` as `role`."""
    return split.assign(role=split["final_role"])


def basin_folds(
    features: xr.Dataset,
    regimes: xr.Dataset,
    settings: SplitSettings,
    *,
    seed: int = 0,
    basins: Sequence[str] = OCEANS,
    without_test: bool = False,
) -> dict[str, xr.Dataset]:
    """Return one split for each basin, with that basin as the test region.

    Outside the basin, the blocks that select in `make_split` select, and the test regions train like all other cells.
    Marginal seas are not folds: their cells train. A basin without labelled cells is none either, with a warning. A
    second one names the regimes that no training cell of a fold has: its predictors take their cells for others.

    Parameters
    ----------
    features : xarray.Dataset
        As for `make_split`, with `basin` (`thor.ocean.basins`).
    regimes : xarray.Dataset
    settings : SplitSettings
        Its mode determines the test regions and whether similar oceans train. In a published split, too, blocks
        select and a buffer separates the roles: an ocean that is left out must not determine the best epoch.
    seed : int
        Of the blocks that select.
    basins : sequence of str
    without_test : bool
        Whether to leave the cells of the test regions out of all folds, so that choices based on the folds are
        independent of them; a basin with less than `LEAST_SHARE` of the other cells is then no fold.

    Returns
    -------
    dict of str to xarray.Dataset
        Splits as from `make_split`, by basin.

    Raises
    ------
    DataError
        When there is no basin of a name.
    NetworkError
        When no basin can be left out, no labelled cell trains without one, a region holds no valid cell, or a role
        loses all its cells to the buffer.
    """
    lat, lon, valid = valid_cells(features)
    lat, lon = lat[valid], lon[valid]
    kept_out = inside_regions(lat, lon, settings.regions) if without_test else np.zeros(lat.shape, dtype=bool)
    selecting = select_blocks(lat, lon, settings, seed=seed)
    labelled = regimes["regime"].transpose(*features["valid"].dims).values[valid] >= 0
    least = LEAST_SHARE * (labelled & ~kept_out).sum() if without_test else 0
    folds, bare, unknown = {}, [], []
    for name in basins:
        inside = in_basin(features["basin"].transpose(*features["valid"].dims), name).values[valid]
        if not (inside & labelled).any():
            bare.append(name)
        tested = inside & ~kept_out
        if (tested & labelled).sum() < max(1, least):
            continue
        roles = np.where(selecting, SELECT, TRAIN).astype(np.int8)
        roles[tested] = TEST
        roles[kept_out] = BUFFER
        folds[name] = _split_dataset(features, roles, settings, name=f"without {name}", regions=name)
        missing = untaught_regimes(folds[name], regimes)
        if len(missing) == len(regime_names(regimes)):
            raise NetworkError(f"Without {name} no labelled cell is left to train. {_ADVICE}")
        unknown += [f"{regime} without {name}" for regime in missing]
    if not folds:
        raise NetworkError(f"No labelled cell of {', '.join(basins)} can be left out of training. {_ADVICE}")
    if bare:
        warn_once(", ".join(bare), "no cell has a label, so that it is not left out of training by itself")
    if unknown:
        warn_once(", ".join(unknown), "no training cell then has the regime, so that its cells there count as wrong")
    return folds


def inside_regions(lat: np.ndarray, lon: np.ndarray, regions: Sequence[Region]) -> np.ndarray:
    """Return which positions [degrees] lie in any region, shape (n_cells,); an empty region is a NetworkError."""
    found = np.zeros(np.shape(lat), dtype=bool)
    for region in regions:
        span = (region.east - region.west) % 360 or 360.0
        inside = ((lon - region.west) % 360 < span) & (lat >= region.south) & (lat <= region.north)
        if not inside.any():
            raise NetworkError(f"Region {_described(region)} holds no valid cell. Move it, or take it out.")
        found |= inside
    return found


def select_blocks(lat: np.ndarray, lon: np.ndarray, settings: SplitSettings, *, seed: int) -> np.ndarray:
    """Return which positions [degrees] lie in the blocks drawn to select, at least one block, shape (n_cells,)."""
    block = sphere_blocks(lat, lon, degrees=settings.select_block_degrees)
    n_blocks = int(block.max()) + 1
    drawn = np.random.default_rng(seed).permutation(n_blocks)[: max(1, round(settings.select_share * n_blocks))]
    return np.isin(block, drawn)


def separated(role: np.ndarray, lat: np.ndarray, lon: np.ndarray, buffer_degrees: float) -> np.ndarray:
    """Return the roles with cells too near a more important role turned into buffer.

    Test keeps all its cells, select gives way to test, train to both. Distances are great circles
    between cell centres, so that near the poles, where all longitudes meet, nothing touches either.

    Parameters
    ----------
    role : ndarray of int8, shape (n_cells,)
    lat, lon : ndarray of shape (n_cells,)
        [degrees].
    buffer_degrees : float
        Cells as far apart as this [degrees of a great circle], or nearer, are too near; 0 for no buffer.
    """
    from scipy.spatial import cKDTree  # in the chain of imports of every command

    if buffer_degrees == 0:
        return role
    centres = unit_vectors(lat, lon).T
    # On a grid as coarse as the buffer, neighbours lie at just this distance, up to rounding.
    chord = 2 * np.sin(np.deg2rad(buffer_degrees) / 2) * (1 + 1e-9)
    kept = role.copy()
    for code in (SELECT, TRAIN):
        above, cells = (kept > code) & (kept != BUFFER), np.flatnonzero(kept == code)
        if above.any() and cells.size:
            distance, _ = cKDTree(centres[above]).query(centres[cells], distance_upper_bound=chord)
            kept[cells[np.isfinite(distance)]] = BUFFER
    return kept


def require_every_role(split: xr.Dataset) -> None:
    """Raise NetworkError when no cell is left to train, select or test."""
    needed = {"train", "test", split.attrs["select_role"]}
    for name in sorted(needed, key=ROLES.index):
        if not (split["role"] == ROLES.index(name)).any():
            raise NetworkError(
                f"No cell is left to {name}: test regions ({split.attrs['regions']}), select blocks and a buffer of "
                f"{split.attrs['buffer_degrees']:g} degrees leave none. Change test_regions, select_share, "
                "select_block_degrees or buffer_degrees of the split."
            )


def require_every_regime(split: xr.Dataset, regimes: xr.Dataset) -> None:
    """Raise NetworkError when a regime has no training cell; see `untaught_regimes`."""
    if missing := untaught_regimes(split, regimes):
        raise NetworkError(
            f"No training cell has the regime {', '.join(missing)}: networks cannot learn it. "
            f"Change modelling.split (regions: {split.attrs['regions']})."
        )


def similar_oceans(regimes: xr.Dataset, split: xr.Dataset) -> dict[SimilarOcean, xr.Dataset]:
    """Return the similar oceans that the split trains on, each with the dataset that holds its `regime`.

    Raises
    ------
    NetworkError
        When the split chooses similar oceans, and the regimes have no `similar_regime`.
    """
    reflect, rescale = (split.attrs.get(name, 0) for name in ("reflect", "rescale"))
    if not (reflect or rescale):
        return {}
    if "similar_regime" not in regimes:
        raise NetworkError(f"The regimes have no 'similar_regime', needed to train on similar oceans. {SIMILAR_ADVICE}")
    return {
        ocean: regimes.assign(regime=regimes["similar_regime"].isel(similar_ocean=k))
        for k, ocean in enumerate(oceans_of(regimes))
        if (reflect or ocean.sign == 1) and (rescale or ocean.amplitude == 1)
    }


def untaught_regimes(split: xr.Dataset, regimes: xr.Dataset) -> list[str]:
    """Return the names of the regimes that no training cell has, neither as it is nor in the similar oceans."""
    role = split["role"]
    training = (role.values == TRAIN) & (on_same_grid(role, regimes, "regime") >= 0)
    oceans = similar_oceans(regimes, split).values() if "similar_regime" in regimes else ()
    taught = {number for there in (regimes, *oceans) for number in on_same_grid(role, there, "regime")[training]}
    return [name for number, name in enumerate(regime_names(regimes)) if number not in taught]


def _split_dataset(
    features: xr.Dataset, roles: np.ndarray, settings: SplitSettings, *, name: str, regions: str
) -> xr.Dataset:
    """Return the split with these roles of the valid cells, shape (n_cells,), once the buffers are taken off."""
    published = name == "published"
    attrs: dict[str, Any] = {
        "split": name,
        "buffer_degrees": 0.0 if published else settings.buffer_degrees,
        "regions": regions,
        "select_role": "test" if published else "select",
    } | settings.similar_oceans
    role = _on_grid(features, roles, attrs["buffer_degrees"])
    coords = {str(name): features[name] for name in ("lat", "lon")}
    field = features["valid"].dims, role, variable("role").attrs | _FLAGS
    split = xr.Dataset({"role": field}, coords=coords, attrs=attrs)
    require_every_role(split)
    return split


def _on_grid(features: xr.Dataset, roles: np.ndarray, buffer_degrees: float) -> np.ndarray:
    """Return roles of the valid cells on the grid, with buffers, -1 elsewhere."""
    lat, lon, valid = valid_cells(features)
    role = np.full(valid.shape, -1, dtype=np.int8)
    role[valid] = separated(roles, lat[valid], lon[valid], buffer_degrees)
    return role


def _described(region: Region) -> str:
    box = f"{region.west:g}E to {region.east:g}E"
    if (region.south, region.north) != (-90, 90):
        box += f", {region.south:g}N to {region.north:g}N"
    return f"{region.name}: {box}"
