"""Numbers of a run as small tables to read: units in every heading, intervals beside every estimate.

Each function takes datasets as they lie in the catalog and returns a pandas.DataFrame; nothing is computed here that
the datasets do not hold, but sums and means.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.attribution.methods import labels
from thor.core.variables import BUDGET_TERMS, variable
from thor.figures.attribution import feature_label
from thor.figures.style import flags, in_reading_order
from thor.networks.scores import SCORES
from thor.regimes.naming import LONG_NAMES

_MILLION_KM2 = 1e12
_TORQUE = 1e-11
_TORQUE_UNITS = "1e-11 m s-2"
_AREA_UNITS = "million km2"
_PREDICTORS = {
    "member_mean": "single networks, mean",
    "stress_curl_tree": "tree on the stress curl",
    "majority": "always the commonest regime",
}


# -- the training ocean ------------------------------------------------------------------------------------------------
def term_table(budget: xr.Dataset) -> pd.DataFrame:
    """Return how large each term of a vorticity budget is, and what is left of their sum, unweighted.

    Parameters
    ----------
    budget : xarray.Dataset
        The five terms [m s-2] and `analysis_mask`.
    """
    used = budget["analysis_mask"].values == 1
    terms = {name: budget[name].values[used] for name in BUDGET_TERMS}
    rows = {variable(name).label: values for name, values in terms.items()} | {"Sum": sum(terms.values())}
    return _named(
        {
            f"rms ({_TORQUE_UNITS})": {name: float(np.sqrt(np.mean(v**2))) / _TORQUE for name, v in rows.items()},
            f"mean ({_TORQUE_UNITS})": {name: float(v.mean()) / _TORQUE for name, v in rows.items()},
        },
        "term",
    )


def regime_table(regimes: xr.Dataset, balances: xr.Dataset) -> pd.DataFrame:
    """Return for each regime its area, how many clustering runs agree on it, and which terms balance in it.

    Parameters
    ----------
    regimes : xarray.Dataset
        `regime` with CF flags, `regime_confidence`, `areacello` [m2].
    balances : xarray.Dataset
        As from `thor.regimes.balances.regime_balances`.
    """
    rows = {}
    whole = float(regimes["areacello"].where(regimes["regime"] >= 0).sum())
    for number, name in flags(regimes["regime"]).items():
        own = regimes["areacello"].where(regimes["regime"] == number)
        area, balance = float(own.sum()), balances.sel(regime_name=name)
        terms = [variable(term).label.lower() for term in str(balance["best_subset"].values).split(" + ") if term]
        rows[name] = {
            "meaning": LONG_NAMES.get(name, ""),
            f"area ({_AREA_UNITS})": area / _MILLION_KM2,
            "share of the area (%)": 100 * area / whole,
            "runs that agree (%)": 100 * float((own * regimes["regime_confidence"]).sum()) / area if area else np.nan,
            "terms that balance": ", ".join(terms),
            "M-score (1)": float(balance["best_m_score"]),
            "resamples with the same terms (%)": 100 * float(balance["best_subset_frequency"]),
        }
    return _named(pd.DataFrame.from_dict(rows, orient="index"), "regime")


# -- networks ----------------------------------------------------------------------------------------------------------
def score_table(
    skill: Mapping[str, Any],
    *,
    region: str = "test",
    metrics: Sequence[str] = ("accuracy", "macro_f1", "brier_score", "negative_log_likelihood"),
) -> pd.DataFrame:
    """Return the scores of every predictor in a region, with their block-bootstrap intervals.

    Parameters
    ----------
    skill : mapping
        {predictor: {region: {metric: value}}}, as from `thor.networks.skill.skill_table`.
    region : str
    metrics : sequence of str
        Names of `thor.networks.scores.SCORES`.
    """
    rows = {}
    for name in in_reading_order(name for name in skill if name not in ("member_min", "member_max")):
        own = skill[name][region]
        words = _PREDICTORS.get(name, name.replace("_", " "))
        rows[words] = {_heading(metric): _with_interval(own, metric) for metric in metrics}
    return _named(pd.DataFrame.from_dict(rows, orient="index"), "predictor")


def calibration_error_table(calibration: Mapping[str, Any], *, region: str = "test") -> pd.DataFrame:
    """Return how far stated probabilities miss observed frequencies, and whether conformal sets hold the label.

    Parameters
    ----------
    calibration : mapping
        {predictor: {region: {...}}}, as from `thor.uncertainty.calibration.calibration_table`.
    region : str
    """
    rows = {}
    for name in in_reading_order(calibration):
        own = calibration[name][region]
        sets = own["conformal"]
        rows[name] = {
            "calibration error before (points)": 100 * own["before"]["expected_calibration_error"],
            "calibration error after (points)": 100 * own["after"]["expected_calibration_error"],
            "sets promised to hold the label (%)": 100 * sets["confidence_level"],
            "sets that hold it (%)": f"{100 * sets['coverage']:.0f}{_ends(sets['interval'], 100, 0)}",
            "regimes in a set, mean (1)": sets["mean_set_size"],
        }
    return _named(pd.DataFrame.from_dict(rows, orient="index"), "predictor")


# -- one cell ----------------------------------------------------------------------------------------------------------
def probability_table(
    uncertainty: xr.Dataset, regimes: xr.Dataset, place: tuple[int, ...], *, predictor: str = "ensemble"
) -> pd.DataFrame:
    """Return the probability of each regime in a cell, with its interval over networks, beside the clustering's votes.

    Parameters
    ----------
    uncertainty : xarray.Dataset
        As from `thor.uncertainty.regime_uncertainty.uncertainty_fields`.
    regimes : xarray.Dataset
        `regime` and `regime_votes` on the same grid.
    place : tuple of int
        Row and column of the cell.
    predictor : str
    """
    cell, votes = _cell(uncertainty, place).sel(predictor=predictor), _cell(regimes, place)["regime_votes"].values
    level = f"{100 * float(uncertainty.attrs['credible_level']):.0f} %"
    names = str(uncertainty.attrs["regimes"]).split()
    table = pd.DataFrame(
        {
            "probability (%)": 100 * cell["regime_probability"].values,
            f"lower end, {level} of networks (%)": 100 * cell["regime_probability_lower"].values,
            f"upper end, {level} of networks (%)": 100 * cell["regime_probability_upper"].values,
            "in the conformal set": np.where(cell["regime_set"].values == 1, "yes", "no"),
            "clustering runs that vote for it (%)": 100 * votes,
        },
        index=names,
    )
    return _named(table, "regime")


def attribution_table(
    explanations: Mapping[str, xr.Dataset], place: tuple[int, ...], *, predictor: str = "ensemble"
) -> pd.DataFrame:
    """Return what each method gives each feature in a cell: mean over networks, standard error, quartiles.

    The standard error is that of the mean over networks from the sampling of the method, and left out where the method
    is exact; the quartiles are over networks, and left out for sums over the features of a group.

    Parameters
    ----------
    explanations : mapping of str to xarray.Dataset
        By method, with the same players.
    place : tuple of int
    predictor : str
    """
    table = {}
    for method, explanation in explanations.items():
        cell = _cell(explanation, place).sel(predictor=predictor)
        table[f"{labels(method)} (1)"] = {
            feature_label(str(name)): _attribution(cell.sel(feature=name)) for name in cell["feature"].values
        }
    return _named(table, "feature")


def method_agreement_table(
    agreement: xr.Dataset, place: tuple[int, ...], *, predictor: str = "ensemble"
) -> pd.DataFrame:
    """Return how far each pair of methods agrees on a cell.

    Parameters
    ----------
    agreement : xarray.Dataset
        As from `thor.attribution.agreement.compare`.
    place : tuple of int
    predictor : str
    """
    cell = _cell(agreement, place).sel(predictor=predictor)
    pairs = [labels(str(pair)) for pair in cell["pair"].values]
    table = pd.DataFrame(
        {
            "rank correlation (1)": cell["rank_correlation"].values.astype(float),
            "agreement on signs (%)": 100.0 * cell["sign_agreement"].values.astype(float),
            "overlap of the three largest (%)": 100.0 * cell["top_overlap"].values.astype(float),
        },
        index=pairs,
    )
    return _named(table, "methods")


def trust_table(
    uncertainty: xr.Dataset, regimes: xr.Dataset, place: tuple[int, ...], *, predictor: str = "ensemble"
) -> pd.DataFrame:
    """Return what speaks for and against believing the regime of a cell, as questions with numbers.

    Parameters
    ----------
    uncertainty, regimes : xarray.Dataset
        As for `probability_table`.
    place : tuple of int
    predictor : str
    """
    cell, label = _cell(uncertainty, place).sel(predictor=predictor), _cell(regimes, place)
    names = str(uncertainty.attrs["regimes"]).split()
    elected = int(label["regime"])
    entropy, disagreement = float(cell["predictive_entropy"]), float(cell["mutual_information"])
    rows = {
        "Regime of the budget": (names[elected] if elected >= 0 else "no budget here", "name"),
        "Most probable regime of the networks": (names[int(cell["regime_probability"].argmax("regime"))], "name"),
        "Clustering runs that agree with the budget's regime": (100 * float(label["regime_confidence"]), "%"),
        "Probability of the most probable regime": (100 * float(cell["regime_probability"].max()), "%"),
        "Networks in which it beats the second": (100 * float(cell["superiority"]), "%"),
        "Uncertainty, all (0 certain)": (entropy, "bit"),
        f"Uncertainty if nothing were known of {len(names)} regimes": (float(np.log2(len(names))), "bit"),
        "Of the uncertainty, disagreement between networks": (100 * disagreement / entropy if entropy else 0.0, "%"),
        "Regimes in the conformal set": (int((cell["regime_set"] == 1).sum()), "1"),
        "Distance from what the networks learned": (float(cell["dissimilarity_index"]), "1"),
        "Largest distance inside the area of applicability": (
            float(uncertainty.attrs["applicability_threshold"]),
            "1",
        ),
    }
    shown = {name: (_short(value), units) for name, (value, units) in rows.items()}
    return _named(pd.DataFrame.from_dict(shown, orient="index", columns=["value", "units"]), "question")


# -- climate models ----------------------------------------------------------------------------------------------------
def likelihood_table(window: Mapping[str, Any]) -> pd.DataFrame:
    """Return the area in each class of the likelihood of a change of regime, for each predictor.

    Parameters
    ----------
    window : mapping
        Numbers of one window, as from `thor.tracking.metrics.run_metrics`. A class has a word only where a test with
        known truth supports it.
    """
    rows = []
    for predictor, own in _predictors(window).items():
        change = own["change"]
        for text, entry in sorted(change["likelihood"].items(), key=lambda item: _lower_end(item[0])):
            rows.append(
                {
                    "predictor": predictor,
                    "probability of a change": text,
                    "word": (entry["word"] or "not supported").replace("_", " "),
                    f"area ({_AREA_UNITS})": entry["area_m2"] / _MILLION_KM2,
                    "share of the compared area (%)": 100 * entry["area_m2"] / change["compared_m2"],
                }
            )
    return pd.DataFrame(rows).set_index(["predictor", "probability of a change"])


def forced_table(window: Mapping[str, Any]) -> pd.DataFrame:
    """Return, for each predictor, how much area is expected to change and on how much the change is forced.

    Parameters
    ----------
    window : mapping
        As for `likelihood_table`.
    """
    columns = {
        "compared": "compared_m2",
        "expected to have another regime": "expected_m2",
        "judged: inside the area of applicability": "judged_m2",
        "of it, forced change": "forced_m2",
        "of that, called falsely, at most": "expected_false_m2",
    }
    rows = {
        predictor: {f"{words} ({_AREA_UNITS})": own["change"][key] / _MILLION_KM2 for words, key in columns.items()}
        for predictor, own in _predictors(window).items()
    }
    return _named(pd.DataFrame.from_dict(rows, orient="index"), "predictor")


def area_table(areas: pd.DataFrame, *, predictor: str = "ensemble", basin: str = "global") -> pd.DataFrame:
    """Return the expected area of each regime and its change from the baseline, with their intervals over networks.

    Parameters
    ----------
    areas : pandas.DataFrame
        Rows of `thor.tracking.areas.regime_areas` of one run: the last window in it is shown.
    predictor, basin : str
    """
    own = areas[(areas["predictor"] == predictor) & (areas["basin"] == basin)]
    own = own[own["window_start"] == own["window_start"].max()].set_index("regime")
    columns = {
        f"area ({_AREA_UNITS})": "expected_area_m2",
        f"lower ({_AREA_UNITS})": "lower",
        f"upper ({_AREA_UNITS})": "upper",
        f"change ({_AREA_UNITS})": "change_m2",
        f"lower of the change ({_AREA_UNITS})": "change_lower",
        f"upper of the change ({_AREA_UNITS})": "change_upper",
    }
    return _named({name: own[key] / _MILLION_KM2 for name, key in columns.items()}, "regime")


# -- words and numbers -------------------------------------------------------------------------------------------------
def _named(columns: Any, index: str) -> pd.DataFrame:
    return pd.DataFrame(columns).rename_axis(index)


def _cell(fields: xr.Dataset, place: tuple[int, ...]) -> xr.Dataset:
    dims = fields["valid" if "valid" in fields else "analysis_mask"].dims
    return fields.isel(dict(zip(dims, place, strict=True)))


def _heading(metric: str) -> str:
    score = SCORES[metric]
    units = "%" if metric == "accuracy" else score.units
    return f"{score.label} ({units}, {'higher' if score.higher_is_better else 'lower'} is better)"


def _with_interval(own: Mapping[str, Any], metric: str) -> str:
    factor, digits = (100, 0) if metric == "accuracy" else (1, 2)
    return f"{factor * own[metric]:.{digits}f}{_ends(own.get('intervals', {}).get(metric, {}), factor, digits)}"


def _ends(interval: Mapping[str, Any], factor: float, digits: int) -> str:
    low, high = interval.get("low"), interval.get("high")
    if low is None or high is None:
        return ""
    return f" ({factor * low:.{digits}f} to {factor * high:.{digits}f})"


def _attribution(cell: xr.Dataset) -> str:
    text = f"{float(cell['attribution']):+.2f}"
    if float(cell.get("attribution_standard_error", 0.0)) > 0:
        text += f" ± {float(cell['attribution_standard_error']):.2f}"
    if "attribution_lower_quartile" in cell:
        lower, upper = (float(cell[f"attribution_{end}_quartile"]) for end in ("lower", "upper"))
        text += f" ({lower:+.2f} to {upper:+.2f})"
    return text


def _predictors(window: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: own for name, own in window.items() if isinstance(own, Mapping) and "change" in own}
    return {name: found[name] for name in in_reading_order(found)}


def _lower_end(text: str) -> float:
    return 0.0 if text.startswith("<") else float(text.strip("> %").split("-")[0])


def _short(value: Any) -> str:
    if isinstance(value, float):
        if not np.isfinite(value):
            return "unknown"
        return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"
    return str(value)
