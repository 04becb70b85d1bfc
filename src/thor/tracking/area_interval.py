"""Intervals for areas in a climate model, their changes and transitions, from models whose true regimes are known."""

import numpy as np
import pandas as pd

from thor.core.arrays import AnyArray
from thor.tracking.truth import TrueCells

LEVEL = 0.9
"""Share of the errors of one model that the half-width contains."""


def area_errors(cells: TrueCells, transition: AnyArray | None = None) -> pd.DataFrame:
    """Return the absolute errors of expected areas in a window whose true regimes are known.

    Parameters
    ----------
    cells : TrueCells
    transition : ndarray of shape (n_regimes, n_regimes), optional
        Expected area that changes from each regime (row) to each (column); without a baseline there is none.

    Returns
    -------
    pandas.DataFrame
        `kind` and `error`: `regime_area`, and `change` of it, one for each regime, as shares of the area of the cells;
        `transition`, one for each pair of different regimes, of shares of the compared area, in which the truth may be
        known for a part only.
    """
    if not cells.area.any():
        return pd.DataFrame({"kind": [], "error": np.empty(0)})
    n_regimes = cells.probability.shape[1]
    one = np.eye(n_regimes)
    errors = {"regime_area": cells.probability - one[cells.truth]}
    if cells.compared:
        errors["change"] = errors["regime_area"] - (cells.probability_before - one[cells.truth_before])
    found = {kind: np.average(error.astype(np.float64), axis=0, weights=cells.area) for kind, error in errors.items()}
    if transition is not None:
        pair = cells.truth_before.astype(int) * n_regimes + cells.truth
        true = np.bincount(pair, cells.area, minlength=n_regimes**2).reshape(n_regimes, n_regimes)
        found["transition"] = (transition / transition.sum() - true / true.sum())[~one.astype(bool)]
    kinds = [kind for kind, values in found.items() for _ in values]
    return pd.DataFrame({"kind": kinds, "error": np.abs(np.concatenate(list(found.values())))})


def area_intervals(errors: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Return half-widths of intervals about expected areas, and their coverage in models that were not used for them.

    Parameters
    ----------
    errors : pandas.DataFrame
        As from `area_errors`, with `model` and `predictor`.

    Returns
    -------
    dict
        {predictor: {kind: numbers}}, where at least two models have a known truth: `half_width_share` of the area,
        `level`, `coverage` (share of the errors of a model that the half-width made from the other models contains,
        mean over the models) and `n_models`.

    Notes
    -----
    Conformal prediction with climate models as units: errors of one model are nearly the same in all its windows. The
    score of a model is the quantile `LEVEL` of its errors, over regimes and windows, and the half-width is the largest
    score of all models. If a new model is exchangeable with n known ones, its score exceeds the half-width with a
    probability of at most 1 / (n + 1).
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (predictor, kind), table in errors.groupby(["predictor", "kind"], sort=False):
        score = table.groupby("model")["error"].quantile(LEVEL)
        if len(score) < 2:
            continue
        covered = [(of_model <= score.drop(name).max()).mean() for name, of_model in table.groupby("model")["error"]]
        found.setdefault(str(predictor), {})[str(kind)] = {
            "half_width_share": float(score.max()),
            "level": LEVEL,
            "coverage": float(np.mean(covered)),
            "n_models": len(score),
        }
    return found
