"""The pipeline `regime_clustering`; `pipeline.py` describes it."""

from thor.pipelines.regime_clustering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
