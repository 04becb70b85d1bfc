"""The pipeline `data_engineering`: see `pipeline.py`."""

from thor.pipelines.data_engineering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
