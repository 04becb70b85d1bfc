"""The embedded ocean: a training ocean whose vorticity budget closes by construction, and an archive of climate models.

A given training ocean is not changed, and no models are made beside another archive.

params:idealized_ocean -> make_training_ocean -> raw_training_ocean
   |                                               |-> draw_ocean_state -> idealized_ocean_state
   |-> make_archive -> raw_archive
   |-> make_true_budgets -> true_budgets
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import named_node
from thor.pipelines.idealized_ocean import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(nodes.make_training_ocean, "raw_training_ocean"),
            named_node(nodes.make_archive, "raw_archive"),
            named_node(nodes.make_true_budgets, "true_budgets"),
            named_node(nodes.draw_ocean_state, "idealized_ocean_state"),
        ],
    )
