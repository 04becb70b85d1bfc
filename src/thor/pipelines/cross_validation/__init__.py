"""The pipeline `cross_validation`; `pipeline.py` says what it does."""

from thor.pipelines.cross_validation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
