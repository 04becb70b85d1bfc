"""The numbers of the explanations: remainders, agreement, evaluation and comparison with known functions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.attribution.agreement import network_agreement, pair_agreement
from thor.attribution.fields import valid_area
from thor.attribution.methods import all_methods


def explanation_metrics(
    explanations: Mapping[str, xr.Dataset],
    agreement: xr.Dataset,
    evaluation: pd.DataFrame,
    truth: pd.DataFrame,
) -> dict[str, Any]:
    """Return the numbers of the explanations, by method.

    Returns
    -------
    dict
        `methods`, {method: {predictor: {...}}} with `n_cells`, `n_networks`, `target`, largest and mean absolute
        remainder (named by `Method.remainder`: `conservation_error`, `additivity_error`, `misfit`), `mean_fidelity`,
        `converged_area_share`, `relative_standard_error`, and agreement of the networks; `agreement` of the methods,
        {predictor: {global or regime: {pair: {measure: value}}}}; `evaluation`, {method: {measure: {...}}}; `truth`,
        {function: {method: {...}}}. Means are weighted by area.
    """
    methods = {name: _of_method(name, explanation) for name, explanation in explanations.items()}
    return {
        "methods": methods,
        "agreement": pair_agreement(agreement),
        "evaluation": _nested(evaluation, "method", "measure"),
        "truth": _nested(truth, "function", "method"),
    }


def _of_method(name: str, explanation: xr.Dataset) -> dict[str, Any]:
    networks = network_agreement(explanation)
    n_cells = int((explanation["valid"] == 1).sum())
    area = valid_area(explanation)
    table = {}
    for place, predictor in enumerate(map(str, explanation["predictor"].values)):
        here = explanation.sel(predictor=predictor)
        size = float(np.sqrt((here["attribution"] ** 2).mean("feature").weighted(area).mean()))
        error = float(np.sqrt((here["attribution_standard_error"] ** 2).mean("feature").weighted(area).mean()))
        entry: dict[str, Any] = {
            "n_cells": n_cells,
            "n_networks": int(np.atleast_1d(explanation.attrs["n_networks"])[place]),
            "target": explanation.attrs["target"],
            "networks": networks[predictor],
            "relative_standard_error": error / size if size else None,
        }
        if "remainder" in here:
            entry[all_methods()[name].remainder] = {
                "largest": float(np.atleast_1d(explanation.attrs["largest_remainder"])[place]),
                "mean_absolute": float(abs(here["remainder"]).weighted(area).mean()),
                "mean_absolute_target": float(abs(here["explained_target"]).weighted(area).mean()),
            }
        for field, metric in (("fidelity", "mean_fidelity"), ("converged", "converged_area_share")):
            if field in here:
                entry[metric] = float(here[field].weighted(area).mean())
        table[predictor] = entry
    return table


def _nested(table: pd.DataFrame, outer: str, inner: str) -> dict[str, Any]:
    return {
        str(name): {
            str(row[inner]): {
                name: value for name, value in row.items() if name not in (outer, inner) and not pd.isna(value)
            }
            for row in rows
        }
        for name, part in table.groupby(outer, sort=False)
        for rows in [part.to_dict(orient="records")]
    }
