"""The pipeline `uncertainty`: see `pipeline.py`."""
