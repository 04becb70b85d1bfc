"""An interval for the area of a regime in a climate model, from errors in models whose true regimes are known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

LEVEL = 0.9
"""Share of the regimes and windows of one model whose error the half-width contains."""


def area_interval(truth: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the half-width of an interval about expected areas, and its coverage in models that were not used for it.

    Parameters
    ----------
    truth : mapping
        {run: {window: {predictor: scores}}} as from `thor.tracking.perfect_model.perfect_model_skill`.

    Returns
    -------
    dict
        By predictor, where at least two models have a known truth: `half_width_share` of the area of the ocean,
        `level`, `coverage` (share of regimes and windows of a model that lie inside the interval made from the other
        models, mean over the models) and `n_models`.

    Notes
    -----
    Conformal prediction with climate models as units: errors of one model are nearly the same in all its windows. The
    score of a model is the quantile `LEVEL` of the absolute errors of its expected areas, over regimes and windows, and
    the half-width is the largest score of all models. If a new model is exchangeable with n known ones, its score
    exceeds the half-width with a probability of at most 1 / (n + 1).
    """
    rows = [
        (predictor, run.split("/")[0], abs(area["expected_m2"] - area["true_m2"]) / scores["area_m2"])
        for run, windows in truth.items()
        for predictors in windows.values()
        for predictor, scores in predictors.items()
        for area in scores.get("regime_area", {}).values()
    ]
    found = {}
    table = pd.DataFrame(rows, columns=["predictor", "model", "error"])
    for predictor, errors in table.groupby("predictor"):
        scores = errors.groupby("model")["error"].quantile(LEVEL)
        if len(scores) < 2:
            continue
        covered = [
            (errors.loc[errors["model"] == model, "error"] <= scores.drop(model).max()).mean() for model in scores.index
        ]
        found[str(predictor)] = {
            "half_width_share": float(scores.max()),
            "level": LEVEL,
            "coverage": float(np.mean(covered)),
            "n_models": len(scores),
        }
    return found
