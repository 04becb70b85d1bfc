"""The pipeline `modelling`: see `pipeline.py`."""

from thor.pipelines.modelling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
