"""Each ocean basin tested by networks that never saw it: `kedro run --pipeline cross_validation`.

features, regimes -> cross_validate_basins  -> cross_validation_metrics
                  -> measure_feature_groups -> feature_group_worth
"""

from kedro.pipeline import Node, Pipeline

from thor.pipelines.cross_validation import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.cross_validate_basins,
                ["features", "regimes", "params:cross_validation"],
                "cross_validation_metrics",
                name="cross_validate_basins",
            ),
            Node(
                nodes.measure_feature_groups,
                ["features", "regimes", "params:cross_validation"],
                "feature_group_worth",
                name="measure_feature_groups",
            ),
        ],
        tags="cross_validation",
    )
