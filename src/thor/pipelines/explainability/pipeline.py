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

from thor.app.named_nodes import by_name, named_node
from thor.attribution.method import Method
from thor.attribution.methods import explaining_methods
from thor.pipelines.explainability import nodes

_PARAMETERS = "params:explainability"
_CELLS = ["features", "regimes", "split"]
_PREDICTORS = ["ensemble", "baselines", "bayesian_network", "laplace_network"]


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    methods = explaining_methods()
    explanations = by_name(*methods)
    return Pipeline(
        [
            named_node(
                nodes.choose_reference,
                [*_CELLS, "scenario_features", _PARAMETERS],
                "explanation_reference",
            ),
            *(node for method in methods.values() for node in _nodes_of(method)),
            named_node(nodes.compare_explanations, explanations, "explanation_agreement"),
            named_node(
                nodes.evaluate_explanations,
                ["ensemble", "features", "feature_scaler", "explanation_reference", _PARAMETERS],
                "explanation_evaluation",
            ),
            named_node(
                nodes.compare_with_known_functions,
                [*_CELLS, "feature_scaler", "explanation_reference", _PARAMETERS],
                "explanation_truth",
            ),
            named_node(nodes.summarise_explanations, explanations, "explanation_summary"),
            named_node(
                nodes.score_explanations,
                by_name("explanation_agreement", "explanation_evaluation", "explanation_truth", *methods),
                "explanation_metrics",
            ),
            named_node(nodes.draw_main_features, "shapley_values", "explainability_features"),
            named_node(nodes.draw_signs, explanations, "explainability_signs"),
            named_node(nodes.draw_attributions_by_regime, "explanation_summary", "explainability_regimes"),
            named_node(nodes.draw_beeswarm, ["shapley_values", "features"], "explainability_beeswarm"),
            named_node(nodes.draw_explanation_agreement, "explanation_agreement", "explainability_agreement"),
            named_node(nodes.draw_explanation_evaluation, "explanation_evaluation", "explainability_evaluation"),
            named_node(
                nodes.draw_cell,
                {"parameters": _PARAMETERS} | by_name("regime_uncertainty", "vorticity_budget", *methods),
                "explainability_cell",
            ),
        ],
    )


def _nodes_of(method: Method) -> Iterator[Node]:
    name = method.name
    inputs = [*_PREDICTORS, "features", _PARAMETERS, *(["explanation_reference"] if method.needs_reference else [])]
    yield Node(nodes.explain_by(name), inputs, name, name=f"explain_by_{name}")
    yield Node(nodes.draw_method, name, f"explainability_{name}", name=f"draw_{name}")
