"""The embedded ocean: a training ocean whose vorticity budget closes by construction.

params:idealized_ocean -> make_training_ocean -> raw_training_ocean
                                                   |-> draw_ocean_state -> idealized_ocean_state
"""

from kedro.pipeline import Node, Pipeline

from thor.pipelines.idealized_ocean import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            Node(nodes.make_training_ocean, "params:idealized_ocean", "raw_training_ocean", name="make_training_ocean"),
            Node(nodes.draw_ocean_state, "raw_training_ocean", "idealized_ocean_state", name="draw_ocean_state"),
        ],
        tags="idealized_ocean",
    )
