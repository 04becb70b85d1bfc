"""The pipeline `explainability`: see `pipeline.py`."""
