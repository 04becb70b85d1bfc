"""The networks on one block of cells: each is applied once to every window, and all that is told comes from that.

Only here are there probabilities of every network; what leaves a block are means over networks by cell and sums over
cells by network.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.threads import in_threads
from thor.networks.prediction import probability_blocks
from thor.networks.stack import NetworkStack
from thor.tracking.cells import NO_BASELINE, Cells
from thor.tracking.change import (
    change_parts,
    change_probability,
    change_to_probability,
    independent_change_probability,
    transition_areas,
)
from thor.uncertainty.applicability import Applicability
from thor.uncertainty.predictive import entropy

LABELS = ("regime", "baseline_regime")
"""Fields of regime numbers, -1 where there is none; all others are NaN there."""

VARIANCES = ("change_label_variance", "change_network_variance", "change_residual_variance")

_BY_REGIME = ("regime_probability", "change_to_probability")
_BY_PREDICTOR = (
    "predictive_entropy",
    "expected_entropy",
    "mutual_information",
    "change_probability",
    "change_probability_independent",
    "baseline_certainty",
)


def on_threads(
    function: Callable[[Any, Any], Any], shared: Any, parts: Sequence[Any], *, description: str
) -> Iterator[Any]:
    """Yield what a function gives for each part on the cores of this machine: the plainest `thor.core.compute.Map`."""
    return in_threads(partial(function, shared), parts)


@dataclass(frozen=True, eq=False)
class Networks:
    """What every block needs.

    Attributes
    ----------
    stacks : mapping of str to NetworkStack
        By predictor.
    temperatures : mapping of str to float
    """

    stacks: Mapping[str, NetworkStack]
    temperatures: Mapping[str, float]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the regimes."""
        return next(iter(self.stacks.values())).classes

    def probabilities(
        self, name: str, inputs: Sequence[NDArray[np.float32]]
    ) -> Iterator[tuple[slice, list[NDArray[np.float32]]]]:
        """Yield one predictor's probabilities of the same few cells in all states."""
        blocks = [probability_blocks(self.stacks[name], state, temperature=self.temperatures[name]) for state in inputs]
        for states in zip(*blocks, strict=True):
            yield states[0][0], [probability for _, probability in states]


@dataclass(frozen=True, eq=False)
class TrackWork(Networks):
    """What every block of a run needs.

    Attributes
    ----------
    applicability : Applicability
    baseline : tuple of int
        For each window the number of its baseline's state, or -1; the run's windows are the first states.
    n_states : int
    label_run : ndarray of int, shape (n_networks,), or None
        Of the ensemble.
    """

    applicability: Applicability
    baseline: tuple[int, ...]
    n_states: int
    label_run: NDArray[np.integer] | None

    def empty_fields(self, n_cells: int) -> dict[str, AnyArray]:
        """Return every field, missing everywhere: axes window (or state), predictor, regime, cell, or some of them."""
        both = (len(self.baseline), len(self.stacks))
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys((*LABELS, *_BY_PREDICTOR), both)
        shapes |= dict.fromkeys(_BY_REGIME, (*both, len(self.classes)))
        shapes["dissimilarity"] = (self.n_states,)
        if self.label_run is not None:
            shapes |= dict.fromkeys(VARIANCES, (len(self.baseline),))
        return {
            name: np.full((*shape, n_cells), -1, np.int8)
            if name in LABELS
            else np.full((*shape, n_cells), np.nan, np.float32)
            for name, shape in shapes.items()
        }

    def empty_sums(self, n_basins: int) -> dict[str, dict[str, NDArray[np.float64]]]:
        """Return the sums [m2] of every predictor, 0: axes window, network, basin, regime, or some of them."""
        n_windows, n_regimes = len(self.baseline), len(self.classes)
        return {
            name: {
                "area": np.zeros((n_windows, stack.n_networks, n_basins, n_regimes)),
                "area_change": np.zeros((n_windows, stack.n_networks, n_basins, n_regimes)),
                "transition": np.zeros((n_windows, stack.n_networks, n_regimes, n_regimes)),
                "argmax_area": np.zeros((n_windows, n_basins, n_regimes)),
            }
            for name, stack in self.stacks.items()
        }


@dataclass(frozen=True, eq=False)
class ControlWork(Networks):
    """What every block of a control run needs: also pairs of states, shape (n_pairs, 2)."""

    pairs: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Block:
    """Scaled inputs of each state, area [m2] and basin of each cell, and where there is a baseline."""

    inputs: list[NDArray[np.float32]]
    area: NDArray[np.float64]
    basin: NDArray[np.int64]
    n_basins: int
    comparable: NDArray[np.bool_]

    def membership(self) -> NDArray[np.float32]:
        """Return the area of each cell in each basin and, last, in all of them, shape (n_basins + 1, n_cells), [m2]."""
        inside = self.basin == np.arange(self.n_basins)[:, None]
        return (np.vstack([inside, np.ones(self.basin.shape, bool)]) * self.area).astype(np.float32)


def slices(n_cells: int, block_cells: int) -> list[slice]:
    """Return the cells of each block."""
    return [slice(start, min(start + block_cells, n_cells)) for start in range(0, n_cells, block_cells)]


def blocks(
    inputs: Sequence[NDArray[np.float32]], cells: Cells, comparable: NDArray[np.bool_], block_cells: int
) -> list[Block]:
    """Return the blocks, which are views of the inputs."""
    return [
        Block(
            [state[part] for state in inputs], cells.area[part], cells.basin[part], len(cells.basins), comparable[part]
        )
        for part in slices(len(comparable), block_cells)
    ]


def track_block(work: TrackWork, block: Block) -> tuple[dict[str, AnyArray], dict[str, dict[str, NDArray[np.float64]]]]:
    """Return the fields of a block, the last axis being its cells, and by predictor the sums over its cells."""
    fields, sums = work.empty_fields(len(block.comparable)), work.empty_sums(block.n_basins + 1)
    membership = block.membership()
    compared = membership * block.comparable
    for state, inputs in enumerate(block.inputs):
        fields["dissimilarity"][state] = work.applicability.dissimilarity(inputs)
    for number, name in enumerate(work.stacks):
        for part, states in work.probabilities(name, block.inputs):
            means = [state.mean(axis=0, dtype=np.float64) for state in states]
            at = number, part
            _add_windows(work, fields, sums[name], at, membership[:, part], states, means)
            _add_changes(work, fields, sums[name], at, compared[:, part], states, means)
    for name, values in fields.items():
        if name.startswith(("change", "baseline")):
            values[..., ~block.comparable] = -1 if name in LABELS else np.nan
    return fields, sums


def control_block(work: ControlWork, block: Block) -> dict[str, tuple[AnyArray, AnyArray]]:
    """Return, by predictor, P(change) of each pair, (n_pairs, n_cells), and the certainty of each state."""
    out = {}
    for name in work.stacks:
        change = np.empty((len(work.pairs), len(block.comparable)), np.float32)
        certainty = np.empty((len(block.inputs), len(block.comparable)), np.float32)
        for part, states in work.probabilities(name, block.inputs):
            for k, state in enumerate(states):
                certainty[k, part] = state.mean(axis=0, dtype=np.float64).max(axis=1)
            for k, (first, second) in enumerate(work.pairs):
                change[k, part] = change_probability(states[first], states[second]).mean(axis=0, dtype=np.float64)
        out[name] = change, certainty
    return out


def _add_windows(
    work: TrackWork,
    fields: dict[str, AnyArray],
    sums: dict[str, NDArray[np.float64]],
    at: tuple[int, slice],
    area: NDArray[np.float32],
    states: list[NDArray[np.float32]],
    means: list[NDArray[np.float64]],
) -> None:
    number, part = at
    for window in range(len(work.baseline)):
        to, best = (window, number, ..., part), means[window].argmax(axis=1)
        total, expected = entropy(means[window]), entropy(states[window]).mean(axis=0)
        fields["regime"][to] = best
        fields["regime_probability"][to] = means[window].T
        fields["predictive_entropy"][to] = total
        fields["expected_entropy"][to] = expected
        fields["mutual_information"][to] = np.maximum(total - expected, 0.0)
        sums["area"][window] += area @ states[window]
        sums["argmax_area"][window] += area.astype(np.float64) @ np.eye(len(work.classes))[best]


def _add_changes(
    work: TrackWork,
    fields: dict[str, AnyArray],
    sums: dict[str, NDArray[np.float64]],
    at: tuple[int, slice],
    area: NDArray[np.float32],
    states: list[NDArray[np.float32]],
    means: list[NDArray[np.float64]],
) -> None:
    number, part = at
    for window, baseline in enumerate(work.baseline):
        if baseline == NO_BASELINE:
            continue
        to, before, after = (window, number, ..., part), states[baseline], states[window]
        change = change_probability(before, after)
        independent = independent_change_probability(before, after)
        fields["change_probability"][to] = change.mean(axis=0, dtype=np.float64)
        fields["change_probability_independent"][to] = independent.mean(axis=0, dtype=np.float64)
        fields["change_to_probability"][to] = change_to_probability(before, after).mean(axis=0, dtype=np.float64).T
        fields["baseline_regime"][to] = means[baseline].argmax(axis=1)
        fields["baseline_certainty"][to] = means[baseline].max(axis=1)
        sums["area_change"][window] += area @ (after - before)
        sums["transition"][window] += transition_areas(before, after, area[-1])
        if work.label_run is not None and list(work.stacks)[number] == "ensemble":
            variance = change_parts(change, work.label_run)
            for name, values in zip(VARIANCES, (variance.label, variance.network, variance.residual), strict=True):
                fields[name][window, part] = values
