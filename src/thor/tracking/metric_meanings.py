"""Meaning, units, range and perfect value of every number in `tracking_metrics`."""

from thor.core.metrics import Metrics, read_metrics
from thor.networks.bootstrap import INTERVAL_METRICS
from thor.tracking.areas import WINDOW_METRICS
from thor.tracking.plausibility import PLAUSIBILITY_METRICS

TRACKING_METRICS: Metrics = {
    **{name: WINDOW_METRICS[name] for name in ("window", "window_start", "window_end", "n_months", "baseline_window")},
    **read_metrics("thor.tracking"),
    **PLAUSIBILITY_METRICS,
    **{name: INTERVAL_METRICS[name] for name in ("low", "high", "level")},
}
"""By the end of the path to a number."""
