"""Figures: one map style, curves and bars; each function takes datasets and returns a matplotlib figure.

Nothing in the library imports this folder. Matplotlib and cartopy are imported inside the functions that use them.
"""
