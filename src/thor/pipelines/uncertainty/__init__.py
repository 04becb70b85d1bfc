"""The pipeline `uncertainty`; `pipeline.py` describes it."""

from thor.pipelines.uncertainty.pipeline import create_pipeline

__all__ = ["create_pipeline"]
