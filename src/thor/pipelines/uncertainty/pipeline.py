"""Uncertainty of the predicted regimes: Bayesian networks, calibration, conformal sets, area of applicability.

features, regimes, split -> train_bayesian_network -> bayesian_network, bayesian_training_history
                         -> train_final_bayesian_network -> final_bayesian_network
ensemble, training_history -> fit_laplace_network  -> laplace_network
left_out_predictors      -> train_left_out_posteriors -> left_out_cells
left_out_cells, all predictors, input_sets -> calibrate -> calibration_model
    -> compute_regime_uncertainty -> regime_uncertainty -> draw_uncertainty
    -> score_uncertainty -> bayesian_skill_metrics, calibration_metrics, bayesian_network_metrics and _reliability
                         -> draw_reliability, draw_risk_coverage, draw_conformal_coverage
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import named_node
from thor.pipelines.uncertainty import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(nodes.train_bayesian_network, "bayesian_network", "bayesian_training_history"),
            named_node(
                nodes.train_final_bayesian_network, "final_bayesian_network", inputs_of=nodes.train_bayesian_network
            ),
            named_node(nodes.fit_laplace_network, "laplace_network"),
            named_node(nodes.train_left_out_posteriors, "left_out_cells"),
            named_node(nodes.calibrate, "calibration_model", further_inputs=nodes.TRAINED),
            named_node(nodes.compute_regime_uncertainty, "regime_uncertainty", further_inputs=nodes.TRAINED),
            named_node(
                nodes.score_uncertainty,
                "bayesian_skill_metrics",
                "calibration_metrics",
                "bayesian_network_metrics",
                "bayesian_network_reliability",
                further_inputs=nodes.TRAINED,
            ),
            named_node(nodes.draw_reliability, "uncertainty_reliability"),
            named_node(nodes.draw_risk_coverage, "uncertainty_risk_coverage"),
            named_node(nodes.draw_conformal_coverage, "uncertainty_conformal"),
            named_node(nodes.draw_uncertainty, "uncertainty_maps"),
        ],
    )
