"""Overturning by basin and regime of the runs that publish transports, window by window."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from thor.core.fingerprint import fingerprint
from thor.tracking import RunDatasets
from thor.tracking.cells import PlannedResults
from thor.tracking.overturning import amoc_change, overturning
from thor.tracking.regime_shares import ProbabilityBlock
from thor.tracking.run_windows import plans_by_window, require_same_cells
from thor.tracking.tools import TrackingTools


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
        require_same_cells(means, of_run["basin"].coords.to_dataset(), window)
        density = float(means.attrs["reference_density"])
        return overturning(means, blocks, level=tools.settings.interval_level, reference_density=density, **of_run)

    def finish(window: xr.Dataset, baseline: xr.Dataset | None) -> xr.Dataset:
        return window if baseline is None else window.merge(amoc_change(window, baseline))

    return plans_by_window(windows, features, tools, predictor, measure, finish, mark=fingerprint(tools, predictor))


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
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for key, load in runs.items():
        run = load()
        for place, label in enumerate(map(str, run["window"].values)):
            here = run.isel(window=place)
            entry: dict[str, Any] = {"amoc_sv": float(here["amoc"])}
            if "amoc_change" in here and np.isfinite(here["amoc_change"]):
                entry["amoc_change_sv"] = float(here["amoc_change"])
                for name, end in (("amoc_change_by_regime", ""), ("lower", "_lower"), ("upper", "_upper")):
                    values = here[f"amoc_change_by_regime{end}"].values.tolist()
                    entry[f"{name}_sv"] = dict(zip(map(str, here["regime"].values), values, strict=True))
            found.setdefault(key, {})[label] = entry
    return found
