"""Settings of the benchmarks that compare inputs: all networks and trees see all of them."""

TRAINING = {"budget_share": 0.0}

BOOSTING = {"budget_share": 0.0, "max_iter": 200, "learning_rate": 0.05}
"""With the smaller steps, and so many trees, with which these tables were made."""
