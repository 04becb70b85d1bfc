"""The pipeline `reporting`; `pipeline.py` describes it."""

from thor.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
