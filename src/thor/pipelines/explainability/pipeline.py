"""Why the networks see a regime in a cell, by three methods on one target, and how far to trust each of them.

features, regimes, split, scenario_features -> choose_reference -> explanation_reference
ensemble, bayesian_network, features -> explain_by_relevance      -> relevance
                                     -> explain_by_shapley_values -> shapley_values
                                     -> explain_by_lime           -> lime_weights
relevance, shapley_values, lime_weights -> compare_explanations   -> explanation_agreement
                                        -> summarise_explanations -> explanation_summary
ensemble -> evaluate_explanations -> explanation_evaluation
features -> compare_with_known_functions     -> explanation_truth
all of these -> score_explanations -> explanation_metrics
             -> draw_relevance, draw_shapley_values, draw_lime_weights, draw_signs, draw_attributions_by_regime,
                draw_beeswarm, draw_explanation_agreement, draw_explanation_evaluation, draw_cell
"""

from kedro.pipeline import Node, Pipeline

from thor.pipelines.explainability import nodes

PARAMETERS = "params:explainability"
CELLS = ["features", "regimes", "split", "feature_scaler"]
NETWORKS = ["ensemble", "bayesian_network", "features", "feature_scaler", "explanation_reference"]
METHODS = ["relevance", "shapley_values", "lime_weights"]


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.choose_reference,
                [*CELLS, "scenario_features", PARAMETERS],
                "explanation_reference",
                name="choose_reference",
            ),
            Node(nodes.explain_by_relevance, [*NETWORKS, PARAMETERS], "relevance", name="explain_by_relevance"),
            Node(
                nodes.explain_by_shapley_values,
                [*NETWORKS, PARAMETERS],
                "shapley_values",
                name="explain_by_shapley_values",
            ),
            Node(nodes.explain_by_lime, [*NETWORKS, PARAMETERS], "lime_weights", name="explain_by_lime"),
            Node(nodes.compare_explanations, METHODS, "explanation_agreement", name="compare_explanations"),
            Node(
                nodes.evaluate_explanations,
                ["ensemble", "features", "feature_scaler", "explanation_reference", PARAMETERS],
                "explanation_evaluation",
                name="evaluate_explanations",
            ),
            Node(
                nodes.compare_with_known_functions,
                [*CELLS, "explanation_reference", PARAMETERS],
                "explanation_truth",
                name="compare_with_known_functions",
            ),
            Node(nodes.summarise_explanations, METHODS, "explanation_summary", name="summarise_explanations"),
            Node(
                nodes.score_explanations,
                [*METHODS, "explanation_agreement", "explanation_evaluation", "explanation_truth"],
                "explanation_metrics",
                name="score_explanations",
            ),
            Node(nodes.draw_relevance, "relevance", "explainability_relevance", name="draw_relevance"),
            Node(
                nodes.draw_shapley_values,
                "shapley_values",
                "explainability_shapley_values",
                name="draw_shapley_values",
            ),
            Node(nodes.draw_lime_weights, "lime_weights", "explainability_lime_weights", name="draw_lime_weights"),
            Node(nodes.draw_signs, METHODS, "explainability_signs", name="draw_signs"),
            Node(
                nodes.draw_attributions_by_regime,
                "explanation_summary",
                "explainability_regimes",
                name="draw_attributions_by_regime",
            ),
            Node(
                nodes.draw_beeswarm,
                ["shapley_values", "features"],
                "explainability_beeswarm",
                name="draw_beeswarm",
            ),
            Node(
                nodes.draw_explanation_agreement,
                "explanation_agreement",
                "explainability_agreement",
                name="draw_explanation_agreement",
            ),
            Node(
                nodes.draw_explanation_evaluation,
                "explanation_evaluation",
                "explainability_evaluation",
                name="draw_explanation_evaluation",
            ),
            Node(
                nodes.draw_cell,
                [*METHODS, "regime_uncertainty", "vorticity_budget", PARAMETERS],
                "explainability_cell",
                name="draw_cell",
            ),
        ],
        tags="explainability",
    )
