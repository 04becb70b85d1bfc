"""The regimes of one run of a climate model in all its windows, and the probability of their change."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.compute import Map, map_in_threads
from thor.core.errors import DataError
from thor.core.parallel import in_threads
from thor.core.variables import variable
from thor.reading.runs import is_control
from thor.tracking.blocks import OF_BLOCK, CellBlocks, RunWork, cell_slices, control_block, track_block
from thor.tracking.cells import NO_BASELINE, Cells, ControlPairs, WindowInputs, Windows, run_key
from thor.tracking.change import calibration_of
from thor.tracking.fields import area_fields, grid_field, run_dataset
from thor.tracking.forced import CONTROL_SHARES, control_shares, fill_forced, find_shifts
from thor.tracking.natural import NULLS_AT_ONCE, NaturalVariability, Null
from thor.tracking.tools import TrackingTools

_OF_RUN = (
    *("dissimilarity_index", "applicable", "change_p_value"),
    *("forced_shift", "forced_change", "forced_emergence", "natural_variability_mask"),
)
"""Fields that follow from those of a block and the null distributions, or from those of all windows and cells."""


def track_run(
    run: xr.Dataset,
    parent: xr.Dataset | None,
    natural: Mapping[str, NaturalVariability] | None,
    tools: TrackingTools,
    *,
    mapper: Map = map_in_threads,
) -> xr.Dataset:
    """Return the regimes of every window of a run, their change from the baseline, and areas with intervals.

    Parameters
    ----------
    run : xarray.Dataset
        Features of the run by `window`, with `valid`, `basin`, `areacello` [m2] and `baseline_window`.
    parent : xarray.Dataset or None
        The same of the run that holds the baseline windows; None: nothing is compared.
    natural : mapping of str to NaturalVariability, or None
        By predictor, as from `natural_variability` of the model's control run; None: no change is tested.
    tools : TrackingTools
    mapper : Map
        Applies the networks to the blocks of cells; the result does not depend on it.

    Returns
    -------
    xarray.Dataset
        Grid dims are those of the run. By window, predictor and cell: `regime`, `regime_probability` (also by
        regime), `predictive_entropy`, `expected_entropy`, `mutual_information` [bit]; against the baseline, NaN or -1
        where there is none, `change_probability`, `change_probability_independent`, `change_to_probability` (also by
        regime), `baseline_regime`, `change_p_value`, `forced_shift` (probability shift beyond internal variability: 1,
        none: 0, not tested: -1), `forced_change` (1 where the regime also changed with `min_probability`). By
        predictor and cell `forced_emergence` (year) and `natural_variability_mask`; by window and cell `applicable`
        and `dissimilarity_index`. By window, predictor, basin and regime [m2] `expected_area`, `argmax_area`,
        `expected_area_change`, and `transition_area` (window, predictor, regime_before, regime), with `_lower` and
        `_upper` ends over networks; `expected_false_area` and `expected_accuracy` (window, predictor). The attribute
        `regimes` names the regimes. Where networks predict the terms of the budget (`tools.term_networks`), by window,
        term and cell `predicted_term`, `predicted_term_spread` and, against the baseline, `term_change` with the ends
        `_lower` and `_upper` of its interval over networks and predicted spread [m s-2], and by window and cell
        `most_changed_term`, whose change is the largest. A control run also has `control_shift_share`,
        `control_forced_share` and `control_emergence_share`, the shares of its area with false discoveries.

    Raises
    ------
    DataError
        When a baseline window or the cell areas are missing, or no cell is valid.
    NetworkError
        When networks and features do not belong together.
    GridError
        When run and parent are on different grids.

    Notes
    -----
    Every predictor is applied once to every window and baseline window. Changes of regimes (`thor.tracking.change`) and
    of areas are computed inside each member; intervals are over members. P(change) concerns the two window means of
    this run and is recalibrated where `tools` allow; probability shifts, of P(change) before that, and forced changes
    also exceed internal variability (`thor.tracking.forced`). Transitions and changes of areas follow from the
    probabilities of the regimes and are not recalibrated. Cells outside the area of applicability in one of the two
    windows are not tested.
    """
    cells, windows = Cells.of(run), Windows.of(run, parent)
    n_windows, settings = run.sizes["window"], tools.settings
    states = [(run, window) for window in range(n_windows)]
    if parent is not None:
        states += [(parent, window) for window in windows.baselines]
    inputs = [WindowInputs.of(*state, cells, tools.scaler) for state in states]
    comparable = np.logical_and.reduce([state.known for state in inputs])
    work = RunWork(tools, str(run.attrs.get("source_id")), windows.state, len(inputs), len(cells.basins))
    places = None if natural is None else next(iter(natural.values())).places(cells)
    nulls = _nulls(natural, windows, tools, local=places is not None)
    fields, sums = work.empty(cells.like.size, own=_OF_RUN)
    blocks = CellBlocks(inputs, cells, comparable, settings.block_cells)
    results = mapper(track_block, work, blocks, description=f"track {run_key(run)}")
    for part, (found, added) in zip(blocks.slices, results, strict=True):
        tested = _tested(found, nulls, windows, cells.area[part], None if places is None else places[part], tools)
        for name, values in (found | tested).items():
            fields[name][..., cells.index[part]] = values
        for predictor, of_predictor in added.items():
            for name, values in of_predictor.items():
                sums[predictor][name] += values
    false_area = find_shifts(fields, cells, settings)
    for part in cell_slices(cells.like.size, settings.block_cells):
        fill_forced({name: field[..., part] for name, field in fields.items()}, run, windows.compared, settings)
    compared = np.isin(np.arange(n_windows), windows.compared)
    return run_dataset(
        {name: grid_field(name, values, cells.like, tools.classes) for name, values in fields.items()}
        | area_fields(sums, settings.interval_level, compared)
        | {"expected_false_area": (("window", "predictor"), false_area, variable("expected_false_area").attrs)}
        | {"expected_accuracy": _expected_accuracy(fields["dissimilarity_index"], cells, tools)}
        | _separations(nulls, windows)
        | _control_shares(run, natural, tools),
        run,
        cells,
        tools,
    )


def natural_variability(
    control: xr.Dataset,
    tools: TrackingTools,
    *,
    variants: Sequence[xr.Dataset] = (),
    mapper: Map = map_in_threads,
) -> dict[str, NaturalVariability]:
    """Return P(change) between all pairs of windows of a model's control run, by predictor.

    Parameters
    ----------
    control : xarray.Dataset
        Features of the control run by `window`, with `valid`, `basin` and `areacello` [m2].
    tools, mapper
        As for `track_run`.
    variants : sequence of xarray.Dataset, optional
        Runs that, within each experiment, differ in their initial state only: pairs of one experiment at one window
        are added to those of the control run at every separation.

    Raises
    ------
    NoControlPairsError
        When there is no pair of windows.
    DataError
        When no cell is valid in all of them, or cell areas are missing.
    NetworkError, GridError
        As for `track_run`.

    Notes
    -----
    In memory is P(change) of all pairs: 4 bytes for each cell, pair and predictor, with a million cells and 20 control
    windows 0.8 GB for each predictor. `max_control_windows` bounds it however long the control run is; `max_variants`
    is of one experiment, so that it grows with the number of experiments that have variants.
    """
    settings = tools.settings
    latest = np.sort(np.argsort(control["window_start"].values, kind="stable")[-settings.max_control_windows :])
    control, variants = control.isel(window=latest), _first_of_each(variants, settings.max_variants)
    cells, pairs = Cells.of(control), ControlPairs.of(control, variants)
    states = [(run, window) for run in (control, *variants) for window in range(run.sizes["window"])]
    inputs = [WindowInputs.of(*state, cells, tools.scaler) for state in states]
    everywhere = np.logical_and.reduce([state.known for state in inputs])
    if not everywhere.any():
        raise DataError(f"No cell is valid in {run_key(control)} and all its variants: are they of one model?")
    cells = cells.take(everywhere)
    inputs = [state.take(everywhere) for state in inputs]
    blocks = CellBlocks(inputs, cells, everywhere[everywhere], settings.block_cells)
    natural = {}
    for name in tools.predictors:
        change, certainty = (np.empty((n, len(cells.index)), np.float32) for n in (len(pairs.states), len(states)))
        natural[name] = NaturalVariability(change, certainty, pairs, cells)
    description = f"internal variability of {run_key(control)}"
    results = mapper(control_block, (tools, pairs.states), blocks, description=description)
    for part, found in zip(blocks.slices, results, strict=True):
        for name, (change, certainty) in found.items():
            natural[name].change[:, part], natural[name].certainty[:, part] = change, certainty
    return natural


def _first_of_each(variants: Sequence[xr.Dataset], n_variants: int) -> list[xr.Dataset]:
    """Return so many variants of each experiment."""
    of_experiment: dict[str, list[xr.Dataset]] = {}
    for variant in variants:
        of_experiment.setdefault(str(variant.attrs.get("experiment_id")), []).append(variant)
    return [variant for found in of_experiment.values() for variant in found[:n_variants]]


def _nulls(
    natural: Mapping[str, NaturalVariability] | None, windows: Windows, tools: TrackingTools, *, local: bool
) -> dict[tuple[str, int], Null]:
    """Return the null distribution of each predictor and separation that is needed."""
    if natural is None:
        return {}
    separations = sorted({windows.separation[window] for window in windows.compared})
    needed = list(product(tools.predictors, separations))
    found = in_threads(
        lambda of: natural[of[0]].null(of[1], tools.settings, local=local), needed, n_threads=NULLS_AT_ONCE
    )
    return dict(zip(needed, found, strict=True))


def _tested(
    found: dict[str, AnyArray],
    nulls: Mapping[tuple[str, int], Null],
    windows: Windows,
    area: AnyArray,
    places: NDArray[np.int64] | None,
    tools: TrackingTools,
) -> dict[str, AnyArray]:
    """Return the fields of a block that need null distributions or thresholds; remove from `found` what only they need.

    `forced_shift` is 0 in cells that are to be tested, inside the area of applicability in both windows, else -1.
    """
    dissimilarity, certainty, change = (found.pop(name) for name in OF_BLOCK)
    inside = dissimilarity <= tools.applicability.threshold
    p_value, shift = np.full(change.shape, np.nan, np.float32), np.full(change.shape, -1, np.int8)
    for (name, separation), null in nulls.items():
        number = list(tools.predictors).index(name)
        for window in windows.compared:
            if windows.separation[window] == separation:
                at = window, number
                # As in the control run: without recalibration.
                known = np.isfinite(change[at])
                of_null = null.p_value(change[at], certainty[at], area, places=places)
                p_value[at] = np.where(known, of_null, np.nan)
                shift[at] = np.where(known & inside[window] & inside[windows.state[window]], 0, -1)
    n_windows = len(change)
    return {
        "dissimilarity_index": dissimilarity[:n_windows],
        "applicable": inside[:n_windows],
        "change_p_value": p_value,
        "forced_shift": shift,
    }


def _expected_accuracy(dissimilarity: AnyArray, cells: Cells, tools: TrackingTools) -> Any:
    """Return the expected accuracy of each window and predictor; NaN in windows without any known cell."""
    values = np.full((len(dissimilarity), len(tools.predictors)), np.nan, np.float32)
    for window, of_window in enumerate(dissimilarity[:, cells.index]):
        known = np.isfinite(of_window)
        if known.any():
            values[window] = [
                tools.expected_accuracy[name].of_cells(of_window[known], cells.area[known]) for name in tools.predictors
            ]
    return ("window", "predictor"), values, variable("expected_accuracy").attrs


def _separations(nulls: Mapping[tuple[str, int], Null], windows: Windows) -> dict[str, Any]:
    """Return the distance of each window from its baseline, and that of the control windows of its null."""
    by_separation = {apart: null for (_, apart), null in nulls.items()}
    found = [by_separation.get(apart) for apart in windows.separation]
    values = {
        "separation": windows.separation,
        "null_separation": [NO_BASELINE if null is None else null.separation for null in found],
        "null_pairs": [0 if null is None else null.n_pairs for null in found],
    }
    return {name: ("window", np.asarray(numbers), variable(name).attrs) for name, numbers in values.items()}


def _control_shares(
    run: xr.Dataset, natural: Mapping[str, NaturalVariability] | None, tools: TrackingTools
) -> dict[str, Any]:
    if natural is None or not is_control(str(run.attrs.get("experiment_id"))):
        return {}
    source = str(run.attrs.get("source_id"))
    shares = [
        control_shares(natural[name], tools.settings, calibration_of(tools.change_calibration, name, source))
        for name in tools.predictors
    ]
    names = {kind: f"control_{kind}_share" for kind in CONTROL_SHARES}
    return {
        name: ("predictor", [share[kind] for share in shares], variable(name).attrs) for kind, name in names.items()
    }
