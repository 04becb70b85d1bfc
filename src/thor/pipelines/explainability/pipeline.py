"""Feature attributions of the predicted regime in every cell, by several methods for one target, and their quality.

features, regimes, split, scenario_features -> choose_reference -> explanation_reference
for each registered method (`thor.attribution.methods`), such as relevance, shapley_values and lime_weights:
    ensemble, bayesian_network, features -> explain_by_<method> -> <method> -> draw_<method> -> explainability_<method>
all methods -> compare_explanations   -> explanation_agreement
            -> summarise_explanations -> explanation_summary
ensemble -> evaluate_explanations -> explanation_evaluation
features -> compare_with_known_functions     -> explanation_truth
all of these -> score_explanations -> explanation_metrics
             -> draw_signs, draw_attributions_by_regime, draw_beeswarm, draw_explanation_agreement,
                draw_explanation_evaluation, draw_cell
"""

from collections.abc import Iterator

from kedro.pipeline import Node, Pipeline

from thor.attribution.method import Method
from thor.attribution.methods import explaining_methods
from thor.pipelines.explainability import nodes

_PARAMETERS = "params:explainability"
_CELLS = ["features", "regimes", "split", "feature_scaler"]
_NETWORKS = ["ensemble", "bayesian_network", "features", "feature_scaler"]


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    methods = explaining_methods()
    explanations = _by_name(*methods)
    return Pipeline(
        [
            Node(
                nodes.choose_reference,
                [*_CELLS, "scenario_features", _PARAMETERS],
                "explanation_reference",
                name="choose_reference",
            ),
            *(node for method in methods.values() for node in _nodes_of(method)),
            Node(nodes.compare_explanations, explanations, "explanation_agreement", name="compare_explanations"),
            Node(
                nodes.evaluate_explanations,
                ["ensemble", "features", "feature_scaler", "explanation_reference", _PARAMETERS],
                "explanation_evaluation",
                name="evaluate_explanations",
            ),
            Node(
                nodes.compare_with_known_functions,
                [*_CELLS, "explanation_reference", _PARAMETERS],
                "explanation_truth",
                name="compare_with_known_functions",
            ),
            Node(nodes.summarise_explanations, explanations, "explanation_summary", name="summarise_explanations"),
            Node(
                nodes.score_explanations,
                _by_name("explanation_agreement", "explanation_evaluation", "explanation_truth", *methods),
                "explanation_metrics",
                name="score_explanations",
            ),
            Node(nodes.draw_signs, explanations, "explainability_signs", name="draw_signs"),
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
                {"parameters": _PARAMETERS} | _by_name("regime_uncertainty", "vorticity_budget", *methods),
                "explainability_cell",
                name="draw_cell",
            ),
        ],
        tags="explainability",
    )


def _nodes_of(method: Method) -> Iterator[Node]:
    name = method.name
    inputs = [*_NETWORKS, _PARAMETERS, *(["explanation_reference"] if method.needs_reference else [])]
    yield Node(nodes.explain_by(name), inputs, name, name=f"explain_by_{name}")
    yield Node(nodes.draw_method(name), name, f"explainability_{name}", name=f"draw_{name}")


def _by_name(*names: str) -> dict[str, str]:
    return dict(zip(names, names, strict=True))
