"""The results of a run: the main numbers of all its outputs, and sentences on them."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
import xarray as xr

from thor.attribution.fields import mean_sizes
from thor.core.metrics import metrics
from thor.networks.predictor import of_surface
from thor.regimes.naming import regime_meanings, regime_names
from thor.report.archive import archive_numbers
from thor.report.findings import findings, limit_sentences
from thor.report.input_sets import input_set_numbers
from thor.report.model_trust import expected_accuracy_numbers, false_rate
from thor.report.parts import NOTHING, LeftOut, left_out_sentences
from thor.report.regime_totals import total_numbers
from thor.report.scenarios import change_table, experiment_means
from thor.report.sentences import METRIC, sentences
from thor.report.words import PREDICTOR_NAMES, in_order, in_words, leading
from thor.tracking import RunDatasets
from thor.tracking.shared_window import LAST, compared_windows

_OF_REGIMES = (
    *("regimes", "area_fraction", "n_cells", "n_clusters", "n_runs", "mean_confidence", "labels"),
    *("stability_ari", "single_run_ari", "n_consensus", "closure_rms"),
)
_OF_CHANGE = (
    *("brier_skill", "base_rate", "mean_probability"),
    *("expected_calibration_error", "calibration_error_above_tenth", "resolution_share"),
)


def summarise(
    *,
    vorticity_budget: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    skill_metrics: Mapping[str, Any],
    clustering_metrics: Mapping[str, Any] | None = None,
    regime_balances: xr.Dataset | None = None,
    bayesian_skill_metrics: Mapping[str, Any] | None = None,
    calibration_metrics: Mapping[str, Any] | None = None,
    regime_uncertainty: xr.Dataset | None = None,
    explanation_metrics: Mapping[str, Any] | None = None,
    scenario_regimes: RunDatasets | None = None,
    tracking_metrics: Mapping[str, Any] | None = None,
    archive_inventory: pd.DataFrame | None = None,
    attributions: Mapping[str, xr.Dataset] | None = None,
    left_out: LeftOut = NOTHING,
) -> dict[str, Any]:
    """Return the numbers of a run by topic, and `sentences` on each topic; topics whose inputs are None are empty.

    Returns
    -------
    dict
        `ocean`, `regimes`, `balances`, `skill`, `calibration`, `uncertainty`, `explanations`, `scenarios`,
        `experiments` (means over climate models), `n_tracked` (runs), `perfect_model`, `expected_accuracy`,
        `area_interval` (by predictor), `false_rate`, `input_sets` (runs with a further one), `amoc`, `heat_uptake`,
        `archive`, `implausible`, `not_compared` and `not_judged` (reasons by run), `left_out` (`missing` and `outdated`
        datasets),
        `sentences`: {topic: list of str}, and `findings`.
    """
    tracking, names, about = tracking_metrics or {}, regime_names(regimes), vorticity_budget.attrs
    of_regimes = clustering_metrics or regimes_of_map(regimes)
    windows = {key: compared_windows(read(), LAST) for key, read in (scenario_regimes or {}).items()}
    numbers: dict[str, Any] = {
        "ocean": {"title": str(about.get("title", "the training ocean")), "budget": about.get("budget")},
        "regimes": {name: of_regimes.get(name) for name in _OF_REGIMES} | {"long_names": regime_meanings(regimes)},
        "balances": _balances(regime_balances) if regime_balances is not None else {},
        "skill": _skill(of_surface({**skill_metrics, **(bayesian_skill_metrics or {})}), split),
        "calibration": in_order(_calibration(calibration_metrics or {}), PREDICTOR_NAMES),
        "uncertainty": _uncertainty(regime_uncertainty) if regime_uncertainty is not None else {},
        "explanations": _explanations(explanation_metrics, attributions or {}) if explanation_metrics else {},
        "scenarios": list(change_table(scenario_regimes or {}, windows)),
        "n_tracked": len(scenario_regimes or {}) if tracking else None,
        "perfect_model": _perfect_model(tracking),
        "expected_accuracy": expected_accuracy_numbers(tracking),
        "area_interval": in_order(tracking.get("perfect_model", {}).get("area_interval", {}), PREDICTOR_NAMES),
        "false_rate": false_rate(tracking),
        "input_sets": input_set_numbers(tracking, names),
        **total_numbers(tracking, windows),
        "archive": archive_numbers(archive_inventory),
        "implausible": implausible_runs(tracking),
        **{reason: dict(tracking.get(reason, {})) for reason in ("not_compared", "not_judged")},
    }
    numbers["experiments"] = experiment_means(numbers["scenarios"], tracking.get("perfect_model", {}))
    lines = sentences(numbers) | {"left_out": left_out_sentences(left_out), "limits": limit_sentences(numbers)}
    return numbers | {"left_out": asdict(left_out), "sentences": lines, "findings": findings(numbers)}


# -- numbers -----------------------------------------------------------------------------------------------------------
def regimes_of_map(regimes: xr.Dataset) -> dict[str, Any]:
    """Return the numbers of the map of regimes alone, where those of the clustering are missing."""
    names, area = regime_names(regimes), regimes["areacello"].where(regimes["regime"] >= 0)
    shares = {name: float(area.where(regimes["regime"] == k).sum() / area.sum()) for k, name in enumerate(names)}
    return dict.fromkeys(_OF_REGIMES) | {
        "regimes": list(names),
        "area_fraction": shares,
        "n_cells": int((regimes["regime"] >= 0).sum()),
        "mean_confidence": float((regimes["regime_confidence"] * area).sum() / area.sum()),
    }


def _balances(balances: xr.Dataset) -> dict[str, Any]:
    return {
        str(name): {
            "terms": str(balances["best_subset"].sel(regime_name=name).values).split(" + "),
            "m_score": float(balances["best_m_score"].sel(regime_name=name)),
            "frequency": float(balances["best_subset_frequency"].sel(regime_name=name)),
        }
        for name in balances["regime_name"].values
    }


def _skill(skill: Mapping[str, Any], split: xr.Dataset) -> dict[str, Any]:
    lead = leading(skill)
    first = skill[lead]["test"]
    differences = in_order(first.get("difference_to", {}), PREDICTOR_NAMES)
    predictors = {}
    for name, regions in in_order(skill, PREDICTOR_NAMES).items():
        test = regions["test"]
        predictors[name] = {
            metric: {"value": test.get(metric), **test.get("intervals", {}).get(metric, {})}
            for metric in metrics("scores")
            if not isinstance(test.get(metric), Mapping)  # a score of each regime: in the file, not in the table
        } | {"area_accuracy": test.get("area_weighted", {}).get("accuracy")}
    return {
        "region": held_out_region(split),
        "n_cells": first["n_cells"],
        "by_ocean": {
            region.removeprefix("test_"): {"n_cells": entry["n_cells"], "value": entry[METRIC]}
            for region, entry in sorted(skill[lead].items(), key=lambda item: "southern" not in item[0])
            if region.startswith("test_")
        },
        "classes": first["classes"],
        "predictors": predictors,
        "difference_to": {name: entry[METRIC] for name, entry in differences.items() if METRIC in entry},
    }


def held_out_region(split: xr.Dataset) -> str:
    """Return the names and extents of the test regions in words."""
    named = [part.partition(": ") for part in str(split.attrs.get("regions", "")).split("; ") if part]
    return in_words([_region(name, box) for name, _, box in named]) if named else "test cells"


def _region(name: str, box: str) -> str:
    """Return `Atlantic sector (80° W to 20° E)` for `atlantic` and `280E to 20E`."""
    # A box over all latitudes includes parts of several oceans.
    title = name.replace("_", " ").title()
    ends = re.findall(r"(-?[\d.]+)([EN])", box)
    if not ends:
        return title
    bounds = [_degrees(float(value), axis) for value, axis in ends]
    # Limits 360 degrees apart include every longitude.
    pairs = [(low, high) for low, high in zip(bounds[::2], bounds[1::2], strict=True) if low != high]
    extent = f" ({', '.join(f'{low} to {high}' for low, high in pairs)})" if pairs else ""
    return f"{title}{' sector' if len(ends) == 2 else ''}{extent}"


def _degrees(value: float, axis: str) -> str:
    if axis == "E":
        value = (value + 180.0) % 360.0 - 180.0
    return f"{abs(value):g}°\u00a0{axis if value >= 0 else {'E': 'W', 'N': 'S'}[axis]}"


def _calibration(metrics: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, regions in metrics.items():
        test = regions["test"]
        found[name] = {
            "temperature": test.get("temperature", {}).get("applied"),
            "before": test["before"]["expected_calibration_error"],
            "after": test["after"]["expected_calibration_error"],
        }
        if "conformal" in test:
            keys = ("confidence_level", "set_share", "coverage", "mean_set_size", "single_share")
            found[name]["conformal"] = {key: test["conformal"][key] for key in keys}
    return found


def _uncertainty(fields: xr.Dataset) -> dict[str, Any]:
    area = fields["areacello"].where(fields["valid"] == 1)
    parts = {}
    for name in map(str, fields["predictor"].values):
        predicted = fields.sel(predictor=name)
        means = ((predicted[name] * area).sum() / area.sum() for name in ("predictive_entropy", "mutual_information"))
        total, disagreement = map(float, means)
        parts[name] = {"entropy_bit": total, "disagreement_share": disagreement / total if total else None}
    outside = float((area.where(fields["applicable"] != 1)).sum() / area.sum())
    return {"predictors": parts, "not_applicable_share": outside}


def _explanations(metrics: Mapping[str, Any], attributions: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    predictor = "ensemble" if "ensemble" in metrics["agreement"] else next(iter(metrics["agreement"]))
    pairs = metrics["agreement"][predictor]["global"]
    agreement = {pair: numbers for pair, numbers in pairs.items() if isinstance(numbers, Mapping)}
    score = "faithfulness_correlation"
    faithful = {method: found[score] for method, found in metrics["evaluation"].items() if score in found}
    converged = {
        method: of_predictors[predictor]["converged_area_share"]
        for method, of_predictors in metrics["methods"].items()
        if "converged_area_share" in of_predictors.get(predictor, {})
    }
    return {
        "predictor": predictor,
        "agreement": agreement,
        "faithfulness": faithful,
        "converged": converged,
        "importance": {method: importance(fields, predictor) for method, fields in attributions.items()},
    }


def importance(attribution: xr.Dataset, predictor: str) -> dict[str, float]:
    """Return the share of each feature in the area-weighted mean size of all attributions, of one predictor."""
    known = predictor if predictor in attribution["predictor"] else attribution["predictor"].values[0]
    sizes = mean_sizes(attribution.sel(predictor=known))
    return {str(name): float(sizes.sel(feature=name) / sizes.sum()) for name in attribution["feature"].values}


def implausible_runs(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return the objections to the regimes of each run, from the first predictor that has any."""
    found = {}
    for run, predictors in metrics.get("plausibility", {}).items():
        objections = (numbers["objections"] for numbers in in_order(predictors, PREDICTOR_NAMES).values())
        if first := next(filter(None, objections), None):
            found[run] = "; ".join(first)
    return found


def _perfect_model(metrics: Mapping[str, Any]) -> dict[str, Any]:
    pooled = metrics.get("perfect_model", {}).get("pooled", {})
    found: dict[str, Any] = {}
    for experiment, windows in pooled.items():
        for predictor, scores in windows.get("all", {}).items():
            change = scores.get("change", {})
            found.setdefault(experiment, {})[predictor] = {
                "accuracy": scores.get("predictor", {}).get("accuracy"),
                "tree_accuracy": scores.get("stress_curl_tree", {}).get("accuracy"),
                "error_removed": dict(scores.get("error_removed", {})),
                **{name: change.get(name) for name in _OF_CHANGE},
                "likely_changed": change.get("likely_or_more", {}).get("changed"),
            }
    return found
