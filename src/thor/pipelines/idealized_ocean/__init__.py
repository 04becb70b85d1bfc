"""The pipeline `idealized_ocean`; `pipeline.py` says what it does."""

from thor.pipelines.idealized_ocean.pipeline import create_pipeline

__all__ = ["create_pipeline"]
