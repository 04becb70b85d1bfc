"""Uncertainty of regime probabilities: posteriors, predictive distributions, calibration, area of applicability.

`bayesian` and `laplace` draw networks from a posterior, stacked like any others; `predictive` computes the predictive
distribution of many networks; `applicability` finds cells unlike all training cells. Import from the modules.
"""
