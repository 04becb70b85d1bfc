"""THOR: find the ocean's dynamical regimes, recognise them in any climate model, track them under climate change."""

__version__ = "0.1.0"
