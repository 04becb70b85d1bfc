"""Regimes and their changes on one block of cells: each predictor is applied once to every window.

Only here are the probabilities of every member in memory. A block returns means over members by cell, and sums over
cells by member.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray, Array
from thor.core.variables import BUDGET_TERMS
from thor.networks.terms import over_networks
from thor.tracking.cells import NO_BASELINE, Cells, WindowInputs
from thor.tracking.change import (
    ChangeCalibration,
    calibration_of,
    change_parts,
    change_probability,
    change_to_probability,
    independent_change_probability,
    transition_areas,
)
from thor.tracking.fields import LABELS, MOST_CHANGED, TERM_FIELDS, VARIANCES, empty_fields, empty_sums
from thor.tracking.tools import TrackingTools, term_widths
from thor.uncertainty.predictive import entropy

_FIELDS = (
    *("regime", "regime_probability", "predictive_entropy", "expected_entropy", "mutual_information"),
    *("change_probability", "change_probability_independent", "change_to_probability", "baseline_regime"),
)

OF_BLOCK = ("dissimilarity", "baseline_certainty", "coupled_change")
"""Further fields of a block, which its tests need."""

_TERM_CELLS = 250
"""Cells whose terms are predicted together: 8 MB for 50 networks, value and spread of five terms in eight states."""


@dataclass(frozen=True, eq=False)
class RunWork:
    """What every block of a run needs.

    Attributes
    ----------
    tools : TrackingTools
    source_id : str
        The climate model.
    baseline : tuple of int
        For each window the number of its baseline's state, or -1; the run's windows are the first states.
    n_states : int
    n_basins : int
    """

    tools: TrackingTools
    source_id: str
    baseline: tuple[int, ...]
    n_states: int
    n_basins: int

    def empty(
        self, n_cells: int, *, own: Sequence[str] = OF_BLOCK
    ) -> tuple[dict[str, AnyArray], dict[str, dict[str, Array]]]:
        """Return the fields of so many cells without any value, and for each predictor the sums over cells, 0.

        `own` are fields beside those of probabilities and terms: by default those of a block alone.
        """
        n_regimes = len(self.tools.classes)
        sizes = {
            "window": len(self.baseline),
            "state": self.n_states,
            "predictor": len(self.tools.predictors),
            "basin": self.n_basins + 1,
            "regime": n_regimes,
            "regime_before": n_regimes,
            "term": len(BUDGET_TERMS),
        }
        names = (*_FIELDS, *own) if self.tools.split_predictor is None else (*_FIELDS, *own, *VARIANCES)
        names = names if self.tools.term_networks is None else (*names, *TERM_FIELDS, MOST_CHANGED)
        predictors = self.tools.predictors.items()
        sums = {name: empty_sums(sizes | {"network": predictor.n_members}) for name, predictor in predictors}
        return empty_fields(names, sizes, n_cells), sums


@dataclass(frozen=True, eq=False)
class CellBlock:
    """Scaled inputs of each state, area [m2] and basin of each cell, and where there is a baseline."""

    inputs: list[NDArray[np.float32]]
    area: Array
    basin: NDArray[np.int64]
    comparable: NDArray[np.bool_]

    def area_by_basin(self, n_basins: int) -> NDArray[np.float32]:
        """Return the area of each cell in each basin and, last, in all of them, shape (n_basins + 1, n_cells), [m2]."""
        inside = self.basin == np.arange(n_basins)[:, None]
        return (np.vstack([inside, np.ones(self.basin.shape, bool)]) * self.area).astype(np.float32)


def cell_slices(n_cells: int, block_cells: int) -> list[slice]:
    """Return the slice of cells of each block."""
    return [slice(start, min(start + block_cells, n_cells)) for start in range(0, n_cells, block_cells)]


class CellBlocks(Sequence[CellBlock]):
    """The blocks of cells, made when they are asked for: only then are their inputs scaled."""

    def __init__(
        self, inputs: Sequence[WindowInputs], cells: Cells, comparable: NDArray[np.bool_], block_cells: int
    ) -> None:
        self._inputs, self._cells, self._comparable = inputs, cells, comparable
        self.slices = cell_slices(len(comparable), block_cells)

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, number: Any) -> Any:
        """Return one block."""
        part, cells = self.slices[number], self._cells
        inputs = [state.scaled(part) for state in self._inputs]
        return CellBlock(inputs, cells.area[part], cells.basin[part], self._comparable[part])


def track_block(work: RunWork, block: CellBlock) -> tuple[dict[str, AnyArray], dict[str, dict[str, Array]]]:
    """Return the fields of a block, the last axis being its cells, and by predictor the sums over its cells."""
    tools = work.tools
    fields, sums = work.empty(len(block.comparable))
    area = block.area_by_basin(work.n_basins)
    compared_area = area * block.comparable
    for state, inputs in enumerate(block.inputs):
        fields["dissimilarity"][state] = tools.dissimilarity(inputs)
    for number, predictor in enumerate(tools.predictors):
        label_run = tools.label_run if predictor == tools.split_predictor else None
        calibration = calibration_of(tools.change_calibration, predictor, work.source_id)
        for part, states in tools.probabilities(predictor, block.inputs):
            means = [state.mean(axis=0, dtype=np.float64) for state in states]
            for window, baseline in enumerate(work.baseline):
                found, added = _regimes(states[window], means[window], area[:, part])
                if baseline != NO_BASELINE:
                    before, after, area_of = states[baseline], states[window], compared_area[:, part]
                    changes, changed_areas = _changes(before, after, means[baseline], area_of, label_run, calibration)
                    found, added = found | changes, added | changed_areas
                for name, values in found.items():
                    place = (window, part) if name in VARIANCES else (window, number, ..., part)
                    fields[name][place] = values
                for name, values in added.items():
                    sums[predictor][name][window] += values
    if tools.term_networks is not None:
        for part in cell_slices(len(block.comparable), _TERM_CELLS):
            _add_terms(fields, part, [inputs[part] for inputs in block.inputs], work)
    for name, values in fields.items():
        if name.startswith(("change", "coupled", "baseline", "term_change", MOST_CHANGED)):
            values[..., ~block.comparable] = -1 if name in LABELS else np.nan
    return fields, sums


def _add_terms(fields: dict[str, AnyArray], part: slice, inputs: Sequence[NDArray[np.float32]], work: RunWork) -> None:
    """Add the predicted terms of a part of the cells, and their changes inside each network."""
    states = [work.tools.terms(state) for state in inputs]
    for window, baseline in enumerate(work.baseline):
        mean, spread = over_networks(*states[window])
        found = {"predicted_term": mean, "predicted_term_spread": spread}
        if baseline != NO_BASELINE:
            changes = (after - before for after, before in zip(states[window], states[baseline], strict=True))
            change, deviation = over_networks(*changes)
            half = term_widths(work.tools.term_spread or {}, work.tools.settings.interval_level) * deviation
            found |= {"term_change": change, "term_change_lower": change - half, "term_change_upper": change + half}
            fields[MOST_CHANGED][window, part] = np.abs(change).argmax(axis=1)
        for name, values in found.items():
            fields[name][window, :, part] = values.T


def control_block(
    work: tuple[TrackingTools, NDArray[np.int64]], block: CellBlock
) -> dict[str, tuple[AnyArray, AnyArray]]:
    """Return, by predictor, P(change) of each pair, (n_pairs, n_cells), and the certainty of each state.

    The work is what to track with, and the pairs of states, shape (n_pairs, 2).
    """
    out, (tools, pairs) = {}, work
    for predictor in tools.predictors:
        change = np.empty((len(pairs), len(block.comparable)), np.float32)
        certainty = np.empty((len(block.inputs), len(block.comparable)), np.float32)
        for part, states in tools.probabilities(predictor, block.inputs):
            for k, state in enumerate(states):
                certainty[k, part] = state.mean(axis=0, dtype=np.float64).max(axis=1)
            for k, (first, second) in enumerate(pairs):
                change[k, part] = change_probability(states[first], states[second]).mean(axis=0, dtype=np.float64)
        out[predictor] = change, certainty
    return out


def _regimes(
    state: NDArray[np.float32], mean: Array, area: NDArray[np.float32]
) -> tuple[dict[str, AnyArray], dict[str, AnyArray]]:
    """Return the fields of one window and predictor, and its sums over cells, from its networks' probabilities."""
    best, total, expected = mean.argmax(axis=1), entropy(mean), entropy(state).mean(axis=0)
    fields = {
        "regime": best,
        "regime_probability": mean.T,
        "predictive_entropy": total,
        "expected_entropy": expected,
        "mutual_information": np.maximum(total - expected, 0.0),
    }
    argmax_area = area.astype(np.float64) @ np.eye(mean.shape[1])[best]
    return fields, {"expected_area": area @ state, "argmax_area": argmax_area}


def _changes(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    mean_before: Array,
    area: NDArray[np.float32],
    label_run: NDArray[np.integer] | None,
    calibration: ChangeCalibration | None,
) -> tuple[dict[str, AnyArray], dict[str, AnyArray]]:
    """Return the fields of the change between two windows, and its sums over cells."""
    change = change_probability(before, after)
    coupled = change.mean(axis=0, dtype=np.float64)
    stated = coupled if calibration is None else calibration(coupled)
    factor = np.divide(stated, coupled, out=np.ones_like(coupled), where=coupled > 0)
    fields = {
        "coupled_change": coupled,
        "change_probability": stated,
        "change_probability_independent": independent_change_probability(before, after).mean(axis=0, dtype=np.float64),
        "change_to_probability": factor * change_to_probability(before, after).mean(axis=0, dtype=np.float64).T,
    }
    fields |= {"baseline_regime": mean_before.argmax(axis=1), "baseline_certainty": mean_before.max(axis=1)}
    if label_run is not None:
        parts = change_parts(change, label_run, stated=None if calibration is None else stated)
        fields |= dict(zip(VARIANCES, vars(parts).values(), strict=True))
    areas = {
        "expected_area_change": area @ (after - before),
        "transition_area": transition_areas(before, after, area[-1]),
    }
    return fields, areas
