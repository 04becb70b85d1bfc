"""The pipeline `data_engineering`; `pipeline.py` says what it does."""

from thor.pipelines.data_engineering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
