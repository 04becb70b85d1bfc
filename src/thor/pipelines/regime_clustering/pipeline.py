"""Dynamical regimes from the terms of the vorticity budget, their stability, and the balances in them.

vorticity_budget -> fit_regime_model -> regime_model -> label_regimes -> regimes -> draw_regimes
                      |-> select_number_of_clusters -> cluster_selection -> draw_selection
                      |-> measure_balances (with regimes) -> regime_balances -> draw_balances
                      |-> measure_clustering (with both)  -> clustering_metrics
                      |-> draw_terms
regime_model, scenario_features, true_budgets -> label_true_budgets -> true_regimes
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import named_node
from thor.pipelines.regime_clustering import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(nodes.fit_regime_model, "regime_model"),
            named_node(nodes.label_regimes, "regimes"),
            named_node(nodes.label_true_budgets, "true_regimes"),
            named_node(nodes.select_number_of_clusters, "cluster_selection"),
            named_node(nodes.measure_balances, "regime_balances"),
            named_node(nodes.measure_clustering, "clustering_metrics"),
            named_node(nodes.draw_terms, "regime_clustering_terms"),
            named_node(nodes.draw_regimes, "regime_clustering_regimes"),
            named_node(nodes.draw_balances, "regime_clustering_balances"),
            named_node(nodes.draw_selection, "regime_clustering_selection"),
        ],
    )
