"""Ocean science on any structured grid: metrics, operators, basins, vorticity budget, features, the idealized ocean.

Import from the modules; nothing is imported here, so that each costs only what it uses.
"""
