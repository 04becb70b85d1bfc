"""The pipeline `idealized_ocean`: see `pipeline.py`."""

from thor.pipelines.idealized_ocean.pipeline import create_pipeline

__all__ = ["create_pipeline"]
