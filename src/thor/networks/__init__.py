"""Networks that tell the regime from what climate models publish: samples, training, prediction, rivals, scores.

Many networks are one thing here: weights stacked along a leading `network` axis, trained and applied together.
"""
