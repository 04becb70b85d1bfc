"""Results of tracking in plain numbers: areas of regimes, probability of their change, and what was not tested."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.networks.scores import number
from thor.tracking import RunDatasets
from thor.tracking.agreement import agreement_metrics
from thor.tracking.areas import require_regimes
from thor.tracking.cells import NOT_COMPARED, NOT_JUDGED
from thor.tracking.fields import GLOBAL
from thor.tracking.likelihood import LIKELIHOOD, LIKELIHOOD_RANGES, likelihood_class
from thor.tracking.perfect_model import control_shares_of, words_by_predictor
from thor.tracking.plausibility import TrainingOcean, plausibility


def tracking_metrics(
    runs: RunDatasets,
    agreement: Iterable[xr.Dataset],
    skill: Mapping[str, Any],
    training: TrainingOcean,
    *,
    richest: RunDatasets | None = None,
    true_regimes: RunDatasets | None = None,
) -> dict[str, Any]:
    """Return the numbers of all runs, of the agreement between models and of the test with known truth.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the regimes of each run, as from `thor.tracking.track.track_run`.
    agreement : iterable of xarray.Dataset
        As from `thor.tracking.multimodel.multimodel_summary`.
    skill : mapping
        As from `thor.tracking.perfect_model.perfect_model_skill`.
    training : TrainingOcean
        Reference for the plausibility of each run.
    richest : mapping of str to callable, optional
        Reads the regimes of the runs with a further input set, as from `thor.tracking.input_sets.RichestRuns`. The
        numbers of their predictors are beside those of the surface; those of windows are of the surface.
    true_regimes : mapping of str to callable, optional
        Reads the true regimes of those runs that have any.

    Returns
    -------
    dict
        Plain numbers. `summary`: {run: {predictor: numbers}} of its last window with a baseline, as `run_summary` says;
        `runs`: {run: {window: numbers}}, as `run_metrics` says; `control`: {run: {predictor: shares}}, false
        discoveries in control runs as from `thor.tracking.forced.control_shares`; `agreement`: as
        `agreement_metrics` says; `words`: {predictor: words of the likelihood scale that known truth supports};
        `perfect_model`: the skill; `plausibility`: {run: {predictor: numbers}}, as
        `thor.tracking.plausibility.plausibility` says; `not_compared` and `not_judged`: {run: reason}, for runs with
        a parent but without a baseline or internal variability; `expected_accuracy`: as
        `expected_accuracy_errors` says.
    """
    words = words_by_predictor(skill)
    topics = ("runs", "summary", "control", "plausibility", NOT_COMPARED, NOT_JUDGED)
    result: dict[str, Any] = {name: {} for name in topics}
    for key, load in (*runs.items(), *(richest or {}).items()):
        run = load()
        windows = run_metrics(run, words)
        truth = true_regimes[key]() if true_regimes and key in true_regimes else None
        found = {"runs": windows, "plausibility": plausibility(run, training, truth)}
        found["summary"] = run_summary(windows, skill["runs"].get(key, {}))
        for reason in (NOT_COMPARED, NOT_JUDGED):
            if reason in run.attrs:
                result[reason].setdefault(key, str(run.attrs[reason]))
        if shares := control_shares_of(run):
            found["control"] = shares
        for name, numbers in found.items():
            result[name][key] = both_of(result[name].get(key, {}), numbers)
    for key, predictors in result["summary"].items():
        model = key.split("/")[0]
        of_model = (shares for control, shares in result["control"].items() if control.split("/")[0] == model)
        for predictor, shares in next(of_model, {}).items():
            if detected := predictors.get(predictor, {}).get("shift_share"):
                for name in ("", "_high"):
                    rate = shares[f"exceedance{name}"]
                    predictors[predictor][f"false_share{name}"] = None if rate is None else min(1.0, rate / detected)
    return result | {
        "agreement": agreement_metrics(agreement),
        "words": {name: list(supported) for name, supported in words.items()},
        "perfect_model": dict(skill),
        "expected_accuracy": expected_accuracy_errors(skill["runs"]),
    }


def both_of(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of two nested mappings; where both have a number, that of the first."""
    found = {**second, **first}
    nested = (name for name in second if isinstance(first.get(name), Mapping) and isinstance(second[name], Mapping))
    return found | {name: both_of(first[name], second[name]) for name in nested}


def run_metrics(run: xr.Dataset, words: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the numbers of each window of a run.

    Parameters
    ----------
    run : xarray.Dataset
        As from `thor.tracking.track.track_run`.
    words : mapping of str to sequence of str
        By predictor, the words of the likelihood scale that the test with known truth supports; only these are used.

    Returns
    -------
    dict
        {window: numbers}, by area [m2] of the valid cells: `window_start`, `window_end`, `n_months`,
        `baseline_window` (None without one), `n_cells`, `area_m2`, `area_outside_applicability_m2`, and by predictor
        `regime_area` ({regime: {expected_m2, lower_m2, upper_m2, argmax_m2}}), `expected_accuracy` and, where there is
        a baseline, `change`: as `change_numbers` says.
    """
    valid = run["valid"].values == 1
    area = run["areacello"].values[valid].astype(np.float64)
    result: dict[str, Any] = {}
    for place, label in enumerate(map(str, run["window"].values)):
        here = run.isel(window=place)
        baseline = str(here["baseline_window"].values)
        result[label] = {
            "region": "valid cells",
            "weighting": "area",
            "window_start": int(here["window_start"]),
            "window_end": int(here["window_end"]),
            "n_months": int(here["months"]),
            "baseline_window": baseline or None,
            "n_cells": int(valid.sum()),
            "area_m2": float(area.sum()),
            "area_outside_applicability_m2": float(area[here["applicable"].values[valid] == 0].sum()),
        }
        for predictor in map(str, run["predictor"].values):
            predicted = here.sel(predictor=predictor)
            entry = {
                "regime_area": _regime_area(predicted.sel(basin=GLOBAL), require_regimes(run)),
                "expected_accuracy": number(float(predicted["expected_accuracy"])),
            }
            if baseline:
                entry["change"] = change_numbers(predicted, valid, area, words.get(predictor, ()))
            result[label][predictor] = entry
    return result


def run_summary(windows: Mapping[str, Any], truth: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the main numbers of a run: those of its last window with a baseline, or of its last window.

    Parameters
    ----------
    windows : mapping
        As from `run_metrics`.
    truth : mapping
        {window: {predictor: scores}} of the run, as from `thor.tracking.perfect_model.perfect_model_skill`; may lack
        windows.

    Returns
    -------
    dict
        {predictor: numbers}: `window`, `outside_applicability_share`, {regime: `expected_m2`} as `regime_area`; with a
        baseline `forced_share` (forced regime changes) and `shift_share` (probability shifts) of the tested area,
        `changed_share` (expected) and `likely_share` (probability above 66 %) of the compared area; where the truth is
        known `forced_precision`, `forced_recall`, `shift_precision`, `shift_recall`, `balanced_accuracy`,
        `error_removed_of_persistence`, `true_changed_share`, `expected_calibration_error` and `brier_skill` of
        P(change).
    """
    compared = [label for label, entry in windows.items() if entry["baseline_window"]]
    label = (compared or list(windows))[-1]
    entry = windows[label]
    result: dict[str, dict[str, Any]] = {}
    for predictor, numbers in entry.items():
        if not isinstance(numbers, Mapping):
            continue
        result[predictor] = {
            "window": label,
            "outside_applicability_share": entry["area_outside_applicability_m2"] / entry["area_m2"],
            "regime_area": {name: areas["expected_m2"] for name, areas in numbers["regime_area"].items()},
        }
        if change := numbers.get("change"):
            likely = sum(change["likelihood"][text]["area_m2"] for text in LIKELIHOOD_RANGES[4:])
            result[predictor] |= {
                "forced_share": _ratio(change["forced_m2"], change["judged_m2"]),
                "shift_share": _ratio(change["shift_m2"], change["judged_m2"]),
                "changed_share": _ratio(change["expected_m2"], change["compared_m2"]),
                "likely_share": _ratio(likely, change["compared_m2"]),
            }
        scores = truth.get(label, {}).get(predictor, {})
        if "predictor" in scores:
            result[predictor]["balanced_accuracy"] = scores["predictor"]["balanced_accuracy"]
        if "change" in scores:
            result[predictor] |= {
                f"{kind}_{score}": scores["change"][kind][score]
                for kind in ("forced", "shift")
                for score in ("precision", "recall")
            }
            result[predictor] |= {
                "error_removed_of_persistence": scores["error_removed"]["persistence"],
                "true_changed_share": scores["change"]["base_rate"],
                "expected_calibration_error": scores["change"]["expected_calibration_error"],
                "brier_skill": scores["change"]["brier_skill"],
            }
    return result


def change_numbers(
    predicted: xr.Dataset, valid: NDArray[np.bool_], area: AnyArray, words: Sequence[str]
) -> dict[str, Any]:
    """Return the area in each class of likelihood of a change, of one window and predictor.

    Returns
    -------
    dict
        `compared_m2`: area with inputs in both windows. `expected_m2`: its expected area of change, by maximal
        coupling, and `independent_m2` if the windows were independent. `likelihood`: area of each
        range of probability [m2] with its `word` where the test with known truth supports it, else None. `judged_m2`:
        area inside the area of applicability in both windows; `forced_m2`: its part with a forced regime change;
        `shift_m2`: its part with a probability shift beyond internal variability; `expected_false_m2`: upper bound of
        the expected area of false shifts; `words`: those supported.
    """
    probability, independent = (
        predicted[name].values[valid].astype(np.float64)
        for name in ("change_probability", "change_probability_independent")
    )
    known, classes = np.isfinite(probability), likelihood_class(probability)
    shift, forced = (predicted[name].values[valid] for name in ("forced_shift", "forced_change"))
    return {
        "compared_m2": float(area[known].sum()),
        "expected_m2": float(area[known] @ probability[known]),
        "independent_m2": float(area[known] @ independent[known]),
        "likelihood": {
            text: {"area_m2": float(area[classes == k].sum()), "word": word if word in words else None}
            for k, (text, word) in enumerate(zip(LIKELIHOOD_RANGES, LIKELIHOOD, strict=True))
        },
        "judged_m2": float(area[shift >= 0].sum()),
        "forced_m2": float(area[forced == 1].sum()),
        "shift_m2": float(area[shift == 1].sum()),
        "expected_false_m2": number(float(predicted["expected_false_area"])),
        "words": list(words),
    }


def _regime_area(fields: xr.Dataset, names: Sequence[str]) -> dict[str, dict[str, float]]:
    columns = {
        "expected_m2": fields["expected_area"].values,
        "lower_m2": fields["expected_area_lower"].values,
        "upper_m2": fields["expected_area_upper"].values,
        "argmax_m2": fields["argmax_area"].values,
    }
    return {name: {kind: float(areas[k]) for kind, areas in columns.items()} for k, name in enumerate(names)}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def expected_accuracy_errors(truth: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return how well the expected accuracy agrees with the true one of the same cells, where this is known.

    Parameters
    ----------
    truth : mapping
        {run: {window: {predictor: scores}}} as from `thor.tracking.perfect_model.perfect_model_skill`.

    Returns
    -------
    dict
        By predictor `bias` (mean of expected minus true accuracy), `rms_error`, `correlation` over runs and windows
        (None if it is not defined), `n_windows` and `n_models`.
    """
    pairs: dict[str, list[tuple[str, float, float]]] = {}
    for run, of_run in truth.items():
        for predictors in of_run.values():
            for predictor, scores in predictors.items():
                if "predictor" in scores:
                    both = scores["expected_accuracy"], scores["predictor"]["accuracy"]
                    pairs.setdefault(predictor, []).append((run.split("/")[0], *both))
    found = {}
    for predictor, rows in pairs.items():
        models, expected, true = zip(*rows, strict=True)
        error = np.subtract(expected, true)
        varies = np.std(expected) > 0 and np.std(true) > 0
        found[predictor] = {
            "bias": float(error.mean()),
            "rms_error": float(np.sqrt((error**2).mean())),
            "correlation": float(np.corrcoef(expected, true)[0, 1]) if varies else None,
            "n_windows": len(rows),
            "n_models": len(set(models)),
        }
    return found
