"""Which inputs moved the networks to a regime: relevance, Shapley values, local surrogates, and how far to trust them.

Every method explains the same target of stacked networks and gives blocks, `thor.attribution.attributions.Block`.
"""
