"""The pipeline `cross_validation`; `pipeline.py` describes it."""

from thor.pipelines.cross_validation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
