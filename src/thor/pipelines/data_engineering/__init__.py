"""The pipeline `data_engineering`; `pipeline.py` describes it."""

from thor.pipelines.data_engineering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
