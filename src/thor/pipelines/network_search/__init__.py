"""The pipeline `network_search`: see `pipeline.py`."""
