"""How far a regime probability can be believed: posteriors, predictive distributions, calibration, applicability.

`bayesian` and `laplace` give networks drawn from a posterior, stacked like any others; `predictive` tells what many
networks say together; `applicability` tells where none of them has learned anything. Import from the modules.
"""
