"""The pipeline `explainability`; `pipeline.py` says what it does."""

from thor.pipelines.explainability.pipeline import create_pipeline

__all__ = ["create_pipeline"]
