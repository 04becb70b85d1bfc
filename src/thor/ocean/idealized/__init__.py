"""The idealized ocean: a steady model of the world ocean whose vorticity budget closes by construction.

Grid, geography and winds are separate from the circulation, so further grids, winds and oceans are further cases; one
factorisation (`circulation.CirculationModel`) serves any number of winds. `training.idealized_training_ocean` is the
way in. Nothing is imported here, so that reading the settings costs nothing.
"""
