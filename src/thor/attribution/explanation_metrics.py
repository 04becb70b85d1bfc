"""The numbers of the explanations: remainders, agreement, evaluation and comparison with known functions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.attribution.agreement import network_agreement, pair_agreement
from thor.attribution.measures import MEASURES
from thor.attribution.methods import all_methods
from thor.core.metrics import Metric, Metrics, count, share, text
from thor.networks.bootstrap import INTERVAL_METRICS


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


_OF_EVALUATION = {
    f"{name}.value": Metric(m.meaning, "1", None, None, m.perfect, m.higher_is_better) for name, m in MEASURES.items()
}

EXPLANATION_METRICS: Metrics = {
    "rank_correlation": Metric("of the features, between two methods or with known attributions", "1", -1, 1, 1, True),
    "sign_agreement": share("of the magnitude in features on whose sign both agree", perfect=1, higher_is_better=True),
    "networks.sign_agreement": share("networks with the sign of their mean", perfect=1, higher_is_better=True),
    "top_overlap": share("of the three largest attributions, those in common", perfect=1, higher_is_better=True),
    "correlation": Metric("of attributions with known attributions", "1", -1, 1, 1, True),
    "cosine": Metric("of the angle between attributions and known attributions", "1", -1, 1, 1, True),
    "relative_error": Metric("size of the difference from known attributions over theirs", "1", 0, None, 0, False),
    **_OF_EVALUATION,
    "random": Metric("value of random attributions"),
    "skill": Metric("0: as random attributions, 1: perfect, below 0: worse than random", "1", None, 1, 1, True),
    "perfect": Metric("best value"),
    "higher_is_better": text("whether higher values are better"),
    "property": text("property that the measure quantifies"),
    "largest": Metric("largest magnitude of the remainder in any cell and network", "target", 0, None, 0, False),
    "mean_absolute": Metric("mean magnitude of the remainder", "target", 0, None, 0, False),
    "mean_absolute_target": Metric("mean magnitude of the explained target, for comparison", "target", 0),
    "mean_fidelity": Metric("weighted R2 of the local surrogate", "1", None, 1, 1, True),
    "converged_area_share": share("area where the tolerance was reached", perfect=1, higher_is_better=True),
    "relative_standard_error": Metric("sampling error over the magnitude of the values", "1", 0, None, 0, False),
    "relative_spread": Metric("spread over networks over the magnitude of their mean", "1", 0, None, 0, False),
    "target": text("explained number"),
    "n_networks": count("networks that were explained"),
    "n_cells": count("cells that the numbers are computed from"),
    "weighting": text("whether means count cells or areas"),
    **{name: INTERVAL_METRICS[name] for name in ("low", "high", "level")},
}
"""Meaning of the numbers of `explanation_metrics`."""


def _of_method(name: str, explanation: xr.Dataset) -> dict[str, Any]:
    networks = network_agreement(explanation)
    n_cells = int((explanation["valid"] == 1).sum())
    area = explanation["areacello"].where(explanation["valid"] == 1).fillna(0)
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
