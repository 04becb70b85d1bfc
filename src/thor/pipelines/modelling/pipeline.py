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

from thor.app.named_nodes import named_node
from thor.pipelines.modelling import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(nodes.split_cells, "split"),
            named_node(nodes.fit_scaler, "feature_scaler"),
            named_node(nodes.train_ensemble, "ensemble", "training_history"),
            named_node(nodes.fit_baselines, "baselines"),
            named_node(nodes.train_final_ensemble, "final_ensemble", inputs_of=nodes.train_ensemble),
            named_node(nodes.fit_final_baselines, "final_baselines", inputs_of=nodes.fit_baselines),
            named_node(nodes.train_left_out, "left_out_predictors"),
            named_node(nodes.train_input_sets, "input_sets"),
            named_node(nodes.predict_ensemble, "ensemble_probabilities"),
            named_node(nodes.score_networks, "skill_metrics", "network_metrics", "network_reliability"),
            named_node(
                nodes.draw_skill, "modelling_skill", "modelling_left_out", "modelling_confusion", "modelling_input_sets"
            ),
            named_node(nodes.draw_learning_curves, "modelling_learning_curves"),
        ],
    )
