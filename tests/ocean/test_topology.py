"""Seams, poles and folds found from positions alone, on real grids and on the same grids stored in other ways."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ocean.test_native_grids import read_native
from thor.ocean.grid import NEIGHBOURS, Grid, regular_grid
from thor.ocean.sphere import normalised, unit_vectors
from thor.ocean.topology import Continuation, find_topology


def centres_of(data_mirror, name):
    lat, lon, _ = read_native(data_mirror, name)
    return unit_vectors(lat, lon)


def places(topology, centres, step):
    """Unit vectors of the neighbours; NaN where there is none."""
    cell = topology.locate(step).cell
    return np.where(cell >= 0, centres.reshape(3, -1)[:, cell], np.nan)


@pytest.mark.parametrize(
    ("name", "period", "beyond", "n_duplicates"),
    [
        ("CESM2", 320, None, 0),
        ("GFDL-ESM4", 720, Continuation(1151, 719, -1), 0),  # F-point pivot, nothing stored twice
        ("IPSL-CM6A-LR", 360, Continuation(661, 361, -1), 2 * 331 + 362),  # F-point pivot, last row stored twice
        ("EC-Earth3-Veg", 360, Continuation(581, 361, -1), 2 * 291 + 362),  # the same, positions missing on land or not
        ("MPI-ESM1-2-LR", 254, None, 2 * 220),  # bipolar
    ],
)
def test_real_grids(data_mirror, name, period, beyond, n_duplicates):
    topology = find_topology(centres_of(data_mirror, name))
    assert topology.period == period and topology.beyond == (None, beyond)
    assert topology.over_pole == (False, False)
    assert topology.duplicate.sum() == n_duplicates


def test_each_place_in_the_ocean_counts_once(data_mirror):
    lat, lon, ocean = read_native(data_mirror, "IPSL-CM6A-LR")
    centres = unit_vectors(lat, lon)
    duplicate = find_topology(centres).duplicate
    assert (~duplicate).sum() == 331 * 360
    once = np.round(centres[:, ocean & ~duplicate].T, 6)
    assert len(np.unique(once, axis=0)) == len(once)


@pytest.mark.parametrize("name", ["GFDL-ESM4", "IPSL-CM6A-LR", "EC-Earth3-Veg", "MPI-ESM1-2-LR", "CESM2"])
def test_neighbours_are_near_and_mutual(data_mirror, name):
    centres = centres_of(data_mirror, name)
    topology = find_topology(centres)
    cells = np.arange(topology.known.size).reshape(topology.known.shape)
    for step in NEIGHBOURS:
        located = topology.locate(step)
        there = (located.cell >= 0) & ~topology.duplicate
        sign = located.row_sign if step[0] else located.column_sign
        back = [topology.locate((-by * step[0], -by * step[1])).cell.ravel()[located.cell] for by in (1, -1)]
        assert (np.where(sign > 0, *back) == cells)[there].all()
        away = np.linalg.norm(places(topology, centres, step) - centres, axis=0)[there & (centres[2] > -0.97)]
        assert away.max() < 0.04  # 250 km: no step leads across the globe


def test_unknown_cells_neighbour_nothing(data_mirror):
    topology = find_topology(centres_of(data_mirror, "EC-Earth3-Veg"))
    unknown = ~topology.known
    assert unknown.sum() == 475
    for step in NEIGHBOURS:
        cell = topology.locate(step).cell
        assert (cell[unknown] == -1).all() and not np.isin(np.flatnonzero(unknown), cell).any()


VARIANTS = {
    "one row repeated": lambda bare, beyond: np.concatenate([bare, beyond[:, :1]], axis=1),
    "two rows repeated": lambda bare, beyond: np.concatenate([bare, beyond[:, :2]], axis=1),
    "two columns repeated": lambda bare, beyond: np.concatenate([bare[..., -1:], bare, bare[..., :1]], axis=2),
    "rows from the north": lambda bare, beyond: bare[:, ::-1],
}


@pytest.mark.parametrize("pivot", ["F", "T"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_folds_are_one_case(data_mirror, pivot, variant):
    bare = centres_of(data_mirror, "GFDL-ESM4")[:, -40:]
    if pivot == "T":
        # The midpoints between rows are a grid whose last row lies on the fold: every place on it is stored twice.
        bare = normalised(bare + places(find_topology(bare), bare, (1, 0)))
    beyond = bare[:, ::-1, ::-1][:, 1 if pivot == "T" else 0 :]
    topology = find_topology(bare)
    assert topology.beyond[1] == Continuation(79 if pivot == "F" else 78, 719, -1)
    once = ~topology.duplicate
    assert once.sum() == once.size - (0 if pivot == "F" else 360)
    north = once[-1]
    np.testing.assert_array_equal(places(topology, bare, (1, 0))[:, -1, north], beyond[:, 0, north])

    stored = VARIANTS[variant](bare, beyond)
    found = find_topology(stored)
    for step in NEIGHBOURS:
        turned = variant == "rows from the north"
        got = places(found, stored, (-step[0], step[1]) if turned else step)
        got = got[:, ::-1] if turned else got[:, :40, 1:-1] if "columns" in variant else got[:, :40]
        np.testing.assert_allclose(got[:, once], places(topology, bare, step)[:, once], atol=1e-6)


def test_a_pole_is_found_on_2d_positions_too():
    regular = Grid.from_dataset(regular_grid(5.0))
    found = find_topology(regular.centres)
    assert found.over_pole == regular.topology.over_pole == (True, True)
    for step in (*NEIGHBOURS, (1, 1), (-1, 1)):
        np.testing.assert_array_equal(found.locate(step).cell, regular.topology.locate(step).cell)


def test_a_grid_that_ends_just_ends(data_mirror):
    part = centres_of(data_mirror, "CESM2")[:, 100:200, 30:120]
    topology = find_topology(part)
    assert not topology.periodic and topology.beyond == (None, None)
    assert (topology.locate((0, 1)).cell[:, -1] == -1).all() and (topology.locate((1, 0)).cell[-1] == -1).all()


@settings(max_examples=20, deadline=None)
@given(columns=st.integers(0, 359))
def test_rolled_columns_have_the_same_neighbours(data_mirror, columns):
    centres = centres_of(data_mirror, "IPSL-CM6A-LR")[:, -30:-1, 1:-1]
    rolled = np.roll(centres, columns, axis=2)
    for step in NEIGHBOURS:
        expected = np.roll(places(find_topology(centres), centres, step), columns, axis=2)
        np.testing.assert_array_equal(places(find_topology(rolled), rolled, step), expected)
