"""The regimes of the training ocean's cells in oceans that are similar to it (`thor.ocean.similar_oceans`)."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from thor.core.errors import DataError
from thor.core.variables import variable
from thor.ocean.cells import on_one_grid
from thor.ocean.similar_oceans import SimilarOcean
from thor.regimes.clustering import budget_points
from thor.regimes.regime_model import RegimeModel

SIMILAR_CELLS = 5
"""Labelled cells of the most similar budgets, the majority of which gives a label where labels came with the budget."""


def similar_regimes(
    budget: xr.Dataset, regimes: xr.Dataset, model: RegimeModel, *, amplitudes: Sequence[float] = ()
) -> xr.DataArray:
    """Return the regime that each cell has in each similar ocean.

    Parameters
    ----------
    budget : xarray.Dataset
        The terms [m s-2] and `analysis_mask`.
    regimes : xarray.Dataset
        `regime` as from `model.predict`, or from `model.with_reference_labels`: labels that came with the budget are
        known for the budgets of the ocean itself alone, so that the `SIMILAR_CELLS` labelled cells whose standardised
        terms are nearest to those of the similar ocean determine the regime.
    model : RegimeModel
        Fitted on this budget.
    amplitudes : sequence of float
        Strengths of the flow besides that of the training ocean; each is taken as it is and reflected.

    Returns
    -------
    xarray.DataArray
        `similar_regime` (int8, -1 outside `analysis_mask` and where the cell itself has no regime), with the flags of
        `regime`, a leading dim `similar_ocean` and the coordinates `similar_sign` and `similar_amplitude` along it. The
        first is the reflected ocean.

    Raises
    ------
    DataError
        When a term or the mask is missing, or fewer than `SIMILAR_CELLS` cells are labelled.
    GridError
        When budget and regimes are on different grids.
    """
    budget, regimes = on_one_grid(budget, regimes)
    regime = regimes["regime"]
    oceans = [SimilarOcean(sign, amplitude) for amplitude in dict.fromkeys((1.0, *amplitudes)) for sign in (1, -1)][1:]

    def consensus(there: xr.Dataset) -> np.ndarray:
        return model.predict(there)["regime"].transpose(*regime.dims).values

    given = regime.attrs.get("labels") == "reference_regime"
    regimes_of = _nearest_regimes(budget, regime.values, model) if given else consensus
    found = []
    for ocean in oceans:
        factors = dict(zip(model.terms, ocean.term_factors(model.terms), strict=True))
        found.append(regimes_of(budget.assign({name: factor * budget[name] for name, factor in factors.items()})))
    flags = {name: regime.attrs[name] for name in ("flag_values", "flag_meanings")}
    return xr.DataArray(
        np.where(regime.values >= 0, np.stack(found), -1).astype(np.int8),
        regime.coords,
        ("similar_ocean", *regime.dims),
        name="similar_regime",
        attrs=variable("similar_regime").attrs | flags,
    ).assign_coords(
        similar_sign=_coordinate("similar_sign", [ocean.sign for ocean in oceans]),
        similar_amplitude=_coordinate("similar_amplitude", [ocean.amplitude for ocean in oceans]),
    )


def _coordinate(name: str, values: list[float]) -> xr.Variable:
    return xr.Variable("similar_ocean", values, variable(name).attrs)


def _nearest_regimes(budget: xr.Dataset, labels: np.ndarray, model: RegimeModel) -> Callable[[xr.Dataset], np.ndarray]:
    """Return the function that gives the regimes of a budget from the labelled cells with the most similar terms."""
    from sklearn.neighbors import KNeighborsClassifier

    points, mask = budget_points(budget, terms=model.terms)
    given = labels[mask]
    known = given >= 0
    if known.sum() < SIMILAR_CELLS:
        raise DataError(f"Only {known.sum()} cells are labelled; similar oceans need {SIMILAR_CELLS} or more.")
    nearest = KNeighborsClassifier(SIMILAR_CELLS).fit(model.standardise(points[known]), given[known])

    def regimes(there: xr.Dataset) -> np.ndarray:
        found = np.full(labels.shape, -1, dtype=np.int8)
        found[mask] = nearest.predict(model.standardise(budget_points(there, terms=model.terms)[0]))
        return found

    return regimes
