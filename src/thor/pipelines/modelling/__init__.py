"""The pipeline `modelling`; `pipeline.py` describes it."""

from thor.pipelines.modelling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
