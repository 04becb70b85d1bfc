"""The pipeline `cross_validation`: see `pipeline.py`."""
