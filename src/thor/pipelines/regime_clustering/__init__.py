"""The pipeline `regime_clustering`: see `pipeline.py`."""
