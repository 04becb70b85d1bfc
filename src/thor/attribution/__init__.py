"""Attribution of the networks' regimes to their inputs, by registered methods (`methods/`), and its evaluation.

An explainer yields the attributions of stacked networks, block of samples by block (`thor.attribution.method`).
"""
