"""Networks that predict the regime from sea level, wind stress and depth, compared with simpler predictors.

features, regimes -> split_cells -> split -> fit_scaler -> feature_scaler
                                          -> train_ensemble -> ensemble, training_history -> draw_learning_curves
                                          -> fit_baselines  -> baselines
                                          -> train_final_ensemble -> final_ensemble
                                          -> fit_final_baselines  -> final_baselines
features, regimes -> train_left_out -> left_out_predictors
                  -> train_input_sets -> input_sets
ensemble -> predict_ensemble -> ensemble_probabilities
ensemble, baselines, left_out_predictors, input_sets
                  -> score_networks -> network_metrics, network_reliability, skill_metrics -> draw_skill
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import by_name, named_node
from thor.pipelines.modelling import nodes

PARAMETERS = "params:modelling"
CELLS = ["features", "regimes", "split"]
TRAINED_ON = [*CELLS, "feature_scaler", "regime_model", "vorticity_budget", "published_networks", PARAMETERS]


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(nodes.split_cells, ["features", "regimes", PARAMETERS], "split"),
            named_node(nodes.fit_scaler, [*CELLS, PARAMETERS], "feature_scaler"),
            named_node(
                nodes.train_ensemble,
                TRAINED_ON,
                by_name("ensemble", "training_history"),
            ),
            named_node(nodes.fit_baselines, [*CELLS, "feature_scaler", PARAMETERS], "baselines"),
            named_node(nodes.train_final_ensemble, TRAINED_ON, "final_ensemble"),
            named_node(nodes.fit_final_baselines, [*CELLS, "feature_scaler", PARAMETERS], "final_baselines"),
            named_node(
                nodes.train_left_out,
                ["features", "regimes", "vorticity_budget", PARAMETERS],
                "left_out_predictors",
            ),
            named_node(
                nodes.train_input_sets, [*CELLS, "feature_scaler", "vorticity_budget", PARAMETERS], "input_sets"
            ),
            named_node(nodes.predict_ensemble, ["ensemble", "features", "feature_scaler"], "ensemble_probabilities"),
            named_node(
                nodes.score_networks,
                [
                    *("ensemble", "baselines", "left_out_predictors", "input_sets", *CELLS, "feature_scaler"),
                    *("training_history", "published_networks", PARAMETERS),
                ],
                by_name("skill_metrics", "network_metrics", "network_reliability"),
            ),
            named_node(
                nodes.draw_skill,
                "skill_metrics",
                by_name("modelling_skill", "modelling_left_out", "modelling_confusion", "modelling_input_sets"),
            ),
            named_node(nodes.draw_learning_curves, "training_history", "modelling_learning_curves"),
        ],
    )
