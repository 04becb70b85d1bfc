"""Networks that learn to see a regime in sea level, stress and depth, beside simpler predictors.

features, regimes -> split_cells -> split -> fit_scaler -> feature_scaler
                                          -> train_ensemble -> ensemble, training_history -> draw_learning_curves
                                          -> fit_baselines  -> baselines
ensemble -> predict_ensemble -> ensemble_probabilities
ensemble, baselines -> score_networks -> network_metrics, network_reliability, skill_metrics -> draw_skill and so on
"""

from kedro.pipeline import Node, Pipeline

from thor.pipelines.modelling import nodes

PARAMETERS = "params:modelling"
CELLS = ["features", "regimes", "split"]


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            Node(nodes.split_cells, ["features", "regimes", PARAMETERS], "split", name="split_cells"),
            Node(nodes.fit_scaler, [*CELLS, PARAMETERS], "feature_scaler", name="fit_scaler"),
            Node(
                nodes.train_ensemble,
                [*CELLS, "feature_scaler", "regime_model", "vorticity_budget", "published_networks", PARAMETERS],
                {"ensemble": "ensemble", "training_history": "training_history"},
                name="train_ensemble",
            ),
            Node(nodes.fit_baselines, [*CELLS, PARAMETERS], "baselines", name="fit_baselines"),
            Node(
                nodes.predict_ensemble,
                ["ensemble", "features", "feature_scaler"],
                "ensemble_probabilities",
                name="predict_ensemble",
            ),
            Node(
                nodes.score_networks,
                [
                    *("ensemble", "baselines", *CELLS, "feature_scaler"),
                    *("training_history", "published_networks", PARAMETERS),
                ],
                {name: name for name in ("skill_metrics", "network_metrics", "network_reliability")},
                name="score_networks",
            ),
            Node(nodes.draw_skill, "skill_metrics", "modelling_skill", name="draw_skill"),
            Node(nodes.draw_confusion, "skill_metrics", "modelling_confusion", name="draw_confusion"),
            Node(
                nodes.draw_learning_curves,
                "training_history",
                "modelling_learning_curves",
                name="draw_learning_curves",
            ),
        ],
        tags="modelling",
    )
