"""Numbers of a run as small tables: units in every heading, intervals beside every estimate.

Each function takes datasets of the catalog and returns a pandas.DataFrame. It computes only sums and means.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.metrics import metrics
from thor.core.variables import BUDGET_TERMS, variable
from thor.figures.style import MILLION_KM2, flags, in_reading_order, predictor_words
from thor.regimes.naming import regime_meanings
from thor.report.words import in_order
from thor.tracking.likelihood import LIKELIHOOD_RANGES

_TORQUE = 1e-11
_TORQUE_UNITS = "1e-11 m s-2"
_AREA_UNITS = "million km2"
_PREDICTORS = {
    "member_mean": "single networks, mean",
    "stress_curl_tree": "tree on the wind stress curl",
    "majority": "most common regime everywhere",
}


# -- the training ocean ------------------------------------------------------------------------------------------------
def term_table(budget: xr.Dataset) -> pd.DataFrame:
    """Return the size of each term of a vorticity budget, and of their sum, unweighted.

    Parameters
    ----------
    budget : xarray.Dataset
        The five terms [m s-2] and `analysis_mask`.
    """
    used = budget["analysis_mask"].values == 1
    terms = {name: budget[name].values[used] for name in BUDGET_TERMS}
    rows = {variable(name).label: values for name, values in terms.items()} | {"Sum": sum(terms.values())}
    rms = {name: float(np.sqrt(np.mean(v**2))) / _TORQUE for name, v in rows.items()}
    mean = {name: float(v.mean()) / _TORQUE for name, v in rows.items()}
    return _named({f"rms ({_TORQUE_UNITS})": rms, f"mean ({_TORQUE_UNITS})": mean}, "term")


def regime_table(regimes: xr.Dataset, balances: xr.Dataset) -> pd.DataFrame:
    """Return the area of each regime, the agreement of clustering runs, and its dominant balance.

    Parameters
    ----------
    regimes : xarray.Dataset
        `regime` with CF flags, `regime_confidence`, `areacello` [m2].
    balances : xarray.Dataset
        As from `thor.regimes.balances.regime_balances`.
    """
    rows, meanings = {}, regime_meanings(regimes)
    whole = float(regimes["areacello"].where(regimes["regime"] >= 0).sum())
    for number, name in flags(regimes["regime"]).items():
        cells = regimes["areacello"].where(regimes["regime"] == number)
        area, balance = float(cells.sum()), balances.sel(regime_name=name)
        terms = [variable(term).label.lower() for term in str(balance["best_subset"].values).split(" + ") if term]
        rows[name] = {
            "meaning": meanings[name],
            f"area ({_AREA_UNITS})": area / MILLION_KM2,
            "share of the area (%)": 100 * area / whole,
            "runs that agree (%)": 100 * float((cells * regimes["regime_confidence"]).sum()) / area if area else np.nan,
            "terms that balance": ", ".join(terms),
            "M-score (1)": float(balance["best_m_score"]),
            "resamples with the same terms (%)": 100 * float(balance["best_subset_frequency"]),
        }
    return _by_row(rows, "regime")


# -- networks ----------------------------------------------------------------------------------------------------------
def score_table(
    skill: Mapping[str, Any],
    *,
    metrics: Sequence[str] = ("accuracy", "macro_f1", "brier_score", "negative_log_likelihood"),
) -> pd.DataFrame:
    """Return the scores of every predictor in the test region, with intervals for an unseen ocean.

    Parameters
    ----------
    skill : mapping
        {predictor: {region: {metric: value}}}, as from `thor.networks.skill.skill_table`.
    metrics : sequence of str
        Of the section `scores` of `thor/core/metrics.yml`.
    """
    rows = {}
    for name in in_reading_order(name for name in skill if name not in ("member_min", "member_max")):
        rows[predictor_words(name, _PREDICTORS)] = {
            _heading(metric): _with_interval(skill[name]["test"], metric) for metric in metrics
        }
    return _by_row(rows, "predictor")


def calibration_error_table(calibration: Mapping[str, Any]) -> pd.DataFrame:
    """Return the calibration error of each predictor in the test region, and the coverage of its conformal sets.

    Parameters
    ----------
    calibration : mapping
        {predictor: {region: {...}}}, as from `thor.uncertainty.calibration.calibration_table`.
    """
    rows = {}
    for name in in_reading_order(calibration):
        errors = calibration[name]["test"]
        sets = errors["conformal"]
        rows[name] = {
            "calibration error before (points)": 100 * errors["before"]["expected_calibration_error"],
            "calibration error after (points)": 100 * errors["after"]["expected_calibration_error"],
            "nominal coverage of the sets (%)": 100 * sets["confidence_level"],
            "cells with a set (%)": 100 * sets["set_share"],
            "coverage of the sets (%)": None if sets["coverage"] is None else 100 * sets["coverage"],
            "regimes in a set, mean (1)": sets["mean_set_size"],
        }
    return _by_row(rows, "predictor")


# -- climate models ----------------------------------------------------------------------------------------------------
def likelihood_table(window: Mapping[str, Any]) -> pd.DataFrame:
    """Return the area in each class of the likelihood of a change of regime, for each predictor.

    Parameters
    ----------
    window : mapping
        Numbers of one window, as from `thor.tracking.metrics.run_metrics`. A class has a word only where the test
        with known truth supports it.
    """
    rows = [
        {
            "predictor": predictor,
            "probability of a change": text,
            "word": (entry["word"] or "not supported").replace("_", " "),
            f"area ({_AREA_UNITS})": entry["area_m2"] / MILLION_KM2,
            "share of the compared area (%)": 100 * entry["area_m2"] / change["compared_m2"],
        }
        for predictor, change in _changes(window).items()
        for text, entry in in_order(change["likelihood"], LIKELIHOOD_RANGES).items()
    ]
    return pd.DataFrame(rows).set_index(["predictor", "probability of a change"])


def forced_table(window: Mapping[str, Any]) -> pd.DataFrame:
    """Return the areas of forced regime change, of probability shifts, and expected to change, for each predictor.

    Parameters
    ----------
    window : mapping
        As for `likelihood_table`.
    """
    columns = {
        "tested: inside the area of applicability": "judged_m2",
        "forced regime change in the tested area": "forced_m2",
        "probability shift in the tested area": "shift_m2",
        "false shifts, at most": "expected_false_m2",
        "compared": "compared_m2",
        "expected to change regime": "expected_m2",
    }
    return _by_row({predictor: _areas(change, columns) for predictor, change in _changes(window).items()}, "predictor")


def area_table(areas: pd.DataFrame, *, predictor: str = "ensemble") -> pd.DataFrame:
    """Return the expected area of each regime and its change from the baseline, with their spread over networks.

    Parameters
    ----------
    areas : pandas.DataFrame
        Rows of `thor.tracking.areas.regime_areas` of one run. Its last window with a baseline is shown, else its last.
    predictor : str
    """
    rows = areas[(areas["predictor"] == predictor) & (areas["basin"] == "global")]
    compared = rows.dropna(subset="change_m2")
    shown = (rows if compared.empty else compared)["window_start"].max()
    rows = rows[rows["window_start"] == shown].set_index("regime")
    columns = {
        "area": "expected_area_m2",
        "lower": "lower",
        "upper": "upper",
        "change": "change_m2",
        "lower of the change": "change_lower",
        "upper of the change": "change_upper",
    }
    return _named(_areas(rows, columns), "regime")


# -- words and numbers -------------------------------------------------------------------------------------------------
def _named(columns: Any, index: str) -> pd.DataFrame:
    return pd.DataFrame(columns).rename_axis(index)


def _by_row(rows: dict[str, dict[str, Any]], index: str) -> pd.DataFrame:
    return _named(pd.DataFrame.from_dict(rows, orient="index"), index)


def _areas(found: Any, columns: Mapping[str, str]) -> dict[str, Any]:
    """Return areas in million km2 by their headings, from areas in m2 by name."""
    return {f"{words} ({_AREA_UNITS})": found[name] / MILLION_KM2 for words, name in columns.items()}


def _heading(metric: str) -> str:
    score = metrics("scores")[metric]
    units = "%" if metric == "accuracy" else score.units
    return f"{score.label} ({units}, {'higher' if score.higher_is_better else 'lower'} is better)"


def _with_interval(scores: Mapping[str, Any], metric: str) -> str:
    factor, digits = (100, 0) if metric == "accuracy" else (1, 2)
    return f"{factor * scores[metric]:z.{digits}f}{_ends(scores.get('intervals', {}).get(metric, {}), factor, digits)}"


def _ends(interval: Mapping[str, Any], factor: float, digits: int) -> str:
    low, high = interval.get("low"), interval.get("high")
    if low is None or high is None:
        return ""
    return f" ({factor * low:z.{digits}f} to {factor * high:z.{digits}f})"


def _changes(window: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of the change for each predictor that has any."""
    found = {name: part["change"] for name, part in window.items() if isinstance(part, Mapping) and "change" in part}
    return {name: found[name] for name in in_reading_order(found)}
