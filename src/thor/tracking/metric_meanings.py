"""Meaning, units, range and perfect value of every number in `tracking_metrics`."""

from thor.core.metrics import Metric, Metrics, area, count, share, text
from thor.networks.bootstrap import INTERVAL_METRICS
from thor.tracking.areas import WINDOW_METRICS
from thor.tracking.plausibility import PLAUSIBILITY_METRICS

_REMOVED = "share of the error in balanced accuracy of {} that the networks avoid; negative where their error is larger"

TRACKING_METRICS: Metrics = {
    **{name: WINDOW_METRICS[name] for name in ("window", "window_start", "window_end", "n_months", "baseline_window")},
    "n_cells": count("cells of the numbers beside it"),
    "area_m2": area("area of the numbers beside it, or of a class of likelihood"),
    "area_outside_applicability_m2": area("area outside the area of applicability"),
    "outside_applicability_share": share("area outside the area of applicability"),
    "compared_m2": area("area with inputs in both windows"),
    "expected_m2": area("expected area of change; of a regime, its expected area"),
    "independent_m2": area("expected area of change if the windows were independent, an upper bound"),
    "judged_m2": area("area inside the area of applicability in both windows, where changes are tested"),
    "forced_m2": area("tested area with a forced change"),
    "expected_false_m2": area("upper bound of the expected area of false discoveries"),
    "lower_m2": area("lower end of the interval of the expected area of a regime"),
    "upper_m2": area("upper end of the interval of the expected area of a regime"),
    "argmax_m2": area("area of the cells where the regime is the most probable one"),
    "true_m2": area("true area of the regime"),
    "regime_area.<regime>": area("expected area of the regime"),
    "expected_error_percent": Metric("error of the expected area", "%", -100, None, 0),
    "argmax_error_percent": Metric("error of the area of the most probable regime", "%", -100, None, 0),
    "changed_share": share("expected share of the area with another regime than the baseline"),
    "likely_share": share("area that changed with a probability above 66 %"),
    "forced_share": share("tested area with a forced change"),
    "true_changed_share": share("area whose regime truly changed"),
    "control.<run>.<predictor>.forced": share(
        "area of the control run called forced", perfect=0, higher_is_better=False
    ),
    "control.<run>.<predictor>.emergence": share(
        "area of the control run called emerged", perfect=0, higher_is_better=False
    ),
    "accuracy": share("area whose most probable regime is the true one", perfect=1, higher_is_better=True),
    "balanced_accuracy": share("mean over regimes of their recall by area", perfect=1, higher_is_better=True),
    **{
        f"error_removed.{name}": Metric(_REMOVED.format(who), "1", None, 1, 1, True)
        for name, who in {
            "persistence": "the true regime of the baseline",
            "predicted_persistence": "the predicted regime of the baseline",
            "stress_curl_tree": "a tree on the wind stress curl",
        }.items()
    },
    "error_removed_of_persistence": Metric(_REMOVED.format("the true regime of the baseline"), "1", None, 1, 1, True),
    "base_rate": share("area whose regime truly changed"),
    "mean_probability": share("mean probability of a change; perfect where it equals the observed frequency"),
    "mean_change_probability": share("mean probability of a change over models"),
    "observed_frequency": share("area of the row that truly changed"),
    "brier_score": share("mean squared error of the probability of a change", perfect=0, higher_is_better=False),
    "brier_skill": Metric("1 less the score over that of the base rate", "1", None, 1, 1, True),
    "expected_calibration_error": share(
        "mean gap of probability of a change and frequency", perfect=0, higher_is_better=False
    ),
    "from": share("lower edge of the bin of probability"),
    "to": share("upper edge of the bin"),
    "area": area("area of the row"),
    "word": text("word of the likelihood scale; none where the test with known truth does not support it"),
    "words": text("words of the likelihood scale that the test with known truth supports"),
    "words.<predictor>": text("words of the likelihood scale that the test with known truth supports"),
    "area_share": share("area called likely to change, or forced"),
    "changed": share("changed part of the area called likely to change", perfect=1, higher_is_better=True),
    "as_predicted": share("part of it that changed to the predicted regime", perfect=1, higher_is_better=True),
    "stayed": share("part of it that did not change", perfect=0, higher_is_better=False),
    "precision": share("changed part of the area called forced", perfect=1, higher_is_better=True),
    "recall": share("forced part of the area that changed", perfect=1, higher_is_better=True),
    "mean_agreement_share": share("models that agree on the regime, mean over the area"),
    "robustness_share.<class>": share("tested area in the class"),
    "models": text("climate models on the common grid"),
    "without_truth": text("runs and windows without a true budget"),
    "region": text("cells of the numbers beside it"),
    "weighting": text("area: every number is weighted by area"),
    "not_compared.<run>": text("reason why the run has no baseline"),
    "not_judged.<run>": text("reason why changes of the run are not tested against natural variability"),
    **PLAUSIBILITY_METRICS,
    **{name: INTERVAL_METRICS[name] for name in ("low", "high", "level")},
}
"""By the end of the path to a number."""
