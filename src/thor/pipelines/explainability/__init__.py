"""The pipeline `explainability`: see `pipeline.py`."""

from thor.pipelines.explainability.pipeline import create_pipeline

__all__ = ["create_pipeline"]
