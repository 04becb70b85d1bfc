"""Regimes of climate models through time: where, when and with what probability they change.

final_ensemble, final_baselines, final_bayesian_network, input_sets, calibration_model, scenario_features
                 -> calibrate_change (with true_regimes) -> change_calibration
                 -> track_regimes    -> scenario_regimes
                 -> track_input_sets -> input_set_regimes
scenario_regimes, input_set_regimes
                 -> measure_areas   -> regime_areas       -> draw_areas (with scenario_regimes)
                                    -> regime_transitions -> draw_transitions (with scenario_regimes)
                                    -> member_areas, model_areas
                 -> pool_members    -> forced_response
                 -> compare_models  -> model_agreement
                 -> explain_changes -> change_attribution -> draw_reasons
                 -> summarise_term_changes -> term_changes -> draw_reasons
transport_climatologies, transports_sigma2, scenario_features
                 -> measure_overturning -> overturning, overturning_sigma2 -> draw_overturning
climatologies and these -> measure_properties -> regime_properties -> draw_properties
all of these, true_regimes, true_budgets, regimes, calibration_model -> score_tracking -> tracking_metrics
                 -> draw_shown_run, draw_input_sets, draw_agreement, draw_change_reliability
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import named_node
from thor.pipelines.scenario_tracking import figures, nodes
from thor.pipelines.scenario_tracking.tools import TRAINED


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(nodes.calibrate_change, "change_calibration", further_inputs=TRAINED),
            named_node(nodes.track_regimes, "scenario_regimes", further_inputs=TRAINED),
            named_node(nodes.track_input_sets, "input_set_regimes"),
            named_node(nodes.measure_areas, "regime_areas", "regime_transitions", "member_areas", "model_areas"),
            named_node(nodes.pool_members, "forced_response"),
            named_node(nodes.compare_models, "model_agreement"),
            named_node(nodes.explain_changes, "change_attribution"),
            named_node(nodes.summarise_term_changes, "term_changes"),
            named_node(nodes.measure_overturning, "overturning", "overturning_sigma2", further_inputs=TRAINED),
            named_node(nodes.measure_properties, "regime_properties", further_inputs=TRAINED),
            named_node(nodes.score_tracking, "tracking_metrics"),
            named_node(figures.draw_shown_run, "scenario_tracking_regimes", "scenario_tracking_change"),
            named_node(figures.draw_input_sets, "scenario_tracking_input_sets"),
            named_node(
                figures.draw_overturning,
                "scenario_tracking_overturning",
                "scenario_tracking_overturning_sigma2",
                "scenario_tracking_amoc",
            ),
            named_node(figures.draw_properties, "scenario_tracking_properties"),
            named_node(figures.draw_areas, "scenario_tracking_areas", "scenario_tracking_area_changes"),
            named_node(figures.draw_transitions, "scenario_tracking_transitions"),
            named_node(figures.draw_change_reliability, "scenario_tracking_reliability"),
            named_node(figures.draw_agreement, "scenario_tracking_agreement"),
            named_node(figures.draw_reasons, "scenario_tracking_reasons"),
        ],
    )
