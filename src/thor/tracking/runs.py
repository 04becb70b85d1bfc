"""All runs of an archive with the same networks: the baseline and control run of each, and its regimes on demand."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import xarray as xr

from thor.core.compute import Compute, Map, mapper
from thor.core.errors import listed
from thor.core.fingerprint import fingerprint
from thor.ocean.cells import grid_mark
from thor.reading.runs import is_at_level, is_control
from thor.tracking import RunDatasets
from thor.tracking.cells import NOT_COMPARED, NOT_JUDGED, NoControlPairsError, PlannedResult
from thor.tracking.members import of_one_forcing
from thor.tracking.natural import NaturalVariability
from thor.tracking.tools import TrackingTools
from thor.tracking.track import natural_variability, track_run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunComparison:
    """The runs with which a run is compared, by key of the collection.

    Attributes
    ----------
    key : str
    parent : str or None
        The run of its baseline windows.
    control : str or None
        The run whose windows show internal variability.
    variants : tuple of str
        Runs that differ from those of their experiment by internal variability only.
    not_compared : str
        Why a run with baseline windows has no parent; empty for all others.
    """

    key: str
    parent: str | None
    control: str | None
    variants: tuple[str, ...]
    not_compared: str = ""

    @property
    def needed(self) -> tuple[str, ...]:
        """All runs whose features this run's regimes depend on, itself first."""
        return tuple(dict.fromkeys(name for name in (self.key, self.parent, self.control, *self.variants) if name))


def compare_runs(features: RunDatasets, *, use_variants: bool) -> tuple[dict[str, RunComparison], dict[str, str]]:
    """Return the runs with which each run is compared, and the fingerprint of each run's features, both by key.

    A run whose parent is not among the runs or lies on another grid has no baseline, and variants on another grid than
    the control run, or of another physics or forcing than most of their experiment, add nothing to internal
    variability; a warning reports each.

    Parameters
    ----------
    features : mapping of str to callable
        Reads the features of each run, `<source_id>/<experiment_id>/<variant_label>`.
    use_variants : bool
        Whether variants of one experiment, where there are several, add to internal variability.
    """
    attrs, marks, has_baseline, grids = {}, {}, {}, {}
    for key, load in features.items():
        run = load()
        attrs[key], marks[key], grids[key] = dict(run.attrs), fingerprint(run), grid_mark(run)
        has_baseline[key] = bool((run["baseline_window"] != "").any())
    controls = {key: control_of(key, attrs) for key in features}
    used = {control for control in controls.values() if control and use_variants}
    members = sorted(of_one_forcing(features))
    variants = {control: _variants_of(control, members, attrs, grids) for control in sorted(used)}
    comparisons = {}
    for key, control in controls.items():
        parent = str(attrs[key].get("parent", "")) if has_baseline[key] else ""
        fault, remedy = "", ""
        if parent and parent not in features:
            fault, remedy = "is not among the runs", "with that run in the archive"
        elif parent and grids[parent] != grids[key]:
            fault, remedy = "lies on another grid", "with both runs on one grid (grid_labels in conf/local/globals.yml)"
        if fault:
            log.warning(
                "%s: its baseline windows are those of %s, which %s, so no change is stated. Run data_engineering "
                "again %s.",
                *(key, parent, fault, remedy),
            )
        reason = f"{parent}, whose windows it is compared with, {fault}" if fault else ""
        compared = None if fault else parent or None
        comparisons[key] = RunComparison(key, compared, control, variants.get(control or "", ()), reason)
    return comparisons, marks


class TrackedRuns(Mapping[str, PlannedResult]):
    """The runs of an archive, each with the fingerprint of all its regimes depend on and a function that finds them.

    Within ``with`` all functions share one pool of workers, which starts with the first call; without it each call
    starts a pool.

    Parameters
    ----------
    features : mapping of str to callable
        As for `compare_runs`.
    tools : TrackingTools
    compute : Compute
        Where the networks are applied; neither results nor fingerprints depend on it.
    use_variants : bool
        As for `compare_runs`.
    """

    def __init__(self, features: RunDatasets, tools: TrackingTools, compute: Compute, *, use_variants: bool) -> None:
        self._features, self._tools, self._compute = features, tools, compute
        self._runs, marks = compare_runs(features, use_variants=use_variants)
        mark = fingerprint(tools)
        self._marks = {
            key: fingerprint(mark, run, [marks[name] for name in run.needed]) for key, run in self._runs.items()
        }
        self._natural: tuple[tuple[str, ...], dict[str, NaturalVariability] | None] | None = None
        self._stack: ExitStack | None = None
        self._mapper: Map | None = None

    def __getitem__(self, key: str) -> PlannedResult:
        """Return the fingerprint of a run and the function that finds its regimes."""
        return self._marks[key], partial(self._track, self._runs[key])

    def __iter__(self) -> Iterator[str]:
        """Iterate over keys; runs of one climate model follow one another."""
        return iter(sorted(self._runs))

    def __len__(self) -> int:
        return len(self._runs)

    def __enter__(self) -> "TrackedRuns":
        """Share one pool of workers until the context ends."""
        self._stack = ExitStack()
        return self

    def __exit__(self, *error: Any) -> None:
        """End the workers, if there were any."""
        stack, self._stack, self._mapper = self._stack, None, None
        if stack is not None:
            stack.__exit__(*error)

    def _track(self, of: RunComparison) -> xr.Dataset:
        run = self._features[of.key]()
        attrs = {}
        if of.not_compared:
            attrs[NOT_COMPARED] = of.not_compared
            run = run.assign_coords(baseline_window=xr.full_like(run["baseline_window"], ""))
        with self._workers() as mapped:
            parent = self._features[of.parent]() if of.parent else None
            natural = self._natural_variability(of, mapped)
            if natural is None and of.parent is not None:
                attrs[NOT_JUDGED] = (
                    f"{of.control} has no two windows without common months"
                    if of.control
                    else f"there is no control run of {run.attrs['source_id']}"
                )
            return track_run(run, parent, natural, self._tools, mapper=mapped).assign_attrs(attrs)

    def _natural_variability(self, of: RunComparison, mapped: Map) -> dict[str, NaturalVariability] | None:
        """Return that of the run's climate model; None where its control run is missing or too short.

        The last one is kept, since the next run is usually of the same model.
        """
        if of.control is None:
            return None
        keys = (of.control, *of.variants)
        if self._natural is None or self._natural[0] != keys:
            control, *variants = (self._features[key]() for key in keys)
            found: dict[str, NaturalVariability] | None = None
            try:
                found = natural_variability(control, self._tools, variants=variants, mapper=mapped)
            except NoControlPairsError as error:
                log.warning("%s Until then no change of this model is tested against internal variability.", error)
            self._natural = keys, found
        return self._natural[1]

    @contextmanager
    def _workers(self) -> Iterator[Map]:
        if self._stack is None:
            with mapper(self._compute) as mapped:
                yield mapped
            return
        if self._mapper is None:
            self._mapper = self._stack.enter_context(mapper(self._compute))
        yield self._mapper


def control_of(key: str, attrs: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the control run from which a run descends, itself if it is one; else any of its climate model."""
    here, seen = key, set[str]()
    while here in attrs and here not in seen:
        if is_control(attrs[here]["experiment_id"]):
            return here
        seen.add(here)
        here = str(attrs[here].get("parent", ""))
    model = attrs[key]["source_id"]
    others = (k for k in sorted(attrs) if attrs[k]["source_id"] == model and is_control(attrs[k]["experiment_id"]))
    return next(others, None)


def _variants_of(
    control: str, members: Iterable[str], attrs: Mapping[str, Mapping[str, Any]], grids: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the members that descend from a control run, of experiments with at least two of them on its grid."""
    found: dict[str, list[str]] = {}
    for key in members:
        experiment_id = str(attrs[key]["experiment_id"])
        # the window at a level of warming has months in common with those of the experiment
        if key == control or is_at_level(experiment_id) or not attrs[key].get("parent"):
            continue
        if control_of(key, attrs) == control:
            found.setdefault(experiment_id, []).append(key)
    several = [keys for keys in found.values() if len(keys) > 1]
    if elsewhere := [key for keys in several for key in keys if grids[key] != grids[control]]:
        log.warning(
            "%s: variants on another grid add nothing to internal variability: %s. Run data_engineering again with all "
            "runs of the model on one grid (grid_labels in conf/local/globals.yml).",
            *(control, listed(elsewhere)),
        )
    alike = [[key for key in keys if key not in elsewhere] for keys in several]
    return tuple(key for keys in alike if len(keys) > 1 for key in keys)
