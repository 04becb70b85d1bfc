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

from thor.app.named_nodes import by_name, named_node
from thor.pipelines.data_engineering import nodes

_PARAMETERS = "params:data_engineering"


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(nodes.harmonise_training_ocean, ["raw_training_ocean", _PARAMETERS], "training_ocean"),
            named_node(nodes.compute_vorticity_budget, ["training_ocean", _PARAMETERS], "vorticity_budget"),
            named_node(nodes.compute_features, ["training_ocean", _PARAMETERS], "features"),
            named_node(nodes.compute_global_temperature, ["raw_archive", _PARAMETERS], "global_temperature"),
            named_node(nodes.find_warming_levels, ["global_temperature", "raw_archive", _PARAMETERS], "warming_levels"),
            named_node(
                nodes.compute_climatologies,
                ["raw_archive", "warming_levels", _PARAMETERS],
                by_name("archive_plan", "climatologies", "transport_climatologies", "transports_sigma2"),
            ),
            named_node(nodes.list_archive, ["archive_plan", "climatologies"], "archive_inventory"),
            named_node(
                nodes.compute_scenario_features, ["climatologies", "diagnosed_terms", _PARAMETERS], "scenario_features"
            ),
            named_node(
                nodes.diagnose_terms, ["climatologies", "transport_climatologies", _PARAMETERS], "diagnosed_terms"
            ),
            named_node(
                nodes.draw_warming, ["global_temperature", "warming_levels", _PARAMETERS], "data_engineering_warming"
            ),
            named_node(nodes.draw_features, "features", "data_engineering_features"),
            named_node(nodes.draw_scenarios, "scenario_features", "data_engineering_scenarios"),
        ],
    )
