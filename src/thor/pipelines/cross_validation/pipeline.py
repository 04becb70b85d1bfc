"""Networks tested in each ocean basin, which is left out of their training: `kedro run --pipeline cross_validation`.

features, regimes -> cross_validate_basins  -> cross_validation_metrics
                  -> measure_feature_groups -> feature_group_worth
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import named_node
from thor.pipelines.cross_validation import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(nodes.cross_validate_basins, "cross_validation_metrics"),
            named_node(nodes.measure_feature_groups, "feature_group_worth"),
        ],
    )
