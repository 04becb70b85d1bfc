"""Closed lines of latitude and the faces of any grid: what flows through a line is what the cells north of it gain."""

import numpy as np
import pytest

from tests.made_transports import cell_of_overturning, faces_of_streamfunction
from tests.ocean.test_native_grids import curvilinear, native_grid
from thor.core.errors import ConfigError, DataError, GridError, UnitsError
from thor.ocean.faces import FACE_STEPS, CellFaces, latitude_lines, require_transports
from thor.ocean.grid import NEIGHBOURS, Grid
from thor.ocean.idealized.displaced_pole import displaced_pole_c_grid

LATITUDES = np.arange(-75.5, 90.0, 5.0)


def potential_flow(grid, ocean, seed=0):
    """Transports down a random potential on u and v faces, NaN on land; and the inflow into each cell."""
    topology, rng = grid.topology, np.random.default_rng(seed)
    original = topology.locate((0, 0)).cell
    potential = np.where(ocean.ravel(), rng.normal(size=ocean.size), np.nan)

    def at(cell):
        return np.where(cell >= 0, potential[cell], np.nan)

    faces = [at(original) - at(topology.locate(step).cell) for step in FACE_STEPS.values()]
    inflow = sum(np.nan_to_num(at(topology.locate(step).cell) - at(original)) for step in NEIGHBOURS)
    return *faces, np.where(topology.duplicate, 0.0, inflow)


@pytest.mark.parametrize("name", ["CESM2", "GFDL-ESM4", "IPSL-CM6A-LR", "EC-Earth3-Veg", "MPI-ESM1-2-LR"])
def test_a_line_carries_what_the_cells_north_of_it_gain(data_mirror, name):
    grid, ocean = native_grid(data_mirror, name)
    u, v, inflow = potential_flow(grid, ocean)
    # Files may hold anything in a halo.
    u[grid.duplicate], v[grid.duplicate] = 1e9, np.nan
    lines = latitude_lines(grid, LATITUDES)
    through = lines.crossing @ lines.faces.values(u, v)
    gained = [inflow[grid.lat >= latitude].sum() for latitude in LATITUDES]
    assert np.abs(gained[:-1]).min() > 0.01 and grid.lat[ocean].max() > 88
    np.testing.assert_allclose(through, gained, atol=1e-9)


def test_each_face_counts_once_and_lies_between_two_cells(data_mirror):
    grid, _ = native_grid(data_mirror, "IPSL-CM6A-LR")
    faces = CellFaces.of(grid)
    cells = np.flatnonzero(~grid.duplicate & grid.topology.known)
    # Without the southern wall and with the fold, whose faces are shared, each cell has two faces.
    assert 2 * cells.size - 1.5 * 360 < faces.stored.size < 2 * cells.size
    assert np.isin(faces.behind, cells).all() and np.isin(faces.ahead, cells).all()
    assert not grid.duplicate.ravel()[faces.stored % grid.lat.size].any()


def test_nothing_flows_through_a_line_without_divergence_even_through_a_fold(data_mirror):
    grid, _ = native_grid(data_mirror, "GFDL-ESM4")
    corners = np.zeros((grid.shape[0] + 1, grid.shape[1]))
    corners[1:] = np.random.default_rng(0).normal(size=grid.shape)
    # Corners on the fold are stored twice: that of column c is that of column 718 - c.
    mirror = (718 - np.arange(720)) % 720
    corners[-1] = 0.5 * (corners[-1] + corners[-1, mirror])
    lines = latitude_lines(grid, np.arange(-77.5, 90.0))
    assert (np.diff(lines.crossing.indptr) >= 24).all()  # the line at 89.5N is a small ring about the pole
    through = lines.crossing @ lines.faces.values(*faces_of_streamfunction(corners))
    np.testing.assert_allclose(through, 0.0, atol=1e-10)


def test_lines_on_a_displaced_pole_follow_latitude_and_not_rows():
    c_grid = displaced_pole_c_grid(4.0)
    grid = Grid.from_dataset(curvilinear(c_grid.t.lat, c_grid.t.lon))
    corners = np.zeros((46, 90))
    corners[1:-1] = np.random.default_rng(1).normal(size=(44, 90))
    u, v = faces_of_streamfunction(corners)
    lines = latitude_lines(grid, np.arange(-80.0, 86.0))
    values = lines.faces.values(u, v)
    np.testing.assert_allclose(lines.crossing @ values, 0.0, atol=1e-12)
    np.testing.assert_allclose(lines.halves.sum(axis=0), lines.crossing.sum(axis=0))
    by_line = np.bincount(lines.line, lines.halves @ values, lines.latitudes.size)
    np.testing.assert_allclose(by_line, lines.crossing @ values, atol=1e-12)
    rows = lines.faces.behind // 90
    at_70n = lines.crossing[[150]].indices
    assert np.ptp(rows[at_70n]) > 3  # the line crosses rows
    assert np.isin(at_70n, np.flatnonzero(lines.faces.stored < grid.lat.size)).sum() > 10  # and runs along columns


def test_latitudes_must_increase():
    grid = Grid.from_dataset(cell_of_overturning()[0])
    for latitudes in ([10.0, 0.0], [], [0.0, 91.0]):
        with pytest.raises(ConfigError, match="must increase between -90 and 90"):
            latitude_lines(grid, latitudes)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda ocean: ocean.drop_vars("vmo"), DataError, "'vmo' is missing"),
        (lambda ocean: ocean.drop_vars("lev_bnds"), DataError, "'lev_bnds', the bounds of 'lev', is missing"),
        (lambda ocean: ocean.isel(lev=slice(None, None, -1)), DataError, "must increase from level to level"),
        (lambda ocean: ocean.isel(lev=0), DataError, "one of levels or density classes"),
        (
            lambda ocean: ocean.assign(umo=ocean["umo"].assign_attrs(units="m3 s-1")),
            UnitsError,
            "'umo' has units 'm3 s-1'; expected 'kg s-1'",
        ),
    ],
)
def test_transports_that_cannot_be_used(change, error, match):
    ocean = cell_of_overturning()[0]
    with pytest.raises(error, match=match):
        require_transports(change(ocean), Grid.from_dataset(ocean))


def test_transports_of_another_grid():
    ocean = cell_of_overturning()[0]
    with pytest.raises(GridError, match=r"\(44, 90\) cells, the grid \(45, 90\)"):
        require_transports(ocean.isel(lat=slice(1, None)), Grid.from_dataset(ocean))
