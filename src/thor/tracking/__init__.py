"""Regimes of climate models through time: where, when and with what probability they change, and beyond what noise.

`change` couples two windows inside each network, `forced` compares the change with internal variability, and `track`
does both for one run. Import from the modules.
"""

from collections.abc import Callable, Mapping

import xarray as xr

RunDatasets = Mapping[str, Callable[[], xr.Dataset]]
"""One dataset of each run, by `<source_id>/<experiment_id>/<variant_label>`: a function that reads it."""
