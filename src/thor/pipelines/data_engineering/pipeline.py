"""Budget to be clustered and features of the networks, from the training ocean and the archive.

raw_training_ocean -> harmonise_training_ocean -> training_ocean
                        |-> compute_vorticity_budget -> vorticity_budget
                        |-> compute_features         -> features -> draw_features -> data_engineering_features
raw_archive -> compute_global_temperature -> global_temperature -> find_warming_levels -> warming_levels
               global_temperature, warming_levels -> draw_warming -> data_engineering_warming
raw_archive, warming_levels -> compute_climatologies
               -> climatologies, transport_climatologies, transports_sigma2, archive_plan
climatologies, diagnosed_terms -> compute_scenario_features -> scenario_features
                                                                |-> draw_scenarios -> data_engineering_scenarios
climatologies, transport_climatologies -> diagnose_terms -> diagnosed_terms
archive_plan, climatologies -> list_archive -> archive_inventory
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import named_node
from thor.pipelines.data_engineering import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(nodes.harmonise_training_ocean, "training_ocean"),
            named_node(nodes.compute_vorticity_budget, "vorticity_budget"),
            named_node(nodes.compute_features, "features"),
            named_node(nodes.compute_global_temperature, "global_temperature"),
            named_node(nodes.find_warming_levels, "warming_levels"),
            named_node(
                nodes.compute_climatologies,
                "archive_plan",
                "climatologies",
                "transport_climatologies",
                "transports_sigma2",
            ),
            named_node(nodes.list_archive, "archive_inventory"),
            named_node(nodes.compute_scenario_features, "scenario_features"),
            named_node(nodes.diagnose_terms, "diagnosed_terms"),
            named_node(nodes.draw_warming, "data_engineering_warming"),
            named_node(nodes.draw_features, "data_engineering_features"),
            named_node(nodes.draw_scenarios, "data_engineering_scenarios"),
        ],
    )
