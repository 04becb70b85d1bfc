"""The regimes of one run of a climate model through its windows, and how likely they changed from its baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.compute import Map
from thor.core.errors import DataError, NetworkError
from thor.core.variables import variable
from thor.networks.samples import FeatureScaler
from thor.networks.stack import NetworkStack
from thor.tracking.blocks import (
    ControlWork,
    TrackWork,
    blocks,
    control_block,
    on_threads,
    slices,
    track_block,
)
from thor.tracking.cells import NO_BASELINE, Cells, ControlPairs, Windows, run_key, window_inputs
from thor.tracking.fields import area_fields, described, on_grid
from thor.tracking.forced import NaturalVariability, Null, control_shares, emergence, forced_changes, published_mask
from thor.tracking.settings import TrackingSettings
from thor.uncertainty.applicability import Applicability


def track_run(
    run: xr.Dataset,
    parent: xr.Dataset | None,
    natural: Mapping[str, NaturalVariability] | None,
    stacks: Mapping[str, NetworkStack],
    *,
    scaler: FeatureScaler,
    applicability: Applicability,
    temperatures: Mapping[str, float],
    settings: TrackingSettings,
    label_run: NDArray[np.integer] | None = None,
    mapper: Map = on_threads,
) -> xr.Dataset:
    """Return the regimes of every window of a run, their change from the baseline, and areas with intervals.

    Parameters
    ----------
    run : xarray.Dataset
        Features of the run by `window`, with `valid`, `basin`, `areacello` [m2] and `baseline_window`.
    parent : xarray.Dataset or None
        The same of the run that holds the baseline windows; None: nothing is compared.
    natural : mapping of str to NaturalVariability, or None
        By predictor, as from `natural_variability` of the model's control run; None: no change is judged.
    stacks : mapping of str to NetworkStack
        By predictor, such as `ensemble` and `bayesian`.
    scaler : FeatureScaler
        With which all of them were trained.
    applicability : Applicability
    temperatures : mapping of str to float
        By which each predictor's logits are divided.
    settings : TrackingSettings
    label_run : ndarray of int, shape (n_networks,), optional
        Clustering run from which each network of the ensemble learned, where they learned votes.
    mapper : Map
        What applies the networks to the blocks of cells; the result does not depend on it.

    Returns
    -------
    xarray.Dataset
        Grid dims are those of the run. By window, predictor and cell: `regime`, `regime_probability` (also by
        regime), `predictive_entropy`, `expected_entropy`, `mutual_information` [bit]; against the baseline, NaN or -1
        where there is none, `change_probability`, `change_probability_independent`, `change_to_probability` (also by
        regime), `baseline_regime`, `change_p_value`, `forced_change` (1 forced, 0 not, -1 not judged). By predictor
        and cell `forced_emergence` (year) and `natural_variability_mask`; by window and cell `applicable` and
        `dissimilarity_index`. By window, predictor, basin and regime [m2] `expected_area`, `argmax_area`,
        `expected_area_change`, and `transition_area` (window, predictor, regime_before, regime), with `_lower` and
        `_upper` ends over networks; `expected_false_area` (window, predictor). The attribute `regimes` names the
        regimes. A control run also tells which share of its area is called falsely.

    Raises
    ------
    DataError
        When a baseline window or the cell areas are missing, or no cell is valid.
    NetworkError
        When networks, scaler, temperatures and features do not belong together.
    GridError
        When run and parent are on different grids.

    Notes
    -----
    Every network is applied once to every window and baseline window. Changes are taken inside each network
    (`thor.tracking.change`), changes of areas too, and intervals are over networks. P(change) concerns the two window
    means of this run; a forced change also exceeds natural variability (`thor.tracking.forced`). Cells outside the
    area of applicability in one of the two windows are not judged.
    """
    require_networks(stacks, scaler, applicability, temperatures, label_run)
    cells, windows = Cells.of(run), Windows.of(run, parent)
    n_windows = run.sizes["window"]
    states = [(run, window) for window in range(n_windows)]
    if parent is not None:
        states += [(parent, window) for window in windows.baselines]
    inputs, known = zip(*(window_inputs(*state, cells, scaler) for state in states), strict=True)
    comparable = np.logical_and.reduce(known)
    work = TrackWork(stacks, temperatures, applicability, windows.state, len(inputs), label_run)
    fields, sums = work.empty_fields(len(cells.index)), work.empty_sums(len(cells.basins) + 1)
    parts = blocks(inputs, cells, comparable, settings.block_cells)
    results = mapper(track_block, work, parts, description=f"track {run_key(run)}")
    for part, (found, added) in zip(slices(len(cells.index), settings.block_cells), results, strict=True):
        for name, values in found.items():
            fields[name][..., part] = values
        for predictor, own in added.items():
            for name, values in own.items():
                sums[predictor][name] += values
    dissimilarity, certainty = fields.pop("dissimilarity"), fields.pop("baseline_certainty")
    inside = dissimilarity <= applicability.threshold
    fields["dissimilarity_index"] = dissimilarity[:n_windows]
    fields["applicable"] = inside[:n_windows].astype(np.int8)
    nulls = _nulls(natural, windows, list(stacks), settings)
    fields |= _judged(fields["change_probability"], certainty, nulls, windows, cells, comparable & inside, settings)
    fields["forced_emergence"] = _emergence(fields["forced_change"], run, windows)
    fields["natural_variability_mask"] = np.stack(
        [published_mask(fields["regime"][:, number]) for number in range(len(stacks))]
    )
    called = (fields["forced_change"] == 1) @ cells.area
    judged = (fields["forced_change"] >= 0).any(axis=-1)
    false_area = np.where(judged, settings.false_discovery_rate * called, np.nan)
    out = xr.Dataset(
        {name: on_grid(name, values, cells, work.classes) for name, values in fields.items()}
        | area_fields(sums, settings.interval_level)
        | {"expected_false_area": (("window", "predictor"), false_area, variable("expected_false_area").attrs)}
    )
    return described(out, run, cells, work, settings).assign(
        _separations(nulls, windows) | _control_shares(run, natural, list(stacks), settings)
    )


def natural_variability(
    control: xr.Dataset,
    stacks: Mapping[str, NetworkStack],
    *,
    scaler: FeatureScaler,
    temperatures: Mapping[str, float],
    settings: TrackingSettings,
    variants: Sequence[xr.Dataset] = (),
    mapper: Map = on_threads,
) -> dict[str, NaturalVariability]:
    """Return P(change) between all pairs of windows of a model's control run, by predictor.

    Parameters
    ----------
    control : xarray.Dataset
        Features of the control run by `window`, with `valid`, `basin` and `areacello` [m2].
    stacks, scaler, temperatures, settings, mapper
        As for `track_run`.
    variants : sequence of xarray.Dataset, optional
        Runs of one experiment that differ in their initial state only: pairs of them at one window join those of the
        control run at every separation.

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
    In memory are the inputs of all windows and P(change) of all pairs [4 bytes for each cell and predictor]; at the
    default limits and a quarter of a degree, a million cells, about 4 GB. `max_control_windows` and `max_variants`
    bound it, however long the archive.
    """
    require_networks(stacks, scaler, None, temperatures, None)
    latest = np.sort(np.argsort(control["window_start"].values, kind="stable")[-settings.max_control_windows :])
    control, variants = control.isel(window=latest), variants[: settings.max_variants]
    cells, pairs = Cells.of(control), ControlPairs.of(control, variants)
    states = [(run, window) for run in (control, *variants) for window in range(run.sizes["window"])]
    inputs, known = zip(*(window_inputs(*state, cells, scaler) for state in states), strict=True)
    everywhere = np.logical_and.reduce(known)
    if not everywhere.any():
        raise DataError(f"No cell is valid in {run_key(control)} and all its variants: are they of one model?")
    cells = cells.take(everywhere)
    parts = blocks([state[everywhere] for state in inputs], cells, known[0][everywhere], settings.block_cells)
    work = ControlWork(stacks, temperatures, pairs.states)
    results = list(mapper(control_block, work, parts, description=f"natural variability of {run_key(control)}"))
    return {
        name: NaturalVariability(
            change=np.concatenate([result[name][0] for result in results], axis=1),
            certainty=np.concatenate([result[name][1] for result in results], axis=1),
            pairs=pairs,
            area=cells.area,
        )
        for name in stacks
    }


# -- judgement ---------------------------------------------------------------------------------------------------------
def _nulls(
    natural: Mapping[str, NaturalVariability] | None,
    windows: Windows,
    predictors: Sequence[str],
    settings: TrackingSettings,
) -> dict[tuple[str, int], Null]:
    """Return the null distribution of each predictor and separation that is needed."""
    if natural is None:
        return {}
    separations = {windows.separation[window] for window in windows.compared}
    return {(name, apart): natural[name].null(apart, settings) for name in predictors for apart in sorted(separations)}


def _judged(
    change: AnyArray,
    certainty: AnyArray,
    nulls: Mapping[tuple[str, int], Null],
    windows: Windows,
    cells: Cells,
    inside: NDArray[np.bool_],
    settings: TrackingSettings,
) -> dict[str, AnyArray]:
    """Return p-values and forced changes of every window and predictor, `inside` being those of every state."""
    fields: dict[str, AnyArray] = {
        "change_p_value": np.full(change.shape, np.nan, np.float32),
        "forced_change": np.full(change.shape, -1, np.int8),
    }
    if not nulls:
        return fields
    for number, name in enumerate(dict.fromkeys(name for name, _ in nulls)):
        for window in windows.compared:
            at, null = (window, number), nulls[name, windows.separation[window]]
            known = np.isfinite(change[at])
            p_value = np.full(change.shape[-1], np.nan)
            p_value[known] = null.p_value(change[at][known], certainty[at][known], cells.area[known])
            judged = known & inside[window] & inside[windows.state[window]]
            fields["change_p_value"][at] = p_value
            fields["forced_change"][at] = forced_changes(p_value, cells.area, settings, judged=judged)
    return fields


def _emergence(forced: NDArray[np.int8], run: xr.Dataset, windows: Windows) -> AnyArray:
    years = run["window_start"].values[windows.compared]
    if not len(years):
        return np.full(forced.shape[1:], np.nan, np.float32)
    return emergence(forced[windows.compared], years).astype(np.float32)


def _separations(nulls: Mapping[tuple[str, int], Null], windows: Windows) -> dict[str, Any]:
    """Return how far each window is from its baseline, and how far apart the control windows of its null were."""
    of_any = {apart: null for (_, apart), null in nulls.items()}
    used = [of_any[apart].separation if apart in of_any else NO_BASELINE for apart in windows.separation]
    pairs = [of_any[apart].n_pairs if apart in of_any else 0 for apart in windows.separation]
    values = {"separation": windows.separation, "null_separation": used, "null_pairs": pairs}
    return {name: ("window", np.asarray(numbers), variable(name).attrs) for name, numbers in values.items()}


def _control_shares(
    run: xr.Dataset,
    natural: Mapping[str, NaturalVariability] | None,
    predictors: Sequence[str],
    settings: TrackingSettings,
) -> dict[str, Any]:
    if natural is None or "control" not in str(run.attrs.get("experiment_id")).lower():
        return {}
    shares = [control_shares(natural[name], settings) for name in predictors]
    names = {kind: f"control_{kind}_share" for kind in ("forced", "emergence")}
    return {
        name: ("predictor", [share[kind] for share in shares], variable(name).attrs) for kind, name in names.items()
    }


# -- checks ---------------------------------------------------------------------------------------------------------
def require_networks(
    stacks: Mapping[str, NetworkStack],
    scaler: FeatureScaler,
    applicability: Applicability | None,
    temperatures: Mapping[str, float],
    label_run: NDArray[np.integer] | None,
) -> None:
    """Raise NetworkError unless networks, scaler, applicability, temperatures and label runs belong together."""
    if not stacks:
        raise NetworkError("There are no networks to track regimes with.")
    first = next(iter(stacks.values()))
    for name, stack in stacks.items():
        try:
            scaler.require(stack.features)
        except NetworkError as error:
            raise NetworkError(f"Networks of '{name}': {error}") from error
        if stack.classes != first.classes:
            raise NetworkError(
                f"All predictors must know the same regimes; '{name}' knows {', '.join(stack.classes)}, others "
                f"{', '.join(first.classes)}. Train them on the same regimes."
            )
    if missing := sorted(set(stacks) - set(temperatures)):
        raise NetworkError(
            f"The calibration model has no temperature of {', '.join(missing)}; it has {', '.join(temperatures)}. "
            "Run the pipeline uncertainty again."
        )
    if applicability is not None and applicability.features != scaler.features:
        raise NetworkError(
            f"The area of applicability is of the features {', '.join(applicability.features)}, the scaler of "
            f"{', '.join(scaler.features)}. Run the pipelines modelling and uncertainty again."
        )
    if label_run is not None and ("ensemble" not in stacks or len(label_run) != stacks["ensemble"].n_networks):
        raise NetworkError(f"Expected one label run for each network of 'ensemble'; got {len(label_run)}.")
