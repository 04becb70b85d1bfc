"""The pipeline `regime_clustering`: see `pipeline.py`."""

from thor.pipelines.regime_clustering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
