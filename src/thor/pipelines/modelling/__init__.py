"""The pipeline `modelling`; `pipeline.py` says what it does."""

from thor.pipelines.modelling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
