"""The meaning of the numbers in each file of metrics; the documentation is made from these tables."""

from collections.abc import Mapping

from thor.attribution.explanation_metrics import EXPLANATION_METRICS
from thor.core.metrics import Metric, Metrics, count, share, text
from thor.networks.scores import SCORES
from thor.networks.skill import SKILL_METRICS
from thor.regimes.metrics import CLUSTERING_METRICS
from thor.regimes.selection import SELECTION_METRICS
from thor.tracking.areas import AREA_METRICS, TRANSITION_METRICS
from thor.tracking.cells import RUN_FACETS
from thor.tracking.metric_meanings import TRACKING_METRICS
from thor.uncertainty.scoring import CALIBRATION_METRICS


def _some(metrics: Metrics, *names: str) -> Metrics:
    return {name: metrics[name] for name in names}


SUMMARY_METRICS: Metrics = {
    **_some(CLUSTERING_METRICS, "mean_confidence", "stability_ari", "single_run_ari", "closure_rms", "labels"),
    **_some(CLUSTERING_METRICS, "area_fraction.<regime>", "regimes", "n_clusters", "n_consensus", "n_runs"),
    **{f"predictors.<predictor>.{name}.value": score for name, score in SCORES.items() if name != "f1"},
    **_some(SKILL_METRICS, "n_cells", "difference", "classes", "region", "weighting", "low", "high", "level"),
    "area_accuracy": share("area whose most probable regime is the label", perfect=1, higher_is_better=True),
    **_some(CALIBRATION_METRICS, "temperature", "confidence_level", "coverage", "mean_set_size", "single_share"),
    "before": Metric("expected calibration error before calibration, test cells", "1", 0, 1, 0, False),
    "after": Metric("expected calibration error after calibration, test cells", "1", 0, 1, 0, False),
    **_some(EXPLANATION_METRICS, "rank_correlation", "sign_agreement", "top_overlap", "random", "skill", "perfect"),
    **_some(EXPLANATION_METRICS, "higher_is_better", "property"),
    "faithfulness.<method>.value": EXPLANATION_METRICS["faithfulness_correlation.value"],
    **_some(TRACKING_METRICS, "base_rate", "brier_skill", "mean_probability", "window", "accuracy", "forced_share"),
    **_some(TRACKING_METRICS, "not_compared.<run>", "not_judged.<run>"),
    **{name: entry for name, entry in TRACKING_METRICS.items() if name.startswith("error_removed.")},
    "perfect_model.<experiment>.<predictor>.expected_calibration_error": TRACKING_METRICS["expected_calibration_error"],
    "tree_accuracy": share(
        "area with the correct regime by a tree on the wind stress curl", perfect=1, higher_is_better=True
    ),
    "likely_changed": TRACKING_METRICS["changed"],
    **_some(AREA_METRICS, *RUN_FACETS, "baseline_window"),
    "run": text("model, experiment and variant"),
    "expected_changed_share": TRACKING_METRICS["changed_share"],
    "applicable_share": share("area inside the area of applicability"),
    "not_applicable_share": share("area outside the area of applicability"),
    "mean": Metric("mean over climate models; low and high are the least and the largest of them"),
    "n_models": count("climate models"),
    "windows": text("last window of each run"),
    "baselines": text("baselines of these windows"),
    "baseline": text("baseline of the window, in words"),
    "entropy_bit": Metric("mean entropy of the probabilities, by area", "bit", 0),
    "disagreement_share": share("part of the entropy from disagreement between networks"),
    "m_score": share("contrast between the terms of the balance and all others", perfect=1, higher_is_better=True),
    "frequency": share("bootstrap resamples with the same dominant terms", perfect=1, higher_is_better=True),
    "terms": text("of the dominant balance"),
    "title": text("of the training ocean"),
    "predictor": text("networks that the numbers beside it are of"),
    "sentences.<topic>": text("the numbers in sentences"),
    "n_tracked": count("runs whose regimes were tracked; none where scenario_tracking did not run"),
    "left_out.missing": text("datasets and figures that are absent"),
    "left_out.outdated": text("datasets and figures older than their inputs"),
    "archive.n_runs": count("runs of the archive that are requested"),
    "archive.n_read": count("requested runs that could be read"),
    "not_read.<run>": text("why the run could not be read"),
    "not_passed.<run>": text("physical checks that the run does not pass"),
    "implausible.<run>": TRACKING_METRICS["objections"],
}

METRIC_TABLES: Mapping[str, Metrics] = {
    "clustering_metrics": CLUSTERING_METRICS,
    "cluster_selection": SELECTION_METRICS,
    "skill_metrics": SKILL_METRICS,
    "bayesian_skill_metrics": SKILL_METRICS,
    "cross_validation_metrics": SKILL_METRICS,
    "calibration_metrics": CALIBRATION_METRICS,
    "explanation_metrics": EXPLANATION_METRICS,
    "tracking_metrics": TRACKING_METRICS,
    "regime_areas": AREA_METRICS,
    "regime_transitions": TRANSITION_METRICS,
    "summary": SUMMARY_METRICS,
}
"""By dataset. Columns of tables are keys like those of files."""
