"""Overturning, heat uptake, mixed layers and barotropic transport by basin and regime, of runs that publish them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import xarray as xr

from thor.core.errors import GridError
from thor.core.fingerprint import fingerprint
from thor.core.variables import REGIME_FIELDS, TRANSPORTS
from thor.ocean.grid import Grid
from thor.ocean.transports import transport_vector
from thor.reading.positions import same_positions
from thor.reading.runs import is_control
from thor.tracking import RunDatasets
from thor.tracking.cells import PlannedResults, facets_of
from thor.tracking.fields import GLOBAL
from thor.tracking.overturning import amoc_change, overturning
from thor.tracking.regime_properties import INPUTS, properties_over_networks, regime_properties
from thor.tracking.regime_shares import ProbabilityBlock, probabilities_by_network
from thor.tracking.tools import TrackingTools

REPORTED = {"heat_uptake": "pw", "deep_mixed_area": "m2"}
"""Sums over cells in the metrics, and their units."""


def overturning_plans(
    transports: RunDatasets, features: RunDatasets, tools: TrackingTools, *, predictor: str
) -> PlannedResults:
    """Return, for each run with transports on levels, the fingerprint of its overturning and a function that makes it.

    Parameters
    ----------
    transports : mapping of str to callable
        Reads the transports of one window, by `<run>/<window>`, as from `thor.reading.transports`.
    features : mapping of str to callable
        Reads the features of each run, `<source_id>/<experiment_id>/<variant_label>`.
    tools : TrackingTools
    predictor : str
        Whose members divide the transports among regimes.

    Returns
    -------
    dict
        The function returns `overturning` of every window with transports along a dim `window` (single precision), and
        where the baseline window has transports too `amoc_change` and `amoc_change_by_regime`. Control runs, which show
        no change, are read for the baselines only.
    """
    windows: dict[str, dict[str, str]] = {}
    for key, load in transports.items():
        run, _, window = key.rpartition("/")
        means = load()
        if "umo" in means and run in features:
            windows.setdefault(run, {})[window] = fingerprint(means)

    def measure(key: str, window: str, blocks: Iterable[ProbabilityBlock], **of_run: Any) -> xr.Dataset:
        means = transports[f"{key}/{window}"]()
        _require_same_cells(means, of_run["basin"].coords.to_dataset(), window)
        density = float(means.attrs["reference_density"])
        return overturning(means, blocks, level=tools.settings.interval_level, reference_density=density, **of_run)

    def finish(window: xr.Dataset, baseline: xr.Dataset | None) -> xr.Dataset:
        return window if baseline is None else window.merge(amoc_change(window, baseline))

    return _plans_by_window(windows, features, tools, predictor, measure, finish, mark=fingerprint(tools, predictor))


def property_plans(
    climatologies: RunDatasets,
    transports: RunDatasets,
    features: RunDatasets,
    tools: TrackingTools,
    *,
    predictor: str,
    deep_mixed_layer: float,
) -> PlannedResults:
    """Return, for each run with a field to divide, the fingerprint of its properties and a function that makes them.

    Parameters
    ----------
    climatologies : mapping of str to callable
        Reads the climatology of each run, with `hfds` and `mlotst` where the run has them.
    transports : mapping of str to callable
        Reads the transports of one window, by ``<run>/<window>``, as from `thor.reading.transports`.
    features : mapping of str to callable
        Reads the features of each run.
    tools : TrackingTools
    predictor : str
        Whose members divide the fields among regimes.
    deep_mixed_layer : float
        Mixed layers deeper than this are deep [m].

    Returns
    -------
    dict
        The function returns `properties_over_networks` of every window with a field along a dim `window` (single
        precision), with changes where the baseline window has the field too. Control runs are read for the baselines
        only.
    """
    windows: dict[str, dict[str, str]] = {}
    marks = {}
    for key, load in climatologies.items():
        if key not in features:
            continue
        means = load()
        marks[key] = fingerprint(means)  # areas, sea fractions and the mask count as the fields do
        fields = means[[name for name in REGIME_FIELDS if name in means]]
        if fields:
            known = fields.notnull().any(means["deptho"].dims).to_array().any("variable")
            windows[key] = dict.fromkeys(map(str, known["window"].values[known.values]), marks[key])
    for key, load in transports.items():
        run, _, window = key.rpartition("/")
        if run in features:
            mark = fingerprint(marks[run], load()[[f"{name}_column" for name in TRANSPORTS]])
            windows.setdefault(run, {})[window] = mark

    def measure(key: str, window: str, blocks: Iterable[ProbabilityBlock], **of_run: Any) -> xr.Dataset:
        fields = _fields(climatologies[key](), transports.get(f"{key}/{window}"), window)
        return regime_properties(fields, blocks, deep_mixed_layer=deep_mixed_layer, **of_run)

    finish = partial(properties_over_networks, level=tools.settings.interval_level)
    mark = fingerprint(tools, predictor, deep_mixed_layer)
    return _plans_by_window(windows, features, tools, predictor, measure, finish, mark=mark)


def _plans_by_window(
    windows: Mapping[str, Mapping[str, str]],
    features: RunDatasets,
    tools: TrackingTools,
    predictor: str,
    measure: Callable[..., xr.Dataset],
    finish: Callable[[xr.Dataset, xr.Dataset | None], xr.Dataset],
    *,
    mark: str,
) -> PlannedResults:
    """Return, for each run but control runs, a fingerprint and a function that joins the results of its windows.

    Parameters
    ----------
    windows : mapping of str to mapping of str to str
        The windows of each run in which there is something to measure, baseline windows of control runs too, each with
        the fingerprint of what is measured there.
    features : mapping of str to callable
        Reads the features of each run, with the coordinate `baseline_window` and the attribute `parent`.
    tools : TrackingTools
    predictor : str
        Whose members divide what is measured among regimes.
    measure : callable
        Of the key of a run, a window and the probabilities of every member in it, block by block, with the keywords
        `basin`, a field of the run, and `regimes`.
    finish : callable
        Makes the result of a window from what is measured in it and, where there is one, in its baseline window.
    mark : str
        Fingerprint of all else on which the results of every run depend.
    """

    @lru_cache(maxsize=2)  # all windows may have one baseline; at 0.25 degrees each takes 0.1 GB
    def in_window(key: str, window: str) -> xr.Dataset:
        run = features[key]()
        number = list(map(str, run["window"].values)).index(window)
        blocks = probabilities_by_network(run, number, tools, predictor)
        return measure(key, window, blocks, basin=run["basin"], regimes=tools.classes)

    def make(key: str) -> xr.Dataset:
        run = features[key]()
        parent = str(run.attrs.get("parent", ""))
        parts = []
        labels = (map(str, run[name].values) for name in ("window", "baseline_window"))
        for window, baseline in zip(*labels, strict=True):
            if window in windows[key]:
                compared = in_window(parent, baseline) if baseline in windows.get(parent, ()) else None
                part = finish(in_window(key, window), compared)
                parts.append(part.astype("float32").assign_coords(window=window, baseline_window=baseline))
        found = xr.concat(
            parts, "window", data_vars="all", coords="different", compat="equals", combine_attrs="override"
        )
        return found.assign_attrs(facets_of(run), predictor=predictor)

    @cache
    def mark_of(key: str) -> str:
        return fingerprint(features[key](), windows[key])

    def inputs(key: str) -> list[str]:
        # the windows of the parent are divided with the parent's features
        return [mark_of(name) for name in (key, str(features[key]().attrs.get("parent", ""))) if name in windows]

    return {
        key: (fingerprint(mark, inputs(key)), partial(make, key))
        for key in sorted(windows)
        if not is_control(key.split("/")[1])
    }


def amoc_metrics(runs: RunDatasets) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the Atlantic overturning at 26.5N of each run and window, and its change from the baseline window.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the overturning of each run, as from `overturning_plans`.

    Returns
    -------
    dict
        {run: {window: numbers}}: `amoc_sv`, and where the baseline window has transports too `amoc_change_sv`, and by
        regime of the faces of the line its part `amoc_change_by_regime_sv` with the ends `lower_sv` and `upper_sv` of
        its interval over networks; the parts add up to the change.
    """

    def numbers(here: xr.Dataset) -> dict[str, Any]:
        found: dict[str, Any] = {"amoc_sv": float(here["amoc"])}
        if "amoc_change" in here and np.isfinite(here["amoc_change"]):
            found["amoc_change_sv"] = float(here["amoc_change"])
            found |= _by_regime(here, "amoc_change_by_regime", ("amoc_change_by_regime_sv", "lower_sv", "upper_sv"))
        return found

    return {key: _by_window(load(), numbers) for key, load in runs.items()}


def property_metrics(runs: RunDatasets) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the heat uptake and the area of deep mixed layers of each run and window, and their changes by regime.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the properties of each run, as from `property_plans`.

    Returns
    -------
    dict
        {run: {window: numbers}}, for each property and unit of `REPORTED`, over the whole ocean: `<property>_<unit>`,
        and where the baseline window has it `<property>_change_<unit>`, its parts by regime
        `<property>_change_by_regime_<unit>` and their interval over networks `<property>_lower_<unit>`, `_upper_`.
    """

    def numbers(here: xr.Dataset) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, unit in REPORTED.items():
            if name in here and here[name].notnull().any():
                found[f"{name}_{unit}"] = float(here[name].sum())
            if f"{name}_change" in here and here[f"{name}_change"].notnull().any():
                found[f"{name}_change_{unit}"] = float(here[f"{name}_change"].sum())
                keys = [f"{name}_{part}_{unit}" for part in ("change_by_regime", "lower", "upper")]
                found |= _by_regime(here, f"{name}_change", keys)
        return found

    return {key: _by_window(load().sel(basin=GLOBAL), numbers) for key, load in runs.items()}


def _by_window(run: xr.Dataset, numbers: Callable[[xr.Dataset], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the numbers of each window of a run."""
    return {str(label): numbers(run.isel(window=place)) for place, label in enumerate(run["window"].values)}


def _by_regime(here: xr.Dataset, name: str, keys: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return a field and the ends of its interval by regime, under these keys."""
    regimes = list(map(str, here["regime"].values))
    fields = (here[f"{name}{end}"].values.tolist() for end in ("", "_lower", "_upper"))
    return {key: dict(zip(regimes, values, strict=True)) for key, values in zip(keys, fields, strict=True)}


def _fields(climatology: xr.Dataset, transports: Callable[[], xr.Dataset] | None, window: str) -> xr.Dataset:
    """Return the fields of one window that can be divided, in the units of `INPUTS`."""
    there = [name for name in REGIME_FIELDS if name in climatology]
    fields = climatology.sel(window=window, drop=True)[[*there, "areacello", "sftof"]]
    fields = fields.drop_vars([name for name in there if not fields[name].notnull().any()])
    if transports is None:
        return fields
    means = transports()
    _require_same_cells(means, climatology, window)
    grid = Grid.from_dataset(climatology)
    u, v = (means[f"{name}_column"].values / float(means.attrs["reference_density"]) for name in TRANSPORTS)
    vector = transport_vector(u.astype(float), v.astype(float), grid)
    sea = climatology["deptho"].notnull().values
    for name, values in zip(("eastward_transport", "northward_transport"), vector, strict=True):
        fields[name] = (grid.dims, np.where(sea, values, np.nan), {"units": INPUTS[name]})
    return fields


def _require_same_cells(transports: xr.Dataset, run: xr.Dataset, window: str) -> None:
    """Raise GridError unless the transports of a window lie on the cells of its run, of which the positions count."""
    if not same_positions(transports, run):
        raise GridError(
            f"The transports of {transports.attrs.get('source_id')} in {window} lie on other cells than its sea level; "
            "expected those of one run. Make both again with `kedro run --pipeline data_engineering`."
        )
