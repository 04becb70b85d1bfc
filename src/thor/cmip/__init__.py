"""Climate-model archives in ESGF layout: finding files, homogenising them, means over climatological windows.

`archive` finds, `series` reads time axes, `windows` and `baselines` say which years, `homogenise` mends what single
models do differently (`quirks.yml`), `means` reads every file once, `climatology` puts a run together.
"""
