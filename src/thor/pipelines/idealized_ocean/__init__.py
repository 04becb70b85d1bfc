"""The pipeline `idealized_ocean`; `pipeline.py` describes it."""

from thor.pipelines.idealized_ocean.pipeline import create_pipeline

__all__ = ["create_pipeline"]
