"""Which regimes move, where and when, and how likely: the runs of climate models through all their windows.

`change` couples two windows inside each network; `forced` holds that against natural variability; `track` does both
for one run. Import from the modules.
"""
