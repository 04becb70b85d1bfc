"""What is told of a run in plain numbers: areas of regimes, how likely they changed, what was not judged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.errors import ConfigError, did_you_mean
from thor.core.metrics import Metric, Metrics, area, count, share, text
from thor.networks.bootstrap import INTERVAL_METRICS
from thor.networks.scores import number
from thor.tracking.areas import WINDOW_METRICS, require_regimes
from thor.tracking.cells import NOT_COMPARED, NOT_JUDGED
from thor.tracking.fields import GLOBAL
from thor.tracking.forced import LIKELIHOOD, likelihood_class
from thor.tracking.multimodel import ROBUSTNESS
from thor.tracking.perfect_model import control_shares_of, words_by_predictor
from thor.tracking.plausibility import PLAUSIBILITY_METRICS, TrainingOcean, plausibility

Collection = Mapping[str, Callable[[], xr.Dataset]]

LIKELIHOOD_RANGES = ("< 1 %", "1-10 %", "10-33 %", "33-66 %", "66-90 %", "90-99 %", "> 99 %")
"""What is left of the nested ranges of the likelihood scale when each probability has the narrowest."""


_CHANGED = "area whose regime changed, in the expectation"
_REMOVED = "of the error in balanced accuracy, that {} makes and the networks do not; below 0: more"

TRACKING_METRICS: Metrics = {
    **{name: WINDOW_METRICS[name] for name in ("window", "window_start", "window_end", "n_months", "baseline_window")},
    "n_cells": count("cells that the numbers beside it come from"),
    "area_m2": area("that the numbers beside it come from, or that has a likelihood"),
    "area_outside_applicability_m2": area("whose inputs are unlike those of any training cell"),
    "outside_applicability_share": share("area whose inputs are unlike those of any training cell"),
    "compared_m2": area("with inputs in both windows"),
    "expected_m2": area("expected to have changed; of a regime, its expected area"),
    "independent_m2": area("the same if windows were drawn independently, an upper bound"),
    "judged_m2": area("inside the area of applicability in both windows"),
    "forced_m2": area("of the judged, that is called a forced change"),
    "expected_false_m2": area("of this, expected to be called so falsely, at most"),
    "lower_m2": area("lower end of the interval of a regime's expected area"),
    "upper_m2": area("upper end of it"),
    "argmax_m2": area("of cells where the regime is the most probable one"),
    "true_m2": area("that the regime truly has"),
    "regime_area.<regime>": area("expected area of the regime"),
    "expected_error_percent": Metric("error of the expected area", "%", -100, None, 0),
    "argmax_error_percent": Metric("error of the area of the most probable regime", "%", -100, None, 0),
    "changed_share": share(_CHANGED),
    "likely_share": share("area that changed with a probability above 66 %"),
    "forced_share": share("judged area that is called a forced change"),
    "true_changed_share": share("area whose regime truly changed"),
    "control.<run>.<predictor>.forced": share("control run called forced", perfect=0, higher_is_better=False),
    "control.<run>.<predictor>.emergence": share("control run called emerged", perfect=0, higher_is_better=False),
    "accuracy": share("area whose most probable regime is the true one", perfect=1, higher_is_better=True),
    "balanced_accuracy": share("mean over regimes of their recall by area", perfect=1, higher_is_better=True),
    **{
        f"error_removed.{name}": Metric(_REMOVED.format(who), "1", None, 1, 1, True)
        for name, who in {
            "persistence": "the true regime of the baseline",
            "predicted_persistence": "the predicted regime of the baseline",
            "stress_curl_tree": "a tree on the stress curl",
        }.items()
    },
    "error_removed_of_persistence": Metric(_REMOVED.format("the true regime of the baseline"), "1", None, 1, 1, True),
    "base_rate": share("area whose regime truly changed"),
    "mean_probability": share("mean probability of a change; perfect is the frequency beside it"),
    "mean_change_probability": share("mean probability of a change over models"),
    "observed_frequency": share("area of the row that truly changed"),
    "brier_score": share("mean squared error of the probability of a change", perfect=0, higher_is_better=False),
    "brier_skill": Metric("1 less the score over that of the base rate", "1", None, 1, 1, True),
    "expected_calibration_error": share(
        "mean gap of probability of a change and frequency", perfect=0, higher_is_better=False
    ),
    "from": share("lower edge of the bin of probability"),
    "to": share("upper edge of the bin"),
    "area": area("of the row"),
    "word": text("of the likelihood scale; none where known truth does not support it"),
    "words": text("of the likelihood scale that known truth supports"),
    "words.<predictor>": text("of the likelihood scale that known truth supports"),
    "area_share": share("area called so"),
    "changed": share("of the area called likely to change, what changed", perfect=1, higher_is_better=True),
    "as_predicted": share("of it, what changed to the predicted regime", perfect=1, higher_is_better=True),
    "stayed": share("of it, what stayed", perfect=0, higher_is_better=False),
    "precision": share("of the area called forced, what changed", perfect=1, higher_is_better=True),
    "recall": share("of the area that changed, what is called forced", perfect=1, higher_is_better=True),
    "mean_agreement_share": share("models that agree on the regime, mean over the area"),
    "robustness_share.<class>": share("judged area in the class"),
    "models": text("that were brought to one grid"),
    "without_truth": text("runs and windows whose true budget is not at hand"),
    "region": text("cells that the numbers beside it come from"),
    "weighting": text("area: every number is weighted by it"),
    "not_compared.<run>": text("why nothing of the run is compared with a baseline"),
    "not_judged.<run>": text("why no change of the run is judged to be forced"),
    **PLAUSIBILITY_METRICS,
    "low": INTERVAL_METRICS["low"],
    "high": INTERVAL_METRICS["high"],
    "level": INTERVAL_METRICS["level"],
}
"""What `tracking_metrics` holds."""


def tracking_metrics(
    runs: Collection, agreement: Iterable[xr.Dataset], skill: Mapping[str, Any], training: TrainingOcean
) -> dict[str, Any]:
    """Return all that is told in numbers.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the regimes of each run, as from `thor.tracking.track.track_run`.
    agreement : iterable of xarray.Dataset
        As from `thor.tracking.multimodel.multimodel_summary`.
    skill : mapping
        As from `thor.tracking.perfect_model.perfect_model_skill`.
    training : TrainingOcean
        With which the regimes of each run are compared.

    Returns
    -------
    dict
        Plain numbers. `summary`: {run: {predictor: numbers}} of its last window with a baseline, as `run_summary` says;
        `runs`: {run: {window: numbers}}, as `run_metrics` says; `control`: {run: {predictor: {forced,
        emergence}}}, shares of the area of control runs that are called so; `agreement`: as `agreement_metrics` says;
        `words`: {predictor: words of the likelihood scale that known truth supports}; `perfect_model`: the skill;
        `plausibility`: {run: {predictor: numbers}}, as `thor.tracking.plausibility.plausibility` says; `not_compared`
        and `not_judged`: {run: reason}, where a run has no baseline or no natural variability although it has a parent.
    """
    words = words_by_predictor(skill)
    result: dict[str, Any] = {"runs": {}, "control": {}, "plausibility": {}, NOT_COMPARED: {}, NOT_JUDGED: {}}
    for key, load in runs.items():
        run = load()
        result["runs"][key] = run_metrics(run, words)
        result["plausibility"][key] = plausibility(run, training)
        for reason in (NOT_COMPARED, NOT_JUDGED):
            if reason in run.attrs:
                result[reason][key] = str(run.attrs[reason])
        if shares := control_shares_of(run):
            result["control"][key] = shares
    truth = skill["runs"]
    return result | {
        "summary": {key: run_summary(windows, truth.get(key, {})) for key, windows in result["runs"].items()},
        "agreement": agreement_metrics(agreement),
        "words": {name: list(own) for name, own in words.items()},
        "perfect_model": dict(skill),
    }


def run_metrics(run: xr.Dataset, words: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the numbers of each window of a run.

    Parameters
    ----------
    run : xarray.Dataset
        As from `thor.tracking.track.track_run`.
    words : mapping of str to sequence of str
        By predictor, the words of the likelihood scale that a test with known truth supports; only these are used.

    Returns
    -------
    dict
        {window: numbers}, by area [m2] of the valid cells: `window_start`, `window_end`, `n_months`,
        `baseline_window` (None without one), `n_cells`, `area_m2`, `area_outside_applicability_m2`, and by predictor
        `regime_area` ({regime: {expected_m2, lower_m2, upper_m2, argmax_m2}}) and, where there is a baseline,
        `change`: as `change_numbers` says.
    """
    valid = run["valid"].values == 1
    area = run["areacello"].values[valid].astype(np.float64)
    names = require_regimes(run)
    result: dict[str, Any] = {}
    for place, label in enumerate(map(str, run["window"].values)):
        here = run.isel(window=place)
        outside = here["applicable"].values[valid] == 0
        baseline = str(here["baseline_window"].values)
        entry: dict[str, Any] = {
            "region": "valid cells",
            "weighting": "area",
            "window_start": int(here["window_start"]),
            "window_end": int(here["window_end"]),
            "n_months": int(here["months"]),
            "baseline_window": baseline or None,
            "n_cells": int(valid.sum()),
            "area_m2": float(area.sum()),
            "area_outside_applicability_m2": float(area[outside].sum()),
        }
        for predictor in map(str, run["predictor"].values):
            own = here.sel(predictor=predictor)
            entry[predictor] = {"regime_area": _regime_area(own.sel(basin=GLOBAL), names)}
            if baseline:
                entry[predictor]["change"] = change_numbers(own, valid, area, words.get(predictor, ()))
        result[label] = entry
    return result


def run_summary(windows: Mapping[str, Any], truth: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the few numbers of a run that one looks at first: its last window, against its baseline if it has one.

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
        baseline `changed_share`, `forced_share`, `likely_share` (probability above 66 %) of the compared or judged
        area; where the truth is known `balanced_accuracy`, `error_removed_of_persistence`, `true_changed_share`,
        `expected_calibration_error` and `brier_skill` of P(change).
    """
    compared = [label for label, entry in windows.items() if entry["baseline_window"]]
    label = (compared or list(windows))[-1]
    entry = windows[label]
    result: dict[str, dict[str, Any]] = {}
    for predictor, told in entry.items():
        if not isinstance(told, Mapping):
            continue
        own: dict[str, Any] = {
            "window": label,
            "outside_applicability_share": entry["area_outside_applicability_m2"] / entry["area_m2"],
            "regime_area": {name: area["expected_m2"] for name, area in told["regime_area"].items()},
        }
        if change := told.get("change"):
            likely = sum(change["likelihood"][text]["area_m2"] for text in LIKELIHOOD_RANGES[4:])
            own |= {
                "changed_share": _ratio(change["expected_m2"], change["compared_m2"]),
                "likely_share": _ratio(likely, change["compared_m2"]),
                "forced_share": _ratio(change["forced_m2"], change["judged_m2"]),
            }
        scores = truth.get(label, {}).get(predictor, {})
        if "predictor" in scores:
            own["balanced_accuracy"] = scores["predictor"]["balanced_accuracy"]
        if "change" in scores:
            own |= {
                "error_removed_of_persistence": scores["error_removed"]["persistence"],
                "true_changed_share": scores["change"]["base_rate"],
                "expected_calibration_error": scores["change"]["expected_calibration_error"],
                "brier_skill": scores["change"]["brier_skill"],
            }
        result[predictor] = own
    return result


def change_numbers(own: xr.Dataset, valid: NDArray[np.bool_], area: AnyArray, words: Sequence[str]) -> dict[str, Any]:
    """Return how much area changed how likely, of one window and predictor.

    Returns
    -------
    dict
        `compared_m2`: area with inputs in both windows. `expected_m2`: of it, expected to have changed, by maximal
        coupling, and `independent_m2` if the windows were drawn independently, an upper bound. `likelihood`: area of
        each range of probability [m2] with its `word` where a test with known truth supports one, else None.
        `judged_m2`: area inside the area of applicability in both windows; `forced_m2` of it called a forced change,
        `expected_false_m2` of this falsely, at most; `words`: those supported.
    """
    probability = own["change_probability"].values[valid].astype(np.float64)
    known = np.isfinite(probability)
    classes = likelihood_class(probability)
    forced = own["forced_change"].values[valid]
    independent = own["change_probability_independent"].values[valid].astype(np.float64)
    return {
        "compared_m2": float(area[known].sum()),
        "expected_m2": float(area[known] @ probability[known]),
        "independent_m2": float(area[known] @ independent[known]),
        "likelihood": {
            text: {"area_m2": float(area[classes == k].sum()), "word": word if word in words else None}
            for k, (text, word) in enumerate(zip(LIKELIHOOD_RANGES, LIKELIHOOD, strict=True))
        },
        "judged_m2": float(area[forced >= 0].sum()),
        "forced_m2": float(area[forced == 1].sum()),
        "expected_false_m2": number(float(own["expected_false_area"])),
        "words": list(words),
    }


def agreement_metrics(summaries: Iterable[xr.Dataset]) -> dict[str, Any]:
    """Return, by experiment and predictor, which shares of the common grid's area are robust, and how many agree.

    Parameters
    ----------
    summaries : iterable of xarray.Dataset
        As from `thor.tracking.multimodel.multimodel_summary`.
    """
    result: dict[str, Any] = {}
    for summary in summaries:
        entry: dict[str, Any] = {
            "window": str(summary.attrs["window"]),
            "models": [str(name) for name in summary["source_id"].values],
        }
        for predictor in map(str, summary["predictor"].values):
            own = summary.sel(predictor=predictor)
            area = np.broadcast_to(own["areacello"].values, own["regime"].shape)
            there, judged = own["n_models"].values > 0, own["robustness"].values >= 0
            entry[predictor] = {
                "area_m2": float(area[there].sum()),
                "judged_m2": float(area[judged].sum()),
                "mean_agreement_share": _mean(own["agreement_share"].values, area, there),
                "mean_change_probability": _mean(own["change_probability"].values, area, judged),
                "robustness_share": {
                    name: _mean((own["robustness"].values == k).astype(float), area, judged)
                    for k, name in enumerate(ROBUSTNESS)
                },
            }
        result[str(summary.attrs["experiment_id"])] = entry
    return result


def shown_key(metrics: Mapping[str, Any], wanted: str | None) -> str | None:
    """Return the key of the run to show: the one wanted, else that of which the largest share changed.

    Parameters
    ----------
    metrics : mapping
        As from `tracking_metrics`.
    wanted : str or None

    Returns
    -------
    str or None
        None where no run is compared with a baseline and none is wanted.

    Raises
    ------
    ConfigError
        When there is no such run.
    """
    runs = metrics["runs"]
    if wanted is not None and runs:
        if wanted not in runs:
            raise ConfigError(f"There is no run '{wanted}' to show.{did_you_mean(wanted, runs)} Mend shown_run.")
        return wanted
    shares: dict[str, float] = {}
    for key, predictors in metrics["summary"].items():
        told = [own["changed_share"] for own in predictors.values() if own.get("changed_share") is not None]
        if told:
            shares[key] = told[0]
    return max(sorted(shares), key=lambda key: shares[key]) if shares else None


def shown_run(runs: Collection, metrics: Mapping[str, Any], wanted: str | None) -> xr.Dataset | None:
    """Return the run to show, as `shown_key` says; None where there is none."""
    key = shown_key(metrics, wanted)
    return None if key is None else runs[key]()


def _regime_area(own: xr.Dataset, names: Sequence[str]) -> dict[str, dict[str, float]]:
    columns = {
        "expected_m2": "expected_area",
        "lower_m2": "expected_area_lower",
        "upper_m2": "expected_area_upper",
        "argmax_m2": "argmax_area",
    }
    return {
        name: {kind: float(own[field].values[k]) for kind, field in columns.items()} for k, name in enumerate(names)
    }


def _mean(values: AnyArray, area: AnyArray, where: NDArray[np.bool_]) -> float | None:
    where = where & np.isfinite(values)
    return float(np.average(values[where], weights=area[where])) if area[where].sum() > 0 else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
