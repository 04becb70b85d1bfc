"""Heat uptake, mixed layers and barotropic transport by basin and regime of the runs that publish them, in windows."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import xarray as xr

from thor.core.fingerprint import fingerprint
from thor.core.variables import REGIME_FIELDS, TRANSPORTS
from thor.ocean.grid import Grid
from thor.ocean.transports import transport_vector
from thor.tracking import RunDatasets
from thor.tracking.cells import PlannedResults
from thor.tracking.regime_properties import INPUTS, properties_over_networks, regime_properties
from thor.tracking.regime_shares import ProbabilityBlock
from thor.tracking.run_windows import plans_by_window, require_same_cells
from thor.tracking.tools import TrackingTools

REPORTED = {"heat_uptake": "pw", "deep_mixed_area": "m2"}
"""Sums over cells in the metrics, and their units."""


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

    def finish(properties: xr.Dataset, baseline: xr.Dataset | None) -> xr.Dataset:
        return properties_over_networks(properties, baseline, level=tools.settings.interval_level)

    mark = fingerprint(tools, predictor, deep_mixed_layer)
    return plans_by_window(windows, features, tools, predictor, measure, finish, mark=mark)


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
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for key, load in runs.items():
        run = load().sel(basin="global")
        for place, label in enumerate(map(str, run["window"].values)):
            here = run.isel(window=place)
            entry: dict[str, Any] = {}
            for name, unit in REPORTED.items():
                if name not in here or here[name].isnull().all():
                    continue
                entry[f"{name}_{unit}"] = float(here[name].sum())
                change = here.get(f"{name}_change")
                if change is None or change.isnull().all():
                    continue
                entry[f"{name}_change_{unit}"] = float(change.sum())
                for word, end in (("change_by_regime", ""), ("lower", "_lower"), ("upper", "_upper")):
                    values = here[f"{name}_change{end}"].values.tolist()
                    entry[f"{name}_{word}_{unit}"] = dict(zip(map(str, here["regime"].values), values, strict=True))
            found.setdefault(key, {})[label] = entry
    return found


def _fields(climatology: xr.Dataset, transports: Callable[[], xr.Dataset] | None, window: str) -> xr.Dataset:
    """Return the fields of one window that can be divided, in the units of `INPUTS`."""
    there = [name for name in REGIME_FIELDS if name in climatology]
    fields = climatology.sel(window=window, drop=True)[[*there, "areacello", "sftof"]]
    fields = fields.drop_vars([name for name in there if not fields[name].notnull().any()])
    if transports is None:
        return fields
    means = transports()
    require_same_cells(means, climatology, window)
    grid = Grid.from_dataset(climatology)
    u, v = (means[f"{name}_column"].values / float(means.attrs["reference_density"]) for name in TRANSPORTS)
    vector = transport_vector(u.astype(float), v.astype(float), grid)
    sea = climatology["deptho"].notnull().values
    for name, values in zip(("eastward_transport", "northward_transport"), vector, strict=True):
        fields[name] = (grid.dims, np.where(sea, values, np.nan), {"units": INPUTS[name]})
    return fields
