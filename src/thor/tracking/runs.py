"""All runs of an archive with the same networks: what each is compared with, and its work when it is asked for."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.compute import Compute, Map, mapper
from thor.core.fingerprint import fingerprint
from thor.networks.samples import FeatureScaler
from thor.networks.stack import NetworkStack
from thor.tracking.cells import NOT_COMPARED, NOT_JUDGED, NoControlPairsError
from thor.tracking.forced import NaturalVariability
from thor.tracking.settings import TrackingSettings
from thor.tracking.track import natural_variability, require_networks, track_run
from thor.uncertainty.applicability import Applicability

log = logging.getLogger(__name__)

Collection = Mapping[str, Callable[[], xr.Dataset]]


@dataclass(frozen=True, eq=False)
class TrackingTools:
    """What all runs are tracked with.

    Attributes
    ----------
    stacks : mapping of str to NetworkStack
        By predictor, such as `ensemble` and `bayesian`.
    scaler : FeatureScaler
    applicability : Applicability
    temperatures : mapping of str to float
        Of these predictors at least.
    settings : TrackingSettings
    label_run : ndarray of int, shape (n_networks,), optional
        Clustering run from which each network of the ensemble learned, where they learned votes.

    Raises
    ------
    NetworkError
        When networks, scaler, temperatures and area of applicability do not belong together.
    """

    stacks: Mapping[str, NetworkStack]
    scaler: FeatureScaler
    applicability: Applicability
    temperatures: Mapping[str, float]
    settings: TrackingSettings
    label_run: NDArray[np.integer] | None = None

    def __post_init__(self) -> None:
        require_networks(self.stacks, self.scaler, self.applicability, self.temperatures, self.label_run)
        # Those of predictors that are not applied here have no influence, and none on fingerprints.
        object.__setattr__(self, "temperatures", {name: self.temperatures[name] for name in self.stacks})


@dataclass(frozen=True)
class RunPlan:
    """What a run is compared with, by key of the collection.

    Attributes
    ----------
    key : str
    parent : str or None
        The run of its baseline windows.
    control : str or None
        The run whose windows show natural variability.
    variants : tuple of str
        Runs that differ from one another by natural variability too.
    """

    key: str
    parent: str | None
    control: str | None
    variants: tuple[str, ...]

    @property
    def needed(self) -> tuple[str, ...]:
        """All runs whose features go into this one's regimes, its own first."""
        return tuple(dict.fromkeys(name for name in (self.key, self.parent, self.control, *self.variants) if name))


def plan_runs(features: Collection, *, use_variants: bool) -> tuple[list[RunPlan], dict[str, str]]:
    """Return what each run is compared with, and the fingerprint of each run's features.

    A run whose parent is not among the runs is compared with nothing, and a warning says so.

    Parameters
    ----------
    features : mapping of str to callable
        Reads the features of each run, `<source_id>/<experiment_id>/<variant_label>`.
    use_variants : bool
        Whether variants of `historical`, where there are several, add to natural variability.
    """
    attrs, marks, labelled = {}, {}, {}
    for key, load in features.items():
        run = load()
        attrs[key], marks[key] = dict(run.attrs), fingerprint(run)
        labelled[key] = [str(label) for label in run["baseline_window"].values if str(label)]
    plans = []
    for key in features:
        parent = str(attrs[key].get("parent", "")) if labelled[key] else ""
        if parent and parent not in features:
            log.warning(
                "%s: its baseline windows are those of %s, which is not among the runs, so no change is stated. Run "
                "data_engineering again with that run in the archive.",
                *(key, parent),
            )
            parent = ""
        control = _control_of(key, attrs)
        variants = _variants_of(control, attrs) if control and use_variants else ()
        plans.append(RunPlan(key, parent or None, control, variants))
    return plans, marks


class TrackedRuns(Mapping[str, tuple[str, Callable[[], xr.Dataset]]]):
    """The runs of an archive, each with the fingerprint of all its regimes depend on and a function that finds them.

    Within ``with`` all functions share one pool of workers, which starts with the first that is called; without it
    each has its own.

    Parameters
    ----------
    features : mapping of str to callable
        As for `plan_runs`.
    tools : TrackingTools
    compute : Compute
        Where the networks are applied; no result depends on it, so that fingerprints do not either.
    use_variants : bool
        As for `plan_runs`.
    """

    def __init__(self, features: Collection, tools: TrackingTools, compute: Compute, *, use_variants: bool) -> None:
        self._features, self._tools, self._compute = features, tools, compute
        plans, marks = plan_runs(features, use_variants=use_variants)
        self._plans = {plan.key: plan for plan in plans}
        mark = fingerprint(tools)
        self._marks = {plan.key: fingerprint(mark, plan, [marks[key] for key in plan.needed]) for plan in plans}
        self._natural: tuple[tuple[str, ...], dict[str, NaturalVariability] | None] | None = None
        self._stack: ExitStack | None = None
        self._mapper: Map | None = None

    def __getitem__(self, key: str) -> tuple[str, Callable[[], xr.Dataset]]:
        """Return the fingerprint of a run and the function that finds its regimes."""
        return self._marks[key], partial(self._track, self._plans[key])

    def __iter__(self) -> Iterator[str]:
        """Iterate over keys; runs of one climate model follow one another."""
        return iter(sorted(self._plans))

    def __len__(self) -> int:
        return len(self._plans)

    def __enter__(self) -> "TrackedRuns":
        """Share one pool of workers until the context ends."""
        self._stack = ExitStack()
        return self

    def __exit__(self, *error: Any) -> None:
        """End the workers, if there were any."""
        stack, self._stack, self._mapper = self._stack, None, None
        if stack is not None:
            stack.__exit__(*error)

    def plan(self, key: str) -> RunPlan:
        """Return what a run is compared with."""
        return self._plans[key]

    def _track(self, plan: RunPlan) -> xr.Dataset:
        tools = self._tools
        run = self._features[plan.key]()
        labels = run["baseline_window"]
        attrs = {}
        if plan.parent is None and (labels != "").any():
            attrs[NOT_COMPARED] = f"{run.attrs['parent']}, whose windows it is compared with, is not among the runs"
            run = run.assign_coords(baseline_window=xr.full_like(labels, ""))
        with self._workers() as mapped:
            parent = self._features[plan.parent]() if plan.parent else None
            natural = self._natural_variability(plan, mapped)
            if natural is None and plan.parent is not None:
                attrs[NOT_JUDGED] = (
                    f"{plan.control} has no two windows without common months"
                    if plan.control
                    else f"there is no control run of {run.attrs['source_id']}"
                )
            return track_run(
                run,
                parent,
                natural,
                tools.stacks,
                scaler=tools.scaler,
                applicability=tools.applicability,
                temperatures=tools.temperatures,
                settings=tools.settings,
                label_run=tools.label_run,
                mapper=mapped,
            ).assign_attrs(attrs)

    def _natural_variability(self, plan: RunPlan, mapped: Map) -> dict[str, NaturalVariability] | None:
        """Return that of the run's climate model; None where its control run is missing or too short.

        The last one is kept, since the next run is mostly of that model.
        """
        if plan.control is None:
            return None
        of = (plan.control, *plan.variants)
        if self._natural is None or self._natural[0] != of:
            control, *variants = (self._features[key]() for key in of)
            tools = self._tools
            found: dict[str, NaturalVariability] | None = None
            try:
                found = natural_variability(
                    control,
                    tools.stacks,
                    scaler=tools.scaler,
                    temperatures=tools.temperatures,
                    settings=tools.settings,
                    variants=variants,
                    mapper=mapped,
                )
            except NoControlPairsError as error:
                log.warning("%s Until then no change of this model is judged to be forced.", error)
            self._natural = of, found
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


def _is_control(experiment_id: str) -> bool:
    return "control" in experiment_id.lower()


def _control_of(key: str, attrs: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the control run from which a run descends, itself if it is one; else any of its climate model."""
    here, seen = key, set[str]()
    while here in attrs and here not in seen:
        if _is_control(str(attrs[here]["experiment_id"])):
            return here
        seen.add(here)
        here = str(attrs[here].get("parent", ""))
    model = attrs[key]["source_id"]
    others = (k for k in sorted(attrs) if attrs[k]["source_id"] == model and _is_control(attrs[k]["experiment_id"]))
    return next(others, None)


def _variants_of(control: str, attrs: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the historical runs that branch off a control run, if they are two at least."""
    historical = (key for key in sorted(attrs) if attrs[key]["experiment_id"] == "historical")
    found = tuple(key for key in historical if attrs[key].get("parent") == control)
    return found if len(found) > 1 else ()
