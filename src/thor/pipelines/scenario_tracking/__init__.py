"""The pipeline `scenario_tracking`; `pipeline.py` describes it."""

from thor.pipelines.scenario_tracking.pipeline import create_pipeline

__all__ = ["create_pipeline"]
