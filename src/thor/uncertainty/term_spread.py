"""Spread of predicted changes of the terms of the vorticity budget, from basins left out of training."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.errors import NetworkError
from thor.core.variables import BUDGET_TERMS
from thor.networks.predictor import ENSEMBLE, columns
from thor.networks.stack import NetworkStack
from thor.networks.terms import budget_terms, over_networks
from thor.uncertainty.left_out import LeftOutBasin

_LEVEL = 0.9
"""Share of the differences that the intervals contain after calibration."""


def term_spread_factors(left_out: Mapping[str, LeftOutBasin], budget: xr.Dataset) -> dict[str, float] | None:
    """Return by how much the spread of the change of each term is multiplied; None for networks without terms head.

    A training ocean has one state and therefore no changes. In their place stand differences between neighbouring
    cells, of a basin that the networks did not see: inputs that differ little and have nearly the same error. With the
    factors, normal intervals contain 90 % of these differences, by area.

    Parameters
    ----------
    left_out : mapping of str to LeftOutBasin
    budget : xarray.Dataset
        Of the training ocean.

    Raises
    ------
    NetworkError
        When no two neighbouring cells of the basins have a budget.
    """
    found, names = [], list[str]()
    for cells in left_out.values():
        stack = cells.predictors[ENSEMBLE]
        if not isinstance(stack, NetworkStack) or stack.terms_head is None:
            return None
        names, samples = list(stack.terms_head.names), cells.samples
        first, second = _neighbours(samples.index, budget[BUDGET_TERMS[0]].shape[1])
        true = budget_terms(budget, samples)
        value, spread = stack.terms(columns(cells.inputs, samples.features, stack.features))
        difference, deviation = over_networks(value[:, second] - value[:, first], spread[:, second] - spread[:, first])
        ratio = np.abs(difference - (true[second] - true[first])) / deviation
        found.append(np.column_stack([ratio, samples.area[first]])[np.isfinite(ratio).all(axis=1)])
    table = np.concatenate(found)
    if not len(table):
        raise NetworkError(
            "No two neighbouring cells of a left-out basin have a vorticity budget to calibrate terms on."
        )
    ratios, area = table[:, :-1], table[:, -1]
    widths = np.quantile(ratios, _LEVEL, axis=0, weights=area, method="inverted_cdf")
    return {name: float(width) / normal_width(_LEVEL) for name, width in zip(names, widths, strict=True)}


def normal_width(level: float) -> float:
    """Return the half-width, in standard deviations, of the central interval of a normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(0.5 * (1 + level)))


def _neighbours(index: NDArray[np.int64], n_columns: int) -> NDArray[np.int64]:
    """Return the places of pairs of cells beside one another along a row or a column, shape (2, n_pairs)."""
    pairs = []
    for step, allowed in ((1, (index + 1) % n_columns != 0), (n_columns, np.ones(len(index), bool))):
        place = np.minimum(np.searchsorted(index, index + step), len(index) - 1)
        beside = allowed & (index[place] == index + step)
        pairs.append(np.stack([np.flatnonzero(beside), place[beside]]))
    return np.concatenate(pairs, axis=1)
