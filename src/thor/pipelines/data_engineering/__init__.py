"""The pipeline `data_engineering`; `pipeline.py` has a sketch of it."""

from thor.pipelines.data_engineering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
