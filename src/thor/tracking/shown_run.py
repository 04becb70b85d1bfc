"""Which run figures and report show, and in which window."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.errors import ConfigError, did_you_mean
from thor.reading.inventory import run_keys
from thor.tracking import RunDatasets
from thor.tracking.members import of_one_forcing
from thor.tracking.shared_window import WindowYears, compared_places, shared_windows


def require_run(runs: Collection[str], wanted: str | None) -> None:
    """Raise ConfigError unless the run to show is there; None, or where there are no runs, is right."""
    if wanted is not None and runs and wanted not in runs:
        raise ConfigError(f"There is no run '{wanted}' to show.{did_you_mean(wanted, runs)} Correct shown_run.")


def shown_key(metrics: Mapping[str, Any], wanted: str | None) -> str | None:
    """Return the key of the run to show: the given one, else the one with the largest share of changed area.

    Parameters
    ----------
    metrics : mapping
        As from `tracking_metrics`.
    wanted : str or None

    Returns
    -------
    str or None
        None where no run has a baseline and none is given.

    Raises
    ------
    ConfigError
        When there is no such run.
    """
    require_run(metrics["runs"], wanted)
    if wanted is not None and metrics["runs"]:
        return wanted
    shares: dict[str, float] = {}
    for key, predictors in metrics["summary"].items():
        for numbers in predictors.values():
            if numbers.get("changed_share") is not None:
                shares.setdefault(key, numbers["changed_share"])
    return max(sorted(shares), key=lambda key: shares[key], default=None)


def shown_run(runs: RunDatasets, metrics: Mapping[str, Any], wanted: str | None) -> xr.Dataset | None:
    """Return the run to show, as `shown_key` says; None where there is none."""
    key = shown_key(metrics, wanted)
    return None if key is None else runs[key]()


def run_to_draw(runs: RunDatasets, wanted: str | None) -> xr.Dataset | None:
    """Return the dataset of a run, of the first one where this has none, or None without any."""
    key = wanted if wanted in runs else next(iter(runs), None)
    return None if key is None else runs[key]()


def window_to_show(run: xr.Dataset) -> int:
    """Return the place of the last window of a run that has a baseline; without one, that of the last window."""
    compared = compared_places(run)
    return int(compared[-1]) if compared.size else run.sizes["window"] - 1


def in_shared_window(table: pd.DataFrame, windows: Mapping[str, Mapping[WindowYears, str]]) -> pd.DataFrame:
    """Return the rows of a table of runs in the last window that most climate models of their experiment have.

    Parameters
    ----------
    table : pandas.DataFrame
        With `source_id`, `experiment_id`, `variant_label` and `window`.
    windows : mapping of str to mapping
        Of each run, as from `thor.tracking.shared_window.compared_windows`; the runs of
        `thor.tracking.members.of_one_forcing` count.

    Returns
    -------
    pandas.DataFrame
        With the name of the window as `shared_window`.
    """
    shared = shared_windows({key: windows[key] for key in of_one_forcing(windows)})
    names = {(key, label): name for name, labels in shared.values() for key, label in labels.items()}
    found = [names.get(place, "") for place in zip(run_keys(table), table["window"], strict=True)]
    return table.assign(shared_window=found)[np.array(found, dtype=bool)]
