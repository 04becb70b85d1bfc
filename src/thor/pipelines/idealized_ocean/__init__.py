"""The pipeline `idealized_ocean`: see `pipeline.py`."""
