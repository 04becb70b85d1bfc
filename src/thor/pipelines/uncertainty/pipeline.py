"""How surely a cell has its regime: Bayesian networks, calibration, conformal sets, area of applicability.

features, regimes, split -> train_bayesian_network -> bayesian_network, bayesian_training_history
ensemble                 -> fit_laplace_network    -> laplace_network
ensemble, bayesian_network, laplace_network -> calibrate -> calibration_model
    -> compute_regime_uncertainty -> regime_uncertainty -> draw_uncertainty
    -> score_uncertainty -> bayesian_skill_metrics, calibration_metrics, bayesian_network_metrics and _reliability
                         -> draw_reliability, draw_risk_coverage, draw_conformal_coverage
"""

from kedro.pipeline import Node, Pipeline

from thor.pipelines.uncertainty import nodes

PARAMETERS = "params:uncertainty"
CELLS = ["features", "regimes", "split", "feature_scaler"]
NETWORKS = ["ensemble", "bayesian_network", "laplace_network"]


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.train_bayesian_network,
                [*CELLS, PARAMETERS],
                {
                    "bayesian_network": "bayesian_network",
                    "bayesian_training_history": "bayesian_training_history",
                },
                name="train_bayesian_network",
            ),
            Node(
                nodes.fit_laplace_network,
                ["ensemble", *CELLS, PARAMETERS],
                "laplace_network",
                name="fit_laplace_network",
            ),
            Node(nodes.calibrate, [*NETWORKS, *CELLS, PARAMETERS], "calibration_model", name="calibrate"),
            Node(
                nodes.compute_regime_uncertainty,
                [*NETWORKS, "calibration_model", "features", "feature_scaler", "training_history", PARAMETERS],
                "regime_uncertainty",
                name="compute_regime_uncertainty",
            ),
            Node(
                nodes.score_uncertainty,
                [*NETWORKS, "calibration_model", *CELLS, "bayesian_training_history", PARAMETERS],
                {
                    "bayesian_skill_metrics": "bayesian_skill_metrics",
                    "calibration_metrics": "calibration_metrics",
                    "bayesian_network_metrics": "bayesian_network_metrics",
                    "bayesian_network_reliability": "bayesian_network_reliability",
                },
                name="score_uncertainty",
            ),
            Node(nodes.draw_reliability, "calibration_metrics", "uncertainty_reliability", name="draw_reliability"),
            Node(
                nodes.draw_risk_coverage,
                "calibration_metrics",
                "uncertainty_risk_coverage",
                name="draw_risk_coverage",
            ),
            Node(
                nodes.draw_conformal_coverage,
                "calibration_metrics",
                "uncertainty_conformal",
                name="draw_conformal_coverage",
            ),
            Node(
                nodes.draw_uncertainty,
                ["regime_uncertainty", "regimes", "split"],
                "uncertainty_maps",
                name="draw_uncertainty",
            ),
        ],
        tags="uncertainty",
    )
