"""What surrounds the pipelines: configuration, parameters, hooks, MLflow and commands; no part of the library."""
