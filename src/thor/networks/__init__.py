"""Networks that predict the regime from published climate variables: samples, training, prediction, baselines, scores.

The weights of many networks are stacked along a leading `network` axis; they are trained and applied together.
"""
