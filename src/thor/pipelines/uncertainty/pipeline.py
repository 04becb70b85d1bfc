"""Uncertainty of the predicted regimes: Bayesian networks, calibration, conformal sets, area of applicability.

features, regimes, split -> train_bayesian_network -> bayesian_network, bayesian_training_history
                         -> train_final_bayesian_network -> final_bayesian_network
ensemble                 -> fit_laplace_network    -> laplace_network
left_out_predictors      -> train_left_out_posteriors -> left_out_cells
left_out_cells, all predictors, input_sets -> calibrate -> calibration_model
    -> compute_regime_uncertainty -> regime_uncertainty -> draw_uncertainty
    -> score_uncertainty -> bayesian_skill_metrics, calibration_metrics, bayesian_network_metrics and _reliability
                         -> draw_reliability, draw_risk_coverage, draw_conformal_coverage
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import by_name, named_node
from thor.pipelines.uncertainty import nodes

PARAMETERS = "params:uncertainty"
CELLS = ["features", "regimes", "split"]
TRAINED_ON = [*CELLS, "feature_scaler", PARAMETERS]
PREDICTORS = ["ensemble", "baselines", "bayesian_network", "laplace_network"]


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(
                nodes.train_bayesian_network,
                TRAINED_ON,
                by_name("bayesian_network", "bayesian_training_history"),
            ),
            named_node(nodes.train_final_bayesian_network, TRAINED_ON, "final_bayesian_network"),
            named_node(nodes.fit_laplace_network, ["ensemble", *TRAINED_ON], "laplace_network"),
            named_node(
                nodes.train_left_out_posteriors,
                ["left_out_predictors", "features", "regimes", PARAMETERS],
                "left_out_cells",
            ),
            named_node(
                nodes.calibrate,
                [
                    *("left_out_cells", "final_ensemble", *PREDICTORS, *CELLS),
                    "vorticity_budget",
                    "input_sets",
                    PARAMETERS,
                ],
                "calibration_model",
            ),
            named_node(
                nodes.compute_regime_uncertainty,
                [*PREDICTORS, "calibration_model", "features", "training_history", PARAMETERS],
                "regime_uncertainty",
            ),
            named_node(
                nodes.score_uncertainty,
                [*PREDICTORS, "calibration_model", "left_out_cells", *CELLS, "bayesian_training_history", PARAMETERS],
                by_name(
                    "bayesian_skill_metrics",
                    "calibration_metrics",
                    "bayesian_network_metrics",
                    "bayesian_network_reliability",
                ),
            ),
            named_node(nodes.draw_reliability, "calibration_metrics", "uncertainty_reliability"),
            named_node(nodes.draw_risk_coverage, "calibration_metrics", "uncertainty_risk_coverage"),
            named_node(nodes.draw_conformal_coverage, "calibration_metrics", "uncertainty_conformal"),
            named_node(nodes.draw_uncertainty, ["regime_uncertainty", "regimes", "split"], "uncertainty_maps"),
        ],
    )
