"""The pipeline `uncertainty`; `pipeline.py` says what it does."""

from thor.pipelines.uncertainty.pipeline import create_pipeline

__all__ = ["create_pipeline"]
