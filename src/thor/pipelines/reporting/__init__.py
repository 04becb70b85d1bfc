"""The pipeline `reporting`: see `pipeline.py`."""
