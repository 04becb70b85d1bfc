"""The idealized ocean: a steady model of the world ocean whose vorticity budget closes by construction.

Grid, geography and winds are separate from the circulation, so further grids, winds and oceans are further cases; one
factorisation (`circulation.CirculationModel`) serves any number of winds. Start with
`training.idealized_training_ocean`. Nothing is imported here, so that importing the settings is quick.
"""
