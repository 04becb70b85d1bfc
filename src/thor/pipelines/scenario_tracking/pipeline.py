"""Regimes of climate models through time: where, when and with what probability they change.

ensemble, bayesian_network, calibration_model, scenario_features -> track_regimes -> scenario_regimes
scenario_regimes -> measure_areas   -> regime_areas       -> draw_areas, draw_area_changes
                                    -> regime_transitions -> draw_transitions
                 -> compare_models  -> model_agreement    -> draw_agreement
                 -> explain_changes -> change_attribution -> draw_reasons
all of these, true_budgets, regimes -> score_tracking -> tracking_metrics
                 -> draw_regimes_by_window, draw_change, draw_change_reliability
"""

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from thor.pipelines.scenario_tracking import nodes

_PARAMETERS = "params:scenario_tracking"
_NETWORKS = ["ensemble", "bayesian_network", "feature_scaler"]
_CALIBRATED = ["calibration_model", "training_history", "scenario_features"]
_SKILL = ["skill_metrics", "bayesian_skill_metrics"]
_AREAS = ("regime_areas", "regime_transitions")
_SCORED = ["scenario_regimes", "model_agreement", "true_budgets", "scenario_features"]
_SHOWN = ["scenario_regimes", "tracking_metrics", _PARAMETERS]


def create_pipeline() -> Pipeline:
    """Return the pipeline; nodes have the names of their functions."""
    functions: tuple[tuple[Callable[..., Any], list[str], str | dict[str, str]], ...] = (
        (nodes.track_regimes, [*_NETWORKS, *_CALIBRATED, _PARAMETERS, "params:compute"], "scenario_regimes"),
        (nodes.measure_areas, ["scenario_regimes", "ensemble", *_SKILL], {name: name for name in _AREAS}),
        (nodes.compare_models, ["scenario_regimes", _PARAMETERS], "model_agreement"),
        (
            nodes.explain_changes,
            [*_NETWORKS, "scenario_regimes", "scenario_features", _PARAMETERS],
            "change_attribution",
        ),
        (nodes.score_tracking, [*_SCORED, "regimes", "regime_model", "baselines", _PARAMETERS], "tracking_metrics"),
        (nodes.draw_regimes_by_window, _SHOWN, "scenario_tracking_regimes"),
        (nodes.draw_change, _SHOWN, "scenario_tracking_change"),
        (nodes.draw_areas, ["regime_areas", _PARAMETERS], "scenario_tracking_areas"),
        (nodes.draw_area_changes, ["regime_areas", _PARAMETERS], "scenario_tracking_area_changes"),
        (nodes.draw_transitions, ["regime_transitions", _PARAMETERS], "scenario_tracking_transitions"),
        (nodes.draw_change_reliability, ["tracking_metrics"], "scenario_tracking_reliability"),
        (nodes.draw_agreement, ["model_agreement", _PARAMETERS], "scenario_tracking_agreement"),
        (nodes.draw_reasons, ["change_attribution", *_SHOWN[1:]], "scenario_tracking_reasons"),
    )
    return Pipeline(
        [Node(function, inputs, outputs, name=function.__name__) for function, inputs, outputs in functions],
        tags="scenario_tracking",
    )
