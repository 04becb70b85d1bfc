"""A search for better networks, run on request: `kedro run --pipeline network_search`.

features, regimes, split, feature_scaler -> search_networks -> search_trials
"""

from kedro.pipeline import Node, Pipeline

from thor.pipelines.network_search import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.search_networks,
                ["features", "regimes", "split", "feature_scaler", "params:network_search"],
                "search_trials",
                name="search_networks",
            )
        ],
        tags="network_search",
    )
