"""The regimes of the ocean reflected at the equator: of the budget whose terms have the other sign.

The equations of motion on a sphere hold for an ocean reflected at the equator as they do for the ocean itself, with the
winds and the sea floor reflected as well. Curls change their sign then, and so does every term of the vorticity budget.
Predictors that are also trained on the reflected ocean know each hemisphere from the other one.
"""

import numpy as np
import xarray as xr

from thor.core.errors import DataError
from thor.core.variables import variable
from thor.regimes.clustering import budget_points
from thor.regimes.regime_model import RegimeModel

SIMILAR_CELLS = 5
"""Labelled cells of the most similar budgets, the majority of which gives a label where labels came with the budget."""


def reflected_regimes(budget: xr.Dataset, regimes: xr.Dataset, model: RegimeModel) -> xr.DataArray:
    """Return the regime that each cell has in the reflected ocean.

    Parameters
    ----------
    budget : xarray.Dataset
        The terms [m s-2] and `analysis_mask`.
    regimes : xarray.Dataset
        `regime` as from `model.predict`, or from `model.with_reference_labels`: labels that came with the budget are
        known for the budgets of the ocean itself alone, so that the `SIMILAR_CELLS` labelled cells whose standardised
        terms are nearest to the reflected ones determine the regime.
    model : RegimeModel
        Fitted on this budget.

    Returns
    -------
    xarray.DataArray
        `reflected_regime` (int8, -1 outside `analysis_mask` and where the cell itself has no regime), with the flags of
        `regime`.

    Raises
    ------
    DataError
        When a term or the mask is missing, or fewer than `SIMILAR_CELLS` cells are labelled.
    """
    regime = regimes["regime"]
    labels = regime.values
    if regime.attrs.get("labels") == "reference_regime":
        found = _of_nearest(budget, labels, model)
    else:
        opposite = budget[[*model.terms]].map(np.negative).assign(analysis_mask=budget["analysis_mask"])
        found = model.predict(opposite)["regime"].transpose(*regime.dims).values
    flags = {name: regime.attrs[name] for name in ("flag_values", "flag_meanings")}
    return xr.DataArray(
        np.where(labels >= 0, found, -1).astype(np.int8),
        regime.coords,
        regime.dims,
        name="reflected_regime",
        attrs=variable("reflected_regime").attrs | flags,
    )


def _of_nearest(budget: xr.Dataset, labels: np.ndarray, model: RegimeModel) -> np.ndarray:
    from sklearn.neighbors import KNeighborsClassifier

    points, mask = budget_points(budget, terms=model.terms)
    given = labels[mask]
    known = given >= 0
    if known.sum() < SIMILAR_CELLS:
        raise DataError(f"Only {known.sum()} cells are labelled; the reflected ocean needs {SIMILAR_CELLS} or more.")
    nearest = KNeighborsClassifier(SIMILAR_CELLS).fit(model.standardise(points[known]), given[known])
    found = np.full(labels.shape, -1, dtype=np.int8)
    found[mask] = nearest.predict(model.standardise(-points))
    return found
