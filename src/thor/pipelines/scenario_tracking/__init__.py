"""The pipeline `scenario_tracking`; `pipeline.py` says what it does."""

from thor.pipelines.scenario_tracking.pipeline import create_pipeline

__all__ = ["create_pipeline"]
