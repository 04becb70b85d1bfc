"""The pipeline `data_engineering`: see `pipeline.py`."""
