"""The meaning of the numbers in each file of metrics; the documentation is made from these tables."""

from collections.abc import Mapping

from thor.attribution.explanation_metrics import EXPLANATION_METRICS
from thor.core.metrics import Metrics, read_metrics
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
    **read_metrics("thor.report"),
    **_some(CLUSTERING_METRICS, "mean_confidence", "stability_ari", "single_run_ari", "closure_rms", "labels"),
    **_some(CLUSTERING_METRICS, "area_fraction.<regime>", "regimes", "n_clusters", "n_consensus", "n_runs"),
    **{f"predictors.<predictor>.{name}.value": score for name, score in SCORES.items() if name != "f1"},
    **_some(SKILL_METRICS, "n_cells", "difference", "classes", "region", "weighting", "low", "high", "level"),
    **_some(CALIBRATION_METRICS, "temperature", "confidence_level", "coverage", "mean_set_size", "single_share"),
    **_some(EXPLANATION_METRICS, "rank_correlation", "sign_agreement", "top_overlap", "random", "skill", "perfect"),
    **_some(EXPLANATION_METRICS, "higher_is_better", "property"),
    "faithfulness.<method>.value": EXPLANATION_METRICS["faithfulness_correlation.value"],
    **_some(TRACKING_METRICS, "base_rate", "brier_skill", "mean_probability", "window", "accuracy", "forced_share"),
    **_some(TRACKING_METRICS, "not_compared.<run>", "not_judged.<run>"),
    **{name: entry for name, entry in TRACKING_METRICS.items() if name.startswith("error_removed.")},
    "perfect_model.<experiment>.<predictor>.expected_calibration_error": TRACKING_METRICS["expected_calibration_error"],
    "likely_changed": TRACKING_METRICS["changed"],
    **_some(AREA_METRICS, *RUN_FACETS, "baseline_window"),
    "expected_changed_share": TRACKING_METRICS["changed_share"],
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
