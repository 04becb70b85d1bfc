"""The pipeline `uncertainty`: see `pipeline.py`."""

from thor.pipelines.uncertainty.pipeline import create_pipeline

__all__ = ["create_pipeline"]
