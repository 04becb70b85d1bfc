"""The pipeline `regime_clustering`; `pipeline.py` says what it does."""

from thor.pipelines.regime_clustering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
