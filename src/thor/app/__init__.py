"""The application: configuration, parameters, hooks, MLflow and commands; no part of the library."""
