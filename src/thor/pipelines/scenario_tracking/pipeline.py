"""Regimes of climate models through time: where, when and with what probability they change.

final_ensemble, final_baselines, final_bayesian_network, input_sets, calibration_model, scenario_features
                 -> calibrate_change (with true_regimes) -> change_calibration
                 -> track_regimes    -> scenario_regimes
                 -> track_input_sets -> input_set_regimes
scenario_regimes, input_set_regimes
                 -> measure_areas   -> regime_areas       -> draw_areas
                                    -> regime_transitions -> draw_transitions
                                    -> member_areas, model_areas
                 -> pool_members    -> forced_response
                 -> compare_models  -> model_agreement
                 -> explain_changes -> change_attribution -> draw_reasons
                 -> summarise_term_changes -> term_changes -> draw_reasons
transport_climatologies, transports_sigma2, scenario_features
                 -> measure_overturning -> overturning, overturning_sigma2 -> draw_overturning
climatologies and these -> measure_properties -> regime_properties -> draw_properties
all of these, true_regimes, true_budgets, regimes -> score_tracking -> tracking_metrics
                 -> draw_shown_run, draw_input_sets, draw_agreement, draw_change_reliability
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import by_name, named_node
from thor.pipelines.scenario_tracking import figures, nodes

_PARAMETERS = "params:scenario_tracking"
_PREDICTORS = ["final_ensemble", "final_baselines", "final_bayesian_network"]
_TERMS = ["final_ensemble", "final_baselines", "calibration_model"]
_CALIBRATED = ["calibration_model", "training_history"]
_BOTH = ["scenario_regimes", "input_set_regimes"]
_SCORED = [
    *_BOTH,
    *("overturning", "overturning_sigma2"),
    "regime_properties",
    "model_agreement",
    "true_regimes",
    "true_budgets",
    "scenario_features",
]
_SHOWN = ["scenario_regimes", "tracking_metrics", _PARAMETERS]


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(
                nodes.calibrate_change,
                [*_PREDICTORS, *_CALIBRATED, "input_sets", "scenario_features", "true_regimes", _PARAMETERS],
                "change_calibration",
            ),
            named_node(
                nodes.track_regimes,
                [*_PREDICTORS, *_CALIBRATED, "change_calibration", "scenario_features", _PARAMETERS, "params:compute"],
                "scenario_regimes",
            ),
            named_node(
                nodes.track_input_sets,
                [
                    *("input_sets", "calibration_model", "change_calibration", "scenario_features"),
                    *(_PARAMETERS, "params:compute"),
                ],
                "input_set_regimes",
            ),
            named_node(
                nodes.measure_areas,
                [*_BOTH, _PARAMETERS],
                by_name("regime_areas", "regime_transitions", "member_areas", "model_areas"),
            ),
            named_node(nodes.pool_members, "scenario_regimes", "forced_response"),
            named_node(nodes.compare_models, ["scenario_regimes", _PARAMETERS], "model_agreement"),
            named_node(
                nodes.explain_changes,
                [*_PREDICTORS, "scenario_regimes", "scenario_features", _PARAMETERS],
                "change_attribution",
            ),
            named_node(
                nodes.summarise_term_changes,
                [*_TERMS, "scenario_regimes", "scenario_features", _PARAMETERS],
                "term_changes",
            ),
            named_node(
                nodes.measure_overturning,
                [
                    *(*_PREDICTORS, *_CALIBRATED, "scenario_features"),
                    *("transport_climatologies", "transports_sigma2", _PARAMETERS),
                ],
                by_name("overturning", "overturning_sigma2"),
            ),
            named_node(
                nodes.measure_properties,
                [
                    *(*_PREDICTORS, *_CALIBRATED, "scenario_features"),
                    *("climatologies", "transport_climatologies", _PARAMETERS),
                ],
                "regime_properties",
            ),
            named_node(
                nodes.score_tracking,
                [*_SCORED, "regimes", "regime_model", "final_baselines", _PARAMETERS],
                "tracking_metrics",
            ),
            named_node(
                figures.draw_shown_run,
                [*_BOTH, *_SHOWN[1:]],
                by_name("scenario_tracking_regimes", "scenario_tracking_change"),
            ),
            named_node(figures.draw_input_sets, [*_BOTH, *_SHOWN[1:]], "scenario_tracking_input_sets"),
            named_node(
                figures.draw_overturning,
                ["overturning", "overturning_sigma2", *_SHOWN[1:]],
                by_name(
                    "scenario_tracking_overturning", "scenario_tracking_overturning_sigma2", "scenario_tracking_amoc"
                ),
            ),
            named_node(figures.draw_properties, ["regime_properties", *_SHOWN[1:]], "scenario_tracking_properties"),
            named_node(
                figures.draw_areas,
                ["regime_areas", _PARAMETERS],
                by_name("scenario_tracking_areas", "scenario_tracking_area_changes"),
            ),
            named_node(figures.draw_transitions, ["regime_transitions", _PARAMETERS], "scenario_tracking_transitions"),
            named_node(figures.draw_change_reliability, ["tracking_metrics"], "scenario_tracking_reliability"),
            named_node(figures.draw_agreement, ["model_agreement", *_SHOWN[1:]], "scenario_tracking_agreement"),
            named_node(
                figures.draw_reasons, ["change_attribution", "term_changes", *_SHOWN[1:]], "scenario_tracking_reasons"
            ),
        ],
    )
