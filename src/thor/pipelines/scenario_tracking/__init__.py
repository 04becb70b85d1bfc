"""The pipeline `scenario_tracking`: see `pipeline.py`."""

from thor.pipelines.scenario_tracking.pipeline import create_pipeline

__all__ = ["create_pipeline"]
