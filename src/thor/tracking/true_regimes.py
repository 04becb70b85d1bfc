"""True regimes of climate models whose vorticity budget is known, and that budget in any window."""

from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray
from thor.core.errors import GridError
from thor.core.fingerprint import fingerprint
from thor.core.variables import BUDGET_TERMS, variable
from thor.reading.runs import without_level
from thor.regimes.naming import regime_flags
from thor.regimes.regime_model import RegimeModel
from thor.tracking import RunDatasets
from thor.tracking.cells import PlannedResults, facets_of, run_mark

_TOLERANCE = 1e-4
"""Degrees by which positions of one cell may differ between two files."""


class TrueRegimes:
    """Look-up of the true regimes of windows.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the true regimes of each run that has any, as made by `true_regime_plans`.

    Attributes
    ----------
    unknown : set of str
        Requested windows whose regimes are not known, `<run> <window>`.
    """

    def __init__(self, runs: RunDatasets) -> None:
        # Those of a run and its parent stay in memory.
        self._run = lru_cache(maxsize=2)(lambda key: runs[key]())
        self.unknown: set[str] = set()

    def regime(self, key: str, window: str, like: xr.DataArray) -> AnyArray | None:
        """Return the true regime of one window of a run in the dims order of `like`, -1 where it is not known.

        None where it is known in no cell.

        Raises
        ------
        GridError
            When the run is on another grid than `like`.
        """
        run = self._run(key)
        _require_same_grid(key, like, run["valid"])
        if window in run["window"].values:
            regime: AnyArray = run["true_regime"].sel(window=window).transpose(*like.dims).values
            if (regime >= 0).any():
                return regime
        self.unknown.add(f"{key} {window}")
        return None


def true_regime_plans(runs: RunDatasets, budgets: RunDatasets, model: RegimeModel) -> PlannedResults:
    """Return, for each run with a true budget, a fingerprint and a function that returns its true regimes.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the features of each run by `window`, with `valid`.
    budgets : mapping of str to callable
        Reads the true vorticity budget by `window` of those runs that have one.
    model : RegimeModel

    Returns
    -------
    dict
        {run: (fingerprint, function)}; the dataset holds `true_regime` (window, y, x), int8 with CF flags, -1 outside
        the cells of the budget and in windows that it lacks.
    """
    plans: PlannedResults = {}
    for key in sorted(key for key in runs if without_level(key) in budgets):
        marks = [run_mark(run) for run in (runs[key](), budgets[without_level(key)]())]
        plans[key] = fingerprint(model, marks), partial(_true_run, key, runs, budgets, model)
    return plans


def _true_run(key: str, runs: RunDatasets, budgets: RunDatasets, model: RegimeModel) -> xr.Dataset:
    run = runs[key]()
    valid, windows = run["valid"], [str(label) for label in run["window"].values]
    budget = budget_in_windows(budgets, key, windows)
    _require_same_grid(key, valid, budget["analysis_mask"])
    labels = np.full((run.sizes["window"], *valid.shape), -1, dtype=np.int8)
    for place, window in enumerate(windows):
        if window in budget["window"].values:
            regime = model.predict(budget.sel(window=window))["regime"]
            labels[place] = regime.transpose(*valid.dims).values
    attrs = {"long_name": "True dynamical regime, -1 where it is not known", "units": "1"}
    attrs |= regime_flags(model.names, model.long_names)
    field = xr.DataArray(labels, dims=("window", *valid.dims), attrs=attrs)
    coordinates = {name: run[name] for name in ("window", "lat", "lon")}
    return xr.Dataset({"true_regime": field, "valid": valid}, coordinates, facets_of(run))


def _require_same_grid(key: str, like: xr.DataArray, mask: xr.DataArray) -> None:
    if mask.sizes == like.sizes:
        # Land may have a position in one file and none in the other.
        gaps = [np.abs(mask[axis].values - like[axis].transpose(*mask[axis].dims).values) for axis in ("lat", "lon")]
        if all(gap[np.isfinite(gap)].max(initial=0.0) < _TOLERANCE for gap in gaps):
            return
    raise GridError(
        f"The truth of {key} is on another grid ({dict(mask.sizes)}) than its features ({dict(like.sizes)}). "
        "Make both from one run of idealized_ocean."
    )


def budget_in_windows(budgets: RunDatasets, key: str, labels: Sequence[str]) -> xr.Dataset:
    """Return the true budget of a run in those of the windows that its truth covers, in their order.

    Parameters
    ----------
    budgets : mapping of str to callable
        Reads the true budget of each run, as `thor.ocean.idealized.true_budgets.true_budget` makes it.
    key : str
        The run, or one named after a warming level.
    labels : sequence of str
        First and last years of windows, such as ``2005-2024``.

    Returns
    -------
    xarray.Dataset
        The five `BUDGET_TERMS` by `window`, and what does not depend on it. Windows that are not stored are means over
        their years of the budgets of the model's responses; a file without their factors has only those stored.
    """
    budget = budgets[without_level(key)]()
    held = [str(label) for label in budget["window"].values]
    known = set(budget["year"].values.tolist()) if "response_weights" in budget else set()
    chosen = [label for label in labels if label in held or known.issuperset(_years(label))]
    other = [label for label in chosen if label not in held]
    terms = budget[list(BUDGET_TERMS)].sel(window=[label for label in chosen if label in held])
    if other:
        responses = budgets[str(budget.attrs["responses_of"])]()["budget_responses"]
        made = _means(budget, responses, other)
        terms = xr.concat([terms.drop_vars(["window_start", "window_end"], errors="ignore"), made], "window")
    return budget.drop_dims(("window", "year", "term"), errors="ignore").assign(terms.sel(window=chosen))


def _years(label: str) -> range:
    first, last = label.split("-")
    return range(int(first), int(last) + 1)


def _means(budget: xr.Dataset, responses: xr.DataArray, labels: Sequence[str]) -> xr.Dataset:
    """Return the terms in some windows, years weighted by their lengths."""
    factors = []
    for label in labels:
        years = budget[["response_weights", "year_days"]].sel(year=list(_years(label)))
        factors.append(np.average(years["response_weights"].values, axis=0, weights=years["year_days"].values))
    weights = np.stack(factors)
    dims = ("window", *responses.dims[2:])
    terms = {name: np.tensordot(weights, responses.sel(term=name).values, axes=1) for name in BUDGET_TERMS}
    fields = {name: (dims, term, variable(name).attrs) for name, term in terms.items()}
    return xr.Dataset(fields, coords={"window": list(labels)})
