"""Feature attributions of the predicted regime in every cell, by several methods for one target, and their quality.

features, regimes, split, scenario_features -> choose_reference -> explanation_reference
for each registered method (`thor.attribution.methods`), such as relevance, shapley_values and lime_weights:
    all predictors, features -> explain_by_<method> -> <method> -> draw_<method> -> explainability_<method>
all methods -> compare_explanations   -> explanation_agreement
            -> summarise_explanations -> explanation_summary
ensemble -> evaluate_explanations -> explanation_evaluation
features -> compare_with_known_functions     -> explanation_truth
all of these -> score_explanations -> explanation_metrics
             -> draw_main_features, draw_signs, draw_attributions_by_regime, draw_beeswarm, draw_explanation_agreement,
                draw_explanation_evaluation, draw_cell
"""

from collections.abc import Iterator

from kedro.pipeline import Node, Pipeline

from thor.app.named_nodes import named_node
from thor.attribution.method import Method
from thor.attribution.methods import explaining_methods
from thor.pipelines.explainability import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    methods = explaining_methods()
    return Pipeline(
        [
            named_node(nodes.choose_reference, "explanation_reference"),
            *(node for method in methods.values() for node in _nodes_of(method)),
            named_node(nodes.compare_explanations, "explanation_agreement", further_inputs=methods),
            named_node(nodes.evaluate_explanations, "explanation_evaluation"),
            named_node(nodes.compare_with_known_functions, "explanation_truth"),
            named_node(nodes.summarise_explanations, "explanation_summary", further_inputs=methods),
            named_node(nodes.score_explanations, "explanation_metrics", further_inputs=methods),
            named_node(nodes.draw_main_features, "explainability_features"),
            named_node(nodes.draw_signs, "explainability_signs", further_inputs=methods),
            named_node(nodes.draw_attributions_by_regime, "explainability_regimes"),
            named_node(nodes.draw_beeswarm, "explainability_beeswarm"),
            named_node(nodes.draw_explanation_agreement, "explainability_agreement"),
            named_node(nodes.draw_explanation_evaluation, "explainability_evaluation"),
            named_node(nodes.draw_cell, "explainability_cell", further_inputs=methods),
        ],
    )


def _nodes_of(method: Method) -> Iterator[Node]:
    name = method.name
    predictors = ["ensemble", "baselines", "bayesian_network", "laplace_network"]
    reference = ["explanation_reference"] if method.needs_reference else []
    inputs = [*predictors, "features", "params:explainability", *reference]
    yield Node(nodes.explain_by(name), inputs, name, name=f"explain_by_{name}")
    yield Node(nodes.draw_method, name, f"explainability_{name}", name=f"draw_{name}")
