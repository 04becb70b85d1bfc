"""Tracking with further input sets: each run with the features of a set is also tracked with the predictors of it."""

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import xarray as xr

from thor.core.compute import Compute
from thor.networks.baselines import predictors_of
from thor.networks.input_sets import InputSet
from thor.networks.predictor import in_set
from thor.tracking import RunDatasets
from thor.tracking.change import Calibrations
from thor.tracking.runs import TrackedRuns, control_of
from thor.tracking.settings import TrackingSettings
from thor.tracking.tools import TrackingTools
from thor.uncertainty.set_calibration import SetCalibration


def runs_of_set(features: RunDatasets, of_set: InputSet) -> RunDatasets:
    """Return the runs that can be tracked with an input set, `valid` where its features are finite, too.

    Parameters
    ----------
    features : mapping of str to callable
        Reads the features of each run, `<source_id>/<experiment_id>/<variant_label>`.
    of_set : InputSet

    Returns
    -------
    dict of str to callable
        The runs with the features of the set, if the run of their baseline windows and their control run are among
        them: changes are compared with these.
    """
    attrs, needed = {}, {}
    chosen = set()
    for key, load in features.items():
        run = load()
        attrs[key] = dict(run.attrs)
        needed[key] = {str(run.attrs.get("parent"))} if (run["baseline_window"] != "").any() else set()
        if of_set.has_inputs(run):
            chosen.add(key)
    for key, others in needed.items():
        others.update(filter(None, [control_of(key, attrs)]))
    while without := {key for key in chosen if not needed[key] <= chosen}:
        chosen -= without
    return {key: partial(_valid, of_set, load) for key, load in features.items() if key in chosen}


def set_tools(
    of_set: InputSet,
    calibration: SetCalibration,
    *,
    predictors: Sequence[str],
    settings: TrackingSettings,
    change_calibration: Calibrations,
) -> TrackingTools | None:
    """Return what runs are tracked with in an input set; None if the set has none of the predictors.

    Parameters
    ----------
    of_set : InputSet
    calibration : SetCalibration
        Of this set.
    predictors : sequence of str
        As for the surface; an input set has no Bayesian networks.
    settings : TrackingSettings
    change_calibration : mapping of str to mapping of str to ChangeCalibration
        By the names of `thor.networks.predictor.in_set`; may be empty.
    """
    final = of_set.final
    known = predictors_of(final.stack, final.baselines)
    names = {name: in_set(name, of_set.name) for name in predictors if name in known}
    if not names:
        return None
    return TrackingTools(
        predictors={name: known[kind] for kind, name in names.items()},
        scaler=final.scaler,
        applicability=calibration.applicability,
        temperatures={name: calibration.temperature[kind].applied for kind, name in names.items()},
        expected_accuracy={name: calibration.expected_accuracy[kind] for kind, name in names.items()},
        settings=settings,
        change_calibration=change_calibration,
    )


class RichestRuns(ChainMap[str, tuple[str, Any]]):
    """The runs of an archive that have a further input set, each tracked with the richest one it has.

    Within ``with`` all functions of one set share one pool of workers, as in `TrackedRuns`.

    Parameters
    ----------
    features : mapping of str to callable
        As for `runs_of_set`.
    sets : mapping of str to (InputSet, TrackingTools)
        By name; of two sets that a run has the later one counts.
    compute, use_variants
        As for `TrackedRuns`.
    """

    def __init__(
        self,
        features: RunDatasets,
        sets: Mapping[str, tuple[InputSet, TrackingTools]],
        compute: Compute,
        *,
        use_variants: bool,
    ) -> None:
        self._parts = [
            TrackedRuns(runs_of_set(features, of_set), tools, compute, use_variants=use_variants)
            for of_set, tools in sets.values()
        ]
        super().__init__(*map(dict, reversed(self._parts)))
        self._workers = ExitStack()

    def __iter__(self) -> Iterator[str]:
        """Iterate over keys; runs of one climate model follow one another."""
        return iter(sorted(super().__iter__()))

    def __enter__(self) -> "RichestRuns":
        """Share workers until the context ends."""
        for part in self._parts:
            self._workers.enter_context(part)
        return self

    def __exit__(self, *error: Any) -> None:
        """End the workers, if there were any."""
        self._workers.__exit__(*error)


def _valid(of_set: InputSet, load: Any) -> xr.Dataset:
    return of_set.valid(load())
