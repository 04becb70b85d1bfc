"""Dynamical regimes: clusters of the vorticity budget's terms, made many times and reduced to one steady map.

Runs are aligned, grouped and let vote; regimes are named by their physics and described by the terms that
balance.
"""

from thor.regimes.balances import regime_balances
from thor.regimes.clustering import ClusteringSettings
from thor.regimes.metrics import clustering_metrics
from thor.regimes.regime_model import RegimeModel, fit_regimes
from thor.regimes.selection import cluster_selection, summarise_selection

__all__ = [
    "ClusteringSettings",
    "RegimeModel",
    "cluster_selection",
    "clustering_metrics",
    "fit_regimes",
    "regime_balances",
    "summarise_selection",
]
