"""Ocean science on any structured grid: metrics, operators, basins, vorticity budget, features, the idealized ocean.

Import from the modules; nothing is imported here, so that each import loads only what it needs.
"""
