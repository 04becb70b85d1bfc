"""Reading: checks of any ocean, the steps that clean it, and archives of climate models.

`archive` finds files, `series` reads time axes, `windows` and `baselines` choose years, `steps` repairs one file,
`means` reads every file once, `climatology` assembles a run, and `training_ocean` cleans the training ocean.
"""
