"""The pipeline `modelling`: see `pipeline.py`."""
