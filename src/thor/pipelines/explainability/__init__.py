"""The pipeline `explainability`; `pipeline.py` describes it."""

from thor.pipelines.explainability.pipeline import create_pipeline

__all__ = ["create_pipeline"]
