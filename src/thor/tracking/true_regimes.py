"""True regimes of climate models whose vorticity budget is known: the regime model's labels of that budget."""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray
from thor.core.errors import GridError
from thor.core.fingerprint import ATTRIBUTE, fingerprint
from thor.regimes.naming import regime_flags
from thor.regimes.regime_model import RegimeModel
from thor.tracking import RunDatasets

_TOLERANCE = 1e-4
"""Degrees by which positions of one cell may differ between two files."""


class TrueRegimes:
    """True regimes of windows, each determined once: several runs share a baseline.

    Parameters
    ----------
    budgets : mapping of str to callable
        Reads the true vorticity budget of a run by `window`.
    model : RegimeModel

    Attributes
    ----------
    unknown : set of str
        Requested windows that are not in the budgets, `<run> <window>`.
    """

    def __init__(self, budgets: RunDatasets, model: RegimeModel) -> None:
        self._model = model
        self._known: dict[tuple[str, str], AnyArray] = {}
        # The budgets of a run and its parent stay open.
        self._budget = lru_cache(maxsize=2)(lambda key: budgets[key]())
        self.unknown: set[str] = set()

    def regime(self, key: str, window: str, like: xr.DataArray) -> AnyArray | None:
        """Return the true regime of one window of a run in the dims order of `like`, -1 outside the budget's cells.

        None where the budget lacks the window.

        Raises
        ------
        GridError
            When the budget is on another grid than `like`.
        """
        if (key, window) not in self._known:
            budget = self._budget(key)
            held = [str(label) for label in budget["window"].values]
            if window not in held:
                self.unknown.add(f"{key} {window}")
                return None
            _require_same_grid(key, like, budget["analysis_mask"])
            regime = self._model.predict(budget.isel(window=held.index(window)))["regime"]
            self._known[key, window] = regime.transpose(*like.dims).values
        return self._known[key, window]


def true_regime_plans(
    runs: RunDatasets, budgets: RunDatasets, model: RegimeModel
) -> dict[str, tuple[str, Callable[[], xr.Dataset]]]:
    """Return, for each run with a true budget, a fingerprint and a function that returns its true regimes.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the tracked regimes of each run, as from `thor.tracking.track.track_run`.
    budgets : mapping of str to callable
        As for `TrueRegimes`.
    model : RegimeModel

    Returns
    -------
    dict
        {run: (fingerprint, function)}; the dataset holds `true_regime` (window, y, x), int8 with CF flags, -1 outside
        the cells of the budget and in windows that it lacks.
    """
    marks = {
        key: [str(run.attrs.get(ATTRIBUTE) or fingerprint(run)) for run in (runs[key](), budgets[key]())]
        for key in sorted(set(runs) & set(budgets))
    }
    return {
        key: (fingerprint(model, mark), partial(_true_run, key, runs, budgets, model)) for key, mark in marks.items()
    }


def _true_run(key: str, runs: RunDatasets, budgets: RunDatasets, model: RegimeModel) -> xr.Dataset:
    run, source = runs[key](), TrueRegimes(budgets, model)
    found = [source.regime(key, str(window), run["valid"]) for window in run["window"].values]
    missing = np.full(run["valid"].shape, -1, dtype=np.int8)
    attrs = {"long_name": "True dynamical regime, -1 where it is not known", "units": "1"}
    attrs |= regime_flags(model.names, model.long_names)
    labels = np.stack([missing if regime is None else regime for regime in found]).astype(np.int8)
    field = xr.DataArray(labels, dims=("window", *run["valid"].dims), attrs=attrs)
    facets = {name: run.attrs[name] for name in ("source_id", "experiment_id", "variant_label")}
    coordinates = {name: run[name] for name in ("window", "lat", "lon")}
    return xr.Dataset({"true_regime": field, "valid": run["valid"]}, coordinates, facets)


def _require_same_grid(key: str, like: xr.DataArray, mask: xr.DataArray) -> None:
    if mask.sizes == like.sizes:
        # Land may have a position in one file and none in the other.
        gaps = [np.abs(mask[axis].values - like[axis].transpose(*mask[axis].dims).values) for axis in ("lat", "lon")]
        if all(gap[np.isfinite(gap)].max(initial=0.0) < _TOLERANCE for gap in gaps):
            return
    raise GridError(
        f"The true budget of {key} is on another grid ({dict(mask.sizes)}) than its features ({dict(like.sizes)}). "
        "Make both from one run of idealized_ocean."
    )
