"""Recalibration of P(change) from climate models with known truth, other than the one to which it is applied."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.ocean.cells import grid_mark
from thor.tracking import RunDatasets
from thor.tracking.cells import Cells, WindowInputs, Windows
from thor.tracking.change import OTHERS, ChangeCalibration, change_probability
from thor.tracking.tools import TrackingTools
from thor.tracking.true_regimes import TrueRegimes

CELLS_OF_A_MODEL = 30_000
"""Cells drawn from all windows of a model together; more change nothing but the time."""


def recalibrate(
    features: RunDatasets, true_regimes: RunDatasets, tools: TrackingTools, *, seed: int
) -> dict[str, dict[str, ChangeCalibration]]:
    """Return the recalibration of each predictor for each climate model with known truth, and for `OTHERS`.

    That of a model is made from the other models, each of which counts alike; with fewer than two models there is none.

    Parameters
    ----------
    features : mapping of str to callable
        Reads the features of each run, `<source_id>/<experiment_id>/<variant_label>`.
    true_regimes : mapping of str to callable
        Reads the true regimes of those runs that have any, as from `thor.tracking.true_regimes.true_regime_plans`.
    tools : TrackingTools
        Its own recalibration has no influence.
    seed : int
        Of the cells drawn.
    """
    tables: dict[str, dict[str, list[AnyArray]]] = {}
    truth, runs = TrueRegimes(true_regimes), [key for key in features if key in true_regimes]
    for key in sorted(runs):
        source = key.split("/")[0]
        n_runs = sum(other.split("/")[0] == source for other in runs)
        for predictor, table in _changes(key, features, truth, tools, CELLS_OF_A_MODEL // n_runs, seed):
            tables.setdefault(predictor, {}).setdefault(source, []).append(table)
    return {predictor: _of_predictor(by_model) for predictor, by_model in tables.items() if len(by_model) > 1}


def _of_predictor(by_model: Mapping[str, list[AnyArray]]) -> dict[str, ChangeCalibration]:
    columns = {source: np.concatenate(tables, axis=1) for source, tables in by_model.items()}
    for table in columns.values():
        table[2] /= table[2].sum()
    return {
        source: ChangeCalibration.fit(
            *np.concatenate([table for name, table in columns.items() if name != source], axis=1)
        )
        for source in (*columns, OTHERS)
    }


def _changes(
    key: str, features: RunDatasets, truth: TrueRegimes, tools: TrackingTools, n_cells: int, seed: int
) -> Iterator[tuple[str, AnyArray]]:
    """Yield, by predictor, P(change), whether the regime changed, and the area of cells of a run, shape (3, n)."""
    run = features[key]()
    parent_key = str(run.attrs.get("parent"))
    if parent_key not in features or not any(map(str, run["baseline_window"].values)):
        return
    parent = features[parent_key]()
    if grid_mark(parent) != grid_mark(run):
        return
    cells, windows = Cells.of(run), Windows.of(run, parent)
    rng = np.random.default_rng(seed)
    for window in windows.compared:
        at = windows.baseline_place(window)
        labels = str(run["window"].values[window]), str(parent["window"].values[at])
        regimes = [
            truth.regime(name, label, run["valid"]) for name, label in zip((key, parent_key), labels, strict=True)
        ]
        states = [WindowInputs.of(*state, cells, tools.scaler) for state in ((parent, at), (run, window))]
        if regimes[0] is None or regimes[1] is None:
            continue
        now, then = (np.asarray(regime).ravel()[cells.index] for regime in regimes)
        used = np.flatnonzero(states[0].known & states[1].known & (now >= 0) & (then >= 0))
        drawn: NDArray[np.int64] = np.sort(rng.permutation(used)[: max(1, n_cells // len(windows.compared))])
        for predictor in tools.predictors:
            change = np.empty(len(drawn))
            for part, pair in tools.probabilities(predictor, [state.scaled(drawn) for state in states]):
                change[part] = change_probability(*pair).mean(axis=0, dtype=np.float64)
            yield predictor, np.stack([change, now[drawn] != then[drawn], cells.area[drawn]])
