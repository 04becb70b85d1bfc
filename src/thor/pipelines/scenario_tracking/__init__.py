"""The pipeline `scenario_tracking`: see `pipeline.py`."""
