"""The pipeline `reporting`: see `pipeline.py`."""

from thor.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
