"""Vertical structure of the idealized transports: depth sums, continuity, the two cells, and their truth."""

from dataclasses import replace

import numpy as np
import pytest

from tests.ocean.idealized.conftest import ARCHIVE, SEED
from thor.ocean.idealized.archive import archive_files
from thor.ocean.idealized.scenarios import runs_of
from thor.ocean.idealized.true_budgets import means_in_windows, true_budget
from thor.ocean.idealized.vertical import (
    LEVEL_EDGES,
    annual_transport,
    transport_factors,
    vertical_structure,
)

LEVELS = range(LEVEL_EDGES.size - 1)


def run_of(number, experiment_id="abrupt-4xCO2"):
    model = ARCHIVE.models[number]
    runs = runs_of(ARCHIVE.replace(models=(model,)), model, seed=SEED)
    return next(run for run in runs if run.experiment_id == experiment_id)


def transports(run):
    """Return the mean transports of the first window [m3 s-1], by component, shape (n_levels, nj, ni)."""
    factors = means_in_windows(run, transport_factors(run))[0]
    return [
        np.stack([np.tensordot(factors, part.patterns(level), axes=1) for level in LEVELS])
        for part in vertical_structure(run.model, seed=SEED)
    ]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_depth_sums_are_those_of_the_solved_circulation(number):
    run = run_of(number)
    grid, solved = run.solved_model().grid, run.solved_model().transport
    weights = means_in_windows(run, transport_factors(run))[0][: solved.u.shape[0]]
    for found, part, width in zip(transports(run), solved, (grid.u.dy, grid.v.dx), strict=True):
        expected = np.tensordot(weights, part, axes=1) * width
        np.testing.assert_allclose(found.sum(axis=0), expected, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_levels_are_closed_by_a_vertical_velocity_that_vanishes_at_the_bottom(number):
    run = run_of(number)
    grid, sea = run.solved_model().grid, run.solved_model().masks["t"]
    u, v = transports(run)
    outflow = u - np.roll(u, 1, axis=-1)
    outflow += v - np.concatenate([np.zeros_like(v[:, :1]), v[:, :-1]], axis=1)
    downward = -np.cumsum(outflow, axis=0) / grid.t.area
    assert np.abs(downward[-1][sea]).max() < 1e-12 * np.abs(downward[0][sea]).max()
    # Ekman pumping: below the first level, tens of metres a year
    assert 3e-7 < np.sqrt(np.mean(downward[0][sea] ** 2)) < 1e-5
    assert not u[:, ~sea].any()


def test_published_file_has_annual_steps_levels_and_gaps_below_the_floor():
    run = run_of(1)
    field = annual_transport(run, "vmo", years=(0, 3))
    assert field["vmo"].dims == ("time", "lev", "j", "i") and field["vmo"].shape[0] == 3
    np.testing.assert_array_equal(np.diff(field["time_bnds"], axis=1), 360)
    np.testing.assert_array_equal(field["lev_bnds"].values[:, 1], LEVEL_EDGES[1:])
    # the first window of three years, to the rounding of the file
    mean = transports(run)[1] * run.model.ocean.reference_density
    there = field["vmo"].notnull().all("time").values
    found = field["vmo"].mean("time").values
    assert np.abs(found - mean)[there].max() < 2e-4 * np.abs(mean).max()
    np.testing.assert_array_equal(there, vertical_structure(run.model, seed=SEED)[1].shares > 0)


def test_true_overturning_has_an_ekman_and_a_weakening_thermohaline_cell():
    runs = {name: run_of(0, name) for name in ("piControl", "abrupt-4xCO2")}
    truth = {name: true_budget(run)["true_overturning"] for name, run in runs.items()}
    control = truth["piControl"].isel(window=0)
    np.testing.assert_allclose(control.isel(level_edge=0), 0)
    # the whole ocean is closed: nothing flows through a row as a whole
    assert np.abs(control.sel(overturning_basin="global").isel(level_edge=-1)).max() < 1e-6
    atlantic = control.sel(overturning_basin="atlantic_ocean", level_edge=1000.0)
    row = int(np.argmin(np.abs(atlantic["row_lat"].values - 26.5)))
    change = truth["abrupt-4xCO2"].isel(window=-1) - truth["piControl"].isel(window=-1)
    without = runs["piControl"].archive.replace(overturning_strength=0.0)
    wind_driven = true_budget(replace(runs["piControl"], archive=without))["true_overturning"].isel(window=0)
    cell = atlantic - wind_driven.sel(overturning_basin="atlantic_ocean", level_edge=1000.0)
    assert float(cell[row]) == pytest.approx(ARCHIVE.overturning_strength, rel=0.01)
    assert float(cell.min()) > -1e-9 and float(cell.max()) == pytest.approx(ARCHIVE.overturning_strength, rel=0.01)
    weakened = float(change.sel(overturning_basin="atlantic_ocean", level_edge=1000.0)[row])
    assert -0.4 * ARCHIVE.overturning_strength - 2 < weakened < -0.2 * ARCHIVE.overturning_strength
    # subtropical Ekman cells: poleward of the trades the first level flows poleward in both hemispheres
    first = control.sel(overturning_basin="global", level_edge=50.0)
    assert first.where(np.abs(first["row_lat"] - 15) < 4).max() > 3
    assert first.where(np.abs(first["row_lat"] + 15) < 4).min() < -3


def test_transports_are_published_for_first_variants_of_some_experiments():
    files = list(archive_files(ARCHIVE, seed=SEED))
    runs = {file.run.key for file in files if file.variable_id == "vmo"}
    assert {run.split("/", 1)[1] for run in runs} == {"piControl/r1i1p1f1", "abrupt-4xCO2/r1i1p1f1"}
    of_all = archive_files(ARCHIVE.replace(transports=("historical",)), seed=SEED)
    assert {file.run.variant_label for file in of_all if file.variable_id == "umo"} == {"r1i1p1f1"}
    without = archive_files(ARCHIVE.replace(transports=()), seed=SEED)
    assert not {"umo", "vmo"} & {file.variable_id for file in without}
