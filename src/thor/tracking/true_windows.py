"""True vorticity budgets of idealized runs in any window, also one that begins in historical."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from thor.core.variables import BUDGET_TERMS, variable
from thor.reading.runs import without_level
from thor.tracking import RunDatasets


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
    terms = budget[list(BUDGET_TERMS)].isel(window=[held.index(label) for label in chosen if label in held])
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
