"""The pipeline `network_search`; `pipeline.py` describes it."""

from thor.pipelines.network_search.pipeline import create_pipeline

__all__ = ["create_pipeline"]
