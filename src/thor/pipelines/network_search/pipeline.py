"""A search over depths, widths and learning rates, run on request: `kedro run --pipeline network_search`.

features, regimes, split, feature_scaler -> search_networks -> search_trials
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import named_node
from thor.pipelines.network_search import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline([named_node(nodes.search_networks, "search_trials")])
