"""Budget to be clustered and features of the networks, from the training ocean and the archive.

raw_training_ocean -> harmonise_training_ocean -> training_ocean
                        |-> compute_vorticity_budget -> vorticity_budget
                        |-> compute_features         -> features -> draw_features -> data_engineering_features
raw_archive -> compute_climatologies -> climatologies -> compute_scenario_features -> scenario_features
                                                    -> draw_scenarios -> data_engineering_scenarios
                                     -> archive_plan, climatologies -> list_archive -> archive_inventory
"""

from kedro.pipeline import Node, Pipeline

from thor.pipelines.data_engineering import nodes

_PARAMETERS = "params:data_engineering"


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.harmonise_training_ocean,
                ["raw_training_ocean", _PARAMETERS],
                "training_ocean",
                name="harmonise_training_ocean",
            ),
            Node(
                nodes.compute_vorticity_budget,
                ["training_ocean", _PARAMETERS],
                "vorticity_budget",
                name="compute_vorticity_budget",
            ),
            Node(nodes.compute_features, ["training_ocean", _PARAMETERS], "features", name="compute_features"),
            Node(
                nodes.compute_climatologies,
                ["raw_archive", _PARAMETERS],
                {"archive_plan": "archive_plan", "climatologies": "climatologies"},
                name="compute_climatologies",
            ),
            Node(nodes.list_archive, ["archive_plan", "climatologies"], "archive_inventory", name="list_archive"),
            Node(
                nodes.compute_scenario_features,
                ["climatologies", _PARAMETERS],
                "scenario_features",
                name="compute_scenario_features",
            ),
            Node(nodes.draw_features, "features", "data_engineering_features", name="draw_features"),
            Node(nodes.draw_scenarios, "scenario_features", "data_engineering_scenarios", name="draw_scenarios"),
        ],
        tags="data_engineering",
    )
