"""The pipeline `reporting`; `pipeline.py` says what it does."""

from thor.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
