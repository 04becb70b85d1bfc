"""Dynamical regimes from the terms of the vorticity budget, their stability, and the balances in them.

vorticity_budget -> fit_regime_model -> regime_model -> label_regimes -> regimes -> draw_regimes
                      |-> select_number_of_clusters -> cluster_selection -> draw_selection
                      |-> measure_balances (with regimes) -> regime_balances -> draw_balances
                      |-> measure_clustering (with both)  -> clustering_metrics
                      |-> draw_terms
"""

from kedro.pipeline import Node, Pipeline

from thor.pipelines.regime_clustering import nodes

_PARAMETERS = "params:regime_clustering"


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            Node(nodes.fit_regime_model, ["vorticity_budget", _PARAMETERS], "regime_model", name="fit_regime_model"),
            Node(
                nodes.label_regimes,
                ["vorticity_budget", "regime_model", _PARAMETERS],
                "regimes",
                name="label_regimes",
            ),
            Node(
                nodes.select_number_of_clusters,
                ["vorticity_budget", _PARAMETERS],
                "cluster_selection",
                name="select_number_of_clusters",
            ),
            Node(
                nodes.measure_balances,
                ["vorticity_budget", "regimes", _PARAMETERS],
                "regime_balances",
                name="measure_balances",
            ),
            Node(
                nodes.measure_clustering,
                ["vorticity_budget", "regimes", "regime_model"],
                "clustering_metrics",
                name="measure_clustering",
            ),
            Node(nodes.draw_terms, "vorticity_budget", "regime_clustering_terms", name="draw_terms"),
            Node(nodes.draw_regimes, "regimes", "regime_clustering_regimes", name="draw_regimes"),
            Node(nodes.draw_balances, "regime_balances", "regime_clustering_balances", name="draw_balances"),
            Node(
                nodes.draw_selection,
                ["cluster_selection", _PARAMETERS],
                "regime_clustering_selection",
                name="draw_selection",
            ),
        ],
        tags="regime_clustering",
    )
