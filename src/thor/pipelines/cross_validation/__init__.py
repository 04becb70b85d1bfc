"""The pipeline `cross_validation`: see `pipeline.py`."""

from thor.pipelines.cross_validation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
