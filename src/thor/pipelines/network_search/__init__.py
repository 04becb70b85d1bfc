"""The pipeline `network_search`: see `pipeline.py`."""

from thor.pipelines.network_search.pipeline import create_pipeline

__all__ = ["create_pipeline"]
